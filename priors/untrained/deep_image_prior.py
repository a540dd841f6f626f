"""Deep Image Prior: an untrained network that is fitted to one measurement, and stopped before it fits the noise."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from zeroshot.memory import available_memory
from zeroshot.prior import CleanRun, Prior, Run, require_known_settings
from zeroshot.priors.untrained.deep_image_run import DeepImageRun, working_precision
from zeroshot.priors.untrained.recipe_choice import recipe_for
from zeroshot.priors.untrained.settings import CHEAPER, DeepImageSettings, settings_help
from zeroshot.problem import Problem
from zeroshot.registry import prior_class
from zeroshot.stopping import HeldOut, HeldOutGain, MaxIterations, StoppingRule, WindowedMovingVariance

#: The most runs that make their steps by one call, and the most pixels of theirs: more would not fill a GPU better.
_MOST_ABREAST, _PIXELS_ABREAST = 8, 2**20


@dataclass(frozen=True)
class DeepImagePrior(DeepImageSettings, Prior):
    """min over θ of D(A(network(z; θ)), y), for an untrained network and a fixed random z.

    The structure of the network is the prior: it fits images before it fits noise, so it is stopped early.
    The defaults are the published denoising settings, so ``DeepImagePrior()`` is not what the name "dip"
    means: that is the ``fast`` recipe for the task at hand, which `for_problem` looks up.

    Parameters
    ----------
    **settings
        As for :class:`zeroshot.priors.untrained.settings.DeepImageSettings`.

    References
    ----------
    D. Ulyanov, A. Vedaldi, V. Lempitsky: Deep Image Prior, CVPR 2018; IJCV 128 (2020).
    """

    name: ClassVar[str] = "dip"
    summary: ClassVar[str] = "Deep Image Prior: an untrained network fitted to the one image, stopped early"

    def __post_init__(self) -> None:
        super().__post_init__()
        given = self.guide_settings
        if given is None:
            return
        if self.guide not in CHEAPER or not isinstance(given, dict):
            raise ValueError(
                f"guide_settings is a dict of settings of the guide's prior, got {given!r} with guide {self.guide!r}"
            )
        require_known_settings(prior_class(self.guide), given)

    @classmethod
    def for_problem(cls, problem: Problem, **settings: Any) -> DeepImagePrior:
        """The recipe for this problem, the fast one unless `settings` name another, with `settings` put over it."""
        recipe = settings.get("recipe", "fast")
        chosen = {"recipe": recipe, **recipe_for(recipe, problem).settings, **settings}
        if "scales" in settings and isinstance(chosen.get("channels"), tuple | list):
            raise ValueError("scales goes with one number of channels; several channels are one per scale")
        return super().for_problem(problem, **chosen)

    @classmethod
    def settings_help(cls) -> str:
        """The settings with their defaults, allowed values and, beside them, what the recipes set."""
        return settings_help()

    def supports(self, problem: Problem) -> str | None:
        if problem.reference_shape[0] != 1:
            return "Deep Image Prior fits one network to one image; give the images of a batch one by one"
        if max(problem.reference_shape[-2:]) < 4:
            height, width = problem.reference_shape[-2:]
            return f"the image is too small for a network: {height} × {width}, needs one side of at least 4"
        return self._lack_of_memory(problem)

    def memory(self, problem: Problem) -> int:
        height, width = problem.reference_shape[-2:]
        size = 2 if working_precision(self.precision, problem.y.device) == torch.bfloat16 else 4
        # Measured peaks of the hourglass, in bytes a pixel, for 16 to 128 channels in either precision.
        return height * width * (950 + 21 * max(self.channels_per_scale) * size)

    def _lack_of_memory(self, problem: Problem) -> str | None:
        """Why the image is too large for the CPU's memory, or None."""
        free = None if torch.cuda.is_available() else available_memory()
        if free is None:
            return None
        height, width = problem.reference_shape[-2:]
        needed = self.memory(problem)
        if needed <= free:
            return None
        return (
            f"{height} × {width} pixels need about {needed / 2**30:.0f} GiB of memory and {free / 2**30:.0f} GiB "
            "are free; use fewer channels, a smaller image, or the prior 'tv'"
        )

    def runs_abreast(self, problem: Problem) -> int:
        """On a GPU as many as have a million pixels together, and no more than eight."""
        if problem.y.device.type not in DeepImageRun.joins_on:
            return 1
        height, width = problem.reference_shape[-2:]
        return max(1, min(_MOST_ABREAST, _PIXELS_ABREAST // (height * width)))

    def within(self, seconds: float) -> DeepImagePrior:
        return dataclasses.replace(self, budget=seconds)

    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        if problem.is_clean:
            return CleanRun(problem)
        return DeepImageRun(self, problem, generator)

    def default_stopping(self, problem: Problem) -> StoppingRule:
        if self.stopping == "iterations":
            return MaxIterations(self.iterations)
        if self.stopping == "variance":
            variance = WindowedMovingVariance(window=self.window, patience=self.patience)
            return variance | MaxIterations(self.iterations)
        rim = self.rim if self.stopping == "rim" else None
        held_out = (
            HeldOut(fraction=self.held_out, patience=self.patience)
            if self.stopping == "held_out"
            else HeldOutGain(fraction=self.held_out, patience=self.patience, rim=rim)
        )
        return held_out | MaxIterations(self.iterations - self.refit_iterations)
