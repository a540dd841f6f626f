"""Networks that learn from one noisy image: what they learn from, what they gain, and what they refuse."""

from __future__ import annotations

from typing import Any

import pytest
import torch
import torch.nn.functional as F

import zeroshot
from tests.contract import refusal
from tests.pictures import as_image, decibels, denoising, sample, seeded, uniform, with_noise
from zeroshot.loop import Loop
from zeroshot.noise import NoiseModel
from zeroshot.operators import Downsample, Identity, Mask
from zeroshot.priors.auto.candidates import CANDIDATES
from zeroshot.priors.auto.selection import ModelSelection
from zeroshot.priors.untrained.data_refinement import IterativeDataRefinement
from zeroshot.priors.untrained.local_noise import LocalNoise
from zeroshot.priors.untrained.noise2noise import ZeroShotNoise2Noise, diagonal_means
from zeroshot.priors.untrained.pixel2pixel import Pixel2Pixel
from zeroshot.priors.untrained.pixel_bank import pixel_bank
from zeroshot.priors.untrained.training import over_orientations, turned, turned_back
from zeroshot.problem import Problem

FAMILIES = (ZeroShotNoise2Noise, Pixel2Pixel, IterativeDataRefinement)


def photograph(side: int = 64) -> torch.Tensor:
    return as_image(sample("astronaut")[40 : 40 + side, 180 : 180 + side])


def correlated(x: torch.Tensor, sigma: float = 0.06) -> torch.Tensor:
    """Noise that neighbours share, stronger where the image is bright."""
    white = torch.randn(x.shape, generator=seeded(1))
    smooth = F.avg_pool2d(F.pad(white, (1, 1, 1, 1), mode="circular"), 3, 1) * 3
    return sigma * (0.5 + x) * smooth


def solved(prior: zeroshot.Prior, problem: Problem, seed: int = 0) -> Loop:
    return Loop(problem, prior, generator=seeded(seed)).complete()


# --- what they gain ---


def test_two_views_of_half_the_size_teach_to_remove_white_noise() -> None:
    x = photograph()
    problem = denoising(x, 25 / 255)
    image = solved(ZeroShotNoise2Noise(iterations=75, crop=32), problem).image
    assert decibels(image, x) > decibels(problem.y, x) + 3.5


def test_a_network_that_learnt_the_noise_of_the_image_betters_its_guide() -> None:
    x = photograph()
    # Noise that is not white, of which the guide is told a level.
    problem = Problem(x + correlated(x), Identity(), sigma=0.12, task="denoise")
    loop = solved(IterativeDataRefinement(iterations=100, crop=32, guide="dct"), problem)
    guide = loop.run.guide
    assert decibels(guide, x) > decibels(problem.y, x) + 1
    assert decibels(loop.image, x) > decibels(guide, x) + 0.2
    assert loop.run.findings() == {"guide": "dct", "network_share": 0.5, "noise_from": "image"}
    assert loop.run.remark() == "50 % dct guide, 50 % network"


def test_without_a_guide_the_network_stands_for_itself() -> None:
    x = photograph()
    problem = denoising(x, 25 / 255)
    loop = solved(Pixel2Pixel(iterations=60, crop=32, guide="none", gap=0, refill=0.9), problem)
    assert decibels(loop.image, x) > decibels(problem.y, x) + 1.5
    assert loop.run.findings() == {"guide": "none", "network_share": 1.0}
    assert loop.run.remark() == ""


def test_a_guide_that_removed_nothing_counts_for_nothing() -> None:
    x = 0.3 + 0.4 * photograph(32)
    problem = Problem(with_noise(x, 0.05), Identity(), sigma=1e-4, task="denoise")
    run = solved(Pixel2Pixel(iterations=40, crop=32, guide="dct"), problem).run
    assert run.findings()["network_share"] > 0.9


def test_images_of_odd_sides_and_in_grey_are_denoised() -> None:
    x = photograph(41)[:, :1, :33]
    for prior in (
        ZeroShotNoise2Noise(iterations=8, crop=24, block=10),
        Pixel2Pixel(iterations=8, crop=24, block=10, guide="dct", members=4, radius=6),
        IterativeDataRefinement(iterations=8, crop=24, block=10, guide="dct"),
    ):
        image = solved(prior, denoising(x)).image
        assert image.shape == x.shape


# --- what they learn from ---


def test_the_views_are_the_means_of_the_diagonals() -> None:
    falling, rising = diagonal_means(torch.tensor([[[[1.0, 2.0], [3.0, 5.0]]]]))
    assert (falling.item(), rising.item()) == (3.0, 2.5)


def test_a_bank_holds_the_pixels_of_like_patches_far_enough_away() -> None:
    # A pattern that repeats every six pixels: the likest are its repetitions, none nearer than that.
    pattern = uniform(1, 3, 6, 6)
    image = pattern.repeat(1, 1, 4, 4)
    bank = pixel_bank(image, image, count=4, patch=3, radius=12, gap=3)
    assert bank.shape == (5, 3, 24, 24)
    torch.testing.assert_close(bank[:, :, 6:-6, 6:-6], image.expand_as(bank)[:, :, 6:-6, 6:-6])
    # A single bright spot has nothing like it beyond the gap, and is not taken for its own.
    spot = torch.zeros(1, 1, 24, 24)
    spot[..., 12, 12] = 1
    members = pixel_bank(spot, spot, count=3, patch=3, radius=6, gap=2)[:, 0, 12, 12]
    assert members.tolist() == [1, 0, 0, 0]


def test_members_of_the_image_of_half_the_size_have_less_noise() -> None:
    x = torch.full((1, 1, 40, 40), 0.5)
    y = with_noise(x, 0.1)
    bank = pixel_bank(y, x + 1e-3 * uniform(1, 1, 40, 40), count=4, coarse=6, patch=3, radius=8)
    assert bank.shape == (11, 1, 40, 40)
    assert bank[1:5].std().item() == pytest.approx(0.1, rel=0.1)
    assert bank[5:].std().item() == pytest.approx(0.05, rel=0.15)


def test_noise_is_measured_with_its_level_its_spectrum_and_its_law() -> None:
    ramp = torch.linspace(0.1, 0.9, 160).expand(1, 3, 160, 160).contiguous()
    noise = correlated(ramp)
    drawn = LocalNoise.of(ramp + noise, ramp).sample(ramp, seeded(2))
    assert drawn.shape == ramp.shape
    for size in (1, 2, 4):
        level = F.avg_pool2d(drawn, size).std() / F.avg_pool2d(noise, size).std()
        assert level.item() == pytest.approx(1, abs=0.12)
    dark, bright = drawn[..., :50].std(), drawn[..., -50:].std()
    assert (bright / dark).item() == pytest.approx(
        (noise[..., -50:].std() / noise[..., :50].std()).item(), rel=0.15
    )
    together = torch.corrcoef(drawn[0].flatten(1)) - torch.corrcoef(noise[0].flatten(1))
    assert together.abs().max() < 0.1


def test_the_noise_of_channels_that_share_it_is_shared() -> None:
    flat = torch.full((1, 3, 96, 96), 0.5)
    grey = with_noise(flat[:, :1], 0.1) - flat[:, :1]
    drawn = LocalNoise.of(flat + grey, flat).sample(flat, seeded(3))
    assert torch.corrcoef(drawn[0].flatten(1)).min() > 0.95


def test_a_trusted_noise_model_is_drawn_from_instead_of_the_image() -> None:
    x = photograph(48)
    trusted = NoiseModel(intensities=(0.0, 1.0), variances=((0.001, 0.01),))
    doubtful = NoiseModel(intensities=(0.0, 1.0), variances=((0.001, 0.01),), confidence=0.2)
    sources = []
    for noise in (trusted, doubtful):
        problem = Problem(with_noise(x, 0.1), Identity(), noise=noise, task="denoise")
        prior = IterativeDataRefinement(iterations=2, crop=24, guide="none")
        sources.append(solved(prior, problem).run.findings()["noise_from"])
    assert sources == ["model", "image"]


def test_the_eight_orientations_are_undone() -> None:
    image = uniform(1, 2, 5, 7)
    assert len({turned(image, k).flatten()[0].item() for k in range(8)}) == 4
    for k in range(8):
        assert torch.equal(turned_back(turned(image, k), k), image)
    torch.testing.assert_close(over_orientations(lambda z: z, image), image)


# --- what they refuse, and how they end ---


@pytest.mark.parametrize("family", FAMILIES)
def test_what_is_no_single_noisy_image_of_some_size_is_refused(family: Any) -> None:
    y = uniform(1, 3, 24, 24)
    known = (uniform(1, 1, 24, 24) > 0.3).float()
    for problem, reason in (
        (Problem(y * known, Mask(known), measured=known, task="inpaint"), "fills or enlarges nothing"),
        (Problem(y, Downsample(2), task="sr"), "fills or enlarges nothing"),
        (denoising(uniform(2, 3, 24, 24)), "one by one"),
        (denoising(uniform(1, 3, 15, 24)), "too small to learn from: 15 × 24, needs at least 16"),
    ):
        assert reason in refusal(lambda p=problem: family().begin(p, seeded()), ValueError)  # type: ignore[misc]


@pytest.mark.parametrize("family", FAMILIES)
def test_a_clean_image_is_left_as_it_is(family: Any) -> None:
    y = uniform(1, 3, 20, 20)
    assert torch.equal(solved(family(), Problem(y, Identity(), sigma=0.0, task="denoise")).image, y)


def test_a_model_of_the_noise_is_asked_for_where_there_is_none() -> None:
    prior = IterativeDataRefinement(noise="model")
    assert "use noise='image'" in refusal(
        lambda: prior.begin(denoising(photograph(20)), seeded()), ValueError
    )


def test_few_seconds_mean_few_updates() -> None:
    prior = ZeroShotNoise2Noise(iterations=10_000, block=2, crop=16).within(1e-9)
    loop = solved(prior, denoising(photograph(24)))
    assert loop.iteration == 2
    assert loop.run.planned == 2


def test_they_need_no_noise_level() -> None:
    problem = Problem(with_noise(photograph(32), 0.1), Identity(), task="denoise")
    object.__setattr__(problem, "noise_rms", None)
    assert solved(ZeroShotNoise2Noise(iterations=4, block=2, crop=16), problem).iteration == 4


def test_automatic_selection_tries_them_where_the_noise_model_is_doubtful() -> None:
    y = uniform(1, 3, 24, 24)
    variances = ((0.001, 0.01),)
    for confidence, more in ((1.0, ()), (0.2, ("zsn2n", "idr"))):
        noise = NoiseModel(intensities=(0.0, 1.0), variances=variances, confidence=confidence)
        problem = Problem(y, Identity(), noise=noise, task="denoise")
        assert ModelSelection.for_problem(problem).candidates == (*CANDIDATES["denoise"], *more)


@pytest.mark.parametrize(
    ("said", "meant"), [("n2n", "zsn2n"), ("Zero-Shot Noise2Noise", "zsn2n"), ("p2p", "pixel2pixel")]
)
def test_they_are_found_under_the_names_of_the_field(said: str, meant: str) -> None:
    assert zeroshot.registry.prior_class(said).name == meant
