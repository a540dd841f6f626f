"""Every stopping rule and their combinations hold the contract."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable

import pytest
import torch

from tests.contract import RuleCase, RuleContract
from tests.pictures import as_image, sample, seeded
from zeroshot import stopping
from zeroshot.estimate import Estimate
from zeroshot.operators import Identity
from zeroshot.problem import Problem
from zeroshot.stopping import (
    Combination,
    Discrepancy,
    DualityGap,
    ExponentialMovingVariance,
    Finished,
    HeldOut,
    HeldOutGain,
    MaxIterations,
    MinimumSeeking,
    Plateau,
    StoppingRule,
    TimeBudget,
    WindowedMovingVariance,
)

SIGMA = 0.1

RULES: list[Callable[[], StoppingRule]] = [
    lambda: MaxIterations(50),
    lambda: Discrepancy(factor=0.4),
    lambda: Plateau(window=15, tolerance=1e-2),
    lambda: DualityGap(0.05),
    lambda: HeldOut(patience=25),
    lambda: HeldOutGain(patience=25, growth=0.3, rim=8),
    lambda: WindowedMovingVariance(window=8, patience=25),
    lambda: WindowedMovingVariance(window=8, patience=25, pixels=100),
    lambda: ExponentialMovingVariance(alpha=0.3, patience=25),
    lambda: WindowedMovingVariance(window=8, patience=25) | MaxIterations(60),
    lambda: WindowedMovingVariance(window=8, patience=25) & MaxIterations(110),
    lambda: (HeldOut(patience=10) | Discrepancy()) & MaxIterations(110),
]
#: A run's length is no matter of time here.
PATIENT: list[Callable[[], StoppingRule]] = [Finished, lambda: TimeBudget(3600)]


@functools.cache
def problem() -> Problem:
    clean = as_image(sample("astronaut")[60:92, 170:202])
    y = clean + SIGMA * torch.randn(clean.shape, generator=seeded())
    return Problem(y, Identity(), sigma=SIGMA).hold_out(0.05, seeded())


@functools.cache
def course() -> list[Estimate]:
    """A run that comes to rest at iteration 50, and then fits the noise more and more."""
    clean, y = as_image(sample("astronaut")[60:92, 170:202]), problem().y
    generator = seeded(1)
    estimates = []
    for iteration in range(1, 121):
        jitter = 0.01 + 0.1 * abs(iteration - 1 - 50) / 120
        image = clean + jitter * torch.randn(clean.shape, generator=generator)
        image += (y - clean) * min(1, iteration / 90)
        estimates.append(Estimate(image, loss=jitter, iteration=iteration, gap=math.exp(-iteration / 20)))
    return estimates


class TestEveryRule(RuleContract):
    @pytest.fixture(params=[*RULES, *PATIENT], ids=lambda make: repr(make()))
    def case(self, request: pytest.FixtureRequest) -> RuleCase:
        return RuleCase(request.param, problem(), course(), fires=request.param not in PATIENT)


def test_every_rule_is_under_contract() -> None:
    kinds = {getattr(stopping, name) for name in stopping.__all__}
    abstract = {StoppingRule, MinimumSeeking, Combination}
    made = {type(rule()) for rule in [*RULES, *PATIENT]}
    assert made == kinds - abstract
