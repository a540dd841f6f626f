"""The course of a run, estimate by estimate."""

from __future__ import annotations

from collections.abc import Iterator

import torch

from zeroshot.estimate import Estimate
from zeroshot.prior import Prior, Run
from zeroshot.problem import Problem
from zeroshot.stopping import StoppingRule


class Course:
    """The estimates of a prior's run until a rule is satisfied or nothing is left to do.

    Parameters
    ----------
    problem : Problem
        The rule's share of its measured pixels is held out.
    prior : Prior
        A prior that supports the problem.
    rule : StoppingRule, optional
        By default the prior's own.
    seed : int
        Of all randomness.

    Attributes
    ----------
    run : Run
        The run, begun.
    """

    def __init__(
        self, problem: Problem, prior: Prior, rule: StoppingRule | None = None, seed: int = 0
    ) -> None:
        generator = torch.Generator().manual_seed(seed)
        self.rule = rule or prior.default_stopping(problem)
        if self.rule.holds_out:
            problem = problem.hold_out(self.rule.holds_out, generator)
        self.rule.start(problem)
        self.run: Run = prior.start(problem, generator)

    def __iter__(self) -> Iterator[Estimate]:
        while True:
            estimate = self.run.step()
            stops = self.rule.update(estimate)
            yield estimate
            if stops or self.run.finished:
                return

    def last(self) -> Estimate:
        """The estimate at the end."""
        *_, estimate = self
        return estimate
