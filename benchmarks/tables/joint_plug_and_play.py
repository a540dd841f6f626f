"""Plug and play for several damages at once: BM3D in its normal profile, and more iterations than one damage needs.

The defaults of the prior `pnp` were chosen for one damage at a time: eight iterations with BM3D's fast profile.
A mosaic of a shrunk image measures one value of twelve, and what is not measured spreads slowly from
iteration to iteration.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from zeroshot.compare.method import Case
from zeroshot.compare.methods.arrays import to_array
from zeroshot.priors.nonlocal_.bm3d import BlockMatching3D
from zeroshot.priors.plug_and_play import PlugAndPlay
from zeroshot.solve import solve_problem


@dataclass(frozen=True)
class JointPlugAndPlay:
    """Half-quadratic splitting with BM3D, as a method of a comparison.

    Attributes
    ----------
    iterations : int
    weight : float
        λ of the prior `pnp`.
    chroma : float
        How many times more differences of colour are denoised.
    last_level : float
        The noise level of the last call, as a multiple of the measurement's.
    profile : str
        BM3D's.
    """

    name: ClassVar[str] = "joint pnp"

    iterations: int = 24
    weight: float = 0.12
    chroma: float = 2.0
    last_level: float = 1.2
    profile: Literal["fast", "normal", "high"] = "normal"

    def supports(self, case: Case) -> str | None:
        """What plug and play says."""
        return self._prior(case).supports(case.problem)

    def restore(self, image: np.ndarray, task: Case) -> np.ndarray:
        """The restored image."""
        result = solve_problem(
            image, task.problem, self._prior(task), task=task.task, seconds=task.seconds, progress=False
        )
        return to_array(result.picture.colours)

    def _prior(self, case: Case) -> PlugAndPlay:
        sigma = case.problem.sigma
        return PlugAndPlay(
            denoiser=BlockMatching3D(profile=self.profile),
            iterations=self.iterations,
            sigma_start=max(20 / 255, self.last_level * (sigma or 0.0)),
            sigma_end=self.last_level * sigma if sigma else None,
            weight=self.weight,
            chroma=self.chroma,
        )
