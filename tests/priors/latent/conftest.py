"""Small generators for the tests of the latent priors."""

from __future__ import annotations

import pytest

from tests.generators.small_generators import build


@pytest.fixture
def make_generator():
    return build


@pytest.fixture
def tame():
    """A small StyleGAN whose images lie within [0, 1]."""
    network = build("style")
    network.output.weight.data *= 0.15
    network.output.bias.data.zero_()
    return network
