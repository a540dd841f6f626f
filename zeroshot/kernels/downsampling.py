"""The kernel with which a small picture came about, found from the small picture itself.

Natural scenes look alike at all scales: along each direction θ their power falls as ``S(f, θ) = g(θ) f^−α``, α near 2,
with edges as sharp as a lens allows. A picture ``y = (k ∗ x)↓s + n`` has the spectrum

    S_y(ω) = Σ_m |K(ω + 2π m)|² S(ω + 2π m) + σ²,

over the frequencies that are folded onto one another, in units of the small pixel. What departs from the power law
along each direction tells how wide the kernel is in that direction.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import torch

from zeroshot.colour import LUMA_WEIGHTS, full_range_luma
from zeroshot.kernels.estimate import KernelEstimate
from zeroshot.kernels.power_law import (
    ABOVE_NOISE,
    DEGREES_OF_FREEDOM,
    EXPONENT,
    LENS_VARIANCE,
    LOWEST_FREQUENCY,
    hann,
    windowed_power,
)
from zeroshot.noise import estimate_sigma
from zeroshot.noise.estimate import QUANTISATION
from zeroshot.operators import kernels

#: How far the exponent of a picture may be from that of natural scenes for the price of half a nat.
EXPONENT_SPREAD = 0.06
#: Directions that have a power of their own.
DIRECTIONS = 12
#: Of larger pictures the spectrum is the mean over windows of that side, those with the most power.
WINDOW_SIDE, MOST_WINDOWS = 64, 9
#: Pictures of a shorter side, or with fewer waves above the noise, tell nothing of a kernel.
LEAST_SIDE, LEAST_WAVES = 24, 150
#: Below that confidence bicubic is the better guess.
LEAST_CONFIDENCE = 0.4
#: Standard deviations along the axes of a kernel, in small pixels, that are told apart from more and from less.
NARROWEST, WIDEST = 0.12, 2.0
#: A kernel whose axes differ by less is round.
ROUND = 1.12
#: By how much more probable a Gaussian must be than bicubic, in nats a wave of a single window; the wider kernel also
#: passes for a softer picture, the more so the larger the scale. That of n windows says √n times as much.
LEAST_GAIN, LEAST_GAIN_OF_HALVES = 0.05, 0.035
#: What bicubic lets through passes for a kernel that is narrower than itself, and never for a wider one: a gain that
#: does for those at ×2, the mean of whose axes is above so many small pixels.
LEAST_GAIN_OF_WIDER, AS_WIDE_AS_BICUBIC = 0.02, 0.4
#: For the same reason, and since a kernel that is too wide costs more than one that is too narrow, a Gaussian of the
#: least gain is taken narrower by that share of its width times 1 − 2/s; one of n times the gain by an nth of it.
CAUTION = 0.3
#: The relative uncertainty of the width of a kernel of confidence ½.
HALF_CONFIDENCE = 0.1
#: What is folded from further off is weaker by the power law than what it is added to.
_FOLDS = 1
#: The standard deviation, in small pixels, from which the search begins, and begins again; how long it takes at most.
_START, _WIDER, _ITERATIONS = 0.5, 0.7, 100


def downsampling_kernel(y: torch.Tensor, scale: int, sigma: float | None = None) -> KernelEstimate:
    """The Gaussian, round or not, with which a picture was made small.

    Its axes, the exponent and the power along each direction are those under which the logarithm of the periodogram is
    the most probable, with Student's t for its scatter. Above ×2 one that is not much more probable than bicubic is
    taken narrower, see :data:`CAUTION`. Bicubic, the kind "none", is what is left where the picture tells too little,
    or fits bicubic as well.

    Parameters
    ----------
    y : torch.Tensor
        The small picture, (1, C, h, w), in [0, 1].
    scale : int
        s, at least 2.
    sigma : float, optional
        The noise level; estimated where not given.

    Returns
    -------
    KernelEstimate
        As :class:`zeroshot.operators.Downsample` takes it, of even size for an even scale. Its evidence holds the
        standard deviations "along" and "across" in pixels of the large image, the "angle" of the first in degrees
        counter-clockwise from right, the "exponent", and "gain", by how much more probable it is than bicubic.

    References
    ----------
    T. Michaeli, M. Irani: Nonparametric blind super-resolution, ICCV 2013, for the kernel that the recurrence of a
    scene across its scales implies. D. J. Field: Relations between the statistics of natural images and the response
    properties of cortical cells, JOSA A 4 (1987), for the power law. P. Whittle: Estimation and information in
    stationary time series, Arkiv för Matematik 2 (1953).
    """
    if min(y.shape[-2:]) < LEAST_SIDE:
        return _bicubic(scale)
    level = estimate_sigma(y) if sigma is None else sigma
    weights = LUMA_WEIGHTS["bt601"] if y.shape[1] == 3 else (1.0,)
    noise = max(level, QUANTISATION) ** 2 * sum(weight**2 for weight in weights)
    plane = (full_range_luma(y) if y.shape[1] == 3 else y[:, :1])[0, 0].double().cpu().numpy()
    power, windows = _periodogram(plane)
    height, width = (min(side, WINDOW_SIDE) for side in plane.shape)
    waves = _Waves.of(height, width, scale)
    measured = torch.from_numpy(power[waves.kept])
    heard = int((measured > ABOVE_NOISE * noise).sum())
    if heard < LEAST_WAVES:
        return _bicubic(scale, evidence={"waves": float(heard)})
    return _fitted(_Fit(waves, measured, windows, noise, scale), heard)


def gaussian_kernel(covariance: np.ndarray, scale: int) -> np.ndarray:
    """The weights of a Gaussian on a block of `scale` × `scale` pixels, cut at 4 standard deviations.

    Parameters
    ----------
    covariance : numpy.ndarray
        (2, 2), in pixels² of the large image, across and down.
    scale : int
        Its number of taps has the same parity.
    """
    widest = math.sqrt(np.linalg.eigvalsh(covariance)[-1])
    taps = len(kernels.gaussian(widest, scale))
    place = np.arange(taps) - (taps - 1) / 2
    across, down = np.meshgrid(place, place)
    inverse = np.linalg.inv(covariance)
    form = inverse[0, 0] * across**2 + 2 * inverse[0, 1] * across * down + inverse[1, 1] * down**2
    weights = np.exp(-form / 2)
    return weights / weights.sum()


@dataclass(frozen=True, eq=False)
class _Waves:
    """The frequencies of a periodogram that are looked at, each with those that are folded onto it: (aliases, waves).

    In radians a pixel of the small picture. `direction` is 1 at the one of the directions that each has, (aliases,
    waves, directions); `kept` says which of the periodogram they are.
    """

    across: torch.Tensor
    down: torch.Tensor
    inside: torch.Tensor
    log_radius: torch.Tensor
    direction: torch.Tensor
    kept: np.ndarray

    @classmethod
    def of(cls, height: int, width: int, scale: int) -> _Waves:
        v, u = 2 * np.pi * np.fft.fftfreq(height)[:, None], 2 * np.pi * np.fft.rfftfreq(width)[None]
        # The mirror images in the first column say nothing new.
        kept = (np.hypot(v, u) > LOWEST_FREQUENCY) & ~((u == 0) & (v < 0))
        folds = 2 * np.pi * np.arange(-_FOLDS, _FOLDS + 1)
        down = np.broadcast_to(v, kept.shape)[kept] + np.repeat(folds, len(folds))[:, None]
        across = np.broadcast_to(u, kept.shape)[kept] + np.tile(folds, len(folds))[:, None]
        limit = np.pi * scale + 1e-9
        inside = (np.abs(down) <= limit) & (np.abs(across) <= limit)
        turn = np.arctan2(down, across) % np.pi / np.pi
        # One-hot: the gradient of a product is quicker than that of a choice by index.
        direction = np.eye(DIRECTIONS)[np.minimum((turn * DIRECTIONS).astype(int), DIRECTIONS - 1)]
        log_radius = np.log(np.maximum(np.hypot(down, across), 1e-3))
        return cls(
            torch.from_numpy(across),
            torch.from_numpy(down),
            torch.from_numpy(inside.astype(np.float64)),
            torch.from_numpy(log_radius),
            torch.from_numpy(direction),
            kept,
        )

    def model(self, exponent: torch.Tensor, gains: torch.Tensor, log_transfer: torch.Tensor) -> torch.Tensor:
        """The power of the picture at each wave, under the logarithm of |K|² at all that are folded onto it."""
        return (
            self.inside * torch.exp(self.direction @ gains - exponent * self.log_radius + log_transfer)
        ).sum(dim=0)

    def log_gaussian(self, root: torch.Tensor, lens: float) -> torch.Tensor:
        """The logarithm of |K|² of a Gaussian of covariance R Rᵀ, R = (r₀, 0; r₁, r₂), and of a lens."""
        first, second = root[0] * self.across + root[1] * self.down, root[2] * self.down
        return -(first**2 + second**2) - lens * (self.across**2 + self.down**2)

    def log_bicubic(self, scale: int, lens: float) -> torch.Tensor:
        """The logarithm of |K|² of bicubic shrinking, and of a lens."""
        taps = kernels.bicubic(scale)
        place = torch.from_numpy((np.arange(len(taps)) - (len(taps) - 1) / 2) / scale)
        weights = torch.from_numpy(taps)

        def response(frequency: torch.Tensor) -> torch.Tensor:
            return torch.einsum("k,kan->an", weights, torch.cos(place[:, None, None] * frequency))

        magnitude = (response(self.across) * response(self.down)).abs().clamp(min=1e-6)
        return 2 * magnitude.log() - lens * (self.across**2 + self.down**2)


def _periodogram(plane: np.ndarray) -> tuple[np.ndarray, int]:
    """The power of a plane under Hann's window, the mean over windows of a large one, and how many these are."""
    sides = [min(side, WINDOW_SIDE) for side in plane.shape]
    tops, lefts = (
        range(0, whole - side + 1, WINDOW_SIDE // 2) for whole, side in zip(plane.shape, sides, strict=True)
    )
    parts = [plane[top : top + sides[0], left : left + sides[1]] for top in tops for left in lefts]
    chosen = sorted(parts, key=_variation, reverse=True)[:MOST_WINDOWS]
    return np.mean([windowed_power(part, hann(part.shape)) for part in chosen], axis=0), len(chosen)


def _variation(plane: np.ndarray) -> float:
    return float(np.square(np.diff(plane, axis=0)).mean() + np.square(np.diff(plane, axis=1)).mean())


@dataclass(eq=False)
class _Fit:
    """The negative log-probability of a periodogram under a power law, a kernel and white noise."""

    waves: _Waves
    measured: torch.Tensor
    windows: int
    noise: float
    scale: int

    @property
    def lens(self) -> float:
        """The variance of a lens in pixels² of the small picture."""
        return LENS_VARIANCE / self.scale**2

    def loss(self, law: torch.Tensor, log_transfer: torch.Tensor) -> torch.Tensor:
        """Of the exponent and the logarithm of the power along each direction, (1 + directions,)."""
        exponent, gains = law[0], law[1:]
        predicted = self.waves.model(exponent, gains, log_transfer) + self.noise
        # Loaded where it is needed: it takes a good part of a second.
        from scipy.special import polygamma, psi

        # The mean and the variance of the logarithm of a mean of exponentially distributed numbers.
        mean, variance = psi(self.windows) - math.log(self.windows), float(polygamma(1, self.windows))
        off = (self.measured + 1e-15).log() - predicted.log() - mean
        scatter = torch.log1p(off.square() / (DEGREES_OF_FREEDOM * variance))
        # Neighbouring directions differ by a factor of e for the price of half a nat.
        roughness = (gains - gains.roll(1)).square().sum() / 2
        prior = ((exponent - EXPONENT) / EXPONENT_SPREAD).square() / 2 + roughness
        return (DEGREES_OF_FREEDOM + 1) / 2 * scatter.sum() + prior

    def gaussian(self, parameters: torch.Tensor) -> torch.Tensor:
        """The loss under a Gaussian, whose root (3,) comes before the law."""
        return self.loss(parameters[3:], self.waves.log_gaussian(parameters[:3], self.lens))

    def bicubic(self, law: torch.Tensor) -> torch.Tensor:
        return self.loss(law, self._log_bicubic)

    @cached_property
    def _log_bicubic(self) -> torch.Tensor:
        return self.waves.log_bicubic(self.scale, self.lens)

    def begun(self) -> list[float]:
        """A law that fits on the whole."""
        slope = EXPONENT * self.waves.log_radius[len(self.waves.log_radius) // 2]
        return [EXPONENT] + [float((self.measured.log() + slope).median())] * DIRECTIONS


def _minimum(loss: Callable[[torch.Tensor], torch.Tensor], begin: list[float]) -> tuple[np.ndarray, float]:
    def with_gradient(point: np.ndarray) -> tuple[float, np.ndarray]:
        parameters = torch.tensor(point, dtype=torch.float64, requires_grad=True)
        value = loss(parameters)
        value.backward()
        assert parameters.grad is not None
        return value.item(), parameters.grad.numpy()

    # Loaded where it is needed: it takes a good part of a second.
    from scipy.optimize import minimize

    found = minimize(with_gradient, begin, jac=True, method="L-BFGS-B", options={"maxiter": _ITERATIONS})
    return found.x, float(found.fun)


def _fitted(fit: _Fit, heard: int) -> KernelEstimate:
    point, loss = _minimum(fit.gaussian, [_START, 0.0, _START, *fit.begun()])
    if min(abs(point[0]), abs(point[2])) < NARROWEST:
        # A line rather than a Gaussian, mostly a local minimum.
        again = _minimum(fit.gaussian, [_WIDER, 0.0, _WIDER, *fit.begun()])
        point, loss = min((point, loss), again, key=lambda found: found[1])
    _, as_bicubic = _minimum(fit.bicubic, fit.begun())
    gain = (as_bicubic - loss) / len(fit.measured) / math.sqrt(fit.windows)
    hessian = torch.autograd.functional.hessian(fit.gaussian, torch.from_numpy(point)).numpy()
    spread = np.linalg.pinv(hessian, hermitian=True)[:3, :3]
    uncertain = math.sqrt(max(float(np.trace(spread)), 0.0)) / float(np.linalg.norm(point[:3]))
    confidence = 1 / (1 + (uncertain / HALF_CONFIDENCE) ** 2)
    root = np.array([[point[0], 0.0], [point[1], point[2]]])
    variances, axes = np.linalg.eigh(root @ root.T)
    least = _least_gain(fit.scale, math.sqrt(float(np.prod(np.sqrt(variances)))))
    narrower = 1 - CAUTION * (1 - 2 / fit.scale) * least / max(gain, least)
    across, along = np.clip(narrower * np.sqrt(variances), NARROWEST, WIDEST) * fit.scale
    angle = math.degrees(math.atan2(-axes[1, 1], axes[0, 1])) % 180
    evidence = {
        "along": float(along),
        "across": float(across),
        "angle": angle,
        "exponent": float(point[3]),
        "gain": gain,
        "waves": float(heard),
    }
    if gain < least or confidence < LEAST_CONFIDENCE:
        return _bicubic(fit.scale, confidence, evidence)
    if along < ROUND * across:
        width = math.sqrt(along * across)
        weights = kernels.gaussian(width, fit.scale)
        return KernelEstimate(
            np.outer(weights, weights), "gaussian", {"gaussian": width}, confidence, evidence
        )
    covariance = (axes * np.square([across, along])) @ axes.T
    return KernelEstimate(gaussian_kernel(covariance, fit.scale), "free", {}, confidence, evidence)


def _least_gain(scale: int, width: float) -> float:
    """By how much more probable than bicubic a Gaussian of such a width, in small pixels, must be."""
    if scale != 2:
        return LEAST_GAIN
    return LEAST_GAIN_OF_WIDER if width > AS_WIDE_AS_BICUBIC else LEAST_GAIN_OF_HALVES


def _bicubic(
    scale: int, confidence: float = 0.0, evidence: Mapping[str, float] | None = None
) -> KernelEstimate:
    weights = kernels.bicubic(scale)
    return KernelEstimate(np.outer(weights, weights), "none", {}, confidence, evidence or {})
