"""Structural similarity, at one scale and at five."""

from __future__ import annotations

from collections.abc import Iterator

import torch
from torch.nn import functional

from zeroshot.metrics.comparable import Image, Quantise, comparable, require_size
from zeroshot.metrics.filtering import filtered, gaussian_window
from zeroshot.metrics.luminance import luma_16_235

_WINDOW_SIZE = 11
_WINDOW_SIGMA = 1.5
_C1, _C2 = 0.01**2, 0.03**2
#: How much each scale counts, from fine to coarse (Wang, Simoncelli, Bovik 2003).
_SCALE_WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)
#: Each scale halves the image, rounding up; 161 pixels become the 11 of the window at the fifth.
_LEAST_MULTISCALE = (_WINDOW_SIZE - 1) * 2 ** (len(_SCALE_WEIGHTS) - 1) + 1


def ssim(
    image: Image,
    reference: Image,
    *,
    border: int = 0,
    data_range: float = 1.0,
    quantise: Quantise = "none",
) -> float:
    """Structural similarity with a Gaussian window of 11 × 11 pixels and standard deviation 1.5.

    ``(2 μx μy + c₁)(2 σxy + c₂) / ((μx² + μy² + c₁)(σx² + σy² + c₂))`` with c₁ = (0.01·white)² and
    c₂ = (0.03·white)², averaged over every place where the window fits, and over the channels.

    Parameters
    ----------
    image, reference, border, data_range, quantise
        As for :func:`psnr`; at least 11 × 11 pixels must be left within the border.

    Returns
    -------
    float
        At most 1, which equal images have.

    References
    ----------
    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli: Image Quality Assessment: From Error Visibility to
    Structural Similarity, IEEE Transactions on Image Processing 13 (2004).
    """
    x, y = comparable(image, reference, border, data_range, quantise)
    require_size("ssim", x, _WINDOW_SIZE)
    return _mean(_similarity(*planes)[0] for planes in _planes(x, y))


def ssim_y(
    image: Image,
    reference: Image,
    border: int = 0,
    *,
    data_range: float = 1.0,
    quantise: Quantise = "none",
) -> float:
    """:func:`ssim` of the luma Y of ITU-R BT.601 in the 16–235 range, as in the tables of super-resolution.

    White remains `data_range`. A grey image is taken for an R = G = B image, as the tables do.

    Parameters
    ----------
    image, reference, border, data_range, quantise
        As for :func:`psnr_y`; at least 11 × 11 pixels must be left within the border.
    """
    x, y = comparable(image, reference, border, data_range, quantise)
    require_size("ssim_y", x, _WINDOW_SIZE)
    return _mean(_similarity(*planes)[0] for planes in _planes(luma_16_235(x), luma_16_235(y)))


def ms_ssim(
    image: Image,
    reference: Image,
    *,
    border: int = 0,
    data_range: float = 1.0,
    quantise: Quantise = "none",
) -> float:
    """Structural similarity over five scales, ``∏ⱼ csⱼ^wⱼ`` over the scales, times luminance at the coarsest.

    csⱼ is the mean of ``(2 σxy + c₂) / (σx² + σy² + c₂)`` at scale j, at the coarsest that of the whole
    :func:`ssim`; w = 0.0448, 0.2856, 0.3001, 0.2363, 0.1333. From one scale to the next, means of 2 × 2 pixels
    halve the image; the last row or column of an odd one counts twice. A negative mean counts as 0. Channels
    are measured by themselves and averaged.

    Parameters
    ----------
    image, reference, border, data_range, quantise
        As for :func:`psnr`; at least 161 × 161 pixels must be left within the border.

    Returns
    -------
    float
        In [0, 1]; 1 for equal images.

    References
    ----------
    Z. Wang, E. P. Simoncelli, A. C. Bovik: Multiscale Structural Similarity for Image Quality Assessment,
    Asilomar Conference on Signals, Systems and Computers (2003).
    """
    x, y = comparable(image, reference, border, data_range, quantise)
    require_size("ms_ssim", x, _LEAST_MULTISCALE)
    return _mean(_multiscale_similarity(*planes) for planes in _planes(x, y))


def _multiscale_similarity(x: torch.Tensor, y: torch.Tensor) -> float:
    product = 1.0
    for weight in _SCALE_WEIGHTS[:-1]:
        product *= max(_similarity(x, y)[1], 0.0) ** weight
        x, y = _halved(x), _halved(y)
    return product * max(_similarity(x, y)[0], 0.0) ** _SCALE_WEIGHTS[-1]


def _similarity(x: torch.Tensor, y: torch.Tensor) -> tuple[float, float]:
    """Of two planes H × W, the mean similarity and the mean of its contrast and structure alone."""
    height, width = x.shape
    similarity = contrast_structure = 0.0
    for rows in _strips(height - _WINDOW_SIZE + 1, width):
        strip = slice(rows.start, rows.stop + _WINDOW_SIZE - 1)
        whole, part = _similarity_maps(x[strip], y[strip])
        similarity += float(whole.sum())
        contrast_structure += float(part.sum())
    count = (height - _WINDOW_SIZE + 1) * (width - _WINDOW_SIZE + 1)
    return similarity / count, contrast_structure / count


def _similarity_maps(x: torch.Tensor, y: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    mean_x, mean_y, square_x, square_y, product = _window_means(torch.stack([x, y, x * x, y * y, x * y]))
    mean_product, mean_squares = mean_x * mean_y, mean_x**2 + mean_y**2
    covariance, variances = product - mean_product, square_x + square_y - mean_squares
    part = (2 * covariance + _C2) / (variances + _C2)
    return part * (2 * mean_product + _C1) / (mean_squares + _C1), part


def _window_means(planes: torch.Tensor) -> torch.Tensor:
    """The Gaussian-weighted mean around every pixel where the window fits, of planes (K, H, W)."""
    weights = gaussian_window(_WINDOW_SIZE, _WINDOW_SIGMA)
    return filtered(filtered(planes, weights, axis=1), weights, axis=2)


def _halved(plane: torch.Tensor) -> torch.Tensor:
    height, width = plane.shape
    even = functional.pad(plane[None, None], (0, width % 2, 0, height % 2), mode="replicate")
    return functional.avg_pool2d(even, 2)[0, 0]


def _strips(rows: int, width: int) -> Iterator[slice]:
    """Slices of the rows, each of which fits a processor's cache, so that memory is bounded too."""
    height = max(16, 2**17 // width)
    for start in range(0, rows, height):
        yield slice(start, min(start + height, rows))


def _planes(x: torch.Tensor, y: torch.Tensor) -> Iterator[tuple[torch.Tensor, torch.Tensor]]:
    return zip(x.flatten(0, 1), y.flatten(0, 1), strict=True)


def _mean(values: Iterator[float]) -> float:
    listed = [*values]
    return sum(listed) / len(listed)
