"""An image in horizontal strips that overlap, so that the memory of its patches stays bounded."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

#: Numbers in all patches of a strip at most: 200 MiB a copy, and there are a few copies.
NUMBERS = 50 * 2**20


@dataclass(frozen=True)
class Strip:
    """Rows `begin` to `end` of an image, of which `first` to `last` are the strip's own.

    Attributes
    ----------
    begin, end : int
        The rows that are cut out.
    first, last : int
        The rows, counted in the image, that are kept of the result.
    """

    begin: int
    end: int
    first: int
    last: int

    @property
    def cut(self) -> slice:
        """The rows of the image that the strip is made of."""
        return slice(self.begin, self.end)

    @property
    def own(self) -> slice:
        """The rows of the image that are kept."""
        return slice(self.first, self.last)

    @property
    def kept(self) -> slice:
        """The same rows, counted within the strip."""
        return slice(self.first - self.begin, self.last - self.begin)


def strips(height: int, width: int, overlap: int, numbers: int) -> Iterator[Strip]:
    """Strips that reach `overlap` rows into their neighbours, with at most about NUMBERS numbers in all patches.

    `numbers` is how many a patch has: channels × patch².
    """
    count = max(1, -(-height * width * numbers // NUMBERS))
    # A strip thinner than its overlaps would mostly be thrown away.
    count = min(count, max(1, height // (2 * overlap + 1)))
    for index in range(count):
        first, last = index * height // count, (index + 1) * height // count
        yield Strip(max(0, first - overlap), min(height, last + overlap), first, last)
