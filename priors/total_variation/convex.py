"""Priors that are a convex penalty: min over x of Σ d(A x, y) + λ R(x), with λ and a certificate.

What total variation and its relatives share: the settings, the blocks of iterations with the duality gap after
each, the choice of λ by the discrepancy principle, and that of the weight of colour by held-out measurements.
"""

from __future__ import annotations

import math
from abc import abstractmethod
from dataclasses import dataclass, replace
from typing import Any, ClassVar, Protocol

import torch

from zeroshot.checks import require_positive, require_whole
from zeroshot.data_terms import L1, DataTerm, Gaussian, Huber
from zeroshot.estimate import Estimate
from zeroshot.noise import QUANTISATION
from zeroshot.operators import Blur, SpaceVaryingBlur
from zeroshot.prior import CleanRun, Prior, Run
from zeroshot.priors.total_variation.chroma import chosen_chroma
from zeroshot.problem import Problem
from zeroshot.quantisation import Quantised
from zeroshot.solvers.finite_differences import Coupling, TotalVariationNorm
from zeroshot.solvers.pdhg import PrimalDualHybridGradient
from zeroshot.solvers.penalties import Penalty
from zeroshot.stopping import DualityGap, MaxIterations, StoppingRule

#: λ over the largest slope of the data term and √(channels under one norm), where there is no noise level to
#: choose it by. An isolated wrong pixel goes where λ exceeds 1/(2 + √2) ≈ 0.3.
ROBUST_WEIGHT = 0.58
#: λ times the standard deviation of what quantisation did, which is not white: residuals do not tell λ.
QUANTISED_WEIGHT = 0.2
#: `chroma` by task: edges in colour cost more where noise or missing colours would make false ones.
CHROMA: dict[str, float | None] = {
    "denoise": 3.0,
    "demosaic": None,
    "deblur": 2.0,
    "colorize": 5.0,
    "jpeg": 3.0,
}


@dataclass(frozen=True)
class PenaltyPrior(Prior):
    """min over x in [0, 1]ⁿ of Σ d(A x, y) + λ R(x), for a penalty R that subclasses give.

    The sum goes over the measured values; for the Gaussian data term it is ½‖A x − y‖² / σ². It is solved for
    any linear operator by the primal-dual hybrid gradient scheme. The images of a batch share λ and are
    solved as one.

    Each estimate carries the relative duality gap, (objective − lower bound) / objective, an upper bound of
    how much the objective could still fall; it is None while λ is being sought.

    Parameters
    ----------
    weight : float or None
        λ, in the units of the sum above: with the default Gaussian data term on images in [0, 1], 0.05 to
        0.15 for strong noise. None chooses it: with Gaussian and Poisson data terms by the discrepancy
        principle, such that RMS(A x − y) over the measured values is `discrepancy` · σ. There σ is the
        problem's noise level, else estimated from y, and never less than the rounding error of 8-bit images
        (half a grey level / √3), so that a measurement without noise is a constraint; with the Poisson data
        term it is the root mean square of what the noise law predicts, √(gain · y + readout²). With the L1
        and Huber data terms, which do not tell noise from outliers by their level, None means 0.58 times the
        largest slope of the data term (1 for L1, δ for Huber), times √3 where three channels share one norm.
    coupling : {"vectorial", "channels"}
        One norm for the differences of all channels together, or each channel on its own.
    chroma : float or None
        R is taken of the image whose channels are moved away from their mean by this factor, so that edges in
        colour cost more than edges in brightness (Condat, Mosaddegh, ICIP 2012); 1 leaves it as it is. None
        takes the factor at which total variation predicts held-out measurements best. `for_problem` sets it
        by task.
    discrepancy : float
        The residual asked for, in units of σ, where the weight is chosen.
    iterations : int
        The most elementary iterations.
    tolerance : float
        The relative duality gap at which the default stopping rule is satisfied.
    block : int
        Elementary iterations per step of the run.

    References
    ----------
    A. Chambolle, T. Pock: A first-order primal-dual algorithm for convex problems with applications to
    imaging, JMIV 40 (2011). V. A. Morozov: On the solution of functional equations by the method of
    regularization, Soviet Math. Dokl. 7 (1966), for the discrepancy principle.
    """

    weight: float | None = None
    coupling: Coupling = "vectorial"
    chroma: float | None = 1.0
    discrepancy: float = 0.925
    iterations: int = 2000
    tolerance: float = 1e-3
    block: int = 10

    def __post_init__(self) -> None:
        TotalVariationNorm(coupling=self.coupling)
        require_positive(self, "discrepancy", "tolerance")
        require_positive(self, "weight", "chroma", none="allowed")
        require_whole(self, "iterations", "block")

    @abstractmethod
    def penalty(self, problem: Problem, estimate: torch.Tensor) -> Penalty:
        """R, made for images of the shape of `estimate`, the best known so far."""

    @property
    def colour_weight(self) -> float:
        """`chroma`, which a run has chosen where it was None."""
        if self.chroma is None:
            raise ValueError("chroma is chosen when a run starts; take the prior of the run")
        return self.chroma

    @classmethod
    def task_defaults(cls, problem: Problem) -> dict[str, Any]:
        """Those of the task, and `chroma`.

        It is 3 in denoising, chosen in demosaicking, 2 elsewhere where fewer channels are measured than sought
        and in deblurring, 5 in colorization, else 1.
        """
        fewer = problem.y.shape[1] < problem.reference_shape[1]
        chroma = CHROMA.get(problem.task, 2.0 if fewer else 1.0)
        return {"chroma": chroma, **super().task_defaults(problem)}

    def supports(self, problem: Problem) -> str | None:
        """None for linear operators and data terms with a known conjugate."""
        if not problem.operator.linear:
            return f"{self.name} needs a linear operator, and {problem.operator.describe()} is not"
        if type(problem.data_term).conjugate is DataTerm.conjugate:
            name = type(problem.data_term).__name__
            return f"{self.name} needs a data term with a conjugate, and {name} has none"
        return None

    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        """The run; the only randomness is in the choice of `chroma`.

        A whole image without noise is left as it is where the weight is to be chosen.
        """
        if self.weight is None and problem.is_clean:
            return CleanRun(problem)
        if self.chroma is None:
            return replace(self, chroma=chosen_chroma(problem, generator, self.trial)).run(problem)
        return self.run(problem)

    @abstractmethod
    def trial(self, problem: Problem, chroma: float) -> torch.Tensor:
        """An approximate solution with this `chroma`, (N, C, H, W), by which it is chosen."""

    def run(self, problem: Problem) -> PenaltyRun:
        """The run where `chroma` is given or chosen."""
        return PenaltyRun(self, problem)

    def solver(self, problem: Problem, measured: torch.Tensor | None, weight: float) -> Solver:
        """The scheme for this problem; `measured` is 1 at the values that count."""
        initial = problem.initial()
        penalty = self.penalty(problem, initial)
        return PrimalDualHybridGradient(
            problem.operator,
            problem.y,
            problem.data_term,
            penalty,
            initial,
            weight,
            measured,
            problem.ceiling(),
        )

    def default_stopping(self, problem: Problem) -> StoppingRule:
        """The duality gap within `tolerance`, or `iterations` made."""
        return DualityGap(self.tolerance) | MaxIterations(self.iterations)


class Solver(Protocol):
    """What a run asks of a scheme."""

    #: The most that λ may become while it follows a residual.
    largest_weight: float

    @property
    def weight(self) -> float: ...
    @property
    def image(self) -> torch.Tensor: ...
    @property
    def unclipped(self) -> torch.Tensor: ...
    @property
    def residual(self) -> float: ...
    def advance(self, iterations: int, residual: float | None = None) -> None: ...
    def evaluate(self) -> tuple[float, float]: ...
    def shrink_step(self, factor: float) -> None: ...
    def state_dict(self) -> dict[str, Any]: ...
    def load_state_dict(self, state: dict[str, Any]) -> None: ...


class PenaltyRun(Run):
    """Blocks of iterations, the duality gap after each, and the search for λ.

    While λ is being sought the solver lets it follow the residual. It is frozen once the residual is right
    within 1 %, λ has come to rest and the gap is moderate, or at its largest where no λ is large enough; if
    the residual of the solution then turns out to be off, the search goes on. The second half of the
    iterations is kept for a frozen λ.

    Attributes
    ----------
    residual_wanted : float or None
        The root mean square of A x − y that λ is chosen for; None where λ is given.
    """

    state: ClassVar[tuple[str, ...]] = ("solver", "frozen", "iteration", "pull", "side")

    #: Relative error of the residual at which λ is frozen, and at which a solution is accepted.
    freeze_within, accept_within = 0.01, 0.015
    #: The most that λ may become, in units of the first guess: images that hold less than the noise level want
    #: more and more of it.
    most_of_first = 100.0
    #: The least behind a blur whose kernel may be wrong, so that no image comes as near as the residual wants. Those
    #: that do come as near have λ from 0.03 of the first guess on.
    least_of_first = 0.005
    #: Relative change of λ over a block, and relative gap, at which λ is frozen.
    rest, moderate_gap = 0.02, 0.03
    #: Share of `freeze_within` from which on the residual is as it is wanted, and is no more pulled at.
    near_enough = 0.9
    #: The power of its deviation by which a residual is pulled at in the beginning, and by how much at most.
    first_pull, most_pulled = 8.0, 1.4

    def __init__(self, prior: PenaltyPrior, problem: Problem) -> None:
        self.device = problem.y.device
        self.prior, self.problem = prior, problem
        measured = problem.counted()
        self.residual_wanted = _residual_wanted(prior, problem)
        weight = _first_weight(prior, problem, self.residual_wanted)
        self.solver = prior.solver(problem, measured, weight)
        self.solver.largest_weight = self.most_of_first * weight
        if problem.equivalent_sigma is not None and isinstance(self.solver, PrimalDualHybridGradient):
            self.solver.least_weight = self.least_of_first * weight
        self.frozen = self.residual_wanted is None
        self.iteration = 0
        #: The power of the deviation, and whether the last residual was above the one wanted, 1, or below, −1.
        self.pull, self.side = self.first_pull, 0
        count = problem.y.numel() if measured is None else measured.sum().item()
        #: What the gap is relative to at least: an objective of 0 has no relative gap.
        self._least = 1e-9 * problem.y.numel()
        if self.residual_wanted is not None:
            # Half of what the data term alone is at that residual.
            self._least = max(self._least, 0.25 * count * self.residual_wanted * weight)

    @property
    def weight(self) -> float:
        """λ: as given, or as found so far."""
        return self.solver.weight

    @property
    def unclipped(self) -> torch.Tensor:
        """The newest image before it is clipped to [0, 1]: the one that the objective belongs to."""
        return self.solver.unclipped

    def step(self) -> Estimate:
        """Make a block of iterations."""
        before = self.solver.weight
        count = max(1, min(self.prior.block, self.prior.iterations - self.iteration))
        self.solver.advance(count, None if self.frozen else self._residual_asked())
        self.iteration += count
        objective, bound = self.solver.evaluate()
        gap = max(objective - bound, 0.0) / max(abs(objective), self._least)
        if self.residual_wanted is not None and 2 * self.iteration <= self.prior.iterations:
            self.frozen = self._settled(before, gap)
        elif self.residual_wanted is not None:
            self.frozen = True
        image = (
            self.solver.image if self.residual_wanted is None else self.problem.with_known(self.solver.image)
        )
        return Estimate(image, objective, self.iteration, gap=gap if self.frozen else None)

    def _residual_asked(self) -> float | None:
        """The residual for λ to follow: beyond the one that is wanted, the further the last one was from it.

        Behind a blur the image follows λ slowly, and λ the residual of the image: left alone they creep to where they
        belong. Where the residual has passed to the other side, the pull is halved. Elsewhere images follow at once,
        and a pull makes λ swing.
        """
        wanted, residual = self.residual_wanted, self.solver.residual
        if wanted is None or residual <= 0 or not isinstance(self.problem.operator, Blur | SpaceVaryingBlur):
            return wanted
        margin = self.near_enough * self.freeze_within
        ratio = residual / wanted
        if abs(ratio - 1) <= margin:
            return wanted
        side = 1 if ratio > 1 else -1
        if side == -self.side:
            self.pull /= 2
        self.side = side
        further = ((1 + side * margin) / ratio) ** self.pull
        return wanted * min(max(further, 1 / self.most_pulled), self.most_pulled)

    def _settled(self, weight_before: float, gap: float) -> bool:
        """Whether λ may stay as it is."""
        assert self.residual_wanted is not None
        deviation = abs(self.solver.residual / self.residual_wanted - 1)
        capped = self.solver.weight >= (1 - 1e-6) * self.solver.largest_weight
        if capped and self.solver.residual < self.residual_wanted and gap <= self.moderate_gap:
            # The image holds less than the noise that was to be removed.
            return True
        if self.frozen:
            return gap > self.prior.tolerance or deviation <= self.accept_within
        at_rest = abs(self.solver.weight / weight_before - 1) <= self.rest
        return at_rest and gap <= self.moderate_gap and deviation <= self.freeze_within

    def shrink_step(self, factor: float) -> None:
        """Shorten the steps of the solver."""
        self.solver.shrink_step(factor)

    def findings(self) -> dict[str, Any]:
        """λ, the residual that it was chosen for, and the weight of colour."""
        return {
            "weight": self.weight,
            "residual_wanted": self.residual_wanted,
            "chroma": self.prior.colour_weight,
        }


def expected_residual(problem: Problem) -> float:
    """The root mean square of A x − y at the true image: the noise in y, or the rounding error of 8-bit images."""
    return max(problem.noise_rms(), QUANTISATION * problem.largest_contrast)


def _residual_wanted(prior: PenaltyPrior, problem: Problem) -> float | None:
    """The root mean square of A x − y by which λ is chosen, or None where it is not chosen by that."""
    if prior.weight is not None or isinstance(problem.data_term, L1 | Huber | Quantised):
        return None
    return prior.discrepancy * expected_residual(problem)


def _first_weight(prior: PenaltyPrior, problem: Problem, residual: float | None) -> float:
    """λ as given, as the rule of the data term has it, or a first guess from the noise level."""
    if prior.weight is not None:
        return prior.weight
    term = problem.data_term
    if isinstance(term, Quantised):
        return QUANTISED_WEIGHT / expected_residual(problem)
    if residual is None:
        coupled = problem.reference_shape[1] if prior.coupling == "vectorial" else 1
        slope = term.delta if isinstance(term, Huber) else 1.0
        return ROBUST_WEIGHT * slope * math.sqrt(coupled)
    # Divided by the curvature of the data term at the measurement.
    if isinstance(term, Gaussian):
        return residual / term.sigma**2
    return 1 / residual
