"""Features as a data term and as a target, with random weights: layers, files, gradients, inversion."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import zeroshot
from zeroshot.data_terms import Gaussian
from zeroshot.metrics import psnr
from zeroshot.operators import Identity
from zeroshot.perceptual import FeatureExtractor, FeatureMap, Perceptual, invert_features
from zeroshot.perceptual.vgg import layer_names
from zeroshot.priors.plug_and_play.pnp import PlugAndPlay
from zeroshot.priors.sparse.gsr import GroupSparseRepresentation


@pytest.fixture(scope="module")
def network() -> FeatureExtractor:
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return FeatureExtractor(16)


def published_like(depth: int, path):
    """A file as torchvision writes it: one chain `features` with rectifiers and pools, and a classifier."""
    plan = {16: [2, 2, 3, 3, 3], 19: [2, 2, 4, 4, 4]}[depth]
    chain, before = [], 3
    for count, width in zip(plan, (64, 128, 256, 512, 512), strict=True):
        for _ in range(count):
            chain += [nn.Conv2d(before, width, 3, padding=1), nn.ReLU()]
            before = width
        chain.append(nn.MaxPool2d(2))
    features = nn.Sequential(*chain)
    state = {f"features.{name}": tensor for name, tensor in features.state_dict().items()}
    torch.save({**state, "classifier.0.weight": torch.zeros(2, 2)}, path)
    return features


@pytest.mark.parametrize("depth", [16, 19])
def test_a_published_file_gives_the_published_chain(depth, tmp_path, photograph):
    path = tmp_path / "vgg.pth"
    chain = published_like(depth, path)
    network = FeatureExtractor.load(path)
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


def test_wrong_files_layers_and_sizes_are_told(network, tmp_path, photograph):
    with pytest.raises(FileNotFoundError, match="no file of weights"):
        FeatureExtractor.load(tmp_path / "none.pth")
    torch.save({"features.0.weight": torch.zeros(1)}, tmp_path / "small.pth")
    with pytest.raises(ValueError, match="no VGG16 or VGG19: 1 convolutions, wanted 13 or 16"):
        FeatureExtractor.load(tmp_path / "small.pth")
    (tmp_path / "text.pth").write_text("weights")
    with pytest.raises(ValueError, match=r"text\.pth is no file of tensors"):
        FeatureExtractor.load(tmp_path / "text.pth")
    with pytest.raises(ValueError, match=r"VGG16 has no layer 'relu9_9'; it has: conv1_1"):
        network(photograph, ("relu9_9",))
    with pytest.raises(ValueError, match="too small for relu4_1: 6 × 9, needs 8"):
        network(photograph[..., :6, :9], ("relu4_1",))
    with pytest.raises(ValueError, match="16 or 19, got 11"):
        FeatureExtractor(11)


def test_the_data_term_is_its_formula(network, photograph):
    other = photograph.flip(-1)
    term = Perceptual(network, ("relu1_2", "relu2_2"), pixels=0.3, features=0.7)
    parts = [
        0.5 * (one - two).square().mean()
        for one, two in zip(network(photograph, term.layers), network(other, term.layers), strict=True)
    ]
    wanted = 0.3 * Gaussian()(photograph, other) + 0.7 * sum(parts)
    torch.testing.assert_close(term(photograph, other), wanted)
    assert term(photograph, photograph) == 0
    torch.testing.assert_close(
        Perceptual(network, features=0.0)(photograph, other), Gaussian()(photograph, other)
    )


def test_measurements_left_out_do_not_count(network, photograph):
    weight = torch.ones_like(photograph)
    weight[..., :40, :] = 0
    changed = photograph.clone()
    changed[..., :40, :] = 0.9
    term = Perceptual(network, ("relu1_2",))
    assert term(changed, photograph, weight) == 0
    assert term(changed, photograph) > 0


def test_a_new_measurement_gets_its_own_features(network, photograph):
    term = Perceptual(network, ("relu1_2",))
    first = term(photograph, photograph.flip(-1))
    assert term(photograph, photograph.flip(-2)) != first
    torch.testing.assert_close(term(photograph, photograph.flip(-1)), first)


def test_gradients_lead_to_the_measurement(network, photograph):
    target = photograph[..., :32, :32].contiguous()
    image = torch.full_like(target, 0.5).requires_grad_()
    term = Perceptual(network, ("relu1_1",), pixels=0.0)
    optimiser = torch.optim.Adam([image], lr=0.03)
    first = term(image, target).item()
    for _ in range(60):
        optimiser.zero_grad()
        term(image, target).backward()
        optimiser.step()
    assert term(image, target).item() < 0.1 * first


def test_proximal_priors_refuse_it(network, photograph):
    problem = zeroshot.Problem(photograph, Identity(), Perceptual(network), sigma=0.1)
    for proximal in (PlugAndPlay(), GroupSparseRepresentation()):
        assert "a proximal map, and Perceptual has none" in proximal.supports(problem)
    assert (
        "needs a data term with a conjugate, and Perceptual has none"
        in zeroshot.TotalVariation().supports(problem)
    )
    with pytest.raises(NotImplementedError, match="no proximal map"):
        Perceptual(network).prox(photograph, photograph, 1.0)


def test_feature_inversion_approaches_the_features(network, photograph):
    crop = photograph[..., :32, :32].contiguous()
    settings = {"channels": 16, "scales": 3, "iterations": 40}
    result = invert_features(crop, network, "relu1_2", settings=settings)
    operator = FeatureMap(network, "relu1_2", 32, 32)
    wanted = operator(crop)
    grey = operator(operator.initial(wanted))
    restored = operator(result.image.float())
    assert (restored - wanted).square().mean() < 0.5 * (grey - wanted).square().mean()
    assert psnr(result.image, crop) > psnr(torch.full_like(crop, 0.5), crop)
    assert result.provenance["task"] == "invert-features"
    assert result.provenance["options"]["layer"] == "relu1_2"
    with pytest.raises(ValueError, match="cannot do this"):
        invert_features(crop, network, "relu1_2", prior="tv")
