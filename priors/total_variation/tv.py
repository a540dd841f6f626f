"""Total variation: images whose gradient is zero almost everywhere, and large at their edges."""

from __future__ import annotations

import math
from abc import abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from zeroshot.checks import require_number, require_positive
from zeroshot.data_terms import Gaussian
from zeroshot.loop import Loop
from zeroshot.operators.identity import Identity
from zeroshot.priors.total_variation.convex import Solver, expected_residual
from zeroshot.priors.total_variation.renewal import SteeredPenaltyPrior
from zeroshot.priors.total_variation.volume import VolumeTotalVariation
from zeroshot.problem import Problem
from zeroshot.solvers.finite_differences import Coupling, Kind, TotalVariationNorm
from zeroshot.solvers.penalties import CurvaturePenalty, GradientPenalty, Penalty, PenaltySum
from zeroshot.solvers.rof import RudinOsherFatemi

#: Bytes for every value of the image that the general scheme takes, and that with first and second differences, see
#: benchmarks/large_images.py.
_OF_GENERAL_SCHEME, _OF_TWO_PARTS = 160, 290
#: α of Huber's function in units of the noise level, see `HuberTotalVariation`.
SMOOTHING = 0.1


@dataclass(frozen=True)
class GradientPrior(SteeredPenaltyPrior):
    """The priors whose penalty is a norm of the gradient at each pixel, summed over the pixels.

    With `across` below 1 and `curvature` above 0 it is Σ h(‖(S ∇x)ᵢ‖) + β Σ ‖(∇²x)ᵢ‖. S weakens the gradient
    across the edges of the best image known, so that what is missing goes on along them, and the second
    differences join scattered pixels by slopes rather than by plateaus.

    Parameters
    ----------
    weight, coupling, chroma, discrepancy, iterations, tolerance, block, updates, across
        See :class:`~zeroshot.priors.total_variation.renewal.SteeredPenaltyPrior`.
    kind : {"isotropic", "anisotropic"}
        The Euclidean length of the gradient, or the sum of the magnitudes of its components.
    curvature : float
        β, in pixels; `for_problem` sets 0.5 where pixels are missing, and 2 where colours are.

    References
    ----------
    K. Papafitsoros, C.-B. Schönlieb: A combined first and second order variational approach for image
    reconstruction, JMIV 48 (2014).
    """

    # Total variation alone leaves terraces and breaks lines in holes, and is below a biharmonic filling by up to 1 dB;
    # of colours it makes patches that are 1.7 dB below hints spread like heat. With these it is above both: see
    # benchmarks/classic.md.
    HOLES: ClassVar[Mapping[str, Any]] = {"across": 0.1, "curvature": 0.5}
    COLOURS: ClassVar[Mapping[str, Any]] = {"across": 0.03, "curvature": 2.0}

    bytes_per_value: ClassVar[int] = 110  # see benchmarks/large_images.py

    kind: Kind = "isotropic"
    curvature: float = 0.0

    def __post_init__(self) -> None:
        super().__post_init__()
        TotalVariationNorm(self.kind)
        require_number(self, "curvature")

    def memory(self, problem: Problem) -> int:
        """That of the accelerated scheme, or of the general one, which has more with a penalty of two parts."""
        if self.is_renewed or self.curvature:
            each = _OF_TWO_PARTS
        else:
            each = self.bytes_per_value if type(problem.operator) is Identity else _OF_GENERAL_SCHEME
        return each * math.prod(problem.reference_shape)

    @abstractmethod
    def norm(self, problem: Problem) -> TotalVariationNorm:
        """The norm of the gradient that is summed."""

    def penalty(self, problem: Problem, estimate: torch.Tensor) -> Penalty:
        """R for images of the shape of `estimate`."""
        steering = self.steering(problem, estimate)
        first = GradientPenalty(estimate, self.norm(problem), self.colour_weight, steering)
        if self.curvature == 0:
            return first
        second = CurvaturePenalty(estimate, self.curvature, self.coupling, self.colour_weight)
        return PenaltySum(estimate, [first, second])

    def solver(self, problem: Problem, measured: torch.Tensor | None, weight: float) -> Solver:
        """The accelerated scheme for Gaussian denoising of whole images, else the general one."""
        term = problem.data_term
        plain = not self.is_renewed and self.curvature == 0
        if plain and type(problem.operator) is Identity and isinstance(term, Gaussian) and measured is None:
            return RudinOsherFatemi(problem.y, self.norm(problem), weight, term.sigma, self.colour_weight)
        return super().solver(problem, measured, weight)

    def trial(self, problem: Problem, chroma: float) -> torch.Tensor:
        """That of total variation, which serves every kind."""
        return approximate_solution(problem, chroma)


@dataclass(frozen=True)
class TotalVariation(GradientPrior):
    """min over x in [0, 1]ⁿ of Σ d(A x, y) + λ TV(x), with a certificate of how near the minimum is.

    It is solved for any linear operator by the primal-dual hybrid gradient scheme. Denoising with the
    Gaussian data term uses its accelerated form, without the box; there the image is clipped to [0, 1]
    afterwards.

    In demosaicking it weighs all directions alike. Fine stripes, which a mosaic samples at their limit, are left with
    zippers by that, so that on Kodak's pictures it ends 0.2 dB below Menon's method, which first decides along which
    direction to interpolate; ``pnp`` is 2 dB above that.

    Parameters
    ----------
    weight, kind, across, curvature, updates, coupling, chroma, discrepancy, iterations, tolerance, block
        See :class:`GradientPrior`. At the residual of the true image total variation smooths too much, which
        is why the default `discrepancy` is below 1 (see ``benchmarks/classic.md``).

    References
    ----------
    L. I. Rudin, S. Osher, E. Fatemi: Nonlinear total variation based noise removal algorithms, Physica D 60
    (1992). A. Chambolle, T. Pock: A first-order primal-dual algorithm for convex problems with applications
    to imaging, JMIV 40 (2011).
    """

    name: ClassVar[str] = "tv"
    summary: ClassVar[str] = (
        "total variation: sharp edges, flat in between; convex, seconds, any linear damage"
    )

    def norm(self, problem: Problem) -> TotalVariationNorm:
        """The norm that is not smoothed."""
        return TotalVariationNorm(self.kind, self.coupling)

    def volume_denoiser(self, spacing: float = 1.0) -> VolumeTotalVariation:
        """Total variation over three axes."""
        if self.is_renewed or self.curvature:
            raise ValueError(
                "across and curvature are settings for planes: total variation of volumes has neither"
            )
        if self.coupling == "channels":
            raise ValueError("coupling 'channels' is for planes: the channels of a volume share their edges")
        return VolumeTotalVariation(
            self.weight,
            self.kind,
            1.0 if self.chroma is None else self.chroma,
            self.discrepancy,
            self.iterations,
            self.tolerance,
            self.block,
            spacing,
        )


@dataclass(frozen=True)
class HuberTotalVariation(GradientPrior):
    """min over x in [0, 1]ⁿ of Σ d(A x, y) + λ Σ h(‖(∇x)ᵢ‖), h(t) = t²/(2α) up to α and t − α/2 beyond.

    Slopes below α are smoothed as by a quadratic penalty, so that shading does not break up into the
    terraces of total variation; edges above it are kept.

    Parameters
    ----------
    weight, kind, across, curvature, updates, coupling, chroma, discrepancy, iterations, tolerance, block
        See :class:`GradientPrior`.
    smoothing : float or None
        α, the difference between neighbouring pixels on the [0, 1] scale. None takes 0.1 times the noise level
        σ as the discrepancy principle knows it.

    References
    ----------
    P. J. Huber: Robust regression, Annals of Statistics 1 (1973). A. Chambolle, T. Pock: A first-order
    primal-dual algorithm for convex problems with applications to imaging, JMIV 40 (2011), section 6.2.2.
    """

    name: ClassVar[str] = "huber_tv"
    summary: ClassVar[str] = (
        "Huber total variation: sharp edges, smooth shading without terraces; convex, seconds, any linear damage"
    )

    smoothing: float | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        require_positive(self, "smoothing", none="allowed")

    def norm(self, problem: Problem) -> TotalVariationNorm:
        """The norm with its smoothing, from the noise level where none is given."""
        alpha = self.smoothing
        if alpha is None:
            alpha = SMOOTHING * expected_residual(problem)
        return TotalVariationNorm(self.kind, self.coupling, alpha)


def approximate_solution(
    problem: Problem, chroma: float, coupling: Coupling = "vectorial", iterations: int = 300
) -> torch.Tensor:
    """The total variation solution within 1 % of the minimum, (N, C, H, W), or what `iterations` come to."""
    prior = TotalVariation(coupling=coupling, chroma=chroma, tolerance=1e-2, iterations=iterations)
    # The run draws nothing at random, as `chroma` is given.
    return Loop(problem, prior, generator=torch.Generator()).complete().result()
