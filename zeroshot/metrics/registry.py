"""The measures by the names that tables, comparisons and the command line use."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import partial
from typing import Literal

import torch

from zeroshot.metrics import learned
from zeroshot.metrics.comparable import Image
from zeroshot.metrics.gradients import gmsd
from zeroshot.metrics.naturalness import niqe
from zeroshot.metrics.signal_to_noise import psnr, psnr_y
from zeroshot.metrics.similarity import ms_ssim, ssim, ssim_y
from zeroshot.words import unknown

#: The measures of published tables by name, for those that need nothing but both images.
CONVENTIONS: dict[str, Callable[[Image, Image], float]] = {
    "psnr": psnr,
    "psnr_8bit": partial(psnr, quantise="8-bit"),
    **{f"psnr_y_border{n}": partial(psnr_y, border=n, quantise="8-bit") for n in (2, 3, 4, 8)},
    "ssim": ssim,
    "ssim_8bit": partial(ssim, quantise="8-bit"),
}

Compute = Callable[[torch.Tensor, torch.Tensor | None], float]


@dataclass(frozen=True)
class Metric:
    """A measure of quality.

    Attributes
    ----------
    name : str
        Its name in :data:`METRICS`, with the border where it has one: "psnr_y_border4".
    label : str
        Its heading in tables: "PSNR Y, border 4".
    better : {"higher", "lower"}
        Which values are good.
    needs_reference : bool
        Whether it compares with a reference.
    compute : callable
        ``compute(image, reference)`` gives the value for tensors (1, C, H, W) in [0, 1] of equal shape. The
        reference is ignored, and may be None, where none is needed.
    extra : str or None
        The extra of the package that it needs.
    unit : str
        "dB", or "" for a pure number.
    meaning : str
        What is computed, in one line.
    """

    name: str
    label: str
    better: Literal["higher", "lower"]
    needs_reference: bool
    compute: Compute
    extra: str | None = None
    unit: str = ""
    meaning: str = ""


def metric(name: str) -> Metric:
    """The measure of this name; any name may end in ``_borderN``, which leaves out N pixels at every side.

    Parameters
    ----------
    name : str
        A name in :data:`METRICS`, or one with a border: "psnr_y_border6", "cpsnr_border10", "ssim_border4".

    Raises
    ------
    ValueError
        Where there is no such measure; the message lists the known ones.
    ImportError
        Where it needs a package that is not installed; the message names the extra. Nothing is imported or
        downloaded before :attr:`Metric.compute` is called.
    """
    parts = re.fullmatch(r"(?P<base>.+?)_border(?P<border>\d+)", name)
    base, border = (parts["base"], int(parts["border"])) if parts else (name, 0)
    if base not in _PLAIN:
        raise ValueError(
            f"{unknown('metric', name, _PLAIN)}; and each as NAME_borderN, such as psnr_y_border4"
        )
    found = _PLAIN[base]
    if found.extra is not None:
        _require(found)
    return _bordered(found, border) if parts else found


def _require(found: Metric) -> None:
    try:
        learned.require_package()
    except ImportError as error:
        raise ImportError(str(error).replace("this metric", f"metric {found.name!r}")) from None


def _bordered(plain: Metric, border: int) -> Metric:
    def compute(image: torch.Tensor, reference: torch.Tensor | None) -> float:
        inside = _without_border(image, border)
        return plain.compute(inside, None if reference is None else _without_border(reference, border))

    name, label = f"{plain.name}_border{border}", f"{plain.label}, border {border}"
    return replace(
        plain, name=name, label=label, compute=compute, meaning=f"{plain.meaning}; {border} pixels left out"
    )


def _without_border(image: torch.Tensor, border: int) -> torch.Tensor:
    height, width = image.shape[-2:]
    if 2 * border >= min(height, width):
        raise ValueError(
            f"a border of {border} pixels leaves nothing of an image of {height} × {width} pixels"
        )
    return image[..., border : height - border, border : width - border]


def _compares(
    name: str,
    label: str,
    function: Callable[[torch.Tensor, torch.Tensor], float],
    meaning: str,
    *,
    better: Literal["higher", "lower"] = "higher",
    extra: str | None = None,
    unit: str = "",
) -> Metric:
    def compute(image: torch.Tensor, reference: torch.Tensor | None) -> float:
        if reference is None:
            raise ValueError(f"{name} compares with a reference, which is missing")
        return function(image, reference)

    return Metric(name, label, better, True, compute, extra, unit, meaning)


def _rates(
    name: str,
    label: str,
    function: Callable[[torch.Tensor], float],
    meaning: str,
    *,
    better: Literal["higher", "lower"] = "lower",
    extra: str | None = None,
) -> Metric:
    def compute(image: torch.Tensor, reference: torch.Tensor | None = None) -> float:
        return function(image)

    return Metric(name, label, better, False, compute, extra, "", meaning)


_PLAIN: dict[str, Metric] = {
    found.name: found
    for found in (
        _compares("psnr", "PSNR", psnr, "one error over all channels: colour denoising", unit="dB"),
        _compares("psnr_8bit", "PSNR 8-bit", partial(psnr, quantise="8-bit"),
                  "PSNR of the images as saved in 8 bits", unit="dB"),
        _compares("cpsnr", "CPSNR", psnr, "the same as psnr under its name in demosaicking", unit="dB"),
        _compares("psnr_y", "PSNR Y", partial(psnr_y, quantise="8-bit"),
                  "PSNR of the luma (16 to 235) of 8-bit images: super-resolution", unit="dB"),
        _compares("ssim", "SSIM", ssim, "structural similarity, mean over the channels"),
        _compares("ssim_8bit", "SSIM 8-bit", partial(ssim, quantise="8-bit"),
                  "SSIM of the images as saved in 8 bits"),
        _compares("ssim_y", "SSIM Y", partial(ssim_y, quantise="8-bit"),
                  "SSIM of the luma (16 to 235) of 8-bit images: super-resolution"),
        _compares("ms_ssim", "MS-SSIM", ms_ssim, "structural similarity over five scales"),
        _compares("gmsd", "GMSD", gmsd, "gradient magnitude similarity deviation", better="lower"),
        _rates("niqe", "NIQE", niqe, "distance from the statistics of photographs, without a reference"),
        _compares("lpips", "LPIPS", partial(learned.compare, "lpips"),
                  "distance of deep features (AlexNet), by pyiqa", better="lower", extra=learned.EXTRA),
        _compares("dists", "DISTS", partial(learned.compare, "dists"),
                  "distance of structure and texture of deep features, by pyiqa", better="lower",
                  extra=learned.EXTRA),
        _rates("pi", "PI", partial(learned.rate, "pi"),
               "perceptual index (10 − Ma + NIQE) / 2, without a reference, by pyiqa", extra=learned.EXTRA),
    )
}  # fmt: skip

#: Every measure by name, and those with a border that tables of super-resolution use. :func:`metric` takes
#: any border, and refuses a measure whose package is not installed.
METRICS: dict[str, Metric] = {
    **_PLAIN,
    **{
        f"{base}_border{n}": _bordered(_PLAIN[base], n) for base in ("psnr_y", "ssim_y") for n in (2, 3, 4, 8)
    },
}
