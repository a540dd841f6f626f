"""Properties of the shrinkage rules."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch

from zeroshot.solvers.thresholds import firm, hard, soft

VALUES = torch.linspace(-4, 4, 81, dtype=torch.float64)
GRID = torch.linspace(-5, 5, 20001, dtype=torch.float64)


def minimax_concave(v: torch.Tensor, t: float, u: float) -> torch.Tensor:
    """The penalty of firm shrinkage: slope t at 0, falling linearly to 0 at u."""
    size = v.abs().clamp(max=u)
    return t * size - t * size.square() / (2 * u)


@pytest.mark.parametrize("t", [0.3, 1.0, 2.5])
@pytest.mark.parametrize(
    ("rule", "penalty"),
    [
        (soft, lambda v, t: t * v.abs()),
        (hard, lambda v, t: 0.5 * t**2 * (v != 0)),
        (firm, lambda v, t: minimax_concave(v, t, 2 * t)),
    ],
    ids=["soft", "hard", "firm"],
)
def test_each_rule_is_the_proximal_map_of_its_penalty(rule: Callable, penalty: Callable, t: float) -> None:
    shrunk = rule(VALUES, t)
    objective = penalty(GRID, t)[None] + 0.5 * (GRID[None] - VALUES[:, None]).square()
    reached = penalty(shrunk, t) + 0.5 * (shrunk - VALUES).square()
    assert bool((reached <= objective.amin(dim=1) + 1e-12).all())


@pytest.mark.parametrize("rule", [soft, hard, firm])
def test_a_tensor_of_thresholds_is_the_same_as_numbers(rule: Callable) -> None:
    thresholds = torch.tensor([0.5, 1.0, 2.0])[:, None]
    together = rule(VALUES.float()[None].repeat(3, 1), thresholds)
    alone = torch.stack([rule(VALUES.float(), t) for t in (0.5, 1.0, 2.0)])
    torch.testing.assert_close(together, alone, atol=1e-6, rtol=0)


@pytest.mark.parametrize("rule", [soft, hard, firm])
def test_rules_are_odd_and_never_enlarge(rule: Callable) -> None:
    shrunk = rule(VALUES, 1.0)
    assert torch.equal(shrunk, -rule(-VALUES, 1.0))
    assert bool((shrunk.abs() <= VALUES.abs()).all())
    assert bool((shrunk[VALUES.abs() <= 0.99] == 0).all())


@pytest.mark.parametrize("rule", [soft, hard, firm])
def test_a_threshold_of_zero_changes_nothing(rule: Callable) -> None:
    assert torch.equal(rule(VALUES, 0.0), VALUES)
    assert torch.equal(rule(VALUES, torch.zeros(())), VALUES)


def test_firm_shrinkage_is_hard_where_its_thresholds_meet() -> None:
    assert torch.equal(firm(VALUES, 1.05, 1.05), hard(VALUES, 1.05))
    assert torch.equal(firm(VALUES, torch.tensor(1.05), torch.tensor(1.05)), hard(VALUES, 1.05))


def test_firm_lies_between_hard_and_soft() -> None:
    assert torch.allclose(firm(VALUES, 1.0, 1.0 + 1e-9), hard(VALUES, 1.0))
    assert torch.allclose(firm(VALUES, 1.0, 1e9), soft(VALUES, 1.0), atol=1e-8)
    shrunk = firm(VALUES, 1.0)
    assert bool((soft(VALUES, 1.0).abs() <= shrunk.abs() + 1e-12).all())
    assert bool((shrunk.abs() <= hard(VALUES, 1.0).abs() + 1e-12).all())


def test_firm_is_continuous() -> None:
    fine = torch.linspace(0, 4, 40001, dtype=torch.float64)
    assert firm(fine, 1.0).diff().abs().max() < 2.1e-4
