"""The lumas that measures are computed on: Y of ITU-R BT.601 in two ranges, with MATLAB's weights."""

from __future__ import annotations

import torch

from zeroshot.colour import LUMA_16_235_BLACK, LUMA_16_235_WEIGHTS, LUMA_WEIGHTS


def luma_16_235(image: torch.Tensor) -> torch.Tensor:
    """Y of ITU-R BT.601 in the 16–235 range, (N, 1, H, W) in [16/255, 235/255], of an image in [0, 1].

    ``Y = 16/255 + (65.481 R + 128.553 G + 24.966 B) / 255``; a single channel counts as R = G = B.
    """
    return _weighted(image, LUMA_16_235_WEIGHTS) + LUMA_16_235_BLACK


def grey_full_range(image: torch.Tensor) -> torch.Tensor:
    """Y of ITU-R BT.601 in the full range, (N, 1, H, W) in [0, 1], as MATLAB's rgb2gray, of an image in [0, 1].

    ``Y = 0.2989 R + 0.5870 G + 0.1140 B``; a single channel is returned as it is.
    """
    return image if image.shape[1] == 1 else _weighted(image, LUMA_WEIGHTS["matlab"])


def _weighted(image: torch.Tensor, weights: tuple[float, ...]) -> torch.Tensor:
    if image.shape[1] not in (1, 3):
        raise ValueError(f"luma needs an image of 1 or 3 channels, got {image.shape[1]}")
    if image.shape[1] == 1:
        return image * sum(weights)
    red, green, blue = image.split(1, dim=1)
    return (red * weights[0]).add_(green, alpha=weights[1]).add_(blue, alpha=weights[2])
