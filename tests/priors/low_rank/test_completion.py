"""Properties of matrix completion."""

from __future__ import annotations

import dataclasses
import math

import pytest
import torch

from tests.doubles import run_to_end
from tests.pictures import decibels, inpainting, seeded, uniform
from zeroshot.data_terms import L1
from zeroshot.operators.blur import Blur
from zeroshot.operators.identity import Identity
from zeroshot.operators.mask import Mask
from zeroshot.priors.low_rank.completion import MatrixCompletion, NuclearNormCompletion
from zeroshot.problem import Problem


def low_rank(m: int, n: int, rank: int) -> tuple[torch.Tensor, torch.Tensor]:
    generator = seeded()
    left = torch.randn(m, rank, generator=generator, dtype=torch.float64)
    right = torch.randn(rank, n, generator=generator, dtype=torch.float64)
    known = (torch.rand(m, n, generator=generator) < 0.5).double()
    return left @ right, known


@pytest.mark.parametrize("shape", [(100, 80), (60, 120)])
def test_a_random_matrix_of_low_rank_is_recovered_from_half_its_entries(shape: tuple[int, int]) -> None:
    truth, known = low_rank(*shape, rank=4)
    completion = NuclearNormCompletion(torch.where(known > 0, truth, math.nan), known)
    for _ in range(300):
        if completion.step() < 1e-7:
            break
    assert completion.rank == 4
    assert ((completion.low_rank - truth).norm() / truth.norm()).item() < 1e-4


def test_the_solution_has_the_least_nuclear_norm() -> None:
    truth, known = low_rank(20, 16, rank=8)
    completion = NuclearNormCompletion(truth, known)
    for _ in range(400):
        completion.step()
    found = completion.low_rank
    torch.testing.assert_close(found * known, truth * known, atol=1e-4, rtol=0)
    least = torch.linalg.svdvals(found).sum().item()
    generator = seeded()
    for size in (1e-3, 1e-2, 0.1, 1.0):
        for _ in range(10):
            change = torch.randn(20, 16, generator=generator, dtype=torch.float64) * (1 - known)
            assert torch.linalg.svdvals(found + size * change).sum().item() >= least * (1 - 1e-4)


def test_the_distance_is_kept_and_used_up() -> None:
    truth, known = low_rank(40, 30, rank=10)
    completion = NuclearNormCompletion(truth, known, distance=5.0)
    for _ in range(300):
        completion.step()
    assert ((completion.low_rank - truth) * known).norm().item() == pytest.approx(5.0, rel=1e-3)


def test_an_image_of_low_rank_comes_back() -> None:
    left, right = uniform(1, 3, 40, 2), uniform(1, 3, 2, 48)
    x = (left @ right) / 2
    problem = inpainting(x)
    assert decibels(run_to_end(MatrixCompletion(), problem).image, x) > 50


@pytest.mark.parametrize("channels", [1, 3])
def test_a_photograph_gains_and_its_known_pixels_stay(channels: int, photograph: torch.Tensor) -> None:
    problem = inpainting(photograph[:, :channels])
    image = run_to_end(MatrixCompletion.for_problem(problem), problem).image
    mean = (problem.y.sum() / problem.operator.mask.expand_as(problem.y).sum()).item()  # type: ignore[union-attr]
    flat = torch.where(problem.y > 0, problem.y, mean)
    assert decibels(image, photograph[:, :channels]) > decibels(flat, photograph[:, :channels]) + 8
    torch.testing.assert_close(problem.operator(image), problem.y)


def test_noise_is_not_fitted(photograph: torch.Tensor) -> None:
    sigma = 20 / 255
    problem = inpainting(photograph, sigma=sigma)
    estimate = run_to_end(MatrixCompletion(), problem)
    assert problem.residual(estimate.image) == pytest.approx(sigma, rel=0.1)
    exact = run_to_end(MatrixCompletion(), dataclasses.replace(problem, sigma=0.0))
    assert decibels(estimate.image, photograph) > decibels(exact.image, photograph) + 0.5


def test_images_of_a_batch_are_completed_alone() -> None:
    x = uniform(2, 1, 17, 23)
    problem = inpainting(x)
    together = run_to_end(MatrixCompletion(iterations=40), problem).image
    for index in range(2):
        one = Problem(
            problem.y[index : index + 1],
            Mask(problem.operator.mask[index : index + 1]),  # type: ignore[index, union-attr]
            sigma=0.0,
            task="inpaint",
        )
        assert torch.equal(run_to_end(MatrixCompletion(iterations=40), one).image[0], together[index])


def test_a_row_without_a_known_pixel_becomes_finite() -> None:
    mask = torch.ones(1, 1, 12, 12)
    mask[..., 5, :] = 0
    y = uniform(1, 1, 12, 12) * mask
    image = run_to_end(MatrixCompletion(), Problem(y, Mask(mask), sigma=0.0, task="inpaint")).image
    assert bool(torch.isfinite(image).all())
    assert image[..., 5, :].std() < 1e-3


def test_other_damage_is_refused_with_a_reason(photograph: torch.Tensor) -> None:
    prior = MatrixCompletion()
    assert "needs a mask" in (prior.supports(Problem(photograph, Blur.gaussian(1.0))) or "")
    assert "none are missing" in (prior.supports(Problem(photograph, Identity())) or "")
    problem = dataclasses.replace(inpainting(photograph), data_term=L1())
    assert "Gaussian data term, not L1" in (prior.supports(problem) or "")
    with pytest.raises(ValueError, match="Gaussian data term"):
        prior.begin(problem, seeded())
