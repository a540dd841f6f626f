"""Raw photographs restored: demosaicked, and denoised at the same time, where noise is what the sensor made of it.

In the light that a sensor measures, noise has the variance ``readout² + gain · x`` (Foi et al. 2008). The white balance
is applied, the line is fitted to the mosaic, and the generalised Anscombe transform makes the noise the same at all
intensities; it acts on each pixel by itself, so that a mosaic stays one. Colours are found there, where steps are also
nearer to what the eye sees, mapped back without bias, and turned into sRGB by the camera's matrix.

References
----------
A. Foi, M. Trimeche, V. Katkovnik, K. Egiazarian: Practical Poissonian–Gaussian noise modeling and fitting for
single-image raw-data, IEEE TIP 17 (2008). M. Mäkitalo, A. Foi: Optimal inversion of the generalized Anscombe
transformation for Poisson–Gaussian noise, IEEE TIP 22 (2013).
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import torch

from zeroshot import images
from zeroshot.checks import is_number
from zeroshot.deadline import Deadline
from zeroshot.images.raw import RawPhotograph, rendered, rendered_metadata
from zeroshot.noise import NoiseModel, estimate_sigma, phase_planes
from zeroshot.noise.photon_line import photon_line_of
from zeroshot.operators import Mosaic
from zeroshot.request import Request
from zeroshot.restoration import Restoration
from zeroshot.spelling import Argument, OptionError
from zeroshot.tasks import make_problem, task_named
from zeroshot.tasks.options import ShareOfRange

#: The tasks that a mosaic can be given to.
TASKS = ("demosaic", "denoise")
RENDERINGS = ("srgb", "linear")
#: What "fast" stands for where there is noise. The standings of demosaicking are those of mosaics without any, of which
#: total variation is the best of the quick ones; with noise it leaves blotches, 0.7 to 1.4 dB worse in about the same
#: time (``python -m benchmarks.raw_photographs --images 2 --size 64``).
_FAST_DENOISING = "dct"
#: Where the noise is too weak to tell how it grows: the line whose transform is near the square root.
_WEAK_GAIN = 1e-3
#: Planes of a mosaic with more pixels than that are looked at in their middle.
_MOST_PIXELS = 1 << 20


def check_raw(task: str, options: dict[str, Any], rendering: str) -> None:
    """Refuse what does not go with a raw photograph, before it is read.

    Raises
    ------
    ValueError
        In one line.
    """
    if rendering not in RENDERINGS:
        raise OptionError(Argument("rendering"), f" must be 'srgb' or 'linear', got {rendering!r}")
    if task not in TASKS:
        named = " or ".join(TASKS)
        raise ValueError(
            f"a raw photograph is restored by {named}; task {task!r} takes the picture they make"
        )
    allowed = {"strength"} if task == "denoise" else {"sigma"}
    for name, value in task_named(task).completed(options).items():
        if name in options and name not in allowed and value is not None:
            told = "its noise is estimated" if task == "denoise" else "the file says it"
            raise OptionError(Argument(name, ...), f" does not go with a raw photograph: {told}")


def restored_raw(
    photograph: RawPhotograph,
    request: Request,
    options: dict[str, Any],
    rendering: str,
    deadline: Deadline | None,
) -> Restoration:
    """The picture that a raw photograph shows, of 16 bits.

    Parameters
    ----------
    photograph : RawPhotograph
    request : Request
        Of the task "demosaic", which takes the noise for part of the picture, or "denoise".
    options : dict
        "strength" for the latter, "sigma" for the former.
    rendering : {"srgb", "linear"}
        See :func:`zeroshot.images.raw.rendered`.
    deadline : Deadline or None
    """
    operator = Mosaic(photograph.pattern)
    balanced = torch.from_numpy(_balanced(photograph))[None, None]
    law = _photon_law(photograph, operator.period)
    # What is clipped at white has no noise; beyond it is nothing.
    stable, _ = law.stabilise(balanced.clamp(max=1.0))
    picture = images.load(stable[0, 0].numpy().clip(0, 1), value_range=(0.0, 1.0))
    sigma = options.get("sigma", 0.0)
    level = estimate_sigma(_middle(phase_planes(stable, operator.period)))
    if request.task == "denoise":
        strength = options.get("strength", 1.0)
        sigma = ShareOfRange(level * (float(strength) if is_number(strength) else 1.0))
    told = {"pattern": photograph.pattern, "sigma": sigma}
    inner = replace(request, task="demosaic", prior=_prior_of(request))
    posed = inner.posed(picture, *make_problem("demosaic", picture, told))
    restoration = posed.restored(deadline)
    found = {
        "raw": {
            "pattern": "/".join(photograph.pattern),
            "black_and_white": list(photograph.levels),
            "white_balance": list(photograph.gains),
            "matrix": photograph.matrix.round(6).tolist(),
            "rendering": rendering,
            "noise": {
                "gain": law.variances[0][1] - law.variances[0][0],
                "readout": law.variances[0][0] ** 0.5,
            },
        },
        "task": request.task,
    }
    simple = operator.initial(balanced.clamp(0, 1))
    return replace(
        restoration,
        picture=_picture(law.unstabilise(restoration.picture.colours), photograph, rendering),
        before=_picture(simple, photograph, rendering),
        sigma=level if request.task == "denoise" else None,
        provenance=restoration.provenance | found,
    )


def _prior_of(request: Request) -> Any:
    """The default of demosaicking where nothing else was asked for; that of denoising is for whole pictures."""
    if request.task == "denoise" and request.prior == "fast":
        return _FAST_DENOISING
    usual = request.task == "denoise" and request.prior == task_named("denoise").prior
    return None if usual else request.prior


def _site_gains(photograph: RawPhotograph) -> np.ndarray:
    """The gains of the white balance at the places of the layout; where one filter is saturated a grey pixel is white,
    so that none is below 1.
    """  # fmt: skip
    gains = dict(zip("RGB", photograph.gains, strict=True))
    return np.array([[gains[letter] for letter in row] for row in photograph.pattern]) / min(gains.values())


def _balanced(photograph: RawPhotograph) -> np.ndarray:
    """The mosaic with the white balance: what is grey has one value under all filters."""
    gains, (height, width) = _site_gains(photograph), photograph.mosaic.shape
    down, right = (-(-side // period) for side, period in zip((height, width), gains.shape, strict=True))
    return photograph.mosaic * np.tile(gains, (down, right))[:height, :width].astype(np.float32)


def _middle(planes: torch.Tensor) -> torch.Tensor:
    height, width = planes.shape[-2:]
    side = int((_MOST_PIXELS / len(planes)) ** 0.5)
    top, left = max(0, (height - side) // 2), max(0, (width - side) // 2)
    return planes[..., top : top + side, left : left + side]


def _photon_law(photograph: RawPhotograph, period: int) -> NoiseModel:
    """The line ``readout² + gain x`` of the sensor, at the mean of the gains of the white balance."""
    planes = _middle(phase_planes(torch.from_numpy(photograph.mosaic)[None, None], period))
    line = photon_line_of(planes)
    if line is None:
        # One level at all intensities, or too weak to tell: the square root, down to where readout noise is.
        return NoiseModel.photon(_WEAK_GAIN, max(estimate_sigma(planes), _WEAK_GAIN))
    gains = _site_gains(photograph)
    return NoiseModel.photon(line[0] * gains.mean(), line[1] * float(np.sqrt(np.square(gains).mean())))


def _picture(colours: torch.Tensor, photograph: RawPhotograph, rendering: str) -> images.Picture:
    array = rendered(colours[0].movedim(0, -1).double().cpu().numpy(), photograph, rendering)
    picture = images.load(np.ascontiguousarray(array))
    metadata = rendered_metadata(photograph, rendering)
    return replace(picture, form=replace(picture.form, metadata=metadata, source=photograph.source))
