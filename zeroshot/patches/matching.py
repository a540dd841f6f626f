"""Block matching: for every reference patch, the patches nearby that look most like it.

Distances go through ‖a − b‖² = ‖a‖² + ‖b‖² − 2⟨a, b⟩. Reference patches whose search windows overlap share
one matrix product, so that the work is done at the speed of matrix multiplication.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from zeroshot.patches.blocks import _steps


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
        The search window reaches so many pixels to each side; it is moved inwards at the edges of the image,
        so that every window holds equally many candidates.
    spacing : int
        Distance between the candidates of a window, a divisor of `radius`; 1 looks at every patch.

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
    grid = features.unflatten(0, (-1, columns))
    # A common offset changes no distance, and without it fewer digits cancel.
    grid = grid - grid.mean(dim=(0, 1))
    norms = grid.square().sum(-1)
    rows = grid.shape[0]
    device = features.device
    down = _Axis(rows, stride, radius, spacing)
    along = _Axis(columns, stride, radius, spacing)
    corners = torch.empty(len(down.positions), len(along.positions), count, dtype=torch.int64, device=device)
    distances = torch.empty(corners.shape, dtype=features.dtype, device=device)
    for top in down.tiles:
        for left in along.tiles:
            block = _search_tile(grid, norms, top, left, count, columns)
            where = (slice(*top.references), slice(*left.references))
            corners[where], distances[where] = block
    return Matches(corners.flatten(0, 1), distances.flatten(0, 1))


@dataclass(frozen=True)
class _Tile:
    """A run of references along one axis, and the candidates that their windows cover."""

    references: tuple[int, int]
    positions: torch.Tensor
    starts: torch.Tensor
    first: int
    last: int
    spacing: int
    window: int


class _Axis:
    """References, windows and tiles along one axis."""

    def __init__(self, count: int, stride: int, radius: int, spacing: int) -> None:
        self.positions = _steps(count, stride)
        window = min(2 * radius + 1, count)
        starts = (self.positions - radius).clamp(0, count - window)
        # As many references a tile as span about a window: fewer waste candidates, more waste distances.
        share = max(1, min(len(self.positions), (radius + stride) // stride, 24))
        self.tiles = []
        for begin in range(0, len(self.positions), share):
            end = min(begin + share, len(self.positions))
            mine = starts[begin:end]
            self.tiles.append(
                _Tile(
                    (begin, end),
                    self.positions[begin:end],
                    mine,
                    int(mine[0]),
                    int(mine[-1]) + window,
                    spacing,
                    window,
                )
            )


def _search_tile(
    grid: torch.Tensor, norms: torch.Tensor, top: _Tile, left: _Tile, count: int, columns: int
) -> tuple[torch.Tensor, torch.Tensor]:
    device = grid.device
    dimensions = grid.shape[-1]
    down, along = top.positions.to(device), left.positions.to(device)
    references = grid[down[:, None], along[None, :]].flatten(0, 1)
    area = (slice(top.first, top.last), slice(left.first, left.last))
    candidates = grid[area]
    height, width = candidates.shape[:2]
    products = references @ candidates.reshape(-1, dimensions).T
    squared = torch.add(norms[area].reshape(1, -1), products, alpha=-2).view(
        len(down), len(along), height, width
    )
    rows = (top.starts - top.first).to(device)[:, None] + torch.arange(
        0, top.window, top.spacing, device=device
    )
    lines = (left.starts - left.first).to(device)[:, None] + torch.arange(
        0, left.window, left.spacing, device=device
    )
    # (references down, references along, window rows, window columns)
    window = squared.gather(2, rows[:, None, :, None].expand(-1, len(along), -1, width))
    window = window.gather(3, lines[None, :, None, :].expand(len(down), -1, rows.shape[1], -1)).flatten(2)
    own = norms[down[:, None], along[None, :]]
    available = min(count, window.shape[-1])
    nearest, chosen = window.topk(available, dim=-1, largest=False, sorted=True)
    found_rows = (
        rows[:, None, :]
        .expand(-1, len(along), -1)
        .gather(2, torch.div(chosen, lines.shape[1], rounding_mode="floor"))
    )
    found_lines = lines[None].expand(len(down), -1, -1).gather(2, chosen % lines.shape[1])
    corners = (found_rows + top.first) * columns + found_lines + left.first
    distances = (nearest + own[..., None]).clamp_(min=0) / dimensions
    return _reference_first(corners, distances, down[:, None] * columns + along[None, :], count)


def _reference_first(
    corners: torch.Tensor, distances: torch.Tensor, own: torch.Tensor, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Put the reference at the front, in place of its own entry or else of the farthest match."""
    is_own = corners == own[..., None]
    found = is_own.any(-1)
    place = torch.where(found, is_own.to(torch.int8).argmax(-1), corners.shape[-1] - 1)
    order = torch.arange(corners.shape[-1], device=corners.device).expand_as(corners)
    # What stood before the reference moves back by one.
    source = torch.where((order > 0) & (order <= place[..., None]), order - 1, order)
    corners, distances = corners.gather(-1, source), distances.gather(-1, source)
    corners[..., 0], distances[..., 0] = own, 0
    missing = count - corners.shape[-1]
    if missing > 0:
        corners = torch.cat([corners, own[..., None].expand(*own.shape, missing)], -1)
        distances = torch.cat([distances, distances.new_full((*own.shape, missing), float("inf"))], -1)
    return corners, distances
