"""Total variation: images whose gradient is zero almost everywhere, and large at their edges."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar, Protocol

import torch

from zeroshot.data_terms import L1, DataTerm, Gaussian, Huber, Poisson
from zeroshot.operators.identity import Identity
from zeroshot.prior import Estimate, Prior, Run, require_known_settings
from zeroshot.solvers.finite_differences import Coupling, Kind, TotalVariationNorm
from zeroshot.solvers.pdhg import PrimalDualHybridGradient
from zeroshot.solvers.rof import RudinOsherFatemi

if TYPE_CHECKING:
    from zeroshot.problem import Problem
    from zeroshot.stopping import StoppingRule

#: The rounding error of 8-bit images, half a grey level wide on either side: no residual is asked to be
#: smaller.
QUANTISATION = 0.5 / 255 / math.sqrt(3)
#: λ over the largest slope of the data term and √(channels under one norm), where there is no noise level to
#: choose it by. An isolated wrong pixel goes where λ exceeds 1/(2 + √2) ≈ 0.3.
ROBUST_WEIGHT = 0.58
#: `chroma` by task: colour edges are dear where noise or missing colours would make false ones.
CHROMA = {"denoise": 3.0, "demosaic": 3.0, "deblur": 2.0, "colorize": 5.0}


@dataclass(frozen=True)
class TotalVariation(Prior):
    """min over x in [0, 1]ⁿ of Σ d(A x, y) + λ TV(x), with a certificate of how near the minimum is.

    The sum goes over the measured values; for the Gaussian data term it is ½‖A x − y‖² / σ². It is solved for
    any linear operator by the primal-dual hybrid gradient scheme. Denoising with the Gaussian data term goes
    by its accelerated form, without the box; there the image is clipped to [0, 1] afterwards. The images of a
    batch share λ and are solved as one.

    Each estimate carries the relative duality gap, (objective − lower bound) / objective, an upper bound of
    how much the objective could still fall; it is None as long as λ is being looked for.

    Parameters
    ----------
    weight : float or None
        λ, in the units of the sum above: with the default Gaussian data term on images in [0, 1], 0.05 to
        0.15 for strong noise. None chooses it: with Gaussian and Poisson data terms by the discrepancy
        principle, such that RMS(A x − y) over the measured values is `discrepancy` · σ. There σ is the
        problem's noise level, else estimated from y, and never less than the rounding error of 8-bit images
        (half a grey level / √3); with the Poisson data term it is the root mean square of what the noise law
        predicts, √(gain · y + readout²). With the L1 and Huber data terms, which do not tell noise from
        outliers by their level, None means 0.58 times the largest slope of the data term (1 for L1, δ for
        Huber), times √3 where three channels share one norm.
    kind : {"isotropic", "anisotropic"}
        The Euclidean length of the gradient, or the sum of the magnitudes of its components.
    coupling : {"vectorial", "channels"}
        One norm for the gradients of all channels together, or each channel on its own.
    chroma : float
        TV is taken of the image whose channels are moved away from their mean by this factor, so that edges in
        colour cost more than edges in brightness (Condat, Mosaddegh, ICIP 2012); 1 leaves it as it is.
        `for_problem` sets it by task. On four crops of McMaster 3 instead of 1 gained 1.7 dB in denoising
        (σ = 25/255) and 9 dB in noise-free demosaicking.
    discrepancy : float
        The residual asked for, in units of σ, where the weight is chosen. Below 1, because at the residual of
        the true image total variation smooths too much: the default gained 0.55, 0.8 and 0.9 dB over 1 in the
        mean of Set12 at σ = 10, 25 and 50 (``python benchmarks/tv.py --discrepancy 0.9 0.925 0.95 1``).
    iterations : int
        The most elementary iterations.
    tolerance : float
        The relative duality gap at which the default stopping rule is satisfied.
    block : int
        Elementary iterations per step of the run.

    References
    ----------
    L. I. Rudin, S. Osher, E. Fatemi: Nonlinear total variation based noise removal algorithms, Physica D 60
    (1992). A. Chambolle, T. Pock: A first-order primal-dual algorithm for convex problems with applications
    to imaging, JMIV 40 (2011). V. A. Morozov: On the solution of functional equations by the method of
    regularization, Soviet Math. Dokl. 7 (1966), for the discrepancy principle.
    """

    name: ClassVar[str] = "tv"
    summary: ClassVar[str] = (
        "total variation: sharp edges, flat in between; convex, seconds, any linear damage"
    )

    weight: float | None = None
    kind: Kind = "isotropic"
    coupling: Coupling = "vectorial"
    chroma: float = 1.0
    discrepancy: float = 0.925
    iterations: int = 2000
    tolerance: float = 1e-3
    block: int = 10

    def __post_init__(self) -> None:
        TotalVariationNorm(self.kind, self.coupling)
        for name in ("weight", "chroma", "discrepancy", "tolerance"):
            value = getattr(self, name)
            if name == "weight" and value is None:
                continue
            if not (_is_number(value) and 0 < value < math.inf):
                raise ValueError(f"{name} must be a positive number, got {value!r}")
        for name in ("iterations", "block"):
            value = getattr(self, name)
            if not isinstance(value, int) or isinstance(value, bool) or value < 1:
                raise ValueError(f"{name} must be a whole number of at least 1, got {value!r}")

    @classmethod
    def for_problem(cls, problem: Problem, **settings: Any) -> TotalVariation:
        """The defaults of the problem's task, with `settings` put over them.

        Only `chroma` depends on it: 3 in denoising and wherever fewer channels are measured than looked for,
        2 in deblurring, 5 in colorization, else 1.
        """
        require_known_settings(cls, settings)
        fewer = problem.y.shape[1] < problem.reference_shape[1]
        return cls(**{"chroma": CHROMA.get(problem.task, 3.0 if fewer else 1.0), **settings})

    def supports(self, problem: Problem) -> str | None:
        """None for linear operators and data terms with a known conjugate."""
        if not problem.operator.linear:
            return f"total variation needs a linear operator, and {problem.operator.describe()} is not"
        if type(problem.data_term).conjugate is DataTerm.conjugate:
            name = type(problem.data_term).__name__
            return f"total variation needs a data term with a conjugate, and {name} has none"
        return None

    def start(self, problem: Problem, generator: torch.Generator) -> TotalVariationRun:
        """Begin a run; it uses no randomness."""
        reason = self.supports(problem)
        if reason is not None:
            raise ValueError(reason)
        return TotalVariationRun(self, problem)

    def default_stopping(self, problem: Problem) -> StoppingRule:
        """The duality gap within `tolerance`, or `iterations` made."""
        from zeroshot.stopping import DualityGap, MaxIterations

        return DualityGap(self.tolerance) | MaxIterations(self.iterations)


class Solver(Protocol):
    """What a run asks of a scheme."""

    weight: float

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


class TotalVariationRun(Run):
    """Blocks of iterations, the duality gap after each, and the search for λ.

    While λ is looked for the solver lets it follow the residual. It is frozen once the residual is right
    within 1 %, λ has come to rest and the gap is moderate; if the residual of the solution then turns out to
    be off, the search goes on. The second half of the iterations is kept for a frozen λ.

    Attributes
    ----------
    residual_wanted : float or None
        The root mean square of A x − y that λ is chosen for; None where λ is given.
    """

    #: Relative error of the residual at which λ is frozen, and at which a solution is accepted.
    freeze_within, accept_within = 0.01, 0.015
    #: Relative change of λ over a block, and relative gap, at which λ is frozen.
    rest, moderate_gap = 0.02, 0.03

    def __init__(self, prior: TotalVariation, problem: Problem) -> None:
        self.device = problem.y.device
        self.prior = prior
        self._measured = _counted(problem)
        self.residual_wanted = _residual_wanted(prior, problem, self._measured)
        self._solver = _solver(
            prior, problem, self._measured, _first_weight(prior, problem, self.residual_wanted)
        )
        self._frozen = self.residual_wanted is None
        self._iteration = 0
        self._tiny = 1e-9 * problem.y.numel()

    @property
    def weight(self) -> float:
        """λ: as given, or as found so far."""
        return self._solver.weight

    @property
    def unclipped(self) -> torch.Tensor:
        """The newest image before it is clipped to [0, 1]: the one that the objective belongs to."""
        return self._solver.unclipped

    def step(self) -> Estimate:
        """Make a block of iterations."""
        before = self._solver.weight
        count = max(1, min(self.prior.block, self.prior.iterations - self._iteration))
        self._solver.advance(count, None if self._frozen else self.residual_wanted)
        self._iteration += count
        objective, bound = self._solver.evaluate()
        gap = max(objective - bound, 0.0) / max(abs(objective), self._tiny)
        if self.residual_wanted is not None and 2 * self._iteration <= self.prior.iterations:
            self._frozen = self._settled(before, gap)
        elif self.residual_wanted is not None:
            self._frozen = True
        return Estimate(self._solver.image, objective, self._iteration, gap=gap if self._frozen else None)

    def _settled(self, weight_before: float, gap: float) -> bool:
        """Whether λ may stay as it is."""
        assert self.residual_wanted is not None
        deviation = abs(self._solver.residual / self.residual_wanted - 1)
        if self._frozen:
            return gap > self.prior.tolerance or deviation <= self.accept_within
        at_rest = abs(self._solver.weight / weight_before - 1) <= self.rest
        return at_rest and gap <= self.moderate_gap and deviation <= self.freeze_within

    def shrink_step(self, factor: float) -> None:
        """Shorten the steps of the solver."""
        self._solver.shrink_step(factor)

    def state_dict(self) -> dict[str, Any]:
        """The solver's variables, the iteration, and whether λ is frozen."""
        return {"solver": self._solver.state_dict(), "iteration": self._iteration, "frozen": self._frozen}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        self._solver.load_state_dict(state["solver"])
        self._iteration, self._frozen = state["iteration"], state["frozen"]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _counted(problem: Problem) -> torch.Tensor | None:
    """1 at the measurements that enter the data term, of y's shape; None: all."""
    if problem.measured is None and problem.held_out is None:
        return None
    counted = torch.ones_like(problem.y)
    if problem.measured is not None:
        counted *= problem.measured > 0.5
    if problem.held_out is not None:
        counted *= problem.held_out < 0.5
    return None if bool(counted.all()) else counted


def _residual_wanted(prior: TotalVariation, problem: Problem, measured: torch.Tensor | None) -> float | None:
    """The root mean square of A x − y by which λ is chosen, or None where it is not chosen by that."""
    term = problem.data_term
    if prior.weight is not None or isinstance(term, L1 | Huber):
        return None
    if isinstance(term, Poisson):
        variance = (term.gain * problem.y + term.readout**2).clamp(min=0)
        counted = torch.ones_like(variance) if measured is None else measured
        sigma = math.sqrt((variance * counted).sum(dtype=torch.float64).item() / max(counted.sum().item(), 1))
    elif problem.sigma is not None:
        sigma = problem.sigma
    else:
        from zeroshot.noise import estimate_sigma

        sigma = estimate_sigma(problem.y, problem.measured)
    return prior.discrepancy * max(sigma, QUANTISATION)


def _first_weight(prior: TotalVariation, problem: Problem, residual: float | None) -> float:
    """λ as given, as the rule of the data term has it, or a first guess from the noise level."""
    if prior.weight is not None:
        return prior.weight
    term = problem.data_term
    if residual is None:
        coupled = problem.reference_shape[1] if prior.coupling == "vectorial" else 1
        slope = term.delta if isinstance(term, Huber) else 1.0
        return ROBUST_WEIGHT * slope * math.sqrt(coupled)
    # Divided by the curvature of the data term at the measurement.
    if isinstance(term, Gaussian):
        return residual / term.sigma**2
    return 1 / residual


def _solver(
    prior: TotalVariation, problem: Problem, measured: torch.Tensor | None, weight: float
) -> RudinOsherFatemi | PrimalDualHybridGradient:
    norm = TotalVariationNorm(prior.kind, prior.coupling)
    term = problem.data_term
    if type(problem.operator) is Identity and isinstance(term, Gaussian) and measured is None:
        return RudinOsherFatemi(problem.y, norm, weight, term.sigma, prior.chroma)
    return PrimalDualHybridGradient(
        problem.operator, problem.y, term, norm, problem.initial(), weight, measured, prior.chroma
    )
