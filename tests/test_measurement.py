"""Which measurements count, and how noisy they are."""

from __future__ import annotations

import math

import pytest
import torch

from zeroshot.data_terms import Poisson
from zeroshot.noise import add_gaussian, add_poisson, random_mask
from zeroshot.operators.identity import Identity
from zeroshot.operators.mask import Mask
from zeroshot.problem import Problem


def test_what_is_measured_and_not_held_out_counts(generator: torch.Generator) -> None:
    y = torch.rand(1, 3, 20, 30, generator=generator)
    measured = torch.rand(y.shape, generator=generator).round()
    problem = Problem(y, Identity(), sigma=0.0, measured=measured)
    held = problem.hold_out(0.2, generator)
    assert Problem(y, Identity(), sigma=0.0).counted() is None
    assert Problem(y, Identity(), sigma=0.0, measured=torch.ones_like(y)).counted() is None
    assert torch.equal(problem.counted(), measured)  # type: ignore[arg-type]
    assert torch.equal(held.counted(), measured * (1 - held.held_out))  # type: ignore[operator, arg-type]


@pytest.mark.parametrize("kind", ["pixels", "values"])
def test_pixels_that_a_mask_hides_are_not_known(kind: str, generator: torch.Generator) -> None:
    y = torch.rand(2, 3, 9, 7, generator=generator)
    mask = torch.rand((1, 1, 9, 7) if kind == "pixels" else y.shape, generator=generator).round()
    problem = Problem(y * mask, Mask(mask), sigma=0.0)
    assert torch.equal(problem.known_pixels(), mask.expand_as(y))  # type: ignore[arg-type]
    held = problem.hold_out(0.3, generator)
    assert torch.equal(held.known_pixels(), mask * (1 - held.held_out))  # type: ignore[operator, arg-type]
    assert Problem(y, Mask(torch.ones_like(y)), sigma=0.0).known_pixels() is None


def test_the_noise_is_known_or_estimated(photograph: torch.Tensor, generator: torch.Generator) -> None:
    noisy = add_gaussian(photograph, 0.1, generator)
    assert Problem(noisy, Identity(), sigma=0.3).noise_rms() == 0.3
    assert Problem(noisy, Identity()).noise_rms() == pytest.approx(0.1, rel=0.1)
    same, sigma = Problem(noisy, Identity()).stabilised()
    assert torch.equal(same, noisy)
    assert sigma == pytest.approx(0.1, rel=0.1)


def test_an_unknown_noise_is_that_of_the_known_pixels(
    photograph: torch.Tensor, generator: torch.Generator
) -> None:
    known = random_mask(tuple(photograph.shape), 0.3, generator).expand_as(photograph)
    holed = add_gaussian(photograph, 0.1, generator) * known
    assert Problem(holed, Identity()).stabilised(known)[1] == pytest.approx(0.1, rel=0.2)


def test_photon_noise_is_the_laws_root_mean_square_where_it_is_measured(
    photograph: torch.Tensor, generator: torch.Generator
) -> None:
    term = Poisson(1 / 50, 0.02)
    noisy = add_poisson(photograph, 50, generator)
    expected = math.sqrt((noisy.clamp(min=-0.02) / 50 + 0.02**2).mean().item())
    assert Problem(noisy, Identity(), term).noise_rms() == pytest.approx(expected, rel=1e-4)
    left = torch.zeros_like(noisy)
    left[..., :40] = 1
    spoiled = torch.where(left > 0, noisy, 7.0)
    part = Problem(spoiled, Identity(), term, measured=left).noise_rms()
    assert part == pytest.approx(
        Problem(noisy[..., :40].contiguous(), Identity(), term).noise_rms(), rel=1e-6
    )


def test_stabilised_photon_noise_has_one_level_and_is_mapped_back(
    photograph: torch.Tensor, generator: torch.Generator
) -> None:
    problem = Problem(add_poisson(photograph, 500, generator), Identity(), Poisson(1 / 500))
    stabilised, sigma = problem.stabilised()
    truth, _ = Problem(photograph, Identity(), Poisson(1 / 500)).stabilised()
    assert (stabilised - truth).std().item() == pytest.approx(sigma, rel=0.1)
    torch.testing.assert_close(problem.unstabilised(truth), photograph, atol=0.01, rtol=0)
