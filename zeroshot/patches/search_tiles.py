"""What block matching in images and in volumes share: tiles of references along an axis, and the smallest of windows.

References whose search windows overlap form a tile, whose candidates are the union of the windows: one matrix
product compares all of them. Along each axis tiles are found by themselves.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

#: The most reference patches along one axis that share a matrix product.
LARGEST_TILE = 24
#: The most candidates in a set: sets are compared as a whole before the nearest are sought in the best ones.
LARGEST_SET = 13


def with_norms(features: torch.Tensor) -> torch.Tensor:
    """The features less their mean, and ‖·‖² of each row as one more column."""
    table = features.new_empty(len(features), features.shape[1] + 1)
    # A common offset changes no distance, and without it fewer digits cancel.
    centred = torch.sub(features, features.mean(dim=0), out=table[:, :-1])
    torch.linalg.vector_norm(centred, dim=1, out=table[:, -1])
    table[:, -1].square_()
    return table


@dataclass(frozen=True)
class Tile:
    """References `begin` to `end` along one axis, whose windows start `step` apart.

    What the search works with lies on the device of the features; how it is planned, the host knows by itself.
    """

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
    #: The positions, and the starts of the windows, from the first start on.
    known_positions: tuple[int, ...]
    known_starts: tuple[int, ...]
    #: What the windows cover.
    area: slice

    def is_like(self, other: Tile) -> bool:
        """Whether it differs from the other in nothing but its place."""
        return (self.step, self.window, self.known_positions, self.known_starts) == (
            (other.step, other.window, other.known_positions, other.known_starts)
        )

    def shifts(self, centre: int) -> torch.Tensor:
        """`centre` plus how far the candidates lie from their reference, (references, candidates).

        There is one row where it is that of all references.
        """
        places = torch.arange(self.window, device=self.starts.device) * self.spacing
        found = (self.starts - self.positions)[:, None] + places + centre
        apart = {start - place for place, start in zip(self.known_positions, self.known_starts, strict=True)}
        return found[:1] if len(apart) == 1 else found


def search_tiles(
    positions: torch.Tensor, count: int, stride: int, radius: int, spacing: int, device: torch.device
) -> list[Tile]:
    """Runs of references with evenly spaced windows, none longer than pays; `positions` are the host's."""
    reach = min(2 * radius + 1, count)
    window = (reach - 1) // spacing + 1
    places = positions.tolist()
    starts = [min(max(place - radius, 0), count - reach) for place in places]
    there = made_on(device, positions)
    starts_there = (there - radius).clamp(0, count - reach)
    # As many references a tile as span half a window: fewer waste candidates, more waste distances.
    share = max(1, min((radius + stride) // stride, LARGEST_TILE))
    tiles, begin = [], 0
    while begin < len(places):
        end = begin + 1
        while end < min(len(places), begin + share) and _step(starts, end) == _step(starts, begin + 1):
            end += 1
        first = starts[begin]
        own = None
        if all((place - first) % spacing == 0 for place in places[begin:end]):
            own = there[begin:end] - first
        tiles.append(
            Tile(
                begin,
                end,
                there[begin:end],
                starts_there[begin:end],
                own,
                _step(starts, begin + 1) if end > begin + 1 else 0,
                window,
                spacing,
                tuple(place - first for place in places[begin:end]),
                tuple(start - first for start in starts[begin:end]),
                slice(first, starts[end - 1] + (window - 1) * spacing + 1),
            )
        )
        begin = end
    return tiles


def _step(values: list[int], place: int) -> int:
    return values[place] - values[place - 1]


def made_on(device: torch.device, positions: torch.Tensor) -> torch.Tensor:
    """Ascending positions, which are the host's, on a device.

    They are made there, run by run of equal steps: a copy would make the host wait for the device.
    """
    if device.type == "cpu":
        return positions
    places, runs, begin = positions.tolist(), [], 0
    while begin < len(places):
        end = begin + 1
        while end + 1 < len(places) and _step(places, end + 1) == _step(places, begin + 1):
            end += 1
        last = min(end, len(places) - 1)
        step = places[last] - places[last - 1] if last > begin else 1
        runs.append(torch.arange(places[begin], places[last] + 1, step, device=device))
        begin = last + 1
    return torch.cat(runs)


def longest(tiles: list[Tile]) -> int:
    return max(tile.area.stop - tile.area.start for tile in tiles)


def alike(tiles: list[Tile], most: int) -> list[list[Tile]]:
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


def smallest(windows: torch.Tensor, count: int) -> tuple[torch.Tensor, torch.Tensor]:
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
    return values, quotient(places, count) * sets + best.gather(-1, places % count)


def quotient(values: torch.Tensor, divisor: int) -> torch.Tensor:
    return torch.div(values, divisor, rounding_mode="floor")


def put_reference_first(corners: torch.Tensor, distances: torch.Tensor, own: torch.Tensor) -> None:
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


def filled_up(
    corners: torch.Tensor, distances: torch.Tensor, own: torch.Tensor, count: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Both to `count` entries, with the reference at an infinite distance where there are too few."""
    missing = count - corners.shape[-1]
    if missing > 0:
        corners = torch.cat([corners, own[..., None].expand(*own.shape, missing)], -1)
        distances = torch.cat([distances, distances.new_full((*own.shape, missing), torch.inf)], -1)
    return corners, distances
