"""Wiener's filter: the linear estimate of a blurred image with the least expected error."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar, Literal, get_args

import torch
from torch.nn.functional import pad

from zeroshot.checks import require_choice, require_positive, require_whole
from zeroshot.colour import from_opponent, opponent_axes, to_opponent
from zeroshot.data_terms import Gaussian, Poisson
from zeroshot.estimate import Estimate
from zeroshot.noise import NoiseModel
from zeroshot.noise.spectrum import at_frequencies, filtered, over_fft
from zeroshot.operators import fill_holes
from zeroshot.operators.blur import Blur
from zeroshot.operators.window import Window
from zeroshot.prior import Prior, Run
from zeroshot.priors.deconvolution.spectrum import (
    Cosine,
    FittedSpectrum,
    Fourier,
    Transform,
    fitted_spectrum,
)
from zeroshot.priors.total_variation.convex import expected_residual
from zeroshot.problem import Problem
from zeroshot.solvers.conjugate_gradients import conjugate_gradients

Noise = Literal["told", "found"]


@dataclass(frozen=True)
class Wiener(Prior):
    """x = μ + S Aᵀ (A S Aᵀ + N)⁻¹ (y − A μ), the mean of x given y where both are normally distributed.

    It is the minimum of ‖A x − y‖² in the metric of the noise N plus ‖x − μ‖² in that of the power S of images,
    (AᵀN⁻¹A + S⁻¹)⁻¹ (AᵀN⁻¹y + S⁻¹μ). S falls as a power of the frequency, S(f) = c (|f|² + f₀²)^(−p/2), with the c and
    p of brightness and of colour under which the measurement is likeliest; p = 4 is the Laplacian's. N is the noise of
    the problem, with its spectrum and its dependence on the intensity.

    A circular blur has a closed form by Fourier transforms. All others are solved by conjugate gradients, which take
    the cosine transform for preconditioner: with what lies beyond the edge among the unknowns there is nothing to
    taper, and values that are clipped or left out are no measurements.

    Edges ring and flat areas keep some noise, as of every linear filter; `tv` and `pnp` are 1 to 2 dB better.

    Parameters
    ----------
    slope : float or None
        p; None finds it.
    strength : float
        What the variance of the noise is multiplied by: above 1 smoother, below 1 sharper.
    noise : {"told", "found"}
        The noise level of the problem, or the one under which the measurement is likeliest, the unsupervised filter.
    iterations : int
        The most iterations of conjugate gradients.
    tolerance : float
        Relative residual at which they end.

    References
    ----------
    N. Wiener: Extrapolation, Interpolation, and Smoothing of Stationary Time Series, MIT Press 1949. D. L. Ruderman, W.
    Bialek: Statistics of natural images, Physical Review Letters 73 (1994), for their spectrum. P. Whittle: Estimation
    and information in stationary time series, Arkiv för Matematik 2 (1953), for the likelihood. F. Orieux, J.-F.
    Giovannelli, T. Rodet: Bayesian estimation of regularization and point spread function parameters for
    Wiener–Hunt deconvolution, JOSA A 27 (2010), for finding the levels from the image.
    """

    name: ClassVar[str] = "wiener"
    summary: ClassVar[str] = (
        "Wiener's filter for a known blur, its levels from the image's own spectrum; a second"
    )
    bytes_per_value: ClassVar[int] = 120

    slope: float | None = None
    strength: float = 1.0
    noise: Noise = "told"
    iterations: int = 60
    tolerance: float = 1e-4

    def __post_init__(self) -> None:
        require_positive(self, "slope", none="allowed")
        require_positive(self, "strength", "tolerance")
        require_choice(self, "noise", get_args(Noise))
        require_whole(self, "iterations")

    def supports(self, problem: Problem) -> str | None:
        """None for blurs with Gaussian or Poisson noise."""
        if not isinstance(problem.operator, Blur):
            return f"{self.name} undoes a blur, and {problem.operator.describe()} is none; take tv or pnp"
        if not isinstance(problem.data_term, Gaussian | Poisson):
            term = type(problem.data_term).__name__
            return f"{self.name} is for Gaussian and Poisson noise, and not for the data term {term}"
        return None

    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        """The run, of one step; nothing is random."""
        return WienerRun(self, problem)


class WienerRun(Run):
    """The spectra are fitted at the start; the one step solves the linear system."""

    state = ("iteration", "image")

    def __init__(self, prior: Wiener, problem: Problem) -> None:
        assert isinstance(problem.operator, Blur)
        self.device = problem.y.device
        self.prior, self.problem, self.operator = prior, problem, problem.operator
        self.iteration = 0
        self.image = problem.initial()
        # A blur without a boundary is a part of a circular one of the image with its margin.
        is_circulant = self.operator.boundary in ("circular", "valid")
        self.transform: Transform = Fourier() if is_circulant else Cosine()
        self.weight = problem.counted()
        self.filled = problem.y if self.weight is None else fill_holes(problem.y, self.weight)
        self.mean = self.filled.mean(dim=(2, 3), keepdim=True)
        self.noise = MeasurementNoise(problem, self.filled)
        self.spectra = self._fit()
        rows = [[one.level for one in row] for row in self.spectra]
        self._levels = torch.tensor(rows, dtype=torch.float64)[..., None, None]

    def _fit(self) -> list[list[FittedSpectrum]]:
        """For every image and every plane, the spectrum; with one variance of the noise for the planes of an image."""
        height, width = self.problem.y.shape[-2:]
        # Photographs do not repeat.
        transform = Fourier() if self.operator.boundary == "circular" else Cosine()
        gain = transform.gain(self.operator.kernel, height, width)
        powers = transform.forward(to_opponent(self.filled - self.mean)).abs().square()
        noises = self.noise.power(transform, height, width)
        known = self.prior.noise == "told"
        return [
            [
                fitted_spectrum(plane, gain, noise, transform, self.prior.slope, known)
                for plane, noise in zip(image, noises, strict=True)
            ]
            for image in powers
        ]

    @property
    def finished(self) -> bool:
        """After its one step."""
        return self.iteration > 0

    @torch.no_grad()
    def step(self) -> Estimate:
        """The filtered image."""
        self._prepare()
        residual = self._counted(
            self.problem.y - self.operator(self.mean.expand(self.problem.reference_shape))
        )
        u = self._precondition(residual)
        if not self._is_diagonal:
            u = conjugate_gradients(
                self._covariance,
                residual,
                u,
                self.prior.iterations,
                self.prior.tolerance,
                precondition=self._precondition,
            )
        image = self.mean + self._smoothed(self.operator.adjoint(self._counted(u)))
        self.iteration += 1
        self.image = image.clamp(0, 1)
        return Estimate(self.image, self.problem.loss(self.image).item(), self.iteration)

    @property
    def _is_diagonal(self) -> bool:
        """Whether the transform makes A S Aᵀ + N diagonal."""
        return self.operator.boundary == "circular" and self.weight is None and self.noise.is_white

    def _power(self, height: int, width: int) -> torch.Tensor:
        """S, (N, C, height, width)."""
        shapes = [
            torch.stack([self.transform.power(height, width, one.slope) for one in row])
            for row in self.spectra
        ]
        return torch.stack(shapes) * self._levels

    def _prepare(self) -> None:
        """S, and the inverse of A S Aᵀ + N where A is taken for circular, or for one of mirror images."""
        y, (height, width) = self.problem.y, self.problem.reference_shape[-2:]
        variances = torch.tensor([[one.noise for one in row] for row in self.spectra], dtype=torch.float64)
        self._variance = self.prior.strength * variances.mean(dim=1)[:, None, None, None]
        signal = self._power(height, width)
        self._signal = signal.to(y)
        gain = self.transform.gain(self.operator.kernel, height, width)
        total = gain * signal + self._variance * self.noise.power(self.transform, height, width)
        self._inverse = total.reciprocal().to(y)
        self._variance = self._variance.to(y)

    def _smoothed(self, image: torch.Tensor) -> torch.Tensor:
        return from_opponent(self.transform.filtered(to_opponent(image), self._signal))

    def _counted(self, values: torch.Tensor) -> torch.Tensor:
        return values if self.weight is None else values * self.weight

    def _covariance(self, u: torch.Tensor) -> torch.Tensor:
        """(W (A S Aᵀ + N) W) u for the weights W of what is measured."""
        u = self._counted(u)
        image = self.operator(self._smoothed(self.operator.adjoint(u)))
        return self._counted(image + self._variance * self.noise(u))

    def _precondition(self, residual: torch.Tensor) -> torch.Tensor:
        rows, columns = self.operator.radius if self.operator.boundary == "valid" else (0, 0)
        # Of what lies beyond the edge nothing is left over.
        residual = pad(self._counted(residual), (columns, columns, rows, rows))
        whole = from_opponent(self.transform.filtered(to_opponent(residual), self._inverse))
        return self._counted(Window(rows, columns, *self.problem.y.shape[-2:]).of(whole))

    def findings(self) -> dict[str, Any]:
        """The noise level and the slope of the spectrum of every plane, of the first image."""
        first = self.spectra[0]
        variance = sum(one.noise for one in first) / len(first)
        return {
            "noise": self.noise.level * variance**0.5,
            "slopes": [one.slope for one in first],
            "levels": [one.level for one in first],
        }


class MeasurementNoise:
    """The covariance N of the noise in a measurement, as a map of images and as a power for every coefficient.

    Parameters
    ----------
    problem : Problem
        Whose noise it is.
    filled : torch.Tensor
        The measurement with values wherever there are none, on which the level may depend.
    """

    def __init__(self, problem: Problem, filled: torch.Tensor) -> None:
        self._shape = problem.y.shape
        self._model: NoiseModel | None = problem.noise
        self._deviation: torch.Tensor | None = None
        self.level = max(expected_residual(problem), problem.equivalent_sigma or 0.0)
        if self._model is not None:
            self._deviation = self._model.level(filled)
        elif isinstance(problem.data_term, Poisson):
            term = problem.data_term
            variance = term.gain * filled.clamp(min=0) + term.readout**2
            self._deviation = variance.clamp(min=1e-3 * float(variance.mean()) + 1e-12).sqrt()
        self._stationary = None if self._model is None else self._at_one_level(self._model)

    @property
    def is_white(self) -> bool:
        """Whether N is a multiple of the identity."""
        return self._deviation is None

    def _at_one_level(self, model: NoiseModel) -> NoiseModel:
        """The model with the mean variance of every channel at all intensities, in the planes of colour."""
        assert self._deviation is not None
        variances = self._deviation.square().mean(dim=(0, 2, 3)).tolist()
        constant = replace(model, intensities=(0.0,), variances=tuple((max(v, 1e-12),) for v in variances))
        return constant.rotated(opponent_axes(self._shape[1]))

    def __call__(self, u: torch.Tensor) -> torch.Tensor:
        """N u."""
        if self._deviation is None:
            return self.level**2 * u
        u = self._deviation * u
        if self._model is not None:
            u = self._correlated(self._model, u)
        return self._deviation * u

    def _correlated(self, model: NoiseModel, u: torch.Tensor) -> torch.Tensor:
        axes = None if model.axes is None else model.axes.to(u)
        u = u if axes is None else torch.einsum("kc,nchw->nkhw", axes, u)
        if model.spectra is not None:
            u = filtered(u, over_fft(model.spectra, *u.shape[-2:]))
        if model.powers is not None:
            u = u * model.powers.to(u)[:, None, None]
        return u if axes is None else torch.einsum("kc,nkhw->nchw", axes, u)

    def power(self, transform: Transform, height: int, width: int) -> torch.Tensor:
        """The variance of every coefficient of the planes of colour, (C, height, width), float64."""
        channels = self._shape[1]
        flat = torch.full((channels, height, width), self.level**2, dtype=torch.float64)
        if self._model is None or self._stationary is None:
            return flat
        variances = torch.tensor([row[0] for row in self._stationary.variances], dtype=torch.float64)
        flat = variances.expand(channels)[:, None, None].expand(channels, height, width)
        if self._stationary.spectra is None:
            return flat
        down, along = (2 * transform.frequencies(size) for size in (height, width))
        return flat * at_frequencies(self._stationary.spectra, down, along)
