"""The run of a problem with nothing to restore: the measurement is the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from zeroshot.data_terms import Gaussian
from zeroshot.estimate import Estimate
from zeroshot.operators.identity import Identity
from zeroshot.prior import Run

if TYPE_CHECKING:
    from zeroshot.problem import Problem


def is_clean(problem: Problem) -> bool:
    """Whether the measurement is said to be the image itself: whole, undamaged and without noise."""
    return (
        type(problem.operator) is Identity
        and isinstance(problem.data_term, Gaussian)
        and problem.sigma == 0
        and problem.measured is None
        and problem.held_out is None
    )


class Unchanged(Run):
    """One step, whose image is the measurement."""

    def __init__(self, problem: Problem) -> None:
        self.device = problem.y.device
        self._image = problem.y.detach().clamp(0, 1)

    @property
    def finished(self) -> bool:
        """Always."""
        return True

    @property
    def unclipped(self) -> torch.Tensor:
        """The image."""
        return self._image

    def step(self) -> Estimate:
        """The measurement, with a certificate."""
        return Estimate(self._image, 0.0, 1, gap=0.0)

    def findings(self) -> dict[str, Any]:
        """That there was nothing to do."""
        return {"noise": 0.0}

    def state_dict(self) -> dict[str, Any]:
        """Nothing."""
        return {}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Nothing changes."""
