"""Guides: cheap estimates of the image that the network may read beside its noise input."""

from __future__ import annotations

import torch

from zeroshot.problem import Problem


def guide_image(kind: str, problem: Problem) -> torch.Tensor:
    """The guide of this kind, an image of the problem's reference shape in [0, 1].

    Held-out measurements are not shown to a guide by "initial" of a mask, but total variation and the other
    first estimates see y itself, and so would leak them: stop such runs by other rules.

    Parameters
    ----------
    kind : {"initial", "tv"}
        The operator's first estimate, or the restoration by total variation.
    problem : Problem
        The problem to be solved.
    """
    if kind == "initial":
        return problem.initial()
    from ..tv import TotalVariation

    prior = TotalVariation.for_problem(problem, tolerance=1e-3, iterations=300)
    run = prior.start(problem, torch.Generator())
    rule = prior.default_stopping(problem)
    rule.start(problem)
    estimate = run.step()
    while not rule.update(estimate):
        estimate = run.step()
    return estimate.image.clamp(0, 1).clone()
