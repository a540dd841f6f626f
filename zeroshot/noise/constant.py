"""Areas of an image that hold one value: borders, letterboxes and other fillings, clipped sky, drawings."""

from __future__ import annotations

import torch
from torch.nn import functional

from zeroshot.sliding import sliding

#: Values are the same that differ by less than this share of the range of the image.
CONSTANT_TOLERANCE = 1e-6
#: Height and width of a window, and how many of its pixels must be known: noise has one value over none of them.
_WINDOWS = (((3, 3), 6), ((1, 7), 6), ((7, 1), 6), ((7, 7), 8))


def constant_areas(image: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """Where an image keeps one value over 3 × 3 pixels, or over 7 in a row or column.

    Parameters
    ----------
    image : torch.Tensor
        (C, H, W).
    known : torch.Tensor
        (H, W), boolean: the pixels that count. Where some of a window are missing, the others stand for them
        if there are 6 of them, and in 7 × 7 pixels if there are 8.

    Returns
    -------
    torch.Tensor
        (C, H, W), boolean, true at all pixels of such windows.
    """
    values = image[:, known]
    constant = torch.zeros_like(image, dtype=torch.bool)
    if values.numel() == 0:
        return constant
    tolerance = CONSTANT_TOLERANCE * float(values.amax() - values.amin())
    highest = image.masked_fill(~known, float("-inf"))
    lowest = image.masked_fill(~known, float("inf"))
    whole = bool(known.all())
    for (height, width), least in _WINDOWS:
        size = (height, width)
        if known.shape[0] < height or known.shape[1] < width or (whole and height == width == 7):
            continue
        same = sliding(highest, size, torch.maximum) - sliding(lowest, size, torch.minimum) <= tolerance
        same &= sliding(known.to(torch.uint8), size, torch.add) >= least
        frame = (width - 1, width - 1, height - 1, height - 1)
        constant |= sliding(functional.pad(same, frame), size, torch.logical_or)
    return constant
