"""Data terms: penalties are minimal where the prediction is the measurement, and proximal maps minimise."""

from __future__ import annotations

import math

import pytest
import torch

from tests.pictures import seeded
from zeroshot.data_terms import L1, DataTerm, Gaussian, Huber, Poisson

TERMS = [
    Gaussian(),
    Gaussian(sigma=0.1),
    Poisson(gain=1 / 30),
    Poisson(gain=0.05, readout=0.02),
    Poisson(gain=1.0),
    L1(),
    Huber(delta=0.05),
    Huber(delta=0.5),
]
every_term = pytest.mark.parametrize("term", TERMS, ids=repr)


@pytest.fixture
def pair(generator: torch.Generator) -> tuple[torch.Tensor, torch.Tensor]:
    """A prediction and a measurement, the latter reaching below black."""
    prediction = torch.rand(2, 3, 8, 8, generator=generator)
    return prediction, prediction + 0.2 * torch.randn(2, 3, 8, 8, generator=generator)


@every_term
def test_penalties_are_not_negative(term: DataTerm, pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    prediction, y = pair
    assert float(term.penalty(prediction, y).min()) >= -1e-5


@every_term
def test_the_measurement_itself_costs_nothing(term: DataTerm) -> None:
    y = torch.linspace(0.05, 1, 50)
    assert torch.allclose(term.penalty(y, y), torch.zeros(50), atol=1e-5)


@every_term
def test_penalties_grow_away_from_the_measurement(term: DataTerm) -> None:
    y = torch.full((50,), 0.5, dtype=torch.float64)
    for distance in (torch.linspace(0, 0.4, 50), torch.linspace(0, -0.4, 50)):
        assert bool((term.penalty(y + distance.double(), y).diff() > 0).all())


@every_term
@pytest.mark.parametrize("step", [0.01, 0.3, 5.0])
def test_the_proximal_map_is_the_minimiser(term: DataTerm, step: float, generator: torch.Generator) -> None:
    point = 1.5 * torch.rand(24, generator=generator, dtype=torch.float64) - 0.2
    y = 1.2 * torch.rand(24, generator=generator, dtype=torch.float64) - 0.1

    def objective(p: torch.Tensor) -> torch.Tensor:
        return step * term.penalty(p, y.expand_as(p)) + 0.5 * (p - point) ** 2

    found = term.prox(point, y, step)
    # The log-likelihood of photons is not defined below no light at all.
    lowest = -(term.readout**2) / term.gain if isinstance(term, Poisson) else -2.0
    grid = torch.linspace(lowest, 3, 50_001, dtype=torch.float64)[:, None].expand(-1, 24)
    floor = step * term.floor * 2 if isinstance(term, Poisson) else 1e-9
    assert bool((found >= lowest - 1e-9).all())
    assert bool((objective(found) <= objective(grid).min(dim=0).values + floor).all())


@every_term
def test_the_proximal_map_of_a_vanishing_step_is_the_identity(term: DataTerm) -> None:
    point = torch.linspace(0.1, 1, 20)
    assert torch.allclose(term.prox(point, point.flip(0), 1e-9), point, atol=1e-6)


@every_term
def test_a_measurement_is_its_own_proximal_point(term: DataTerm) -> None:
    y = torch.linspace(0.1, 1, 20)
    assert torch.allclose(term.prox(y, y, 0.7), y, atol=1e-5)


@every_term
def test_the_term_is_the_mean_penalty(term: DataTerm, pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    prediction, y = pair
    assert float(term(prediction, y)) == pytest.approx(float(term.penalty(prediction, y).mean()), rel=1e-6)


@every_term
def test_weights_choose_what_counts(term: DataTerm, pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    prediction, y = pair
    weight = torch.zeros(2, 1, 8, 8)
    weight[..., :4] = 1
    expected = float(term(prediction[..., :4], y[..., :4]))
    assert float(term(prediction, y, weight)) == pytest.approx(expected, rel=1e-5)


@every_term
def test_the_scale_of_the_weights_does_not_matter(
    term: DataTerm, pair: tuple[torch.Tensor, torch.Tensor], generator: torch.Generator
) -> None:
    prediction, y = pair
    weight = torch.rand(y.shape, generator=generator)
    assert float(term(prediction, y, 7 * weight)) == pytest.approx(
        float(term(prediction, y, weight)), rel=1e-5
    )


@every_term
def test_weights_of_zero_give_zero(term: DataTerm, pair: tuple[torch.Tensor, torch.Tensor]) -> None:
    prediction, y = pair
    assert float(term(prediction, y, torch.zeros_like(y))) == 0


@every_term
def test_the_gradient_is_finite_at_black(term: DataTerm) -> None:
    prediction = torch.zeros(1, 1, 4, 4, requires_grad=True)
    term(prediction, torch.zeros(1, 1, 4, 4)).backward()
    assert prediction.grad is not None
    assert bool(prediction.grad.isfinite().all())


def test_the_gaussian_term_is_the_squared_error_over_twice_the_variance() -> None:
    prediction, y = torch.full((1, 1, 2, 2), 0.7), torch.full((1, 1, 2, 2), 0.5)
    assert float(Gaussian(sigma=0.1)(prediction, y)) == pytest.approx(0.2**2 / (2 * 0.1**2), rel=1e-5)


def test_the_poisson_term_is_the_log_likelihood_of_photon_counts() -> None:
    photons = torch.arange(1, 40, dtype=torch.float64)
    rates = photons + 3.5
    likelihood = torch.distributions.Poisson(rates).log_prob(photons)
    at_best = torch.distributions.Poisson(photons).log_prob(photons)
    penalty = Poisson(gain=0.02).penalty(0.02 * rates, 0.02 * photons)
    assert torch.allclose(penalty, at_best - likelihood)


def test_huber_is_quadratic_inside_and_linear_outside() -> None:
    difference = torch.tensor([0.05, 0.1, 0.4], dtype=torch.float64)
    penalty = Huber(delta=0.1).penalty(difference, torch.zeros(3, dtype=torch.float64))
    expected = [0.5 * 0.05**2, 0.5 * 0.1**2, 0.1 * 0.4 - 0.5 * 0.1**2]
    assert penalty.tolist() == pytest.approx(expected)


def test_shapes_that_differ_are_both_named() -> None:
    with pytest.raises(ValueError, match=r"\(1, 1, 2, 2\) and the measurement \(1, 1, 2, 3\)"):
        L1()(torch.zeros(1, 1, 2, 2), torch.zeros(1, 1, 2, 3))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gaussian(sigma=0), "sigma must be a positive number, got 0"),
        (lambda: Gaussian(sigma=math.nan), "sigma must be a positive number, got nan"),
        (lambda: Poisson(gain=-1), "gain must be a positive number, got -1"),
        (lambda: Poisson(gain=math.inf), "gain must be a positive number, got inf"),
        (lambda: Poisson(readout=-0.1), "readout must be a number of at least 0, got -0.1"),
        (lambda: Huber(delta=0), "delta must be a positive number, got 0"),
    ],
)
def test_impossible_parameters_are_refused(make, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


def test_the_slope_of_poisson_is_exact_in_single_precision():
    generator = seeded()
    y = torch.rand(1, 1, 40, 40, generator=generator)
    prediction = (torch.rand(1, 1, 40, 40, generator=generator) + 0.02).requires_grad_()
    gain = 1 / 50
    Poisson(gain).penalty(prediction, y).sum().backward()
    wanted = (1 - y / prediction.detach()) / gain
    torch.testing.assert_close(prediction.grad, wanted, rtol=1e-5, atol=1e-4)
