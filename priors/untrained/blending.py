"""The image between the guide and the network's own: both are estimates, and their errors differ.

A run begins at its guide, which the network knows how to better only after a while, and moves to the network's
image as that gets better. So a run that is cut short by its budget returns nothing worse than its guide, and the
mean of two estimates whose errors are partly independent is better than either.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch

from zeroshot.operators import Identity, Mask
from zeroshot.problem import Problem


@dataclass(frozen=True, eq=False)
class Blend:
    """``guide + w·(network − guide)``, with w from the held-out pixels or from a schedule.

    Where pixels were held out of a measurement of the image itself (denoising, inpainting), w is the least-squares
    weight ``⟨y − g, x − g⟩ / ‖x − g‖²`` over them, between 0 and `largest`. Behind another operator held-out
    measurements prefer the image that fits them closest to the one that is best; there, and where none were held
    out, w grows from 0 to `largest` between the iterations `handover`.

    Attributes
    ----------
    guide : torch.Tensor
        (1, C, H, W).
    problem : Problem
        The problem with its held-out pixels.
    largest : float
        The most that the network's image may weigh, above 0 and at most 1.
    handover : tuple of int
        The iterations at which w begins to grow, and at which it has grown.
    """

    guide: torch.Tensor
    problem: Problem
    largest: float
    handover: tuple[int, int]

    @torch.no_grad()
    def weight(self, image: torch.Tensor, iteration: int) -> float:
        """The weight of the network's image at this iteration."""
        if self.problem.held_out is not None and isinstance(self.problem.operator, Identity | Mask):
            return self._weight_by_validation(image)
        first, last = self.handover
        return self.largest * min(1.0, max(0.0, (iteration - first) / max(1, last - first)))

    def _weight_by_validation(self, image: torch.Tensor) -> float:
        assert self.problem.held_out is not None
        difference = (image - self.guide) * self.problem.held_out
        energy = float(difference.square().sum())
        if energy == 0:
            return self.largest
        best = float(((self.problem.y - self.guide) * difference).sum()) / energy
        return min(self.largest, max(0.0, best))

    @torch.no_grad()
    def mixed(self, image: torch.Tensor, weight: float) -> torch.Tensor:
        """The image in which the network's own has this weight."""
        if weight == 0:
            return self.guide
        return image if weight == 1 else torch.lerp(self.guide, image, weight)
