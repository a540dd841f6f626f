"""Properties of the finite differences, the conjugates of the data terms and the primal-dual schemes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.pictures import seeded
from zeroshot.data_terms import L1, DataTerm, Gaussian, Huber, Poisson
from zeroshot.operators.identity import Identity
from zeroshot.solvers import rof
from zeroshot.solvers.finite_differences import (
    GRADIENT_NORM_SQUARED,
    TotalVariationNorm,
    divergence,
    gradient,
    total_variation,
    weight_chroma_,
)
from zeroshot.solvers.pdhg import PrimalDualHybridGradient
from zeroshot.solvers.penalties import GradientPenalty
from zeroshot.solvers.rof import RudinOsherFatemi

DATA_TERMS = [
    Gaussian(),
    Gaussian(0.1),
    Poisson(0.05),
    Poisson(0.02, readout=0.01),
    L1(),
    Huber(0.05),
    Huber(2.0),
]
NORMS = [
    TotalVariationNorm(kind, coupling)
    for kind in ("isotropic", "anisotropic")
    for coupling in ("vectorial", "channels")
]


def noisy(channels: int = 3, height: int = 12, width: int = 14) -> torch.Tensor:
    x = torch.full((1, channels, height, width), 0.3)
    x[..., 3:9, 4:] = 0.7
    noise = torch.randn(x.shape, generator=seeded(1))
    return x + 0.08 * noise


# --- finite differences ------------------------------------------------------------------------------------


def test_divergence_is_the_negative_adjoint_of_the_gradient(generator: torch.Generator) -> None:
    x = torch.randn(2, 3, 7, 9, generator=generator, dtype=torch.float64)
    p = torch.randn(2, 2, 3, 7, 9, generator=generator, dtype=torch.float64)
    left = (gradient(x) * p).sum()
    right = -(x * divergence(p)).sum()
    torch.testing.assert_close(left, right)


def test_gradient_is_numpys_difference_with_zero_at_the_far_border(generator: torch.Generator) -> None:
    x = torch.randn(1, 2, 5, 6, generator=generator)
    last_row, last_column = x[..., -1:, :], x[..., -1:]
    torch.testing.assert_close(gradient(x)[0], torch.diff(x, dim=-2, append=last_row))
    torch.testing.assert_close(gradient(x)[1], torch.diff(x, dim=-1, append=last_column))


def test_norm_bound_of_the_gradient_is_tight(generator: torch.Generator) -> None:
    x = torch.randn(1, 1, 64, 64, generator=generator)
    for _ in range(300):
        x = -divergence(gradient(x))
        length = x.norm()
        x = x / length
    assert 0.98 * GRADIENT_NORM_SQUARED < length < GRADIENT_NORM_SQUARED


def test_total_variation_of_a_step_is_its_height_times_its_length() -> None:
    x = torch.zeros(1, 1, 10, 8)
    x[..., 4:] = 0.25
    for norm in NORMS:
        assert total_variation(x, norm.kind, norm.coupling) == pytest.approx(0.25 * 10)


def test_anisotropic_total_variation_is_the_sum_of_magnitudes(generator: torch.Generator) -> None:
    x = torch.randn(1, 3, 6, 7, generator=generator)
    expected = torch.diff(x, dim=-1).abs().sum() + torch.diff(x, dim=-2).abs().sum()
    assert total_variation(x, "anisotropic", "channels") == pytest.approx(expected.item(), rel=1e-6)


@pytest.mark.parametrize("norm", NORMS)
def test_projection_is_idempotent_and_feasible(norm: TotalVariationNorm, generator: torch.Generator) -> None:
    p = 2 * torch.randn(2, 1, 3, 6, 7, generator=generator)
    scratch = norm.scratch(p)
    once = norm.project_(p.clone(), scratch).clone()
    assert norm.squared_norms(once, scratch).max() <= 1 + 1e-5
    torch.testing.assert_close(norm.project_(once.clone(), scratch), once)


@pytest.mark.parametrize("norm", NORMS)
def test_total_variation_is_the_largest_product_with_a_projected_field(
    norm: TotalVariationNorm, generator: torch.Generator
) -> None:
    x = torch.randn(1, 3, 6, 7, generator=generator)
    p = norm.project_(1e6 * gradient(x), norm.scratch(gradient(x)))
    value = total_variation(x, norm.kind, norm.coupling)
    assert (gradient(x) * p).sum().item() == pytest.approx(value, rel=1e-4)


def test_chroma_weighting_is_symmetric_and_leaves_grey_alone(generator: torch.Generator) -> None:
    x, y = torch.randn(2, 1, 3, 4, 5, generator=generator, dtype=torch.float64)
    left = (weight_chroma_(x.clone(), 3.0) * y).sum()
    torch.testing.assert_close(left, (x * weight_chroma_(y.clone(), 3.0)).sum())
    grey = x[:, :1].repeat(1, 3, 1, 1)
    torch.testing.assert_close(weight_chroma_(grey.clone(), 3.0), grey)


def test_unknown_kind_names_the_right_ones() -> None:
    with pytest.raises(ValueError, match="'isotropic' or 'anisotropic'"):
        TotalVariationNorm("istropic")  # type: ignore[arg-type]


# --- conjugates --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("term", DATA_TERMS, ids=str)
def test_fenchel_young_holds_with_equality_at_the_proximal_point(
    term: DataTerm, generator: torch.Generator
) -> None:
    y = torch.rand(400, generator=generator, dtype=torch.float64)
    point = torch.rand(400, generator=generator, dtype=torch.float64) * 1.6 - 0.2
    step = 0.02
    p = term.prox(point, y, step)
    slope = (point - p) / step
    inside = p > 0.01  # below its floor the Poisson penalty is not its logarithm
    both = term.penalty(p, y) + term.conjugate(slope, y)
    torch.testing.assert_close(both[inside], (p * slope)[inside], rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("term", DATA_TERMS, ids=str)
def test_fenchel_young_inequality(term: DataTerm, generator: torch.Generator) -> None:
    y, p, slope = torch.rand(3, 500, generator=generator, dtype=torch.float64)
    slope = slope * 4 - 2
    assert (term.penalty(p + 0.01, y) + term.conjugate(slope, y) >= (p + 0.01) * slope - 1e-9).all()


@pytest.mark.parametrize("term", DATA_TERMS, ids=str)
@pytest.mark.parametrize("step", [0.1, 30.0])
def test_conjugate_prox_obeys_moreau(term: DataTerm, step: float, generator: torch.Generator) -> None:
    y, point = torch.rand(2, 300, generator=generator, dtype=torch.float64)
    point = point * 6 - 3
    expected = point - step * term.prox(point / step, y, 1 / step)
    torch.testing.assert_close(term.conjugate_prox(point, y, step), expected)


@pytest.mark.parametrize("term", [L1(), Huber(0.05), Poisson(0.05)], ids=str)
def test_conjugate_is_infinite_beyond_the_slopes_of_the_penalty(term: DataTerm) -> None:
    assert torch.isinf(term.conjugate(torch.tensor([25.0]), torch.tensor([0.4]))).all()


# --- schemes -----------------------------------------------------------------------------------------------


def chambolle_numpy(image: np.ndarray, weight: float, iterations: int) -> np.ndarray:
    """Chambolle 2004, equation 9 and what follows it, pixel by pixel, in double precision."""
    height, width = image.shape
    p = np.zeros((2, height, width))

    def div() -> np.ndarray:
        result = np.zeros((height, width))
        for i in range(height):
            for j in range(width):
                down = (p[0, i, j] if i < height - 1 else 0) - (p[0, i - 1, j] if i > 0 else 0)
                along = (p[1, i, j] if j < width - 1 else 0) - (p[1, i, j - 1] if j > 0 else 0)
                result[i, j] = down + along
        return result

    for _ in range(iterations):
        target = div() - image / weight
        for i in range(height):
            for j in range(width):
                down = target[i + 1, j] - target[i, j] if i < height - 1 else 0.0
                along = target[i, j + 1] - target[i, j] if j < width - 1 else 0.0
                length = 1 + 0.25 * np.hypot(down, along)
                p[0, i, j] = (p[0, i, j] + 0.25 * down) / length
                p[1, i, j] = (p[1, i, j] + 0.25 * along) / length
    return image - weight * div()


def objective(x: np.ndarray, y: np.ndarray, weight: float) -> float:
    down, along = np.zeros_like(x), np.zeros_like(x)
    down[:-1], along[:, :-1] = np.diff(x, axis=0), np.diff(x, axis=1)
    return 0.5 * float(((x - y) ** 2).sum()) + weight * float(np.hypot(down, along).sum())


def solver_for(
    scheme: str, y: torch.Tensor, weight: float, norm: TotalVariationNorm | None = None, chroma: float = 1.0
) -> RudinOsherFatemi | PrimalDualHybridGradient:
    norm = norm or TotalVariationNorm()
    if scheme == "rof":
        return RudinOsherFatemi(y, norm, weight, chroma=chroma)
    return PrimalDualHybridGradient(Identity(), y, Gaussian(), GradientPenalty(y, norm, chroma), y, weight)


@pytest.mark.parametrize("scheme", ["rof", "pdhg"])
def test_reaches_the_objective_of_a_literal_chambolle(scheme: str) -> None:
    y = noisy(channels=1, height=12, width=12)
    reference = chambolle_numpy(y[0, 0].double().numpy(), 0.1, 600)
    solver = solver_for(scheme, y, 0.1)
    solver.advance(400)
    truth = y[0, 0].double().numpy()
    reached = objective(solver.unclipped[0, 0].double().numpy(), truth, 0.1)
    assert reached == pytest.approx(objective(reference, truth, 0.1), rel=1e-4)
    assert reached <= objective(reference, truth, 0.1) * (1 + 1e-6)
    np.testing.assert_allclose(solver.unclipped[0, 0], reference, atol=2e-3)


@pytest.mark.parametrize("scheme", ["rof", "pdhg"])
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("chroma", [1.0, 3.0])
def test_duality_gap_closes(scheme: str, norm: TotalVariationNorm, chroma: float) -> None:
    solver = solver_for(scheme, noisy(), 0.08, norm, chroma)
    solver.advance(10)
    first_objective, first_bound = solver.evaluate()
    solver.advance(600)
    last_objective, last_bound = solver.evaluate()
    assert first_bound <= last_objective * (1 + 1e-6)
    assert last_objective <= first_objective
    assert -1e-6 <= (last_objective - last_bound) / last_objective < (2e-4 if chroma == 1 else 1e-3)


@pytest.mark.parametrize("scheme", ["rof", "pdhg"])
def test_objective_is_the_formula(scheme: str) -> None:
    y = noisy()
    solver = solver_for(scheme, y, 0.08)
    solver.advance(20)
    value, _ = solver.evaluate()
    expected = 0.5 * (solver.unclipped - y).square().sum().item() + 0.08 * total_variation(solver.unclipped)
    assert value == pytest.approx(expected, rel=1e-5)


@pytest.mark.parametrize("scheme", ["rof", "pdhg"])
def test_a_constant_image_is_a_fixed_point(scheme: str) -> None:
    y = torch.full((1, 3, 9, 11), 0.4)
    solver = solver_for(scheme, y, 0.2)
    solver.advance(50)
    torch.testing.assert_close(solver.unclipped, y, atol=1e-6, rtol=0)


@pytest.mark.parametrize("chroma", [1.0, 3.0])
def test_strips_of_rows_give_the_same_bytes_as_the_whole(
    chroma: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    y = noisy(height=23)
    results = []
    for grain in (10**9, 4 * y[0, :, 0].numel()):
        monkeypatch.setattr(rof, "_GRAIN", grain)
        monkeypatch.setattr(rof, "_FEW_THREADS", 10**6)
        solver = solver_for("rof", y, 0.08, chroma=chroma)
        solver.advance(7)
        results.append((solver.evaluate(), solver.image))
    assert torch.equal(results[0][1], results[1][1])
    assert results[0][0] == pytest.approx(results[1][0], rel=1e-6)


def test_images_of_a_batch_are_solved_independently_at_equal_weight() -> None:
    first, second = noisy(), noisy().flip(-1) * 0.8
    for scheme in ("rof", "pdhg"):
        both = solver_for(scheme, torch.cat([first, second]), 0.08)
        alone = solver_for(scheme, second, 0.08)
        both.advance(500)
        alone.advance(500)
        torch.testing.assert_close(both.unclipped[1:], alone.unclipped, atol=2e-3, rtol=0)


def test_both_schemes_agree_for_every_sigma_of_the_data_term() -> None:
    y = noisy()
    fast = RudinOsherFatemi(y, TotalVariationNorm(), weight=8.0, sigma=0.1)
    penalty = GradientPenalty(y, TotalVariationNorm())
    general = PrimalDualHybridGradient(Identity(), y, Gaussian(0.1), penalty, y, weight=8.0)
    fast.advance(300)
    general.advance(600)
    assert fast.evaluate()[0] == pytest.approx(general.evaluate()[0], rel=1e-4)


def test_the_tracked_weight_gives_the_residual_asked_for() -> None:
    y = noisy()
    tracking = solver_for("pdhg", y, 0.01)
    tracking.advance(800, residual=0.07)
    fixed = solver_for("pdhg", y, tracking.weight)
    fixed.advance(800)
    fixed.evaluate()
    assert fixed.residual == pytest.approx(0.07, rel=0.005)


def test_values_that_do_not_count_do_not_matter() -> None:
    y = noisy()
    measured = torch.ones_like(y)
    measured[..., ::2, ::3] = 0
    spoiled = torch.where(measured > 0, y, torch.full_like(y, 0.9))
    images = []
    for data in (y, spoiled):
        penalty = GradientPenalty(y, TotalVariationNorm())
        solver = PrimalDualHybridGradient(
            Identity(), data, Gaussian(), penalty, torch.full_like(y, 0.5), 0.05, measured
        )
        solver.advance(300)
        images.append(solver.image)
    torch.testing.assert_close(images[0], images[1])


def test_pixels_exceed_white_up_to_their_ceiling_and_the_bound_holds() -> None:
    y = torch.full((1, 1, 8, 8), 0.5)
    y[..., 4:] = 3.0
    ceiling = torch.full_like(y, 2.0)
    penalty = GradientPenalty(y, TotalVariationNorm(), 1.0)
    solver = PrimalDualHybridGradient(Identity(), y, Gaussian(), penalty, y, 0.01, ceiling=ceiling)
    solver.advance(300)
    objective, bound = solver.evaluate()
    assert bound <= objective <= bound + 1e-3 * objective
    assert float(solver.unclipped[..., 4:].mean()) == pytest.approx(2.0, abs=0.02)
    assert float(solver.image.max()) == 1.0
