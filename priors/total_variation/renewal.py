"""Penalties that are made from an image, and made anew once it has become a better one."""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import dataclass
from typing import Any

import torch

from zeroshot.checks import require_whole
from zeroshot.estimate import Estimate
from zeroshot.priors.total_variation.convex import PenaltyPrior, PenaltyRun
from zeroshot.problem import Problem
from zeroshot.solvers.pdhg import PrimalDualHybridGradient


@dataclass(frozen=True)
class RenewedPenaltyPrior(PenaltyPrior):
    """A penalty made from the best image known, and `updates` times anew from the solution that it led to.

    Parameters
    ----------
    weight, coupling, chroma, discrepancy, iterations, tolerance, block
        See :class:`~zeroshot.priors.total_variation.convex.PenaltyPrior`.
    updates : int
        How often the penalty is made anew.
    """

    updates: int = 2

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole(self, "updates", least=0)

    @property
    @abstractmethod
    def is_renewed(self) -> bool:
        """Whether the penalty depends on an image at all."""

    def run(self, problem: Problem) -> PenaltyRun:
        """The run where `chroma` is given or chosen."""
        return RenewedRun(self, problem) if self.is_renewed else PenaltyRun(self, problem)


class RenewedRun(PenaltyRun):
    """A run that makes the penalty anew from its image, each time that the solution for the last has settled.

    For each penalty the problem is convex and the gap is a certificate; it is None until the last one stands.
    """

    #: Relative gap at which an image is good enough to make a penalty from.
    good_enough = 0.02

    state = (*PenaltyRun.state, "made_from", "updates", "since")

    prior: RenewedPenaltyPrior

    def __init__(self, prior: RenewedPenaltyPrior, problem: Problem) -> None:
        super().__init__(prior, problem)
        self.made_from = self.solver.image.clone()
        self.updates = 0
        self.since = 0

    def step(self) -> Estimate:
        """Make a block of iterations, and a new penalty where it is time."""
        estimate = super().step()
        if self.updates >= self.prior.updates:
            return estimate
        longest = self.prior.iterations / (2 * (self.prior.updates + 1))
        settled = estimate.gap is not None and estimate.gap <= self.good_enough
        if settled or estimate.iteration - self.since >= longest:
            self.updates += 1
            self.since = estimate.iteration
            self._renew(estimate.image.clone())
        return Estimate(estimate.image, estimate.loss, estimate.iteration)

    def _renew(self, image: torch.Tensor) -> None:
        self.made_from = image
        assert isinstance(self.solver, PrimalDualHybridGradient)
        self.solver.replace_penalty(self.prior.penalty(self.problem, image))
        self.frozen = self.residual_wanted is None

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        self._renew(state["made_from"].to(self.device))
        super().load_state_dict(state)
