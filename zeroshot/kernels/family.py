"""The kernels around one that was found, narrower and wider, turned, of other shapes, each with its option."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch

from zeroshot.kernels.estimate import KernelEstimate
from zeroshot.kernels.kernel_fit import spread
from zeroshot.kernels.shapes import nearest_line

#: How many times as wide as found kernels are, and how many times lines as long.
_WIDTHS = (0.6, 0.75, 0.88, 1.0, 1.12, 1.25, 1.5)
_LENGTHS = (0.6, 0.8, 1.0, 1.25, 1.6)
#: The ends of a line are turned by about that many pixels from one kernel to the next, within these degrees.
_TURN, _LEAST_TURN, _LARGEST_TURN = 2.0, 10.0, 45.0
#: Without an estimate: Gaussians, disks and a line at four angles, in pixels, and Gaussians in pixels of a small image.
_GAUSSIANS, _DISKS, _LENGTH, _ANGLES = (0.5, 0.7, 1.0, 1.4, 2.0), (1.5, 2.5, 4.0), 7.0, (0, 45, 90, 135)
_SMALL_GAUSSIANS = (0.3, 0.4, 0.5, 0.65, 0.8, 1.0)


@dataclass(frozen=True, eq=False)
class Candidate:
    """A kernel that may have been the one.

    Attributes
    ----------
    options : mapping
        The options that tell the task so, by name.
    kernel : numpy.ndarray or None
        Its weights, where the options have it found anew; None: the options themselves say it.
    is_estimate : bool
        Whether it is the one that was found.
    """

    options: Mapping[str, Any]
    kernel: np.ndarray | None = None
    is_estimate: bool = False

    @property
    def told(self) -> Mapping[str, Any]:
        """The options with the weights in place of a word that has them found."""
        return self.options if self.kernel is None else {**self.options, "kernel": self.kernel}


def blurs_around(found: KernelEstimate, kind: str | None = None) -> list[Candidate]:
    """The kernels around that of a blur, narrow ones first, then other shapes.

    Parameters
    ----------
    found : KernelEstimate
        As :func:`zeroshot.kernels.blur_kernel` gives it.
    kind : {"motion", "lens"} or None
        What it was looked for among.
    """
    if found.kind == "none":
        lines = (_line(_LENGTH, angle) for angle in _ANGLES)
        return [*map(_gaussian, _GAUSSIANS), *map(_disk, _DISKS), *lines]
    if found.kind == "gaussian":
        sigma = found.parameters["gaussian"]
        return [
            *_widths(_gaussian, sigma, _WIDTHS),
            *(_disk(2 * sigma * factor) for factor in (0.7, 0.85, 1, 1.2)),
        ]
    if found.kind == "defocus":
        radius = found.parameters["disk"]
        gaussians = (_gaussian(radius / 2 * factor) for factor in (0.7, 0.85, 1, 1.2))
        return [*_widths(_disk, radius, _WIDTHS), *gaussians]
    if found.kind == "motion":
        return _around_line(found.parameters["motion"], found.parameters["angle"])
    word = "auto" if kind is None else f"auto={kind}"
    side = max(found.kernel.shape)
    square = np.zeros((side, side))
    top, left = ((side - length) // 2 for length in found.kernel.shape)
    square[top : top + found.kernel.shape[0], left : left + found.kernel.shape[1]] = found.kernel
    line, width = (
        nearest_line(square).parameters,
        spread(torch.from_numpy(square)),
    )
    others = [_line(line["motion"], line["angle"]), *map(_gaussian, (0.7 * width, width)), _disk(2 * width)]
    return [*_scaled(found, word), *others]


def downsamplings_around(found: KernelEstimate, scale: int) -> list[Candidate]:
    """The kernels around that by which a picture was made small, bicubic among them.

    Parameters
    ----------
    found : KernelEstimate
        As :func:`zeroshot.kernels.downsampling_kernel` gives it.
    scale : int
        How many times smaller.
    """
    bicubic = Candidate({"kernel": "bicubic"}, is_estimate=found.kind == "none")
    if found.kind == "none":
        gaussians = (_small_gaussian(scale * width) for width in _SMALL_GAUSSIANS)
        return [bicubic, *(Candidate({"kernel": name}) for name in ("lanczos3", "box")), *gaussians]
    if found.kind == "gaussian":
        box = Candidate({"kernel": "box"})
        return [bicubic, box, *_widths(_small_gaussian, found.parameters["gaussian"], _WIDTHS)]
    width = math.sqrt(found.evidence["along"] * found.evidence["across"])
    round_ones = (_small_gaussian(width * factor) for factor in (0.8, 1, 1.25))
    return [bicubic, *_scaled(found, "auto"), *round_ones]


def _widths(kernel: Any, width: float, factors: Iterable[float]) -> Iterator[Candidate]:
    for factor in factors:
        yield kernel(width * factor, factor == 1)


def _gaussian(sigma: float, is_estimate: bool = False) -> Candidate:
    return Candidate({"kernel": f"gaussian={sigma:.2g}"}, is_estimate=is_estimate)


def _disk(radius: float, is_estimate: bool = False) -> Candidate:
    return Candidate({"kernel": f"disk={radius:.2g}"}, is_estimate=is_estimate)


def _line(length: float, angle: float, is_estimate: bool = False) -> Candidate:
    return Candidate({"kernel": f"motion={length:.2g},angle={angle % 180:.0f}"}, is_estimate=is_estimate)


def _small_gaussian(sigma: float, is_estimate: bool = False) -> Candidate:
    return Candidate({"kernel": "gaussian", "kernel_sigma": round(sigma, 2)}, is_estimate=is_estimate)


def _around_line(length: float, angle: float) -> list[Candidate]:
    lengths = (_line(length * factor, angle, factor == 1) for factor in _LENGTHS)
    turn = min(max(math.degrees(math.atan2(_TURN, length / 2)), _LEAST_TURN), _LARGEST_TURN)
    turned = (_line(length, angle + step * turn) for step in (-2, -1, 1, 2))
    # The standard deviation of a lens that spreads as much.
    sigma = length / math.sqrt(24)
    return [*lengths, *turned, _gaussian(sigma), _disk(2 * sigma)]


def _scaled(found: KernelEstimate, word: str) -> Iterator[Candidate]:
    for factor in _WIDTHS:
        name = word if factor == 1 else f"{word},width={factor:g}"
        yield Candidate({"kernel": name}, found.widened(factor).kernel, is_estimate=factor == 1)
