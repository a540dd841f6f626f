"""Properties of total generalized variation, from the operator to restored images."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest
import torch

from tests.pictures import SIGMA, damaged, decibels, denoising, seeded, uniform
from tests.priors.total_variation.solutions import solution
from zeroshot.data_terms import L1, DataTerm, Gaussian, Huber, Poisson
from zeroshot.estimate import Estimate
from zeroshot.noise import add_salt_and_pepper
from zeroshot.operators.identity import Identity
from zeroshot.priors.total_variation.tgv import TotalGeneralizedVariation
from zeroshot.priors.total_variation.tv import TotalVariation
from zeroshot.problem import Problem
from zeroshot.solvers.tgv import GeneralizedVariation

# --- the penalty -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("coupling", ["vectorial", "channels"])
@pytest.mark.parametrize("chroma", [1.0, 3.0])
def test_the_adjoint_is_the_adjoint(coupling: str, chroma: float, generator: torch.Generator) -> None:
    like = torch.zeros(2, 3, 7, 5, dtype=torch.float64)
    penalty = GeneralizedVariation(like, 2.0, coupling, chroma)  # type: ignore[arg-type]
    x, v = (torch.randn(t.shape, generator=generator).double() for t in (like, *penalty.auxiliaries()))
    image = [z.clone() for z in penalty.apply(x, [v])]
    # Duals are zero where the first field is, as the scheme keeps them.
    p = [torch.randn(z.shape, generator=generator).double() for z in image]
    p[0][0][..., -1, :] = 0
    p[0][1][..., -1] = 0
    back = torch.empty_like(like)
    (back_v,) = penalty.adjoint(p, out=back)
    left = sum((a * b).sum() for a, b in zip(image, p, strict=True))
    torch.testing.assert_close(left, (x * back).sum() + (v * back_v).sum())


def test_the_norm_is_bounded_tightly(generator: torch.Generator) -> None:
    like = torch.zeros(1, 1, 48, 48)
    penalty = GeneralizedVariation(like)
    x, v = torch.randn(like.shape, generator=generator), torch.randn(2, *like.shape, generator=generator)
    for _ in range(200):
        image = [z.clone() for z in penalty.apply(x, [v])]
        back = torch.empty_like(x)
        (v,) = penalty.adjoint(image, out=back)
        length = math.sqrt(back.square().sum() + v.square().sum())
        x, v = back / length, v / length
    assert 0.85 * penalty.norm_squared < length < penalty.norm_squared


def test_the_value_is_a_literal_transcription(generator: torch.Generator) -> None:
    height, width = 5, 4
    x = torch.randn(height, width, generator=generator).double()
    v = torch.randn(2, height, width, generator=generator).double()
    expected = 0.0
    for i in range(height):
        for j in range(width):
            first = [
                x[i + 1, j] - x[i, j] - v[0, i, j] if i < height - 1 else 0.0,
                x[i, j + 1] - x[i, j] - v[1, i, j] if j < width - 1 else 0.0,
            ]
            jacobian = torch.zeros(2, 2)
            for component in (0, 1):
                if i < height - 1:
                    jacobian[component, 0] = v[component, i + 1, j] - v[component, i, j]
                if j < width - 1:
                    jacobian[component, 1] = v[component, i, j + 1] - v[component, i, j]
            symmetrised = (jacobian + jacobian.T) / 2
            expected += math.hypot(*first) + 1.5 * symmetrised.norm().item()
    penalty = GeneralizedVariation(x[None, None], ratio=1.5)
    value = float(penalty.value(penalty.apply(x[None, None], [v[:, None, None]])))
    assert value == pytest.approx(expected, rel=1e-6)


def test_an_affine_ramp_costs_nothing_and_total_variation_flattens_it() -> None:
    rows, columns = torch.meshgrid(torch.linspace(0, 0.4, 24), torch.linspace(0, 0.5, 30), indexing="ij")
    ramp = (0.05 + rows + columns)[None, None]
    problem = Problem(ramp, Identity(), sigma=0.1, task="denoise")
    prior = TotalGeneralizedVariation(weight=0.3, iterations=1500, tolerance=1e-9)
    kept = solution(prior, problem)[0].image
    flattened = solution(TotalVariation(weight=0.3), problem)[0].image
    assert (kept - ramp).abs().max() < 0.01
    assert (flattened - ramp).abs().max() > 0.05


def test_dearly_paid_slopes_give_total_variation(photograph: torch.Tensor) -> None:
    """Slopes that may not change follow the mean slope only, which a photograph has next to none of."""
    problem = denoising(photograph[..., :64, :64].contiguous())
    stiff = solution(TotalGeneralizedVariation(weight=0.1, ratio=1e3, iterations=600), problem)[0].image
    image = solution(TotalVariation(weight=0.1), problem)[0].image
    assert (stiff - image).square().mean().sqrt() < 4e-3


# --- solutions ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("term", [Gaussian(), Poisson(0.03), L1(), Huber()], ids=str)
def test_the_gap_closes_for_every_data_term(term: DataTerm, photograph: torch.Tensor) -> None:
    clean = photograph[..., :40, :37]
    y = add_salt_and_pepper(clean, 0.1, seeded()) if isinstance(term, L1 | Huber) else denoising(clean).y
    problem = Problem(y.clamp(0, 1), Identity(), term, sigma=SIGMA)
    prior = TotalGeneralizedVariation(weight=5.0 if isinstance(term, Poisson) else None, iterations=3000)
    estimate, _ = solution(replace(prior, tolerance=3e-3), problem)
    assert estimate.gap is not None
    assert estimate.gap <= 3e-3
    assert decibels(estimate.image, clean) > decibels(problem.y, clean) + 3


def test_the_lower_bound_never_exceeds_an_objective(photograph: torch.Tensor) -> None:
    problem = denoising(photograph[..., :40, :37].contiguous())
    run = TotalGeneralizedVariation(weight=0.1).begin(problem, seeded())
    steps = [run.step() for _ in range(80)]
    bounds = [step.loss * (1 - step.gap) for step in steps if step.gap is not None]
    assert len(bounds) == 80
    assert max(bounds) <= min(step.loss for step in steps) * (1 + 1e-6)
    assert steps[-1].gap < 2e-3  # type: ignore[operator]


@pytest.mark.parametrize(
    "name", ["inpaint", "sr", "deblur", pytest.param("demosaic", marks=pytest.mark.slow)]
)
def test_restores_better_than_the_first_estimate(name: str, photograph: torch.Tensor) -> None:
    crop = photograph[..., :64, :64].contiguous()
    problem = damaged(name, crop)
    estimate, _ = solution(TotalGeneralizedVariation.for_problem(problem, iterations=400), problem)
    gain = decibels(estimate.image, crop) - decibels(problem.initial(), crop)
    assert gain > {"inpaint": 0.4, "sr": 0.5, "deblur": 1.0, "demosaic": 3.0}[name]


@pytest.fixture(scope="module")
def filled(photograph: torch.Tensor) -> tuple[Problem, Estimate]:
    """Random holes in a corner of it, and what the defaults fill them with."""
    problem = damaged("inpaint", photograph[..., :64, :64].contiguous())
    return problem, solution(TotalGeneralizedVariation.for_problem(problem), problem)[0]


def test_steered_by_edges_it_fills_holes_better_and_is_certified(
    filled: tuple[Problem, Estimate], photograph: torch.Tensor
) -> None:
    photograph = photograph[..., :64, :64].contiguous()
    problem, steered = filled
    plain, _ = solution(TotalGeneralizedVariation.for_problem(problem, across=1.0), problem)
    assert decibels(steered.image, photograph) > decibels(plain.image, photograph)
    assert steered.gap is not None
    assert steered.gap < 0.01


def test_random_holes_are_filled_better_than_by_total_variation(
    filled: tuple[Problem, Estimate], photograph: torch.Tensor
) -> None:
    photograph = photograph[..., :64, :64].contiguous()
    problem, ours = filled
    theirs = solution(TotalVariation(), problem)[0].image
    assert decibels(ours.image, photograph) > decibels(theirs, photograph) + 0.5


def test_small_and_large_weights_keep_the_measurement_and_leave_a_plane() -> None:
    x = uniform(1, 1, 12, 11) * 0.2 + 0.4
    problem = Problem(x, Identity(), sigma=0.1)
    kept = solution(TotalGeneralizedVariation(weight=1e-5, iterations=300), problem)[0].image
    torch.testing.assert_close(kept, x, atol=2e-3, rtol=0)
    plane = solution(TotalGeneralizedVariation(weight=1.0, tolerance=1e-2), problem)[0].image
    rows, columns = torch.meshgrid(torch.arange(12.0), torch.arange(11.0), indexing="ij")
    basis = torch.stack([torch.ones(12, 11), rows, columns], dim=-1).view(-1, 3)
    fitted = (basis @ torch.linalg.lstsq(basis, x.view(-1, 1)).solution).view(x.shape)
    torch.testing.assert_close(plane, fitted, atol=2e-3, rtol=0)


def test_the_chosen_weight_satisfies_the_discrepancy_principle(photograph: torch.Tensor) -> None:
    photograph = photograph[..., :64, :64].contiguous()
    problem = denoising(photograph)
    prior = TotalGeneralizedVariation.for_problem(problem)
    estimate, _ = solution(prior, problem)
    assert problem.residual(estimate.image) == pytest.approx(prior.discrepancy * SIGMA, rel=0.02)
    assert decibels(estimate.image, photograph) > decibels(problem.y, photograph) + 6


# --- the run -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 3, 1, 9), (2, 3, 7, 5)], ids=str)
def test_odd_sizes_and_batches(shape: tuple[int, ...], generator: torch.Generator) -> None:
    problem = Problem(torch.rand(shape, generator=generator), Identity(), sigma=0.1, task="denoise")
    estimate, _ = solution(TotalGeneralizedVariation(iterations=100), problem)
    assert estimate.image.shape == shape
    assert torch.isfinite(estimate.image).all()
