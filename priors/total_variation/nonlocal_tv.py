"""Non-local total variation: pixels are alike where their surroundings are, wherever those lie."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from zeroshot.checks import require_whole
from zeroshot.priors.total_variation.renewal import RenewedPenaltyPrior
from zeroshot.priors.total_variation.tv import approximate_solution
from zeroshot.problem import Problem
from zeroshot.solvers.nonlocal_gradient import NonlocalPenalty, similarity_graph
from zeroshot.solvers.pdhg import PrimalDualHybridGradient
from zeroshot.solvers.penalties import Penalty


@dataclass(frozen=True)
class NonlocalTotalVariation(RenewedPenaltyPrior):
    """min over x in [0, 1]ⁿ of Σ d(A x, y) + λ Σᵢ (Σⱼ w_ij (x_j − x_i)²)^½.

    The pixels j are those nearby whose patches look most like that of pixel i, and the four beside it. The
    graph is first built from a total variation estimate and then anew from the current image. For each graph
    the problem is convex and the gap is a certificate; it is None until the last graph stands.

    In holes it is far above a smooth filling where texture repeats, and below a biharmonic one, by up to 2.6 dB, where
    an image is smooth waves without edges, such as a fingerprint: differences that are spread over many pixels cost no
    less than a jump.

    Parameters
    ----------
    weight, coupling, chroma, discrepancy, iterations, tolerance, block
        See :class:`~zeroshot.priors.total_variation.convex.PenaltyPrior`.
    neighbours : int
        Similar pixels that each pixel is compared with.
    patch : int
        Side of the patches whose distances decide, odd, 1 to 31.
    radius : int
        How many pixels the search window reaches to each side, 1 to 50.
    updates : int
        How often the graph is built anew; `for_problem` sets 3 for inpainting.

    References
    ----------
    G. Gilboa, S. Osher: Nonlocal operators with applications to image processing, Multiscale Modeling and
    Simulation 7 (2008). X. Zhang, M. Burger, X. Bresson, S. Osher: Bregmanized nonlocal regularization for
    deconvolution and sparse reconstruction, SIAM J. Imaging Sciences 3 (2010), for building the graph anew.
    """

    name: ClassVar[str] = "nltv"
    summary: ClassVar[str] = (
        "non-local total variation: repeated texture, from a graph of similar patches; any linear damage"
    )
    bytes_per_value: ClassVar[int] = 470  # the measured peak, see benchmarks/large_images.py

    # Where only scattered pixels are known the first graph is built from little.
    TASK_DEFAULTS: ClassVar[Mapping[str, Mapping[str, Any]]] = {"inpaint": {"updates": 3}}

    discrepancy: float = 0.96
    iterations: int = 600
    tolerance: float = 2e-3
    neighbours: int = 6
    patch: int = 5
    radius: int = 10
    updates: int = 1

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole(self, "neighbours")
        require_whole(self, "radius", most=50)
        require_whole(self, "patch", most=31)
        if self.patch % 2 == 0:
            raise ValueError(f"patch must be an odd whole number from 1 to 31, got {self.patch}")

    def trial(self, problem: Problem, chroma: float) -> torch.Tensor:
        """That of total variation, which serves here too."""
        return approximate_solution(problem, chroma)

    def penalty(self, problem: Problem, estimate: torch.Tensor) -> Penalty:
        """The penalty whose graph is that of `estimate`."""
        graph = similarity_graph(estimate, self.neighbours, self.patch, self.radius)
        return NonlocalPenalty(estimate, graph, self.coupling, self.colour_weight)

    @property
    def is_renewed(self) -> bool:
        """Always: the graph is that of an image."""
        return True

    def solver(
        self, problem: Problem, measured: torch.Tensor | None, weight: float
    ) -> PrimalDualHybridGradient:
        """The scheme, begun at a total variation estimate."""
        guide = approximate_solution(problem, self.colour_weight, self.coupling, iterations=200)
        return PrimalDualHybridGradient(
            problem.operator,
            problem.y,
            problem.data_term,
            self.penalty(problem, guide),
            guide,
            weight,
            measured,
            problem.ceiling(),
        )
