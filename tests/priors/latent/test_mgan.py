"""Multi-code composition: its algebra, what it reaches, its maps, and what it refuses."""

from __future__ import annotations

import sys
from dataclasses import replace
from pathlib import Path

import pytest
import torch

import zeroshot
from tests.pictures import seeded, uniform
from zeroshot.data_terms import L1, Gaussian
from zeroshot.generators import ProgressiveGAN
from zeroshot.generators.vgg import FeatureExtractor
from zeroshot.metrics import psnr
from zeroshot.noise import add_gaussian
from zeroshot.operators import Downsample, Grayscale, Identity, Stack
from zeroshot.priors.latent.inversion import Inversion
from zeroshot.priors.latent.mgan import MultiCodeGAN, composition_search
from zeroshot.problem import Problem

sys.path.insert(0, str(Path(__file__).resolve().parents[3] / "examples"))
from pretrained_generators import celeba, mnist


@pytest.fixture
def progressive(make_generator):
    network = make_generator("progressive")
    network.output.weight.data *= 0.3
    network.output.bias.data.zero_()
    return network


@pytest.fixture
def faces(published_generators):
    return celeba(published_generators / "celeba_dcgan_32.pth")


def face(photograph):
    """A face that the generator has never seen, 32 × 32."""
    return torch.nn.functional.interpolate(photograph[..., 5:75, 15:85], size=(32, 32), mode="area")


def identity_problem(image):
    return Problem(image, Identity(), sigma=0.0, task="restore")


def drive(prior, problem, steps, seed=0):
    run = prior.start(problem, seeded(seed))
    for _ in range(steps):
        estimate = run.step()
    return run, estimate


@pytest.mark.parametrize("name", ["progressive", "style", "skip", "translation"])
def test_one_code_of_importance_one_is_the_generator_itself(make_generator, name):
    network = make_generator(name)
    target = torch.zeros(1, network.channels, network.resolution, network.resolution)
    for layer in range(network.num_layers + 1):
        run = MultiCodeGAN(weights=network, codes=1, layer=layer, noise="none").start(
            identity_problem(target), seeded()
        )
        latent = run._space.latents(run.tensors["codes"])
        if "tail" in run.tensors:
            run.tensors["tail"].data.copy_(run.tensors["codes"].expand(-1, run._space.layers, -1))
        torch.testing.assert_close(run.image(), network.synthesis(latent, "none"), atol=1e-5, rtol=1e-5)


def test_equal_codes_of_equal_importance_are_one_code(progressive):
    target = torch.zeros(1, 3, 16, 16)
    one = MultiCodeGAN(weights=progressive, codes=1, layer=3).start(identity_problem(target), seeded())
    four = MultiCodeGAN(weights=progressive, codes=4, layer=3).start(identity_problem(target), seeded(1))
    four.tensors["codes"].data.copy_(one.tensors["codes"].expand(4, -1, -1))
    torch.testing.assert_close(four.image(), one.image(), atol=1e-5, rtol=1e-5)


@pytest.mark.slow
def test_many_codes_beat_one_by_eight_decibels_on_a_face_never_seen(faces, photograph):
    problem = identity_problem(face(photograph))
    _, one = drive(Inversion(weights=faces, space="z"), problem, 400)
    _, many = drive(MultiCodeGAN(weights=faces), problem, 400)
    assert psnr(many.image, problem.y) > psnr(one.image, problem.y) + 8


def test_many_codes_beat_one(faces, photograph):
    problem = identity_problem(face(photograph))
    _, one = drive(Inversion(weights=faces, space="z"), problem, 40)
    run, many = drive(MultiCodeGAN(weights=faces, codes=8, layer=3), problem, 40)
    assert psnr(many.image, problem.y) > psnr(one.image, problem.y) + 3
    maps = run.maps()
    assert len(maps) == 8
    stacked = torch.cat(list(maps.values()))
    assert stacked.shape == (8, 1, 32, 32)
    assert stacked.min() >= 0
    assert stacked.max() == pytest.approx(1, abs=1e-3)


@pytest.mark.slow
def test_super_resolution_with_a_generator_of_faces(faces, photograph):
    truth = face(photograph)
    small = Downsample(4)(truth)
    few = {"weights": faces, "iterations": 60}
    result = zeroshot.solve(small, "sr", "mgan", scale=4, settings={**few, "codes": 8})
    free = {**few, "codes": 8, "spread": 1.0, "distance": 0.0, "remainder": "none"}
    far = zeroshot.solve(small, "sr", "mgan", scale=4, settings=free)
    one = zeroshot.solve(small, "sr", "inversion", scale=4, settings={**few, "space": "z"})
    assert Problem(small, Downsample(4)).residual(result.image) < 0.05
    assert psnr(result.image, truth) > psnr(one.image, truth)
    assert psnr(result.image, truth) > psnr(far.image, truth) + 2
    assert result.findings["layer"] == 3
    assert len(result.findings["importances"]) == 8


def test_denoising_stops_by_held_out_pixels(faces, photograph):
    noisy = add_gaussian(face(photograph), 40 / 255, seeded())
    result = zeroshot.solve(
        noisy, "denoise", "mgan", sigma=40 / 255, settings={"weights": faces, "patience": 15}
    )
    assert "held-out" in result.stopped_by or "validation" in result.stopped_by
    assert result.iterations < 400
    assert psnr(result.image, face(photograph)) > psnr(noisy.clamp(0, 1), face(photograph)) + 1


def test_the_search_finds_that_late_layers_reconstruct_better_than_the_first(progressive):
    z = torch.randn(1, 12, generator=seeded(3))
    with torch.no_grad():
        target = progressive.synthesis(z).clamp(0, 1).flip(-1)
    found = dict(
        composition_search(
            MultiCodeGAN(weights=progressive, codes=6, iterations=30), identity_problem(target)
        )
    )
    assert set(found) == set(range(7))
    assert min(found[3], found[4], found[5]) < found[0]


def test_what_makes_no_sense_is_refused(progressive, photograph):
    for bad in ({"codes": 0}, {"depth": 1.5}, {"learning_rate": 0}, {"held_out": 1.0}, {"noise": "random"}):
        with pytest.raises(ValueError, match="must be"):
            MultiCodeGAN(**bad)
    with pytest.raises(ValueError, match="layer must be a whole number from 0 to 6, got 9"):
        MultiCodeGAN(weights=progressive, layer=9).begin(
            identity_problem(torch.zeros(1, 3, 16, 16)), torch.Generator()
        )
    with pytest.raises(ValueError, match="makes images of 16 × 16"):
        zeroshot.solve(photograph, "denoise", MultiCodeGAN(weights=progressive), sigma=0.1)
    with pytest.raises(ValueError, match="needs weights=…"):
        zeroshot.solve(photograph, "denoise", "mgan", sigma=0.1)
    assert ProgressiveGAN is type(progressive)


def test_unmeasured_colours_come_from_the_middle_of_the_latents(faces, photograph):
    truth = face(photograph)
    problem = Problem(Grayscale()(truth), Grayscale(), sigma=0.0, task="colorize")
    prior = MultiCodeGAN.for_problem(problem, weights=faces, codes=10)
    _, near = drive(prior, problem, 60)
    _, far = drive(replace(prior, spread=1.0, distance=0.0, remainder="none"), problem, 60)
    assert psnr(near.image, truth) > psnr(far.image, truth) + 2


def test_the_distance_keeps_codes_small_and_importances_equal(progressive):
    problem = identity_problem(uniform(1, 3, 16, 16, seed=2))
    free, _ = drive(MultiCodeGAN(weights=progressive, codes=4), problem, 60)
    held, _ = drive(MultiCodeGAN(weights=progressive, codes=4, distance=10.0), problem, 60)
    for name, middle in (("codes", 0.0), ("importances", 0.25)):
        away = [(run.tensors[name] - middle).square().mean() for run in (free, held)]
        assert away[1] < 0.3 * away[0]


def test_every_importance_counts_as_much_as_a_number_of_the_most_probable_code(progressive):
    problem = identity_problem(uniform(1, 3, 16, 16, seed=2))
    run = MultiCodeGAN(weights=progressive, codes=4, distance=None, misfit=0.1).start(problem, seeded())
    image, importances = run.image(), run.tensors["importances"]
    before = run.objective(image)
    with torch.no_grad():
        importances.mul_(1.5)
    weight = 0.5 * 0.1**2 / (problem.y.numel() * problem.data_term.sigma**2)
    expected = weight * importances.numel() * 0.5**2
    torch.testing.assert_close(run.objective(image) - before, torch.tensor(expected), rtol=1e-3, atol=1e-7)


def test_the_average_is_that_of_the_iterates_and_the_best_of_it_is_shown(progressive):
    problem = identity_problem(uniform(1, 3, 16, 16, seed=2))
    run = MultiCodeGAN(weights=progressive, codes=2, averaging=0.5).start(problem, seeded())
    average, losses = None, []
    for count in range(1, 31):
        estimate = run.step()
        past = max(0.0, min(0.5, 1 - 9 / (count + 8)))
        average = estimate.iterate if average is None else past * average + (1 - past) * estimate.iterate
        torch.testing.assert_close(run.average, average, atol=1e-6, rtol=0)
        losses.append(problem.loss(average).item())
        assert problem.loss(estimate.image).item() == pytest.approx(min(losses), rel=1e-5)


@pytest.fixture
def features():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return FeatureExtractor(16)


@pytest.mark.parametrize("prior", [MultiCodeGAN, Inversion])
def test_the_perceptual_term_is_added_to_the_pixels(progressive, features, prior):
    target = uniform(1, 3, 16, 16, seed=2)
    problem = replace(identity_problem(target), data_term=Gaussian(0.5))
    extra = {"codes": 2} if prior is MultiCodeGAN else {"space": "z"}
    one = prior(weights=progressive, **extra).start(problem, seeded())
    run = prior(weights=progressive, features=features, perceptual=3.0, **extra).start(problem, seeded())
    image = run.image().detach()
    seen, wanted = (features(x, ("relu2_2",))[0] for x in (image, target))
    expected = one.step().loss + 4 * 3.0 * 0.5 * (seen - wanted).square().mean().item()
    assert run.step().loss == pytest.approx(expected, rel=1e-4)
    first = run.step().loss
    for _ in range(30):
        last = run.step().loss
    assert last < first


def test_features_that_cannot_be_are_refused(progressive, features):
    with pytest.raises(ValueError, match="must come with features"):
        MultiCodeGAN(perceptual=1.0)
    with pytest.raises(ValueError, match="perceptual must be a number"):
        Inversion(features=features, perceptual=-1.0)
    prior = MultiCodeGAN(weights=progressive, features=features, perceptual=1.0)
    outliers = replace(identity_problem(torch.zeros(1, 3, 16, 16)), data_term=L1())
    assert "this problem has L1" in prior.supports(outliers)
    stack = Stack([Grayscale(), Identity()])
    four = Problem(torch.zeros(1, 4, 16, 16), stack, sigma=0.0)
    assert "these have 4 channels" in prior.supports(four)
    with pytest.raises(FileNotFoundError, match=r"no file of weights nowhere\.pth"):
        replace(prior, features="nowhere.pth").begin(
            identity_problem(torch.zeros(1, 3, 16, 16)), torch.Generator()
        )


def test_a_perceptron_is_composed_too(published_generators):
    network = mnist(published_generators / "mnist_gan_mlp_G.ckpt")
    with torch.no_grad():
        target = network(torch.randn(1, 64, generator=seeded(4)))
    run, last = drive(MultiCodeGAN(weights=network, codes=8), identity_problem(target), 150)
    assert psnr(last.image, target) > 15
    assert run.maps() == {}
    assert len(run.findings()["importances"]) == 8
