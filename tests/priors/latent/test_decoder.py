"""Photographs made of the latents of an autoencoder's decoder."""

from __future__ import annotations

import pytest
import torch

import zeroshot
from tests.generators.small_generators import tiny_decoder
from zeroshot.generators import load
from zeroshot.metrics import psnr
from zeroshot.priors.latent.decoder import LatentDecoder


@pytest.fixture
def small():
    return tiny_decoder()


def test_a_photograph_is_restored_through_its_latent(published_generators, photograph):
    decoder = load(published_generators / "taef2_decoder.pth")
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
