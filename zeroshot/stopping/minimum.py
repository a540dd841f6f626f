"""Rules that stop when a quantity has passed its minimum, and the one that watches held-out measurements."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections import deque
from dataclasses import dataclass
from typing import Any

import torch

from zeroshot.checks import require_fraction, require_whole
from zeroshot.estimate import Estimate
from zeroshot.problem import Problem
from zeroshot.stopping.rule import StoppingRule


class MinimumSeeking(StoppingRule):
    """Stops when a quantity has found no new minimum for `patience` iterations; returns the image there."""

    #: What is measured, in words.
    quantity: str
    #: Its name in the history.
    measure_name: str
    patience: int

    def start(self, problem: Problem) -> None:
        self._device = problem.y.device
        self._value: float | None = None
        self._minimum = math.inf
        self._minimum_at = 0
        self._best: torch.Tensor | None = None

    @abstractmethod
    def measure(self, estimate: Estimate) -> float | None:
        """The quantity at this estimate; None while too few estimates have been seen."""

    def update(self, estimate: Estimate) -> bool:
        self._value = self.measure(estimate)
        if self._value is None:
            return False
        if self._value < self._minimum:
            self._minimum, self._minimum_at = self._value, estimate.iteration
            self._keep(estimate.image)
        if self._best is None or estimate.iteration - self._minimum_at < self.patience:
            return False
        self.reason = (
            f"{self.quantity} at its minimum at iteration {self._minimum_at} "
            f"(patience of {self.patience} iterations)"
        )
        return True

    def _keep(self, image: torch.Tensor) -> None:
        if self._best is None or self._best.shape != image.shape:
            self._best = image.detach().clone()
        else:
            self._best.copy_(image.detach())

    def best(self) -> torch.Tensor | None:
        return self._best

    def measures(self) -> dict[str, float]:
        return {} if self._value is None else {self.measure_name: self._value}

    def state_dict(self) -> dict[str, Any]:
        return {
            "value": self._value,
            "minimum": self._minimum,
            "minimum_at": self._minimum_at,
            "best": None if self._best is None else self._best.clone(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._value = state["value"]
        self._minimum = state["minimum"]
        self._minimum_at = state["minimum_at"]
        self._best = None if state["best"] is None else state["best"].to(self._device, copy=True)


@dataclass(eq=False)
class HeldOut(MinimumSeeking):
    """Stops when the data term at measurements kept aside has passed its minimum.

    Parameters
    ----------
    fraction : float
        The fraction of the measured pixels to keep aside.
    patience : int
        Iterations without a new minimum after which the run stops.
    smoothing : int
        How many of the latest estimates the validation loss is averaged over.
    """

    fraction: float = 0.03
    patience: int = 200
    smoothing: int = 5

    quantity = "loss at the held-out pixels"
    measure_name = "validation_loss"

    def __post_init__(self) -> None:
        require_fraction(self, "fraction")
        require_whole(self, "patience")
        require_whole(self, "smoothing")
        self.holds_out = self.fraction

    def start(self, problem: Problem) -> None:
        if problem.held_out is None:
            raise ValueError(
                f"HeldOut needs measurements kept aside: problem.hold_out({self.fraction:g}, generator)"
            )
        super().start(problem)
        self._problem = problem
        self._losses: deque[float] = deque(maxlen=self.smoothing)

    def measure(self, estimate: Estimate) -> float | None:
        with torch.no_grad():
            self._losses.append(float(self._problem.validation_loss(estimate.image)))
        return math.fsum(self._losses) / len(self._losses) if len(self._losses) == self.smoothing else None

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {"losses": list(self._losses)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._losses = deque(state["losses"], maxlen=self.smoothing)
