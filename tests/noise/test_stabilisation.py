"""Properties of the generalised Anscombe transform and its unbiased inverse."""

from __future__ import annotations

import math

import pytest
import torch

from tests.pictures import seeded, uniform
from zeroshot.noise import add_gaussian, add_poisson
from zeroshot.noise.stabilisation import forward, inverse

#: Gain and readout noise on the [0, 1] scale.
LAWS = [(1 / 20, 0.0), (1 / 100, 0.0), (1 / 255, 0.0), (1 / 60, 0.02)]


def measured(level: float, gain: float, readout: float, pixels: int = 200_000) -> torch.Tensor:
    generator = seeded()
    photons = add_poisson(torch.full((1, 1, 1, pixels), level), 1 / gain, generator)
    return add_gaussian(photons, readout, generator)


@pytest.mark.parametrize(("gain", "readout"), LAWS)
def test_black_and_white_stay_where_they_are(gain: float, readout: float) -> None:
    transformed, sigma = forward(torch.tensor([0.0, 1.0]), gain, readout)
    torch.testing.assert_close(transformed, torch.tensor([0.0, 1.0]), atol=1e-6, rtol=0)
    assert 0 < sigma < 1


@pytest.mark.parametrize(("gain", "readout"), LAWS)
@pytest.mark.parametrize("level", [0.3, 0.6, 1.0])
def test_the_noise_has_the_promised_level_at_every_brightness(
    gain: float, readout: float, level: float
) -> None:
    transformed, sigma = forward(measured(level, gain, readout), gain, readout)
    assert transformed.double().std().item() == pytest.approx(sigma, rel=0.03)


@pytest.mark.parametrize(("gain", "readout"), LAWS)
@pytest.mark.parametrize("level", [0.05, 0.2, 0.5, 1.0])
def test_the_inverse_of_the_mean_is_unbiased(gain: float, readout: float, level: float) -> None:
    transformed, _ = forward(measured(level, gain, readout), gain, readout)
    mean = transformed.double().mean().view(1, 1, 1, 1)
    # The closed form is exact to a few hundredths of a photon, the sample mean to three standard errors.
    sampling = 3 * math.sqrt((gain * level + readout**2) / transformed.numel())
    assert inverse(mean, gain, readout).item() == pytest.approx(level, abs=0.03 * gain + sampling)


def test_the_algebraic_inverse_would_be_biased_and_ours_lies_above_it() -> None:
    gain, level = 1 / 20, 0.2
    transformed, _ = forward(measured(level, gain, 0.0), gain)
    mean = transformed.double().mean().view(1, 1, 1, 1)
    low, high = torch.tensor(0.0), torch.tensor(1.0)
    for _ in range(40):
        middle = (low + high) / 2
        below = forward(middle, gain)[0] < mean.item()
        low, high = torch.where(below, middle, low), torch.where(below, high, middle)
    algebraic_error = abs(low.item() - level)
    assert algebraic_error > 5 * abs(inverse(mean, gain).item() - level)


@pytest.mark.parametrize(("gain", "readout"), LAWS)
def test_both_directions_rise_and_the_inverse_is_never_negative(gain: float, readout: float) -> None:
    y = torch.linspace(0, 2, 500)
    transformed, _ = forward(y, gain, readout)
    assert bool((transformed.diff() > 0).all())
    restored = inverse(torch.linspace(-0.5, 1.5, 500), gain, readout)
    assert bool((restored.diff() >= -1e-6).all())
    assert restored.min().item() >= 0


def test_measurements_below_black_are_taken_as_no_photons() -> None:
    transformed, _ = forward(torch.tensor([-5.0, -1.0]), 1 / 60, 0.02)
    assert bool(transformed.isfinite().all())
    assert transformed[0] == transformed[1]


def test_shape_and_type_are_kept() -> None:
    y = uniform(2, 3, 5, 7)
    transformed, _ = forward(y, 1 / 50, 0.01)
    restored = inverse(transformed, 1 / 50, 0.01)
    assert transformed.shape == restored.shape == y.shape
    assert transformed.dtype == restored.dtype == torch.float32


@pytest.mark.parametrize("gain", [1e-2, 1e-4, 1e-6])
def test_strong_readout_noise_costs_no_digits(gain: float) -> None:
    """Where all noise is readout noise the transform is the identity, and its level that noise."""
    y = torch.linspace(0, 1, 1001)
    transformed, sigma = forward(y, gain, 0.3)
    exact, level = forward(y.double(), gain, 0.3)
    torch.testing.assert_close(transformed.double(), exact, atol=1e-6, rtol=0)
    assert sigma == level == pytest.approx(0.3, rel=20 * gain)
    torch.testing.assert_close(inverse(transformed, gain, 0.3), y, atol=1e-6 + 2 * gain, rtol=0)
