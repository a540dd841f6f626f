"""The kernel with which a small picture came about, found from the small picture itself.

The spectrum of the picture says how probable each Gaussian is, and bicubic, see :mod:`zeroshot.kernels.power_law`. A
small picture leaves several. What is taken of them is the one by which a restoration is expected to lose the least,
see :mod:`zeroshot.kernels.expected_loss`: where in doubt a narrow one, since a kernel that is too wide makes a
restoration ring.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import NamedTuple

import numpy as np
import torch

from zeroshot.colour import LUMA_WEIGHTS, full_range_luma
from zeroshot.kernels.estimate import KernelEstimate
from zeroshot.kernels.expected_loss import RestorationLoss
from zeroshot.kernels.power_law import WINDOW_SIDE, Spectrum, Waves, periodogram
from zeroshot.noise import estimate_sigma
from zeroshot.noise.estimate import QUANTISATION
from zeroshot.operators import kernels

#: Pictures of a shorter side, or with fewer waves above the noise, tell nothing of a kernel.
LEAST_SIDE, LEAST_WAVES = 24, 150
#: Standard deviations along the axes of the Gaussians that are weighed, in small pixels, and the angles of long ones.
WIDTHS, ANGLES = (0.2, 0.25, 0.31, 0.38, 0.47, 0.58, 0.72, 0.9, 1.12), 6
#: How many times as long as wide they are at most.
LONGEST = 4.2
#: A kernel whose axes differ by less is round.
ROUND = 1.12
#: How probable bicubic is before the picture is seen.
BICUBIC = 0.5
#: Variances in pixels² of the small picture by which the scene may have been softer than lenses make it where it was
#: bicubic, one as probable as another: what is soft under bicubic looks like what is sharp under a Gaussian.
SOFTNESS = (0.0, 0.025, 0.05, 0.075)
#: By how much a nat of a spectrum counts, divided by √n where it is the mean of n periodograms: pictures depart from
#: the power law in many neighbouring waves at once, and in windows of the same scene alike.
TEMPER = 0.07
#: How many dB a Gaussian must be expected to lose less than bicubic, by which most small pictures are made.
LEAST_GAIN = 0.05
#: A kernel is right where it loses less than that, in dB; the confidence is the probability that it is.
TOLERATED = 0.5
#: A wave is heard above the noise where its power is that many times its own.
_ABOVE_NOISE = 4
#: By how much the logarithms of the axes differ from one Gaussian to the next in the first round of the search about
#: the best one, and in how many rounds it is halved.
_STEP, _ROUNDS = 0.1, 3
#: Kernels that are less probable than the most probable one by that factor are left out of account.
_NEGLIGIBLE = 1e-3


def downsampling_kernel(y: torch.Tensor, scale: int, sigma: float | None = None) -> KernelEstimate:
    """The Gaussian, round or not, with which a picture was made small.

    It minimises the loss that is expected, ``Σ_K p(K | y) 10 log₁₀ (E(K̂, K) / E(K, K))`` dB, over the Gaussians K̂ and
    bicubic, E being the squared error of a restoration. Bicubic, the kind "none", is what is left where the picture
    tells too little, or where no Gaussian is expected to lose clearly less.

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
        As :class:`zeroshot.operators.Downsample` takes it, of even size for an even scale. Its confidence is the
        probability that it loses less than half a dB. Its evidence holds, of the best Gaussian, the standard
        deviations "along" and "across" in pixels of the large image, the "angle" of the first in degrees
        counter-clockwise from right and the "loss" that is expected in dB, beside "loss_of_bicubic", the "exponent"
        of the power law and the number of "waves" above the noise.

    References
    ----------
    T. Michaeli, M. Irani: Nonparametric blind super-resolution, ICCV 2013, for the kernel that the recurrence of a
    scene across its scales implies. J. O. Berger: Statistical decision theory and Bayesian analysis, 1985.
    """
    if min(y.shape[-2:]) < LEAST_SIDE:
        return _bicubic(scale)
    level = estimate_sigma(y) if sigma is None else sigma
    weights = LUMA_WEIGHTS["bt601"] if y.shape[1] == 3 else (1.0,)
    noise = max(level, QUANTISATION) ** 2 * sum(weight**2 for weight in weights)
    plane = (full_range_luma(y) if y.shape[1] == 3 else y[:, :1])[0, 0].double().cpu().numpy()
    power, averaged = periodogram(plane)
    height, width = (min(side, WINDOW_SIDE) for side in plane.shape)
    waves = Waves.of(height, width, scale)
    spectrum = Spectrum(waves, power[waves.kept], averaged, noise)
    heard = int((spectrum.power > _ABOVE_NOISE * noise).sum())
    if heard < LEAST_WAVES:
        return _bicubic(scale, evidence={"waves": float(heard)})
    return _chosen(_belief(spectrum, scale), scale, heard)


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


class Gaussian(NamedTuple):
    """Standard deviations along its axes in small pixels, and the angle of the long one downwards from right."""

    across: float
    along: float
    turn: float = 0.0

    @property
    def covariance(self) -> np.ndarray:
        """(2, 2), across and down."""
        cosine, sine = math.cos(self.turn), math.sin(self.turn)
        axes = np.array([[-sine, cosine], [cosine, sine]])
        return (axes * np.square([self.across, self.along])) @ axes.T

    def neighbours(self, step: float) -> list[Gaussian]:
        """Itself and those whose axes are longer and shorter by a factor and turned."""
        steps = (-step, 0.0, step)
        # An angle in radians counts as a relative difference of the axes.
        return [
            Gaussian(self.across * math.exp(first), self.along * math.exp(second), self.turn + 2.5 * third)
            for first in steps
            for second in steps
            for third in steps
        ]


class Belief(NamedTuple):
    """The kernels that may have been, what they do to each frequency, and how probable each is."""

    loss: RestorationLoss
    responses: np.ndarray
    probabilities: np.ndarray
    exponent: float

    def expected(self, used: np.ndarray) -> np.ndarray:
        """The loss that is expected of kernels of these responses, in dB."""
        return self.loss.decibels(used, self.responses) @ self.probabilities

    def best(self) -> tuple[Gaussian, float]:
        """The Gaussian by which the least is lost, and how much that is."""
        candidates = _family()
        best, least = candidates[0], math.inf
        for halvings in range(_ROUNDS + 1):
            expected = self.expected(self.loss.gaussians(_covariances(candidates)))
            best, least = candidates[int(expected.argmin())], float(expected.min())
            candidates = best.neighbours(_STEP / 2**halvings)
        return best, least


def _family() -> list[Gaussian]:
    """The Gaussians that are weighed: round ones, then long ones at all angles."""
    long = (
        Gaussian(across, along, math.pi * turn / ANGLES)
        for index, along in enumerate(WIDTHS)
        for across in WIDTHS[:index]
        if along <= LONGEST * across
        for turn in range(ANGLES)
    )
    return [*(Gaussian(width, width) for width in WIDTHS), *long]


def _covariances(gaussians: list[Gaussian]) -> np.ndarray:
    return np.stack([gaussian.covariance for gaussian in gaussians])


def _prior(gaussians: list[Gaussian]) -> np.ndarray:
    """Their probabilities where the axes have any standard deviation alike, on the grid of its logarithms."""
    weights = [
        gaussian.across * gaussian.along * (1 if gaussian.across == gaussian.along else 2 / ANGLES)
        for gaussian in gaussians
    ]
    return np.array(weights) / sum(weights)


def _belief(spectrum: Spectrum, scale: int) -> Belief:
    """What the spectrum says of bicubic and of the Gaussians."""
    family, loss = _family(), RestorationLoss(scale)
    covariances = _covariances(family)
    waves = spectrum.waves
    squared = waves.across**2 + waves.down**2
    as_bicubic = [waves.log_bicubic(scale) - softness * squared for softness in SOFTNESS]
    transfers = [*as_bicubic, waves.log_gaussians(covariances)]
    misfits, exponents = spectrum.misfits(np.concatenate(transfers), scale)
    prior = np.concatenate([np.full(len(SOFTNESS), BICUBIC / len(SOFTNESS)), (1 - BICUBIC) * _prior(family)])
    nats = np.log(prior) - TEMPER / math.sqrt(spectrum.averaged) * misfits
    likely = nats > nats.max() + math.log(_NEGLIGIBLE)
    probabilities = np.exp(nats[likely] - nats.max())
    responses = np.concatenate([loss.bicubic()] * len(SOFTNESS) + [loss.gaussians(covariances)])[likely]
    exponent = float(exponents[nats.argmax()])
    return Belief(loss, responses, probabilities / probabilities.sum(), exponent)


def _chosen(belief: Belief, scale: int, heard: int) -> KernelEstimate:
    best, least = belief.best()
    of_bicubic = float(belief.expected(belief.loss.bicubic())[0])
    across, along = sorted((scale * best.across, scale * best.along))
    turn = best.turn if best.along >= best.across else best.turn + math.pi / 2
    evidence = {
        "along": along,
        "across": across,
        "angle": math.degrees(-turn) % 180,
        "loss": least,
        "loss_of_bicubic": of_bicubic,
        "exponent": belief.exponent,
        "waves": float(heard),
    }
    covariance, takes_bicubic = best.covariance, of_bicubic < least + LEAST_GAIN
    used = belief.loss.bicubic() if takes_bicubic else belief.loss.gaussians(covariance[None])
    right = belief.loss.decibels(used, belief.responses)[0] < TOLERATED
    confidence = float(belief.probabilities[right].sum())
    if takes_bicubic:
        return _bicubic(scale, confidence, evidence)
    if along < ROUND * across:
        width = math.sqrt(along * across)
        weights = kernels.gaussian(width, scale)
        return KernelEstimate(
            np.outer(weights, weights), "gaussian", {"gaussian": width}, confidence, evidence
        )
    return KernelEstimate(gaussian_kernel(covariance * scale**2, scale), "free", {}, confidence, evidence)


def _bicubic(
    scale: int, confidence: float = 0.0, evidence: Mapping[str, float] | None = None
) -> KernelEstimate:
    weights = kernels.bicubic(scale)
    return KernelEstimate(np.outer(weights, weights), "none", {}, confidence, evidence or {})
