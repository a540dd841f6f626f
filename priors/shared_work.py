"""Solutions that several priors need alike, made once where they are tried in turn on one problem.

Plug and play and group sparsity fill wide holes from the same solution of wavelets, which is a candidate by itself, and
enlarge from the same one of total variation. Only whoever tries them in turn knows that they will be asked for again;
elsewhere nothing is kept.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import NamedTuple

import torch

from zeroshot.deadline import seconds_left
from zeroshot.loop import Loop
from zeroshot.prior import Prior
from zeroshot.problem import Problem


class Solution(NamedTuple):
    """What a prior makes of a problem.

    Attributes
    ----------
    image : torch.Tensor
        (N, C, H, W), not to be changed.
    iteration : int
        How many iterations it made.
    """

    image: torch.Tensor
    iteration: int


class _Kept(NamedTuple):
    """A solution, whose it is, and the states of the generator before and after it."""

    prior: Prior
    before: torch.Tensor
    after: torch.Tensor
    solution: Solution


class SharedWork:
    """The solutions of one problem that were made so far.

    A solution is given to whoever asks for that of an equal prior with a generator in the same state, which is then
    left in the state in which the solution left it: all is as if it had been made again.

    Parameters
    ----------
    problem : Problem
    """

    def __init__(self, problem: Problem) -> None:
        self._problem = problem
        self._kept: list[_Kept] = []

    def find(self, prior: Prior, problem: Problem, generator: torch.Generator) -> Solution | None:
        """The solution that this prior would make; None where it has to be made."""
        if problem is not self._problem:
            return None
        state = generator.get_state()
        for one in self._kept:
            if one.prior == prior and torch.equal(one.before, state):
                generator.set_state(one.after)
                return one.solution
        return None

    def keep(
        self,
        prior: Prior,
        problem: Problem,
        before: torch.Tensor,
        generator: torch.Generator,
        solution: Solution,
    ) -> None:
        """Keep a solution that was made, with the state of the generator before it, and the generator after it."""
        if problem is self._problem:
            self._kept.append(_Kept(prior, before, generator.get_state(), solution))


_shared: ContextVar[SharedWork | None] = ContextVar("_shared", default=None)


@contextmanager
def shared(work: SharedWork | None) -> Iterator[None]:
    """Share the solutions of `work` with all that is begun within; None: share nothing."""
    token = _shared.set(work)
    try:
        yield
    finally:
        _shared.reset(token)


def solved(
    prior: Prior, problem: Problem, generator: torch.Generator, seconds: float | None = None
) -> Solution:
    """The solution of a prior, shared where there is no time budget, under which none is like another.

    Parameters
    ----------
    prior : Prior
        That :meth:`~zeroshot.prior.Prior.suited` has chosen for the problem.
    problem : Problem
    generator : torch.Generator
        The source of its randomness.
    seconds : float, optional
        Take what it has after this time.
    """
    work = None if seconds is not None or seconds_left() < math.inf else _shared.get()
    if work is not None and (found := work.find(prior, problem, generator)) is not None:
        return found
    before = generator.get_state()
    loop = Loop(problem, prior, generator=generator, seconds=seconds).complete()
    made = Solution(loop.result(), loop.iteration)
    if work is not None:
        work.keep(prior, problem, before, generator, made)
    return made
