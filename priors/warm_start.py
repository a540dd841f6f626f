"""The solution of one prior as the image that another begins with.

Priors of patches do not look into a hole that is wider than they are, and take what a smooth filling leaves there for
the image; wavelets continue edges into it. Of what was shrunk, and of several damages at once, total variation makes
the better first image. See benchmarks/classic.md.
"""

from __future__ import annotations

import math
import time
from dataclasses import replace
from typing import Literal, NamedTuple, get_args

import torch

from zeroshot.deadline import seconds_left
from zeroshot.loop import Loop
from zeroshot.priors.shared_work import solved
from zeroshot.priors.total_variation.convex import PenaltyPrior
from zeroshot.problem import Problem
from zeroshot.registry import prior_class

#: The priors that solve every linear problem by themselves, and quickly.
Beginning = Literal["wavelet", "tv", "huber_tv", "tgv"]
BEGINNINGS: tuple[str, ...] = get_args(Beginning)


#: The share of a time budget that the first image may take.
_SHARE = 0.6
#: The relative duality gap at which the first image is near enough to the solution. What begins with it soon forgets
#: the rest, which takes most of the iterations, above all behind a blur; see benchmarks/classic.md.
_GAP = 1e-2


class FirstImage(NamedTuple):
    """What a run begins with.

    Attributes
    ----------
    image : torch.Tensor
        (N, C, H, W).
    called : str
        What it is called, "the tv solution"; empty for the operator's first estimate.
    """

    image: torch.Tensor
    called: str = ""

    def beginning(self) -> tuple[torch.Tensor, str] | None:
        """As a run tells it."""
        return (self.image, self.called) if self.called else None


def first_image(name: str | None, problem: Problem, generator: torch.Generator) -> FirstImage:
    """The image that the prior of this name makes of the problem, in [0, 1].

    It is the operator's first estimate where there is no name, or where that prior does not support the problem.
    Under a time budget it is what 0.6 of the time suffices for.

    Parameters
    ----------
    name : str or None
        Of a registered prior, which is given its defaults for the problem; a convex penalty's solution is within 1 %
        of the minimum.
    problem : Problem
        What is held out stays unknown.
    generator : torch.Generator
        The source of its randomness.
    """
    if name is None:
        return FirstImage(problem.initial())
    prior = prior_class(name).for_problem(problem).suited(problem)
    if isinstance(prior, PenaltyPrior):
        prior = replace(prior, tolerance=max(prior.tolerance, _GAP))
    if prior.supports(problem) is not None:
        return FirstImage(problem.initial())
    left = seconds_left()
    seconds = None if left == math.inf else max(_SHARE * left, 1e-3)
    solution = solved(prior, problem, generator, seconds)
    return FirstImage(solution.image.clamp(0, 1), f"the {name} solution")


class Look(NamedTuple):
    """A quick estimate of a noisy image, to be returned where the time suffices for no better one.

    Attributes
    ----------
    first : FirstImage
        The estimate; the noisy image itself, called nothing, where none was made.
    seconds : float
        What it took.
    """

    first: FirstImage
    seconds: float = 0.0


def quick_look(problem: Problem) -> Look:
    """What hard thresholding of cosines makes of a noisy image in a moment, where there is a time budget.

    Parameters
    ----------
    problem : Problem
        Of denoising.
    """
    if seconds_left() == math.inf:
        return Look(FirstImage(problem.y))
    began = time.monotonic()
    prior = prior_class("dct").for_problem(problem, refinement="none")
    if prior.supports(problem) is not None:
        return Look(FirstImage(problem.y))
    image = Loop(problem, prior, generator=torch.Generator()).complete().result().clamp(0, 1)
    return Look(FirstImage(image, "a quick look with the DCT"), time.monotonic() - began)
