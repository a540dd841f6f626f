"""Which shape with a name a free kernel is most like: the blur of a lens, out of focus, a motion along a line."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch

from zeroshot.kernels.kernel_fit import spread
from zeroshot.operators import kernels

#: How alike a free kernel and a shape must be for the shape to be believed.
CONVINCING = 0.93
#: What each choice of words allows.
ALLOWED = {"motion": ("motion",), "lens": ("gaussian", "defocus")}
_FINE = (0.85, 0.9, 0.95, 1.0, 1.05, 1.1, 1.15)
_COARSE = (0.7, 0.8, 0.9, 1.0, 1.1, 1.25, 1.4)


@dataclass(frozen=True, eq=False)
class Shape:
    """A kernel with a name, and how like a free one it is.

    Attributes
    ----------
    kernel : numpy.ndarray
        (h, w), of odd height and width.
    kind : str
        "gaussian", "defocus" or "motion".
    parameters : mapping
        As they are written for ``--kernel``.
    likeness : float
        The largest normalised correlation with the free kernel, from 0 to 1.
    """

    kernel: np.ndarray
    kind: str
    parameters: Mapping[str, float] = field(default_factory=dict)
    likeness: float = 0.0

    @property
    def is_convincing(self) -> bool:
        """Whether the free kernel may be taken for a noisy picture of this one."""
        return self.likeness >= CONVINCING


def nearest_shape(kernel: torch.Tensor, choice: str | None = None) -> Shape:
    """The most similar Gaussian, disk or line.

    Parameters
    ----------
    kernel : torch.Tensor
        (n, n), not negative.
    choice : {"motion", "lens"} or None
        Which of them are allowed; None: all.
    """
    allowed = ("gaussian", "defocus", "motion") if choice is None else ALLOWED[choice]
    free = kernel.double().numpy()
    width, (length, angle) = max(spread(kernel), 0.3), _line(free)
    shapes: list[Shape] = []
    if "gaussian" in allowed:
        shapes += (_gaussian(width * factor) for factor in _COARSE)
    if "defocus" in allowed:
        # The spread of a disk along an axis is half its radius.
        shapes += (_disk(2 * width * factor) for factor in _COARSE)
    if "motion" in allowed:
        shapes += (_motion(length * factor, angle) for factor in _COARSE)
    best = max((_compared(shape, free) for shape in shapes), key=lambda shape: shape.likeness)
    return max((_compared(shape, free) for shape in _around(best)), key=lambda shape: shape.likeness)


def _around(shape: Shape) -> Iterator[Shape]:
    if shape.kind == "gaussian":
        yield from (_gaussian(shape.parameters["gaussian"] * factor) for factor in _FINE)
    elif shape.kind == "defocus":
        yield from (_disk(shape.parameters["disk"] * factor) for factor in _FINE)
    else:
        for turned in (-6, -3, 0, 3, 6):
            for factor in _FINE:
                yield _motion(shape.parameters["motion"] * factor, shape.parameters["angle"] + turned)


def _gaussian(sigma: float) -> Shape:
    sigma = round(sigma, 2)
    weights = kernels.gaussian(sigma)
    return Shape(np.outer(weights, weights), "gaussian", {"gaussian": sigma})


def _disk(radius: float) -> Shape:
    radius = round(max(radius, 0.5), 2)
    return Shape(kernels.disk(radius), "defocus", {"disk": radius})


def _motion(length: float, angle: float) -> Shape:
    length, angle = round(max(length, 1.0), 1), round(angle % 180, 1)
    return Shape(kernels.motion(length, angle), "motion", {"motion": length, "angle": angle})


def _compared(shape: Shape, free: np.ndarray) -> Shape:
    size = [a + b - 1 for a, b in zip(shape.kernel.shape, free.shape, strict=True)]
    spectrum = np.fft.rfft2(shape.kernel, size) * np.fft.rfft2(free, size).conj()
    norms = np.linalg.norm(shape.kernel) * np.linalg.norm(free)
    return Shape(
        shape.kernel, shape.kind, shape.parameters, float(np.fft.irfft2(spectrum, size).max() / norms)
    )


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
