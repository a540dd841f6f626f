"""Descent on the data term over the tensors that a generator makes an image of."""

from __future__ import annotations

import weakref
from abc import abstractmethod
from dataclasses import replace
from typing import Any, ClassVar

import torch

from zeroshot.colour import luma_weights
from zeroshot.constants import constant
from zeroshot.cuda_graphs import Replayed
from zeroshot.estimate import Estimate
from zeroshot.generators import Generator
from zeroshot.prior import Run
from zeroshot.priors.latent.remainder import SmoothRemainder, reason_against_remainder
from zeroshot.priors.latent.sphere import learning_rate_factor
from zeroshot.priors.latent.weights import own_copy
from zeroshot.problem import Problem
from zeroshot.solvers.optimiser import Optimiser

#: Steps after which the remainder is sought anew; it costs about as much as they do.
_COMPLETED_EVERY = 20


class LatentRun(Run):
    """min over θ of D(A(x(θ)), y) + R(θ), one step of an optimiser at a time.

    Subclasses fill `tensors` with what is optimised and set `optimiser`, say how an image comes of it, and may
    add a penalty, a schedule of the learning rate, and a projection after each step. The estimate is the image of
    the smallest objective so far, with what the measurements say beyond it where a remainder was asked for: a run
    that is cut short loses nothing of what it had found.

    Parameters
    ----------
    problem : Problem
        What is solved.
    generator : Generator
        What makes the images; it is not changed.
    completed : Problem, optional
        The problem that a :class:`~zeroshot.priors.latent.remainder.SmoothRemainder` completes the images by, where
        it can; None: they stay as they are.
    detail : float or None
        How much of the images enters then; None: chosen by how well they make the measurements.

    Attributes
    ----------
    tensors : torch.nn.ParameterDict
        What is optimised, by name.
    optimiser : Optimiser or torch.optim.Optimizer
        Its learning rates are those of a `learning_rate_factor` of 1.
    iteration : int
        How many steps have been made.
    """

    state: ClassVar[tuple[str, ...]] = (
        *("tensors", "optimiser", "iteration", "safety"),
        *("best_image", "best_objective", "remainder", "completed_image"),
    )
    optimiser: Optimiser | torch.optim.Optimizer

    def __init__(
        self,
        problem: Problem,
        generator: Generator,
        completed: Problem | None = None,
        detail: float | None = 1.0,
    ) -> None:
        self.device = problem.y.device
        self.problem = problem
        self.network = own_copy(generator, self.device)
        self.tensors = torch.nn.ParameterDict()
        self.iteration = 0
        self.safety = 1.0
        self.best_image: torch.Tensor | None = None
        self.best_objective = float("inf")
        self.completed_image: torch.Tensor | None = None
        self.remainder: SmoothRemainder | None = None
        itself = weakref.proxy(self)
        self._fitting = Replayed(lambda: itself._fit(), self.device)
        if completed is not None and reason_against_remainder(completed) is None:
            self.remainder = SmoothRemainder(completed, detail)

    @abstractmethod
    def image(self) -> torch.Tensor:
        """The image of the present tensors, (1, channels, H, W), not clipped, with a graph."""

    def objective(self, image: torch.Tensor) -> torch.Tensor:
        """What is minimised; by default the data term alone."""
        return self.problem.loss(image)

    #: The schedule of the learning rate, and over how many iterations it runs.
    schedule: tuple[str, int] = ("fixed", 1)

    def learning_rate_factor(self, iteration: int) -> float:
        """By what the learning rate is multiplied at iteration `iteration`, counted from 0."""
        name, iterations = self.schedule
        return learning_rate_factor(name, min(iteration, iterations - 1), iterations)

    def before_fit(self) -> None:
        """Keep what the next image is made of, where that is wanted."""

    def after_fit(self) -> None:
        """Look at what the objective has left behind, before the tensors are changed."""

    def after_step(self) -> None:
        """Bring the tensors back to where they may be."""

    def remember(self) -> None:
        """Keep what belongs to the present image, the best so far, beside it."""

    def as_asked(self, image: torch.Tensor) -> torch.Tensor:
        """The image in the channels that the problem asks for: grey is the luma of the colours."""
        if self.problem.reference_shape[1] == image.shape[1] or image.shape[1] == 1:
            return image
        weights = constant(image, luma_weights, "bt601").view(1, 3, 1, 1)
        return (image * weights).sum(dim=1, keepdim=True)

    def step(self) -> Estimate:
        """Make one step; the estimate shows the best image so far, the one before this step included."""
        image, objective = self.descend()
        return self.estimate_of(image, objective, objective)

    def estimate_of(self, image: torch.Tensor, objective: float, loss: float) -> Estimate:
        """The estimate after a step that came to `image`, compared with the best before by its `objective`."""
        if self.best_image is None or objective < self.best_objective:
            self.best_image, self.best_objective = image, objective
            self.remember()
        best = self._completed(self.best_image)
        return Estimate(best.clamp(0, 1), loss, self.iteration, iterate=image.clamp(0, 1))

    def _completed(self, image: torch.Tensor) -> torch.Tensor:
        """The image with its remainder: a new one at some of the steps and at the last, else that of before."""
        if self.remainder is None:
            return image
        is_last = self.iteration == self.schedule[1]
        if self.completed_image is None or is_last or self.iteration % _COMPLETED_EVERY == 0:
            self.completed_image = self.remainder.added_to(image)
        return self.completed_image

    def forget_best(self) -> None:
        """Compare with nothing that came before: another objective begins."""
        self.best_image, self.best_objective = None, float("inf")
        self.completed_image = None

    def descend(self) -> tuple[torch.Tensor, float]:
        """Make one step of the optimiser; the image before it, not clipped, and its objective."""
        factor = self.learning_rate_factor(self.iteration) * self.safety
        for group in self.optimiser.param_groups:
            group["lr"] = group.setdefault("initial_lr", group["lr"]) * factor
        self.before_fit()
        image, loss = self._fitting()
        self.after_fit()
        self.optimiser.step()
        with torch.no_grad():
            self.after_step()
        self.iteration += 1
        # What a recorded fit gives is overwritten by the next one.
        return image.clone() if self._fitting.is_recorded else image, loss.item()

    def _fit(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The image and its objective, whose gradients are left with what is optimised."""
        self.optimiser.zero_grad()
        with torch.enable_grad():
            image = self.as_asked(self.image())
            loss = self.objective(image)
            loss.backward()
        return image.detach(), loss.detach()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        super().load_state_dict(state)
        self._fitting.forget()

    def shrink_step(self, factor: float) -> None:
        """Multiply the learning rate by `factor`."""
        self.safety *= factor


class AveragedLatentRun(LatentRun):
    """A run whose result is the best average over its iterates, a ← m a + (1 − m) x, by the data term.

    m = min(`averaging`, 1 − 9 / (n + 8)) after n iterates, so that the first ones are soon forgotten: nothing of
    the past at first, a tenth at n = 2.

    Parameters
    ----------
    averaging : float
        From 0, where the average is the newest iterate, to below 1.
    """

    state = (*LatentRun.state, "average")

    def __init__(
        self,
        problem: Problem,
        generator: Generator,
        averaging: float,
        completed: Problem | None = None,
        detail: float | None = 1.0,
    ) -> None:
        super().__init__(problem, generator, completed, detail)
        self.averaging = averaging
        self.average: torch.Tensor | None = None

    def step(self) -> Estimate:
        """Make one step; the estimate is of the average, which is never changed in place."""
        image, loss = self.descend()
        past = min(self.averaging, 1 - 9 / (self.iteration + 8))
        if self.average is None or past <= 0:
            self.average = image.clamp(0, 1)
        else:
            self.average = self.average.lerp(image.clamp(0, 1), 1 - past)
        with torch.no_grad():
            judged = self.problem.loss(self.average).item()
        estimate = self.estimate_of(self.average, judged, loss)
        return replace(estimate, iterate=image.clamp(0, 1))
