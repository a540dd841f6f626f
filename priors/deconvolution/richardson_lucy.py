"""The iteration of Richardson and Lucy: multiplicative, so that what is positive stays positive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar, Literal, get_args

import torch

from zeroshot.checks import require_choice, require_number, require_positive, require_whole
from zeroshot.data_terms import Poisson
from zeroshot.estimate import Estimate
from zeroshot.operators import fill_holes
from zeroshot.operators.blurring import Blurring
from zeroshot.prior import CleanRun, Prior, Run
from zeroshot.priors.deconvolution.blurs import reason_against
from zeroshot.priors.total_variation.convex import expected_residual
from zeroshot.problem import Problem
from zeroshot.solvers.finite_differences import TotalVariationNorm, divergence, gradient
from zeroshot.stopping import Discrepancy, MaxIterations, StoppingRule

Acceleration = Literal["vector", "none"]
#: `tv` in units of the noise level relative to the mean brightness, where it is not given.
TV_OF_NOISE = 0.125
#: The most that it may be: the divergence of unit vectors is at most 4, and 1 − λ div is to stay positive.
MOST_TV = 0.2
#: What stands for black, relative to the mean: 0 would stay 0 for ever.
BLACK = 1e-4
#: Gradients below this, relative to the mean, have no direction.
FLAT = 1e-3


@dataclass(frozen=True)
class RichardsonLucy(Prior):
    """x ← x · Aᵀ(w y / A x) / Aᵀw · 1 / (1 − λ div(∇x/‖∇x‖)), from the measurement on.

    It climbs to the image x ≥ 0 under which the photons y, counted where w is 1, are likeliest, and is stopped before
    it fits their noise. Aᵀw is how much of each pixel was seen: those beyond the edge, which few measurements show,
    are restored with the others, and values that are clipped or left out are no measurements. λ weighs total
    variation. Readout noise r of photons of the size g is reckoned with by r²/g more light on both sides of the ratio.

    The vector acceleration goes on along the last change before each update, as far as the last two updates agree.

    Nothing becomes negative; noise makes grains where λ is small.

    Parameters
    ----------
    tv : float or None
        λ, from 0, the plain iteration, to 0.2; None takes an eighth of the ratio of the
        noise level to the mean brightness.
    acceleration : {"vector", "none"}
        Whether updates are extrapolated.
    discrepancy : float
        The default rule stops where RMS(A x − y) is `discrepancy` times the noise level, where that is known.
    iterations : int
        The most iterations; the number of them without a noise level.

    References
    ----------
    W. H. Richardson: Bayesian-based iterative method of image restoration, JOSA 62 (1972). L. B. Lucy: An iterative
    technique for the rectification of observed distributions, Astronomical Journal 79 (1974). D. S. C. Biggs, M.
    Andrews: Acceleration of iterative image restoration algorithms, Applied Optics 36 (1997). N. Dey et al.:
    Richardson–Lucy algorithm with total variation regularization for 3D confocal microscope deconvolution, Microscopy
    Research and Technique 69 (2006). M. Bertero, P. Boccacci: A simple method for the reduction of boundary effects
    in the Richardson–Lucy approach to image deconvolution, Astronomy & Astrophysics 437 (2005), for the margin.
    """

    name: ClassVar[str] = "richardson_lucy"
    summary: ClassVar[str] = (
        "Richardson–Lucy for a known blur, with total variation, accelerated; stops at the noise"
    )
    bytes_per_value: ClassVar[int] = 80

    tv: float | None = None
    acceleration: Acceleration = "vector"
    discrepancy: float = 1.0
    iterations: int = 100

    def __post_init__(self) -> None:
        require_number(self, "tv", none="allowed", most=MOST_TV)
        require_choice(self, "acceleration", get_args(Acceleration))
        require_positive(self, "discrepancy")
        require_whole(self, "iterations")

    def supports(self, problem: Problem) -> str | None:
        """None for blurs with Gaussian or Poisson noise."""
        return reason_against(self.name, problem)

    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        """The run; nothing is random."""
        return CleanRun(problem) if problem.is_clean else RichardsonLucyRun(self, problem)

    def default_stopping(self, problem: Problem) -> StoppingRule:
        """The discrepancy principle, or `iterations` made."""
        most = MaxIterations(self.iterations)
        return Discrepancy(self.discrepancy) | most if problem.sigma else most


class RichardsonLucyRun(Run):
    """An update a step, of every image of the batch by itself."""

    state = ("image", "before", "update", "update_before", "tv", "iteration")

    def __init__(self, prior: RichardsonLucy, problem: Problem) -> None:
        assert isinstance(problem.operator, Blurring)
        self.device = problem.y.device
        self.prior, self.problem, self.operator = prior, problem, problem.operator
        self.iteration = 0
        term = problem.data_term
        self._background = term.readout**2 / term.gain if isinstance(term, Poisson) else 0.0
        self._weight = problem.counted()
        weight = torch.ones_like(problem.y) if self._weight is None else self._weight
        filled = problem.y if self._weight is None else fill_holes(problem.y, weight)
        mean = filled.clamp(min=0).mean(dim=(1, 2, 3), keepdim=True)
        self._black = (BLACK * mean).clamp(min=1e-8)
        self._flat = FLAT * mean + 1e-8
        self._photons = (filled + self._background).clamp(min=0) * weight
        self._seen = self.operator.adjoint(weight)
        level = expected_residual(problem)
        chosen = (TV_OF_NOISE * level / mean.clamp(min=1e-8)).clamp(max=MOST_TV)
        self.tv = chosen if prior.tv is None else torch.full_like(chosen, prior.tv)
        self.image = torch.maximum(self.operator.initial(filled), self._black)
        self.before = self.image
        self.update = self.update_before = torch.zeros_like(self.image)

    @torch.no_grad()
    def step(self) -> Estimate:
        """One update."""
        point = self._extrapolated()
        image = torch.maximum(point * self._ratio(point) / self._roughness(point), self._black)
        self.update, self.update_before = image - point, self.update
        self.image, self.before = image, self.image
        self.iteration += 1
        # What clipped highlights show is brighter than white, and so may be what is around them.
        loss, residual = self.problem.loss(image).item(), self.problem.residual(image)
        return Estimate(image.clamp(max=1), loss, self.iteration, residual=residual)

    def _extrapolated(self) -> torch.Tensor:
        if self.prior.acceleration == "none" or self.iteration < 2:
            return self.image
        agreement = (self.update * self.update_before).sum(dim=(1, 2, 3), keepdim=True)
        size = self.update_before.square().sum(dim=(1, 2, 3), keepdim=True)
        share = torch.where(size > 0, agreement / size.clamp(min=1e-30), 0.0).clamp(0, 1)
        return torch.maximum(self.image + share * (self.image - self.before), self._black)

    def _ratio(self, image: torch.Tensor) -> torch.Tensor:
        """Aᵀ(w y / A x) / Aᵀw, and 1 where nothing was seen."""
        prediction = torch.maximum(self.operator(image) + self._background, self._black)
        back = self.operator.adjoint(self._photons / prediction)
        seen = self._seen > 1e-3
        return torch.where(seen, back / torch.where(seen, self._seen, 1.0), 1.0)

    def _roughness(self, image: torch.Tensor) -> torch.Tensor | float:
        """1 − λ div(∇x/‖∇x‖), with one norm over the channels."""
        if self.prior.tv == 0:
            return 1.0
        field = gradient(image)
        norm = TotalVariationNorm()
        length = norm.squared_norms(field, norm.scratch(field)).add_(self._flat.square()).sqrt_()
        return 1 - self.tv * divergence(field / length)

    def findings(self) -> dict[str, Any]:
        """The weight of total variation, the largest of the batch."""
        return {"tv": float(self.tv.max())}
