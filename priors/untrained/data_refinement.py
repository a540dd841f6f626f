"""Iterative data refinement on one image: a network learns from an estimate with the image's own noise on it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
import torch.nn.functional as F

from zeroshot.checks import require_choice, require_whole
from zeroshot.noise import NoiseModel
from zeroshot.prior import CleanRun, Prior, Run
from zeroshot.priors.untrained.guided_training import GuidedTrainingRun, GuidedTrainingSettings
from zeroshot.priors.untrained.local_noise import LocalNoise
from zeroshot.priors.untrained.training import reason_against
from zeroshot.problem import Problem

#: From which confidence on a noise model is drawn from rather than the image.
_CONFIDENT = 0.5


@dataclass(frozen=True)
class IterativeDataRefinement(GuidedTrainingSettings, Prior):
    """min over θ of E ‖f(t + n; θ) − t‖², with t an estimate of the image and n noise like the image's own.

    The estimate that teaches is the guide, a denoised image; n is drawn anew for each update, from the
    noise as the image itself shows it where it is flat (:class:`~zeroshot.priors.untrained.local_noise.LocalNoise`),
    correlated and dependent on the intensity in any way, or from the problem's noise model. f,
    applied to the measurement, errs differently from the guide, and the mean of both is better than either. The
    result is that mean, and tells the shares.

    As published, for one image: ``guide="none"``: the measurement itself teaches first (noisier to noisy), and each
    round's result the next.

    Parameters
    ----------
    rounds : int
        How many teachers there are, each the result of the round before. Updates are divided evenly among them.
    noise : {"auto", "image", "model"}
        Where the noise comes from: the image, or the problem's noise model. "auto" takes the model where
        there is one, of a confidence of at least 0.5, that is not white.
    **settings
        As for :class:`~zeroshot.priors.untrained.guided_training.GuidedTrainingSettings`.

    References
    ----------
    Y. Zhang, D. Li, K. L. Law, X. Wang, H. Qin, H. Li: IDR: self-supervised image denoising via iterative data
    refinement, CVPR 2022. J. Xu et al.: Noisy-As-Clean: learning self-supervised denoising from corrupted image,
    IEEE TIP 29 (2020).
    """

    name: ClassVar[str] = "idr"
    summary: ClassVar[str] = (
        "Iterative Data Refinement: an estimate with the image's own noise on it teaches a network"
    )
    bytes_per_value: ClassVar[int | None] = 800

    iterations: int = 1500
    rounds: int = 1
    noise: str = "auto"

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice(self, "noise", ("auto", "image", "model"))
        require_whole(self, "rounds")

    def supports(self, problem: Problem) -> str | None:
        """None for plain noise of any kind on one image of at least 16 × 16."""
        if self.noise == "model" and problem.noise is None:
            return "noise='model' needs a noise model that is not white; use noise='image'"
        return reason_against(problem, "Iterative Data Refinement")

    def within(self, seconds: float) -> IterativeDataRefinement:
        return replace(self, budget=seconds)

    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        return CleanRun(problem) if problem.is_clean else DataRefinementRun(self, problem, generator)


class DataRefinementRun(GuidedTrainingRun):
    """Rounds of training, each with a better teacher than the one before."""

    state = (*GuidedTrainingRun.state, "teacher", "round")

    def __init__(self, prior: IterativeDataRefinement, problem: Problem, generator: torch.Generator) -> None:
        super().__init__(prior, problem, generator)
        self._rounds, self._source = prior.rounds, prior.noise
        self.round = 0
        self.teacher = problem.y if self.guide is None else self.guide
        self._noise = self._find_noise()

    def _find_noise(self) -> NoiseModel | LocalNoise:
        """The noise model, or what the teacher leaves of the measurement where the image is flat."""
        y, model = self.problem.y, self.problem.noise
        if model is not None and (
            self._source == "model" or (self._source == "auto" and model.confidence >= _CONFIDENT)
        ):
            return model
        return LocalNoise.of(y, self.teacher)

    def objective(self) -> torch.Tensor:
        """The distance of what the network makes of a noisy part of the teacher to that part."""
        teacher = self.crop_of(self.teacher, self.network.size_multiple)
        noisy = teacher + self._noise.sample(teacher, self.generator)
        return F.mse_loss(self.applied(noisy), teacher)

    def denoised(self) -> torch.Tensor:
        """The mean of the network's image and the guide, which is the teacher of the next round where it is due."""
        image = super().denoised()
        if self.round < self._rounds - 1 and self.iteration >= self.planned * (self.round + 1) / self._rounds:
            self.round += 1
            self.teacher = image.clamp(0, 1)
            self._noise = self._find_noise()
        return image

    def findings(self) -> dict[str, Any]:
        """The guide, what the network's image weighs beside it, and where the noise came from."""
        source = "model" if isinstance(self._noise, NoiseModel) else "image"
        return {**super().findings(), "noise_from": source}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        super().load_state_dict(state)
        if self.round == 0:
            self.teacher = self.problem.y if self.guide is None else self.guide
        self._noise = self._find_noise()
