"""The trials of candidates, their race from one examination to the next, and the final run of the best."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import torch

from zeroshot.deadline import OutOfTime, seconds_left
from zeroshot.estimate import Estimate
from zeroshot.loop import Loop
from zeroshot.prior import Prior, Run
from zeroshot.priors.auto.contestants import (
    BEHIND,
    SKIPPED,
    TOO_SLOW,
    Contestant,
    leading,
)
from zeroshot.priors.auto.evidence import expected, gain, is_hopeless
from zeroshot.priors.auto.examination import Examination
from zeroshot.priors.shared_work import SharedWork, Solution, shared
from zeroshot.problem import Problem

#: What a candidate may raise without ending the selection.
FAILURES = (ValueError, RuntimeError, NotImplementedError, MemoryError)
NOT_FINITE = "its image is not finite"
#: After how many times its share of the seconds a candidate is broken off.
_LIMIT = 2
#: The fewest iterations of which half tell what the others will bring.
_SEVERAL = 8
#: Makes an examination when its turn has come.
Round = Callable[[], Examination]


class ModelSelectionRun(Run):
    """Each candidate in turn on an examination, then those with a chance on the next; the best one on everything.

    The estimates show the best image so far: that of the best candidate where it was tried on the whole picture, until
    the final run has made as many iterations as it had. A candidate that fails is passed over, and if all do, so does
    the run. Iterations are those of the final run, 0 before it.

    Parameters
    ----------
    contestants : list of Contestant
        The preferred first.
    rounds : sequence of callable
        Each makes an examination; none: the first contestant is taken.
    problem : Problem
        To be solved in the end.
    seconds : float
        For all of it.
    seed : int
        Of every run.
    what : str
        What the examinations ask, in a few words.
    """

    state = ("iteration", "chosen", "image", "ended", "_turn", "_round", "_whole", "_chance", "_quarter")
    minds_time = True

    def __init__(
        self,
        contestants: list[Contestant],
        rounds: Sequence[Round],
        problem: Problem,
        seconds: float,
        seed: int,
        what: str = "predicting what was put aside",
    ) -> None:
        self.device = problem.y.device
        self._contestants, self._rounds, self._problem = contestants, rounds, problem
        self._left, self._seed, self._what = seconds, seed, what
        self.iteration = 0
        self.chosen: int | None = None if rounds else 0
        self.image = problem.initial()
        self.ended = False
        #: Whose turn it is, in which round.
        self._turn, self._round = 0, 0
        self._examination: Examination | None = None
        #: Whether it is of the whole picture, and what the truth would be penalised with in it.
        self._whole, self._chance = False, 0.0
        #: The seconds after which the loop at hand has had its share.
        self._share = math.inf
        self._trial: Loop | None = None
        #: What the candidates of this round have in common.
        self._work: SharedWork | None = None
        #: Half of the iterations of the candidate at hand, 0 where nobody knows, and its gain after a quarter of them.
        self._half = 0
        self._quarter: float | None = None
        #: The image that was returned last, and its loss, which stay the same while others are tried.
        self._judged: torch.Tensor | None = None
        self._loss = math.nan

    @property
    def finished(self) -> bool:
        """Whether the final run has ended."""
        return self.ended

    @property
    def choosing(self) -> bool:
        """Whether candidates are still being tried."""
        return self._round < len(self._rounds)

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
        if image is not self._judged:
            self._judged, self._loss = image, self._problem.loss(image).item()
        return Estimate(image, self._loss, self.iteration)

    def _advance(self) -> None:
        if self._trial is None:
            known = self._known()
            if known is not None:
                self._judge(known)
                return
            self._trial = self._begin()
        trial = self._trial
        if not trial.reason:
            trial.step()
        if not self.choosing:
            self.iteration = max(trial.iteration, self._reached())
        left_behind = self._is_left_behind(trial)
        if not trial.reason and trial.seconds < self._share and not left_behind:
            return
        if self.choosing:
            if left_behind:
                self._contestants[self._turn].reason = BEHIND
            self._end_trial(trial)
            return
        if not bool(trial.result().isfinite().all()):
            raise ValueError(NOT_FINITE)
        cut_short = trial.cut_short or not trial.reason
        self.image, self.ended = self._shown() if cut_short else trial.result(), True

    def _known(self) -> Solution | None:
        """What the candidate whose turn it is would make, where another has made it already."""
        if not self.choosing or self._remaining() < math.inf:
            return None
        problem = self._examined().problem
        assert self._work is not None
        return self._work.find(self._contestants[self._turn].prior.suited(problem), problem, self._drawn())

    def _drawn(self) -> torch.Generator:
        """The source of a candidate's randomness, the same for each."""
        return torch.Generator().manual_seed(self._seed)

    def _begin(self) -> Loop:
        """The loop of the candidate whose turn it is, or of the final run."""
        left = self._remaining()
        if self.choosing:
            problem, prior = self._examined().problem, self._contestants[self._turn].prior
            # Of rounds to come all that is known is that no more contestants will be in them.
            trials = self._in_race(self._turn) + self._in_race() * (len(self._rounds) - self._round - 1)
            self._share = left / (trials + 1)
            # A first step may take longer than its share, but must leave something to those that are quicker.
            limit = _LIMIT * self._share
        else:
            assert self.chosen is not None
            problem, prior = self._problem, self._contestants[self.chosen].prior
            self._share = limit = left
        self._quarter, self._half = None, _half_of(prior.suited(problem)) if self.choosing else 0
        with shared(self._work if self.choosing else None):
            return Loop(
                problem,
                prior,
                generator=self._drawn(),
                seconds=None if limit == math.inf else max(limit, 1e-3),
            )

    def _examined(self) -> Examination:
        """The examination of this round."""
        if self._examination is None:
            self._examination = self._rounds[self._round]()
            self._whole, self._chance = self._examination.is_whole, self._examination.chance
            self._work = SharedWork(self._examination.problem)
        return self._examination

    def _in_race(self, since: int = 0) -> int:
        """How many contestants are still in the race, from this one on."""
        return sum(not one.reason for one in self._contestants[since:])

    def _reached(self) -> int:
        """How many iterations the chosen one has made on the whole picture in its trial."""
        if self.chosen is None or not self._whole:
            return 0
        return self._contestants[self.chosen].iteration

    def _shown(self) -> torch.Tensor:
        """The final run's image, once it has come as far as the trial; before that the best candidate's."""
        trial = self._trial
        if self.ended or self.choosing or trial is None or self.chosen is None:
            return self.image
        if trial.iteration < self._reached():
            return self.image
        image = trial.result()
        return image if bool(image.isfinite().all()) else self.image

    def _remaining(self) -> float:
        return min(self._left - sum(one.spent for one in self._contestants), seconds_left())

    # --- judging ---

    def _is_left_behind(self, trial: Loop) -> bool:
        """Whether the candidate has made half of its iterations and would be hopeless after all of them.

        Its gain on the leader goes on as it did from a quarter to half of them, in a straight line, or stays.
        """
        if not (self.choosing and self._half) or trial.iteration not in (self._half // 2, self._half):
            return False
        if self.chosen is None or trial.reason:
            return False
        one, leader = self._contestants[self._turn], self._contestants[self.chosen]
        assert leader.errors is not None
        with torch.no_grad():
            errors = one.with_errors(self._examined().errors(trial.result()))
        count = min(len(errors), len(leader.errors))
        observed, error = gain(errors[:count], leader.errors[:count], self._chance)
        if trial.iteration < self._half:
            self._quarter = observed
            return False
        if self._quarter is None or not math.isfinite(observed):
            return False
        observed += 2 * max(observed - self._quarter, 0.0)
        return is_hopeless(*expected(observed, error, one.gain - leader.gain), 0.0)

    def _end_trial(self, trial: Loop) -> None:
        """Judge the candidate by what it has reached, if it has reached anything."""
        contestant = self._contestants[self._turn]
        if trial.cut_short and not trial.iteration:
            contestant.reason, contestant.errors = TOO_SLOW, None
            contestant.spent += trial.seconds
            self._next()
        else:
            self._judge(Solution(trial.result(), trial.iteration), trial.seconds)

    def _judge(self, found: Solution, seconds: float = 0.0) -> None:
        """Compare the candidate with the others, and go on to the next one, the next round or the final run."""
        contestant, examination = self._contestants[self._turn], self._examined()
        with torch.no_grad():
            errors = examination.errors(found.image)
        if not (bool(errors.isfinite().all()) and bool(found.image.isfinite().all())):
            raise ValueError(NOT_FINITE)
        contestant.errors = contestant.with_errors(errors)
        contestant.spent += seconds
        contestant.share += examination.share
        contestant.iteration = found.iteration
        if self._best() == self._turn and examination.is_whole:
            self.image = found.image
        self._next()

    def _next(self) -> None:
        """Let the next contestant of this round have its turn, or else begin the next round."""
        self._trial = None
        self.chosen = self._best()
        needed = 0.0 if self.chosen is None else self._contestants[self.chosen].final_seconds()
        self._turn += 1
        while self._turn < len(self._contestants) and self._contestants[self._turn].reason:
            self._turn += 1
        if self._remaining() <= needed:
            self._stop_for_time()
        elif self._turn >= len(self._contestants):
            self._end_round()
        if not self.choosing:
            self._choose()

    def _stop_for_time(self) -> None:
        """Try no further candidate: what is left is no more than the final run needs, or nothing."""
        for one in self._contestants[self._turn :]:
            if not one.is_tried and not one.reason:
                one.reason = SKIPPED
        self._round = len(self._rounds)

    def _end_round(self) -> None:
        """Give those up that have fallen behind; one that is left alone needs no further round."""
        best = self.chosen
        if best is not None:
            lead = self._contestants[best].expected[0]
            for one in self._contestants:
                if one.is_tried and not one.reason and is_hopeless(*one.expected, lead):
                    one.reason = BEHIND
        self._round, self._turn = self._round + 1, 0
        if self._in_race() < 2:
            self._round = len(self._rounds)
        if self.choosing:
            self._examination = None
            self._turn = next(index for index, one in enumerate(self._contestants) if not one.reason)

    def _best(self) -> int | None:
        """Which of the candidates judged so far is the best; None where there is none."""
        return leading(self._contestants, self._chance)

    def _choose(self) -> None:
        """Take the best, once all trials are made; where all failed, the first that was not tried."""
        if self.chosen is not None:
            return
        late = (TOO_SLOW, SKIPPED)
        if seconds_left() < math.inf and all(
            one.reason in late or one.may_stand_in for one in self._contestants
        ):
            raise OutOfTime
        standing_in = (index for index, one in enumerate(self._contestants) if one.may_stand_in)
        self.chosen = next(standing_in, None)
        if self.chosen is None:
            reasons = "; ".join(f"{one.prior.name}: {one.reason}" for one in self._contestants)
            raise ValueError(f"no candidate came to a result ({reasons})")

    def _fail(self, error: BaseException) -> None:
        """Pass over the candidate at hand; if it was the final run's, take the next best."""
        failed = self._turn if self.choosing else self.chosen
        assert failed is not None
        contestant = self._contestants[failed]
        contestant.reason = (str(error) or type(error).__name__).splitlines()[0]
        contestant.errors = None
        contestant.spent += 0.0 if self._trial is None else self._trial.seconds
        if self.choosing:
            self._next()
            return
        self._trial, self.chosen = None, self._best()
        self._choose()

    # --- what is told of it ---

    def remark(self) -> str:
        """Which candidates were tried, and which was chosen."""
        if self.chosen is None:
            return ""
        chosen = self._contestants[self.chosen]
        tried = [one.prior.name for one in self._contestants if one.is_tried]
        if not tried:
            why = chosen.reason or next((one.reason for one in self._contestants if one.reason), "")
            return f"took {chosen.prior.name}" + (
                f": others were {why}" if len(self._contestants) > 1 else ""
            )
        if len(tried) == 1:
            return f"chose {chosen.prior.name}, which was tried alone"
        return f"chose {chosen.prior.name}, of {', '.join(tried)} the best at {self._what}"

    def findings(self) -> dict[str, Any]:
        """The choice, and the candidates: by what they are expected to gain, then those untried or failed, and why."""
        judged = [one for one in self._contestants if one.is_tried]
        others = [one for one in self._contestants if not one.is_tried]
        ranking: list[dict[str, Any]] = []
        for one in sorted(judged, key=lambda one: -one.expected[0]):
            assert one.errors is not None
            loss = {"held_out_loss": one.errors.mean().item(), "expected_gain": one.expected[0]}
            ranking.append({"prior": one.prior.name, **loss})
        ranking += [{"prior": one.prior.name, "reason": one.reason} for one in others]
        return {
            "chosen": None if self.chosen is None else self._contestants[self.chosen].prior.name,
            "ranking": ranking,
        }

    def state_dict(self) -> dict[str, Any]:
        """The losses so far, the best image, and the state of the candidate at hand."""
        return {
            **super().state_dict(),
            "contestants": [one.state_dict() for one in self._contestants],
            "trial": None if self._trial is None else self._trial.state_dict(),
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        super().load_state_dict(state)
        for one, saved in zip(self._contestants, state["contestants"], strict=True):
            one.load_state_dict(saved)
        self._trial = self._examination = None
        if state["trial"] is not None:
            self._trial = self._begin()
            self._trial.load_state_dict(state["trial"])


def _half_of(prior: Prior) -> int:
    """Half of the iterations that a prior makes; 0 where it does not say, or makes but few."""
    iterations = getattr(prior, "iterations", None)
    return iterations // 2 if isinstance(iterations, int) and iterations >= _SEVERAL else 0
