"""Whether a result says more of the measurements than the task's first estimate does."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from zeroshot.data_terms import DataTerm
from zeroshot.precision import widened
from zeroshot.problem import Problem
from zeroshot.validation_split import pixels_to_judge_by, put_aside

#: A misfit up to this multiple of the noise, and this much on the [0, 1] scale beyond it, needs no second look.
_USUAL_MISFIT, _VISIBLE = 1.5, 5 / 255
#: How much larger an error is that is clearly larger: this factor, and as many standard errors of the difference.
_CLEAR_FACTOR, _CLEAR_ERRORS = 1.25, 3.0
#: The share of the pixels that is put aside, and the fewest that say anything.
_ASIDE, _FEWEST = 0.06, 50


@dataclass(frozen=True)
class WorsePrediction:
    """Mean absolute errors at measurements that were kept from the first estimate, on the [0, 1] scale.

    Attributes
    ----------
    result : float
        That of the result, whether or not it has seen them.
    first : float
        That of the first estimate that is made of the rest.
    """

    result: float
    first: float

    def __str__(self) -> str:
        return (
            "the result predicts the measurements worse than the first estimate does (mean error "
            f"{255 * self.result:.1f} against {255 * self.first:.1f} grey levels)"
        )


@torch.no_grad()
def worse_than_first_estimate(problem: Problem, image: torch.Tensor) -> WorsePrediction | None:
    """The errors of both where those of `image` are clearly larger; None where they are not, or nobody can tell.

    A random part of the measurements is put aside, and filled in from its neighbours before the first estimate is
    made. A result has usually seen them and should be better there, if anything.

    Parameters
    ----------
    problem : Problem
        One that holds nothing out.
    image : torch.Tensor
        (N, C, H, W).
    """
    if problem.y.ndim != 4 or type(problem.data_term).__call__ is not DataTerm.__call__:
        return None
    misfit = problem.residual(image)
    if math.isfinite(misfit) and misfit <= _USUAL_MISFIT * problem.noise_rms() + _VISIBLE:
        return None
    if pixels_to_judge_by(problem) * _ASIDE < _FEWEST:
        return None
    part, aside = put_aside(problem, _ASIDE, torch.Generator().manual_seed(0))
    which = aside.expand_as(problem.y) > 0
    ours, first = (
        widened((problem.operator(one) - problem.y).abs()[which]) for one in (image, part.initial())
    )
    difference = (ours - first).mean().item()
    error = (ours - first).std().item() / math.sqrt(len(ours))
    clear = ours.mean() > _CLEAR_FACTOR * first.mean() + _VISIBLE / 2 and difference > _CLEAR_ERRORS * error
    return WorsePrediction(ours.mean().item(), first.mean().item()) if clear else None
