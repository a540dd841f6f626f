"""The solution of one prior as the image that another begins with.

Priors of patches do not look into a hole that is wider than they are, and take what a smooth filling leaves there for
the image; wavelets continue edges into it. Of what was shrunk, and of several damages at once, total variation makes
the better first image. See benchmarks/classic.md.
"""

from __future__ import annotations

from typing import Literal, get_args

import torch

from zeroshot.loop import Loop
from zeroshot.problem import Problem
from zeroshot.registry import prior_class

#: The priors that solve every linear problem by themselves, and quickly.
Beginning = Literal["wavelet", "tv", "huber_tv", "tgv"]
BEGINNINGS: tuple[str, ...] = get_args(Beginning)


def solution_to_begin_with(name: str | None, problem: Problem, generator: torch.Generator) -> torch.Tensor:
    """The image that the prior of this name makes of the problem, (N, C, H, W) in [0, 1].

    It is the operator's first estimate where there is no name, or where that prior does not support the problem.

    Parameters
    ----------
    name : str or None
        Of a registered prior, which is given its defaults for the problem.
    problem : Problem
        What is held out stays unknown.
    generator : torch.Generator
        The source of its randomness.
    """
    if name is None:
        return problem.initial()
    prior = prior_class(name).for_problem(problem).suited(problem)
    if prior.supports(problem) is not None:
        return problem.initial()
    return Loop(problem, prior, generator=generator).complete().result().clamp(0, 1)
