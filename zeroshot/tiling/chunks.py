"""The layout of overlapping boxes over a volume: chunks of planes, cut into tiles where the planes are large."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch

from zeroshot.operators.window import Locality
from zeroshot.tiling.grid import Axis
from zeroshot.volume_denoiser import Reach

#: Half the planes and half the pixels over which neighbouring boxes pass into each other.
_RAMP = (2, 4)
#: No box has more voxels than this, unless it is asked for: what is done is told after each, and kept.
LARGEST_BOX = 2**24
#: The sides of tiles that are tried.
_TILES = (1024, 768, 512, 384, 256, 192, 128)


@dataclass(frozen=True)
class Box:
    """A part of a volume: where it lies, and what its values count for.

    Attributes
    ----------
    planes, rows, columns : slice
    weights : tuple of torch.Tensor
        Along each axis, in [0, 1]; their products add up to 1 at every voxel of the volume.
    """

    planes: slice
    rows: slice
    columns: slice
    weights: tuple[torch.Tensor, torch.Tensor, torch.Tensor]

    def weigh_(self, values: torch.Tensor) -> torch.Tensor:
        """Values (C, d, h, w) of the box times what they count for, in place."""
        down, rows, columns = self.weights
        return (
            values.mul_(down.to(values)[:, None, None])
            .mul_(rows.to(values)[:, None])
            .mul_(columns.to(values))
        )


@dataclass(frozen=True)
class Chunks:
    """Overlapping boxes over a volume, in chunks of planes one after the other.

    Attributes
    ----------
    depth, rows, columns : Axis
    """

    depth: Axis
    rows: Axis
    columns: Axis

    @property
    def count(self) -> int:
        """How many chunks there are."""
        return len(self.depth.starts)

    @property
    def shape(self) -> tuple[int, int, int]:
        """Planes, rows and columns of a box."""
        return self.depth.length, self.rows.length, self.columns.length

    def planes(self, chunk: int) -> range:
        """Those that a chunk needs."""
        start = self.depth.starts[chunk]
        return range(start, start + self.depth.length)

    def finished(self, chunk: int) -> range:
        """Those that are finished with a chunk: no later one counts there."""
        return range(self._beginning(chunk), self._beginning(chunk + 1))

    def _beginning(self, chunk: int) -> int:
        """The first plane at which a chunk, or a later one, counts; the number of all planes after the last."""
        if chunk == 0:
            return 0
        if chunk == self.count:
            return self.depth.starts[-1] + self.depth.length
        return self.depth.starts[chunk] + int(self.depth.weights[chunk].gt(0).nonzero()[0])

    def boxes(self, chunk: int) -> Iterator[Box]:
        """The boxes of a chunk."""
        planes, down = self._part(self.depth, chunk)
        for row in range(len(self.rows.starts)):
            rows, across = self._part(self.rows, row)
            for column in range(len(self.columns.starts)):
                columns, along = self._part(self.columns, column)
                yield Box(planes, rows, columns, (down, across, along))

    @staticmethod
    def _part(axis: Axis, index: int) -> tuple[slice, torch.Tensor]:
        start = axis.starts[index]
        return slice(start, start + axis.length), axis.weights[index]

    @property
    def work(self) -> int:
        """The values of all boxes together."""
        axes = (self.depth, self.rows, self.columns)
        return math.prod(len(axis.starts) * axis.length for axis in axes)


@dataclass(frozen=True)
class Room:
    """What a chunk may take, and what takes it.

    Attributes
    ----------
    allowed : int
        Bytes.
    fixed : int
        Those that are needed however large a box is.
    voxel : int
        Those for each voxel of a box.
    plane : int
        Those for each plane of a chunk, which is held as a whole.
    """

    allowed: int
    fixed: int
    voxel: int
    plane: int

    def needed(self, planes: int, height: int, width: int) -> int:
        """The bytes that a chunk of so many planes takes, in boxes of this height and width."""
        return self.fixed + self.voxel * planes * height * width + self.plane * planes

    def planes(self, height: int, width: int) -> int:
        """The most planes that fit."""
        return (self.allowed - self.fixed) // (self.voxel * height * width + self.plane)


def laid_out(
    shape: Sequence[int], reach: Reach, step: int, room: Room, tile: int | str | None = "auto"
) -> Chunks:
    """The boxes that make the least work of those that fit.

    Parameters
    ----------
    shape : sequence of int
        Planes, rows and columns.
    reach : Reach
        How far a cut is felt, and counts for nothing.
    step : int
        Boxes begin at multiples of it.
    room : Room
    tile : int, "auto" or None
        The height and width of boxes; None never cuts planes.

    Raises
    ------
    ValueError
        In one line, where not even the smallest boxes fit.
    """
    depth, height, width = shape
    if tile == "auto":
        sides: list[int | None] = [None, *(side for side in _TILES if side < max(height, width))]
    else:
        sides = [None if tile is None else int(tile)]
    fitting = []
    for side in sides:
        rows = _axis(height, side, reach.pixels, step, _RAMP[1])
        columns = _axis(width, side, reach.pixels, step, _RAMP[1])
        if rows is None or columns is None:
            continue
        most = room.planes(rows.length, columns.length)
        if tile == "auto":
            most = min(most, LARGEST_BOX // (rows.length * columns.length))
        down = _axis(depth, most, reach.planes, step, _RAMP[0])
        if down is not None:
            fitting.append(Chunks(down, rows, columns))
    if fitting:
        return min(fitting, key=lambda one: one.work)
    least = min(depth, _least(reach.planes, _RAMP[0], step))
    smallest = sides[-1] or max(height, width)
    needed = room.needed(least, min(smallest, height), min(smallest, width))
    raise ValueError(
        f"{least} planes of {height} × {width} pixels at a time take about {needed / 2**30:.3g} GiB of memory, and "
        f"{room.allowed / 2**30:.3g} GiB are allowed; take a part of the stack, another prior, or other tiles"
    )


def _least(reach: int, ramp: int, step: int) -> int:
    """The shortest intervals that advance by some planes or pixels, wherever they may begin."""
    return 2 * (reach + ramp) + max(step, 4) + step


def _axis(total: int, length: int | None, reach: int, step: int, ramp: int) -> Axis | None:
    """Intervals over an axis, None where they do not advance."""
    if length is None or length >= total:
        return Axis.covering(total, total, 0, Locality())
    if length < _least(reach, ramp, step):
        return None
    return Axis.covering(total, length, 2 * (reach + ramp), Locality(align=step, reach=reach))
