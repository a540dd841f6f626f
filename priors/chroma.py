"""How much dearer edges in colour are than edges in brightness, found out from the measurement itself."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import torch

from zeroshot.operators.mosaic import Mosaic

from .convex import minimise
from .measurement import counted
from .tv import TotalVariation

if TYPE_CHECKING:
    from zeroshot.problem import Problem

#: What is tried; benchmarks/classic.md has the range that photographs want.
CANDIDATES = (1.25, 1.6, 2.2, 3.2, 5.0, 8.0)
#: Where the search begins.
FIRST = 2
#: A larger factor is taken where the error falls below this share: too large a one does more harm.
WORTHWHILE = 0.98
#: Share of the measured pixels that are held out.
HELD_OUT = 0.1
#: Side of the largest square of a mosaic that is tried on.
LARGEST = 256


def chosen_chroma(problem: Problem, generator: torch.Generator) -> float:
    """The `chroma` whose total variation solution predicts held-out measurements best.

    A tenth of the measured pixels is held out. From 2.2 the search climbs to the side that predicts them
    better as long as it gets better; upwards the error must fall by more than 2 %. Of a mosaic the middle is
    looked at, 256 × 256 pixels at most.
    """
    if problem.reference_shape[1] == 1:
        return 1.0
    # What is held out for others stays out of the fit, and out of this choice.
    fitted = _middle(replace(problem, measured=counted(problem), held_out=None))
    kept = fitted.hold_out(HELD_OUT, generator)
    errors: dict[int, float] = {}

    def error(index: int) -> float:
        if not 0 <= index < len(CANDIDATES):
            return float("inf")
        if index not in errors:
            errors[index] = _error(kept, CANDIDATES[index])
        return errors[index]

    best = FIRST
    direction, share = (1, WORTHWHILE) if error(FIRST + 1) < WORTHWHILE * error(FIRST) else (-1, 1.0)
    while error(best + direction) < share * error(best):
        best += direction
    return CANDIDATES[best]


def _error(problem: Problem, chroma: float) -> float:
    """The mean penalty of the held-out measurements, for an approximate solution."""
    prior = TotalVariation(chroma=chroma, tolerance=1e-2, iterations=300)
    estimate, _ = minimise(prior, problem)
    return float(problem.validation_loss(estimate.image))


def _middle(problem: Problem) -> Problem:
    """The problem of the middle of a mosaic; every other problem as it is."""
    operator = problem.operator
    height, width = problem.y.shape[-2:]
    if not isinstance(operator, Mosaic) or max(height, width) <= LARGEST:
        return problem
    top, left = (
        max(0, (size - LARGEST) // 2) // operator.period * operator.period for size in (height, width)
    )

    def cut(tensor: torch.Tensor | None) -> torch.Tensor | None:
        if tensor is None:
            return None
        return tensor.expand_as(problem.y)[..., top : top + LARGEST, left : left + LARGEST]

    y = problem.y[..., top : top + LARGEST, left : left + LARGEST].contiguous()
    return replace(problem, y=y, reference_shape=(), measured=cut(problem.measured))
