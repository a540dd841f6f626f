"""Total generalized variation: piecewise affine images, with edges in the value and in the slope."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from zeroshot.checks import require_positive
from zeroshot.priors.total_variation.renewal import SteeredPenaltyPrior
from zeroshot.priors.total_variation.tv import approximate_solution
from zeroshot.problem import Problem
from zeroshot.solvers.penalties import Penalty
from zeroshot.solvers.tgv import GeneralizedVariation


@dataclass(frozen=True)
class TotalGeneralizedVariation(SteeredPenaltyPrior):
    """min over x in [0, 1]ⁿ and v of Σ d(A x, y) + λ (Σ ‖(∇x − v)ᵢ‖ + α Σ ‖(E v)ᵢ‖).

    E is the symmetrised derivative. Where the image is smooth v follows its gradient, and only the change of
    the slope costs; at an edge v stays small and the jump costs as in total variation. Shading is not broken
    up into terraces, and scattered known pixels are joined by planes rather than by plateaus.

    Parameters
    ----------
    weight, coupling, chroma, discrepancy, iterations, tolerance, block, updates
        See :class:`~zeroshot.priors.total_variation.renewal.SteeredPenaltyPrior`. The gap closes more slowly than
        that of total variation, since its certificate takes a field of the dual variables that is feasible without
        error; the image has settled long before, hence the larger default of `tolerance` (compared by
        ``python -m benchmarks.gaps``).
    ratio : float
        α, the cost of a change of slope against that of a jump, in pixels. 2 is what the paper and most
        that follow it take; `for_problem` sets 0.25 where pixels are missing.
    across : float
        What ∇x − v across a certain edge of the best image known is multiplied by, above 0 and up to 1; 1 is the plain
        penalty. `for_problem` sets 0.1 where pixels are missing, and 0.03 where colours are.

    References
    ----------
    K. Bredies, K. Kunisch, T. Pock: Total generalized variation, SIAM J. Imaging Sciences 3 (2010).
    F. Knoll, K. Bredies, T. Pock, R. Stollberger: Second order total generalized variation (TGV) for MRI,
    Magnetic Resonance in Medicine 65 (2011).
    """

    name: ClassVar[str] = "tgv"
    summary: ClassVar[str] = (
        "total generalized variation: sharp edges, affine in between; convex, seconds, any linear damage"
    )
    bytes_per_value: ClassVar[int] = 280  # the measured peak, see benchmarks/large_images.py

    # Between scattered pixels slopes must be free to change.
    HOLES: ClassVar[Mapping[str, Any]] = {"ratio": 0.25, "across": 0.1}

    tolerance: float = 1e-2
    ratio: float = 2.0

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "ratio", "across")

    def trial(self, problem: Problem, chroma: float) -> torch.Tensor:
        """That of total variation, which serves here too."""
        return approximate_solution(problem, chroma)

    def penalty(self, problem: Problem, estimate: torch.Tensor) -> Penalty:
        """TGV for images of the shape of `estimate`."""
        steering = self.steering(problem, estimate)
        return GeneralizedVariation(estimate, self.ratio, self.coupling, self.colour_weight, steering)
