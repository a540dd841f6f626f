"""The hourglass against the plain transcription of the published one in ``benchmarks/dip/reference.py``."""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType

import pytest
import torch
from torch import nn

from tests.pictures import seeded, uniform
from zeroshot.priors.untrained.networks import Skip
from zeroshot.priors.untrained.networks.skip import Level


@pytest.fixture(scope="module")
def transcription() -> Iterator[ModuleType]:
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).resolve().parents[2])
        yield importlib.import_module("benchmarks.dip.reference")


def copy_stage(block: nn.Sequential, stage: nn.Sequential) -> None:
    (_, convolution), normalisation, _ = stage
    for mine, theirs in ((block[0], convolution), (block[1], normalisation)):
        mine.weight.data.copy_(theirs.weight)
        mine.bias.data.copy_(theirs.bias)


def copy_level(level: Level, modules: list[nn.Module]) -> None:
    across, normalisation, up, pointwise = modules
    deep = list(across.second)
    assert level.skip is not None
    assert level.pointwise is not None
    copy_stage(level.skip, across.first)
    copy_stage(level.down[0], deep[0])
    copy_stage(level.down[1], deep[1])
    copy_stage(level.up, up)
    copy_stage(level.pointwise, pointwise)
    level.normalise.weight.data.copy_(normalisation.weight)
    level.normalise.bias.data.copy_(normalisation.bias)
    if level.below is not None:
        copy_level(level.below, deep[2:6])


def test_the_same_weights_give_the_same_image_and_gradient(transcription: ModuleType) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        plain = transcription.plain_hourglass(32)
    mine = Skip(32, 3)
    mine.initialise(seeded(1))
    *modules, head = plain
    copy_level(mine.hourglass, modules)
    mine.head.weight.data.copy_(head.weight)
    mine.head.bias.data.copy_(head.bias)

    z = uniform(1, 32, 64, 96, seed=2)
    expected, image = torch.sigmoid(plain(z)), mine(z)
    assert torch.allclose(image, expected, atol=1e-6)
    expected.square().mean().backward()
    image.square().mean().backward()
    # The first convolution of the encoder: its gradient has come through every layer.
    gradient, wanted = mine.hourglass.down[0][0].weight.grad, modules[0].second[0][0][1].weight.grad
    assert torch.linalg.vector_norm(gradient - wanted) < 1e-3 * torch.linalg.vector_norm(wanted)


def test_the_initialisation_has_the_published_spread(transcription: ModuleType) -> None:
    with torch.random.fork_rng(devices=[]):
        torch.default_generator.manual_seed(0)
        plain = transcription.plain_hourglass(32)
    mine = Skip(32, 3)
    mine.initialise(seeded(1))

    def spreads(network: nn.Module) -> list[tuple[tuple[int, ...], float]]:
        kernels = [p for p in network.parameters() if p.ndim == 4 and p.numel() > 2000]
        return sorted((tuple(p.shape), round(float(p.detach().std()), 3)) for p in kernels)

    for (shape, mine_std), (other_shape, plain_std) in zip(spreads(mine), spreads(plain), strict=True):
        assert shape == other_shape
        assert mine_std == pytest.approx(plain_std, abs=2e-3)
