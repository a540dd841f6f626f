"""Solutions that several priors need alike: made once, and the same to the bit."""

from __future__ import annotations

import dataclasses

import pytest
import torch

from tests.pictures import seeded
from zeroshot.operators import Downsample
from zeroshot.priors.plug_and_play.pnp import PlugAndPlay
from zeroshot.priors.shared_work import SharedWork, shared, solved
from zeroshot.priors.sparse.gsr import GroupSparseRepresentation
from zeroshot.priors.total_variation.tv import TotalVariation
from zeroshot.priors.warm_start import first_image
from zeroshot.problem import Problem


@pytest.fixture
def problem(photograph: torch.Tensor) -> Problem:
    operator = Downsample(2)
    return Problem(operator(photograph[..., :48, :48]), operator, sigma=0.0, task="sr")


def _tv(problem: Problem) -> TotalVariation:
    return TotalVariation.for_problem(problem, iterations=30)


def test_a_solution_is_made_once_and_leaves_the_generator_as_it_was_left_the_first_time(
    problem: Problem, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun = []
    start = TotalVariation.start
    monkeypatch.setattr(TotalVariation, "start", lambda *given: begun.append(1) or start(*given))
    alone = seeded(3)
    expected = solved(_tv(problem), problem, alone)
    begun.clear()
    with shared(SharedWork(problem)):
        first, again = seeded(3), seeded(3)
        made, found = (solved(_tv(problem), problem, generator) for generator in (first, again))
    assert begun == [1]
    assert torch.equal(made.image, expected.image)
    assert torch.equal(found.image, expected.image)
    assert found.iteration == expected.iteration
    assert torch.equal(alone.get_state(), first.get_state())
    assert torch.equal(alone.get_state(), again.get_state())


def test_another_prior_seed_or_problem_has_a_solution_of_its_own(problem: Problem) -> None:
    work, prior = SharedWork(problem), _tv(problem)
    with shared(work):
        solved(prior, problem, seeded(3))
    assert work.find(prior, problem, seeded(3)) is not None
    assert work.find(dataclasses.replace(prior, iterations=31), problem, seeded(3)) is None
    assert work.find(prior, problem, seeded(4)) is None
    assert work.find(prior, dataclasses.replace(problem), seeded(3)) is None


def test_nothing_is_shared_under_a_budget_or_where_nobody_shares(problem: Problem) -> None:
    work = SharedWork(problem)
    with shared(work):
        solved(_tv(problem), problem, seeded(3), seconds=60.0)
    solved(_tv(problem), problem, seeded(3))
    assert work.find(_tv(problem), problem, seeded(3)) is None


def test_what_two_priors_begin_with_is_made_once(problem: Problem, monkeypatch: pytest.MonkeyPatch) -> None:
    begun = []
    start = TotalVariation.start
    monkeypatch.setattr(TotalVariation, "start", lambda *given: begun.append(1) or start(*given))
    with shared(SharedWork(problem)):
        one, other = (
            family.for_problem(problem, initial="tv").begin(problem, seeded(3)).beginning()
            for family in (PlugAndPlay, GroupSparseRepresentation)
        )
    assert begun == [1]
    assert torch.equal(one[0], other[0])
    assert torch.equal(one[0], first_image("tv", problem, seeded(3)).image)
