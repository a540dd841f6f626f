"""Wiener's filter for a known blur: the likeliest image if its spectrum is a power law, from whatever was measured."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch.nn import functional

from zeroshot.checks import require_number, require_positive, require_whole
from zeroshot.colour import opponent_axes
from zeroshot.data_terms import Poisson
from zeroshot.estimate import Estimate
from zeroshot.noise import spectrum
from zeroshot.operators import fill_holes
from zeroshot.operators.blurring import Blurring
from zeroshot.prior import CleanRun, Prior, Run
from zeroshot.priors.deconvolution.blurs import reason_against
from zeroshot.priors.deconvolution.power_law import PowerLaw, fitted_power_law
from zeroshot.priors.total_variation.convex import expected_residual
from zeroshot.problem import Problem
from zeroshot.solvers.conjugate_gradients import conjugate_gradients
from zeroshot.stopping import Finished, StoppingRule

#: Pixels over which opposite edges of the picture are joined, so that the transform may take it for periodic.
_JOINT = 16
#: The largest prime factor of the sides of what is transformed.
_LARGEST_FACTOR = 5
#: The least and the largest penalty of a frequency, where what is measured has the weight 1: more than single
#: precision tells apart.
_PENALTIES = (1e-6, 1e2)
#: The least noise level, relative to the contrast, that keeps the system solvable.
_LEAST_NOISE = 1e-3


@dataclass(frozen=True)
class Wiener(Prior):
    """``min over x of ‖W (A x − y)‖² + Σ (σ²/S(f) + ε) |X(f)|²`` with S(f) = c |f|^−α; c, α and ε found in the picture.

    X is the transform of the image in opponent colours, each with a spectrum of its own; ε S is the power of what the
    kernel gets wrong. Where everything is measured
    and the blur is periodic the minimum is the filter of Wiener, ``X = K̄ Y / (|K|² + σ²/S + ε)``. It is sought by
    conjugate gradients, which that filter preconditions, so that what lies beyond the edge is restored with the
    picture, values that are clipped, hidden or left out are no measurements, and the blur may change over the field.
    Noise of a known spectrum is weighed by it, and that of photons by its variance.

    A Gaussian prior knows no edges: these ring where the noise is strong, and flat parts keep some of it.

    Parameters
    ----------
    exponent : float or None
        α, from 0 to 5; None finds it, between 1 and 3, by likelihood.
    weight : float
        What the second sum is multiplied by: more makes the image smoother.
    iterations : int
        The most iterations of conjugate gradients.
    tolerance : float
        Relative residual at which they end.

    References
    ----------
    N. Wiener: Extrapolation, Interpolation, and Smoothing of Stationary Time Series, 1949. B. R. Hunt: The application
    of constrained least squares estimation to image restoration by digital computer, IEEE Transactions on Computers
    (1973). S. J. Reeves: Fast image restoration without boundary artifacts, IEEE Transactions on Image Processing 14
    (2005), for the margin.
    """

    name: ClassVar[str] = "wiener"
    summary: ClassVar[str] = (
        "Wiener's filter for a known blur, with a power law for the spectrum, by conjugate gradients"
    )
    bytes_per_value: ClassVar[int] = 200
    #: Whether the noise level is found with the spectrum, rather than taken from the problem.
    finds_noise: ClassVar[bool] = False

    exponent: float | None = None
    weight: float = 1.0
    iterations: int = 30
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        require_number(self, "exponent", none="allowed", most=5.0)
        require_positive(self, "weight", "tolerance")
        require_whole(self, "iterations")

    def supports(self, problem: Problem) -> str | None:
        """None for blurs with Gaussian or Poisson noise."""
        return reason_against(self.name, problem)

    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        """The run; nothing is random."""
        return CleanRun(problem) if problem.is_clean else WienerRun(self, problem)

    def default_stopping(self, problem: Problem) -> StoppingRule:
        """None: the one step ends at the minimum."""
        return Finished()


@dataclass(frozen=True)
class UnsupervisedWiener(Wiener):
    """The same as :class:`Wiener` with a noise level that is found with the spectrum, whatever the problem says of it.

    Level and spectrum are those under which the measurement is likeliest, the image being integrated out. Where the
    kernel is somewhat wrong the level contains what that makes of the picture.

    Parameters
    ----------
    exponent, weight, iterations, tolerance
        As for :class:`Wiener`.

    References
    ----------
    F. Orieux, J.-F. Giovannelli, T. Rodet: Bayesian estimation of regularization and point spread function parameters
    for Wiener–Hunt deconvolution, JOSA A 27 (2010), who sample what is maximised here.
    """

    name: ClassVar[str] = "unsupervised_wiener"
    summary: ClassVar[str] = "Wiener's filter that finds the noise level with the spectrum, in the picture"
    finds_noise: ClassVar[bool] = True


class WienerRun(Run):
    """One step, which solves the system for every image of the batch by itself."""

    state = ("image", "iteration")

    def __init__(self, prior: Wiener, problem: Problem) -> None:
        assert isinstance(problem.operator, Blurring)
        self.prior, self.problem, self.operator = prior, problem, problem.operator
        self.device, self.iteration = problem.y.device, 0
        self._measured = problem.counted()
        y = problem.y if self._measured is None else fill_holes(problem.y, self._measured)
        self._mean = y.mean(dim=(2, 3), keepdim=True)
        self._filled = y
        self._bands = _noise_bands(problem)
        self._laws = self._fitted(y - self._mean)
        self._precision = self._relative_precision()
        self.image = self.operator.initial(y)

    @property
    def finished(self) -> bool:
        """After the one step."""
        return self.iteration > 0

    def _fitted(self, y: torch.Tensor) -> list[PowerLaw]:
        """The spectra of every image in opponent colours, with the variance of its noise."""
        axes = opponent_axes(y.shape[1]).to(y)
        least = _LEAST_NOISE * float(self.problem.largest_contrast)
        known = max(expected_residual(self.problem), least)
        laws = []
        for image in y:
            planes = torch.einsum("kc,chw->khw", axes, image)
            noise = None if self.prior.finds_noise else torch.full((len(planes),), known**2)
            response = _response(self.operator, image)
            laws.append(fitted_power_law(planes, response, noise, self.prior.exponent, self._bands))
        return laws

    def _relative_precision(self) -> torch.Tensor | None:
        """The inverse variance of every value, in units of the mean one, 0 where nothing was measured; None: 1."""
        term, precision = self.problem.data_term, None
        if isinstance(term, Poisson):
            light = functional.avg_pool2d(self._filled, 5, 1, 2, count_include_pad=False).clamp(min=0)
            variance = (term.gain * light + term.readout**2).clamp(min=_LEAST_NOISE**2)
            precision = variance.mean(dim=(1, 2, 3), keepdim=True) / variance
        if self._measured is None:
            return precision
        return self._measured if precision is None else precision * self._measured

    @torch.no_grad()
    def step(self) -> Estimate:
        """Solve (Aᵀ Q A + σ²/S + ε) x = Aᵀ Q y on a canvas that is larger than the image."""
        height, width = self.problem.reference_shape[-2:]
        canvas = (_transformable(height + _JOINT), _transformable(width + _JOINT))
        penalty = self._penalty(canvas)
        axes = opponent_axes(self._mean.shape[1]).to(self._mean)
        gain = _normal_spectrum(self.operator, (height, width), canvas, self._mean)
        beyond = (0, canvas[1] - width, 0, canvas[0] - height)

        def filtered(values: torch.Tensor, gains: torch.Tensor) -> torch.Tensor:
            spectra = torch.fft.rfft2(torch.einsum("kc,nchw->nkhw", axes, values)) * gains
            return torch.einsum("kc,nkhw->nchw", axes, torch.fft.irfft2(spectra, s=canvas))

        def back(residual: torch.Tensor) -> torch.Tensor:
            return functional.pad(self.operator.adjoint(self._weighed(residual)), beyond)

        def apply(values: torch.Tensor) -> torch.Tensor:
            seen = self.operator(values[..., :height, :width].contiguous())
            return back(seen) + filtered(values, penalty)

        inverse = 1 / (gain + penalty)
        solution = conjugate_gradients(
            apply,
            back(self._filled - self._mean),
            _closed(self.image - self._mean, canvas),
            iterations=self.prior.iterations,
            tolerance=self.prior.tolerance,
            precondition=lambda residual: filtered(residual, inverse),
        )
        self.image = solution[..., :height, :width] + self._mean
        self.iteration += 1
        loss, residual = self.problem.loss(self.image).item(), self.problem.residual(self.image)
        # What clipped highlights show is brighter than white, and so may be what is around them.
        return Estimate(self.image.clamp(0, 1), loss, self.iteration, residual=residual)

    def _penalty(self, canvas: tuple[int, int]) -> torch.Tensor:
        """σ²/S + ε of every image and opponent colour on the half plane of the transform."""
        penalties = [law.noise_to_signal(*canvas) for law in self._laws]
        return (self.prior.weight * torch.stack(penalties)).clamp(*_PENALTIES).to(self._mean)

    def _weighed(self, residual: torch.Tensor) -> torch.Tensor:
        """Q r: by the precision of every value, and of every frequency where the noise has a spectrum."""
        if self._precision is not None:
            residual = residual * self._precision.sqrt()
        if self._bands is not None:
            gains = 1 / spectrum.over_fft(self._bands[None], *residual.shape[-2:]).clamp(min=1e-2)
            residual = spectrum.filtered(residual, gains.to(residual))
        return residual if self._precision is None else residual * self._precision.sqrt()

    def findings(self) -> dict[str, Any]:
        """α and ε of the first image, brightness first, and the largest noise level."""
        return {
            "exponent": [round(float(value), 3) for value in self._laws[0].exponent],
            "misfit": [round(float(value), 6) for value in self._laws[0].misfit],
            "sigma": max(math.sqrt(float(law.noise.max())) for law in self._laws),
        }


def _noise_bands(problem: Problem) -> torch.Tensor | None:
    """The spectrum of the noise, (F, F), averaged over the colours; None where it is white."""
    model = problem.coloured_noise()
    if model is None or model.spectra is None:
        return None
    if model.powers is None or len(model.spectra) == 1:
        return model.spectra.mean(dim=0)
    return spectrum.normalised(torch.einsum("k,kij->ij", model.powers, model.spectra))


def _response(operator: Blurring, image: torch.Tensor) -> torch.Tensor:
    """The kernel in the middle of the field, (h, w)."""
    size = [4 * side + 1 for side in operator.radius]
    whole = operator.input_shape((1, 1, *image.shape[-2:]))
    point = image.new_zeros(whole)
    point[..., whole[-2] // 2, whole[-1] // 2] = 1
    seen = operator(point)[0, 0]
    top, left = (max(0, (side - part) // 2) for side, part in zip(seen.shape, size, strict=True))
    return seen[top : top + size[0], left : left + size[1]]


def _normal_spectrum(
    operator: Blurring, size: tuple[int, int], canvas: tuple[int, int], like: torch.Tensor
) -> torch.Tensor:
    """The eigenvalues of the circulant matrix near AᵀA, on the half plane of :func:`torch.fft.rfft2` of the canvas."""
    place = (size[0] // 2, size[1] // 2)
    impulse = like.new_zeros((1, 1, *size))
    impulse[..., place[0], place[1]] = 1
    response = like.new_zeros((1, 1, *canvas))
    response[..., : size[0], : size[1]] = operator.adjoint(operator(impulse))
    centred = response.roll((-place[0], -place[1]), dims=(-2, -1))
    return torch.fft.rfft2(centred).real.clamp(min=0)


def _closed(image: torch.Tensor, canvas: tuple[int, int]) -> torch.Tensor:
    """The image on a canvas beyond its right and lower edges, where its opposite edges go over into each other."""
    for axis, size in zip((-2, -1), canvas, strict=True):
        length = image.shape[axis]
        shares = torch.arange(1, size - length + 1, device=image.device) / (size - length + 1)
        shares = shares.to(image).view(-1, *[1] * (-1 - axis))
        joint = torch.lerp(image.narrow(axis, length - 1, 1), image.narrow(axis, 0, 1), shares)
        image = torch.cat([image, joint], dim=axis)
    return image


def _transformable(size: int) -> int:
    """The least number from `size` on without a prime factor above 5."""
    while True:
        rest = size
        for factor in range(2, _LARGEST_FACTOR + 1):
            while rest % factor == 0:
                rest //= factor
        if rest == 1:
            return size
        size += 1
