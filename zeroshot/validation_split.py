"""Putting measurements aside so that a restoration can be judged by them."""

from __future__ import annotations

from dataclasses import replace

import torch

from zeroshot.data_terms import Gaussian, Poisson
from zeroshot.operators import Composition, Grayscale, Identity, Mask, Mosaic, Operator, Stack, fill_holes
from zeroshot.problem import Problem


def put_aside(
    problem: Problem, fraction: float, generator: torch.Generator, which: torch.Tensor | None = None
) -> tuple[Problem, torch.Tensor]:
    """The problem without a part of its measurements, and which part that is.

    What is put aside is replaced in y by a smooth filling from the measurements around it, so that no first
    estimate shows it. In plain denoising the result is a denoising problem as before; in inpainting the holes
    grow; elsewhere the pixels are marked as not measured. Of a grey image with colour hints only hints are put
    aside, since grey values say nothing of colours.

    Parameters
    ----------
    problem : Problem
        One that holds nothing out yet.
    fraction : float
        How much of the measured pixels to put aside.
    generator : torch.Generator
        The source of randomness.
    which : torch.Tensor, optional
        1 at the measurements to put aside, broadcastable to y; by default a random `fraction` of the pixels.

    Returns
    -------
    part : Problem
        To be solved.
    aside : torch.Tensor
        1 at the measurements to judge by, of y's shape.

    Raises
    ------
    ValueError
        Where there are fewer than two pixels to choose from, see :func:`pixels_to_judge_by`.
    """
    known = problem.known_pixels()
    problem = replace(problem, measured=known)
    if which is None:
        held = replace(problem, measured=_judges(problem)).hold_out(fraction, generator).held_out
        assert held is not None
    else:
        held = which.expand_as(problem.y).to(problem.y)
    kept = 1 - held if known is None else (1 - held) * known
    operator = problem.operator
    if isinstance(operator, Mask):
        smaller = Mask(kept).to(problem.y.device)
        return replace(problem, y=problem.y * kept, operator=smaller, measured=kept), held
    filled = _filled(problem.y, kept, operator)
    if problem.measured is not None:
        filled = torch.where(problem.measured.expand_as(filled) > 0, filled, problem.y)
    plain = type(operator) is Identity and known is None and isinstance(problem.data_term, Gaussian | Poisson)
    return replace(problem, y=filled, measured=None if plain else kept), held


def pixels_to_judge_by(problem: Problem) -> int:
    """How many pixels could be put aside; at least two are needed."""
    judges = _judges(replace(problem, measured=problem.known_pixels()))
    if judges is None:
        return problem.y.shape[-2] * problem.y.shape[-1]
    return int((judges.amax(dim=1) > 0).flatten(1).sum(dim=1).min())


def _judges(problem: Problem) -> torch.Tensor | None:
    """1 at the measurements that a restoration may be judged by; None: all."""
    operator, measured = problem.operator, problem.measured
    hinted = isinstance(operator, Stack) and isinstance(operator.operators[0], Grayscale)
    if measured is None or not hinted:
        return measured
    hints = measured.clone()
    hints[:, :1] = 0
    return hints


def _filled(y: torch.Tensor, kept: torch.Tensor, operator: Operator) -> torch.Tensor:
    """`y` with everything that is not kept filled in from its neighbours of the same kind."""
    last = operator.operators[0] if isinstance(operator, Composition) else operator
    period = last.period if isinstance(last, Mosaic) else 1
    filled = y.clone()
    for row in range(period):
        for column in range(period):
            plane = (..., slice(row, None, period), slice(column, None, period))
            filled[plane] = fill_holes(y[plane].contiguous(), kept[plane].contiguous())
    return filled
