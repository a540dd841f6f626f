"""Descent on the data term over the tensors that a generator makes an image of."""

from __future__ import annotations

import copy
from abc import abstractmethod
from typing import Any

import torch

from zeroshot.colour import LUMA_WEIGHTS
from zeroshot.estimate import Estimate
from zeroshot.generators import Generator
from zeroshot.prior import Run
from zeroshot.priors.latent.weights import own_copy
from zeroshot.problem import Problem


class LatentRun(Run):
    """min over θ of D(A(x(θ)), y) + R(θ), one step of an optimiser at a time.

    Subclasses fill `tensors` with what is optimised, say how an image comes of it, and may add a penalty, a
    schedule of the learning rate, and a projection after each step.

    Attributes
    ----------
    tensors : dict of str to torch.Tensor
        What is optimised, by name; leaves that require gradients.
    """

    def __init__(self, problem: Problem, generator: Generator) -> None:
        self.device = problem.y.device
        self.problem = problem
        self.network = own_copy(generator, self.device)
        self.tensors: dict[str, torch.Tensor] = {}
        self._optimiser: torch.optim.Optimizer | None = None
        self._iteration = 0
        self._safety = 1.0

    @property
    def iteration(self) -> int:
        """How many steps have been made."""
        return self._iteration

    @abstractmethod
    def image(self) -> torch.Tensor:
        """The image of the present tensors, (1, channels, H, W), not clipped, with a graph."""

    @abstractmethod
    def make_optimiser(self) -> torch.optim.Optimizer:
        """The optimiser of `tensors`."""

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

    def optimiser(self) -> torch.optim.Optimizer:
        """The optimiser, made at the first step."""
        if self._optimiser is None:
            self._optimiser = self.make_optimiser()
            for group in self._optimiser.param_groups:
                group["initial_lr"] = group["lr"]
        return self._optimiser

    def step(self) -> Estimate:
        """Make one step; the estimate shows the image before it, which the loss belongs to."""
        optimiser = self.optimiser()
        factor = self.learning_rate_factor(self._iteration) * self._safety
        for group in optimiser.param_groups:
            group["lr"] = group["initial_lr"] * factor
        optimiser.zero_grad(set_to_none=True)
        with torch.enable_grad():
            image = self.as_asked(self.image())
            loss = self.objective(image)
            loss.backward()
        optimiser.step()
        with torch.no_grad():
            self.after_step()
        self._iteration += 1
        return Estimate(image.detach().clamp(0, 1), loss.item(), self._iteration)

    def shrink_step(self, factor: float) -> None:
        """Multiply the learning rate by `factor`."""
        self._safety *= factor

    def state_dict(self) -> dict[str, Any]:
        """The tensors, the optimiser's state and the iteration."""
        return {
            "tensors": {name: tensor.detach().clone() for name, tensor in self.tensors.items()},
            # The optimiser hands out its own tensors, which the next step changes.
            "optimiser": copy.deepcopy(self.optimiser().state_dict()),
            "iteration": self._iteration,
            "safety": self._safety,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        with torch.no_grad():
            for name, tensor in self.tensors.items():
                tensor.copy_(state["tensors"][name])
        self.optimiser().load_state_dict(copy.deepcopy(state["optimiser"]))
        self._iteration, self._safety = state["iteration"], state["safety"]
