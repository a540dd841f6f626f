"""Denoising: rounds of centralised shrinkage, in between which a little of the noise is put back."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from zeroshot.colour import from_opponent, to_opponent
from zeroshot.estimate import Estimate
from zeroshot.precision import widened
from zeroshot.prior import Run
from zeroshot.priors.sparse.ncsr.centralisation import Centralisation, find_similar
from zeroshot.priors.sparse.ncsr.dictionaries import learn
from zeroshot.priors.sparse.ncsr.overlapping_strips import strips
from zeroshot.priors.sparse.ncsr.settings import CentralisedSparseSettings
from zeroshot.problem import Problem

#: The share of the measurement that is put back before each shrinkage.
FEEDBACK = 0.02
#: Shrinkages with the same dictionaries and similar patches.
SHRINKAGES = 3
#: Keeps the threshold finite where similar patches do not differ.
TINY = 1e-8 / 255


@dataclass(frozen=True)
class Level:
    """What depends on the noise level in denoising, as the authors of the method set it.

    Attributes
    ----------
    up_to : float
        The largest noise level that it is meant for, on the [0, 1] scale.
    patch : int
        Side of a patch.
    similar : int
        Similar patches, the reference included.
    strength : float
        c in τ = c √2 σ² / δ.
    remaining : float
        The noise left after a shrinkage, as a fraction of √|σ² − mean (x − y)²|.
    high_pass : float
        Standard deviation of the Gaussian of the high-pass features, in pixels.
    bandwidth : float
        Least bandwidth of the weights of similar patches, in squared grey levels.
    rounds : int
        How often dictionaries are learned.
    smallest : int
        Patches of the smallest cluster.
    """

    up_to: float
    patch: int
    similar: int
    strength: float
    remaining: float
    high_pass: float
    bandwidth: float
    rounds: int
    smallest: int


LEVELS = (
    Level(10 / 255, 6, 13, 0.56, 0.22, 1.7, 75, 3, 240),
    Level(15 / 255, 6, 13, 0.59, 0.22, 1.8, 75, 3, 240),
    Level(30 / 255, 7, 16, 0.64, 0.23, 2.0, 80, 3, 250),
    Level(50 / 255, 9, 18, 0.64, 0.26, 2.4, 90, 4, 300),
    Level(math.inf, 8, 20, 0.64, 0.26, 2.4, 95, 4, 300),
)


def level_of(sigma: float) -> Level:
    """The settings for noise of standard deviation `sigma`."""
    # The noise levels of the literature are whole grey levels, which division by 255 must not push over.
    return next(level for level in LEVELS if sigma <= level.up_to + 1e-6)


def rounds_at(sigma: float, settings: CentralisedSparseSettings) -> int:
    """The rounds that denoising at this noise level takes."""
    return level_of(sigma).rounds if settings.rounds is None else settings.rounds


@dataclass(frozen=True)
class _Scaled:
    """The noise level of an image in units of its contrast, and what depends on it."""

    sigma: float
    level: Level

    def remaining(self, noisy: torch.Tensor, estimate: torch.Tensor) -> torch.Tensor:
        """The standard deviation of the noise that is left in the estimate, a number on its device."""
        removed = widened((noisy - estimate).square().mean())
        return self.level.remaining * (self.sigma**2 - removed).abs().sqrt()


class CentralisedDenoisingRun(Run):
    """One round a step: dictionaries and similar patches from the estimate, then a few shrinkages.

    With the Poisson data term the variance of the noise is made constant first, and the result is mapped back.
    """

    state = ("estimate", "index", "seed", "clusters")

    def __init__(
        self, settings: CentralisedSparseSettings, problem: Problem, generator: torch.Generator
    ) -> None:
        self.device = problem.y.device
        self._settings, self._problem = settings, problem
        noisy, self._sigma = problem.stabilised()
        # The constants are those of images of contrast 1.
        self._contrast = problem.contrasts()
        self._noisy = to_opponent(noisy / self._contrast)
        self._levels = [
            _Scaled(self._sigma / scale, level_of(self._sigma / scale))
            for scale in self._contrast.flatten().tolist()
        ]
        rounds = max(rounds_at(each.sigma, settings) for each in self._levels)
        self._rounds = rounds if self._sigma > 0 else 0
        self.seed = int(torch.randint(2**31, (), generator=generator))
        self.estimate, self.index, self.clusters = self._noisy, 0, 0

    @property
    def finished(self) -> bool:
        """Whether the last round has been made."""
        return self.index >= self._rounds

    @torch.no_grad()
    def step(self) -> Estimate:
        """Make the next round; after the last one the image stays."""
        if not self.finished:
            images = zip(self._noisy, self.estimate, self._levels, strict=True)
            self.estimate = torch.stack([self._round(*image) for image in images])
            self.index += 1
        estimate = from_opponent(self.estimate) * self._contrast
        image = self._problem.unstabilised(estimate).clamp(0, 1)
        return Estimate(image, self._problem.loss(image).item(), max(self.index, 1))

    def _round(self, noisy: torch.Tensor, estimate: torch.Tensor, scaled: _Scaled) -> torch.Tensor:
        """The next estimate of one image (C, H, W), as it is where it takes fewer rounds than others."""
        if self.index >= rounds_at(scaled.sigma, self._settings):
            return estimate
        result = torch.empty_like(estimate)
        self.clusters = 0
        size = self._size(noisy, scaled.level)
        overlap = self._settings.radius + size
        for strip in strips(noisy.shape[-2], noisy.shape[-1], overlap, len(noisy) * size**2):
            part = self._round_of_strip(noisy[:, strip.cut], estimate[:, strip.cut], scaled)
            result[:, strip.own] = part[:, strip.kept]
        return result

    def _round_of_strip(self, noisy: torch.Tensor, estimate: torch.Tensor, scaled: _Scaled) -> torch.Tensor:
        remaining: float | torch.Tensor = scaled.sigma
        if self.index:
            remaining = scaled.remaining(noisy, estimate)
        model = self._model(estimate, float(remaining), scaled.level)
        strength = scaled.level.strength if self._settings.strength is None else self._settings.strength
        for turn in range(SHRINKAGES):
            estimate = estimate + FEEDBACK * (noisy - estimate)
            if self.index or turn:
                remaining = scaled.remaining(noisy, estimate)
            variances = (model.variances(estimate) - remaining**2).clamp_(min=0)
            threshold = variances.sqrt_().add_(TINY).reciprocal_() * (strength * math.sqrt(2) * remaining**2)
            estimate = model.shrink(estimate, threshold)
        return estimate

    def _size(self, image: torch.Tensor, level: Level) -> int:
        """Side of a patch: no larger than the image."""
        patch = level.patch if self._settings.patch is None else self._settings.patch
        return min(patch, *image.shape[-2:])

    def _model(self, estimate: torch.Tensor, remaining: float, level: Level) -> Centralisation:
        settings, size = self._settings, self._size(estimate, level)
        stride = min(settings.stride, size)
        generator = torch.Generator().manual_seed(self.seed + self.index)
        dictionaries = learn(
            estimate, size, settings.clusters, level.smallest, level.high_pass, remaining, generator
        )
        self.clusters = max(self.clusters, len(dictionaries.centres))
        # Distances carry the noise that is left: the weights must not follow it.
        bandwidth = max(12 * 255 * remaining, level.bandwidth) / 255**2
        count = level.similar if settings.similar is None else settings.similar
        similar = find_similar(estimate[:1], size, count, stride, settings.radius, bandwidth)
        return Centralisation(estimate, dictionaries, similar, size, stride, level.high_pass)

    def findings(self) -> dict[str, Any]:
        """The noise level, the rounds made, and the clusters that the patches fell into."""
        return {"sigma": self._sigma, "rounds": self.index, "clusters": self.clusters}
