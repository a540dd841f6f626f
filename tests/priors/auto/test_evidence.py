"""What two candidates' errors say of how much better the one is."""

from __future__ import annotations

import math

import pytest
import torch

from tests.pictures import seeded
from zeroshot.priors.auto.evidence import cautious, expected, gain, is_hopeless


def test_the_gain_is_that_in_decibels_of_what_is_no_chance() -> None:
    errors = torch.tensor([1.0, 3.0, 2.0], dtype=torch.float64)
    assert gain(errors, 10 * errors, 0.0)[0] == pytest.approx(10.0)
    assert gain(10 * errors, errors, 0.0)[0] == pytest.approx(-10.0)
    assert gain(errors + 5, 10 * errors + 5, 5.0)[0] == pytest.approx(10.0)
    assert gain(errors, errors, 0.0) == (0.0, 0.0)
    zero = torch.zeros(3, dtype=torch.float64)
    assert gain(zero, zero, 0.0) == (0.0, 0.0)
    assert gain(zero, errors, 0.0)[0] > 50
    assert math.isinf(gain(errors[:1], 2 * errors[:1], 0.0)[1])


def test_the_standard_error_is_that_over_many_draws() -> None:
    generator = seeded()
    shared = torch.rand(400, 500, generator=generator, dtype=torch.float64)
    one = shared + 0.2 * torch.rand(400, 500, generator=generator, dtype=torch.float64)
    other = shared + 0.3 * torch.rand(400, 500, generator=generator, dtype=torch.float64)
    found = [gain(*pair, 0.0) for pair in zip(one, other, strict=True)]
    gains = torch.tensor([value for value, _ in found])
    assert float(gains.std()) == pytest.approx(sum(error for _, error in found) / 400, rel=0.15)


def test_what_is_expected_lies_between_what_was_seen_and_what_was_known() -> None:
    mean, deviation = expected(1.0, 0.2, -0.5)
    assert -0.5 < mean < 1.0
    assert expected(1.0, 0.01, -0.5)[0] > mean > expected(1.0, 1.0, -0.5)[0]
    assert expected(1.0, 1.0, -0.5)[1] > deviation > 0
    assert expected(1.0, math.inf, -0.5)[0] == -0.5


def test_a_lead_by_chance_takes_nobodys_place() -> None:
    noise = torch.randn(2, 500, 4000, generator=seeded(), dtype=torch.float64).square()
    wins = sum(
        cautious(*expected(*gain(one, other, 0.0), 0.0)) > 0 for one, other in zip(*noise, strict=True)
    )
    assert wins < 0.15 * 500
    assert all(
        cautious(*expected(*gain(0.7 * one, other, 0.0), 0.0)) > 0 for one, other in zip(*noise, strict=True)
    )


def test_only_who_has_clearly_fallen_behind_is_given_up() -> None:
    assert is_hopeless(-2.0, 0.3, 0.0)
    assert not is_hopeless(-0.3, 0.3, 0.0)
    assert is_hopeless(0.0, 0.2, 1.0)
