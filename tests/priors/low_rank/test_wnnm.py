"""Properties of denoising by weighted and plain nuclear norms of patch groups."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from tests.pictures import SIGMA, decibels, read, seeded, with_noise
from zeroshot.data_terms import Poisson
from zeroshot.noise import add_poisson, random_mask
from zeroshot.operators.identity import Identity
from zeroshot.operators.mask import Mask
from zeroshot.priors.low_rank.grouped_denoiser import GroupedDenoiser, noise_left
from zeroshot.priors.low_rank.nnm import NuclearNorm
from zeroshot.priors.low_rank.wnnm import WeightedNuclearNorm
from zeroshot.priors.sparse.gsr import GroupSparseRepresentation, GroupSparseRun
from zeroshot.problem import Problem

#: Small groups and windows, for speed.
QUICK = {"patch": 6, "group": 40, "iterations": 4, "stride": 4, "radius": 8}
FAMILIES = (WeightedNuclearNorm, NuclearNorm)


# --- settings ----------------------------------------------------------------------------------------------


def test_settings_follow_the_noise_level() -> None:
    prior = WeightedNuclearNorm()
    levels = [prior.level(s / 255) for s in (10, 25, 50, 100)]
    assert [level.patch for level in levels] == [6, 7, 8, 9]
    assert [prior.passes(s / 255) for s in (10, 25, 50, 100)] == [4, 6, 7, 7]
    assert WeightedNuclearNorm(iterations=5).passes(SIGMA) == 3
    assert WeightedNuclearNorm(patch=4).level(SIGMA).patch == 4
    assert prior.repeated().passes(SIGMA) < prior.passes(SIGMA)
    assert WeightedNuclearNorm(iterations=6).repeated().iterations == 6


# --- denoising ---------------------------------------------------------------------------------------------


def test_denoises_by_so_many_decibels_and_with_weights_by_more(grey: torch.Tensor) -> None:
    image = grey[..., :72, :72]
    noisy = with_noise(image)
    gains = [decibels(family().denoise(noisy, SIGMA), image) - decibels(noisy, image) for family in FAMILIES]
    assert gains[0] > 8
    assert 7 < gains[1] < gains[0]


@pytest.mark.parametrize("family", FAMILIES)
def test_no_noise_changes_nothing(family: type[GroupedDenoiser], grey: torch.Tensor) -> None:
    assert torch.equal(family().denoise(grey, 0.0), grey)
    result = family(**QUICK).denoise(grey, 1e-4)
    assert (result - grey).square().mean().sqrt() < 2e-4


@pytest.mark.parametrize("family", FAMILIES)
def test_a_constant_image_comes_back(family: type[GroupedDenoiser]) -> None:
    image = torch.full((1, 1, 33, 28), 0.4)
    torch.testing.assert_close(family(**QUICK).denoise(image, SIGMA), image, atol=1e-5, rtol=0)


def test_brightness_is_neither_gained_nor_lost_by_an_offset(grey: torch.Tensor) -> None:
    """The mean patch of a group is not shrunk, so that the result moves with the image."""
    prior = WeightedNuclearNorm(**QUICK)
    noisy = with_noise(grey[..., :40, :40])
    moved = prior.denoise(noisy + 0.3, SIGMA) - 0.3
    assert (moved - prior.denoise(noisy, SIGMA)).square().mean().sqrt() < 0.03 * SIGMA


def test_noise_left_is_what_has_not_been_removed() -> None:
    noise = 0.1 * torch.randn(1, 300, 300, generator=seeded())
    untouched = noise_left(torch.zeros_like(noise), 0.1, 8)
    torch.testing.assert_close(untouched, torch.full((293, 293), 0.1))
    left = noise_left(0.6 * noise, 0.1, 8)
    assert left.mean().item() == pytest.approx(0.08, rel=0.03)


@pytest.mark.parametrize("coupling", ["opponent", "joint", "channels"])
def test_colour_images_of_odd_size(coupling: str, photograph: torch.Tensor) -> None:
    image = photograph[..., :53, :47]
    noisy = with_noise(image)
    result = WeightedNuclearNorm(**QUICK, coupling=coupling).denoise(noisy, SIGMA)
    assert result.shape == image.shape
    assert decibels(result, image) > decibels(noisy, image) + 6


def test_brightness_and_colour_apart_are_better_than_together(photograph: torch.Tensor) -> None:
    image = photograph[..., :48, :48]
    noisy = with_noise(image)
    apart, together = (
        WeightedNuclearNorm(**QUICK, coupling=coupling).denoise(noisy, SIGMA)
        for coupling in ("opponent", "joint")
    )
    assert decibels(apart, image) > decibels(together, image)


def test_images_of_two_channels_have_no_brightness_and_are_taken_jointly(photograph: torch.Tensor) -> None:
    noisy = with_noise(photograph[:, :2, :24, :24])
    images = [WeightedNuclearNorm(**QUICK, coupling=c).denoise(noisy, SIGMA) for c in ("opponent", "joint")]
    assert torch.equal(*images)


def test_channels_on_their_own_are_denoised_as_grey_images(photograph: torch.Tensor) -> None:
    noisy = with_noise(photograph[..., :40, :40])
    prior = WeightedNuclearNorm(**QUICK, coupling="channels")
    together = prior.denoise(noisy, SIGMA)
    for channel in range(3):
        alone = prior.denoise(noisy[:, channel : channel + 1], SIGMA)
        torch.testing.assert_close(together[:, channel : channel + 1], alone, atol=1e-5, rtol=0)


def test_images_smaller_than_a_window_or_a_patch(grey: torch.Tensor) -> None:
    noisy = with_noise(grey[..., :11, :9])
    assert WeightedNuclearNorm().denoise(noisy, SIGMA).isfinite().all()
    for family in FAMILIES:
        for side in (6, 2, 1):
            assert family().denoise(noisy[..., :side, :], SIGMA).isfinite().all()


def test_photon_noise(grey: torch.Tensor) -> None:
    y = add_poisson(grey, 30, seeded())
    problem = Problem(y, Identity(), Poisson(1 / 30), task="denoise")
    run = WeightedNuclearNorm(**QUICK).begin(problem, seeded())
    while not run.finished:
        estimate = run.step()
    assert decibels(estimate.image, grey) > decibels(y.clamp(0, 1), grey) + 6


# --- the run -----------------------------------------------------------------------------------------------


def test_the_residual_falls_towards_the_noise_level(grey: torch.Tensor) -> None:
    """The first pass leaves noise, each further one takes more of it, and none takes more than there is."""
    noisy = with_noise(grey[..., :64, :64])
    problem = Problem(noisy, Identity(), sigma=SIGMA, task="denoise")
    run = WeightedNuclearNorm(stride=5).begin(problem, seeded())
    residuals = []
    while not run.finished:
        residuals.append(problem.residual(run.step().image))
    assert len(residuals) == 6
    assert all(b >= a - 1e-4 for a, b in pairwise(residuals))
    assert 0.85 * SIGMA < residuals[-1] < 1.02 * SIGMA


def test_holes_go_by_the_splitting_scheme(grey: torch.Tensor) -> None:
    mask = random_mask(grey.shape, 0.5, seeded())
    problem = Problem(grey * mask, Mask(mask), sigma=0.0, task="inpaint", measured=mask)
    for family in FAMILIES:
        prior = family.for_problem(problem)
        assert prior.supports(problem) is None
        assert isinstance(prior.suited(problem).begin(problem, seeded()), GroupSparseRun)


@pytest.mark.parametrize("family", FAMILIES)
def test_settings_reach_the_splitting_scheme_or_are_refused(
    family: type[GroupedDenoiser], grey: torch.Tensor
) -> None:
    mask = random_mask(grey.shape, 0.5, seeded())
    problem = Problem(grey * mask, Mask(mask), sigma=0.0, task="inpaint", measured=mask)
    plugged = family.for_problem(problem, **QUICK).suited(problem)
    assert {name: getattr(plugged, name) for name in QUICK} == QUICK
    defaults = GroupSparseRepresentation.for_problem(problem, shrinkage=family.shrinkage)
    assert family.for_problem(problem).suited(problem) == defaults
    strength = {"constant": 1.0} if family is WeightedNuclearNorm else {"strength": 1.0}
    for refused in ({"feedback": 0.2}, {"remaining": 0.5}, {"coupling": "channels"}, strength):
        (name,) = refused
        assert f"has no {name} but in denoising" in (family(**refused).supports(problem) or "")


def test_a_level_given_in_single_precision_takes_the_same_settings() -> None:
    prior = WeightedNuclearNorm()
    assert prior.level(float(torch.tensor(20 / 255))) == prior.level(20 / 255)
    assert prior.level(20 / 255 + 1e-7) == prior.level(20 / 255)
    assert prior.level(20.1 / 255) != prior.level(20 / 255)


def test_held_out_pixels_are_not_seen(grey: torch.Tensor) -> None:
    image = grey[..., :40, :40]
    problem = Problem(with_noise(image), Identity(), sigma=SIGMA, task="denoise")
    problem = problem.hold_out(0.1, seeded())
    assert problem.held_out is not None
    assert WeightedNuclearNorm().supports(problem) is None
    assert isinstance(WeightedNuclearNorm().suited(problem).begin(problem, seeded()), GroupSparseRun)


@pytest.mark.slow
def test_reaches_the_published_quality(shared: Path) -> None:
    """Cameraman at σ = 25: 29.64 dB in the paper, with other noise."""
    image = read(shared / "data" / "set12" / "cameraman.png", "L")
    noisy = with_noise(image)
    assert decibels(WeightedNuclearNorm().denoise(noisy, SIGMA), image) > 29.5
