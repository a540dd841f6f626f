"""What priors ask of a measurement: which values count, how noisy they are, and with noise of one level."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

import torch

from zeroshot.data_terms import Poisson
from zeroshot.operators.mask import Mask

if TYPE_CHECKING:
    from zeroshot.problem import Problem


def counted(problem: Problem) -> torch.Tensor | None:
    """1 at the measurements that enter the data term, of y's shape; None: all."""
    if problem.measured is None and problem.held_out is None:
        return None
    result = torch.ones_like(problem.y)
    if problem.measured is not None:
        result *= problem.measured > 0.5
    if problem.held_out is not None:
        result *= problem.held_out < 0.5
    return None if bool(result.all()) else result


def known_pixels(problem: Problem) -> torch.Tensor | None:
    """1 at the pixels that neither the mask of the operator hides nor the problem leaves out; None: all are."""
    if not isinstance(problem.operator, Mask):
        return counted(problem)
    known = (problem.operator.mask.to(problem.y) > 0.5).expand_as(problem.y).to(problem.y)
    fitted = counted(problem)
    known = known if fitted is None else known * fitted
    return None if bool(known.all()) else known


def noise_rms(problem: Problem) -> float:
    """Standard deviation of the noise in y: what the noise law says, is known or is estimated from y.

    With the Poisson data term it is the root mean square over the values that count of what the law predicts,
    √(gain · y + readout²).
    """
    term = problem.data_term
    if isinstance(term, Poisson):
        variance = (term.gain * problem.y + term.readout**2).clamp(min=0)
        which = counted(problem)
        if which is None:
            return math.sqrt(variance.mean(dtype=torch.float64).item())
        total = (variance * which).sum(dtype=torch.float64).item()
        return math.sqrt(total / max(which.sum(dtype=torch.float64).item(), 1))
    if problem.sigma is not None:
        return problem.sigma
    from zeroshot.noise import estimate_sigma

    return estimate_sigma(problem.y, problem.measured)


def noise_level(problem: Problem, known: torch.Tensor | None = None) -> tuple[torch.Tensor, float]:
    """The measurement of a denoising problem with noise of one level everywhere, and that level.

    With the Poisson data term it is the variance-stabilised one; :func:`as_image` maps back.

    Parameters
    ----------
    problem : Problem
        Its operator leaves pixels as they are, or hides some.
    known : torch.Tensor, optional
        1 at the pixels that an unknown level is estimated from, of y's shape; all by default.
    """
    if isinstance(problem.data_term, Poisson):
        from zeroshot.noise.stabilisation import forward

        return forward(problem.y, problem.data_term.gain, problem.data_term.readout)
    if problem.sigma is not None:
        return problem.y, problem.sigma
    from zeroshot.noise import estimate_sigma

    return problem.y, estimate_sigma(problem.y, known)


def as_image(estimate: torch.Tensor, problem: Problem) -> torch.Tensor:
    """An estimate on the scale of :func:`noise_level`'s measurement, mapped back to that of the image."""
    if isinstance(problem.data_term, Poisson):
        from zeroshot.noise.stabilisation import inverse

        return inverse(estimate, problem.data_term.gain, problem.data_term.readout)
    return estimate
