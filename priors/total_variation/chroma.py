"""How much more edges in colour cost than edges in brightness, chosen by the measurement itself."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TypeAlias

import torch

from zeroshot.operators.mosaic import Mosaic
from zeroshot.problem import Problem

#: The solution of a problem for a factor, (N, C, H, W); an approximate one will do.
Trial: TypeAlias = Callable[[Problem, float], torch.Tensor]

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


def chosen_chroma(problem: Problem, generator: torch.Generator, trial: Trial) -> float:
    """The factor whose solution predicts held-out measurements best.

    A tenth of the measured pixels is held out. From 2.2 the search climbs to the side that predicts them
    better as long as it gets better; upwards the error must fall by more than 2 %. Of a mosaic only the middle
    is solved, 256 × 256 pixels at most.

    Parameters
    ----------
    problem : Problem
        Images of one channel have the factor 1.
    generator : torch.Generator
        What the held-out pixels are drawn with.
    trial : callable
        (problem, factor) → the solution.
    """
    if problem.reference_shape[1] == 1:
        return 1.0
    # What is held out for others stays out of the fit, and out of this choice.
    fitted = _middle(replace(problem, measured=problem.counted(), held_out=None))
    kept = fitted.hold_out(HELD_OUT, generator)
    errors: dict[int, float] = {}

    def error(index: int) -> float:
        if not 0 <= index < len(CANDIDATES):
            return float("inf")
        if index not in errors:
            errors[index] = float(kept.validation_loss(trial(kept, CANDIDATES[index])))
        return errors[index]

    best = FIRST
    direction, share = (1, WORTHWHILE) if error(FIRST + 1) < WORTHWHILE * error(FIRST) else (-1, 1.0)
    while error(best + direction) < share * error(best):
        best += direction
    return CANDIDATES[best]


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
