"""Sums, extremes and other folds over every window of an image."""

from __future__ import annotations

from collections.abc import Callable

import torch

Fold = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]


def sliding(planes: torch.Tensor, size: int | tuple[int, int], fold: Fold) -> torch.Tensor:
    """What `fold` makes of the values in every window, one after the other along rows and columns.

    Parameters
    ----------
    planes : torch.Tensor
        (…, H, W).
    size : int or tuple of int
        Of the window: its side, or height and width.
    fold : callable
        Makes one value of two, in any order: :func:`torch.maximum`, :func:`torch.add`, :func:`torch.logical_and`.

    Returns
    -------
    torch.Tensor
        (…, H − height + 1, W − width + 1).
    """
    height, width = (size, size) if isinstance(size, int) else size
    for axis, length in ((-2, height), (-1, width)):
        count = planes.shape[axis] - length + 1
        result = planes.narrow(axis, 0, count)
        for offset in range(1, length):
            result = fold(result, planes.narrow(axis, offset, count))
        planes = result
    return planes
