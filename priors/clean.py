"""What a prior begins for a clean problem, where the measurement already is the image."""

from __future__ import annotations

from typing import Any

from zeroshot.estimate import Estimate
from zeroshot.prior import Run
from zeroshot.problem import Problem


class CleanRun(Run):
    """The run of a problem that :attr:`~zeroshot.problem.Problem.is_clean`: one step, which returns y."""

    def __init__(self, problem: Problem) -> None:
        self.device = problem.y.device
        self.unclipped = problem.y.detach().clamp(0, 1)

    @property
    def finished(self) -> bool:
        """Whether a further step would change nothing, which is so from the beginning."""
        return True

    def step(self) -> Estimate:
        """The measurement, with a duality gap of 0."""
        return Estimate(self.unclipped, 0.0, 1, gap=0.0)

    def findings(self) -> dict[str, Any]:
        """The noise level, which is 0."""
        return {"noise": 0.0}
