"""The coefficients that decoded pixels came from, where the tables and the grid are known."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from zeroshot.colour import LUMA_WEIGHTS
from zeroshot.compression.coefficients import JpegCoefficients

#: Fixed-point iterations in :func:`_before_interpolation`; the error halves with each, at the highest frequency.
_ITERATIONS = 24


def coefficients_of_pixels(
    pixels: np.ndarray,
    tables: Sequence[np.ndarray],
    sampling: Sequence[tuple[int, int]],
    offset: tuple[int, int] = (0, 0),
) -> JpegCoefficients:
    """The quantised coefficients of a picture that a JPEG decoder made.

    Of chroma that was enlarged the samples are found again, for the two ways in which decoders do it: by repeating
    them, or by linear interpolation between their centres, the usual one. The way that leaves coefficients nearer to
    multiples of the steps is taken.

    Parameters
    ----------
    pixels : numpy.ndarray
        (H, W) or (H, W, 3) from 0 to 255.
    tables : sequence of numpy.ndarray
        The quantisation steps of each component, 8 × 8.
    sampling : sequence of (int, int)
        How many pixels a sample of each component covers, down and right.
    offset : (int, int)
        Row and column of the first unit at which the picture begins; where it is not (0, 0) the picture was cropped.
    """
    height, width = pixels.shape[:2]
    planes = planes_of(pixels)
    unit = (8 * max(down for down, _ in sampling), 8 * max(right for _, right in sampling))
    margins = [
        (start, -(start + length) % size)
        for start, length, size in zip(offset, (height, width), unit, strict=True)
    ]
    quantised = []
    for plane, table, factors in zip(planes, tables, sampling, strict=True):
        whole = np.pad(plane, margins, mode="edge")
        candidates = [whole] if factors == (1, 1) else samples_of(whole, factors)
        ratios = [block_transform(samples) / table for samples in candidates]
        best = min(ratios, key=lambda ratio: float(np.square((ratio - ratio.round()) * table).mean()))
        quantised.append(best.round().astype(np.int32))
    cropped = offset != (0, 0)
    return JpegCoefficients(
        height, width, tuple(quantised), tuple(tables), tuple(sampling), offset, not cropped, len(planes) == 3
    )


def planes_of(pixels: np.ndarray) -> list[np.ndarray]:
    """Grey less 128, or Y − 128, Cb − 128 and Cr − 128 of RGB from 0 to 255."""
    if pixels.ndim == 2:
        return [pixels - 128.0]
    red, green, blue = (pixels[..., channel].astype(np.float64) for channel in range(3))
    weights = LUMA_WEIGHTS["bt601"]
    luma = weights[0] * red + weights[1] * green + weights[2] * blue
    return [luma - 128.0, (blue - luma) / (2 * (1 - weights[2])), (red - luma) / (2 * (1 - weights[0]))]


def block_transform(plane: np.ndarray) -> np.ndarray:
    """The orthonormal DCT of the 8 × 8 blocks of a plane: (rows of blocks, columns of blocks, 8, 8)."""
    height, width = plane.shape
    blocks = plane.reshape(height // 8, 8, width // 8, 8).transpose(0, 2, 1, 3)
    # Loaded where it is needed: it takes a good part of a second.
    from scipy.fft import dctn

    return dctn(blocks, axes=(2, 3), norm="ortho")


def samples_of(plane: np.ndarray, factors: tuple[int, int]) -> list[np.ndarray]:
    """The samples that repetition, and those that interpolation, would have made the plane from."""
    down, right = factors
    mean = plane.reshape(plane.shape[0] // down, down, plane.shape[1] // right, right).mean(axis=(1, 3))
    return [mean, _before_interpolation(mean, factors)]


def _before_interpolation(mean: np.ndarray, factors: tuple[int, int]) -> np.ndarray:
    """Samples c whose interpolation, averaged over the pixels of each, is `mean`: B c = mean, B = (1, 6, 1)/8.

    Along each axis on which a sample covers two pixels; c ← c + mean − B c.
    """
    found = mean.copy()
    for _ in range(_ITERATIONS):
        blurred = found
        for axis, factor in enumerate(factors):
            if factor == 2:
                margins = [(1, 1) if place == axis else (0, 0) for place in range(2)]
                padded = np.pad(blurred, margins, mode="edge")
                length = mean.shape[axis]
                before, here, behind = (
                    np.take(padded, range(start, start + length), axis=axis) for start in range(3)
                )
                blurred = (before + 6 * here + behind) / 8
        found = found + mean - blurred
    return found
