"""Networks in training on one image beside a guide: a denoised image that teaches, or shows what is like what.

The result is the mean of the network's image and the guide, which err differently.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import torch

from zeroshot.checks import require_choice, require_number, require_whole
from zeroshot.prior import require_known_settings
from zeroshot.priors.untrained.guide import guide_in_time
from zeroshot.priors.untrained.settings import CHEAPER
from zeroshot.priors.untrained.training import TrainingRun, TrainingSettings, over_orientations, padded
from zeroshot.problem import Problem
from zeroshot.registry import prior_class

#: How much of the time that is left the guide may take.
_GUIDE_SHARE = 0.4
#: A guide that has removed less than this share of what the network has, in energy, counts for less than its due.
_MUCH_LESS = 0.25


@dataclass(frozen=True)
class GuidedTrainingSettings(TrainingSettings):
    """Training with a guide.

    Parameters
    ----------
    guide : {"none", "tv", "wavelet", "dct", "bm3d", "ncsr", "pnp", "gsr"}
        The prior that makes the guide; "none" leaves it out of everything.
    guide_settings : dict, optional
        Settings of that prior.
    network_share : float
        What the network's image weighs in the result beside the guide, from 0 to 1. A guide that has removed far
        less than the network has, because it knew too little of the noise, weighs less.
    reduction : {1, 2}
        At 2 the network works on groups of 2 × 2 pixels, four times as fast and seeing twice as far.
    orientations : int
        Over how many orientations of the image the network's results are averaged, from 1 to 8.
    **settings
        As for :class:`~zeroshot.priors.untrained.training.TrainingSettings`.
    """

    channels: int = 48
    depth: int = 5
    crop: int = 96
    optimiser: str = "muon"
    learning_rate: float = 0.02
    guide: str = "bm3d"
    guide_settings: dict[str, Any] | None = None
    network_share: float = 0.5
    reduction: int = 2
    orientations: int = 8

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.guide is None:
            object.__setattr__(self, "guide", "none")
        require_choice(self, "guide", ("none", *CHEAPER))
        given = self.guide_settings
        if given is not None:
            if self.guide == "none" or not isinstance(given, dict):
                raise ValueError(
                    "guide_settings is a dict of settings of the guide's prior, "
                    f"got {given!r} with guide {self.guide!r}"
                )
            require_known_settings(prior_class(self.guide), given)
        require_number(self, "network_share", most=1)
        require_whole(self, "reduction", most=2)
        require_whole(self, "orientations", most=8)


class GuidedTrainingRun(TrainingRun):
    """The guide, and the mean of it and of what the network makes of the image.

    Attributes
    ----------
    guide : torch.Tensor or None
        (1, C, H, W).
    share : float
        What the network's image weighs in the newest estimate.
    """

    def __init__(
        self, settings: GuidedTrainingSettings, problem: Problem, generator: torch.Generator
    ) -> None:
        channels = problem.reference_shape[1]
        super().__init__(settings, problem, generator, inputs=channels, reduction=settings.reduction)
        self._orientations, self._network_share = settings.orientations, settings.network_share
        self.guide: torch.Tensor | None = None
        self.guide_kind = settings.guide
        if settings.guide != "none":
            self.guide, self.guide_kind = guide_in_time(
                settings.guide, problem, settings.guide_settings, _GUIDE_SHARE
            )
        self.share = 1.0 if self.guide is None else 0.0

    def beginning(self) -> tuple[torch.Tensor, str] | None:
        """The guide."""
        if self.guide is None or self.guide_kind == "initial":
            return None
        return self.guide, f"the {self.guide_kind} guide"

    def applied(self, image: torch.Tensor) -> torch.Tensor:
        """The image less what the network takes for noise."""
        return image - self.network(image)

    def denoised(self) -> torch.Tensor:
        """The mean of the network's image, in the last step over all orientations, and the guide."""
        y = self.problem.y
        height, width = y.shape[-2:]
        count = self._orientations if self.finished else 1
        multiple = self.network.size_multiple
        image = over_orientations(self.applied, padded(y, multiple), count)[..., :height, :width]
        if self.guide is None:
            return image
        removed = (y - self.guide).square().mean() / (y - image).square().mean().clamp(min=1e-12)
        self.share = 1 - (1 - self._network_share) * min(1.0, float(removed) / _MUCH_LESS)
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
