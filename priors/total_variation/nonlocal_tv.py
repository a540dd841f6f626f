"""Non-local total variation: pixels are alike where their surroundings are, wherever those lie."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from zeroshot.checks import require_whole
from zeroshot.estimate import Estimate
from zeroshot.priors.total_variation.convex import PenaltyPrior, PenaltyRun, minimise
from zeroshot.priors.total_variation.tv import TotalVariation
from zeroshot.solvers.nonlocal_gradient import NonlocalPenalty, similarity_graph
from zeroshot.solvers.pdhg import PrimalDualHybridGradient
from zeroshot.solvers.penalties import Penalty

if TYPE_CHECKING:
    from zeroshot.problem import Problem

#: `updates` by task, where it is not 1: scattered pixels let the graph grow from rather little.
UPDATES = {"inpaint": 3}


@dataclass(frozen=True)
class NonlocalTotalVariation(PenaltyPrior):
    """min over x in [0, 1]ⁿ of Σ d(A x, y) + λ Σᵢ (Σⱼ w_ij (x_j − x_i)²)^½.

    The pixels j are those nearby whose patches look most like that of pixel i, and the four beside it. The
    graph is first built from a total variation estimate and then anew from the current image. For each graph
    the problem is convex and the gap is a certificate; it is None until the last graph stands.

    Parameters
    ----------
    weight, coupling, chroma, discrepancy, iterations, tolerance, block
        See :class:`~zeroshot.priors.total_variation.convex.PenaltyPrior`.
    neighbours : int
        Similar pixels that each pixel is compared with.
    patch : int
        Side of the patches whose distances decide, odd, 1 to 31.
    radius : int
        The search window reaches so many pixels to each side, 1 to 50.
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
        require_whole(self, "updates", least=0)
        require_whole(self, "radius", most=50)
        require_whole(self, "patch", most=31)
        if self.patch % 2 == 0:
            raise ValueError(f"patch must be an odd whole number from 1 to 31, got {self.patch}")

    @classmethod
    def for_problem(cls, problem: Problem, **settings: Any) -> NonlocalTotalVariation:
        """The defaults of the problem's task, `chroma` and `updates`, with `settings` put over them."""
        return super().for_problem(problem, **{"updates": UPDATES.get(problem.task, cls.updates), **settings})

    def penalty(self, problem: Problem, estimate: torch.Tensor) -> Penalty:
        """The penalty whose graph is that of `estimate`."""
        graph = similarity_graph(estimate, self.neighbours, self.patch, self.radius)
        return NonlocalPenalty(estimate, graph, self.coupling, self.colour_weight)

    def _run(self, prior: NonlocalTotalVariation, problem: Problem) -> NonlocalRun:  # type: ignore[override]
        return NonlocalRun(prior, problem)

    def solver(
        self, problem: Problem, measured: torch.Tensor | None, weight: float
    ) -> PrimalDualHybridGradient:
        """The scheme, begun at a total variation estimate."""
        first = TotalVariation(coupling=self.coupling, chroma=self.chroma, tolerance=1e-2, iterations=200)
        guide = minimise(first, problem)[0].image.clone()
        return PrimalDualHybridGradient(
            problem.operator,
            problem.y,
            problem.data_term,
            self.penalty(problem, guide),
            guide,
            weight,
            measured,
        )


class NonlocalRun(PenaltyRun):
    """A run that builds the graph anew from its image, each time that the solution for the last has settled."""

    #: Relative gap at which an image is good enough to build a graph from.
    good_enough = 0.02

    prior: NonlocalTotalVariation

    def __init__(self, prior: NonlocalTotalVariation, problem: Problem) -> None:
        super().__init__(prior, problem)
        self._problem = problem
        self._solved_for = self._solver.image.clone()
        self._updates = 0
        self._since = 0

    def step(self) -> Estimate:
        """Make a block of iterations, and a new graph where it is time."""
        estimate = super().step()
        if self._updates >= self.prior.updates:
            return estimate
        longest = self.prior.iterations / (2 * (self.prior.updates + 1))
        settled = estimate.gap is not None and estimate.gap <= self.good_enough
        if settled or estimate.iteration - self._since >= longest:
            self._updates += 1
            self._since = estimate.iteration
            self._build_graph(estimate.image.clone())
        return Estimate(estimate.image, estimate.loss, estimate.iteration)

    def _build_graph(self, image: torch.Tensor) -> None:
        self._solved_for = image
        assert isinstance(self._solver, PrimalDualHybridGradient)
        self._solver.replace_penalty(self.prior.penalty(self._problem, image))
        self._frozen = self.residual_wanted is None

    def state_dict(self) -> dict[str, Any]:
        """What a run with a penalty keeps, and the image that the graph is of."""
        return {
            **super().state_dict(),
            "solved_for": self._solved_for.clone(),
            "updates": self._updates,
            "since": self._since,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        self._build_graph(state["solved_for"].to(self.device))
        self._updates, self._since = state["updates"], state["since"]
        super().load_state_dict(state)
