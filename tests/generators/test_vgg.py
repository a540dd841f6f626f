"""The feature network, with random weights: published state dicts, layers, what is refused."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from tests.generators.random_vgg import random_vgg
from zeroshot.generators.vgg import FeatureExtractor, layer_names


@pytest.fixture(scope="module")
def network() -> FeatureExtractor:
    return random_vgg()


def published_like(depth: int) -> tuple[nn.Sequential, dict[str, torch.Tensor]]:
    """A network as torchvision's, and its state dict: one chain `features`, and a classifier."""
    plan = {16: [2, 2, 3, 3, 3], 19: [2, 2, 4, 4, 4]}[depth]
    chain, before = [], 3
    for count, width in zip(plan, (64, 128, 256, 512, 512), strict=True):
        for _ in range(count):
            chain += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            before = width
        chain.append(nn.MaxPool2d(2))
    features = nn.Sequential(*chain)
    state = {f"features.{name}": tensor for name, tensor in features.state_dict().items()}
    return features, {**state, "classifier.0.weight": torch.zeros(2, 2)}


@pytest.mark.parametrize("depth", [16, 19])
def test_published_weights_give_the_published_chain(depth, photograph):
    chain, state = published_like(depth)
    before = torch.get_rng_state()
    network = FeatureExtractor.from_state_dict(state)
    assert torch.equal(torch.get_rng_state(), before)
    assert not any(one.is_meta or one.requires_grad for one in (*network.parameters(), *network.buffers()))
    assert network.depth == depth
    x = (photograph - network.mean) / network.deviation
    for index in (0, 1, 4, 9, len(chain) - 1):
        wanted = x
        for layer in chain[: index + 1]:
            wanted = layer(wanted)
        torch.testing.assert_close(network(photograph, (network.names[index],))[0], wanted)


def test_layers_come_in_the_order_asked_for_and_are_not_changed_by_later_ones(network, photograph):
    names = ("relu2_2", "conv1_1", "relu1_1")
    several = network(photograph, names)
    for name, one in zip(names, several, strict=True):
        assert torch.equal(one, network(photograph, (name,))[0])
    assert several[1].min() < 0
    assert layer_names(16)[:6] == ["conv1_1", "relu1_1", "conv1_2", "relu1_2", "pool1", "conv2_1"]


def test_wrong_weights_layers_and_sizes_are_told(network, photograph):
    with pytest.raises(ValueError, match="the state dict holds no VGG16 or VGG19: 1 convolutions, wanted 13"):
        FeatureExtractor.from_state_dict({"features.0.weight": torch.zeros(1)})
    state = {**network.state_dict(), "features.2.bias": torch.zeros(3)}
    with pytest.raises(
        ValueError, match=r"vgg\.pth: features\.2\.bias should have the shape \(64,\), got \(3,\)"
    ):
        FeatureExtractor.from_state_dict(state, "vgg.pth")
    del state["features.2.bias"]
    with pytest.raises(ValueError, match=r"features\.2\.bias should have the shape \(64,\), got nothing"):
        FeatureExtractor.from_state_dict(state)
    with pytest.raises(ValueError, match=r"VGG16 has no layer 'relu9_9'; it has: conv1_1"):
        network(photograph, ("relu9_9",))
    with pytest.raises(ValueError, match="too small for relu4_1: 6 × 9, needs 8"):
        network(photograph[..., :6, :9], ("relu4_1",))
    with pytest.raises(ValueError, match="16 or 19, got 11"):
        FeatureExtractor(11)
