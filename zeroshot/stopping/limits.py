"""Rules that stop at a limit: iterations, time, misfit, progress, duality gap, or the run's own end."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass
from typing import Any

import torch

from zeroshot.checks import require_positive, require_whole
from zeroshot.estimate import Estimate
from zeroshot.problem import Problem
from zeroshot.stopping.rule import StoppingRule


@dataclass(eq=False)
class MaxIterations(StoppingRule):
    """Stops after `n` iterations."""

    n: int

    def __post_init__(self) -> None:
        require_whole(self, "n")

    @property
    def most_iterations(self) -> int:
        """`n`."""
        return self.n

    def update(self, estimate: Estimate) -> bool:
        self.reason = f"reached the limit of {self.n} iterations"
        return estimate.iteration >= self.n


@dataclass(eq=False)
class Finished(StoppingRule):
    """Never stops a run by itself: for runs that know when they are finished (:attr:`Run.finished`)."""

    def update(self, estimate: Estimate) -> bool:
        return False


@dataclass(eq=False)
class TimeBudget(StoppingRule):
    """Stops after `seconds` of wall-clock time since the start; the time before an interruption counts."""

    seconds: float

    def __post_init__(self) -> None:
        require_positive(self, "seconds")
        self._started = time.monotonic()

    def start(self, problem: Problem) -> None:
        self._started = time.monotonic()

    def update(self, estimate: Estimate) -> bool:
        self.reason = f"used up its time budget of {self.seconds:g} s at iteration {estimate.iteration}"
        return time.monotonic() - self._started >= self.seconds

    def state_dict(self) -> dict[str, Any]:
        return {"elapsed": time.monotonic() - self._started}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._started = time.monotonic() - state["elapsed"]


@dataclass(eq=False)
class Discrepancy(StoppingRule):
    """Morozov's discrepancy principle: stops when RMS(A(x) − y) ≤ factor · sigma.

    x is the estimate's image, the one that is returned, and not the newest iterate, whose own jitter would
    count as misfit.

    Parameters
    ----------
    factor : float
        How many standard deviations of the noise the image may stay away from the measurement.

    References
    ----------
    V. A. Morozov: On the solution of functional equations by the method of regularization, Soviet
    Mathematics Doklady 7 (1966).
    """

    factor: float = 1.0

    def __post_init__(self) -> None:
        require_positive(self, "factor")

    def start(self, problem: Problem) -> None:
        if not problem.sigma:
            lack = "unknown" if problem.sigma is None else "0"
            raise ValueError(f"Discrepancy needs the noise level sigma of the measurement, which is {lack}")
        self._problem = problem
        self._limit = self.factor * problem.sigma
        self._residual: float | None = None
        self._best: torch.Tensor | None = None

    def update(self, estimate: Estimate) -> bool:
        with torch.no_grad():
            known = estimate.residual
            self._residual = self._problem.residual(estimate.image) if known is None else known
        if not self._residual <= self._limit:
            return False
        self._best = estimate.image.detach().clone()
        self.reason = (
            f"residual of {self._residual:.4g} at the noise level "
            f"({self.factor:g} × sigma = {self._limit:.4g}) at iteration {estimate.iteration}"
        )
        return True

    def best(self) -> torch.Tensor | None:
        return self._best

    def measures(self) -> dict[str, float]:
        return {} if self._residual is None else {"residual": self._residual}

    def state_dict(self) -> dict[str, Any]:
        return {"residual": self._residual, "best": None if self._best is None else self._best.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._residual = state["residual"]
        self._best = None if state["best"] is None else state["best"].to(self._problem.y.device, copy=True)


@dataclass(eq=False)
class Plateau(StoppingRule):
    """Stops when the loss no longer falls.

    The mean loss over the latest `window` estimates is compared with the mean over the `window` before; the
    run stops when it is lower by less than `tolerance` times the latter's magnitude.
    """

    window: int = 100
    tolerance: float = 1e-3

    def __post_init__(self) -> None:
        require_whole(self, "window")
        require_positive(self, "tolerance")

    def start(self, problem: Problem) -> None:
        self._losses: deque[float] = deque(maxlen=2 * self.window)
        self._improvement: float | None = None

    def update(self, estimate: Estimate) -> bool:
        self._losses.append(estimate.loss)
        if len(self._losses) < 2 * self.window:
            return False
        losses = list(self._losses)
        before, latest = (sum(half) / self.window for half in (losses[: self.window], losses[self.window :]))
        self._improvement = (before - latest) / max(abs(before), 1e-30)
        self.reason = (
            f"loss improved by less than {self.tolerance:g} over {self.window} steps "
            f"at iteration {estimate.iteration}"
        )
        return self._improvement < self.tolerance

    def measures(self) -> dict[str, float]:
        return {} if self._improvement is None else {"improvement": self._improvement}

    def state_dict(self) -> dict[str, Any]:
        return {"losses": list(self._losses), "improvement": self._improvement}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._losses = deque(state["losses"], maxlen=2 * self.window)
        self._improvement = state["improvement"]


@dataclass(eq=False)
class DualityGap(StoppingRule):
    """Stops when a convex scheme's relative duality gap is at most `tolerance`; else never."""

    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        require_positive(self, "tolerance")

    def start(self, problem: Problem) -> None:
        self._gap: float | None = None

    def update(self, estimate: Estimate) -> bool:
        self._gap = estimate.gap
        if self._gap is None or not self._gap <= self.tolerance:
            return False
        self.reason = (
            f"duality gap of {self._gap:.2g} within {self.tolerance:g} at iteration {estimate.iteration}"
        )
        return True

    def measures(self) -> dict[str, float]:
        return {} if self._gap is None else {"gap": self._gap}
