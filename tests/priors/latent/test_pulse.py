"""PULSE: the method's oracles, recovery, its epsilon, several solutions, and what it refuses."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

import zeroshot
from tests.pictures import seeded, uniform
from zeroshot.generators import ProgressiveGAN, StyleGAN, StyleGAN2, load, save
from zeroshot.metrics import psnr
from zeroshot.operators import Downsample, Grayscale, Identity, Mask
from zeroshot.priors.latent.pulse import Pulse
from zeroshot.priors.latent.sphere import geodesic_cross, learning_rate_factor, project_, radius_of
from zeroshot.priors.latent.statistics import latent_statistics
from zeroshot.problem import Problem


@pytest.fixture
def method(shared):
    with np.load(shared / "oracles" / "pulse_method.npz") as file:
        return {name: torch.from_numpy(file[name]) for name in file}


def test_geocross(method):
    assert geodesic_cross(method["latent"]).item() == pytest.approx(method["geocross"].item(), rel=1e-5)


def test_steps_on_the_sphere(method):
    point = method["sphere_start"].clone().requires_grad_()
    optimiser, radius = torch.optim.Adam([point], lr=0.4), radius_of(point)
    for wanted in method["sphere_steps"]:
        optimiser.zero_grad()
        (point - method["sphere_target"]).square().mean().backward()
        optimiser.step()
        project_(point, radius)
        torch.testing.assert_close(point.detach(), wanted, atol=1e-5, rtol=1e-5)


def test_schedule(method):
    ours = [learning_rate_factor("linear1cycledrop", index, 100) for index in range(100)]
    np.testing.assert_allclose(ours, method["linear1cycledrop_100"], atol=1e-6)
    assert learning_rate_factor("fixed", 7, 100) == 1
    assert max(learning_rate_factor("linear1cycle", index, 100) for index in range(100)) == 1


def test_bicubic_is_the_engines_own(method):
    # PULSE mirrors the image at its edges, the engine repeats the edge: mirrored by hand, they agree.
    mirrored = torch.nn.functional.pad(method["bicubic_in"], (16, 16, 16, 16), mode="reflect")
    ours = Downsample(8, "bicubic")(mirrored)[..., 2:-2, 2:-2]
    torch.testing.assert_close(ours, method["bicubic_x8_out"], atol=1e-5, rtol=0)


def test_statistics_are_those_of_the_mapping_before_its_rectifier(make_generator):
    network = make_generator("skip")
    statistics = latent_statistics(network, samples=40_000)
    z = torch.randn(40_000, network.z_dim, generator=seeded(9))
    w = network.mapping(z)[:, 0]
    normal = statistics.from_w(w)
    assert normal.mean(dim=0).abs().max() < 5 / math.sqrt(40_000) * 2
    assert (normal.std(dim=0) - 1).abs().max() < 0.03
    torch.testing.assert_close(statistics.to_w(normal), w, atol=1e-5, rtol=1e-4)


def test_statistics_are_kept_beside_the_weights_until_the_network_changes(
    make_generator, tmp_path, monkeypatch
):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    network = make_generator("skip")
    beside = tmp_path / "face.safetensors"
    first = latent_statistics(network, 1000, beside)
    (kept,) = tmp_path.iterdir()
    assert kept.name == "face.safetensors.latents.npz"
    changed = kept.stat().st_mtime_ns
    assert torch.equal(latent_statistics(network, 1000, beside).mean, first.mean)
    assert kept.stat().st_mtime_ns == changed
    network.mapping_network.fc0.weight.data += 1
    assert not torch.equal(latent_statistics(network, 1000, beside).mean, first.mean)
    kept.write_bytes(b"broken")
    latent_statistics(network, 1000, beside)
    unwritable = tmp_path / "nowhere" / "face.pkl"
    latent_statistics(network, 1000, unwritable)
    # A folder that cannot be written: the user's cache keeps them.
    assert len(list((tmp_path / "cache" / "zeroshot" / "latents").iterdir())) == 1


def made_by(network, seed=5):
    z = torch.randn(1, network.z_dim, generator=seeded(seed))
    with torch.no_grad():
        return network.synthesis(network.mapping(z), "none").clamp(0, 1)


@pytest.mark.parametrize(
    "operator",
    [Downsample(4), Grayscale(), Mask(np.tri(16, dtype=bool)), Identity()],
    ids=lambda o: o.describe(),
)
def test_it_finds_an_image_that_the_damage_turns_into_the_measurement(tame, operator):
    truth = made_by(tame)
    problem = Problem(operator(truth), operator, sigma=0.0, task="restore")
    prior = Pulse(weights=tame, noise="none", statistics_samples=5000, iterations=80)
    run = prior.start(problem, seeded())
    first = run.step()
    for _ in range(79):
        last = run.step()
    assert problem.residual(last.image) < 0.5 * problem.residual(first.image)
    assert run.findings()["misfit"] == pytest.approx(problem.residual(last.image) ** 2, rel=0.7)


def test_latents_stay_on_their_spheres(tame):
    problem = Problem(Downsample(4)(made_by(tame)), Downsample(4), sigma=0.0)
    run = Pulse(weights=tame, statistics_samples=1000).start(problem, seeded())
    before = {name: tensor.detach().flatten(2).norm(dim=2) for name, tensor in run.tensors.items()}
    for _ in range(5):
        run.step()
    for name, tensor in run.tensors.items():
        torch.testing.assert_close(tensor.detach().flatten(2).norm(dim=2), before[name], rtol=1e-4, atol=1e-4)


def test_an_unreached_epsilon_is_said_and_the_best_image_returned(tame):
    small = uniform(1, 3, 4, 4, seed=1)
    settings = {"weights": tame, "epsilon": 1e-9, "iterations": 8, "statistics_samples": 1000}
    result = zeroshot.solve(small, "sr", "pulse", scale=4, settings=settings)
    assert "epsilon 1e-09 was not reached" in result.stopped_by
    assert not result.findings["epsilon_reached"]
    assert result.image.shape == (1, 3, 16, 16)


@pytest.mark.parametrize("epsilon", [0.05, pytest.param(1e-7, marks=pytest.mark.slow)])
def test_a_published_file_reaches_epsilon_or_it_is_said(shared, epsilon):
    network = load(shared / "oracles" / "generators" / "stylegan3t_32.pkl")
    truth = made_by(network)
    problem = Problem(Downsample(4)(truth), Downsample(4), sigma=0.0, task="sr")
    prior = Pulse(weights=network, noise="none", statistics_samples=2000, epsilon=epsilon, iterations=15)
    run = prior.start(problem, seeded())
    first = run.step()
    for _ in range(14):
        last = run.step()
    found = run.findings()
    assert found["epsilon_reached"] == (found["misfit"] <= epsilon)
    assert ("was reached" if found["epsilon_reached"] else "was not reached") in run.remark()
    # Below epsilon the latents come closer to each other instead, and the misfit may grow up to it.
    assert problem.residual(last.image) <= max(problem.residual(first.image), epsilon**0.5)
    assert found["epsilon_reached"] == (epsilon == 0.05)


def test_epsilon_as_a_stopping_rule(tame):
    truth = made_by(tame)
    small = Downsample(4)(truth)
    settings = {"weights": tame, "epsilon": 0.05, "stop": "epsilon", "statistics_samples": 1000}
    result = zeroshot.solve(small, "sr", "pulse", scale=4, settings=settings)
    assert result.iterations < 100
    assert "epsilon 0.05 was reached" in result.stopped_by
    assert result.findings["misfit"] <= 0.05


def test_several_solutions_give_the_best_and_their_spread(tame):
    small = Downsample(4)(made_by(tame))
    settings = {"weights": tame, "samples": 3, "iterations": 20, "statistics_samples": 1000}
    result = zeroshot.solve(small, "sr", "pulse", scale=4, settings=settings)
    assert set(result.maps) == {"deviation", "sample0", "sample1", "sample2"}
    assert result.maps["deviation"].max() > 0
    errors = result.findings["misfit_of_samples"]
    assert len(errors) == 3
    assert result.findings["misfit"] <= min(errors) * 1.5


def test_weights_can_be_a_file(tame, tmp_path):
    path = tmp_path / "small.safetensors"
    save(tame, path)
    small = Downsample(4)(made_by(tame))
    settings = {"weights": str(path), "iterations": 3, "statistics_samples": 1000}
    result = zeroshot.solve(small, "sr", "pulse", scale=4, settings=settings)
    latent = result.arrays["latent"]
    with torch.no_grad():
        noise = [result.arrays[f"noise{index}"][:1] for index in range(len(tame.noise_shapes))]
        again = tame.synthesis(latent[:1], noise).clamp(0, 1)
    torch.testing.assert_close(again, result.image, atol=1e-4, rtol=1e-3)
    assert "sha256" in result.provenance["settings"]["weights"]
    assert (tmp_path / "small.safetensors.latents.npz").exists()


def test_what_does_not_fit_is_refused_before_any_work(tame, photograph):
    with pytest.raises(ValueError, match=r"this prior needs weights=…"):
        zeroshot.solve(photograph, "denoise", "pulse", sigma=0.1)
    with pytest.raises(ValueError, match="makes images of 16 × 16, and this asks for 96 × 96"):
        zeroshot.solve(photograph, "denoise", "pulse", sigma=0.1, settings={"weights": tame})
    with pytest.raises(ValueError, match="needs a generator with a mapping network"):
        zeroshot.solve(
            photograph, "denoise", "pulse", sigma=0.1, settings={"weights": ProgressiveGAN(8, 4, [4, 4])}
        )
    with pytest.raises(ValueError, match="give the other file as mapping=…"):
        alone = StyleGAN(16, 8, 8, [4, 4, 4], [])
        zeroshot.solve(photograph, "denoise", "pulse", sigma=0.1, settings={"weights": alone})
    with pytest.raises(FileNotFoundError, match=r"no file faces\.pkl"):
        zeroshot.solve(photograph, "denoise", "pulse", sigma=0.1, settings={"weights": "faces.pkl"})
    grey = StyleGAN2(8, 8, 8, [4, 4], [8], channels=1)
    with pytest.raises(ValueError, match=r"images of 1 channel\(s\), and this asks for 3"):
        zeroshot.solve(photograph[..., :8, :8], "denoise", "pulse", sigma=0.1, settings={"weights": grey})
    for bad in ({"latent": "z"}, {"samples": 0}, {"learning_rate": 0}, {"epsilon": -1}, {"schedule": "up"}):
        with pytest.raises(ValueError, match="must be"):
            Pulse(**bad)


def test_grey_measurements_are_the_luma_of_the_generators_colours(tame):
    truth = made_by(tame)
    grey = Grayscale()(truth)
    settings = {"weights": tame, "iterations": 120, "noise": "none", "statistics_samples": 1000}
    result = zeroshot.solve(grey, "denoise", "pulse", sigma=0.01, settings=settings)
    assert result.image.shape == (1, 1, 16, 16)
    assert psnr(result.image, grey) > 12
