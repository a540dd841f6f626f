"""What is tried, and by what: the trials that a picture and a budget have room for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import partial

from zeroshot.prior import Prior, configured_prior
from zeroshot.priors.auto.candidates import ALLOWANCE, EVIDENCE, LEAST_PIXELS, Figures, affordable
from zeroshot.priors.auto.contestants import UNTRIED, Contestant
from zeroshot.priors.auto.examination import Examination, coarser, held_out, windows
from zeroshot.priors.auto.trials import Round
from zeroshot.problem import Problem
from zeroshot.validation_split import pixels_to_judge_by

#: The pixels of one's own candidates' trials, at least, where the picture has as many.
_OWN_PIXELS = 4 * LEAST_PIXELS
PREDICTING = "predicting what was put aside"
ENLARGING = "enlarging the picture to the size that it has"


@dataclass(frozen=True)
class Plan:
    """The candidates, the preferred first, and how they are examined.

    Attributes
    ----------
    contestants : list of Contestant
        Those that support the problem.
    rounds : sequence of callable
        Each makes an examination; none where the first contestant is to be taken.
    what : str
        What the examinations ask, in a few words.
    """

    contestants: list[Contestant]
    rounds: Sequence[Round] = ()
    what: str = PREDICTING


def plan_for_own(problem: Problem, candidates: Sequence[str | Prior], fraction: float, seed: int) -> Plan:
    """The plan for candidates of which nothing is known: all of them are tried."""
    contestants = _supporting(problem, [(candidate, 0.0) for candidate in candidates])
    if pixels_to_judge_by(problem) < 2:
        return _without_trials(contestants, "too few pixels to judge by")
    pixels = math.prod(problem.reference_shape[-2:])
    share = max(ALLOWANCE / len(contestants), _OWN_PIXELS / pixels)
    return Plan(contestants, _held_out(problem, share, fraction, seed) or [_whole(problem, fraction, seed)])


def plan_for_measured(
    problem: Problem, candidates: Mapping[str, Figures], fraction: float, seed: int
) -> Plan:
    """The plan for candidates that were measured on test pictures, whose trials must not cost too much."""
    contestants = _supporting(problem, [(name, figures.gain) for name, figures in candidates.items()])
    costs = [candidates[one.prior.name].cost for one in contestants]
    evidence = EVIDENCE.get(problem.task, "held_out")
    if evidence == "none":
        return _without_trials(contestants, "the measurements tell no prior from another")
    if pixels_to_judge_by(problem) < 2:
        return _without_trials(contestants, "too few pixels to judge by")
    pixels = math.prod(problem.reference_shape[-2:])
    smaller = coarser(problem, seed) if evidence == "coarser" else None
    if evidence == "coarser" and smaller is None:
        return _without_trials(contestants, "the picture is too small")
    kept, share = affordable(costs, LEAST_PIXELS / pixels if smaller is None else smaller.share)
    for index, contestant in enumerate(contestants):
        if index not in kept:
            contestant.reason = f"{UNTRIED}it would take too long"
    if len(kept) < 2:
        return Plan(contestants)
    if smaller is not None:
        return Plan(contestants, [_made(smaller)], ENLARGING)
    rounds = _held_out(problem, share, fraction, seed)
    return (
        Plan(contestants, rounds) if rounds else _without_trials(contestants, "it cannot be restored in part")
    )


def _supporting(problem: Problem, candidates: Sequence[tuple[str | Prior, float]]) -> list[Contestant]:
    """Those that can solve the problem, with what they gained elsewhere."""
    priors = [(configured_prior(candidate, problem), gain) for candidate, gain in candidates]
    return [Contestant(prior, gain) for prior, gain in priors if prior.supports(problem) is None]


def _without_trials(contestants: list[Contestant], reason: str) -> Plan:
    for contestant in contestants:
        contestant.reason = f"{UNTRIED}{reason}"
    return Plan(contestants)


def _held_out(problem: Problem, share: float, fraction: float, seed: int) -> list[Round]:
    """Windows in turn, or all of the picture; nothing where it cannot be cropped."""
    if share >= 1:
        return [_whole(problem, fraction, seed)]
    return [
        partial(held_out, problem, window, fraction, seed + index)
        for index, window in enumerate(windows(problem, share))
    ]


def _whole(problem: Problem, fraction: float, seed: int) -> Round:
    return partial(held_out, problem, None, fraction, seed)


def _made(examination: Examination) -> Round:
    """The round of an examination that there is already."""
    return lambda: examination
