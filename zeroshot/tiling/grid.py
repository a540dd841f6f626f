"""The layout of tiles over an image, and the weights with which they are blended."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

import torch

from zeroshot.operators.window import Locality, Window

#: Pixels over which two tiles must at least be blended.
LEAST_BLENDED = 8


@dataclass(frozen=True)
class Axis:
    """Overlapping intervals of equal length along one axis, with weights that add up to 1 everywhere.

    Between the intervals i and i + 1, whose overlap has its middle at c, the weight passes from one to the
    other as a raised cosine, ``sin²(π/2 · t)`` with ``t = (x − c)/(2r) + ½`` clamped to [0, 1].

    Attributes
    ----------
    starts : tuple of int
        Where the intervals begin, the first at 0.
    length : int
        Their length.
    ramp : float
        r, half the length over which two intervals are blended.
    """

    starts: tuple[int, ...]
    length: int
    ramp: float

    @classmethod
    def covering(cls, total: int, length: int, overlap: int, locality: Locality) -> Axis:
        """Intervals of about `length` pixels over `total`, neighbours sharing `overlap` pixels at least."""
        if length >= total:
            return cls((0,), total, 0.0)
        align = locality.align
        length -= (length - total) % align
        if length - overlap < align:
            raise ValueError(
                f"tiles of {length} pixels that overlap by {overlap} do not advance; take a larger tile or a "
                f"smaller overlap (tiles begin at multiples of {align} here)"
            )
        spare = total - length
        count = 1 + math.ceil(spare / (length - overlap))
        starts = _spread(spare, count, align)
        while max(after - before for before, after in pairwise(starts)) > length - overlap:
            count += 1
            starts = _spread(spare, count, align)
        return cls(starts, length, overlap / 2 - locality.reach)

    @functools.cached_property
    def weights(self) -> list[torch.Tensor]:
        """The weights of every interval at its own pixels."""
        whole = self.starts[-1] + self.length
        position = torch.arange(whole, dtype=torch.float64) + 0.5
        steps = [torch.ones_like(position)]
        for before, after in pairwise(self.starts):
            centre = (after + before + self.length) / 2
            phase = ((position - centre) / (2 * self.ramp) + 0.5).clamp(0, 1)
            steps.append((phase * (math.pi / 2)).sin().square())
        steps.append(torch.zeros_like(position))
        # Differences of steps that are shifted copies of one another: none is negative, and the sum is 1.
        return [
            (rise - fall)[start : start + self.length].float()
            for start, (rise, fall) in zip(self.starts, pairwise(steps), strict=True)
        ]


def _spread(spare: int, count: int, align: int) -> tuple[int, ...]:
    """`count` starts from 0 to `spare`, evenly, at multiples of `align`."""
    return tuple(index * spare // (count - 1) // align * align for index in range(count))


@dataclass(frozen=True)
class Grid:
    """Overlapping tiles over an image, row by row, and the weights to blend them with.

    Attributes
    ----------
    rows, columns : Axis
        The two axes of it.
    overlap : int
        The least number of pixels that neighbours share.
    """

    rows: Axis
    columns: Axis
    overlap: int

    @classmethod
    def covering(cls, size: Sequence[int], tile: int, overlap: int, locality: Locality) -> Grid:
        """Tiles of about `tile` × `tile` pixels over an image of height and width `size`.

        Raises
        ------
        ValueError
            Where such tiles cannot be placed as `locality` asks, or overlap by too little for it.
        """
        least = 2 * locality.reach + LEAST_BLENDED
        several = tile < max(size)
        if several and overlap < least:
            raise ValueError(
                f"overlap must be at least {least} pixels here, {locality.reach} on either side that the damage "
                f"reaches across and {LEAST_BLENDED} to blend over, got {overlap}"
            )
        axes = [Axis.covering(total, tile, overlap, locality) for total in size]
        return cls(axes[0], axes[1], overlap)

    @property
    def windows(self) -> list[Window]:
        """The tiles, row by row."""
        return [
            Window(top, left, self.rows.length, self.columns.length)
            for top in self.rows.starts
            for left in self.columns.starts
        ]

    def weight(self, index: int) -> torch.Tensor:
        """Of one tile, (height, width) in [0, 1]; at every pixel of the image all weights add up to 1."""
        row, column = divmod(index, len(self.columns.starts))
        return torch.outer(self.rows.weights[row], self.columns.weights[column])

    def __len__(self) -> int:
        return len(self.rows.starts) * len(self.columns.starts)
