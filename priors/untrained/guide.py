"""Guides: cheaper estimates of the image that the network reads beside its noise input.

A network that is shown an estimate starts where that estimate ends: it keeps what the noise of the input does not
wash out, and corrects what does not go with the measurement.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import Any

import torch

from zeroshot.deadline import seconds_left
from zeroshot.loop import Loop
from zeroshot.operators import Mask, fill_holes
from zeroshot.priors.untrained.settings import CHEAPER
from zeroshot.problem import Problem
from zeroshot.registry import prior_class

#: The seconds that they take, as multiples of an iteration of the fast network (5 scales of 32 channels) on the
#: same image: measured with one thread on photographs of 256 × 256.
_COST = {"gsr": 200, "pnp": 75, "ncsr": 80, "bm3d": 20, "dct": 22, "wavelet": 3, "tv": 4, "initial": 0}


def guide_image(
    kind: str, problem: Problem, settings: dict[str, Any] | None = None, seconds: float | None = None
) -> torch.Tensor | None:
    """The guide of this kind, an image of the problem's reference shape in [0, 1]; None where the time was too short.

    Priors are not shown held-out measurements, nor is the filling of holes. Any other first estimate of an operator
    is, so that a run guided by it must not be stopped by them.

    Parameters
    ----------
    kind : str
        "initial" for the operator's first estimate, or the name of a prior: a key of `CHEAPER`.
    problem : Problem
        The problem to be solved.
    settings : dict, optional
        Settings of that prior, put over its own defaults for the problem.
    seconds : float, optional
        Take what the prior has after this time.
    """
    if kind == "initial":
        # Held-out holes stay holes; a filled measurement would be no first estimate of anything.
        return (without_held_out(problem) if isinstance(problem.operator, Mask) else problem).initial()
    problem = without_held_out(problem)
    prior = prior_class(kind).for_problem(problem, **{**_settings(kind), **(settings or {})})
    loop = Loop(problem, prior, generator=torch.Generator(), seconds=seconds).complete()
    return loop.result().clamp(0, 1) if loop.iteration else None


def guide_in_time(
    kind: str, problem: Problem, settings: dict[str, Any] | None, share: float
) -> tuple[torch.Tensor, str]:
    """The guide of this kind or, where it makes no step in its time, a cheaper one; and of which kind it is.

    Parameters
    ----------
    kind, problem, settings
        As for :func:`guide_image`; the settings are those of `kind`, not of a cheaper one in its place.
    share : float
        How much of the time that is left (:func:`zeroshot.deadline.seconds_left`) a guide may take.
    """
    asked = kind
    while kind != "initial":
        left = seconds_left()
        seconds = None if left == math.inf else max(share * left, 1e-3)
        guide = guide_image(kind, problem, settings if kind == asked else None, seconds)
        if guide is not None:
            return guide.to(problem.y.device), kind
        kind = CHEAPER[kind]
    guide = guide_image(kind, problem)
    assert guide is not None
    return guide.to(problem.y.device), kind


def _settings(kind: str) -> dict[str, float]:
    # The network corrects what the last digits would.
    return {"tolerance": 1e-3, "iterations": 300} if kind == "tv" else {}


def can_guide(kind: str, problem: Problem) -> bool:
    """Whether the guide of this kind can be made for the problem."""
    if kind == "initial":
        return True
    problem = without_held_out(problem)
    try:
        return prior_class(kind).for_problem(problem).supports(problem) is None
    except ValueError:
        return False


def affordable(kind: str, problem: Problem, seconds: float, step_seconds: float) -> str:
    """The best guide, from `kind` downwards, that takes at most `seconds` where an iteration takes `step_seconds`.

    With held-out pixels it is never the first estimate, which shows them.
    """
    last = "initial" if problem.held_out is None else "tv"
    while kind != last and (_COST[kind] * step_seconds > seconds or not can_guide(kind, problem)):
        kind = CHEAPER[kind]
    return kind


def without_held_out(problem: Problem) -> Problem:
    """The problem as it would be had the held-out measurements not been made.

    Holes stay holes. Elsewhere, what is held out is replaced by what its neighbours suggest, since few priors
    can leave single measurements out.
    """
    if problem.held_out is None:
        return problem
    known = problem.known_pixels()
    if known is None:
        return replace(problem, held_out=None)
    if isinstance(problem.operator, Mask):
        operator = Mask(known).to(known.device)
        return replace(problem, y=problem.y * known, operator=operator, measured=known, held_out=None)
    filled = fill_holes(problem.y * known, known)
    return replace(problem, y=torch.where(problem.held_out > 0, filled, problem.y), held_out=None)
