"""Impulses and stripes, which are taken away before noise is looked for."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch

from zeroshot.inspection.finding import Finding, grey
from zeroshot.noise import StripeComponent


@dataclass(frozen=True)
class Impulses(Finding):
    """Salt and pepper, hot and dead pixels.

    Attributes
    ----------
    count : int
        Of pixels that have one in any channel; of a large picture, what a sample of it tells of all.
    share : float
        Of all pixels.
    sampled : bool
        Whether it is from a sample.
    """

    topic: ClassVar[str] = "impulses"
    count: int
    share: float
    sampled: bool = False

    @property
    def sentence(self) -> str:
        if self.count == 0:
            return ""
        about = "about " if self.sampled else ""
        kinds = "salt and pepper, or hot or dead pixels"
        return f"{about}{self.count} pixels ({self.share:.2g} of all) are impulses: {kinds}"


@dataclass(frozen=True)
class Stripes(Finding):
    """Offsets of rows and columns.

    Attributes
    ----------
    rows, columns : float
        Their standard deviation in 8-bit grey levels; 0 where there are none.
    """

    topic: ClassVar[str] = "stripes"
    rows: float
    columns: float

    @property
    def sentence(self) -> str:
        parts = [
            f"{name} differ by {grey(level / 255)} grey levels"
            for name, level in (("rows", self.rows), ("columns", self.columns))
            if level > 0
        ]
        return " and ".join(parts) + ": stripes" if parts else ""


def impulses_of(found: torch.Tensor, sampled: float = 1.0) -> Impulses:
    """The finding for a mask (C, H, W) of outliers, which is so large a share of the picture."""
    pixels = found.any(dim=0)
    count = round(int(pixels.sum()) / sampled)
    return Impulses(1.0, count, float(pixels.float().mean()), sampled < 1)


def stripes_of(found: StripeComponent) -> Stripes:
    """The finding for the stripes of an image."""
    return Stripes(1.0, 255 * found.level_of_rows, 255 * found.level_of_columns)
