"""The part of a large picture that tells the most: strong edges that are not saturated."""

from __future__ import annotations

import torch
from torch.nn import functional

from zeroshot.kernels.periodic import differences

#: Slopes above that count no more than that: one bright edge is not all.
_STEEPEST = 0.2
#: By how many pixels the parts that are compared lie apart.
_STEP = 32


def telling_region(plane: torch.Tensor, known: torch.Tensor, side: int) -> tuple[slice, slice]:
    """Rows and columns of the part with the most of strong edges.

    Parameters
    ----------
    plane : torch.Tensor
        (H, W).
    known : torch.Tensor
        (H, W), 1 where the picture shows something that is not saturated and 0 elsewhere.
    side : int
        Of the part, or the whole of a side that is shorter.
    """
    height, width = (min(length, side) for length in plane.shape)
    slopes = (differences(plane).square().sum(dim=0).sqrt().clamp(max=_STEEPEST) * known)[None, None]
    sums = functional.avg_pool2d(slopes, (height, width), stride=_STEP)[0, 0]
    top, left = (int(index) * _STEP for index in divmod(int(sums.argmax()), sums.shape[1]))
    return slice(top, top + height), slice(left, left + width)
