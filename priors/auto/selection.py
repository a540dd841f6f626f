"""Zero-shot model selection: which prior suits this image is asked of the image itself.

A part of the measurements is put aside in a few windows that stand for the picture, every candidate restores them from
the rest, and the one that predicts what was put aside best restores the whole.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from zeroshot.checks import is_number, require_positive
from zeroshot.prior import CleanRun, Prior, Run, configured_prior
from zeroshot.priors.auto.candidates import figures_for, learners_for, measured_for
from zeroshot.priors.auto.planning import plan_for_measured, plan_for_own
from zeroshot.priors.auto.trials import ModelSelectionRun
from zeroshot.problem import Problem
from zeroshot.registry import prior_class


@dataclass(frozen=True)
class ModelSelection(Prior):
    """argmin over the candidates p of D(A(x̂ₚ), y) on measurements that x̂ₚ has not seen.

    In denoising the pixels put aside are replaced by what their neighbours suggest, in the manner of Noise2Self, so
    that every denoiser runs as it is; elsewhere they count as not measured, and holes that have a shape are put aside
    as holes of the same shape elsewhere. In super-resolution the measurement itself is what a coarser version of it is
    enlarged to. Behind a blur the measurements say little about fine detail: there the order is that of the test
    pictures.

    The candidates of a task come with how good and how dear they were on test pictures. The trials are made of as much
    of the picture as costs no more than 1.2 runs of the one that is chosen, in windows that stand for all of
    it, and of no more candidates than that leaves room for; the first one is taken without trials where it leaves none.
    From one window to the next those are given up that have fallen behind. What a candidate is expected to gain on the
    first is the mean of what was seen of it here and on test pictures, each weighted by how certain it is; it is chosen
    where that is more than half its standard deviation. Of a list of one's own nothing is known: all are tried, and the
    place in the list decides between equals. One that fails is passed over. With fewer than two measured pixels the
    first is taken.

    Parameters
    ----------
    candidates : tuple of str or Prior
        Names of registered priors, or configured ones, in the order in which they are tried and preferred.
        Those that do not support the problem are passed over. The default is by task, and has slower ones as well
        where `seconds` suffices for them.
    fraction : float
        How much of the measured pixels is put aside, above 0 and at most 0.5.
    seconds : float or None
        The time for all of it, the final run included; every candidate is given an equal share of what is
        left, is judged by what it has reached then, and what the best one needs is kept for the final run, if
        need be by skipping the candidates that are left. ``solve(…, seconds=…)`` sets it. None lets every
        candidate come to its own end.

    References
    ----------
    J. Batson, L. Royer: Noise2Self: blind denoising by self-supervision, ICML 2019.
    """

    name: ClassVar[str] = "auto"
    summary: ClassVar[str] = "tries several priors on a part of the measurements and keeps the best predictor"

    candidates: tuple[str | Prior, ...] = ("pnp", "tv")
    fraction: float = 0.06
    seconds: float | None = None

    def __post_init__(self) -> None:
        given = self.candidates
        if isinstance(given, str):
            given = tuple(name.strip() for name in given.split(","))
        if not isinstance(given, tuple | list) or not given:
            raise ValueError(f"candidates must be a list of priors, such as ('bm3d', 'tv'), got {given!r}")
        object.__setattr__(self, "candidates", tuple(given))
        for candidate in self.candidates:
            if not isinstance(candidate, str | Prior):
                raise TypeError(f"a candidate must be a prior or its name, got {candidate!r}")
            if candidate == self.name or isinstance(candidate, ModelSelection):
                raise ValueError("'auto' cannot be a candidate of itself")
            if isinstance(candidate, str):
                prior_class(candidate)
        if not is_number(self.fraction) or not 0 < self.fraction <= 0.5:
            raise ValueError(f"fraction must be above 0 and at most 0.5, got {self.fraction!r}")
        object.__setattr__(self, "fraction", float(self.fraction))
        require_positive(self, "seconds", none="allowed")

    @classmethod
    def task_defaults(cls, problem: Problem) -> dict[str, Any]:
        """The candidates of the problem's task, and those that learn the noise where its model is doubtful."""
        return {"candidates": (*measured_for(problem), *learners_for(problem))}

    def within(self, seconds: float) -> ModelSelection:
        """The same selection with this time budget, unless it was given one of its own."""
        return self if self.seconds is not None else replace(self, seconds=seconds)

    def supports(self, problem: Problem) -> str | None:
        """None where at least one candidate supports the problem."""
        if problem.reference_shape[0] != 1:
            return "priors are chosen for one image at a time; give the images of a batch one by one"
        reasons = [
            f"{prior.name}: {reason}"
            for prior in self._configured(problem)
            if (reason := prior.supports(problem)) is not None
        ]
        if len(reasons) < len(self.candidates):
            return None
        return "no candidate can solve this (" + "; ".join(reasons) + ")"

    def memory(self, problem: Problem) -> int | None:
        """That of the candidate that needs most."""
        known = [
            needed
            for prior in self._configured(problem)
            if prior.supports(problem) is None and (needed := prior.memory(problem)) is not None
        ]
        return max(known, default=None)

    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        """Begin with the first candidate that supports the problem; a clean image is left as it is."""
        if problem.is_clean:
            return CleanRun(problem)
        seed = int(torch.randint(2**31, (1,), generator=generator))
        if self.candidates == self.task_defaults(problem)["candidates"]:
            plan = plan_for_measured(problem, figures_for(problem, self.seconds), self.fraction, seed)
        else:
            plan = plan_for_own(problem, self.candidates, self.fraction, seed)
        seconds = math.inf if self.seconds is None else self.seconds
        return ModelSelectionRun(plan.contestants, plan.rounds, problem, seconds, seed, plan.what)

    def _configured(self, problem: Problem) -> list[Prior]:
        return [configured_prior(candidate, problem) for candidate in self.candidates]
