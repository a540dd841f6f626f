"""How well kernels of downsampling explain the spectrum of a small picture, whose scene looks alike at all scales.

Along each direction θ the power of a natural scene falls as ``S(f, θ) = g(θ) f^−α``, α near 2, with edges as sharp as
a lens allows. A picture ``y = (k ∗ x)↓s + n`` has the spectrum

    S_y(ω) = Σ_m |K(ω + 2π m)|² S(ω + 2π m) + σ²,

over the frequencies that are folded onto one another, in radians a pixel of the small picture. What departs from the
power law along a direction tells how wide the kernel is in that direction.

References
----------
D. J. Field: Relations between the statistics of natural images and the response properties of cortical cells, JOSA A 4
(1987), for the power law. P. Whittle: Estimation and information in stationary time series, Arkiv för Matematik 2
(1953). K. S. Riedel, A. Sidorenko: Minimum bias multiple taper spectral estimation, IEEE Transactions on Signal
Processing 43 (1995), for the tapers.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy.special import polygamma, psi

from zeroshot.operators import kernels

#: The exponent α of natural scenes, and how far that of a picture may be from it for the price of half a nat.
EXPONENT, EXPONENT_SPREAD = 2.15, 0.06
#: Variance, in pixels of the large image, by which lenses blur along either axis: that of edges as sharp as they get.
LENS_VARIANCE = 0.1
#: Directions that have a power of their own.
DIRECTIONS = 12
#: Below that many radians a pixel the spectrum is that of the window and of what the picture shows.
LOWEST_FREQUENCY = 0.3
#: Of larger pictures the spectrum is the mean over windows of that side, those with the most power.
WINDOW_SIDE, MOST_WINDOWS = 64, 9
#: Sine tapers along either axis: what one taper hides at the borders of a window another shows.
TAPERS = 2
#: Log-spectra scatter more than those of Gaussian processes: the degrees of freedom of Student's t.
DEGREES_OF_FREEDOM = 2.0
#: What is folded from further off is weaker by the power law than what it is added to.
_FOLDS = 1
#: Steps of reweighted least squares.
_STEPS = 6


@dataclass(frozen=True, eq=False)
class Waves:
    """The frequencies of a periodogram that are looked at, each with those that are folded onto it: (aliases, waves).

    Attributes
    ----------
    across, down : numpy.ndarray
        In radians a pixel of the small picture.
    inside : numpy.ndarray
        Whether the large image has such a frequency.
    log_radius : numpy.ndarray
        The logarithm of the frequency.
    direction : numpy.ndarray
        The index of its direction.
    own : int
        Which of the aliases is the wave itself.
    kept : numpy.ndarray
        Which values of the periodogram they are.
    """

    across: np.ndarray
    down: np.ndarray
    inside: np.ndarray
    log_radius: np.ndarray
    direction: np.ndarray
    own: int
    kept: np.ndarray

    @classmethod
    def of(cls, height: int, width: int, scale: int) -> Waves:
        """Those of windows of `height` × `width` pixels."""
        v, u = 2 * np.pi * np.fft.fftfreq(height)[:, None], 2 * np.pi * np.fft.rfftfreq(width)[None]
        # The mirror images in the first column say nothing new.
        kept = (np.hypot(v, u) > LOWEST_FREQUENCY) & ~((u == 0) & (v < 0))
        folds = 2 * np.pi * np.arange(-_FOLDS, _FOLDS + 1)
        down = np.broadcast_to(v, kept.shape)[kept] + np.repeat(folds, len(folds))[:, None]
        across = np.broadcast_to(u, kept.shape)[kept] + np.tile(folds, len(folds))[:, None]
        limit = np.pi * scale + 1e-9
        inside = (np.abs(down) <= limit) & (np.abs(across) <= limit)
        turn = np.arctan2(down, across) % np.pi / np.pi
        direction = np.minimum((turn * DIRECTIONS).astype(int), DIRECTIONS - 1)
        log_radius = np.log(np.maximum(np.hypot(down, across), 1e-3))
        return cls(across, down, inside, log_radius, direction, len(folds) ** 2 // 2, kept)

    def log_gaussians(self, covariances: np.ndarray) -> np.ndarray:
        """The logarithm of |K|² of Gaussians, (kernels, aliases, waves).

        Parameters
        ----------
        covariances : numpy.ndarray
            (kernels, 2, 2), in pixels² of the small picture, across and down.
        """
        xx, xy, yy = (covariances[:, i, j, None, None] for i, j in ((0, 0), (0, 1), (1, 1)))
        return -(xx * self.across**2 + 2 * xy * self.across * self.down + yy * self.down**2)

    def log_bicubic(self, scale: int) -> np.ndarray:
        """The logarithm of |K|² of bicubic shrinking, (1, aliases, waves)."""
        magnitude = np.abs(bicubic_response(self.across, scale) * bicubic_response(self.down, scale))
        return 2 * np.log(np.maximum(magnitude, 1e-6))[None]


def bicubic_response(frequency: np.ndarray, scale: int) -> np.ndarray:
    """K of bicubic shrinking along one axis, at frequencies in radians a pixel of the small picture."""
    taps = kernels.bicubic(scale)
    place = (np.arange(len(taps)) - (len(taps) - 1) / 2) / scale
    return np.asarray(np.cos(frequency[..., None] * place) @ taps)


def periodogram(plane: np.ndarray) -> tuple[np.ndarray, int]:
    """The power of a plane under sine tapers, the mean over windows of a large one, and how many were averaged."""
    sides = [min(side, WINDOW_SIDE) for side in plane.shape]
    tops, lefts = (
        range(0, whole - side + 1, WINDOW_SIDE // 2) for whole, side in zip(plane.shape, sides, strict=True)
    )
    parts = [plane[top : top + sides[0], left : left + sides[1]] for top in tops for left in lefts]
    chosen = sorted(parts, key=_variation, reverse=True)[:MOST_WINDOWS]
    tapers = [down[:, None] * across for down in _tapers(sides[0]) for across in _tapers(sides[1])]
    powers = [np.abs(np.fft.rfft2((part - part.mean()) * taper)) ** 2 for part in chosen for taper in tapers]
    return np.mean(powers, axis=0), len(powers)


def _variation(plane: np.ndarray) -> float:
    return float(np.square(np.diff(plane, axis=0)).mean() + np.square(np.diff(plane, axis=1)).mean())


def _tapers(side: int) -> list[np.ndarray]:
    """Orthonormal windows ``√(2 / (n + 1)) sin(π j t / (n + 1))``."""
    turn = np.pi * np.arange(1, side + 1) / (side + 1)
    return [math.sqrt(2 / (side + 1)) * np.sin(number * turn) for number in range(1, TAPERS + 1)]


@dataclass(frozen=True, eq=False)
class Spectrum:
    """What of a periodogram is compared with the power law.

    Attributes
    ----------
    waves : Waves
        Its frequencies.
    power : numpy.ndarray
        (waves,).
    averaged : int
        Of how many periodograms it is the mean.
    noise : float
        σ².
    """

    waves: Waves
    power: np.ndarray
    averaged: int
    noise: float

    def misfits(self, log_transfers: np.ndarray, scale: int) -> tuple[np.ndarray, np.ndarray]:
        """The negative log-probability under kernels, each with the law that suits it best, and the exponents α.

        The logarithm of the power scatters about that of the law by Student's t. Neighbouring directions may differ
        by a factor of e, and α from that of natural scenes by its spread, for the price of half a nat each. The law is
        found by reweighted least squares, as if what is folded onto a wave came from the wave's own direction.

        Parameters
        ----------
        log_transfers : numpy.ndarray
            The logarithm of |K|², (kernels, aliases, waves).
        scale : int
            s.

        Returns
        -------
        misfits, exponents : numpy.ndarray
            (kernels,), in nats.
        """
        waves = self.waves
        lens = LENS_VARIANCE / scale**2 * (waves.across**2 + waves.down**2)
        # Single precision halves the time of what is exact to some per cent.
        transfers = np.where(waves.inside, log_transfers - lens, -60).astype(np.float32)
        log_radius = waves.log_radius.astype(np.float32)
        own_radius, own_direction = log_radius[waves.own], np.eye(DIRECTIONS)[waves.direction[waves.own]]
        # The mean and the variance of the logarithm of a mean of exponentially distributed numbers.
        mean, variance = psi(self.averaged) - math.log(self.averaged), float(polygamma(1, self.averaged))
        measured = np.log(self.power + 1e-15) - mean
        design = np.concatenate([-own_radius[:, None], own_direction], axis=1)
        roughness = (
            2 * np.eye(DIRECTIONS) - np.roll(np.eye(DIRECTIONS), 1, 0) - np.roll(np.eye(DIRECTIONS), -1, 0)
        )
        stiffness = np.zeros((DIRECTIONS + 1, DIRECTIONS + 1))
        stiffness[0, 0], stiffness[1:, 1:] = EXPONENT_SPREAD**-2, roughness
        natural = np.concatenate([[EXPONENT], np.zeros(DIRECTIONS)])
        level = np.median(measured + EXPONENT * own_radius - transfers[:, waves.own], axis=1)
        law = np.concatenate(
            [np.full((len(level), 1), EXPONENT), np.repeat(level[:, None], DIRECTIONS, 1)], 1
        )
        best, exponents = np.full(len(level), np.inf), law[:, 0]
        for _ in range(_STEPS + 1):
            gains = law[:, 1:].astype(np.float32)[:, waves.direction]
            scene = np.exp(gains - law[:, :1, None].astype(np.float32) * log_radius + transfers)
            predicted = scene.sum(axis=1, dtype=np.float64) + self.noise
            off = measured - np.log(predicted)
            scatter = np.log1p(off**2 / (DEGREES_OF_FREEDOM * variance)).sum(axis=1)
            pull = (law - natural) @ stiffness
            misfit = (DEGREES_OF_FREEDOM + 1) / 2 * scatter + (pull * (law - natural)).sum(axis=1) / 2
            exponents = np.where(misfit < best, law[:, 0], exponents)
            best = np.minimum(best, misfit)
            # Where noise prevails the law has no say.
            weight = (DEGREES_OF_FREEDOM + 1) / (DEGREES_OF_FREEDOM * variance + off**2)
            weight *= 1 - self.noise / predicted
            normal = np.einsum("kn,ni,nj->kij", weight, design, design, optimize=True) + stiffness
            law = law + np.linalg.solve(normal, ((weight * off) @ design - pull)[..., None])[..., 0]
        return best, exponents
