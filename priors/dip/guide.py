"""Guides: cheap estimates of the image that the network may read beside its noise input."""

from __future__ import annotations

from dataclasses import replace

import torch

from zeroshot.operators import fill_holes
from zeroshot.problem import Problem

from ..tv import TotalVariation


def guide_image(kind: str, problem: Problem) -> torch.Tensor:
    """The guide of this kind, an image of the problem's reference shape in [0, 1].

    Total variation is not shown held-out measurements. The operator's first estimate does, so that a run guided
    by it must not be stopped by them.

    Parameters
    ----------
    kind : {"initial", "tv"}
        The operator's first estimate, or the restoration by total variation.
    problem : Problem
        The problem to be solved.
    """
    if kind == "initial":
        return problem.initial()
    problem = _without_held_out(problem)
    prior = TotalVariation.for_problem(problem, tolerance=1e-3, iterations=300)
    run = prior.start(problem, torch.Generator())
    rule = prior.default_stopping(problem)
    rule.start(problem)
    estimate = run.step()
    while not rule.update(estimate):
        estimate = run.step()
    return estimate.image.clamp(0, 1).clone()


def _without_held_out(problem: Problem) -> Problem:
    """The problem with its held-out measurements replaced by what their neighbours suggest.

    Total variation does not fit them, but it starts from an estimate that is made of all of y.
    """
    if problem.held_out is None:
        return problem
    shown = 1 - problem.held_out
    known = shown if problem.measured is None else shown * problem.measured
    filled = fill_holes(problem.y * known, known)
    return replace(problem, y=torch.where(problem.held_out > 0, filled, problem.y))
