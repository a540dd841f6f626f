"""Every other linear damage: steps towards the measurement in turn with centralised shrinkages."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from zeroshot.colour import FULL_RANGE_LUMA_NOISE, from_opponent, full_range_luma, to_opponent
from zeroshot.estimate import Estimate
from zeroshot.operators import Mask
from zeroshot.patches import pixel_rows
from zeroshot.prior import Run
from zeroshot.priors.sparse.ncsr.centralisation import Centralisation, find_similar
from zeroshot.priors.sparse.ncsr.data_step import towards_measurement
from zeroshot.priors.sparse.ncsr.dictionaries import learn
from zeroshot.priors.sparse.ncsr.overlapping_strips import Strip, strips
from zeroshot.priors.sparse.ncsr.settings import CentralisedSparseSettings, Colour
from zeroshot.priors.warm_start import FirstImage
from zeroshot.problem import Problem

# The values below start from the paper's; benchmarks/classic.md says how they were chosen.

#: Side of a patch and similar patches, the reference included.
PATCH, SIMILAR = 6, 20
#: Threshold of the first round, whose image is too poor to tell variances from: grey levels.
FIRST_THRESHOLD = 8 / 255
#: The strength of the second round, in which variances are still those of a poor image, relative to the rest.
SECOND = 1.5
#: The rounds that are unlike the rest.
EARLY_ROUNDS = 2
#: Added to the standard deviation of codes: one grey level.
LEAST_DEVIATION = 1 / 255
#: Bandwidth of the weights of similar patches, in squared grey levels.
BANDWIDTH = 75
#: Standard deviation of the Gaussian of the high-pass features, in pixels.
HIGH_PASS = 1.5
#: Patches of the smallest cluster.
SMALLEST = 240
#: Shrinkages for which the means of the similar patches are kept.
KEEP_MEANS = 2
#: What thresholds of colour differences are multiplied by where a pixel is measured in fewer channels than it
#: has: brightness says most about the missing ones (see benchmarks/classic.md).
CHROMA = 3.0
#: κ in τ = κ √2 σ² / (μ δ).
STRENGTH = 0.15
#: μ / ‖A‖² is the square of the noise level over this one, between LEAST_PROXIMITY and 1.
PROXIMITY_NOISE, LEAST_PROXIMITY = 20 / 255, 0.03


@dataclass
class _Part:
    """A strip of one image of the batch, and what the round restores it with."""

    index: int
    strip: Strip
    model: Centralisation
    threshold: torch.Tensor
    means: torch.Tensor | None = None


class CentralisedRestorationRun(Run):
    """Blocks of iterations; dictionaries, similar patches and thresholds are renewed with every round.

    What a round works with follows from the image it began with, so that this image is all that a continued
    run needs of it.

    Parameters
    ----------
    settings : CentralisedSparseSettings
        Those of the prior.
    problem : Problem
        With a linear operator and Gaussian noise.
    channels : {"luminance", "all"}
        What is iterated on.
    first : FirstImage
        The image to begin with.
    generator : torch.Generator
        Seeds the clustering.
    """

    state = ("image", "begun", "iteration", "seed", "clusters")

    def __init__(
        self,
        settings: CentralisedSparseSettings,
        problem: Problem,
        channels: Colour,
        first: FirstImage,
        generator: torch.Generator,
    ) -> None:
        self.device = problem.y.device
        self._settings, self._problem = settings, problem
        # The constants are those of images of contrast 1.
        self._contrast = problem.largest_contrast
        initial, y = first.image / self._contrast, problem.y / self._contrast
        self._first = first
        self._luminance = channels == "luminance"
        self._y = full_range_luma(y) if self._luminance else y
        self.image = full_range_luma(initial) if self._luminance else initial
        self._colours = initial - self.image if self._luminance else None
        weight = problem.counted()
        self._weight = weight[:, :1] if weight is not None and self._luminance else weight
        noise = problem.noise_rms() / self._contrast
        self._sigma = noise * (FULL_RANGE_LUMA_NOISE if self._luminance else 1.0)
        self._energy = max(problem.operator.norm(tuple(problem.y.shape)) ** 2, 1e-6)
        self.seed = int(torch.randint(2**31, (), generator=generator))
        self.begun, self.iteration = self.image, 0
        self._exact = self._exact_pixels(problem)
        self._parts: list[_Part] = []
        self.clusters = 0

    def beginning(self) -> tuple[torch.Tensor, str] | None:
        """The first image, where it is more than the operator's first estimate."""
        return self._first.beginning()

    @property
    def finished(self) -> bool:
        """Whether the last iteration has been made."""
        return self.iteration >= self._settings.iterations

    @torch.no_grad()
    def step(self) -> Estimate:
        """Make a block of iterations; after the last one the image stays."""
        settings = self._settings
        for turn in range(min(settings.block, settings.iterations - self.iteration)):
            if self.iteration % settings.inner == 0:
                self.begun, self._parts = self.image, []
            if not self._parts:
                self._parts = self._round_from(self.begun)
            self._iterate(renew_means=turn % KEEP_MEANS == 0)
            self.iteration += 1
        image = self._as_image()
        return Estimate(image, self._problem.loss(image).item(), max(self.iteration, 1))

    def _iterate(self, renew_means: bool) -> None:
        """One step towards the measurement and one shrinkage."""
        operator, weight = self._problem.operator, self._weight
        moved = towards_measurement(
            self.image, self._y, operator, weight, self._proximity, self._settings.gradients
        )
        opponent = to_opponent(moved)
        result = torch.empty_like(opponent)
        for part in self._parts:
            patch = opponent[part.index, :, part.strip.cut]
            if renew_means or part.means is None:
                part.means = part.model.means(pixel_rows(patch, part.model.size))
            shrunk = part.model.shrink(patch, part.threshold, part.means)
            result[part.index, :, part.strip.own] = shrunk[:, part.strip.kept]
        self.image = from_opponent(result)

    def _round_from(self, image: torch.Tensor) -> list[_Part]:
        """What a round works with, learned from the image that it begins with."""
        number = self.iteration // self._settings.inner
        parts = []
        for index, opponent in enumerate(to_opponent(image)):
            generator = torch.Generator().manual_seed(self.seed + number)
            overlap, numbers = self._settings.radius + self._size, len(opponent) * self._size**2
            for strip in strips(opponent.shape[-2], opponent.shape[-1], overlap, numbers):
                patch = opponent[:, strip.cut]
                model = self._model(patch, generator)
                parts.append(_Part(index, strip, model, self._threshold(model, patch, number)))
        return parts

    def _model(self, image: torch.Tensor, generator: torch.Generator) -> Centralisation:
        settings, size = self._settings, self._size
        stride = min(settings.stride, size)
        dictionaries = learn(image, size, settings.clusters, SMALLEST, HIGH_PASS, 0.0, generator)
        count = SIMILAR if settings.similar is None else settings.similar
        similar = find_similar(image[:1], size, count, stride, settings.radius, BANDWIDTH / 255**2)
        self.clusters = max(self.clusters, len(dictionaries.centres))
        return Centralisation(image, dictionaries, similar, size, stride, HIGH_PASS)

    def _threshold(self, model: Centralisation, image: torch.Tensor, number: int) -> torch.Tensor:
        """The same for all codes in the first round, then by how far those of similar patches spread.

        Unlike in denoising no noise is taken off the spread: hardly any is left after a shrinkage.
        """
        noise = max(self._sigma, self._settings.assumed_noise)
        spread = model.variances(image).sqrt_()
        # An image that another prior has made is good enough.
        if self._first.called:
            number += EARLY_ROUNDS
        if number == 0:
            threshold = torch.full_like(spread, max(FIRST_THRESHOLD, noise))
        else:
            strength = STRENGTH if self._settings.strength is None else self._settings.strength
            strength *= SECOND if number == 1 else 1.0
            threshold = strength * math.sqrt(2) * noise**2 / (self._proximity * (spread + LEAST_DEVIATION))
            if self._y.shape[1] < self.image.shape[1]:
                threshold[:, self._size**2 :] *= CHROMA
        return threshold

    @property
    def _size(self) -> int:
        """Side of a patch that fits into the image."""
        return min(PATCH if self._settings.patch is None else self._settings.patch, *self.image.shape[-2:])

    @property
    def _proximity(self) -> float:
        """μ of the step towards the measurement: larger for stronger noise, which it must not fit."""
        share = (max(self._sigma, self._settings.assumed_noise) / PROXIMITY_NOISE) ** 2
        return self._energy * min(max(share, LEAST_PROXIMITY), 1.0)

    def _as_image(self) -> torch.Tensor:
        image = self.image if self._colours is None else self.image + self._colours
        image = (image * self._contrast).clamp(0, 1)
        return image if self._exact is None else torch.where(self._exact, self._problem.y, image)

    @staticmethod
    def _exact_pixels(problem: Problem) -> torch.Tensor | None:
        """Where the measurement is the image itself and without noise, of y's shape; None: nowhere."""
        if problem.sigma or not isinstance(problem.operator, Mask):
            return None
        known = (problem.operator.mask > 0.5).expand_as(problem.y)
        return known if problem.held_out is None else known & (problem.held_out < 0.5)

    def findings(self) -> dict[str, Any]:
        """The noise level, the iterations made, the clusters, and which channels were restored."""
        return {
            "sigma": self._sigma * self._contrast,
            "iterations": self.iteration,
            "clusters": self.clusters,
            "channels": "luminance" if self._luminance else "all",
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken; what the round works with is learned again."""
        super().load_state_dict(state)
        self._parts = []
