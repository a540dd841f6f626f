"""Gradient magnitude similarity deviation."""

from __future__ import annotations

import torch
from torch.nn import functional

from zeroshot.metrics.comparable import Image, Quantise, comparable, require_size
from zeroshot.metrics.luminance import grey_full_range

#: c of the paper, for grey levels from 0 to 255.
_STABILITY = 170 / 255**2
_LEAST = 6


def gmsd(
    image: Image,
    reference: Image,
    *,
    border: int = 0,
    data_range: float = 1.0,
    quantise: Quantise = "none",
) -> float:
    """Gradient magnitude similarity deviation, the standard deviation of ``(2 gx gy + c) / (gx² + gy² + c)``.

    gx and gy are the magnitudes of the Prewitt gradients of image and reference, in the luminance of MATLAB's
    rgb2gray after means of 2 × 2 pixels have halved it; c = 170 for grey levels from 0 to 255. As in the
    authors' code the image is continued by zeros and the deviation divides by n − 1.

    Parameters
    ----------
    image, reference, border, data_range, quantise
        As for :func:`psnr`, with 1 or 3 channels; at least 6 × 6 pixels must be left within the border. Of a
        batch, the mean over its images.

    Returns
    -------
    float
        0 for equal images; larger is worse.

    References
    ----------
    W. Xue, L. Zhang, X. Mou, A. C. Bovik: Gradient Magnitude Similarity Deviation: A Highly Efficient
    Perceptual Image Quality Index, IEEE Transactions on Image Processing 23 (2014).
    """
    x, y = comparable(image, reference, border, data_range, quantise)
    require_size("gmsd", x, _LEAST)
    gx, gy = (_gradient_magnitude(_halved(grey_full_range(colours))) for colours in (x, y))
    similarity = (2 * gx * gy + _STABILITY) / (gx**2 + gy**2 + _STABILITY)
    return float(similarity.flatten(1).std(dim=1, correction=1).mean())


def _halved(image: torch.Tensor) -> torch.Tensor:
    height, width = image.shape[-2:]
    return functional.avg_pool2d(functional.pad(image, (0, width % 2, 0, height % 2)), 2)


def _gradient_magnitude(image: torch.Tensor) -> torch.Tensor:
    padded = functional.pad(image, (1, 1, 1, 1))
    height, width = image.shape[-2:]

    def sums(axis: int, length: int) -> torch.Tensor:
        """Thirds of the sums of three neighbours along an axis."""
        first, second, third = (padded.narrow(axis, start, length) for start in range(3))
        return (first + second + third) / 3

    across, down = sums(-2, height), sums(-1, width)
    horizontal = across[..., 2:] - across[..., :-2]
    vertical = down[..., 2:, :] - down[..., :-2, :]
    return (horizontal**2 + vertical**2).sqrt_()
