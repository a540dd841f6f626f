"""Grain and enlarged noise are told from white noise and from texture."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter, zoom

from tests.pictures import as_image, noisy_pixels, sample
from zeroshot.noise import correlated_noise

PICTURES = {
    "camera": lambda: sample("camera")[100:292, 100:292],
    "astronaut": lambda: sample("astronaut")[:192, 150:342],
    "coins": lambda: sample("coins")[:192, :192],
}


def grain(shape: tuple[int, ...], level: float, blur: float) -> np.ndarray:
    noise = np.random.default_rng(0).normal(0, 1, shape)
    noise = gaussian_filter(noise, (blur, blur) + (0,) * (len(shape) - 2))
    return level * noise / noise.std()


def damaged(pixels: np.ndarray, noise: np.ndarray) -> torch.Tensor:
    return as_image(np.clip(np.round(pixels + noise), 0, 255).astype(np.uint8))[0]


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize(("level", "blur"), [(12, 0.6), (8, 1.0), (15, 1.5)])
def test_grain_is_correlated(name: str, level: float, blur: float) -> None:
    pixels = PICTURES[name]()
    found = correlated_noise(damaged(pixels, grain(pixels.shape, level, blur)))
    assert found is not None
    assert found.coarse > 1.8 * found.fine
    assert 255 * found.coarse > level


@pytest.mark.parametrize("factor", [1.5, 2, 3])
def test_enlarged_noise_is_correlated(factor: float) -> None:
    pixels = PICTURES["camera"]()
    small = np.random.default_rng(0).normal(0, 20, [int(side / factor) + 2 for side in pixels.shape])
    noise = zoom(small, factor, order=1)[: pixels.shape[0], : pixels.shape[1]]
    assert correlated_noise(damaged(pixels, noise)) is not None


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("sigma", [0, 5, 25, 50])
def test_white_noise_and_clean_photographs_are_not(name: str, sigma: float) -> None:
    image = as_image(noisy_pixels(PICTURES[name](), sigma))[0]
    assert correlated_noise(image) is None


@pytest.mark.parametrize("name", ["grass", "gravel", "brick", "page", "text", "moon"])
def test_textures_and_drawings_are_not(name: str) -> None:
    image = as_image(sample(name))[0]
    assert correlated_noise(image) is None


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 7, 40), (1, 40, 12)])
def test_small_images_tell_nothing(shape: tuple[int, ...]) -> None:
    image = torch.rand(shape, generator=torch.Generator().manual_seed(0))
    assert correlated_noise(image) is None
