"""degrade(): a good image and the name of a task in, the damaged image out, with its truth and its record."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np
import torch

from zeroshot import images
from zeroshot.degradation.damage import DAMAGE, check_damage, damage_of
from zeroshot.degradation.noise import NOISE, check_noise, kinds_of_noise, noise_options, noisy
from zeroshot.degradation.rounding import Quantise, measured, rounded
from zeroshot.operators import Operator
from zeroshot.provenance import described
from zeroshot.version import __version__
from zeroshot.words import unknown

#: Operators may ask for sizes that are multiples of any number up to this.
_LARGEST_MULTIPLE = 64


@dataclass(frozen=True, eq=False)
class Degraded:
    """A damaged image beside its truth.

    Attributes
    ----------
    measurement : torch.Tensor
        y = Q(A x + n), (1, C, h, w), float32; noise may leave [0, 1].
    truth : torch.Tensor
        x, (1, C, H, W) in [0, 1], cropped at the bottom and the right where the operator asks for it.
    task : str
        The task that undoes the damage.
    options : dict
        The task's options as :func:`zeroshot.solve` takes them; masks and hints that were drawn as tensors.
    operator : Operator
        A.
    provenance : dict
        How the measurement was made, JSON-able.
    """

    measurement: torch.Tensor
    truth: torch.Tensor
    task: str
    options: dict[str, Any]
    operator: Operator
    provenance: dict[str, Any]


def degrade(
    truth: Any,
    task: str,
    *,
    seed: int = 0,
    quantise: Quantise | None = None,
    value_range: tuple[float, float] | None = None,
    **options: Any,
) -> Degraded:
    """Damage an image as a task undoes it: ``y = Q(A x + n)`` with A from the task, noise n, rounding Q.

    The same image, options and seed give the same bytes.

    Parameters
    ----------
    truth : path, PIL image, numpy array, torch tensor or Picture
        One good image, H×W or H×W×C, or C×H×W for tensors; an alpha channel serves ``mask="alpha"`` only.
    task : str
        A name in the table of :func:`zeroshot.tasks`.
    seed : int
        Of the noise, of missing pixels and of hints.
    quantise : {"8-bit", "none"}, optional
        "8-bit" clips to [0, 1] and rounds to 256 levels, as an 8-bit file does. By default super-resolution
        without noise is rounded and all else is not, as in the published tables. Bicubic super-resolution
        rounds after each axis, which gives the published low-resolution images value by value.
    value_range : tuple of float, optional
        The values of black and white of `truth`, where they are not the full range of its type.
    **options
        At most one noise: ``sigma`` (Gaussian, on the [0, 1] scale), ``peak`` (photons that make white) or
        ``salt_pepper`` (share of the pixels). And by task:

        - "denoise": nothing more; one of the noises is required.
        - "inpaint": ``missing`` (share of random pixels) or ``mask`` (true where pixels are kept).
        - "sr": ``scale``, ``kernel``, ``kernel_sigma``.
        - "colorize": ``luma``; ``hints``, a share of random pixels whose colours are told or an RGBA image.
        - "demosaic": ``pattern``.
        - "deblur": ``kernel``, ``boundary``.
        - "restore": ``operator``.

        ``data_term`` goes into the options of the result, over the one that suits the noise.

    Returns
    -------
    Degraded
        On the CPU.

    Raises
    ------
    ValueError, TypeError, FileNotFoundError
        In one line, before any work, where something does not fit.

    Examples
    --------
    >>> from skimage.data import astronaut
    >>> from zeroshot.degradation import degrade
    >>> small = degrade(astronaut()[:97, :98], "sr", scale=4)
    >>> tuple(small.truth.shape), tuple(small.measurement.shape), small.options["scale"]
    ((1, 3, 96, 96), (1, 3, 24, 24), 4)
    """
    check(task, seed=seed, quantise=quantise, **options)
    given = {name: value for name, value in options.items() if value is not None}
    picture = truth if isinstance(truth, images.Picture) else images.load(truth, value_range=value_range)
    if picture.colours.shape[0] != 1:
        raise ValueError(f"degrade takes one image at a time, got a batch of {picture.colours.shape[0]}")
    generator = torch.Generator().manual_seed(int(seed))
    damage = damage_of(task, picture, given, generator)
    clean = cropped_for(damage.operator, picture.colours.clamp(0, 1))
    rounding = quantise or _usual_rounding(task, given)
    measurement = noisy(measured(damage.operator, clean, rounding), given, generator)
    if rounding == "8-bit":
        measurement = rounded(measurement)
    if damage.kept is not None:
        measurement = measurement * damage.kept
    told = damage.options | noise_options(given)
    provenance = {
        "zeroshot": __version__,
        "torch": str(torch.__version__),
        "degraded_for": task,
        "damage": {name: described(value) for name, value in given.items()},
        "options": {name: described(value) for name, value in told.items()},
        "operator": described(damage.operator),
        "quantise": rounding,
        "seed": int(seed),
        "input_size": list(picture.colours.shape[-2:]),
        "truth_size": list(clean.shape[-2:]),
        "input_sha256": picture.sha256(),
    }
    return Degraded(measurement, clean, task, told, damage.operator, provenance)


def check(task: str, *, seed: int = 0, quantise: str | None = None, **options: Any) -> None:
    """Refuse what :func:`degrade` would refuse whatever the image.

    Raises
    ------
    ValueError, TypeError
        In one line.
    """
    if task not in DAMAGE:
        raise ValueError(unknown("task", task, DAMAGE))
    if isinstance(seed, bool) or not isinstance(seed, int | np.integer) or not 0 <= seed < 2**63:
        raise ValueError(f"seed must be a whole number of at least 0, got {seed!r}")
    if quantise is not None and quantise not in get_args(Quantise):
        raise ValueError(f"quantise must be '8-bit' or 'none', got {quantise!r}")
    known = [*DAMAGE[task], *NOISE, "data_term"]
    for name in options:
        if name not in known:
            raise ValueError(
                f"the damage of task {task!r} has no option {name!r}; it has: {', '.join(known)}"
            )
    given = {name: value for name, value in options.items() if value is not None}
    check_noise(given)
    check_damage(task, given)


def cropped_for(operator: Operator, image: torch.Tensor) -> torch.Tensor:
    """The image without the rows at its bottom and the columns at its right that the operator cannot take.

    Both sides become multiples of the smallest number for which the operator accepts the image and restores
    it to its size.

    Raises
    ------
    ValueError
        The operator's own, where no crop helps.
    """
    refusal: ValueError | None = None
    height, width = image.shape[-2:]
    for multiple in range(1, min(_LARGEST_MULTIPLE, height, width) + 1):
        part = image[..., : height // multiple * multiple, : width // multiple * multiple]
        try:
            if operator.input_shape(operator.output_shape(tuple(part.shape))) == tuple(part.shape):
                return part.contiguous()
        except ValueError as error:
            refusal = refusal or error
    raise refusal or ValueError(f"{operator.describe()} does not fit an image of {height} × {width}")


def _usual_rounding(task: str, given: dict[str, Any]) -> Quantise:
    return "8-bit" if task == "sr" and not kinds_of_noise(given) else "none"
