"""The decoder of a tiny autoencoder: its parts, its file, and photographs made of latents."""

from __future__ import annotations

import pytest
import torch

import zeroshot
from zeroshot.generators import TinyDecoder
from zeroshot.generators.checkpoints import load, save
from zeroshot.metrics import psnr
from zeroshot.priors.latent.decoder import LatentDecoder


@pytest.fixture
def small():
    with torch.random.fork_rng():
        torch.manual_seed(0)
        return TinyDecoder(4, 12, "pooled").eval().requires_grad_(False)


@pytest.fixture
def decoder(shared):
    return load(shared / "weights" / "generators" / "taef2_decoder.pth")


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


def test_the_published_decoder_undoes_the_published_encoder(decoder, shared, photograph):
    encoder = torch.load(shared / "weights" / "generators" / "taef2_encoder.pth", weights_only=True)
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


def test_a_photograph_is_restored_through_its_latent(decoder, photograph, shared):
    crop = photograph[..., 20:61, 20:72].contiguous()
    mask = zeroshot.noise.random_mask(tuple(crop.shape), 0.5, torch.Generator().manual_seed(0))
    settings = {"weights": decoder, "iterations": 60, "learning_rate": 0.3}
    result = zeroshot.solve(crop * mask, "inpaint", "latent", mask=mask, settings=settings)
    assert result.image.shape == crop.shape
    even = crop.mean(dim=(2, 3), keepdim=True).expand_as(crop)
    assert psnr(result.image, crop) > psnr(even, crop) + 1


def test_super_resolution_keeps_the_latent_small(small):
    problem = zeroshot.Problem(
        torch.zeros(1, 3, 4, 4), zeroshot.operators.Downsample(4), sigma=0.0, task="sr"
    )
    assert LatentDecoder.for_problem(problem, weights=small).distance > 0
    assert LatentDecoder.for_problem(problem, weights=small, distance=0.0).distance == 0


def test_a_resumed_run_goes_on_exactly(small, photograph):
    crop = photograph[..., :16, :16].contiguous()
    problem = zeroshot.Problem(crop, zeroshot.operators.Identity(), sigma=0.0)
    prior = LatentDecoder(weights=small)
    whole = prior.start(problem, torch.Generator())
    for _ in range(12):
        whole.step()
    continued = prior.start(problem, torch.Generator())
    continued.load_state_dict(whole.state_dict())
    for _ in range(3):
        assert torch.equal(whole.step().image, continued.step().image)


def test_what_does_not_fit_is_refused(make_generator, small, photograph):
    with pytest.raises(
        ValueError, match="needs an autoencoder's decoder; for a stylegan use 'mgan' or 'pulse'"
    ):
        zeroshot.solve(photograph, "denoise", LatentDecoder(weights=make_generator("style")))
    four = torch.rand(1, 4, 16, 16)
    problem = zeroshot.Problem(four, zeroshot.operators.Identity(), sigma=0.0)
    assert "images of 3 channels, and this asks for 4" in LatentDecoder(weights=small).supports(problem)
    for bad in ({"iterations": 0}, {"learning_rate": 0}, {"averaging": 1}, {"distance": -1}):
        with pytest.raises(ValueError, match="must be"):
            LatentDecoder(**bad)
