"""The part of a large picture that is inspected: tiles, spread evenly, side by side as one picture.

What is looked for is everywhere, and its levels and shares are those of any part that is large enough: a look at a
megapixel tells as much as one at all of them. Stripes are as long as the picture, so that they are looked for in whole
rows and columns.
"""

from __future__ import annotations

import itertools
import math
from dataclasses import dataclass

import torch

from zeroshot.noise import StripeComponent, stripe_component

#: Pictures of more pixels are seen through tiles: so many, of that side.
LARGEST, TILES, SIDE = 1 << 21, 16, 256
#: The rows, and the columns, in which stripes are looked for: so many bands of that width.
_BANDS, _BAND = 8, 48
#: The lines that tell of resampling, in either direction.
_LINES = 1024


@dataclass(frozen=True, eq=False)
class Sample:
    """The tiles of a picture, side by side.

    Attributes
    ----------
    colours : torch.Tensor
        (1, C, h, w).
    seen : torch.Tensor or None
        (h, w), boolean: the pixels that are no holes.
    rows, columns : torch.Tensor
        (h,) and (w,): where they are in the picture.
    grid : tuple of int
        How many tiles there are in a column, and in a row.
    pixels : int
        Of the picture.
    """

    colours: torch.Tensor
    seen: torch.Tensor | None
    rows: torch.Tensor
    columns: torch.Tensor
    grid: tuple[int, int]
    pixels: int

    @property
    def share(self) -> float:
        """Of the pixels of the picture."""
        return self.colours[0, 0].numel() / self.pixels

    def tiles(self, image: torch.Tensor) -> torch.Tensor:
        """The tiles (N, C, h/n, w/m) of an image (C, h, w) of the sample's size."""
        down, along = self.grid
        channels, height, width = image.shape
        apart = image.reshape(channels, down, height // down, along, width // along)
        return apart.permute(1, 3, 0, 2, 4).flatten(0, 1)


def sample_of(colours: torch.Tensor, seen: torch.Tensor | None) -> Sample | None:
    """The sample of a picture (1, C, H, W); None of one that is small enough to be looked at as a whole."""
    height, width = colours.shape[-2:]
    if height * width <= LARGEST:
        return None
    size = min(SIDE, height), min(SIDE, width)
    down = round(math.sqrt(TILES * height / width))
    down = min(max(down, 1), height // size[0], TILES)
    along = min(TILES // down, width // size[1])
    rows, columns = _bands(height, down, size[0]), _bands(width, along, size[1])
    return Sample(
        colours[:, :, rows][..., columns],
        None if seen is None else seen[rows][:, columns],
        rows,
        columns,
        (down, along),
        height * width,
    )


def _bands(length: int, count: int, width: int) -> torch.Tensor:
    """The places in bands that are spread evenly and begin at even ones, as chessboards of colour filters do."""
    room = length - width
    starts = [round(number * room / max(count - 1, 1)) // 2 * 2 for number in range(count)]
    return torch.cat([torch.arange(start, start + width) for start in starts])


def stripes_of_sample(sample: Sample, picture: torch.Tensor, seen: torch.Tensor | None) -> StripeComponent:
    """What the stripes of a picture (C, H, W) add to its sample, from bands of whole rows and columns."""
    height, width = picture.shape[-2:]
    down, across = (
        _bands(length, min(_BANDS, length // _BAND) or 1, min(_BAND, length)) for length in (height, width)
    )
    known = None if seen is None else seen[down]
    columns = stripe_component(picture[:, down], known=known, looked_for=("columns",)).columns
    # They change slowly along their length, if at all: the nearest row tells.
    beside = columns[:, _nearest(down, height)][:, :, across]
    known = None if seen is None else seen[:, across]
    rows = stripe_component(picture[:, :, across] - beside, known=known, looked_for=("rows",)).rows
    return StripeComponent(
        rows[:, sample.rows][..., _nearest(across, width)[sample.columns]],
        columns[:, _nearest(down, height)[sample.rows]][..., sample.columns],
    )


def _nearest(places: torch.Tensor, length: int) -> torch.Tensor:
    """For each place of a line, which of the ascending `places` is nearest."""
    middles = torch.tensor([(one + other) / 2 for one, other in itertools.pairwise(places.tolist())])
    return torch.bucketize(torch.arange(length).float(), middles)


def lines_of(picture: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Rows of a picture (C, H, W), and columns of it, spread evenly."""
    height, width = picture.shape[-2:]
    rows, columns = (
        torch.linspace(0, length - 1, min(_LINES, length)).round().long() for length in (height, width)
    )
    return picture[:, rows], picture[..., columns]
