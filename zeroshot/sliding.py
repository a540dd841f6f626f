"""Means, sums, extremes and other folds over every window of an image."""

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


def window_means(planes: torch.Tensor, size: int) -> torch.Tensor:
    """The means over the squares of `size` × `size` values, of rows and then of columns.

    They are those of :func:`torch.nn.functional.avg_pool2d` along one axis after the other, which adds up each window
    on its own and takes several times as long for images.

    Parameters
    ----------
    planes : torch.Tensor
        (…, H, W), real.
    size : int
        Side of the squares, at most H and W.

    Returns
    -------
    torch.Tensor
        (…, H − size + 1, W − size + 1).
    """
    for axis in (-2, -1):
        count = planes.shape[axis] - size + 1
        total = planes.narrow(axis, 0, count).clone()
        for offset in range(1, size):
            total.add_(planes.narrow(axis, offset, count))
        planes = total.div_(size)
    return planes
