"""How far latents may go from the middle: the weight of the distance, truncation, the distribution of z."""

from __future__ import annotations

import math
import sys
from pathlib import Path

import pytest
import torch

import zeroshot
from tests.pictures import seeded
from zeroshot.data_terms import Gaussian
from zeroshot.metrics import psnr
from zeroshot.operators import Downsample, Mask
from zeroshot.priors.latent.codes import LatentSpace
from zeroshot.priors.latent.fitting import distance_of
from zeroshot.priors.latent.inversion import Inversion
from zeroshot.priors.latent.mgan import MultiCodeGAN
from zeroshot.priors.latent.pulse import Pulse
from zeroshot.priors.latent.sphere import learning_rate_factor
from zeroshot.problem import Problem

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "examples"))
from pretrained_generators import anime, celeba


@pytest.fixture
def faces(published_generators):
    return celeba(published_generators / "celeba_dcgan_32.pth")


def test_the_distance_is_that_of_the_most_probable_latent():
    known = torch.zeros(1, 1, 4, 4)
    known[..., :2] = 1
    problem = Problem(torch.zeros(1, 3, 4, 4), Mask(known), sigma=0.0)
    prior = Inversion(distance=None, misfit=0.1)
    assert distance_of(prior, problem, 12) == pytest.approx(0.01 * 12 / (2 * 24))
    noisy = Problem(problem.y, problem.operator, Gaussian(0.2), sigma=0.2)
    assert distance_of(prior, noisy, 12) == pytest.approx(0.05 * 12 / (2 * 24) / 0.04)
    assert distance_of(Inversion(distance=3.0), problem, 12) == 3.0


def test_uniform_latents_stay_in_their_range(faces):
    space = LatentSpace(faces)
    normal = space.draw(4, 1, seeded())
    z = space.latents(100 * normal)
    assert z.abs().max() <= 1
    drawn = space.latents(space.draw(400, 1, seeded()))
    assert drawn.std() == pytest.approx(1 / math.sqrt(3), abs=0.01)
    torch.testing.assert_close(space.normal(space.latents(normal)), normal, atol=1e-3, rtol=1e-3)


def test_truncation_brings_images_nearer_to_the_mean(tame):
    whole, half = LatentSpace(tame), LatentSpace(tame, truncation=0.5)
    normal = whole.draw(8, 1, seeded())
    with torch.no_grad():
        middle = tame.synthesis(whole.latents(torch.zeros(1, 1, whole.length)))
        far, near = (
            (tame.synthesis(space.latents(normal)) - middle).square().mean() for space in (whole, half)
        )
    assert near < 0.7 * far
    torch.testing.assert_close(half.normal(half.latents(normal))[:, :1], normal, atol=1e-4, rtol=1e-4)


@pytest.mark.parametrize("kind", [Inversion, MultiCodeGAN, Pulse])
def test_truncated_runs_end_nearer_to_the_middle(tame, kind):
    with torch.no_grad():
        target = tame.synthesis(tame.mapping(torch.randn(1, tame.z_dim, generator=seeded(11)))).clamp(0, 1)
    problem = Problem(Downsample(4)(target), Downsample(4), sigma=0.0, task="sr")
    few = {"weights": tame, "iterations": 10, "noise": "none"}
    if kind is Pulse:
        few |= {"statistics_samples": 500}
    # Several codes begin away from the middle, and their importances go anywhere.
    steps = 1 if kind is MultiCodeGAN else 10
    images = []
    for truncation in (1.0, 0.01):
        run = kind(**few, truncation=truncation).begin(problem, seeded())
        for _ in range(steps):
            newest = run.step().newest
        images.append(newest)
    with torch.no_grad():
        middle = tame.synthesis(LatentSpace(tame).latents(torch.zeros(1, 1, tame.w_dim)), "none").clamp(0, 1)
    assert (images[1] - middle).square().mean() < 0.9 * (images[0] - middle).square().mean()
    with pytest.raises(ValueError, match="truncation must be"):
        kind(truncation=0)


@pytest.mark.parametrize("kind", [Inversion, MultiCodeGAN])
def test_no_estimate_is_measured_worse_than_one_before(tame, kind):
    with torch.no_grad():
        target = tame.synthesis(tame.mapping(torch.randn(1, tame.z_dim, generator=seeded(5)))).clamp(0, 1)
    problem = Problem(Downsample(2)(target), Downsample(2), sigma=0.0, task="restore")
    # Steps that are far too long.
    run = kind(weights=tame, learning_rate=3.0).begin(problem, seeded())
    losses = [problem.loss(run.step().image).item() for _ in range(25)]
    assert losses == sorted(losses, reverse=True)


@pytest.mark.parametrize("prior", ["inversion", "mgan"])
def test_a_run_cut_short_meets_the_measurements_as_well_as_the_first_estimate(faces, photograph, prior):
    truth = torch.nn.functional.interpolate(photograph[..., 5:75, 15:85], size=(32, 32), mode="area")
    problem = Problem(Downsample(4)(truth), Downsample(4), sigma=0.0, task="sr")
    settings = {"weights": faces, "iterations": 400}
    result = zeroshot.solve(
        problem.y, "sr", prior, scale=4, settings=settings, stopping=zeroshot.MaxIterations(2)
    )
    assert problem.residual(result.image) < max(problem.residual(problem.initial()), 0.01)


def test_the_schedule_of_a_cosine():
    factors = [learning_rate_factor("cosine", index, 100) for index in range(100)]
    assert factors[0] == 1
    assert factors[-1] == pytest.approx(0.05, abs=1e-3)
    assert factors == sorted(factors, reverse=True)


@pytest.mark.parametrize("prior", ["inversion", pytest.param("mgan", marks=pytest.mark.slow)])
def test_a_generator_beats_total_variation_on_what_it_knows(published_generators, prior):
    network = anime(published_generators / "anime_dcgan_64.pth")
    with torch.no_grad():
        truth = network.synthesis(torch.randn(1, 128, generator=seeded(100))).clamp(0, 1)
    small = Downsample(4)(truth)
    few = {"weights": network, "iterations": 100}
    if prior == "mgan":
        few |= {"codes": 6}
    found = zeroshot.solve(small, "sr", prior, scale=4, settings=few).image
    smooth = zeroshot.solve(small, "sr", "tv", scale=4).image
    assert psnr(found, truth) > psnr(smooth, truth) + 0.2
