"""What is known of the candidates, and how many of them a picture has room for."""

from __future__ import annotations

import itertools

import pytest
import torch

import zeroshot
from zeroshot.operators import Identity, Mask
from zeroshot.priors.auto.candidates import (
    ALLOWANCE,
    CANDIDATES,
    LEARNERS,
    MEASURED,
    SLOW,
    affordable,
    figures_for,
)
from zeroshot.priors.auto.selection import ModelSelection
from zeroshot.problem import Problem


@pytest.mark.parametrize("costs", list(itertools.permutations((1.0, 2.0, 5.0, 40.0))))
@pytest.mark.parametrize("least", [0.01, 0.1, 0.3])
def test_whoever_is_chosen_the_trials_cost_no_more_than_allowed(
    costs: tuple[float, ...], least: float
) -> None:
    kept, share = affordable(costs, least)
    assert kept[0] == 0
    if len(kept) > 1:
        tried = [costs[index] for index in kept]
        assert least <= share <= 1
        assert share * sum(tried) <= ALLOWANCE * min(tried) + 1e-9


def test_candidates_that_are_too_dear_for_a_small_picture_are_left_out() -> None:
    assert affordable((1.0, 100.0, 1.0), 0.2) == ([0, 2], ALLOWANCE / 2)
    assert affordable((1.0, 100.0, 1.0), 0.01)[0] == [0, 1, 2]
    assert affordable((1.0, 100.0), 0.2) == ([0], 0.0)
    assert affordable((1.0,), 0.2) == ([0], 0.0)


@pytest.mark.parametrize("task", MEASURED)
def test_candidates_stand_in_the_order_of_what_was_measured(task: str) -> None:
    gains = [figures.gain for figures in MEASURED[task].values()]
    assert gains == sorted(gains, reverse=True)
    assert gains[0] == 0
    more = {**LEARNERS.get(task, {}), **SLOW.get(task, {})}
    assert set(more) <= set(zeroshot.prior_names())
    assert not set(more) & set(MEASURED[task])


def test_where_no_task_is_known_the_candidates_are_those_of_any_damage() -> None:
    assert ModelSelection().candidates == CANDIDATES["restore"]


def test_slow_candidates_come_in_where_the_budget_suffices() -> None:
    problem = Problem(torch.zeros(1, 1, 256, 256), Identity(), sigma=0.1, task="denoise")
    enough = (1 + ALLOWANCE) * SLOW["denoise"]["dip"].cost * 256**2 / 1e6
    assert "dip" not in figures_for(problem, None)
    assert "dip" not in figures_for(problem, 0.9 * enough)
    figures = figures_for(problem, 1.1 * enough)
    assert "dip" in figures
    gains = [known.gain for known in figures.values()]
    assert gains == sorted(gains, reverse=True)


def test_the_order_in_wide_holes_is_another_one() -> None:
    def first(side: int) -> str:
        known = torch.ones(1, 1, 64, 64)
        known[..., 20 : 20 + side, 20 : 20 + side] = 0
        problem = Problem(known / 2, Mask(known), sigma=0.0, task="inpaint")
        return next(iter(figures_for(problem, None)))

    assert first(4) == "gsr"
    assert first(12) == "pnp"
