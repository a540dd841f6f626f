"""What the default stopping rule of a convex prior ends with: the estimate with its certificate, and the run."""

from __future__ import annotations

from tests.pictures import seeded
from zeroshot.estimate import Estimate
from zeroshot.loop import Loop
from zeroshot.prior import Prior, Run
from zeroshot.problem import Problem


def solution(prior: Prior, problem: Problem) -> tuple[Estimate, Run]:
    loop = Loop(problem, prior, generator=seeded())
    for estimate in loop:
        last = estimate
    return last, loop.run
