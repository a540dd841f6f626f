"""The image between the guide and the network's own: both are estimates, and their errors differ.

A run begins at its guide, which the network knows how to better only after a while, and moves to the network's
image as that gets better. So a run that is cut short by its budget returns nothing worse than its guide, and the
mean of two estimates whose errors are partly independent is better than either.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import torch

from zeroshot.operators import Identity, Mask
from zeroshot.operators.mask import distance_from_known
from zeroshot.precision import widened, widest
from zeroshot.problem import Problem
from zeroshot.stopping.held_out import clearly_less

#: The lengths in pixels over which trust in the network may fade.
_FADINGS = (1.0, 1.5, 2.0, 3.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0)


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
        sums = difference.square().sum(), ((self.problem.y - self.guide) * difference).sum()
        energy, agreement = torch.stack(sums).tolist()
        return self.largest if energy == 0 else min(self.largest, max(0.0, agreement / energy))

    @torch.no_grad()
    def is_clearly_better(self, image: torch.Tensor, weight: float) -> bool:
        """Whether held-out pixels say that the mixture is better than the guide, by more than a standard error.

        Where none were held out of a measurement of the image itself, nobody can tell, and it is believed.
        """
        held_out = self.problem.held_out
        if held_out is None or not isinstance(self.problem.operator, Identity | Mask):
            return True
        errors, of_guide = (
            ((one - self.problem.y).square() * held_out).sum(dim=1)[held_out.amax(dim=1) > 0]
            for one in (self.mixed(image, weight), self.guide)
        )
        return clearly_less(errors, of_guide)

    @torch.no_grad()
    def mixed(self, image: torch.Tensor, weight: float) -> torch.Tensor:
        """The image in which the network's own has this weight."""
        if weight == 0:
            return self.guide
        return image if weight == 1 else torch.lerp(self.guide, image, weight)

    def share(self, weight: float) -> float:
        """What the network's image weighs: `weight`."""
        return weight


@dataclass(frozen=True, eq=False)
class HoleBlend:
    """``filling + w(d)·(network − filling)`` in large holes, with ``w(d) = a·exp(−(d − 1)/ℓ)``.

    d is a pixel's distance from the nearest known pixel, in pixels. a in [0, 1] and ℓ are those that predict held-out
    rims of the holes best in the least-squares sense: ``min Σ (y − f − w(d)(x − f))²`` over them, with d as it is
    while the rims are held out, f the filling and x the network's image. So the network's texture goes as far into a
    hole as it has been right about what lies around it, and fades into the smooth filling.

    Attributes
    ----------
    guide : torch.Tensor
        The smooth filling, (1, C, H, W).
    problem : Problem
        The problem, the rims of its holes being held out.
    largest : float
        The most that the network's image may weigh.
    """

    guide: torch.Tensor
    problem: Problem
    largest: float
    _depth: torch.Tensor = field(init=False, repr=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "_depth", depth_in_holes(self.problem))

    @torch.no_grad()
    def weight(self, image: torch.Tensor, iteration: int) -> tuple[float, float]:
        """The a and ℓ of this image of the network's."""
        held_out = self.problem.held_out
        assert held_out is not None
        which = held_out > 0
        depth = self._depth.expand_as(image)[which]
        difference = (image - self.guide)[which]
        missed = (self.problem.y - self.guide)[which]
        # All that the sums below need of a depth.
        distances, index = depth.round().unique(return_inverse=True)
        agreement, energy = (
            torch.zeros(len(distances), dtype=widest(image.device), device=image.device).index_add_(
                0, index, widened(one)
            )
            for one in (missed * difference, difference.square())
        )
        found, least = (0.0, _FADINGS[0]), 0.0
        for length in _FADINGS:
            fading = torch.exp(-(widened(distances) - 1) / length)
            total, cross = float((fading.square() * energy).sum()), float((fading * agreement).sum())
            height = min(self.largest, max(0.0, cross / total)) if total > 0 else 0.0
            error = height * height * total - 2 * height * cross
            if error < least:
                found, least = (height, length), error
        return found

    @torch.no_grad()
    def mixed(self, image: torch.Tensor, weight: tuple[float, float]) -> torch.Tensor:
        """The image in which the network's own has the weights of these a and ℓ."""
        return torch.lerp(self.guide, image, self._weights(weight).to(image.dtype))

    def share(self, weight: tuple[float, float]) -> float:
        """What the network's image weighs, on the mean over the holes."""
        inside = self._depth > 0
        return float(self._weights(weight)[inside].mean()) if bool(inside.any()) else 0.0

    def _weights(self, weight: tuple[float, float]) -> torch.Tensor:
        height, length = weight
        return height * torch.exp(-(self._depth - 1).clamp(min=0) / length)


def depth_in_holes(problem: Problem) -> torch.Tensor:
    """The distance of every pixel from the nearest one that is known in all channels, in pixels, (N, 1, H, W)."""
    known = problem.known_pixels()
    return torch.zeros_like(problem.y[:, :1]) if known is None else distance_from_known(known)
