"""Penalties that are made from an image, and made anew once it has become a better one."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from zeroshot.checks import require_number, require_whole
from zeroshot.estimate import Estimate
from zeroshot.operators.mask import Mask
from zeroshot.operators.stack import Stack
from zeroshot.priors.total_variation.convex import PenaltyPrior, PenaltyRun
from zeroshot.problem import Problem
from zeroshot.solvers.pdhg import PrimalDualHybridGradient
from zeroshot.solvers.steering import Steering, steering_of


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


@dataclass(frozen=True)
class SteeredPenaltyPrior(RenewedPenaltyPrior):
    """A penalty of the gradient that counts less across the edges of the best image known.

    Parameters
    ----------
    weight, coupling, chroma, discrepancy, iterations, tolerance, block, updates
        See :class:`RenewedPenaltyPrior`.
    across : float
        What the gradient across a certain edge is multiplied by, from 0 to 1 (see
        :func:`~zeroshot.solvers.steering.steering_of`), so that what is missing goes on along the edges; 1 is the
        plain penalty. `for_problem` sets 0.1 where pixels are missing, and 0.03 where colours are.

    References
    ----------
    M. Grasmair, F. Lenzen: Anisotropic total variation filtering, Applied Mathematics & Optimization 62 (2010).
    """

    #: The settings where pixels are missing, and where the brightness is known everywhere and the colours at a few
    #: places.
    HOLES: ClassVar[Mapping[str, Any]] = {"across": 0.1}
    COLOURS: ClassVar[Mapping[str, Any]] = {"across": 0.03}

    across: float = 1.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number(self, "across", most=1)

    @classmethod
    def task_defaults(cls, problem: Problem) -> dict[str, Any]:
        """Those of every penalty, and where pixels or colours are missing what fills them better."""
        missing: Mapping[str, Any] = {}
        if isinstance(problem.operator, Mask):
            missing = cls.HOLES
        elif problem.task == "colorize" and isinstance(problem.operator, Stack):
            missing = cls.COLOURS
        return {**missing, **super().task_defaults(problem)}

    @property
    def is_renewed(self) -> bool:
        """Where the gradient is steered by the edges of an image."""
        return self.across < 1

    def steering(self, problem: Problem, estimate: torch.Tensor) -> Steering | None:
        """What the edges of the best image known say of its gradient; None: nothing."""
        return steering_of(estimate, self.across, problem.largest_contrast) if self.is_renewed else None


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
