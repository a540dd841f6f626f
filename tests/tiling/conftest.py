"""A prior for the tests of composites: quick, local, and as random as it is told to be."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch

from zeroshot.estimate import Estimate
from zeroshot.prior import Prior, Run
from zeroshot.stopping import MaxIterations, StoppingRule


class DriftingRun(Run):
    """Moves every pixel of the first estimate towards grey by itself, plus noise that grows with time."""

    def __init__(self, prior: DriftingPrior, problem: Any, generator: torch.Generator) -> None:
        self.prior, self.generator = prior, generator
        self.problem = problem
        self.image, self.iteration = problem.initial().clone(), 0
        self.device = problem.y.device
        self.step_size = 1.0

    def step(self) -> Estimate:
        self.iteration += 1
        self.image = self.image.lerp(torch.full_like(self.image, 0.5), 0.1 * self.step_size)
        if self.prior.noise:
            self.image += torch.randn(self.image.shape, generator=self.generator) * self.prior.noise
        spoilt = (
            self.prior.spoilt_above is not None and float(self.problem.y.mean()) > self.prior.spoilt_above
        )
        if spoilt and self.iteration == 3 and self.step_size == 1:
            return Estimate(self.image, float("nan"), self.iteration)
        return Estimate(self.image, float(self.image.var()), self.iteration)

    def shrink_step(self, factor: float) -> None:
        self.step_size *= factor

    def state_dict(self) -> dict[str, Any]:
        return {
            "image": self.image.clone(),
            "iteration": self.iteration,
            "generator": self.generator.get_state(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.image, self.iteration = state["image"].clone(), state["iteration"]
        self.generator.set_state(state["generator"])


@dataclass(frozen=True)
class DriftingPrior(Prior):
    name: ClassVar[str] = "drifting"
    summary: ClassVar[str] = "for tests"
    iterations: int = 10
    noise: float = 0.0
    spoilt_above: float | None = None
    bytes_per_pixel: int | None = None

    @classmethod
    def for_problem(cls, problem: Any, **settings: Any) -> DriftingPrior:
        return cls(**settings)

    def supports(self, problem: Any) -> str | None:
        return None

    def memory(self, problem: Any) -> int | None:
        pixels = problem.reference_shape[-2] * problem.reference_shape[-1]
        return None if self.bytes_per_pixel is None else pixels * self.bytes_per_pixel

    def start(self, problem: Any, generator: torch.Generator) -> Run:
        return DriftingRun(self, problem, generator)

    def default_stopping(self, problem: Any) -> StoppingRule:
        return MaxIterations(self.iterations)


@pytest.fixture
def drifting() -> type[DriftingPrior]:
    return DriftingPrior
