"""Block matching: for every reference patch, the patches nearby that look most like it.

Distances go through ‖a − b‖² = ‖a‖² + ‖b‖² − 2⟨a, b⟩. Reference patches whose search windows overlap share
one matrix product, so that the work is done at the speed of matrix multiplication.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import torch

from zeroshot.patches.blocks import grid_steps

#: The most reference patches along one axis that share a matrix product.
LARGEST_TILE = 24
#: The most candidates in a set: sets are compared as a whole before the nearest are sought in the best ones.
LARGEST_SET = 13
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
    grid = _with_norms(features).unflatten(0, (-1, columns))
    rows, device = grid.shape[0], features.device
    positions = grid_steps(rows, stride) if reference_rows is None else reference_rows.cpu()
    down = _tiles(positions, rows, stride, radius, spacing)
    along = _tiles(grid_steps(columns, stride), columns, stride, radius, spacing)
    shape = (down[-1].end, along[-1].end, count)
    corners = torch.empty(shape, dtype=torch.int64, device=device)
    distances = torch.empty(shape, dtype=features.dtype, device=device)
    numbers = TOGETHER.get(device.type, MANY_TOGETHER) // (_longest(along) * grid.shape[-1])
    runs = _alike(along, max(1, numbers // _longest(down)))
    for top in down:
        for lefts in runs:
            where = (slice(top.begin, top.end), slice(lefts[0].begin, lefts[-1].end))
            corners[where], distances[where] = _search(grid, top, lefts, count, correction)
    return Matches(corners.flatten(0, 1), distances.flatten(0, 1))


def _with_norms(features: torch.Tensor) -> torch.Tensor:
    """The features less their mean, and ‖·‖² of each row as one more column."""
    table = features.new_empty(len(features), features.shape[1] + 1)
    # A common offset changes no distance, and without it fewer digits cancel.
    centred = torch.sub(features, features.mean(dim=0), out=table[:, :-1])
    torch.linalg.vector_norm(centred, dim=1, out=table[:, -1])
    table[:, -1].square_()
    return table


@dataclass(frozen=True)
class _Tile:
    """References `begin` to `end` along one axis, whose windows start `step` apart."""

    begin: int
    end: int
    positions: torch.Tensor
    starts: torch.Tensor
    #: Where the references lie in the area, or None where one is not among its own candidates.
    own: torch.Tensor | None
    step: int
    #: Candidates in a window, and the distance between them.
    window: int
    spacing: int

    @cached_property
    def area(self) -> slice:
        """What the windows cover."""
        return slice(int(self.starts[0]), int(self.starts[-1]) + (self.window - 1) * self.spacing + 1)

    def is_like(self, other: _Tile) -> bool:
        """Whether it differs from the other in nothing but its place."""
        places = (self.positions - self.starts[0], self.starts - self.starts[0])
        others = (other.positions - other.starts[0], other.starts - other.starts[0])
        return (self.step, self.window) == (other.step, other.window) and all(
            torch.equal(one, two) for one, two in zip(places, others, strict=True)
        )

    def shifts(self, centre: int) -> torch.Tensor:
        """`centre` plus how far the candidates lie from their reference, (references, candidates).

        There is one row where it is that of all references.
        """
        found = (self.starts - self.positions)[:, None] + torch.arange(self.window) * self.spacing + centre
        return found[:1] if bool((found == found[:1]).all()) else found


def _tiles(positions: torch.Tensor, count: int, stride: int, radius: int, spacing: int) -> list[_Tile]:
    """Runs of references with evenly spaced windows, none longer than pays."""
    reach = min(2 * radius + 1, count)
    window = (reach - 1) // spacing + 1
    starts = (positions - radius).clamp(0, count - reach)
    # As many references a tile as span half a window: fewer waste candidates, more waste distances.
    share = max(1, min((radius + stride) // stride, LARGEST_TILE))
    steps = starts.diff().tolist()
    tiles, begin = [], 0
    while begin < len(positions):
        end = begin + 1
        while end < min(len(positions), begin + share) and steps[end - 1] == steps[begin]:
            end += 1
        step = steps[begin] if end > begin + 1 else 0
        mine, first = positions[begin:end], starts[begin:end]
        own = mine - first[0] if bool(((mine - first) % spacing == 0).all()) else None
        tiles.append(_Tile(begin, end, mine, first, own, step, window, spacing))
        begin = end
    return tiles


def _longest(tiles: list[_Tile]) -> int:
    return max(tile.area.stop - tile.area.start for tile in tiles)


def _alike(tiles: list[_Tile], most: int) -> list[list[_Tile]]:
    """Runs of at most `most` neighbouring tiles that differ in nothing but their place and lie evenly spaced."""
    runs, begin = [], 0
    while begin < len(tiles):
        first, end = tiles[begin], begin + 1
        while end < min(len(tiles), begin + most) and first.is_like(tiles[end]):
            apart = tiles[end].area.start - tiles[end - 1].area.start
            if apart != tiles[begin + 1].area.start - first.area.start:
                break
            end += 1
        runs.append(tiles[begin:end])
        begin = end
    return runs


def _search(
    grid: torch.Tensor, top: _Tile, lefts: list[_Tile], count: int, correction: torch.Tensor | None
) -> tuple[torch.Tensor, torch.Tensor]:
    """Corners and distances of the matches of tiles side by side, (references down, references along, count)."""
    device, left = grid.device, lefts[0]
    down = top.positions.to(device)
    along = torch.stack([one.positions for one in lefts]).to(device)
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
        own = (top.own[:, None] * width + left.own).flatten().to(device)
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
        windows = (
            windows
            - squared_correction[
                down_shifts.to(device)[:, None, :, None], along_shifts.to(device)[None, :, None, :]
            ]
        )
    nearest, chosen = _smallest(windows, min(count, top.window * left.window))
    starts = torch.stack([one.starts for one in lefts]).to(device)
    rows = top.starts.to(device)[:, None, None] + _quotient(chosen, left.window) * top.spacing
    lines = starts[:, None, :, None] + chosen % left.window * left.spacing
    corners = rows.mul_(grid.shape[1]).add_(lines)
    distances = (nearest + norms.view(*shape[:3], 1)).clamp_(min=0).div_(grid.shape[-1] - 1)
    own_corners = down[:, None] * grid.shape[1] + along[:, None]
    if top.own is None or left.own is None:
        _put_reference_first(corners, distances, own_corners)
    distances[..., 0] = 0
    corners, distances = _filled_up(corners, distances, own_corners, count)
    return _side_by_side(corners), _side_by_side(distances)


def _areas(grid: torch.Tensor, top: _Tile, lefts: list[_Tile]) -> torch.Tensor:
    """The candidates of tiles side by side, (tiles, rows, lines, D)."""
    first = grid[top.area, lefts[0].area]
    apart = lefts[-1].area.start - lefts[0].area.start
    step = apart // max(len(lefts) - 1, 1) * grid.stride(1)
    return first.as_strided((len(lefts), *first.shape), (step, *first.stride()), first.storage_offset())


def _side_by_side(values: torch.Tensor) -> torch.Tensor:
    """(tiles, references down, references along, …) as one field of references."""
    return values.transpose(0, 1).flatten(1, 2)


def _smallest(windows: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The `count` smallest of each window (…, rows, lines), ascending, and their flat places."""
    rows, lines = windows.shape[-2:]
    size = next(size for size in range(min(LARGEST_SET, rows), 0, -1) if rows % size == 0)
    sets = rows // size * lines
    if size == 1 or sets < 2 * count:
        return windows.flatten(-2).topk(count, dim=-1, largest=False)
    # The `count` smallest lie in the `count` sets with the smallest minima, which are quicker to sort.
    windows = windows.reshape(*windows.shape[:-2], size, sets)
    best = windows.amin(dim=-2).topk(count, dim=-1, largest=False, sorted=False).indices
    shared = best[..., None, :].expand(*windows.shape[:-1], count)
    members = windows.gather(-1, shared).flatten(-2)
    values, places = members.topk(count, dim=-1, largest=False)
    return values, _quotient(places, count) * sets + best.gather(-1, places % count)


def _quotient(values: torch.Tensor, divisor: int) -> torch.Tensor:
    return torch.div(values, divisor, rounding_mode="floor")


def _put_reference_first(corners: torch.Tensor, distances: torch.Tensor, own: torch.Tensor) -> None:
    """Put the reference at the front, in place of its own entry or else of the farthest match."""
    is_own = corners == own[..., None]
    found = is_own.any(-1)
    place = torch.where(found, is_own.to(torch.int8).argmax(-1), corners.shape[-1] - 1)
    order = torch.arange(corners.shape[-1], device=corners.device).expand_as(corners)
    # What stood before the reference moves back by one.
    source = torch.where((order > 0) & (order <= place[..., None]), order - 1, order)
    corners.copy_(corners.gather(-1, source))
    distances.copy_(distances.gather(-1, source))
    corners[..., 0] = own


def _filled_up(
    corners: torch.Tensor, distances: torch.Tensor, own: torch.Tensor, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Both to `count` entries, with the reference at an infinite distance where there are too few."""
    missing = count - corners.shape[-1]
    if missing > 0:
        corners = torch.cat([corners, own[..., None].expand(*own.shape, missing)], -1)
        distances = torch.cat([distances, distances.new_full((*own.shape, missing), torch.inf)], -1)
    return corners, distances
