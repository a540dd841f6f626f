"""The data step is the proximal map of the data term: optimality, closed forms, projections and weights."""

from __future__ import annotations

import pytest
import torch

from tests.pictures import seeded, uniform
from zeroshot.data_terms import L1, DataTerm, Gaussian, Huber, Poisson
from zeroshot.noise import random_mask
from zeroshot.operators import Blur, Downsample, Grayscale, Identity, Mask, Mosaic, Operator, Stack
from zeroshot.solvers.data_step import DataStep, diagonal_of_gram

SHAPE = (1, 3, 8, 12)
TERMS = [Gaussian(0.1), Poisson(0.02, 0.01), Huber(0.05), L1()]


def kernel() -> torch.Tensor:
    return uniform(5, 3, seed=7) + 0.2


OPERATORS: dict[str, Operator] = {
    "identity": Identity(),
    "mask": Mask(random_mask(SHAPE, 0.4, seeded())),
    "mosaic": Mosaic("RGGB"),
    "grayscale": Grayscale(),
    "box": Downsample(2, "box"),
    "downsample": Downsample(2),
    "circular blur": Blur(kernel(), "circular"),
    "reflected blur": Blur(kernel(), "reflect"),
    "valid blur": Blur(kernel(), "valid"),
    "composition": Mosaic("GRBG") @ Blur.gaussian(0.7),
    "stack": Stack([Grayscale(), Mask(random_mask(SHAPE, 0.8, seeded()))]),
}
DIAGONAL = {"identity", "mask", "mosaic", "grayscale", "box"}


def example(operator: Operator) -> tuple[torch.Tensor, torch.Tensor]:
    """A measurement, and a point that is not the image it belongs to."""
    image = 0.2 + 0.6 * uniform(*SHAPE)
    y = operator(image)
    y = y + 0.1 * (uniform(*y.shape, seed=2) - 0.5)
    return y, 0.2 + 0.6 * uniform(*SHAPE, seed=1)


def objective(
    x: torch.Tensor,
    point: torch.Tensor,
    operator: Operator,
    y: torch.Tensor,
    term: DataTerm,
    strength: float,
    weight: torch.Tensor | None = None,
) -> torch.Tensor:
    penalty = term.penalty(operator(x), y)
    penalty = penalty if weight is None else penalty * weight
    return penalty.sum() + 0.5 * strength * (x - point).square().sum()


@pytest.mark.parametrize("term", TERMS, ids=lambda term: type(term).__name__)
@pytest.mark.parametrize("name", OPERATORS)
def test_no_direction_leads_downhill(name: str, term: DataTerm) -> None:
    operator = OPERATORS[name]
    y, point = example(operator)
    # Some measurements do not count, except where a plain least-squares problem is to be tested too.
    weight = None if name in ("identity", "circular blur") else (uniform(*y.shape, seed=3) > 0.2).float()
    strength = {Gaussian: 30.0, Poisson: 30.0, Huber: 0.4, L1: 3.0}[type(term)]
    step = DataStep(operator, y, term, weight, iterations=60, tolerance=1e-5, splittings=25)
    x = step(point, strength)
    if not isinstance(term, L1):
        # In double precision: the penalty's own slope is what cancels against the pull towards the point.
        prediction = operator(x).double().requires_grad_(True)
        penalty = term.penalty(prediction, y.double())
        (slope,) = torch.autograd.grad((penalty if weight is None else penalty * weight).sum(), prediction)
        pull = strength * (x - point)
        assert (operator.adjoint(slope.float()) + pull).norm() < 6e-3 * pull.norm()
        return
    # |·| has no slope at its kink: the objective is strongly convex, so that any x has a value of at least
    # strength/2 times its squared distance above the least one.
    value = objective(x, point, operator, y, term, strength, weight)
    towards = point - x
    for seed in range(8):
        direction = torch.randn(SHAPE, generator=seeded(seed))
        for candidate in (direction, operator.adjoint(operator(direction)), towards):
            moved = x + 1e-2 * candidate / candidate.norm()
            assert objective(moved, point, operator, y, term, strength, weight) > value - 2e-5 * value


@pytest.mark.parametrize("name", OPERATORS)
def test_a_diagonal_gram_is_recognised(name: str) -> None:
    operator = OPERATORS[name]
    y, _ = example(operator)
    diagonal = diagonal_of_gram(operator, y)
    assert (diagonal is not None) == (name in DIAGONAL)
    if diagonal is not None:
        probe = uniform(*y.shape, seed=5)
        torch.testing.assert_close(operator(operator.adjoint(probe)), diagonal * probe)


@pytest.mark.parametrize("name", sorted(DIAGONAL))
def test_without_noise_the_step_is_the_nearest_image_with_this_measurement(name: str) -> None:
    operator = OPERATORS[name]
    _, point = example(operator)
    y = operator(uniform(*SHAPE, seed=4))
    step = DataStep(operator, y, Gaussian(0.1))
    x = step(point, 0.0)
    torch.testing.assert_close(operator(x), y, atol=1e-5, rtol=0)
    # Nearest: what was added lies in the range of Aᵀ, and a second step adds nothing.
    change = x - point
    diagonal = diagonal_of_gram(operator, y)
    assert diagonal is not None
    null = change - operator.adjoint(operator(change) / diagonal.clamp(min=1e-6))
    torch.testing.assert_close(null, torch.zeros_like(null), atol=1e-5, rtol=0)
    torch.testing.assert_close(step(x, 0.0), x, atol=1e-6, rtol=0)
    torch.testing.assert_close(step.project(point), x)


def test_masked_pixels_come_back_bit_for_bit_and_the_others_stay() -> None:
    operator = OPERATORS["mask"]
    assert isinstance(operator, Mask)
    y, point = operator(uniform(*SHAPE)), uniform(*SHAPE, seed=1)
    x = DataStep(operator, y, Gaussian()).project(point)
    known = operator.mask.expand(SHAPE) > 0
    torch.testing.assert_close(x[known], y[known], atol=1e-7, rtol=0)
    assert torch.equal(x[~known], point[~known])


@pytest.mark.parametrize("damping", [1e-3, 1.0])
def test_a_circular_blur_is_solved_by_one_iteration_as_in_the_fourier_domain(damping: float) -> None:
    operator = OPERATORS["circular blur"]
    assert isinstance(operator, Blur)
    y, point = example(operator)
    x = DataStep(operator, y, Gaussian(1.0), iterations=1)(point, damping)
    impulse = torch.zeros(1, 1, *SHAPE[2:])
    impulse[..., 0, 0] = 1
    transfer = torch.fft.fft2(operator(impulse).double())
    top = transfer.conj() * torch.fft.fft2(y.double()) + damping * torch.fft.fft2(point.double())
    expected = torch.fft.ifft2(top / (transfer.abs().square() + damping)).real.float()
    torch.testing.assert_close(x, expected, atol=2e-4, rtol=0)


@pytest.mark.parametrize("name", ["reflected blur", "valid blur", "downsample"])
def test_the_preconditioner_saves_iterations(name: str) -> None:
    operator = OPERATORS[name]
    y = operator(uniform(1, 1, 48, 40))
    point = uniform(1, 1, 48, 40, seed=1)
    few = DataStep(operator, y, Gaussian(1.0), iterations=6)
    exact = DataStep(operator, y, Gaussian(1.0), iterations=200, tolerance=1e-6)(point, 0.01)
    preconditioned = (few(point, 0.01) - exact).norm()
    few._quadratic._spectrum = None  # type: ignore[attr-defined]
    assert preconditioned < 0.6 * (few(point, 0.01) - exact).norm()


@pytest.mark.parametrize("term", TERMS, ids=lambda term: type(term).__name__)
@pytest.mark.parametrize("name", ["mosaic", "downsample"])
def test_measurements_without_weight_do_not_enter(name: str, term: DataTerm) -> None:
    operator = OPERATORS[name]
    y, point = example(operator)
    weight = (uniform(*y.shape, seed=3) > 0.3).float()
    spoiled = torch.where(weight > 0, y, uniform(*y.shape, seed=9))
    steps = [DataStep(operator, values, term, weight, splittings=15)(point, 5.0) for values in (y, spoiled)]
    torch.testing.assert_close(steps[0], steps[1], atol=1e-3, rtol=0)


@pytest.mark.parametrize("shape", [(1, 1, 9, 7), (3, 3, 5, 11)])
@pytest.mark.parametrize("term", TERMS, ids=lambda term: type(term).__name__)
def test_odd_sizes_and_batches_that_do_not_mix(shape: tuple[int, ...], term: DataTerm) -> None:
    operator = Blur.gaussian(0.6, "replicate")
    y, point = operator(uniform(*shape)), uniform(*shape, seed=1)
    together = DataStep(operator, y, term)(point, 2.0)
    alone = torch.cat(
        [DataStep(operator, y[i : i + 1], term)(point[i : i + 1], 2.0) for i in range(shape[0])]
    )
    # The scale of the inner penalty is one for the batch.
    torch.testing.assert_close(together, alone, atol=1e-4 if isinstance(term, Gaussian) else 2e-2, rtol=0)


def test_inner_iterations_go_on_where_they_were_saved() -> None:
    operator = OPERATORS["downsample"]
    y, point = example(operator)
    whole, first, second = (DataStep(operator, y, L1()) for _ in range(3))
    first(point, 3.0)
    second.load_state_dict(first.state_dict())
    whole(point, 3.0)
    assert torch.equal(whole(point, 3.0), second(point, 3.0))
    assert DataStep(operator, y, Gaussian()).state_dict() == {}


def test_a_strength_that_does_not_bound_the_solution_is_refused() -> None:
    operator = OPERATORS["downsample"]
    y, point = example(operator)
    with pytest.raises(ValueError, match="strength must be a positive number, got 0"):
        DataStep(operator, y, L1())(point, 0.0)
