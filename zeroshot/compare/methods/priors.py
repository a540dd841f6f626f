"""The priors of this engine as methods of a comparison."""

from __future__ import annotations

import time
from typing import Any

import numpy as np
import torch

from zeroshot.compare.method import Case
from zeroshot.compare.methods.arrays import to_array
from zeroshot.deadline import give_back
from zeroshot.estimate import Estimate
from zeroshot.operators import Downsample, Identity, Mask
from zeroshot.prior import Prior, Run, configured_prior, require_known_settings
from zeroshot.problem import Problem
from zeroshot.registry import prior_class
from zeroshot.solve import solve_problem

#: Factor between the times at which intermediate images are shown.
_SPACING = 1.07
_FIRST_SECONDS = 0.02


class PriorMethod:
    """``min over θ of D(A(x(θ)), y) + λR(x)`` by the engine, with a registered prior.

    Parameters
    ----------
    prior : str
        A registered name.
    settings : dict, optional
        Hyper-parameters; those of the case hold where these say nothing.
    label : str, optional
        How tables call it.

    Raises
    ------
    ValueError
        Where there is no such prior, it has no such setting, or the setting can have no such value.
    """

    def __init__(self, prior: str, settings: dict[str, Any] | None = None, label: str | None = None) -> None:
        self.prior, self.settings = prior, dict(settings or {})
        self.name = label or prior
        require_known_settings(prior_class(prior), self.settings)
        if self.settings:
            _require_possible(prior, self.settings)

    def supports(self, case: Case) -> str | None:
        """None where the prior can solve the case's problem.

        Raises
        ------
        ValueError
            Where a setting has a value that the prior refuses for this problem.
        """
        return self._configured(case).supports(case.problem)

    def restore(self, image: np.ndarray, task: Case) -> np.ndarray:
        prior = self._configured(task)
        watch = _Watch(task)
        # The problem holds what was measured; a picture is only asked for to put the result into.
        blank = np.zeros(image.shape[:2], np.float32)
        restored = solve_problem(
            blank,
            task.problem,
            prior,
            task=task.task,
            seconds=task.seconds,
            seed=task.seed,
            callbacks=[watch],
            progress=False,
        )
        task.note("iterations", restored.iterations)
        task.note("stopped_by", restored.stopped_by)
        task.note("sigma", restored.sigma)
        # Such as the other prior that a run begins at: what a reader must know to tell two methods apart.
        for name, finding in restored.findings.items():
            if isinstance(finding, str | int | float):
                task.note(name, finding)
        return to_array(restored.picture.colours)

    def _configured(self, case: Case) -> Prior:
        return configured_prior(self.prior, case.problem, {**case.settings, **self.settings})


def _require_possible(prior: str, settings: dict[str, Any]) -> None:
    """Raise the prior's own error where it refuses the settings for every kind of problem."""
    refusals = []
    for problem in _small_problems():
        try:
            configured_prior(prior, problem, settings)
        except (ValueError, TypeError) as error:
            refusals.append(error)
        else:
            return
    raise ValueError(f"{prior}: {refusals[0]}") from refusals[0]


def _small_problems() -> list[Problem]:
    """Problems that the defaults of priors tell apart; nothing is solved."""
    measured = torch.full((1, 3, 16, 16), 0.5)
    mask = (torch.arange(16) % 2).expand(1, 1, 16, 16).float()
    return [
        Problem(measured, Identity(), sigma=0.1, task="denoise"),
        Problem(measured, Downsample(2), sigma=0.0, task="sr"),
        Problem(measured * mask, Mask(mask), sigma=0.0, task="inpaint", measured=mask),
    ]


class _Watch:
    """Shows an estimate at geometrically spaced times, and leaves the time that showing takes out of the budget."""

    def __init__(self, case: Case) -> None:
        self._show = case.show
        self._started = time.monotonic()
        self._next = _FIRST_SECONDS
        self.away = 0.0

    def __call__(self, estimate: Estimate, run: Run) -> None:
        began = time.monotonic()
        elapsed = began - self._started - self.away
        if elapsed < self._next:
            return
        self._next = max(self._next, elapsed) * _SPACING
        self._show(to_array(estimate.image))
        away = time.monotonic() - began
        self.away += away
        give_back(away)
