"""Runs of Deep Image Prior whose networks are called as one make what each makes alone."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch

import zeroshot
from tests.pictures import seeded, uniform
from zeroshot.operators import Identity
from zeroshot.priors.untrained.deep_image_prior import DeepImagePrior
from zeroshot.priors.untrained.deep_image_run import DeepImageRun
from zeroshot.priors.untrained.networks import Decoder, Network, ResNet, Skip, UNet
from zeroshot.priors.untrained.networks.abreast import Abreast
from zeroshot.problem import Problem
from zeroshot.tiling import rounds

_SETTINGS: dict[str, Any] = {
    "channels": 8,
    "scales": 3,
    "iterations": 30,
    "precision": "float32",
    "guide": "none",
}


@pytest.fixture
def joining(monkeypatch: pytest.MonkeyPatch) -> None:
    """Runs may join on the CPU too."""
    monkeypatch.setattr(DeepImageRun, "joins_on", ("cpu",))


def _networks(kind: str) -> list[Network]:
    made: dict[str, Any] = {
        "skip": lambda: Skip(6, 3, down=(8, 12), up=(8, 12), skip=(4, 0)),
        "pooled": lambda: Skip(
            6, 1, down=(8, 8), up=(8, 8), skip=(2, 2), downsampling="max", padding="zeros"
        ),
        "unet": lambda: UNet(6, 3, channels=(8, 12)),
        "resnet": lambda: ResNet(6, 3, channels=8, blocks=2),
        "decoder": lambda: Decoder(6, 3, channels=(8, 8)),
    }
    networks = [made[kind]() for _ in range(3)]
    for seed, network in enumerate(networks):
        network.initialise(seeded(seed))
    return networks


@pytest.mark.parametrize("kind", ["skip", "pooled", "unet", "resnet", "decoder"])
def test_networks_abreast_make_the_images_and_gradients_of_each(kind: str) -> None:
    networks, alone = _networks(kind), _networks(kind)
    inputs = [uniform(1, 6, 8, 12, seed=seed) for seed in range(3)]
    weights = [uniform(*alone[0](inputs[0]).shape, seed=7 + place) for place in range(3)]
    for network, z, weight in zip(alone, inputs, weights, strict=True):
        (weight * network(z)).sum().backward()

    abreast = Abreast(networks)
    images = abreast(inputs)
    torch.stack(
        [(weight * image).sum() for weight, image in zip(weights, images, strict=True)]
    ).sum().backward()
    abreast.give_gradients()
    for network, own, z, image in zip(networks, alone, inputs, images, strict=True):
        assert torch.allclose(image, own(z), atol=1e-5)
        # The network sees what the common one sees.
        assert torch.allclose(network(z), image, atol=1e-5)
        for name, parameter in own.named_parameters():
            got = network.get_parameter(name).grad
            assert got is not None
            assert parameter.grad is not None
            assert torch.allclose(got, parameter.grad, atol=2e-4, rtol=1e-3), name


def test_an_update_of_one_network_reaches_the_common_weights() -> None:
    networks = _networks("skip")
    abreast, z = Abreast(networks), uniform(1, 6, 8, 12)
    before = [image.clone() for image in abreast([z, z, z])]
    with torch.no_grad():
        networks[1].get_parameter("head.weight").add_(0.5)
    changed = [not torch.equal(one, other) for one, other in zip(before, abreast([z, z, z]), strict=True)]
    assert changed == [False, True, False]


def _runs(count: int = 3, **settings: Any) -> list[DeepImageRun]:
    runs = []
    for seed in range(count):
        problem = Problem(uniform(1, 3, 24, 32, seed=seed), Identity(), sigma=0.1)
        run = DeepImagePrior(**{**_SETTINGS, **settings}).begin(problem, seeded(seed))
        assert isinstance(run, DeepImageRun)
        runs.append(run)
    return runs


@pytest.mark.parametrize("optimiser", ["adam", "muon"])
def test_joined_runs_take_the_steps_that_each_takes_alone(joining: None, optimiser: str) -> None:
    joined, alone = _runs(optimiser=optimiser), _runs(optimiser=optimiser)
    for step in range(3):
        assert joined[0].join(joined[1:])
        for one, other in zip(joined, alone, strict=True):
            got, expected = one.step(), other.step()
            assert got.iteration == expected.iteration == step + 1
            assert got.loss == pytest.approx(expected.loss, rel=1e-3)
            assert torch.allclose(got.image, expected.image, atol=5e-3)


def test_a_run_that_is_set_back_leaves_and_joins_again(joining: None) -> None:
    runs = _runs()
    assert runs[0].join(runs[1:])
    joint = runs[0]._joint
    for run in runs:
        run.step()
    assert runs[0].join(runs[1:])
    assert runs[0]._joint is joint
    runs[1].load_state_dict(runs[1].state_dict())
    assert runs[1]._joint is None
    runs[1].step()
    assert runs[0].join(runs[1:])
    assert runs[0]._joint is not joint
    assert all(run._joint is runs[0]._joint for run in runs)
    runs[0].leave()
    assert runs[0]._joint is None
    assert runs[0].step().iteration == 2


def test_runs_of_other_networks_or_devices_do_not_join(
    joining: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    first, second = _runs(2)
    (other,) = _runs(1, channels=12)
    assert not first.join([other])
    assert first.join([second])
    for run in (first, second):
        run.leave()
    monkeypatch.setattr(DeepImageRun, "joins_on", ("cuda",))
    assert not first.join([second])


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA GPU")
def test_joined_runs_are_recorded_on_a_gpu_and_learn_what_they_learn_alone() -> None:
    def losses(together: bool) -> list[float]:
        problem = Problem(uniform(1, 3, 64, 64), Identity(), sigma=0.1).to(torch.device("cuda"))
        prior = DeepImagePrior(**_SETTINGS)
        runs = [prior.begin(problem, seeded(seed)) for seed in range(3)]
        for _ in range(40):
            if together:
                assert runs[0].join(runs[1:])
            last = [run.step().loss for run in runs]
        first = runs[0]
        assert isinstance(first, DeepImageRun)
        assert first._joint is None or first._joint.is_recorded
        return last

    assert losses(True) == pytest.approx(losses(False), rel=0.1)


@pytest.fixture
def calls(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many networks each joint call is of."""
    made: list[int] = []
    called = Abreast.__call__
    monkeypatch.setattr(Abreast, "__call__", lambda self, z: made.append(len(z)) or called(self, z))
    return made


@pytest.fixture
def picture() -> np.ndarray:
    ramp = np.linspace(0.2, 0.8, 72, dtype=np.float32)
    noise = np.random.default_rng(0).normal(0, 0.1, (48, 72)).astype(np.float32)
    return np.clip(ramp + noise, 0, 1)


def _errors(image: np.ndarray) -> float:
    return float(np.abs(image - np.linspace(0.2, 0.8, 72, dtype=np.float32)).mean())


def test_samples_by_one_call_are_as_good(
    joining: None, picture: np.ndarray, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    job: dict[str, Any] = {"sigma": 0.1, "settings": _SETTINGS | {"iterations": 16}, "samples": 3}
    together = zeroshot.solve(picture, "denoise", "dip", **job)
    assert set(calls) == {3}
    assert len(calls) >= rounds._TIMED
    monkeypatch.setattr(DeepImageRun, "joins_on", ())
    apart = zeroshot.solve(picture, "denoise", "dip", **job)
    assert _errors(together.image) == pytest.approx(_errors(apart.image), rel=0.15)


def test_tiles_at_hand_together_make_the_same_picture(
    joining: None, picture: np.ndarray, calls: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    job: dict[str, Any] = {"sigma": 0.1, "settings": _SETTINGS | {"iterations": 16}, "tile": 32, "overlap": 8}
    together = zeroshot.solve(picture, "denoise", "dip", **job)
    assert max(calls) > 2
    monkeypatch.setattr(DeepImageRun, "joins_on", ())
    apart = zeroshot.solve(picture, "denoise", "dip", **job)
    assert _errors(together.image) == pytest.approx(_errors(apart.image), rel=0.15)
    assert together.iterations == apart.iterations
