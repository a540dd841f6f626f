"""Inversion: it finds the latent of what the generator made, in every space, and tunes without side effects."""

from __future__ import annotations

import pytest
import torch

import zeroshot
from tests.pictures import seeded
from zeroshot.generators import TinyDecoder
from zeroshot.metrics import psnr
from zeroshot.operators import Identity
from zeroshot.priors.latent.codes import LatentSpace
from zeroshot.priors.latent.inversion import Inversion
from zeroshot.problem import Problem


def drive(prior, problem, steps, seed=0):
    run = prior.start(problem, seeded(seed))
    for _ in range(steps):
        estimate = run.step()
    return run, estimate


@pytest.fixture
def problem(tame):
    z = torch.randn(1, tame.z_dim, generator=seeded(11))
    with torch.no_grad():
        image = tame.synthesis(tame.mapping(z)).clamp(0, 1)
    return Problem(image, Identity(), sigma=0.0, task="restore")


@pytest.mark.parametrize("space", ["z", "w", "w+"])
def test_an_image_of_the_generator_is_found_again(tame, problem, space):
    prior = Inversion(weights=tame, space=space)
    run, first = drive(prior, problem, 1)
    for _ in range(79):
        last = run.step()
    assert psnr(last.image, problem.y) > psnr(first.image, problem.y) + 6


def test_more_freedom_fits_better(tame, problem):
    other = Problem(problem.y.flip(-1), Identity(), sigma=0.0)
    fits = [drive(Inversion(weights=tame, space=space), other, 60)[1].loss for space in ("w", "w+")]
    noise = drive(Inversion(weights=tame, noise="optimised"), other, 60)[1].loss
    assert fits[1] < fits[0]
    assert noise < fits[1]


def test_tuning_changes_a_copy_of_the_weights_and_keeps_the_pivot(tame, problem):
    other = Problem(problem.y.flip(-1), Identity(), sigma=0.0)
    before = {name: tensor.clone() for name, tensor in tame.state_dict().items()}
    run, pivot = drive(Inversion(weights=tame, iterations=30, tuning_iterations=60), other, 31)
    latent = run.tensors["latent"].clone()
    for _ in range(59):
        tuned = run.step()
    assert torch.equal(run.tensors["latent"], latent)
    assert tuned.loss < 0.75 * pivot.loss
    assert all(torch.equal(tensor, before[name]) for name, tensor in tame.state_dict().items())


def test_the_generator_that_was_given_is_not_changed(tame, problem):
    tame.train().requires_grad_(True)
    before = {name: tensor.clone() for name, tensor in tame.state_dict().items()}
    drive(Inversion(weights=tame, iterations=3), problem, 3)
    assert tame.training
    assert all(parameter.requires_grad and parameter.grad is None for parameter in tame.parameters())
    assert all(torch.equal(tensor, before[name]) for name, tensor in tame.state_dict().items())


def test_distance_keeps_the_latent_in_the_middle(tame, problem):
    near, _ = drive(Inversion(weights=tame, distance=1.0), problem, 60)
    far, _ = drive(Inversion(weights=tame), problem, 60)
    assert max(near.findings()["latent_rms"]) < 0.5 * max(far.findings()["latent_rms"])


@pytest.mark.parametrize("name", ["progressive", "style", "skip", "translation"])
def test_normal_coordinates_go_there_and_back(make_generator, name):
    network = make_generator(name)
    space = LatentSpace(network, samples=2000)
    normal = space.draw(2, space.layers, seeded())
    latents = space.latents(normal)
    assert latents.shape[0] == 2
    torch.testing.assert_close(space.normal(latents), normal, atol=1e-4, rtol=1e-4)


def test_what_makes_no_sense_is_refused(make_generator, tame, photograph):
    for bad in (
        {"space": "x"},
        {"noise": "loud"},
        {"iterations": 0},
        {"learning_rate": -1},
        {"distance": -1},
    ):
        with pytest.raises(ValueError, match="must be"):
            Inversion(**bad)
    crop = photograph[..., :16, :16].contiguous()
    with pytest.raises(ValueError, match="the generator has classes; give label"):
        zeroshot.solve(crop, "denoise", Inversion(weights=make_generator("residual_with_classes"), space="z"))
    with pytest.raises(ValueError, match="needs noise inputs"):
        zeroshot.solve(crop, "denoise", Inversion(weights=make_generator("progressive"), noise="optimised"))
    with pytest.raises(ValueError, match="give label, a number from 0 to 2"):
        zeroshot.solve(crop, "denoise", Inversion(weights=make_generator("residual_with_classes"), label=9))
    with pytest.raises(ValueError, match="use prior 'latent'"):
        zeroshot.solve(crop, "denoise", Inversion(weights=TinyDecoder(4, 8)))
    with pytest.raises(ValueError, match="one image"):
        Inversion(weights=tame).begin(Problem(crop.expand(2, -1, -1, -1), Identity()), torch.Generator())
