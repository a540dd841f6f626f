"""Kernels with a name: the blur of a lens, out of focus, a motion along a line."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from zeroshot.operators import kernels

#: What each choice of words allows.
ALLOWED = {"motion": ("motion",), "lens": ("gaussian", "defocus")}
#: How many times as long, and by how many degrees turned, lines are compared with a free kernel.
_LENGTHS, _TURNS = (0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4), (-6, -3, 0, 3, 6)


@dataclass(frozen=True, eq=False)
class Shape:
    """A kernel with a name, or a free one.

    Attributes
    ----------
    kernel : numpy.ndarray
        (h, w), of odd height and width.
    kind : str
        "gaussian", "defocus", "motion" or "free".
    parameters : mapping
        As they are written for ``--kernel``; none for a free one.
    covariance : numpy.ndarray or None
        (2, 2), rows first, of a Gaussian, round or not.
    """

    kernel: np.ndarray
    kind: str
    parameters: Mapping[str, float] = field(default_factory=dict)
    covariance: np.ndarray | None = None

    @property
    def is_named(self) -> bool:
        """Whether a few numbers say what it is."""
        return bool(self.parameters) or self.covariance is not None


def nearest_line(kernel: np.ndarray) -> Shape:
    """The line whose normalised correlation with a free kernel (h, w), not negative, is the largest."""
    length, angle = _line(kernel)
    lines = [line_shape(length * factor, angle + turn) for factor in _LENGTHS for turn in _TURNS]
    return max(lines, key=lambda shape: _likeness(shape.kernel, kernel))


def line_shape(length: float, angle: float) -> Shape:
    """A motion by so many pixels at an angle in degrees, counter-clockwise from right."""
    length, angle = round(max(length, 1.0), 1), round(angle % 180, 1)
    return Shape(kernels.motion(length, angle), "motion", {"motion": length, "angle": angle})


def disk_shape(radius: float) -> Shape:
    """A disk of so many pixels."""
    radius = round(max(radius, 0.5), 2)
    return Shape(kernels.disk(radius), "defocus", {"disk": radius})


def _likeness(kernel: np.ndarray, free: np.ndarray) -> float:
    size = [a + b - 1 for a, b in zip(kernel.shape, free.shape, strict=True)]
    spectrum = np.fft.rfft2(kernel, size) * np.fft.rfft2(free, size).conj()
    return float(np.fft.irfft2(spectrum, size).max() / (np.linalg.norm(kernel) * np.linalg.norm(free)))


def _line(kernel: np.ndarray) -> tuple[float, float]:
    """Length and angle of the line of the same second moments."""
    rows, columns = np.mgrid[: kernel.shape[0], : kernel.shape[1]]
    weights = kernel / kernel.sum()
    down, right = rows - (weights * rows).sum(), columns - (weights * columns).sum()
    moments = np.array(
        [
            [(weights * right**2).sum(), -(weights * right * down).sum()],
            [-(weights * right * down).sum(), (weights * down**2).sum()],
        ]
    )
    values, vectors = np.linalg.eigh(moments)
    along = vectors[:, 1]
    # A line of length L has the variance L²/12 along it.
    return math.sqrt(12 * max(values[1], 1 / 12)), math.degrees(math.atan2(along[1], along[0]))
