"""Features as a data term, with random weights: its formula, gradients, left-out measurements."""

from __future__ import annotations

import pytest
import torch

import zeroshot
from tests.generators.random_vgg import random_vgg
from zeroshot.data_terms import Gaussian, Perceptual
from zeroshot.generators.vgg import FeatureExtractor
from zeroshot.operators import Identity
from zeroshot.priors.plug_and_play.pnp import PlugAndPlay
from zeroshot.priors.sparse.gsr import GroupSparseRepresentation


@pytest.fixture(scope="module")
def network() -> FeatureExtractor:
    return random_vgg()


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
