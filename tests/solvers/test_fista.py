"""Properties of the fast iterative shrinkage-thresholding algorithm and of the data fidelity it descends."""

from __future__ import annotations

import functools
import itertools
import math

import pytest
import torch

from tests.pictures import seeded
from zeroshot.data_terms import L1, DataTerm, Gaussian, Huber, Poisson
from zeroshot.operators.blur import Blur
from zeroshot.operators.downsample import Downsample
from zeroshot.operators.identity import Identity
from zeroshot.solvers.fista import ENVELOPE, DataFidelity, FastIterativeShrinkage, Restart
from zeroshot.solvers.thresholds import soft

WEIGHT = 0.02


def blurred() -> tuple[Blur, torch.Tensor, torch.Tensor]:
    generator = seeded()
    x = torch.zeros(1, 1, 20, 24)
    x.view(-1)[torch.randperm(480, generator=generator)[:30]] = torch.rand(30, generator=generator)
    blur = Blur.gaussian(1.2)
    return blur, blur(x) + 0.01 * torch.randn(x.shape, generator=generator), x


def solver(restart: Restart = "gradient", data_term: DataTerm | None = None) -> FastIterativeShrinkage:
    blur, y, _ = blurred()
    if isinstance(data_term, Poisson):
        y = y.clamp(min=0) + 0.2  # the curvature at black has no bound
    fidelity = DataFidelity(blur, y, data_term or Gaussian())
    return FastIterativeShrinkage(
        fidelity,
        lambda point, step: soft(point, WEIGHT * step),
        lambda x: WEIGHT * x.abs().sum(dtype=torch.float64).item(),
        torch.zeros_like(y) if fidelity.bounded else y,
        restart,
        "fixed" if fidelity.bounded else "backtracking",
    )


@functools.cache
def ista(iterations: int) -> float:
    """The objective that as many steps without momentum reach, written out."""
    blur, y, _ = blurred()
    x, step = torch.zeros_like(y), 1 / (1.001 * blur.norm(tuple(y.shape)) ** 2)
    for _ in range(iterations):
        x = soft(x - step * blur.adjoint(blur(x) - y), WEIGHT * step)
    return 0.5 * (blur(x) - y).square().sum().item() + WEIGHT * x.abs().sum().item()


# --- the data fidelity -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "term", [Gaussian(), Gaussian(0.2), Poisson(0.05), Poisson(0.05, 0.02), Huber(), L1()], ids=str
)
@pytest.mark.parametrize("measured", [False, True])
def test_the_gradient_is_the_derivative_of_the_value(term: DataTerm, measured: bool) -> None:
    generator = seeded(1)
    operator = Downsample(2)
    x = torch.rand(1, 1, 8, 10, generator=generator)
    y = operator(torch.rand(x.shape, generator=generator))
    mask = (torch.rand(y.shape, generator=generator) < 0.7).float() if measured else None
    fidelity = DataFidelity(operator, y, term, mask)
    value, gradient = fidelity.value_and_gradient(x)
    assert float(value) == pytest.approx(float(fidelity.value(x)), rel=1e-6)
    direction = torch.randn(x.shape, generator=generator)
    small = 1e-3
    ahead, behind = (float(fidelity.value(x + step * direction)) for step in (small, -small))
    slope = (ahead - behind) / (2 * small)
    assert (gradient * direction).sum().item() == pytest.approx(slope, rel=0.02, abs=0.02)


@pytest.mark.parametrize("term", [Gaussian(), Gaussian(0.2), Huber(), L1()], ids=str)
def test_the_gradient_changes_no_faster_than_its_bound(term: DataTerm) -> None:
    generator = seeded(2)
    y = torch.rand(2, 1, 12, 12, generator=generator)
    fidelity = DataFidelity(Blur.gaussian(1.0), y, term)
    for scale in (1e-3, 0.1, 1.0):
        x = torch.rand(y.shape, generator=generator)
        change = scale * torch.randn(y.shape, generator=generator)
        gradients = [fidelity.value_and_gradient(point)[1] for point in (x, x + change)]
        assert (gradients[1] - gradients[0]).norm() <= fidelity.lipschitz * change.norm() * (1 + 1e-5)


def test_the_envelope_is_within_half_its_width_of_the_absolute_value() -> None:
    y, x = torch.zeros(1, 1, 1, 101), torch.linspace(-0.2, 0.2, 101).view(1, 1, 1, -1)
    values = [
        DataFidelity(Identity(), y[..., :1], L1()).value(x[..., i : i + 1])
        for i in range(101)
    ]  # fmt: skip
    difference = x.abs().flatten() - torch.tensor(values)
    assert difference.min() >= -1e-6
    assert difference.max() <= ENVELOPE / 2 + 1e-6


# --- the algorithm -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("restart", ["gradient", "objective", "none"])
def test_it_reaches_in_fewer_iterations_what_plain_shrinkage_needs_many_for(restart: Restart) -> None:
    accelerated = solver(restart)
    accelerated.advance(150)
    assert accelerated.objective <= ista(600) * (1 + 1e-4)
    assert accelerated.objective < ista(150)


def test_the_objective_never_rises_with_restart_by_the_objective() -> None:
    accelerated = solver("objective")
    objectives = [accelerated.objective]
    for _ in range(120):
        accelerated.advance()
        objectives.append(accelerated.objective)
    assert all(later <= earlier for earlier, later in itertools.pairwise(objectives))
    free = solver("none")
    rises = 0
    for _ in range(120):
        before = free.objective
        free.advance()
        rises += free.objective > before * (1 + 1e-7)
    assert rises > 0  # so that the property above says something


def test_the_solution_is_a_fixed_point_of_the_forward_backward_step() -> None:
    accelerated = solver()
    accelerated.advance(400)
    x = accelerated.image
    blur, y, _ = blurred()
    slope = blur.adjoint(blur(x) - y)
    on = x != 0
    assert (slope[on] + WEIGHT * x[on].sign()).abs().max() < 1e-3
    assert slope[~on].abs().max() <= WEIGHT + 1e-3


def test_orthogonal_problems_are_solved_by_one_step() -> None:
    y = torch.randn(1, 3, 9, 9, generator=seeded())
    one = FastIterativeShrinkage(
        DataFidelity(Identity(), y, Gaussian()),
        lambda point, step: soft(point, 0.3 * step),
        lambda x: 0.3 * x.abs().sum().item(),
        torch.zeros_like(y),
    )
    one.advance(1)
    torch.testing.assert_close(one.image, soft(y, 0.3), atol=5e-3, rtol=0)


@pytest.mark.parametrize("restart", ["gradient", "objective", "none"])
def test_backtracking_lets_poisson_converge(restart: Restart) -> None:
    accelerated = solver(restart, Poisson(0.05))
    first, step = accelerated.objective, accelerated.step_length
    accelerated.advance(100)
    after = accelerated.objective
    accelerated.advance(100)
    assert math.isfinite(after)
    assert after < first
    assert 0 <= after - accelerated.objective < 0.1 * (first - after)
    assert accelerated.step_length <= step


@pytest.mark.parametrize("restart", ["gradient", "objective"])
def test_a_saved_state_continues_exactly(restart: Restart) -> None:
    straight = solver(restart)
    straight.advance(17)
    state = straight.state_dict()
    straight.advance(20)
    resumed = solver(restart)
    resumed.load_state_dict(state)
    resumed.advance(20)
    assert torch.equal(straight.image, resumed.image)
    assert straight.objective == resumed.objective


def test_a_changed_penalty_is_noticed() -> None:
    blur, y, _ = blurred()
    weight = [0.1]
    changing = FastIterativeShrinkage(
        DataFidelity(blur, y, Gaussian()),
        lambda point, step: soft(point, weight[0] * step),
        lambda x: weight[0] * x.abs().sum().item(),
        torch.ones_like(y),
        "objective",
    )
    before = changing.objective
    weight[0] = 0.05
    changing.forget()
    assert changing.objective == pytest.approx(before - 0.05 * y.numel(), rel=1e-5)


def test_unknown_words_are_refused() -> None:
    with pytest.raises(ValueError, match="restart must be 'gradient', 'objective' or 'none', got 'never'"):
        solver("never")  # type: ignore[arg-type]
    blur, y, _ = blurred()
    with pytest.raises(ValueError, match="steps must be 'fixed' or 'backtracking', got 'long'"):
        FastIterativeShrinkage(
            DataFidelity(blur, y, Gaussian()),
            lambda point, step: point,
            lambda x: 0.0,
            y,
            steps="long",  # type: ignore[arg-type]
        )
