"""The decoder of a tiny autoencoder: its parts, and its file."""

from __future__ import annotations

import pytest
import torch

from tests.generators.small_generators import tiny_decoder
from zeroshot.generators import load, save
from zeroshot.metrics import psnr


@pytest.fixture
def small():
    return tiny_decoder()


def test_head_and_tail_make_the_synthesis_at_every_layer(small):
    z = torch.randn(2, *small.latent_shape(21, 32))
    whole = small.synthesis(z)
    assert whole.shape == (2, 3, 24, 32)
    for layer in range(small.num_layers + 1):
        torch.testing.assert_close(small.tail(small.head(z, layer), layer), whole)
        torch.testing.assert_close(small.tail(small.head(z, layer), layer, z), whole)
    with pytest.raises(ValueError, match=r"must be \(N, 4, h, w\), got \(2, 4\)"):
        small.synthesis(torch.zeros(2, 4))


def test_it_is_saved_and_read(small, tmp_path):
    save(small, tmp_path / "small.safetensors")
    z = torch.randn(1, 4, 3, 3)
    torch.testing.assert_close(load(tmp_path / "small.safetensors").synthesis(z), small.synthesis(z))


def test_the_published_decoder_undoes_the_published_encoder(published_generators, photograph):
    decoder = load(published_generators / "taef2_decoder.pth")
    encoder = torch.load(published_generators / "taef2_encoder.pth", weights_only=True)
    state = {name: tensor.float() for name, tensor in encoder.items()}
    decoded = decoder.synthesis(encoded(photograph, state)).clamp(0, 1)
    assert psnr(decoded, photograph) > 26


def encoded(x, state):
    """The encoder, literally: convolutions of stride 2 between residual blocks."""
    functional = torch.nn.functional

    def convolution(x, name, stride=1):
        return functional.conv2d(x, state[f"{name}.weight"], state.get(f"{name}.bias"), stride, padding=1)

    def block(x, place):
        if f"{place}.pool.0.weight" in state:
            branch = functional.conv2d(x, state[f"{place}.pool.0.weight"])
            branch = functional.group_norm(
                branch, 4, state[f"{place}.pool.1.weight"], state[f"{place}.pool.1.bias"]
            )
            x = x + functional.conv2d(branch.relu(), state[f"{place}.pool.3.weight"])
        inner = convolution(x, f"{place}.conv.0").relu()
        inner = convolution(inner, f"{place}.conv.2").relu()
        return (x + convolution(inner, f"{place}.conv.4")).relu()

    x = block(convolution(x, "0"), 1)
    for first in (2, 6, 10):
        x = convolution(x, str(first), stride=2)
        for place in range(first + 1, first + 4):
            x = block(x, place)
    return convolution(x, "14")
