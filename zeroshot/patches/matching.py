"""Block matching: for every reference patch, the patches nearby that look most like it.

Distances go through ‖a − b‖² = ‖a‖² + ‖b‖² − 2⟨a, b⟩. Reference patches whose search windows overlap share
one matrix product, so that the work is done at the speed of matrix multiplication.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from zeroshot.patches.blocks import grid_steps
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

#: Numbers that the candidates of tiles worked on together hold: on a CPU as many as stay in its cache.
TOGETHER = {"cpu": 2**19}
MANY_TOGETHER = 2**26


@dataclass(frozen=True)
class Matches:
    """The patches most like each reference patch.

    Attributes
    ----------
    corners : torch.Tensor
        (P, K) int64 flat corners, the nearest first; the reference itself always comes first.
    distances : torch.Tensor
        (P, K) mean squared differences per element of the features; infinite where the search window held
        fewer than K patches. The corner there is the reference's own.
    """

    corners: torch.Tensor
    distances: torch.Tensor


def match_blocks(
    features: torch.Tensor,
    columns: int,
    count: int,
    stride: int = 1,
    radius: int = 19,
    spacing: int = 1,
    reference_rows: torch.Tensor | None = None,
    correction: torch.Tensor | None = None,
) -> Matches:
    """The `count` nearest neighbours of every reference patch within its search window.

    Parameters
    ----------
    features : torch.Tensor
        (rows · columns, D): what is compared, one row per corner in their order; the pixels of the patches
        (:func:`pixel_rows`) or anything computed from them.
    columns : int
        How many corners there are in a row.
    count : int
        Patches in a group, the reference included.
    stride : int
        Distance between reference patches; the last row and column are always among them, as in
        :func:`corner_grid`.
    radius : int
        How many pixels the search window reaches to each side; it is moved inwards at the edges of the image,
        so that every window holds equally many candidates.
    spacing : int
        Distance between the candidates of a window, a divisor of `radius`; 1 looks at every patch.
    reference_rows : torch.Tensor, optional
        The rows of corners that hold references, ascending; by default every `stride`-th and the last. For
        an image in strips: `features` are then those of the strip and of `radius` rows around it.
    correction : torch.Tensor, optional
        (4 · radius + 1, 4 · radius + 1): what is taken off the distance of a patch that lies (dy, dx) from the
        reference, −2 · radius ≤ dy, dx ≤ 2 · radius; the distance that noise makes, where neighbours share it.
        Corrected distances are not below 0.

    Returns
    -------
    Matches
        In the order of :func:`corner_grid`.

    Raises
    ------
    ValueError
        Where the numbers do not fit each other.

    References
    ----------
    K. Dabov, A. Foi, V. Katkovnik, K. Egiazarian: Image denoising by sparse 3-D transform-domain
    collaborative filtering, IEEE TIP 16 (2007), for block matching.
    """
    if len(features) % columns:
        raise ValueError(f"{len(features)} patches do not fill rows of {columns}")
    if min(count, stride, spacing) < 1 or radius < 0 or (radius and radius % spacing):
        raise ValueError(
            f"count, stride and spacing must be at least 1 and spacing divide radius, got count {count}, "
            f"stride {stride}, radius {radius}, spacing {spacing}"
        )
    grid = with_norms(features).unflatten(0, (-1, columns))
    rows, device = grid.shape[0], features.device
    positions = grid_steps(rows, stride) if reference_rows is None else reference_rows.cpu()
    down = search_tiles(positions, rows, stride, radius, spacing, device)
    along = search_tiles(grid_steps(columns, stride), columns, stride, radius, spacing, device)
    shape = (down[-1].end, along[-1].end, count)
    corners = torch.empty(shape, dtype=torch.int64, device=device)
    distances = torch.empty(shape, dtype=features.dtype, device=device)
    numbers = TOGETHER.get(device.type, MANY_TOGETHER) // (longest(along) * grid.shape[-1])
    runs = alike(along, max(1, numbers // longest(down)))
    for top in down:
        for lefts in runs:
            where = (slice(top.begin, top.end), slice(lefts[0].begin, lefts[-1].end))
            corners[where], distances[where] = _search(grid, top, lefts, count, correction)
    return Matches(corners.flatten(0, 1), distances.flatten(0, 1))


def _search(
    grid: torch.Tensor, top: Tile, lefts: list[Tile], count: int, correction: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Corners and distances of the matches of tiles side by side, (references down, references along, count)."""
    left, down = lefts[0], top.positions
    along = torch.stack([one.positions for one in lefts])
    # (tiles, references down, references along) of each, and what their windows cover.
    references = grid[down[:, None], along[:, None]].flatten(1, 2)
    candidates = _areas(grid, top, lefts)
    height, width = candidates.shape[1:3]
    norms = references[..., -1].clone()
    # ‖b‖² − 2⟨a, b⟩ as one product; ‖a‖² changes no order and comes at the end.
    references[..., :-1] *= -2
    references[..., -1] = 1
    squared = references @ candidates.flatten(1, 2).mT
    if top.own is not None and left.own is not None:
        own = (top.own[:, None] * width + left.own).flatten()
        squared.scatter_(2, own[:, None].expand(len(lefts), -1, 1), -torch.inf)
    shape = (len(lefts), len(down), along.shape[1], top.window, left.window)
    # Window (i, j) starts i · step lower and j · step further right: one view holds them all.
    strides = (
        squared.stride(0),
        along.shape[1] * height * width + top.step * width,
        height * width + left.step,
        top.spacing * width,
        left.spacing,
    )
    windows = squared.as_strided(shape, strides)
    if correction is not None:
        squared_correction = correction.to(squared) * (grid.shape[-1] - 1)
        down_shifts, along_shifts = top.shifts(len(correction) // 2), left.shifts(len(correction) // 2)
        windows = windows - squared_correction[down_shifts[:, None, :, None], along_shifts[None, :, None, :]]
    nearest, chosen = smallest(windows, min(count, top.window * left.window))
    starts = torch.stack([one.starts for one in lefts])
    rows = top.starts[:, None, None] + quotient(chosen, left.window) * top.spacing
    lines = starts[:, None, :, None] + chosen % left.window * left.spacing
    corners = rows.mul_(grid.shape[1]).add_(lines)
    distances = (nearest + norms.view(*shape[:3], 1)).clamp_(min=0).div_(grid.shape[-1] - 1)
    own_corners = down[:, None] * grid.shape[1] + along[:, None]
    if top.own is None or left.own is None:
        put_reference_first(corners, distances, own_corners)
    distances[..., 0] = 0
    corners, distances = filled_up(corners, distances, own_corners, count)
    return _side_by_side(corners), _side_by_side(distances)


def _areas(grid: torch.Tensor, top: Tile, lefts: list[Tile]) -> torch.Tensor:
    """The candidates of tiles side by side, (tiles, rows, lines, D)."""
    first = grid[top.area, lefts[0].area]
    apart = lefts[-1].area.start - lefts[0].area.start
    step = apart // max(len(lefts) - 1, 1) * grid.stride(1)
    return first.as_strided((len(lefts), *first.shape), (step, *first.stride()), first.storage_offset())


def _side_by_side(values: torch.Tensor) -> torch.Tensor:
    """(tiles, references down, references along, …) as one field of references."""
    return values.transpose(0, 1).flatten(1, 2)
