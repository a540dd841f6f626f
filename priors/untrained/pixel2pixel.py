"""Pixel2Pixel: an image refilled with its own similar pixels is another photograph of the same scene."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import ClassVar

import torch
import torch.nn.functional as F

from zeroshot.checks import require_number, require_whole
from zeroshot.prior import CleanRun, Prior, Run
from zeroshot.priors.untrained.guided_training import GuidedTrainingRun, GuidedTrainingSettings
from zeroshot.priors.untrained.pixel_bank import pixel_bank
from zeroshot.priors.untrained.training import reason_against
from zeroshot.problem import Problem


@dataclass(frozen=True)
class Pixel2Pixel(GuidedTrainingSettings, Prior):
    """min over θ of E ‖f(z; θ) − t‖², with z and t drawn from a bank of the pixels that are like each pixel.

    The bank holds, for each pixel, those in the middle of the most similar patches (:func:`pixel_bank`). The input z
    is the image with a share of its pixels refilled from the bank at random, the target t the mean of the members
    that are not in z: the same content with other noise, of whatever kind, so that f learns to denoise without being
    told a noise level. (A single random member as the target, as published, has the same minimiser and more noise in
    the gradient.)

    As published: ``guide="none"``, with ``iterations=3000, crop=0, learning_rate=1e-3, channels=64, depth=5,
    reduction=1, members=19, gap=0, coarse=0, refill=0.95, orientations=1`` (members=3 for white noise of σ = 25).

    Here patches are by default compared in a guide, a denoised image, in which fewer are taken for similar because
    of their noise; members lie farther away than noise is correlated; others come from the image of half the size
    (cross-scale refilling), whose noise is weaker. The result is the mean of the network's image and the guide,
    which err differently; a guide that has removed far less than the network gets less weight. A result tells the
    shares.

    Parameters
    ----------
    members, coarse : int
        Members a pixel from the image itself and from that of half the size.
    patch : int
        Odd side of the patches that are compared.
    radius : int
        How far away members are looked for.
    gap : int
        The least distance of a member, along rows or columns; 0 where noise is white.
    refill : float
        Share of the input's pixels that are refilled.
    **settings
        As for :class:`~zeroshot.priors.untrained.guided_training.GuidedTrainingSettings`.

    References
    ----------
    Q. Ma, J. Jiang, X. Zhou, P. Liang, X. Liu, J. Ma: Pixel2Pixel: a pixelwise approach for zero-shot single image
    denoising, IEEE TPAMI 2025. Q. Guo et al.: Zero-shot blind-spot image denoising via cross-scale non-local pixel
    refilling, NeurIPS 2025.
    """

    name: ClassVar[str] = "pixel2pixel"
    summary: ClassVar[str] = "Pixel2Pixel: refilled with its own similar pixels, the image teaches a network"
    bytes_per_value: ClassVar[int | None] = 1500

    iterations: int = 400
    crop: int = 128
    members: int = 12
    coarse: int = 4
    patch: int = 7
    radius: int = 20
    gap: int = 3
    refill: float = 0.5

    def __post_init__(self) -> None:
        super().__post_init__()
        require_number(self, "refill", most=1)
        require_whole(self, "members", least=2)
        require_whole(self, "coarse", "gap", least=0)
        require_whole(self, "patch", "radius")
        if self.patch % 2 == 0:
            raise ValueError(f"patch must be odd, got {self.patch}")

    def supports(self, problem: Problem) -> str | None:
        """None for plain noise of any kind on one image of at least 16 × 16."""
        return reason_against(problem, "Pixel2Pixel")

    def within(self, seconds: float) -> Pixel2Pixel:
        return replace(self, budget=seconds)

    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        return CleanRun(problem) if problem.is_clean else Pixel2PixelRun(self, problem, generator)


class Pixel2PixelRun(GuidedTrainingRun):
    """The bank, the training of f, and the mean of f(y) and the guide."""

    def __init__(self, prior: Pixel2Pixel, problem: Problem, generator: torch.Generator) -> None:
        super().__init__(prior, problem, generator)
        self._prior = prior
        y = problem.y
        self._bank = pixel_bank(
            y,
            y if self.guide is None else self.guide,
            count=prior.members,
            patch=min(prior.patch, min(y.shape[-2:]) // 2 * 2 - 1),
            radius=prior.radius,
            gap=prior.gap,
            coarse=prior.coarse,
        )

    def objective(self) -> torch.Tensor:
        """The distance of what the network makes of a refilled part to the members that were not drawn."""
        bank = self.crop_of(self._bank, self.network.size_multiple)
        others = len(bank) - 1
        size = bank.shape[-2:]
        draws = self.noise_generator
        drawn = torch.randint(1, others + 1, size, generator=draws, device=self.device)
        kept = torch.rand(size, generator=draws, device=self.device) >= self._prior.refill
        which = drawn.masked_fill(kept, 0).expand(1, bank.shape[1], *size)
        given = bank.gather(0, which)
        # With members far away the pixel itself, whose noise that of its neighbours is like, is no target.
        first = 1 if self._prior.gap else 0
        total, count = bank[first:].sum(0, keepdim=True), len(bank) - first
        inside = (which >= first).to(bank.dtype)
        target = (total - inside * given) / (count - inside)
        return F.mse_loss(self.applied(given), target)
