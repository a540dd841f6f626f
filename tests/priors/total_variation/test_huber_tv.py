"""Properties of Huber total variation: the function, its certificate, and what it does to shading."""

from __future__ import annotations

import math

import pytest
import torch

from tests.pictures import SIGMA, denoising, inpainting, seeded
from tests.priors.total_variation.solutions import solution
from zeroshot.noise import QUANTISATION
from zeroshot.operators.identity import Identity
from zeroshot.priors.total_variation.convex import PenaltyPrior
from zeroshot.priors.total_variation.tv import SMOOTHING, HuberTotalVariation, TotalVariation
from zeroshot.problem import Problem
from zeroshot.solvers.finite_differences import TotalVariationNorm, gradient


def huber(lengths: torch.Tensor, alpha: float) -> torch.Tensor:
    return torch.where(lengths <= alpha, lengths.square() / (2 * alpha), lengths - alpha / 2)


@pytest.mark.parametrize("kind", ["isotropic", "anisotropic"])
@pytest.mark.parametrize("coupling", ["vectorial", "channels"])
def test_the_value_is_hubers_function_of_the_lengths(
    kind: str, coupling: str, generator: torch.Generator
) -> None:
    norm = TotalVariationNorm(kind, coupling, smoothing=0.7)  # type: ignore[arg-type]
    p = torch.randn(2, 1, 3, 6, 7, generator=generator)
    summed = {
        ("isotropic", "vectorial"): (0, 2),
        ("isotropic", "channels"): (0,),
        ("anisotropic", "vectorial"): (2,),
    }.get((kind, coupling))
    lengths = p.abs() if summed is None else p.square().sum(dim=summed).sqrt()
    assert float(norm.value(p, norm.scratch(p))) == pytest.approx(huber(lengths, 0.7).sum().item(), rel=1e-5)


def test_the_proximal_map_minimises_what_it_says(generator: torch.Generator) -> None:
    norm = TotalVariationNorm("isotropic", "channels", smoothing=0.7)
    point, step = 1.5 * torch.randn(2, 1, 1, 6, 7, generator=generator), 0.9

    def cost(p: torch.Tensor) -> torch.Tensor:
        lengths = p.square().sum(dim=0)
        inside = torch.where(lengths <= 1 + 1e-5, 0.0, math.inf)
        return inside + step * 0.35 * lengths + 0.5 * (p - point).square().sum(dim=0)

    best = norm.prox_(point.clone(), step, norm.scratch(point))
    for _ in range(50):
        other = best + 0.05 * torch.randn(best.shape, generator=generator)
        assert (cost(best) <= cost(other) + 1e-6).all()


@pytest.mark.parametrize("name", ["denoise", "inpaint"])
def test_the_lower_bound_meets_the_objective(name: str, photograph: torch.Tensor) -> None:
    problem = denoising(photograph) if name == "denoise" else inpainting(photograph, 0.4)
    prior = HuberTotalVariation(weight=0.05, smoothing=0.02, tolerance=2e-4, iterations=3000)
    run = prior.begin(problem, seeded())
    first = run.step()
    estimate, _ = solution(prior, problem)
    assert first.gap is not None
    assert estimate.gap is not None
    assert estimate.gap <= 2e-4
    assert (1 - first.gap) * first.loss <= estimate.loss * (1 + 1e-6)
    x = run.unclipped if name == "denoise" else estimate.image
    residual = (problem.operator(x) - problem.y)[
        problem.measured.expand_as(x) > 0 if name != "denoise" else ...
    ]
    lengths = gradient(x).square().sum(dim=(0, 2)).sqrt()
    literal = 0.5 * residual.square().sum() + 0.05 * huber(lengths, 0.02).sum()
    loss = first.loss if name == "denoise" else estimate.loss
    assert loss == pytest.approx(literal.item(), rel=1e-4)


def test_without_smoothing_it_is_total_variation(photograph: torch.Tensor) -> None:
    problem = denoising(photograph)
    huber_image = solution(HuberTotalVariation(weight=0.1, smoothing=1e-7, tolerance=1e-5), problem)[0].image
    image = solution(TotalVariation(weight=0.1, tolerance=1e-5), problem)[0].image
    torch.testing.assert_close(huber_image, image, atol=3e-3, rtol=0)


def test_shading_is_not_broken_into_terraces() -> None:
    ramp = torch.linspace(0.1, 0.9, 96).expand(1, 1, 64, 96)
    problem = denoising(ramp.contiguous())

    def flat_share(prior: PenaltyPrior) -> float:
        image = solution(prior, problem)[0].image
        inner = image[..., 8:-8, 8:-8]
        return (torch.diff(inner, dim=-1).abs() < 2e-4).float().mean().item()

    assert flat_share(TotalVariation()) > 0.2
    assert flat_share(HuberTotalVariation(smoothing=0.02)) < 0.05


def test_the_smoothing_comes_from_the_noise(photograph: torch.Tensor) -> None:
    problem = denoising(photograph)
    assert HuberTotalVariation().norm(problem).smoothing == pytest.approx(SMOOTHING * SIGMA)
    assert HuberTotalVariation(smoothing=0.1).norm(problem).smoothing == 0.1
    assert HuberTotalVariation().norm(inpainting(photograph, 0.4)).smoothing == pytest.approx(
        SMOOTHING * QUANTISATION
    )


def test_the_chosen_weight_satisfies_the_discrepancy_principle(photograph: torch.Tensor) -> None:
    problem = denoising(photograph)
    prior = HuberTotalVariation.for_problem(problem)
    estimate, run = solution(prior, problem)
    assert problem.residual(estimate.image) == pytest.approx(prior.discrepancy * SIGMA, rel=0.02)
    assert run.findings()["weight"] == run.weight


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 3, 1, 9), (2, 3, 7, 5), (2, 1, 33, 17)], ids=str)
def test_odd_sizes_and_batches(shape: tuple[int, ...], generator: torch.Generator) -> None:
    problem = Problem(torch.rand(shape, generator=generator), Identity(), sigma=0.1, task="denoise")
    estimate, _ = solution(HuberTotalVariation(iterations=100), problem)
    assert estimate.image.shape == shape
    assert torch.isfinite(estimate.image).all()
