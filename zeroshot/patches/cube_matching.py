"""Block matching in volumes: for every reference cube, the cubes nearby that look most like it.

As in images (:mod:`zeroshot.patches.matching`): references whose search windows overlap share one matrix product.
"""

from __future__ import annotations

import math

import torch

from zeroshot.patches.cubes import Triple
from zeroshot.patches.matching import MANY_TOGETHER, TOGETHER, Matches
from zeroshot.patches.search_tiles import (
    Tile,
    alike,
    filled_up,
    longest,
    put_reference_first,
    quotient,
    search_tiles,
    smallest,
    with_norms,
)


def match_cubes(
    features: torch.Tensor,
    corners: Triple,
    count: int,
    stride: Triple,
    radius: Triple,
    references: tuple[torch.Tensor, torch.Tensor, torch.Tensor],
) -> Matches:
    """The `count` nearest neighbours of every reference cube within its search window.

    Parameters
    ----------
    features : torch.Tensor
        (corners, n): what is compared, a row for each corner in their order.
    corners : tuple of int
        How many planes, rows and columns of corners there are.
    count : int
        Cubes in a group, the reference included.
    stride : tuple of int
        The usual distance between references.
    radius : tuple of int
        How far the search window reaches to each side; it is moved inwards at the borders, so that every window
        holds equally many candidates.
    references : tuple of torch.Tensor
        The planes, the rows and the columns of the references, ascending; all combinations are references.

    Returns
    -------
    Matches
        In the order of the references, planes first, with flat corners.

    Raises
    ------
    ValueError
        Where the features do not fill the corners.
    """
    if len(features) != math.prod(corners):
        raise ValueError(f"{len(features)} cubes do not fill {' × '.join(map(str, corners))} corners")
    grid = with_norms(features).unflatten(0, corners)
    deep, down, along = (
        search_tiles(places.cpu(), length, step, reach, 1, features.device)
        for places, length, step, reach in zip(references, corners, stride, radius, strict=True)
    )
    shape = (deep[-1].end, down[-1].end, along[-1].end, count)
    found = torch.empty(shape, dtype=torch.int64, device=features.device)
    distances = torch.empty(shape, dtype=features.dtype, device=features.device)
    numbers = TOGETHER.get(features.device.type, MANY_TOGETHER) // (longest(along) * grid.shape[-1])
    runs = alike(along, max(1, numbers // (longest(down) * longest(deep))))
    for front in deep:
        for top in down:
            for lefts in runs:
                where = (
                    slice(front.begin, front.end),
                    slice(top.begin, top.end),
                    slice(lefts[0].begin, lefts[-1].end),
                )
                found[where], distances[where] = _search(grid, front, top, lefts, count)
    return Matches(found.flatten(0, 2), distances.flatten(0, 2))


def _search(
    grid: torch.Tensor, front: Tile, top: Tile, lefts: list[Tile], count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Corners and distances of the matches of tiles side by side, (planes, rows, columns of references, count)."""
    left, deep, down = lefts[0], front.positions, top.positions
    along = torch.stack([one.positions for one in lefts])
    # (tiles, references) of each, and what their windows cover.
    references = grid[deep[:, None, None], down[:, None], along[:, None, None, :]].flatten(1, 3)
    candidates = _areas(grid, front, top, lefts)
    height, width = candidates.shape[2:4]
    norms = references[..., -1].clone()
    # ‖b‖² − 2⟨a, b⟩ as one product; ‖a‖² changes no order and comes at the end.
    references[..., :-1] *= -2
    references[..., -1] = 1
    squared = references @ candidates.flatten(1, 3).mT
    inside = front.own is not None and top.own is not None and left.own is not None
    if front.own is not None and top.own is not None and left.own is not None:
        own = ((front.own[:, None, None] * height + top.own[:, None]) * width + left.own).flatten()
        squared.scatter_(2, own[:, None].expand(len(lefts), -1, 1), -torch.inf)
    counts = (len(deep), len(down), along.shape[1])
    window = (front.window, top.window, left.window)
    area = squared.shape[2]
    # Each window starts a step further than the one before it: one view holds them all.
    strides = (
        squared.stride(0),
        counts[1] * counts[2] * area + front.step * height * width,
        counts[2] * area + top.step * width,
        area + left.step,
        height * width,
        width,
        1,
    )
    windows = squared.as_strided((len(lefts), *counts, *window), strides).flatten(-3, -2)
    nearest, chosen = smallest(windows, min(count, math.prod(window)))
    starts = torch.stack([one.starts for one in lefts])
    plane, row = front.starts, top.starts
    chosen_row = quotient(chosen, window[2])
    planes = plane[:, None, None, None] + quotient(chosen_row, window[1])
    rows = row[:, None, None] + chosen_row % window[1]
    columns = starts[:, None, None, :, None] + chosen % window[2]
    corners = planes.mul_(grid.shape[1]).add_(rows).mul_(grid.shape[2]).add_(columns)
    distances = (nearest + norms.view(len(lefts), *counts, 1)).clamp_(min=0).div_(grid.shape[-1] - 1)
    own_rows = deep[:, None, None] * grid.shape[1] + down[:, None]
    own_corners = own_rows * grid.shape[2] + along[:, None, None, :]
    if not inside:
        put_reference_first(corners, distances, own_corners)
    distances[..., 0] = 0
    corners, distances = filled_up(corners, distances, own_corners, count)
    return _side_by_side(corners), _side_by_side(distances)


def _areas(grid: torch.Tensor, front: Tile, top: Tile, lefts: list[Tile]) -> torch.Tensor:
    """The candidates of tiles side by side, (tiles, planes, rows, columns, n)."""
    first = grid[front.area, top.area, lefts[0].area]
    apart = lefts[-1].area.start - lefts[0].area.start
    step = apart // max(len(lefts) - 1, 1) * grid.stride(2)
    return first.as_strided((len(lefts), *first.shape), (step, *first.stride()), first.storage_offset())


def _side_by_side(values: torch.Tensor) -> torch.Tensor:
    """(tiles, planes, rows, columns of references, …) as one field of references."""
    return values.permute(1, 2, 0, 3, 4).flatten(2, 3)
