"""Windows of an image, and what an operator that acts locally asks of those it is cropped to."""

from __future__ import annotations

from dataclasses import dataclass

import torch


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, image: torch.Tensor) -> torch.Tensor:
        """The part of `image` (…, H, W) inside the window, as a view."""
        return image[..., self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True)
class Locality:
    """How locally an operator acts, in pixels of its image.

    Attributes
    ----------
    align : int
        Windows begin at multiples of it, and end as far from such a multiple as the image does.
    reach : int
        How far from a pixel the measurements lie that depend on it, beyond its own. Within this distance of a
        cut, the cropped operator sees its own boundary where the neighbour's pixels should be.
    scale : int
        How many pixels of the image a pixel of the measurement covers along either axis.
    """

    align: int = 1
    reach: int = 0
    scale: int = 1
