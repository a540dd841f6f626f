"""Cutting patches out of an image and averaging patches back into one.

A patch is named by its upper left corner, as a flat index into the (H − p + 1) × (W − p + 1) grid of corners
at which a p × p patch fits into the H × W image.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Hashable
from typing import TypeAlias

import torch
from torch.nn import functional

#: Numbers in the patches of a band that are added up together: few enough for the cache.
_NUMBERS_AT_ONCE = 1 << 20
#: Two lines, down and along, whose outer product is a window.
Factors: TypeAlias = tuple[tuple[float, ...], tuple[float, ...]]
#: Units of rounding up to which a window is an outer product.
_ROUNDING = 4


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


def grid_steps(count: int, stride: int, device: torch.device | str = "cpu") -> torch.Tensor:
    """0, stride, 2·stride … below `count`, and the last one, so that the far edge is covered too."""
    steps = torch.arange(0, count, stride, device=device)
    return steps if (count - 1) % stride == 0 else torch.cat([steps, steps.new_full((1,), count - 1)])


def corner_grid(
    height: int, width: int, size: int, stride: int, device: torch.device | str = "cpu"
) -> torch.Tensor:
    """The flat corners of a grid of patches `stride` apart that covers the image to its edges, (P,) int64."""
    rows, columns = corners_shape(height, width, size)
    down, along = grid_steps(rows, stride, device), grid_steps(columns, stride, device)
    return (down[:, None] * columns + along[None, :]).flatten()


def pixel_rows(image: torch.Tensor, size: int, stride: int = 1) -> torch.Tensor:
    """Every `size` × `size` patch of `image` as a row, or those of a grid.

    Parameters
    ----------
    image : torch.Tensor
        (C, H, W).
    size : int
        Side of a patch.
    stride : int
        Distance between patches: those of ``corner_grid(H, W, size, stride)``.

    Returns
    -------
    torch.Tensor
        (P, C · size²), the patches in the order of their corners; a copy. With a stride of 1 it is C · size² times
        as large as the image: meant for one image of moderate size, or for strips of a larger one.
    """
    rows, columns = corners_shape(image.shape[1], image.shape[2], size)
    windows = image.unfold(1, size, 1).unfold(2, size, 1).permute(1, 2, 0, 3, 4)
    if rows * columns == 1:
        # As it is, it is a view.
        return windows.reshape(1, -1).clone()
    if stride == 1:
        return windows.reshape(rows * columns, -1)
    down, along = -(-(rows - 1) // stride) + 1, -(-(columns - 1) // stride) + 1
    grid = image.new_empty(down, along, *windows.shape[2:])
    # The last row and column first: where they are on the grid anyway, it is written over them.
    grid[-1, -1] = windows[-1, -1]
    regular = windows[::stride, ::stride]
    grid[-1, : regular.shape[1]] = windows[-1, ::stride]
    grid[: regular.shape[0], -1] = windows[::stride, -1]
    grid[: regular.shape[0], : regular.shape[1]] = regular
    return grid.view(down * along, -1)


def patch_coefficients(plane: torch.Tensor, transform: torch.Tensor) -> torch.Tensor:
    """The coefficients of every patch of a plane: :func:`pixel_rows` times the transposed transform.

    Parameters
    ----------
    plane : torch.Tensor
        (H, W).
    transform : torch.Tensor
        (D, size²), an analysis function in each row.

    Returns
    -------
    torch.Tensor
        (rows · columns, D), the patches in the order of their corners.
    """
    size = math.isqrt(transform.shape[1])
    if not _convolves(plane):
        return pixel_rows(plane[None], size) @ transform.T
    # A line of a patch in the channels of each pixel: what a convolution then reads lies side by side.
    lines = plane.unfold(1, size, 1).permute(2, 0, 1)[None]
    filters = transform.view(-1, size, size).permute(0, 2, 1)[..., None]
    found = functional.conv2d(
        lines.contiguous(memory_format=torch.channels_last),
        filters.contiguous(memory_format=torch.channels_last),
    )
    return found.permute(0, 2, 3, 1).reshape(-1, len(transform))


def sum_of_patches(
    coefficients: torch.Tensor, height: int, width: int, synthesis: torch.Tensor, window: torch.Tensor
) -> torch.Tensor:
    """The sum of overlapping patches that are given by their coefficients.

    Parameters
    ----------
    coefficients : torch.Tensor
        (rows · columns, D), in the order of the corners.
    height, width : int
        Of the plane.
    synthesis : torch.Tensor
        (D, size²), a patch in each row.
    window : torch.Tensor
        Weights of the places within a patch, (size, size).

    Returns
    -------
    torch.Tensor
        (height, width).
    """
    size = len(window)
    rows, columns = corners_shape(height, width, size)
    if not _convolves(coefficients):
        planes = synthesis.T @ coefficients.T
        return overlap_add(planes.unflatten(0, (size, size)), height, width, window)
    filters = (synthesis.view(-1, size, size) * window).permute(2, 0, 1).flip(2)[..., None]
    stacked = coefficients.view(1, rows, columns, -1).permute(0, 3, 1, 2)
    lines = functional.conv2d(
        stacked, filters.contiguous(memory_format=torch.channels_last), padding=(size - 1, 0)
    )[0]
    plane = coefficients.new_zeros(height, width)
    for along in range(size):
        plane[:, along : along + columns] += lines[along]
    return plane


def _convolves(values: torch.Tensor) -> bool:
    """Whether convolutions are quicker than matrix products; on a GPU they may also round to ten bits."""
    return values.device.type == "cpu" and values.dtype == torch.float32


def patch_sums(patches: torch.Tensor, height: int, width: int, size: int, stride: int = 1) -> torch.Tensor:
    """The sums of overlapping patches, each in its place; what :func:`pixel_rows` cuts out is put back.

    Patches are added place by place within the patch, band by band from the bottom: in the order in which
    :func:`torch.nn.functional.fold` adds them, to the same result, without a copy of all of them.

    Parameters
    ----------
    patches : torch.Tensor
        (P, C · size²), for the corners of ``corner_grid(height, width, size, stride)``.
    height, width : int
        Of the image.
    size : int
        Side of a patch.
    stride : int
        Distance between patches.

    Returns
    -------
    torch.Tensor
        (C, height, width).
    """
    rows, columns = corners_shape(height, width, size)
    down, along = grid_steps(rows, stride).tolist(), grid_steps(columns, stride).tolist()
    total = patches.new_zeros(patches.shape[1] // size**2, height, width)
    grid = patches.view(len(down), len(along), -1)
    regular_rows, regular_columns = -(-rows // stride), -(-columns // stride)
    share = max(1, _NUMBERS_AT_ONCE // (len(along) * patches.shape[1]))
    bands = [range(first, min(first + share, regular_rows)) for first in range(0, regular_rows, share)]
    if regular_rows < len(down):
        bands.append(range(regular_rows, len(down)))
    for band in reversed(bands):
        planes = grid[band.start : band.stop].flatten(0, 1).T.contiguous()
        planes = planes.view(-1, size, size, len(band), len(along))
        for i in range(size):
            top = down[band.start] + i
            lines = total[:, top : top + (len(band) - 1) * stride + 1 : stride]
            for j in range(size):
                lines[..., j : j + (regular_columns - 1) * stride + 1 : stride] += planes[
                    :, i, j, :, :regular_columns
                ]
                if regular_columns < len(along):
                    lines[..., along[-1] + j] += planes[:, i, j, :, -1]
    return total


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
    height, width = image.shape[1:]
    _, columns = corners_shape(height, width, size)
    first = torch.div(corners, columns, rounding_mode="floor") * width + corners % columns
    within = torch.arange(size, device=image.device)
    offsets = (within[:, None] * width + within[None, :]).flatten()
    index = first[..., None] + offsets
    # One gather a channel: the index is then shared, and the channels need no index of their own.
    planes = [plane.flatten()[index].unflatten(-1, (size, size)) for plane in image]
    return torch.stack(planes, dim=-3)


def overlap_add(
    planes: torch.Tensor, height: int, width: int, window: torch.Tensor | None = None
) -> torch.Tensor:
    """The sum of overlapping patches, the adjoint of cutting all of them out.

    Parameters
    ----------
    planes : torch.Tensor
        (size, size, rows · columns): for each place within a patch, its values by corner.
    height, width : int
        Of the image.
    window : torch.Tensor, optional
        Weights of the places within a patch, (size, size); 1 by default.

    Returns
    -------
    torch.Tensor
        (height, width).
    """
    size = planes.shape[0]
    rows, columns = corners_shape(height, width, size)
    planes = planes.unflatten(2, (rows, columns))
    image = planes.new_zeros(height, width)
    for down in range(size):
        for along in range(size):
            values = planes[down, along] if window is None else planes[down, along] * window[down, along]
            image[down : down + rows, along : along + columns] += values
    return image


def sum_of_windows(
    weights: torch.Tensor,
    height: int,
    width: int,
    window: torch.Tensor | None,
    factors: Factors | None = None,
) -> torch.Tensor:
    """The sum of overlapping windows, each times its weight: :func:`overlap_add` of equal patches.

    Parameters
    ----------
    weights : torch.Tensor
        (rows · columns,), in the order of the corners.
    height, width : int
        Of the image.
    window : torch.Tensor or None
        (size, size); needed without `factors` alone.
    factors : tuple of lines, optional
        The lines down and along whose outer product the window is, where they are known on the host
        (:func:`factors_of`). Without them the window is asked, for which a GPU has to be waited for.

    Returns
    -------
    torch.Tensor
        (height, width).
    """
    if factors is None and window is not None:
        factors = _separated(window)
    if factors is None:
        assert window is not None
        return overlap_add(weights.expand(*window.shape, -1), height, width, window)
    down, along = factors
    rows, columns = corners_shape(height, width, len(down))
    lines = weights.new_zeros(height, columns)
    for place, factor in enumerate(down):
        lines[place : place + rows].add_(weights.view(rows, columns), alpha=factor)
    image = weights.new_zeros(height, width)
    for place, factor in enumerate(along):
        image[:, place : place + columns].add_(lines, alpha=factor)
    return image


@functools.lru_cache(maxsize=256)
def factors_of(make: Callable[..., torch.Tensor], *arguments: Hashable) -> Factors | None:
    """The factors of the window that ``make(*arguments)`` gives, in single precision; None where it has none."""
    return _separated(make(*arguments).float())


def _separated(window: torch.Tensor) -> Factors | None:
    """The lines down and along whose outer product the window is, up to rounding; None where it is none."""
    exact = window.cpu().double()
    corner = exact[0, 0]
    down, along = exact[:, 0] / corner, exact[0]
    largest = _ROUNDING * torch.finfo(window.dtype).eps * exact.abs().max()
    if not bool((exact - down[:, None] * along).abs().max() <= largest):
        return None
    return tuple(down.tolist()), tuple(along.tolist())


class PatchAverage:
    """Weighted average of overlapping patches: Σ w Rᵀ(u · patch) / Σ w Rᵀ(u), R cutting the patch out.

    Patches can be added in any number of calls; their sum is kept per corner and spread over the pixels once.

    Parameters
    ----------
    channels, height, width : int
        Of the image.
    size : int
        Side of a patch.
    device : torch.device or str
        Where the patches come from.
    window : torch.Tensor, optional
        u, the weights of the pixels within a patch, (size, size); 1 by default.
    factors : tuple of lines, optional
        Those of the window, as for :func:`sum_of_windows`.
    synthesis : torch.Tensor, optional
        (D, size²): patches are then added as rows of D coefficients a channel, and this matrix takes them to
        pixels, once for each corner however many patches were added there.
    dtype : torch.dtype
        Of the patches.
    """

    def __init__(
        self,
        channels: int,
        height: int,
        width: int,
        size: int,
        device: torch.device | str = "cpu",
        window: torch.Tensor | None = None,
        factors: Factors | None = None,
        synthesis: torch.Tensor | None = None,
        dtype: torch.dtype = torch.float32,
    ) -> None:
        self._shape, self._size = (channels, height, width), size
        rows, columns = corners_shape(height, width, size)
        length = size * size if synthesis is None else len(synthesis)
        self._window, self._synthesis = window, synthesis
        self._factors = ((1.0,) * size,) * 2 if window is None else factors
        self._sums = torch.zeros(rows * columns, channels * length, dtype=dtype, device=device)
        self._weights = torch.zeros(rows * columns, dtype=dtype, device=device)

    def add(self, patches: torch.Tensor, corners: torch.Tensor, weights: torch.Tensor | None = None) -> None:
        """Add patches.

        Parameters
        ----------
        patches : torch.Tensor
            (…, C, size, size), or flattened to (…, C · size²); coefficients (…, C · D) with `synthesis`.
        corners : torch.Tensor
            Flat corners of shape (…).
        weights : torch.Tensor, optional
            Weight of each patch, broadcastable to (…); 1 by default.
        """
        shape = corners.shape
        corners = corners.reshape(-1)
        rows = patches.reshape(len(corners), -1)
        if weights is None:
            spread = torch.ones(len(corners), dtype=rows.dtype, device=rows.device)
        else:
            spread = weights.expand(shape).reshape(-1)
            rows = rows * spread[:, None]
        self._sums.index_add_(0, corners, rows)
        self._weights.index_add_(0, corners, spread)

    def totals(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The sums Σ w Rᵀ(u · patch), (C, H, W), and Σ w Rᵀ(u), (1, H, W).

        For an image in strips these are what adds up.
        """
        channels, height, width = self._shape
        size = self._size
        spread = sum_of_windows(self._weights, height, width, self._window, self._factors)[None]
        if self._synthesis is None and self._window is None:
            return patch_sums(self._sums, height, width, size), spread
        sums = []
        for rows in self._sums.unflatten(1, (channels, -1)).unbind(1):
            if self._synthesis is not None:
                window = rows.new_ones(size, size) if self._window is None else self._window
                sums.append(sum_of_patches(rows.contiguous(), height, width, self._synthesis, window))
                continue
            planes = rows.T.contiguous().unflatten(0, (size, size))
            sums.append(overlap_add(planes, height, width, self._window))
        return torch.stack(sums), spread

    def image(self, where_none: torch.Tensor | None = None) -> torch.Tensor:
        """The average, (C, H, W).

        Parameters
        ----------
        where_none : torch.Tensor, optional
            What to return at pixels that no patch covers; without it they are 0.
        """
        sums, weights = self.totals()
        average = sums / weights.clamp(min=1e-12)
        return average if where_none is None else torch.where(weights > 0, average, where_none)
