"""Images continued beyond their borders."""

from __future__ import annotations

import torch


def reflected(image: torch.Tensor, margin: int) -> torch.Tensor:
    """The image (…, H, W) continued on every side by its mirror image, repeatedly where `margin` exceeds it."""
    if margin == 0:
        return image.contiguous()
    for axis in (-2, -1):
        size = image.shape[axis]
        places = torch.arange(-margin, size + margin, device=image.device) % (2 * size)
        image = image.index_select(axis, torch.minimum(places, 2 * size - 1 - places))
    return image.contiguous()
