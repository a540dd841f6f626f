"""Zero-Shot Noise2Noise: two small views of one image, whose noise differs, teach a network to denoise it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F

from zeroshot.checks import require_whole
from zeroshot.prior import CleanRun, Prior, Run
from zeroshot.priors.untrained.training import (
    TrainingRun,
    TrainingSettings,
    over_orientations,
    reason_against,
)
from zeroshot.problem import Problem


@dataclass(frozen=True)
class ZeroShotNoise2Noise(TrainingSettings, Prior):
    """min over θ of ‖D₁y − f(D₁y) − D₂y‖² + ‖D₂y − f(D₂y) − D₁y‖² + consistency, and y − f(y) is the image.

    D₁ and D₂ are the means of the two diagonals of each 2 × 2 block: views of half the size with the same content
    and, where the noise of neighbours is independent, independent noise, so that f learns to predict the noise. The
    consistency ‖D₁y − f(D₁y) − D₁(y − f(y))‖² (and for D₂) carries that to the size of the image. No noise level is
    needed. f has two 3 × 3 convolutions and a 1 × 1 one, 48 channels: about 22 000 weights.

    As published: ``iterations=2000, crop=0, optimiser="adam", learning_rate=1e-3, orientations=1``. By default
    each update sees a part of the image, Muon updates the kernels, and the network's image is the mean over the
    eight orientations. Noise that neighbours share, as after demosaicking or JPEG, stays: see
    :class:`~zeroshot.priors.untrained.pixel2pixel.Pixel2Pixel`.

    Parameters
    ----------
    orientations : int
        Over how many orientations of the image the network's results are averaged, from 1 to 8.
    **settings
        As for :class:`~zeroshot.priors.untrained.training.TrainingSettings`.

    References
    ----------
    Y. Mansour, R. Heckel: Zero-Shot Noise2Noise: efficient image denoising without any data, CVPR 2023.
    """

    name: ClassVar[str] = "zsn2n"
    summary: ClassVar[str] = "Zero-Shot Noise2Noise: two half-size views of the image teach a small network"
    bytes_per_value: ClassVar[int | None] = 500

    iterations: int = 300
    crop: int = 128
    optimiser: str = "muon"
    learning_rate: float = 0.04
    orientations: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole(self, "orientations", most=8)

    def supports(self, problem: Problem) -> str | None:
        """None for plain noise of any kind on one image of at least 16 × 16."""
        return reason_against(problem, "Zero-Shot Noise2Noise")

    def within(self, seconds: float) -> ZeroShotNoise2Noise:
        return replace(self, budget=seconds)

    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        return CleanRun(problem) if problem.is_clean else Noise2NoiseRun(self, problem, generator)


class Noise2NoiseRun(TrainingRun):
    """The training of f, and y − f(y)."""

    def __init__(self, prior: ZeroShotNoise2Noise, problem: Problem, generator: torch.Generator) -> None:
        super().__init__(prior, problem, generator, inputs=problem.reference_shape[1])
        self._orientations = prior.orientations

    def objective(self) -> torch.Tensor:
        """The two residual losses and the two of consistency."""
        part = self.crop_of(self.problem.y, 2)
        views = diagonal_means(part)
        predicted = tuple(view - self.network(view) for view in views)
        of_whole = diagonal_means(part - self.network(part))
        residual = F.mse_loss(predicted[0], views[1]) + F.mse_loss(predicted[1], views[0])
        consistency = sum(F.mse_loss(one, other) for one, other in zip(predicted, of_whole, strict=True))
        return (residual + consistency) / 2

    def denoised(self) -> torch.Tensor:
        """The measurement less its predicted noise, in the last step over all orientations."""
        y = self.problem.y
        count = self._orientations if self.finished else 1
        return over_orientations(lambda image: image - self.network(image), y, count)


def diagonal_means(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The means of the falling and of the rising diagonal of each 2 × 2 block, (N, C, H/2, W/2) each."""
    falling = (image[..., 0::2, 0::2] + image[..., 1::2, 1::2]) / 2
    rising = (image[..., 0::2, 1::2] + image[..., 1::2, 0::2]) / 2
    return falling, rising
