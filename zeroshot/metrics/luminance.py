"""The luminances that measures are computed on: Y of ITU-R BT.601 in two ranges."""

from __future__ import annotations

import torch

#: Luma of ITU-R BT.601 in the 16–235 range, for R, G, B in [0, 1], as MATLAB's rgb2ycbcr computes it.
_LUMA_WEIGHTS = (65.481 / 255, 128.553 / 255, 24.966 / 255)
_LUMA_OFFSET = 16 / 255
#: Luma in the full range, as MATLAB's rgb2gray computes it: the first row of the inverse of its YIQ matrix.
_GREY_WEIGHTS = (0.298936021293775, 0.587043074451121, 0.114020904255103)


def luma(image: torch.Tensor) -> torch.Tensor:
    """Y of ITU-R BT.601 in the 16–235 range, (N, 1, H, W) in [16/255, 235/255], of an image in [0, 1].

    ``Y = 16/255 + (65.481 R + 128.553 G + 24.966 B) / 255``; a single channel counts as R = G = B.
    """
    return _weighted(image, _LUMA_WEIGHTS, "luma") + _LUMA_OFFSET


def grey(image: torch.Tensor) -> torch.Tensor:
    """Y of ITU-R BT.601 in the full range, (N, 1, H, W) in [0, 1], of an image in [0, 1].

    ``Y = 0.2989 R + 0.5870 G + 0.1140 B``; a single channel is returned as it is.
    """
    return image if image.shape[1] == 1 else _weighted(image, _GREY_WEIGHTS, "grey")


def _weighted(image: torch.Tensor, weights: tuple[float, ...], name: str) -> torch.Tensor:
    if image.shape[1] not in (1, 3):
        raise ValueError(f"{name} needs an image of 1 or 3 channels, got {image.shape[1]}")
    if image.shape[1] == 1:
        return image * sum(weights)
    red, green, blue = image.split(1, dim=1)
    return (red * weights[0]).add_(green, alpha=weights[1]).add_(blue, alpha=weights[2])
