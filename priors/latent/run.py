"""Descent on the data term over the tensors that a generator makes an image of."""

from __future__ import annotations

from abc import abstractmethod
from typing import ClassVar

import torch

from zeroshot.colour import LUMA_WEIGHTS
from zeroshot.estimate import Estimate
from zeroshot.generators import Generator
from zeroshot.prior import Run
from zeroshot.priors.latent.weights import own_copy
from zeroshot.problem import Problem
from zeroshot.solvers.optimiser import Optimiser


class LatentRun(Run):
    """min over θ of D(A(x(θ)), y) + R(θ), one step of an optimiser at a time.

    Subclasses fill `tensors` with what is optimised and set `optimiser`, say how an image comes of it, and may
    add a penalty, a schedule of the learning rate, and a projection after each step.

    Attributes
    ----------
    tensors : torch.nn.ParameterDict
        What is optimised, by name.
    optimiser : Optimiser or torch.optim.Optimizer
        Its learning rates are those of a `learning_rate_factor` of 1.
    iteration : int
        How many steps have been made.
    """

    state: ClassVar[tuple[str, ...]] = ("tensors", "optimiser", "iteration", "safety")
    optimiser: Optimiser | torch.optim.Optimizer

    def __init__(self, problem: Problem, generator: Generator) -> None:
        self.device = problem.y.device
        self.problem = problem
        self.network = own_copy(generator, self.device)
        self.tensors = torch.nn.ParameterDict()
        self.iteration = 0
        self.safety = 1.0

    @abstractmethod
    def image(self) -> torch.Tensor:
        """The image of the present tensors, (1, channels, H, W), not clipped, with a graph."""

    def objective(self, image: torch.Tensor) -> torch.Tensor:
        """What is minimised; by default the data term alone."""
        return self.problem.loss(image)

    def learning_rate_factor(self, iteration: int) -> float:
        """By what the learning rate is multiplied at iteration `iteration`, counted from 0."""
        return 1.0

    def after_step(self) -> None:
        """Bring the tensors back to where they may be."""

    def as_asked(self, image: torch.Tensor) -> torch.Tensor:
        """The image in the channels that the problem asks for: grey is the luma of the colours."""
        if self.problem.reference_shape[1] == image.shape[1] or image.shape[1] == 1:
            return image
        weights = image.new_tensor(LUMA_WEIGHTS["bt601"]).view(1, 3, 1, 1)
        return (image * weights).sum(dim=1, keepdim=True)

    def step(self) -> Estimate:
        """Make one step; the estimate shows the image before it, which the loss belongs to."""
        factor = self.learning_rate_factor(self.iteration) * self.safety
        for group in self.optimiser.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor
        self.optimiser.zero_grad()
        with torch.enable_grad():
            image = self.as_asked(self.image())
            loss = self.objective(image)
            loss.backward()
        self.optimiser.step()
        with torch.no_grad():
            self.after_step()
        self.iteration += 1
        return Estimate(image.detach().clamp(0, 1), loss.item(), self.iteration)

    def shrink_step(self, factor: float) -> None:
        """Multiply the learning rate by `factor`."""
        self.safety *= factor


class AveragedLatentRun(LatentRun):
    """A run whose result is the average over its iterates, a ← m a + (1 − m) x.

    m = min(`averaging`, 1 − 9 / (n + 8)) after n iterates, so that the first ones are soon forgotten: nothing of
    the past at first, a tenth at n = 2.

    Parameters
    ----------
    averaging : float
        From 0, where the average is the newest iterate, to below 1.
    """

    state = (*LatentRun.state, "average")

    def __init__(self, problem: Problem, generator: Generator, averaging: float) -> None:
        super().__init__(problem, generator)
        self.averaging = averaging
        self.average: torch.Tensor | None = None

    def step(self) -> Estimate:
        """Make one step; the estimate is the average, which is never changed in place."""
        estimate = super().step()
        past = min(self.averaging, 1 - 9 / (estimate.iteration + 8))
        if self.average is None or past <= 0:
            self.average = estimate.image
        else:
            self.average = self.average.lerp(estimate.image, 1 - past)
        return Estimate(self.average, estimate.loss, estimate.iteration, iterate=estimate.image)
