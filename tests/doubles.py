"""What stands in for real things in tests: a quick prior, a clock, a term without its proximal map, Ctrl-C, a kill."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest
import torch

from tests.pictures import seeded
from zeroshot import stacks
from zeroshot.data_terms import Huber
from zeroshot.estimate import Estimate
from zeroshot.planes import Plane
from zeroshot.prior import Prior, Run
from zeroshot.problem import Problem
from zeroshot.stopping import MaxIterations, StoppingRule


class DriftingRun(Run):
    """Moves every pixel of the first estimate towards grey by itself, with noise that adds up."""

    def __init__(self, prior: DriftingPrior, problem: Problem, generator: torch.Generator) -> None:
        self.prior, self.problem, self.generator = prior, problem, generator
        self.image, self.iteration = problem.initial().clone(), 0
        self.rate = prior.rate
        self.device = problem.y.device

    def step(self) -> Estimate:
        self.iteration += 1
        self.image = self.image.lerp(torch.full_like(self.image, 0.5), self.rate)
        if self.prior.noise:
            self.image += torch.randn(self.image.shape, generator=self.generator) * self.prior.noise
        if self._spoils():
            self.image = self.image * float("nan")
        return Estimate(self.image, float(self.image.var()), self.iteration)

    def _spoils(self) -> bool:
        prior, brightness = self.prior, float(self.problem.y.mean())
        return (
            self.iteration == prior.spoil_at
            and self.rate > prior.harmless_rate
            and brightness > prior.spoilt_above
        )

    def shrink_step(self, factor: float) -> None:
        self.rate *= factor

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
    """Quick, local, as random as `noise` says, and spoilt by NaN where it is told to be.

    The image is spoilt at iteration `spoil_at` if the measurement is brighter than `spoilt_above` and the rate
    has not been brought down to `harmless_rate`. A rate of 0 is refused.
    """

    name: ClassVar[str] = "drifting"
    summary: ClassVar[str] = "for tests"

    rate: float = 0.01
    iterations: int = 120
    noise: float = 1e-3
    spoil_at: int | None = None
    harmless_rate: float = 0.0
    spoilt_above: float = 0.0
    bytes_per_pixel: int | None = None

    @classmethod
    def for_problem(cls, problem: Problem, **settings: Any) -> DriftingPrior:
        return cls(**settings)

    def supports(self, problem: Problem) -> str | None:
        return "it is refused" if self.rate == 0 else None

    def memory(self, problem: Problem) -> int | None:
        pixels = problem.reference_shape[-2] * problem.reference_shape[-1]
        return None if self.bytes_per_pixel is None else pixels * self.bytes_per_pixel

    def start(self, problem: Problem, generator: torch.Generator) -> DriftingRun:
        return DriftingRun(self, problem, generator)

    def default_stopping(self, problem: Problem) -> StoppingRule:
        return MaxIterations(self.iterations)


def drifting(**settings: Any) -> DriftingPrior:
    """A short run that draws nothing at random unless it is told to."""
    return DriftingPrior(**{"rate": 0.1, "iterations": 10, "noise": 0.0, **settings})


class Clock:
    """Time that goes on by `tick` seconds whenever somebody looks at it, and by as long as anybody sleeps.

    So a budget ends after as many looks whatever else the machine has to do.
    """

    def __init__(self, tick: float = 0.001) -> None:
        self.now, self.tick = 1000.0, tick

    def look(self) -> float:
        self.now += self.tick
        return self.now

    def sleep(self, seconds: float) -> None:
        self.now += seconds


class WithoutProx(Huber):
    """A data term for schemes that follow the gradient only."""

    has_prox = False


def run_to_end(prior: Prior, problem: Problem) -> Estimate:
    """The last estimate of a run of the prior itself, not of the one that suits the problem; the seed is 0."""
    rule, run = prior.default_stopping(problem), prior.begin(problem, seeded())
    rule.start(problem)
    while True:
        estimate = run.step()
        if rule.update(estimate) or run.finished:
            return estimate


def interrupt_at(iteration: int) -> Callable[[Estimate, Run], None]:
    """A callback that presses Ctrl-C at the end of an iteration."""

    def press(estimate: Estimate, run: Run) -> None:
        if estimate.iteration == iteration:
            os.kill(os.getpid(), signal.SIGINT)

    return press


def killed_after(monkeypatch: pytest.MonkeyPatch, number: int) -> Callable[[], None]:
    """End a run without warning after so many planes; a function that lets runs go on again."""
    restored = stacks.restored

    def dying(*arguments: Any, **options: Any) -> Iterator[Plane]:
        for count, plane in enumerate(restored(*arguments, **options)):
            if count == number:
                raise KeyboardInterrupt
            yield plane

    monkeypatch.setattr(stacks, "restored", dying)
    return lambda: monkeypatch.setattr(stacks, "restored", restored)
