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
        Of pixels that have one in any channel.
    share : float
        Of all pixels.
    """

    topic: ClassVar[str] = "impulses"
    count: int
    share: float

    @property
    def sentence(self) -> str:
        if self.count == 0:
            return ""
        return f"{self.count} pixels ({self.share:.2g} of all) are impulses: salt and pepper, or hot or dead pixels"


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


def impulses_of(found: torch.Tensor) -> Impulses:
    """The finding for a mask (C, H, W) of outliers."""
    pixels = found.any(dim=0)
    return Impulses(1.0, int(pixels.sum()), float(pixels.float().mean()))


def stripes_of(found: StripeComponent) -> Stripes:
    """The finding for the stripes of an image."""
    return Stripes(1.0, 255 * found.level_of_rows, 255 * found.level_of_columns)
