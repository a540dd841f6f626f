"""Zero-shot model selection: which prior suits this image is asked of the image itself.

A random part of the measurements is put aside, every candidate restores the image from the rest, and the one
that predicts what was put aside best is run once more on everything.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch

from zeroshot.checks import is_number, require_positive
from zeroshot.deadline import OutOfTime, seconds_left
from zeroshot.estimate import Estimate
from zeroshot.loop import Loop
from zeroshot.prior import Prior, Run, configured_prior
from zeroshot.priors.clean import CleanRun
from zeroshot.problem import Problem
from zeroshot.registry import prior_class
from zeroshot.validation_split import pixels_to_judge_by, put_aside

#: Candidates by task, the strongest on the test sets first: where the image does not tell two of them apart,
#: the one that comes first is taken.
CANDIDATES = {
    "denoise": ("bm3d", "ncsr", "dct", "wavelet", "nlm", "tgv", "tv"),
    "destripe": ("bm3d", "ncsr", "dct", "wavelet", "nlm", "tgv", "tv"),
    "inpaint": ("gsr", "ksvd", "pnp", "tgv", "tv"),
    "sr": ("ncsr", "pnp", "wavelet", "tgv", "tv"),
    "deblur": ("pnp", "gsr", "wavelet", "tgv", "tv"),
    "demosaic": ("wavelet", "pnp", "tv"),
    "colorize": ("tgv", "tv"),
    # Coefficients that are put aside are mostly 0 and tell no prior from another.
    "jpeg": ("bm3d",),
    "restore": ("pnp", "wavelet", "tgv", "tv"),
}

#: Further candidates where a noise model is not to be trusted: they learn the noise from the image, and take longer.
LEARNERS = {"denoise": ("zsn2n", "idr")}
#: Below this confidence they are tried.
_DOUBTFUL = 0.5

#: What a candidate may raise without ending the selection.
FAILURES = (ValueError, RuntimeError, NotImplementedError, MemoryError)
NOT_FINITE = "its image is not finite"
#: After how many times its share of the seconds a candidate is broken off.
_LIMIT = 2
TOO_SLOW, SKIPPED = "its first step took too long", "skipped: no time was left for it"


@dataclass(frozen=True)
class ModelSelection(Prior):
    """argmin over the candidates p of D(A(x̂ₚ), y) on measurements that x̂ₚ has not seen.

    In denoising the pixels put aside are replaced by what their neighbours suggest, in the manner of
    Noise2Self, so that every denoiser runs as it is; elsewhere they count as not measured. The noise is the
    same for all candidates, so that the difference of two losses is a difference in the error of the image. A
    candidate replaces one before it in the list only where it is better by more than one standard error of
    the difference; one that fails is passed over. With fewer than two measured pixels the first is taken.
    Behind a blur the measurements say little about fine detail, and the choice is weaker.

    Parameters
    ----------
    candidates : tuple of str or Prior
        Names of registered priors, or configured ones, in the order in which they are tried and preferred.
        Those that do not support the problem are passed over.
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
                prior_class(candidate)
        if not is_number(self.fraction) or not 0 < self.fraction <= 0.5:
            raise ValueError(f"fraction must be above 0 and at most 0.5, got {self.fraction!r}")
        object.__setattr__(self, "fraction", float(self.fraction))
        require_positive(self, "seconds", none="allowed")

    @classmethod
    def task_defaults(cls, problem: Problem) -> dict[str, Any]:
        """The candidates of the problem's task, and those that learn the noise where its model is doubtful."""
        candidates = CANDIDATES.get(problem.task, CANDIDATES["restore"])
        if problem.noise is not None and problem.noise.confidence < _DOUBTFUL:
            candidates += LEARNERS.get(problem.task, ())
        return {"candidates": candidates}

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

    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        """Begin with the first candidate that supports the problem; a clean image is left as it is."""
        if problem.is_clean:
            return CleanRun(problem)
        priors = [prior for prior in self._configured(problem) if prior.supports(problem) is None]
        return ModelSelectionRun(self, priors, problem, generator)

    def _configured(self, problem: Problem) -> list[Prior]:
        return [configured_prior(candidate, problem) for candidate in self.candidates]


@dataclass
class _TrialResult:
    """What became of a candidate: its errors on what was put aside, or the reason why it has none."""

    errors: torch.Tensor | None
    reason: str = ""
    spent: float = 0.0
    iteration: int = 0


class ModelSelectionRun(Run):
    """Each candidate in turn on a part of the measurements, then the best one on all of them.

    The estimates show the best image so far: that of the best candidate, until the final run has made as many
    iterations as it had. A candidate that fails is passed over, and if all do, so does the run. Iterations are those
    of the final run, 0 before it.
    """

    state = ("iteration", "chosen", "image", "ended")
    minds_time = True

    def __init__(
        self, selection: ModelSelection, priors: list[Prior], problem: Problem, generator: torch.Generator
    ) -> None:
        self.device = problem.y.device
        self._priors, self._problem = priors, problem
        self._left = math.inf if selection.seconds is None else selection.seconds
        self._seed = int(torch.randint(2**31, (1,), generator=generator))
        self._results: list[_TrialResult] = []
        self.iteration = 0
        self.chosen: int | None = None
        self.image = problem.initial()
        self.ended = False
        #: The seconds after which the loop at hand has had its share.
        self._share = math.inf
        self._trial: Loop | None = None
        if pixels_to_judge_by(problem) < 2:
            self._choose_untried()
        else:
            self._part, self._aside = put_aside(problem, selection.fraction, generator)

    @property
    def finished(self) -> bool:
        """Whether the final run has ended."""
        return self.ended

    @property
    def choosing(self) -> bool:
        """Whether candidates are still being tried."""
        return len(self._results) < len(self._priors)

    def step(self) -> Estimate:
        """Make one step of the candidate at hand, or of the final run."""
        if not self.ended:
            try:
                self._advance()
            except FAILURES as error:
                if not self.choosing and self.chosen is None:
                    raise  # no candidate is left
                self._fail(error)
        image = self._shown()
        return Estimate(image, self._problem.loss(image).item(), self.iteration)

    def _advance(self) -> None:
        if self._trial is None:
            self._trial = self._begin()
        trial = self._trial
        if not trial.reason:
            trial.step()
        if not self.choosing:
            assert self.chosen is not None
            self.iteration = max(trial.iteration, self._results[self.chosen].iteration)
        if not trial.reason and trial.seconds < self._share:
            return
        if self.choosing:
            self._judge(trial)
            return
        if not bool(trial.result().isfinite().all()):
            raise ValueError(NOT_FINITE)
        self.image, self.ended = (
            self._shown() if trial.cut_short or not trial.reason else trial.result(),
            True,
        )

    def _begin(self) -> Loop:
        """The loop of the candidate whose turn it is, or of the final run."""
        chosen = len(self._results) if self.choosing else self.chosen
        assert chosen is not None
        problem = self._part if self.choosing else self._problem
        left = self._remaining()
        self._share = left / (len(self._priors) - len(self._results) + 1)
        # A first step may take longer than its share, but must leave something to those that are quicker.
        limit = _LIMIT * self._share if self.choosing else left
        return Loop(
            problem,
            self._priors[chosen],
            generator=torch.Generator().manual_seed(self._seed),
            seconds=None if limit == math.inf else max(limit, 1e-3),
        )

    def _shown(self) -> torch.Tensor:
        """The final run's image, once it has come as far as the trial; before that the best candidate's."""
        trial = self._trial
        if self.ended or self.choosing or trial is None or self.chosen is None:
            return self.image
        if trial.iteration < self._results[self.chosen].iteration:
            return self.image
        image = trial.result()
        return image if bool(image.isfinite().all()) else self.image

    def _remaining(self) -> float:
        return min(self._left - sum(result.spent for result in self._results), seconds_left())

    def _judge(self, trial: Loop) -> None:
        """Compare the candidate with the best so far, and go on to the next one or to the final run."""
        if trial.cut_short and not trial.iteration:
            self._trial = None
            self._results.append(_TrialResult(None, TOO_SLOW, trial.seconds))
            self._skip_without_time()
            return
        image, problem = trial.result(), self._problem
        with torch.no_grad():
            penalty = problem.data_term.penalty(problem.operator(image), problem.y)
        errors = penalty[self._aside.expand_as(penalty) > 0].double().cpu()
        if not (bool(errors.isfinite().all()) and bool(image.isfinite().all())):
            raise ValueError(NOT_FINITE)
        self._results.append(_TrialResult(errors, "", trial.seconds, trial.iteration))
        self._trial = None
        chosen = self._choose()
        if chosen == len(self._results) - 1:
            self.image = image
        self.iteration = self._results[chosen].iteration
        self._skip_without_time()

    def _choose(self) -> int:
        """Find which of the candidates judged so far is the best."""
        self.chosen = None
        for index, result in enumerate(self._results):
            if result.errors is None:
                continue
            best: torch.Tensor | None = None if self.chosen is None else self._results[self.chosen].errors
            if best is None or _is_better(result.errors, best):
                self.chosen = index
        if self.chosen is None:
            reasons = "; ".join(f"{row['prior']}: {row['reason']}" for row in self.findings()["ranking"])
            raise ValueError(f"no candidate came to a result ({reasons})")
        return self.chosen

    def _choose_untried(self) -> None:
        """Take the first candidate, where there is nothing to judge any by."""
        reason = "not tried: too few pixels to judge by"
        self._results = [_TrialResult(None, reason) for _ in self._priors]
        self.chosen = 0

    def _skip_without_time(self) -> None:
        """Try no further candidate where what is left is no more than the final run needs, or nothing."""
        needed = 0.0 if self.chosen is None else self._results[self.chosen].spent
        if self._remaining() <= needed:
            while self.choosing:
                self._results.append(_TrialResult(None, SKIPPED))
        if not self.choosing and self.chosen is None:
            if seconds_left() < math.inf and all(one.reason in (TOO_SLOW, SKIPPED) for one in self._results):
                raise OutOfTime
            self._choose()

    def _fail(self, error: BaseException) -> None:
        """Pass over the candidate at hand; if it was the final run's, take the next best."""
        reason = (str(error) or type(error).__name__).splitlines()[0]
        spent = 0.0 if self._trial is None else self._trial.seconds
        if self.choosing:
            self._results.append(_TrialResult(None, reason, spent))
        else:
            assert self.chosen is not None
            before = self._results[self.chosen]
            self._results[self.chosen] = _TrialResult(None, reason, before.spent + spent)
        self._trial = None
        if not self.choosing:
            self._choose()

    def remark(self) -> str:
        """Which candidates were tried, and which was chosen."""
        results = zip(self._priors, self._results, strict=False)
        tried = [prior.name for prior, one in results if one.errors is not None]
        if self.chosen is None or not tried:
            return ""
        chosen = self._priors[self.chosen].name
        if len(tried) == 1:
            return f"chose {chosen}, which was tried alone"
        return f"chose {chosen}, of {', '.join(tried)} the best at predicting what was put aside"

    def findings(self) -> dict[str, Any]:
        """The choice, and the candidates: by mean penalty on what was put aside, then those without, and why."""
        judged, others = [], []
        for prior, result in zip(self._priors, self._results, strict=False):
            if result.errors is None:
                others.append({"prior": prior.name, "reason": result.reason})
            else:
                judged.append({"prior": prior.name, "held_out_loss": result.errors.mean().item()})
        chosen = None if self.chosen is None else self._priors[self.chosen].name
        return {"chosen": chosen, "ranking": sorted(judged, key=lambda row: row["held_out_loss"]) + others}

    def state_dict(self) -> dict[str, Any]:
        """The losses so far, the best image, and the state of the candidate at hand."""
        return {
            **super().state_dict(),
            "results": [
                {**vars(result), "errors": None if result.errors is None else result.errors.clone()}
                for result in self._results
            ],
            "trial": None if self._trial is None else self._trial.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        super().load_state_dict(state)
        self._results = [_TrialResult(**result) for result in state["results"]]
        self._trial = None
        if state["trial"] is not None:
            self._trial = self._begin()
            self._trial.load_state_dict(state["trial"])


def _is_better(errors: torch.Tensor, than: torch.Tensor) -> bool:
    """Whether `errors` is smaller by more than one standard error of the paired difference."""
    difference = than - errors
    if len(difference) < 2:
        return difference.sum().item() > 0
    standard_error = difference.std().item() / math.sqrt(len(difference))
    return difference.mean().item() > standard_error
