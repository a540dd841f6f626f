"""A small network that is trained on parts of one image, a block of updates a step, and then denoises the whole.

What it is trained on is the prior's affair: pairs of views of the noisy image, or of refilled ones.
"""

from __future__ import annotations

import math
import time
from abc import abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import ClassVar

import torch
import torch.nn.functional as F

from zeroshot.checks import require_choice, require_positive, require_whole
from zeroshot.deadline import seconds_left
from zeroshot.estimate import Estimate
from zeroshot.memory import keep_large_allocations
from zeroshot.precision import exact_sum
from zeroshot.prior import Run
from zeroshot.priors.untrained.networks.plain import Plain
from zeroshot.problem import Problem
from zeroshot.randomness import generator_on
from zeroshot.solvers.muon import Muon
from zeroshot.solvers.optimiser import Adam, Optimiser

#: The smallest side of an image that leaves enough to learn from.
SMALLEST = 16
#: Learning rates go down to this share of the first.
_LAST_RATE = 0.01


@dataclass(frozen=True)
class TrainingSettings:
    """How long the network is trained, on how much at a time, and by which optimiser.

    Parameters
    ----------
    channels : int
        Channels of the network's layers.
    depth : int
        Number of its 3 × 3 convolutions.
    iterations : int
        Updates of its weights.
    block : int
        Updates a step; after each step the whole image is denoised.
    crop : int
        Side of the random part of the image that an update sees, at least 16; 0: all of it, as published.
    optimiser : {"adam", "muon"}
        Adam on all weights (published), or Muon on the 3 × 3 kernels and Adam on the rest.
    learning_rate : float
        That of the first update. It goes down along a half-wave of the cosine.
    budget : float or None
        Seconds that the run may take: where they are few, there are fewer updates. Set by ``seconds=``.
    """

    channels: int = 48
    depth: int = 2
    iterations: int = 2000
    block: int = 25
    crop: int = 0
    optimiser: str = "adam"
    learning_rate: float = 1e-3
    budget: float | None = None

    def __post_init__(self) -> None:
        require_whole(self, "channels", "depth", "iterations", "block")
        require_whole(self, "crop", least=0)
        if 0 < self.crop < SMALLEST:
            raise ValueError(f"crop must be 0, for all of the image, or at least {SMALLEST}, got {self.crop}")
        require_choice(self, "optimiser", ("adam", "muon"))
        require_positive(self, "learning_rate")
        require_positive(self, "budget", none="allowed")


def reason_against(problem: Problem, what: str) -> str | None:
    """Why `what`, which learns to denoise from one noisy image, cannot solve the problem; None where it can."""
    if not problem.is_denoising:
        return f"{what} learns from the noise of a whole image; it denoises, and fills or enlarges nothing"
    if problem.reference_shape[0] != 1:
        return f"{what} trains one network for one image; give the images of a batch one by one"
    height, width = problem.reference_shape[-2:]
    if min(height, width) < SMALLEST:
        return f"the image is too small to learn from: {height} × {width}, needs at least {SMALLEST} on each side"
    return None


class TrainingRun(Run):
    """A network in training on the one image.

    Subclasses give the loss of an update, and the image that the network makes of the measurement.
    """

    state: ClassVar[tuple[str, ...]] = (
        "iteration",
        "planned",
        "rate",
        "network",
        "optimiser",
        "generator",
        "noise_generator",
    )

    def __init__(
        self,
        settings: TrainingSettings,
        problem: Problem,
        generator: torch.Generator,
        inputs: int,
        reduction: int = 1,
    ) -> None:
        self.problem, self.generator, self.device = problem, generator, problem.y.device
        if self.device.type == "cpu":
            keep_large_allocations()
        self._settings = settings
        self.iteration, self.planned, self.rate = 0, settings.iterations, 1.0
        channels = problem.reference_shape[1]
        network = Plain(
            inputs, channels, channels=settings.channels, depth=settings.depth, reduction=reduction
        )
        network.initialise(generator)
        self.network = network.to(self.device)
        self.noise_generator = generator_on(self.device, generator)
        self.optimiser = self._make_optimiser()

    def _make_optimiser(self) -> Optimiser:
        settings = self._settings
        if settings.optimiser == "adam":
            return Adam(self.network.parameters(), lr=settings.learning_rate)
        body = list(self.network.body.parameters())
        kernels = [parameter for parameter in body if parameter.ndim == 4]
        others = [parameter for parameter in body if parameter.ndim != 4] + list(
            self.network.head.parameters()
        )
        return Muon(kernels, others, lr=settings.learning_rate, adam_lr=settings.learning_rate / 4)

    @abstractmethod
    def objective(self) -> torch.Tensor:
        """The loss of one update, on freshly drawn data."""

    @abstractmethod
    def denoised(self) -> torch.Tensor:
        """What the network makes of the measurement as it is now, (1, C, H, W)."""

    @property
    def finished(self) -> bool:
        """Whether all updates that were planned have been made."""
        return self.iteration >= self.planned

    def step(self) -> Estimate:
        """A block of updates, then the whole image."""
        began = time.monotonic()
        count = max(1, min(self._settings.block, self.planned - self.iteration))
        # Read once for all: each value that is read makes the host wait for a GPU.
        total = exact_sum(torch.stack([self._update() for _ in range(count)]))
        updated = time.monotonic()
        with torch.no_grad():
            image = self.denoised().clamp(0, 1)
        if self.iteration == count:
            self._plan((updated - began) / count, time.monotonic() - updated)
        return Estimate(image, total / count, self.iteration)

    def _update(self) -> torch.Tensor:
        """One update of the weights; its loss."""
        done = min(1.0, self.iteration / self.planned)
        share = _LAST_RATE + (1 - _LAST_RATE) * (1 + math.cos(math.pi * done)) / 2
        first = self._settings.learning_rate * self.rate * share
        for group, factor in zip(self.optimiser.param_groups, (1.0, 0.25), strict=False):
            group["lr"] = factor * first
        loss = self.objective()
        self.optimiser.zero_grad()
        loss.backward()
        self.optimiser.step()
        self.iteration += 1
        return loss.detach()

    def _plan(self, update: float, evaluation: float) -> None:
        """Plan for fewer updates where the time that is left does not suffice for all."""
        left = min(math.inf if self._settings.budget is None else self._settings.budget, seconds_left())
        if left == math.inf:
            return
        step = self._settings.block * update + evaluation
        # A step in reserve, since none takes exactly as long as the first.
        steps = max(0, math.floor(0.9 * left / max(step, 1e-6)) - 1)
        self.planned = min(self.planned, self.iteration + steps * self._settings.block)

    def shrink_step(self, factor: float) -> None:
        """Multiply the learning rate."""
        self.rate *= factor

    def crop_of(self, image: torch.Tensor, multiple: int = 1) -> torch.Tensor:
        """A random part of an image (…, H, W), of the side `crop`, turned or mirrored at random; or all of it.

        Height and width of the part are multiples of `multiple`, and never larger than the image.
        """
        crop, size = self._settings.crop, image.shape[-2:]
        height, width = (min(crop or length, length) // multiple * multiple for length in size)
        top, left = self.draw(size[0] - height + 1), self.draw(size[1] - width + 1)
        part = image[..., top : top + height, left : left + width]
        return turned(part, self.draw(8)) if crop else part

    def draw(self, count: int) -> int:
        """A number from 0 to below `count`."""
        return int(torch.randint(count, (1,), generator=self.generator))


def turned(image: torch.Tensor, which: int) -> torch.Tensor:
    """One of the eight orientations of an image: quarter turns, and from the fourth on mirrored."""
    image = image.flip(-1) if which >= 4 else image
    return torch.rot90(image, which % 4, (-2, -1))


def turned_back(image: torch.Tensor, which: int) -> torch.Tensor:
    """The inverse of :func:`turned`."""
    image = torch.rot90(image, -(which % 4), (-2, -1))
    return image.flip(-1) if which >= 4 else image


def over_orientations(
    network: Callable[[torch.Tensor], torch.Tensor], image: torch.Tensor, count: int = 8
) -> torch.Tensor:
    """The mean of what a network makes of `count` orientations of an image, turned back."""
    return sum(turned_back(network(turned(image, k)), k) for k in range(count)) / count  # type: ignore[return-value]


def padded(image: torch.Tensor, multiple: int) -> torch.Tensor:
    """An image reflected at its lower and right edge until its sides are multiples of `multiple`."""
    height, width = image.shape[-2:]
    return F.pad(image, (0, -width % multiple, 0, -height % multiple), mode="reflect")
