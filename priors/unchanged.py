"""The run of a problem with nothing to restore: the measurement is the image."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import torch

from zeroshot.estimate import Estimate
from zeroshot.prior import Run

if TYPE_CHECKING:
    from zeroshot.problem import Problem


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
