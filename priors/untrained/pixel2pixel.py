"""Pixel2Pixel: an image refilled with its own similar pixels is another photograph of the same scene."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F

from zeroshot.checks import require_choice, require_number, require_whole
from zeroshot.prior import Prior, Run, require_known_settings
from zeroshot.priors.clean import CleanRun
from zeroshot.priors.untrained.guide import guide_in_time
from zeroshot.priors.untrained.pixel_bank import pixel_bank
from zeroshot.priors.untrained.settings import CHEAPER
from zeroshot.priors.untrained.training import (
    TrainingRun,
    TrainingSettings,
    over_orientations,
    padded,
    reason_against,
)
from zeroshot.problem import Problem
from zeroshot.registry import prior_class

#: How much of the time that is left the guide may take.
_GUIDE_SHARE = 0.4


@dataclass(frozen=True)
class Pixel2Pixel(TrainingSettings, Prior):
    """min over θ of E ‖f(z; θ) − t‖², with z and t drawn from a bank of the pixels that are like each pixel.

    The bank holds, for each pixel, those in the middle of the most similar patches (:func:`pixel_bank`). The input z
    is the image with a share of its pixels refilled from the bank at random, the target t the mean of the members
    that are not in z: the same content with other noise, of whatever kind, so that f learns to denoise without being
    told a noise level. (A single random member as the target, as published, has the same minimiser and more noise in
    the gradient.)

    As published: ``guide="none"``, with ``iterations=3000, crop=None, learning_rate=1e-3, channels=64, depth=5,
    reduction=1, members=19, gap=0, coarse=0, refill=0.95, orientations=1`` (members=3 for white noise of σ = 25).

    Here patches are by default compared in a guide, a denoised image, in which fewer are taken for similar because
    of their noise; members lie farther away than noise is correlated; others come from the image of half the size
    (cross-scale refilling), whose noise is weaker. The result is the mean of the network's image and the guide,
    which err differently; a guide that has removed far less than the network gets less weight. A result tells the
    shares.

    Parameters
    ----------
    guide : {"none", "tv", "wavelet", "dct", "bm3d", "ncsr", "pnp", "gsr"}
        The prior that makes the guide; "none" leaves all of it out.
    guide_settings : dict, optional
        Settings of that prior.
    network_share : float
        What the network's image weighs in the result beside a good guide, above 0 and at most 1.
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
    reduction : {1, 2}
        At 2 the network works on groups of 2 × 2 pixels, four times as fast and seeing twice as far.
    orientations : int
        Over how many orientations of the image the network's results are averaged, from 1 to 8.
    **settings
        As for :class:`~zeroshot.priors.untrained.training.TrainingSettings`.

    References
    ----------
    Q. Ma, J. Jiang, X. Zhou, P. Liang, X. Liu, J. Ma: Pixel2Pixel: a pixelwise approach for zero-shot single image
    denoising, IEEE TPAMI 2025. Q. Guo et al.: Zero-shot blind-spot image denoising via cross-scale non-local pixel
    refilling, NeurIPS 2025.
    """

    name: ClassVar[str] = "pixel2pixel"
    summary: ClassVar[str] = "Pixel2Pixel: refilled with its own similar pixels, the image teaches a network"
    bytes_per_value: ClassVar[int | None] = 1500

    channels: int = 48
    depth: int = 5
    iterations: int = 400
    crop: int | None = 128
    learning_rate: float = 2e-3
    guide: str = "bm3d"
    guide_settings: dict[str, Any] | None = None
    network_share: float = 0.5
    members: int = 12
    coarse: int = 4
    patch: int = 7
    radius: int = 20
    gap: int = 3
    refill: float = 0.5
    reduction: int = 2
    orientations: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.guide is None:
            object.__setattr__(self, "guide", "none")
        require_choice(self, "guide", ("none", *CHEAPER))
        if self.guide_settings is not None:
            if self.guide not in CHEAPER or not isinstance(self.guide_settings, dict):
                raise ValueError(
                    "guide_settings is a dict of settings of the guide's prior, "
                    f"got {self.guide_settings!r} with guide {self.guide!r}"
                )
            require_known_settings(prior_class(self.guide), self.guide_settings)
        require_number(self, "network_share", "refill", most=1)
        require_whole(self, "members", least=2)
        require_whole(self, "coarse", "gap", least=0)
        require_whole(self, "patch", "radius")
        require_whole(self, "reduction", most=2)
        require_whole(self, "orientations", most=8)
        if self.patch % 2 == 0:
            raise ValueError(f"patch must be odd, got {self.patch}")

    def supports(self, problem: Problem) -> str | None:
        """None for plain noise of any kind on one image of at least 16 × 16."""
        return reason_against(problem, "Pixel2Pixel")

    def within(self, seconds: float) -> Pixel2Pixel:
        return replace(self, budget=seconds)

    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        return CleanRun(problem) if problem.is_clean else Pixel2PixelRun(self, problem, generator)


class Pixel2PixelRun(TrainingRun):
    """The bank, the training of f, and the mean of f(y) and the guide."""

    def __init__(self, prior: Pixel2Pixel, problem: Problem, generator: torch.Generator) -> None:
        channels = problem.reference_shape[1]
        super().__init__(prior, problem, generator, inputs=channels, reduction=prior.reduction)
        self._prior = prior
        self.guide: torch.Tensor | None = None
        self.guide_kind = prior.guide
        if prior.guide != "none":
            self.guide, self.guide_kind = guide_in_time(
                prior.guide, problem, prior.guide_settings, _GUIDE_SHARE
            )
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
        #: What the network's image weighs in the newest estimate.
        self.share = 1.0 if self.guide is None else 0.0

    def beginning(self) -> tuple[torch.Tensor, str] | None:
        """The guide."""
        if self.guide is None or self.guide_kind == "initial":
            return None
        return self.guide, f"the {self.guide_kind} guide"

    def objective(self) -> torch.Tensor:
        """The distance of what the network makes of a refilled part to the members that were not drawn."""
        (bank,) = self.crop_of(self._bank, multiple=self.network.size_multiple)
        others = len(bank) - 1
        size = bank.shape[-2:]
        drawn = torch.randint(1, others + 1, size, generator=self.generator)
        kept = torch.rand(size, generator=self.generator) >= self._prior.refill
        which = drawn.masked_fill(kept, 0).to(self.device).expand(1, bank.shape[1], *size)
        given = bank.gather(0, which)
        # With members far away the pixel itself, whose noise that of its neighbours is like, is no target.
        first = 1 if self._prior.gap else 0
        total, count = bank[first:].sum(0, keepdim=True), len(bank) - first
        inside = (which >= first).to(bank.dtype)
        target = (total - inside * given) / (count - inside)
        return F.mse_loss(self._applied(given), target)

    def _applied(self, image: torch.Tensor) -> torch.Tensor:
        return image - self.network(image)

    def denoised(self) -> torch.Tensor:
        """The mean of the network's image, in the last step over all orientations, and the guide."""
        y = self.problem.y
        height, width = y.shape[-2:]
        count = self._prior.orientations if self.finished else 1
        image = over_orientations(self._applied, padded(y, 2), count)[..., :height, :width]
        if self.guide is None:
            return image
        removed = (y - self.guide).square().mean() / (y - image).square().mean().clamp(min=1e-12)
        self.share = 1 - (1 - self._prior.network_share) * min(1.0, float(removed))
        return torch.lerp(self.guide, image, self.share)

    def findings(self) -> dict[str, Any]:
        """The guide, and what the network's image weighs beside it."""
        return {"guide": self.guide_kind, "network_share": round(self.share, 4)}

    def remark(self) -> str:
        """How much of the result is the guide's."""
        if self.guide is None:
            return ""
        network = round(100 * self.share)
        return f"{100 - network} % {self.guide_kind} guide, {network} % network"
