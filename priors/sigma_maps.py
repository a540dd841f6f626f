"""Denoising with a noise level that differs from place to place.

A denoiser knows one level at a time. It is run at several, and every pixel takes its own from between the two next to
it: exact where the level is one of those, for every denoiser and any map, at the price of one run a level.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import torch

from zeroshot.estimate import Estimate
from zeroshot.noise.level_maps import level_weight, levels_of
from zeroshot.prior import Run
from zeroshot.problem import Problem

if TYPE_CHECKING:
    from zeroshot.priors.denoiser import Denoiser


class SigmaMapRun(Run):
    """One level a step; the estimate is made of the levels that are done, and of the measurement in place of the rest.

    Parameters
    ----------
    denoiser : Denoiser
    problem : Problem
        Of denoising, with a map of levels.
    """

    state = ("estimate", "index")

    def __init__(self, denoiser: Denoiser, problem: Problem) -> None:
        assert problem.sigma_map is not None
        self.device = problem.y.device
        self._denoiser, self._problem = denoiser, problem
        self._map = problem.sigma_map.to(problem.y)
        self._levels = levels_of(self._map)
        # Each pass asks for them.
        self._contrast = problem.contrasts().cpu()
        # The measurement stands for the level 0.
        self.estimate = problem.y * self._weight(-1)
        self.index = 0

    @property
    def finished(self) -> bool:
        """Whether the last level is done."""
        return self.index >= len(self._levels)

    def _weight(self, index: int) -> torch.Tensor:
        return level_weight(self._map, self._levels, index)

    @torch.no_grad()
    def step(self) -> Estimate:
        """Denoise at the next level."""
        if not self.finished:
            level = self._levels[self.index]
            denoised = self._denoiser.denoise(self._problem.y, level, self._contrast)
            self.estimate = self.estimate + denoised * self._weight(self.index)
            self.index += 1
        left: torch.Tensor | float = sum((self._weight(k) for k in range(self.index, len(self._levels))), 0.0)
        image = (self.estimate + self._problem.y * left).clamp(0, 1)
        return Estimate(image, self._problem.loss(image).item(), max(self.index, 1))
