"""Pairs of pixels that lie within each other's window, as pairs of slices of an image.

Weights that depend on a pair and not on its order are computed once for both of its pixels. An image is
walked in strips, whose intermediate results stay in the cache of a CPU core.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch

#: Pixels of a strip.
STRIP_PIXELS = 1 << 17

Places = tuple[slice, slice, slice]


@dataclass(frozen=True)
class Pair:
    """The pixels of a strip and the pixels one offset away, as slices of the rows and columns of an image."""

    here: tuple[slice, slice]
    there: tuple[slice, slice]
    offset: tuple[int, int]

    @property
    def shape(self) -> tuple[int, int]:
        """Rows and columns of either."""
        rows, columns = self.here
        return rows.stop - rows.start, columns.stop - columns.start

    def grown(self, margin: int) -> tuple[Places, Places]:
        """Both places grown by `margin` to every side, in an image (C, H, W) that is padded by as much."""
        return _grown(self.here, margin), _grown(self.there, margin)


def _grown(places: tuple[slice, slice], margin: int) -> Places:
    rows, columns = places
    return (
        slice(None),
        slice(rows.start, rows.stop + 2 * margin),
        slice(columns.start, columns.stop + 2 * margin),
    )


def strip_height(height: int, width: int, device: torch.device) -> int:
    """Rows of a strip: what fits the cache on a CPU, the whole image on an accelerator."""
    return min(max(STRIP_PIXELS // width, 1), height) if device.type == "cpu" else height


def pairs_within(height: int, width: int, radius: int, strip: int) -> Iterator[Pair]:
    """Every pair of different pixels at most `radius` rows and columns apart, each once.

    Parameters
    ----------
    height, width : int
        Of the image.
    radius : int
        How far the window reaches; it ends at the border of the image.
    strip : int
        Rows of the pixels `here` at most.

    Yields
    ------
    Pair
        All offsets of one strip, then those of the next.
    """
    reach = min(radius, width - 1)
    for top in range(0, height, strip):
        for down in range(min(radius, height - 1 - top) + 1):
            bottom = min(top + strip, height - down)
            for right in range(-reach if down else 1, reach + 1):
                first, end = max(0, -right), width - max(0, right)
                yield Pair(
                    (slice(top, bottom), slice(first, end)),
                    (slice(top + down, bottom + down), slice(first + right, end + right)),
                    (down, right),
                )
