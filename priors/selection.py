"""Zero-shot model selection: which prior suits this image is asked of the image itself.

A random part of the measurements is put aside, every candidate restores the image from the rest, and the one
that predicts what was put aside best is run once more on everything.
"""

from __future__ import annotations

import math
import time
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from zeroshot import registry
from zeroshot.prior import Estimate, Prior, Run, require_known_settings

from .validation_split import put_aside

if TYPE_CHECKING:
    from zeroshot.problem import Problem
    from zeroshot.stopping import StoppingRule

#: Candidates by task, the strongest on the test sets first: where the image does not tell two of them apart,
#: the one that comes first is taken.
CANDIDATES = {
    "denoise": ("bm3d", "nlm", "dct", "wavelet", "tgv", "tv"),
    "inpaint": ("ksvd", "pnp", "tgv", "tv", "wavelet"),
    "sr": ("ncsr", "pnp", "tgv", "tv"),
    "deblur": ("pnp", "tgv", "tv", "wavelet"),
    "demosaic": ("pnp", "tgv", "tv", "wavelet"),
    "colorize": ("tgv", "tv"),
    "restore": ("pnp", "tgv", "tv"),
}


@dataclass(frozen=True)
class ModelSelection(Prior):
    """argmin over the candidates p of D(A(x̂ₚ), y) on measurements that x̂ₚ has not seen.

    In denoising the pixels put aside are replaced by what their neighbours suggest, in the manner of
    Noise2Self, so that every denoiser runs as it is; elsewhere they count as not measured. The noise is the
    same for all candidates, so that the difference of two losses is a difference in the error of the image.
    A candidate replaces one before it in the list only where it is better by more than one standard error of
    the difference. Behind a blur the measurements say little about fine detail, and the choice is weaker.

    Parameters
    ----------
    candidates : tuple of str or Prior
        Names of registered priors, or configured ones, in the order in which they are tried and preferred.
        Those that do not support the problem are passed over.
    fraction : float
        How much of the measured pixels is put aside, above 0 and at most 0.5.
    seconds : float or None
        The time for all of it, the final run included; every candidate is given an equal share of what is
        left, is judged by what it has reached then, and what the best one needs is kept for the final run.
        ``solve(…, seconds=…)`` sets it. None lets every candidate come to its own end.

    References
    ----------
    J. Batson, L. Royer: Noise2Self: blind denoising by self-supervision, ICML 2019.
    """

    name: ClassVar[str] = "auto"
    summary: ClassVar[str] = "tries several priors on a part of the measurements and keeps the best predictor"

    candidates: tuple[str | Prior, ...] = CANDIDATES["restore"]
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
                registry.prior_class(candidate)
        if not _is_number(self.fraction) or not 0 < self.fraction <= 0.5:
            raise ValueError(f"fraction must be above 0 and at most 0.5, got {self.fraction!r}")
        if self.seconds is not None and not (_is_number(self.seconds) and self.seconds > 0):
            raise ValueError(f"seconds must be a positive number, got {self.seconds!r}")

    @classmethod
    def for_problem(cls, problem: Problem, **settings: Any) -> ModelSelection:
        """The candidates of the problem's task, with `settings` put over them."""
        require_known_settings(cls, settings)
        return cls(**{"candidates": CANDIDATES.get(problem.task, CANDIDATES["restore"]), **settings})

    def within(self, seconds: float) -> ModelSelection:
        """The same selection, to be done in so many seconds unless it was given a time of its own."""
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

    def start(self, problem: Problem, generator: torch.Generator) -> ModelSelectionRun:
        """Begin with the first candidate that supports the problem."""
        reason = self.supports(problem)
        if reason is not None:
            raise ValueError(reason)
        priors = [prior for prior in self._configured(problem) if prior.supports(problem) is None]
        return ModelSelectionRun(self, priors, problem, generator)

    def default_stopping(self, problem: Problem) -> StoppingRule:
        """When the final run has come to its end."""
        from zeroshot.stopping import Finished

        return Finished()

    def _configured(self, problem: Problem) -> list[Prior]:
        return [registry.create(candidate, problem) for candidate in self.candidates]


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


@dataclass
class _Trial:
    """One candidate on its way: its run, its rule, and what it has come to."""

    prior: Prior
    problem: Problem
    run: Run
    rule: StoppingRule
    spent: float = 0.0
    image: torch.Tensor | None = None

    @classmethod
    def begin(cls, prior: Prior, problem: Problem, seed: int) -> _Trial:
        generator = torch.Generator().manual_seed(seed)
        rule = prior.default_stopping(problem)
        if rule.holds_out:
            problem = problem.hold_out(rule.holds_out, generator)
        rule.start(problem)
        return cls(prior, problem, prior.start(problem, generator), rule)

    def step(self) -> tuple[Estimate, bool]:
        """Make one step; the estimate, and whether the candidate's own rule ends it here."""
        began = time.monotonic()
        estimate = self.run.step()
        ended = self.rule.update(estimate) or self.run.finished or not math.isfinite(estimate.loss)
        best = self.rule.best()
        if math.isfinite(estimate.loss) or self.image is None:
            self.image = (estimate.image if best is None else best).clone()
        self.spent += time.monotonic() - began
        return estimate, ended


class ModelSelectionRun(Run):
    """Each candidate in turn on a part of the measurements, then the best one on all of them.

    The estimates show the best image so far: that of the best candidate until the final run has ended.
    """

    def __init__(
        self, selection: ModelSelection, priors: list[Prior], problem: Problem, generator: torch.Generator
    ) -> None:
        self.device = problem.y.device
        self._priors, self._problem = priors, problem
        self._left = math.inf if selection.seconds is None else selection.seconds
        self._part, self._aside = put_aside(problem, selection.fraction, generator)
        self._seed = int(torch.randint(2**31, (1,), generator=generator))
        self._index = 0
        self._iteration = 0
        self._errors: list[torch.Tensor] = []
        self._spent: list[float] = []
        self._chosen: int | None = None
        self._image = problem.initial()
        self._ended = False
        self._trial = self._begin()

    @property
    def finished(self) -> bool:
        """Whether the final run has ended."""
        return self._ended

    @property
    def choosing(self) -> bool:
        """Whether candidates are still being tried."""
        return self._index < len(self._priors)

    def _begin(self) -> _Trial:
        if self.choosing:
            return _Trial.begin(self._priors[self._index], self._part, self._seed)
        assert self._chosen is not None
        return _Trial.begin(self._priors[self._chosen], self._problem, self._seed)

    def step(self) -> Estimate:
        """Make one step of the candidate at hand, or of the final run."""
        if self._ended:
            return Estimate(self._image, self._problem.loss(self._image).item(), self._iteration)
        _, ended = self._trial.step()
        self._iteration += 1
        if self.choosing:
            if ended or self._trial.spent >= self._share():
                self._judge()
        elif ended:
            assert self._trial.image is not None
            self._image, self._ended = self._trial.image, True
        return Estimate(self._image, self._problem.loss(self._image).item(), self._iteration)

    def _share(self) -> float:
        """The seconds that the candidate at hand may use: one final run as long as its own must fit in."""
        waiting = len(self._priors) - self._index
        return (self._left - sum(self._spent)) / (waiting + 1)

    def _judge(self) -> None:
        """Compare the candidate with the best so far, and go on to the next one or to the final run."""
        image = self._trial.image
        assert image is not None
        problem = self._problem
        with torch.no_grad():
            penalty = problem.data_term.penalty(problem.operator(image), problem.y)
        self._errors.append(penalty[self._aside.expand_as(penalty) > 0].double().cpu())
        self._spent.append(self._trial.spent)
        if self._chosen is None or _is_better(self._errors[-1], self._errors[self._chosen]):
            self._chosen, self._image = self._index, image
        self._index += 1
        self._trial = self._begin()

    def findings(self) -> dict[str, Any]:
        """The choice, and the candidates with their mean penalty on what was put aside, the best first."""
        tried = [
            {"prior": prior.name, "held_out_loss": errors.mean().item()}
            for prior, errors in zip(self._priors, self._errors, strict=False)
        ]
        chosen = None if self._chosen is None else self._priors[self._chosen].name
        return {"chosen": chosen, "ranking": sorted(tried, key=lambda row: row["held_out_loss"])}

    def state_dict(self) -> dict[str, Any]:
        """The losses so far, the best image, and the state of the candidate at hand."""
        return {
            "index": self._index,
            "iteration": self._iteration,
            "errors": [errors.clone() for errors in self._errors],
            "spent": list(self._spent),
            "chosen": self._chosen,
            "image": self._image.clone(),
            "ended": self._ended,
            "trial": {
                "run": self._trial.run.state_dict(),
                "rule": self._trial.rule.state_dict(),
                "spent": self._trial.spent,
                "image": None if self._trial.image is None else self._trial.image.clone(),
            },
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        self._index, self._iteration = state["index"], state["iteration"]
        self._errors, self._spent = list(state["errors"]), list(state["spent"])
        self._chosen, self._ended = state["chosen"], state["ended"]
        self._image = state["image"].to(self.device)
        self._trial = self._begin()
        trial = state["trial"]
        self._trial.run.load_state_dict(trial["run"])
        self._trial.rule.load_state_dict(trial["rule"])
        self._trial.spent = trial["spent"]
        self._trial.image = None if trial["image"] is None else trial["image"].to(self.device)


def _is_better(errors: torch.Tensor, than: torch.Tensor) -> bool:
    """Whether `errors` is smaller by more than one standard error of the paired difference."""
    difference = than - errors
    if len(difference) < 2:
        return difference.sum().item() > 0
    standard_error = difference.std().item() / math.sqrt(len(difference))
    return difference.mean().item() > standard_error
