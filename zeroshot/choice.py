"""Which prior solves a problem where none is named: the task's default, or the one that is "fast" or "best"."""

from __future__ import annotations

import logging
import math
from collections.abc import Sequence
from typing import Any

import torch

from zeroshot.prior import configured_prior
from zeroshot.problem import Problem
from zeroshot.standings import ROLES, expected_seconds, ranked
from zeroshot.tasks import task_named
from zeroshot.threads import slowness

_LOG = logging.getLogger("zeroshot")
_WHY = {None: "the default", "fast": "the best of the fast ones", "best": "the best that the time allows"}


def named(prior: Any, task: str) -> Any:
    """The prior, or the name of the one that stands for None or a role before the image is known."""
    if prior is None:
        return task_named(task).prior
    return next(iter(ranked(prior, task)), task_named(task).prior) if prior in ROLES else prior


def chosen(wanted: str | None, task: str, problem: Problem, seconds: float | None) -> str:
    """The name of the first candidate that supports the problem.

    Parameters
    ----------
    wanted : str or None
        A role; None: the default.
    task : str
        A name in the table of tasks.
    problem : Problem
        What is to be solved.
    seconds : float or None
        What "best" may take.

    Returns
    -------
    str
        The first candidate of all where none supports the problem, for it to say why.
    """
    entry = task_named(task)
    pixels = math.prod(problem.framed_shape[-2:])
    order: Sequence[str] = (entry.prior, *entry.suited, "dip")
    if wanted is not None:
        allowed = math.inf if seconds is None else seconds
        order = (*ranked(wanted, task, allowed, pixels, kind_of(problem)), *order)
    names = list(dict.fromkeys(order))
    return next((name for name in names if _supports(name, problem)), names[0])


def kind_of(problem: Problem) -> str:
    """What sets the problem apart from others of its task, as the rows of the table have it."""
    if problem.task != "inpaint":
        return ""
    return "wide holes" if problem.has_wide_hole() else "narrow holes"


def _supports(name: str, problem: Problem) -> bool:
    return problem.needs_nothing or configured_prior(name, problem).supports(problem) is None


def announce(prior: str, wanted: str | None, task: str, problem: Problem, device: torch.device) -> None:
    """Log in one line which prior was chosen, why, and how long it takes where that was measured: on a CPU.

    Of a picture that stays as it is, as its task has said, there is nothing to announce.
    """
    if problem.needs_nothing:
        return
    seconds = None
    if device.type == "cpu":
        channels, *sides = problem.framed_shape[1:]
        seconds = expected_seconds(task, prior, math.prod(sides), channels, kind_of(problem))
    if seconds is not None:
        seconds *= slowness()
    why = _WHY[wanted] if seconds is None else f"{_WHY[wanted]}, about {_rough(seconds)} of one core"
    _LOG.info("%s with %s (%s); 'zeroshot priors --task %s' lists others", task, prior, why, task)


def _rough(seconds: float) -> str:
    if seconds < 1:
        return "a second"
    if seconds < 100:
        return f"{round(seconds)} s"
    return f"{round(seconds / 60)} minutes"
