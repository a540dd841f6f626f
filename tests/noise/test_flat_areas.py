"""The noise of what was measured is found beside borders and other fillings of one value."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.pictures import as_image, noisy_pixels, sample
from zeroshot.noise import add_gaussian, estimate_sigma, random_mask
from zeroshot.noise.constant import constant_areas

SIZE = 128


def framed(image: torch.Tensor, share: float, value: float, where: str) -> torch.Tensor:
    """The image with `share` of its pixels filled."""
    result = image.clone()
    height, width = image.shape[-2:]
    if where == "letterbox":
        rows = round(share * height / 2)
        result[..., :rows, :] = value
        result[..., height - rows :, :] = value
    elif where == "wedge":
        across = torch.arange(height)[:, None] / height + torch.arange(width) / width
        result[..., across < (2 * share) ** 0.5 if share <= 0.5 else across < 2 - (2 - 2 * share) ** 0.5] = (
            value
        )
    else:
        rows, columns = round(height * share**0.5), round(width * share**0.5)
        result[..., 5 : 5 + rows, 3 : 3 + columns] = value
    return result


@pytest.mark.parametrize("where", ["letterbox", "wedge", "block"])
@pytest.mark.parametrize(("share", "value"), [(0.06, 0.0), (0.25, 100 / 255), (0.5, 0.5), (0.7, 1.0)])
@pytest.mark.parametrize("sigma", [8, 25])
def test_a_filling_does_not_count(where: str, share: float, value: float, sigma: int) -> None:
    pixels = noisy_pixels(sample("camera")[100 : 100 + SIZE, 100 : 100 + SIZE], sigma)
    image = framed(as_image(pixels), share, value, where)
    assert 255 * estimate_sigma(image) == pytest.approx(sigma, rel=0.15)


@pytest.mark.parametrize("kind", ["colour", "16-bit", "float"])
def test_in_every_kind_of_image(kind: str, generator: torch.Generator) -> None:
    photograph = as_image(sample("astronaut")[:SIZE, 170 : 170 + SIZE])
    noisy = add_gaussian(photograph, 0.06, generator)
    if kind == "16-bit":
        noisy = noisy.clamp(0, 1).mul(65535).round() / 65535
    if kind == "colour":
        noisy = noisy.clamp(0, 1).mul(255).round() / 255
    colour = torch.tensor([0.2, 0.7, 0.4]).view(1, 3, 1, 1)
    noisy[..., :40, :] = colour
    assert estimate_sigma(noisy) == pytest.approx(0.06, rel=0.12)


def test_a_single_channel_may_be_filled(generator: torch.Generator) -> None:
    noisy = add_gaussian(as_image(sample("astronaut")[:SIZE, :SIZE]), 0.06, generator)
    noisy[:, 1, :, :60] = 0.5
    assert estimate_sigma(noisy) == pytest.approx(0.06, rel=0.15)
    noisy[:, 2] = 0
    assert estimate_sigma(noisy) == pytest.approx(0.06, rel=0.15)


def test_under_a_mask(generator: torch.Generator) -> None:
    noisy = add_gaussian(torch.full((1, 1, SIZE, SIZE), 0.5), 0.1, generator)
    noisy[..., :50, :] = 0.3
    for missing in (0.1, 0.5):
        mask = random_mask(noisy.shape, missing, generator)
        assert estimate_sigma(noisy * mask, mask) == pytest.approx(0.1, rel=0.15)


def test_the_repeated_edge_of_a_picture_does_not_count() -> None:
    pixels = noisy_pixels(sample("camera")[100 : 100 + SIZE, 100 : 100 + SIZE], 20)
    image = as_image(np.pad(pixels, 30, mode="edge"))
    assert estimate_sigma(image) == pytest.approx(estimate_sigma(as_image(pixels)), rel=0.05)


@pytest.mark.parametrize("name", ["page", "text", "horse", "logo"])
def test_a_clean_drawing_has_hardly_any_noise(name: str) -> None:
    pixels = sample(name)
    pixels = 255 * pixels if pixels.dtype == bool else pixels
    assert 255 * estimate_sigma(as_image(pixels)[:, :3]) < 1


@pytest.mark.parametrize(("name", "most"), [("grass", 6.0), ("gravel", 3.5), ("brick", 0.5), ("camera", 0.5)])
def test_clean_texture_is_not_all_noise(name: str, most: float) -> None:
    assert 255 * estimate_sigma(as_image(sample(name))) < most


def test_areas_are_those_of_one_value_and_holes_do_not_hide_them(generator: torch.Generator) -> None:
    image = torch.rand(2, 20, 30, generator=generator)
    image[0, 5:9, 4:20] = 0.25
    image[1, 12, 3:12] = 0.75
    known = torch.ones(20, 30, dtype=torch.bool)
    expected = torch.zeros(2, 20, 30, dtype=torch.bool)
    expected[0, 5:9, 4:20] = True
    expected[1, 12, 3:12] = True
    assert torch.equal(constant_areas(image, known), expected)
    known[6, ::4] = False
    assert torch.equal(constant_areas(image, known)[0, 5:9, 4:20] | ~known[5:9, 4:20], expected[0, 5:9, 4:20])
