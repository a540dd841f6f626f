"""Noise levels are found on photographs, small images, mosaics and images with holes; noise is as asked."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from tests.pictures import as_image, read, sample, with_noise
from zeroshot.noise import (
    add_gaussian,
    add_poisson,
    add_salt_and_pepper,
    estimate_sigma,
    phase_planes,
    random_mask,
)


@pytest.mark.parametrize(
    ("name", "sigma"),
    [
        *(("set12", sigma) for sigma in (5, 50)),
        *(pytest.param("set12", sigma, marks=pytest.mark.slow) for sigma in (15, 25)),
        *(pytest.param("colour9", sigma, marks=pytest.mark.slow) for sigma in (5, 50)),
    ],
)
def test_mean_error_on_photographs_is_below_half_a_grey_level(
    shared: Path, generator: torch.Generator, name: str, sigma: float
) -> None:
    errors = []
    for path in sorted((shared / "data" / name).glob("*.png")):
        noisy = add_gaussian(read(path), sigma / 255, generator)
        errors.append(abs(255 * estimate_sigma(noisy) - sigma))
    assert np.mean(errors) < 0.5


def test_pure_noise_is_found_exactly(generator: torch.Generator) -> None:
    noise = add_gaussian(torch.full((1, 1, 256, 256), 0.5), 0.1, generator)
    assert estimate_sigma(noise) == pytest.approx(0.1, rel=0.02)


def test_a_constant_image_has_no_noise() -> None:
    assert estimate_sigma(torch.full((1, 3, 64, 64), 0.3)) == 0


def test_a_linear_ramp_has_no_noise() -> None:
    ramp = torch.linspace(0, 1, 64).expand(1, 1, 64, 64)
    assert estimate_sigma(ramp) < 1e-4


def test_clipped_noise_is_measured_away_from_black_and_white(generator: torch.Generator) -> None:
    image = torch.zeros(1, 1, 256, 256)
    image[..., 128:] = 0.5
    noisy = add_gaussian(image, 0.1, generator).clamp(0, 1)
    assert estimate_sigma(noisy) == pytest.approx(0.1, rel=0.05)


def through_jpeg(image: torch.Tensor, subsampling: int) -> torch.Tensor:
    pixels = image[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
    stored = Image.fromarray(pixels[..., 0] if pixels.shape[2] == 1 else pixels)
    buffer = io.BytesIO()
    stored.save(buffer, "JPEG", quality=92, subsampling=subsampling)
    return read(buffer)


@pytest.mark.parametrize("channels", [1, 3])
def test_noise_survives_a_jpeg_with_subsampled_chroma(generator: torch.Generator, channels: int) -> None:
    image = as_image(sample("astronaut")[:256, :256])
    noisy = add_gaussian(image[:, :channels], 25 / 255, generator)
    assert 12 < 255 * estimate_sigma(through_jpeg(noisy, subsampling=2)) < 27


def test_noise_survives_a_jpeg_with_full_chroma(generator: torch.Generator) -> None:
    noisy = add_gaussian(torch.full((1, 3, 192, 192), 0.5), 25 / 255, generator)
    assert 255 * estimate_sigma(through_jpeg(noisy, subsampling=0)) == pytest.approx(25, abs=2)


def test_noise_that_is_the_same_in_all_channels_is_found(generator: torch.Generator) -> None:
    grey = add_gaussian(torch.full((1, 1, 192, 192), 0.5), 0.1, generator)
    assert estimate_sigma(grey.expand(-1, 3, -1, -1)) == pytest.approx(0.1, rel=0.03)


def test_it_scales_with_the_image(photograph: torch.Tensor, generator: torch.Generator) -> None:
    noisy = add_gaussian(photograph, 0.1, generator)
    assert estimate_sigma(0.25 * noisy) == pytest.approx(0.25 * estimate_sigma(noisy), rel=1e-3)


def test_it_gives_the_same_twice(photograph: torch.Tensor, generator: torch.Generator) -> None:
    noisy = add_gaussian(photograph, 0.1, generator)
    assert estimate_sigma(noisy) == estimate_sigma(noisy)


def test_a_batch_gives_the_mean_of_its_images(generator: torch.Generator) -> None:
    grey = torch.full((1, 1, 64, 64), 0.5)
    images = [add_gaussian(grey, sigma, generator) for sigma in (0.05, 0.2)]
    expected = sum(estimate_sigma(image) for image in images) / 2
    assert estimate_sigma(torch.cat(images)) == pytest.approx(expected)


@pytest.mark.parametrize("size", [(8, 8), (3, 3), (2, 5), (1, 9), (1, 1)])
@pytest.mark.parametrize("channels", [1, 3])
def test_small_images_give_a_finite_level(
    generator: torch.Generator, size: tuple[int, int], channels: int
) -> None:
    noisy = add_gaussian(torch.full((1, channels, *size), 0.5), 0.1, generator)
    assert 0 <= estimate_sigma(noisy) < 0.5


def test_an_image_of_8_by_8_is_within_half_of_the_truth(generator: torch.Generator) -> None:
    noisy = add_gaussian(torch.full((50, 1, 8, 8), 0.5), 0.1, generator)
    assert estimate_sigma(noisy) == pytest.approx(0.1, rel=0.5)


@pytest.mark.parametrize("missing", [0.1, 0.5, 0.8])
def test_with_random_holes_pure_noise_is_found(generator: torch.Generator, missing: float) -> None:
    noisy = add_gaussian(torch.full((1, 1, 256, 256), 0.5), 0.1, generator)
    mask = random_mask(noisy.shape, missing, generator)
    assert estimate_sigma(noisy * mask, mask) == pytest.approx(0.1, rel=0.15)


@pytest.mark.parametrize("missing", [0.1, 0.5])
def test_with_random_holes_a_photograph_is_within_three_levels(
    shared: Path, generator: torch.Generator, missing: float
) -> None:
    noisy = add_gaussian(read(shared / "data" / "set12" / "lena.png"), 15 / 255, generator)
    mask = random_mask(noisy.shape, missing, generator)
    assert 255 * estimate_sigma(noisy * mask, mask) == pytest.approx(15, abs=3)


def test_what_stands_in_the_holes_does_not_matter(generator: torch.Generator) -> None:
    noisy = add_gaussian(torch.full((1, 3, 64, 64), 0.5), 0.1, generator)
    mask = random_mask(noisy.shape, 0.5, generator)
    filled = noisy.masked_fill(mask == 0, float("nan"))
    assert estimate_sigma(filled, mask) == pytest.approx(estimate_sigma(noisy * mask, mask))


def test_a_full_mask_is_no_mask(photograph: torch.Tensor, generator: torch.Generator) -> None:
    noisy = add_gaussian(photograph, 0.1, generator)
    assert estimate_sigma(noisy, torch.ones(1, 1, 96, 96)) == estimate_sigma(noisy)


def test_an_empty_mask_gives_zero(photograph: torch.Tensor) -> None:
    assert estimate_sigma(photograph, torch.zeros(1, 1, 96, 96)) == 0


def test_a_mask_that_does_not_fit_is_named(photograph: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"mask of shape \(1, 1, 95, 96\) .* \(1, 3, 96, 96\)"):
        estimate_sigma(photograph, torch.ones(1, 1, 95, 96))


def test_an_image_without_a_batch_is_refused(photograph: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"\(N, C, H, W\), got shape \(3, 96, 96\)"):
        estimate_sigma(photograph[0])


def test_the_noise_of_a_bayer_mosaic_is_found_in_its_planes(generator: torch.Generator) -> None:
    colours = torch.tensor([[0.2, 0.6], [0.6, 0.4]]).tile(128, 128)[None, None]
    raw = add_gaussian(colours, 0.05, generator)
    assert estimate_sigma(phase_planes(raw, 2)) == pytest.approx(0.05, rel=0.05)


def test_phase_planes_take_every_second_pixel() -> None:
    raw = torch.arange(2 * 6 * 9.0).reshape(2, 1, 6, 9)
    planes = phase_planes(raw, 2)
    for image in range(2):
        for row in range(2):
            for column in range(2):
                plane = planes[4 * image + 2 * row + column, 0]
                assert torch.equal(plane, raw[image, 0, row:6:2, column:8:2])


def test_phase_planes_refuse_colour_images(photograph: torch.Tensor) -> None:
    with pytest.raises(ValueError, match=r"\(N, 1, H, W\), got \(1, 3, 96, 96\)"):
        phase_planes(photograph, 2)


def test_phase_planes_refuse_images_smaller_than_the_pattern() -> None:
    with pytest.raises(ValueError, match="period 6 must be at least that large"):
        phase_planes(torch.zeros(1, 1, 4, 12), 6)


def test_gaussian_noise_has_the_asked_deviation_and_no_bias(generator: torch.Generator) -> None:
    noise = add_gaussian(torch.zeros(1, 1, 512, 512), 0.2, generator)
    assert float(noise.std()) == pytest.approx(0.2, rel=0.01)
    assert float(noise.mean()) == pytest.approx(0, abs=0.002)


def test_poisson_noise_has_the_variance_of_its_mean(generator: torch.Generator) -> None:
    noisy = add_poisson(torch.full((1, 1, 512, 512), 0.5), 30, generator)
    assert float(noisy.mean()) == pytest.approx(0.5, rel=0.01)
    assert float(noisy.var()) == pytest.approx(0.5 / 30, rel=0.02)


def test_salt_and_pepper_hits_the_asked_fraction_half_and_half(generator: torch.Generator) -> None:
    noisy = add_salt_and_pepper(torch.full((1, 3, 512, 512), 0.5), 0.1, generator)
    assert float((noisy == 0).float().mean()) == pytest.approx(0.05, abs=0.003)
    assert float((noisy == 1).float().mean()) == pytest.approx(0.05, abs=0.003)


def test_salt_and_pepper_hits_all_channels_of_a_pixel(generator: torch.Generator) -> None:
    hit = add_salt_and_pepper(torch.full((1, 3, 64, 64), 0.5), 0.3, generator) != 0.5
    assert torch.equal(hit.any(dim=1), hit.all(dim=1))


@pytest.mark.parametrize("fraction", [0.0, 0.5, 1.0])
def test_a_random_mask_misses_exactly_the_asked_fraction(generator: torch.Generator, fraction: float) -> None:
    mask = random_mask((2, 3, 32, 48), fraction, generator)
    assert mask.shape == (2, 1, 32, 48)
    assert float(1 - mask.mean()) == fraction


def test_a_random_mask_of_height_and_width(generator: torch.Generator) -> None:
    assert random_mask((5, 7), 0.5, generator).shape == (1, 1, 5, 7)


def test_the_same_seed_makes_the_same_noise(photograph: torch.Tensor) -> None:
    first, second = (with_noise(photograph, 0.1, 3) for _ in range(2))
    assert torch.equal(first, second)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda x, g: add_gaussian(x, -1, g), "sigma must be a number of at least 0, got -1"),
        (lambda x, g: add_poisson(x, 0, g), "peak must be a positive number of photons, got 0"),
        (lambda x, g: add_salt_and_pepper(x, 1.5, g), "fraction must be a number from 0 to 1, got 1.5"),
        (
            lambda x, g: random_mask(x.shape, -0.1, g),
            "fraction_missing must be a number from 0 to 1, got -0.1",
        ),
        (lambda x, g: random_mask((3,), 0.1, g), r"shape must be \(N, C, H, W\) or \(H, W\), got \(3,\)"),
    ],
)
def test_impossible_noise_is_refused(photograph, generator, make, message) -> None:
    with pytest.raises(ValueError, match=message):
        make(photograph, generator)
