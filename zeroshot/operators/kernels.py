"""Formulas of resampling and blur kernels, as NumPy arrays that sum to one."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch

from zeroshot.checks import is_number, require_positive

#: The longest side of a kernel, in taps. A convolution beyond it is no blur that leaves anything to restore.
LARGEST_SIDE = 511


def require_size(height: float, width: float, what: str) -> None:
    """Refuse a kernel that is too large, before it is made.

    Raises
    ------
    ValueError
        With the size and the limit.
    """
    if not max(height, width) <= LARGEST_SIDE:
        size = " × ".join(f"{taps:.0f}" if taps < 1e6 else f"{taps:.0e}" for taps in (height, width))
        raise ValueError(
            f"{what} needs a kernel of {size} weights, which is too large; the limit is {LARGEST_SIDE} × {LARGEST_SIDE}"
        )


def _normalised(weights: np.ndarray) -> np.ndarray:
    return weights / weights.sum()


def _centred(taps: int) -> np.ndarray:
    return np.arange(taps) - (taps - 1) / 2


def _taps_on_block(extent: float, scale: int) -> int:
    """The number of taps within ±`extent`/2 pixels that can be centred on a block of `scale` pixels.

    The centre of an even block lies between two pixels, so the number has the parity of `scale`.
    """
    taps = math.ceil(extent) - 1
    taps -= (taps - scale) % 2
    return max(taps, scale)


def keys_cubic(t: np.ndarray) -> np.ndarray:
    """Keys' cubic convolution kernel with a = −1/2.

    References
    ----------
    R. G. Keys: Cubic convolution interpolation for digital image processing, IEEE Transactions on Acoustics,
    Speech, and Signal Processing 29 (1981).
    """
    t = np.abs(t)
    near = 1.5 * t**3 - 2.5 * t**2 + 1
    far = -0.5 * t**3 + 2.5 * t**2 - 4 * t + 2
    return np.where(t <= 1, near, np.where(t < 2, far, 0.0))


def bicubic(scale: int) -> np.ndarray:
    """One-dimensional antialiased cubic kernel for shrinking by `scale`: Keys' kernel, stretched."""
    require_size(4 * scale, 4 * scale, f"shrinking by {scale}")
    return _normalised(keys_cubic(_centred(_taps_on_block(4 * scale + 1, scale)) / scale))


def lanczos(scale: int, lobes: int) -> np.ndarray:
    """One-dimensional Lanczos kernel for shrinking by `scale`: sinc(t) · sinc(t/lobes), t in small pixels."""
    require_size(2 * lobes * scale, 2 * lobes * scale, f"shrinking by {scale}")
    t = _centred(_taps_on_block(2 * lobes * scale + 1, scale)) / scale
    return _normalised(np.sinc(t) * np.sinc(t / lobes))


def gaussian(sigma: float, scale: int = 1) -> np.ndarray:
    """One-dimensional Gaussian of standard deviation `sigma` pixels, cut at 4 `sigma`.

    It is centred on a block of `scale` pixels; with the default it has an odd number of taps.
    """
    require_positive({"sigma": sigma}, "sigma")
    taps = max(2 * math.floor(min(4 * sigma + 1, 1e300)) - 1, scale)
    require_size(taps, taps, f"a Gaussian of sigma {sigma:g}")
    return _normalised(np.exp(-0.5 * (_centred(_taps_on_block(8 * sigma + 3, scale)) / sigma) ** 2))


def motion(length: float, angle: float) -> np.ndarray:
    """Uniform linear motion: a line of `length` × 1 pixels at `angle` degrees, counter-clockwise from right.

    Each weight is the area of the pixel that the line covers, so that motion by nine pixels to the right
    is nine equal weights.
    """
    require_positive({"length": length}, "length")
    if not is_number(angle):
        raise ValueError(f"angle must be a number of degrees, got {angle!r}")
    cosine, sine = math.cos(math.radians(angle)), math.sin(math.radians(angle))

    def covered(row: np.ndarray, column: np.ndarray) -> np.ndarray:
        along, across = column * cosine - row * sine, column * sine + row * cosine
        return (np.abs(along) <= length / 2) & (np.abs(across) <= 0.5)

    require_size(abs(sine) * length, abs(cosine) * length, f"motion by {length:g} pixels")
    reach = (length * abs(sine) + abs(cosine)) / 2, (length * abs(cosine) + abs(sine)) / 2
    return _coverage(covered, reach)


def disk(radius: float) -> np.ndarray:
    """Defocus: a disk of `radius` pixels; each weight is the area of the pixel that the disk covers."""
    require_positive({"radius": radius}, "radius")
    require_size(2 * radius, 2 * radius, f"a disk of radius {radius:g}")
    return _coverage(lambda row, column: row**2 + column**2 <= radius**2, (radius, radius))


def _coverage(
    covered: Callable[[np.ndarray, np.ndarray], np.ndarray], reach: tuple[float, float]
) -> np.ndarray:
    """How much of each pixel a shape within ±`reach` (rows, columns) covers, by 16 × 16 samples a pixel."""
    # Half-open cells of sample points: an edge that falls on the border of a pixel must not round into it.
    half = [max(0, math.ceil(extent - 0.5 - 1e-9)) for extent in reach]
    samples = 16
    down, along = ((np.arange((2 * size + 1) * samples) + 0.5) / samples - size - 0.5 for size in half)
    # Row by row: all samples of a large kernel at once would take gigabytes.
    rows = [
        covered(strip[:, None], along[None, :]).reshape(samples, -1, samples).sum(axis=(0, 2))
        for strip in np.split(down, 2 * half[0] + 1)
    ]
    weights = np.array(rows, np.float64)
    if not weights.any():  # a shape that passes between the samples of its one pixel
        weights[half[0], half[1]] = 1
    return _normalised(weights)


def widened(kernel: np.ndarray, factor: float) -> np.ndarray:
    """A kernel (height, width) `factor` times as wide about its centre.

    By Keys' interpolation, which keeps moments up to the second. Sides stay odd or even; where the kernel has no weight
    below zero, neither has the result.
    """
    rows, columns = (_stretching(taps, factor) for taps in kernel.shape)
    wide = rows @ kernel @ columns.T
    return _normalised(wide if kernel.min() < 0 else wide.clip(min=0))


def _stretching(taps: int, factor: float) -> np.ndarray:
    """(more or fewer taps, taps): what each tap of the stretched kernel has of each one."""
    reach = factor * (taps - 1) / 2 + 2 * max(1.0, factor)
    count = taps + 2 * math.ceil(reach - (taps - 1) / 2)
    count = max(count, 2 - taps % 2)
    return keys_cubic((_centred(count)[:, None] - factor * _centred(taps)) / max(1.0, factor))


def as_kernel(kernel: object) -> np.ndarray:
    """A two-dimensional kernel given by the caller, checked, in double precision, with sum 1.

    Raises
    ------
    ValueError
        If it is not two-dimensional, larger than the limit, complex, holds NaN or infinity, or sums to zero or less.
    """
    if isinstance(kernel, torch.Tensor):
        kernel = kernel.detach().cpu()
        kernel = (kernel if kernel.is_complex() else kernel.double()).numpy()
    try:
        given = np.asarray(kernel)
        array = given.real.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(
            f"a kernel must be a two-dimensional array of numbers, got {type(kernel).__name__}"
        ) from None
    if np.iscomplexobj(given):
        raise ValueError("the kernel holds complex numbers; its weights must be real")
    if array.ndim != 2 or array.size == 0:
        raise ValueError(f"a kernel must be a two-dimensional array (height, width), got shape {array.shape}")
    if max(array.shape) > LARGEST_SIDE:
        size = f"{array.shape[0]} × {array.shape[1]}"
        raise ValueError(f"the kernel is too large ({size}); the limit is {LARGEST_SIDE} × {LARGEST_SIDE}")
    if not np.isfinite(array).all():
        raise ValueError("the kernel holds NaN or infinite values; every weight must be a finite number")
    array = array / max(np.abs(array).max(), np.finfo(np.float64).tiny)
    total = array.sum()
    if abs(total) <= 1e-6 * np.abs(array).sum() or total == 0:
        raise ValueError("the kernel sums to zero; its weights must have a sum that is not zero")
    if total < 0:
        raise ValueError("the kernel has a negative sum, which would invert the picture; it must be positive")
    return array / total
