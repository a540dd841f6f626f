"""Cutting patches out of an image and averaging patches back into one.

A patch is named by its upper left corner, as a flat index into the (H − p + 1) × (W − p + 1) grid of corners
at which a p × p patch fits into the H × W image.
"""

from __future__ import annotations

import torch
from torch.nn import functional


def corners_shape(height: int, width: int, size: int) -> tuple[int, int]:
    """The rows and columns of corners at which a `size` × `size` patch fits into the image.

    Raises
    ------
    ValueError
        Where the image is smaller than a patch.
    """
    if min(height, width) < size:
        raise ValueError(f"the image ({height} × {width}) is smaller than a patch of {size} × {size}")
    return height - size + 1, width - size + 1


def _steps(count: int, stride: int) -> torch.Tensor:
    """0, stride, 2·stride … below `count`, and the last one, so that the far edge is covered too."""
    steps = torch.arange(0, count, stride)
    return steps if steps[-1] == count - 1 else torch.cat([steps, torch.tensor([count - 1])])


def corner_grid(height: int, width: int, size: int, stride: int) -> torch.Tensor:
    """The flat corners of a grid of patches `stride` apart that covers the image to its edges, (P,) int64."""
    rows, columns = corners_shape(height, width, size)
    return (_steps(rows, stride)[:, None] * columns + _steps(columns, stride)[None, :]).flatten()


def pixel_rows(image: torch.Tensor, size: int) -> torch.Tensor:
    """Every `size` × `size` patch of `image` as a row.

    Parameters
    ----------
    image : torch.Tensor
        (C, H, W).
    size : int
        Side of a patch.

    Returns
    -------
    torch.Tensor
        (rows · columns, C · size²), the patches in the order of their corners; a copy. It is C · size² times
        as large as the image: meant for one image of moderate size, or for strips of a larger one.
    """
    return functional.unfold(image[None], size)[0].T.contiguous()


def patches_at(image: torch.Tensor, corners: torch.Tensor, size: int) -> torch.Tensor:
    """The patches of `image` at `corners`.

    Parameters
    ----------
    image : torch.Tensor
        (C, H, W).
    corners : torch.Tensor
        Flat corners, int64, of any shape (…).
    size : int
        Side of a patch.

    Returns
    -------
    torch.Tensor
        (…, C, size, size).
    """
    channels, height, width = image.shape
    _, columns = corners_shape(height, width, size)
    first = torch.div(corners, columns, rounding_mode="floor") * width + corners % columns
    within = torch.arange(size, device=image.device)
    offsets = (within[:, None] * width + within[None, :]).flatten()
    index = first[..., None] + offsets
    # One gather a channel: the index is then shared, and the channels need no index of their own.
    planes = [plane.flatten()[index].unflatten(-1, (size, size)) for plane in image]
    return torch.stack(planes, dim=-3)


class PatchAverage:
    """Weighted average of overlapping patches: Σ w Rᵀ(patch) / Σ w Rᵀ(1), R cutting the patch out.

    Patches can be added in any number of calls; their sum is kept per corner and spread over the pixels once.

    Parameters
    ----------
    channels, height, width : int
        Of the image.
    size : int
        Side of a patch.
    device : torch.device or str
        Where the patches come from.
    """

    def __init__(
        self, channels: int, height: int, width: int, size: int, device: torch.device | str = "cpu"
    ) -> None:
        self._shape, self._size = (channels, height, width), size
        rows, columns = corners_shape(height, width, size)
        self._sums = torch.zeros(rows * columns, channels * size * size, device=device)
        self._weights = torch.zeros(rows * columns, device=device)
        self._pixel_weights: torch.Tensor | None = None

    def add(self, patches: torch.Tensor, corners: torch.Tensor, weights: torch.Tensor | None = None) -> None:
        """Add patches.

        Parameters
        ----------
        patches : torch.Tensor
            (…, C, size, size), or flattened to (…, C · size²).
        corners : torch.Tensor
            Flat corners of shape (…).
        weights : torch.Tensor, optional
            Weight of each patch, broadcastable to (…); 1 by default.
        """
        corners = corners.reshape(-1)
        rows = patches.reshape(len(corners), -1)
        if weights is None:
            spread = torch.ones(len(corners), dtype=rows.dtype, device=rows.device)
        else:
            spread = weights.expand(patches.shape[: weights.ndim]).reshape(-1)
            rows = rows * spread[:, None]
        self._sums.scatter_add_(0, corners[:, None].expand_as(rows), rows)
        self._weights.scatter_add_(0, corners, spread)

    def image(self, where_none: torch.Tensor | None = None) -> torch.Tensor:
        """The average, (C, H, W).

        Parameters
        ----------
        where_none : torch.Tensor, optional
            What to return at pixels that no patch covers; without it they are 0.
        """
        _, height, width = self._shape
        area = self._size * self._size
        sums = functional.fold(self._sums.T[None], (height, width), self._size)[0]
        spread = self._weights[None, None].expand(1, area, -1)
        weights = functional.fold(spread, (height, width), self._size)[0]
        average = sums / weights.clamp(min=1e-12)
        return average if where_none is None else torch.where(weights > 0, average, where_none)
