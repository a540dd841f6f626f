"""The noise of one image is found: its level, its spectrum, its dependence on the intensity; texture is none."""

from __future__ import annotations

import functools
import itertools
import math
from pathlib import Path

import pytest
import torch
from torch.nn import functional

from tests.pictures import as_image, grey, read, sample, seeded
from zeroshot.colour import AXES
from zeroshot.noise import (
    NoiseModel,
    add_poisson,
    add_salt_and_pepper,
    estimate_noise,
    estimate_sigma,
    phase_planes,
)
from zeroshot.noise.block_spectrum import block_kernel, spectrum_of
from zeroshot.noise.class_levels import photon_line
from zeroshot.noise.flat_blocks import MAX_BLOCKS, ORDERS, SIZE, blocks_of
from zeroshot.noise.spectrum import band_mean, smoothed_by
from zeroshot.patches.cosine import cosine_matrix

MIDDLE = (ORDERS >= 3) & (ORDERS <= 7)


@functools.cache
def picture(name: str, size: int = 256) -> torch.Tensor:
    image = as_image(sample(name))
    top, left = (image.shape[-2] - size) // 2, (image.shape[-1] - size) // 2
    return image[..., top : top + size, left : left + size]


def kernel(width: float) -> torch.Tensor:
    taps = torch.exp(-torch.arange(-4.0, 5.0).square() / (2 * width**2))
    return taps / taps.sum()


def smoothed(noise: torch.Tensor, width: float) -> torch.Tensor:
    taps, channels = kernel(width), noise.shape[1]
    weights = (taps[:, None] * taps).expand(channels, 1, -1, -1)
    return functional.conv2d(functional.pad(noise, (4, 4, 4, 4), mode="circular"), weights, groups=channels)


def white(x: torch.Tensor, sigma: float) -> torch.Tensor:
    return sigma / 255 * torch.randn(x.shape, generator=seeded(1))


def eight_bits(y: torch.Tensor) -> torch.Tensor:
    return (y.clamp(0, 1) * 255).round() / 255


def camera_noise(x: torch.Tensor, level: float) -> torch.Tensor:
    """Noise of a photograph: brightness smoothed a little, colours much."""
    drawn = torch.randn(x.shape, generator=seeded(2))
    planes = torch.cat([smoothed(drawn[:, :1], 0.7), 2 * smoothed(drawn[:, 1:], 1.6)], dim=1)
    noise = torch.einsum("kc,nkhw->nchw", torch.tensor(AXES), planes)
    return noise * level / 255 / noise.std()


def deviations(noise: torch.Tensor) -> torch.Tensor:
    """The standard deviations of the coefficients of 8 × 8 blocks, (C, 64)."""
    transform = cosine_matrix(SIZE).float()
    blocks = noise[0].unfold(1, SIZE, 3).unfold(2, SIZE, 3)
    return (transform @ blocks @ transform.T).flatten(3).flatten(1, 2).square().mean(dim=1).sqrt()


def of_model(model: NoiseModel, y: torch.Tensor) -> torch.Tensor:
    """The same that a model expects, at its mean variance over the image."""
    variance = float(model.level(y).square().mean())
    stationary = NoiseModel((0.0,), ((variance,),), model.axes, model.powers, model.spectra)
    if y.shape[1] == 3:
        stationary = stationary.rotated(torch.tensor(AXES))
    return stationary.block_variances(cosine_matrix(SIZE)).sqrt().float()


# --- white noise ---


#: Level, picture, whether clipped: each level by default with one picture.
QUICK = {(5, "camera", True), (15, "coins", False), (25, "coins", False), (50, "camera", True)}


@pytest.mark.parametrize(
    ("sigma", "name", "clipped"),
    [
        pytest.param(*case, marks=() if case in QUICK else pytest.mark.slow)
        for case in itertools.product((5, 15, 25, 50), ("camera", "coins"), (True, False))
    ],
)
def test_white_noise_is_the_level_that_estimate_sigma_finds(sigma: float, name: str, clipped: bool) -> None:
    x = picture(name)
    y = x + white(x, sigma)
    y = eight_bits(y) if clipped else y
    model = estimate_noise(y)
    assert model.is_white
    assert model.sigma == pytest.approx(estimate_sigma(y), rel=1e-9)


@pytest.mark.parametrize("sigma", [5, pytest.param(25, marks=pytest.mark.slow), 50])
def test_white_noise_in_colour_is_white(sigma: float) -> None:
    y = eight_bits(picture("astronaut", 192) + white(picture("astronaut", 192), sigma))
    model = estimate_noise(y)
    assert model.is_white
    assert model.sigma == pytest.approx(estimate_sigma(y), rel=1e-9)


@pytest.mark.parametrize("name", ["house", pytest.param("peppers", marks=pytest.mark.slow)])
def test_texture_does_not_make_weak_white_noise_depend_on_the_intensity(shared: Path, name: str) -> None:
    x = read(shared / "data" / "colour9" / f"{name}.png")[..., :192, :192]
    assert estimate_noise(eight_bits(x + white(x, 5))).is_white


# --- correlated noise ---


@pytest.mark.parametrize(
    ("name", "width"),
    [
        ("camera", 0.6),
        ("moon", 1.0),
        *(pytest.param(*other, marks=pytest.mark.slow) for other in (("camera", 1.0), ("moon", 0.6))),
    ],
)
def test_smoothed_noise_has_its_level_and_spectrum(name: str, width: float) -> None:
    x = picture(name)
    noise = smoothed(white(x, 25), width)
    y = eight_bits(x + noise)
    model = estimate_noise(y)
    assert model.spectra is not None
    assert not model.is_white
    ratio = of_model(model, y)[:, MIDDLE] / deviations(noise)[:, MIDDLE]
    assert 0.8 < float(ratio.median()) < 1.25
    assert model.level(y).square().mean().sqrt() == pytest.approx(float(noise.std()), rel=0.2)
    assert estimate_sigma(y) < 0.75 * float(noise.std())


def test_noise_of_cameras_is_found_in_brightness_and_in_colour() -> None:
    x = picture("astronaut")
    noise = camera_noise(x, 10)
    y = eight_bits(x + noise)
    model = estimate_noise(y)
    assert model.spectra is not None
    assert model.confidence > 0.6
    planes = torch.einsum("kc,nchw->nkhw", torch.tensor(AXES), noise)
    found, true = of_model(model, y), deviations(planes)
    assert 0.75 < float((found[0, MIDDLE] / true[0, MIDDLE]).median()) < 1.3
    low = (ORDERS >= 1) & (ORDERS <= 3)
    for plane in (1, 2):
        assert 0.7 < float((found[plane, low] / true[plane, low]).median()) < 1.4


def test_the_estimate_is_better_than_that_of_white_noise() -> None:
    x = picture("moon")
    noise = smoothed(white(x, 25), 1.0)
    y = eight_bits(x + noise)
    true = deviations(noise)[0, ORDERS >= 1].log()
    found = of_model(estimate_noise(y), y)[0, ORDERS >= 1].log()
    assert (found - true).abs().mean() < 0.4 * (math.log(estimate_sigma(y)) - true).abs().mean()


# --- noise that depends on the intensity ---


@pytest.mark.parametrize("peak", [30, 100])
def test_photons_have_their_line(peak: float) -> None:
    x = 0.05 + 0.85 * grey(picture("astronaut"))
    y = eight_bits(add_poisson(x, peak, seeded(4)))
    model = estimate_noise(y)
    assert model.spectra is None
    assert model.intensities == (0.0, 1.0)
    for value in (0.2, 0.5, 0.8):
        level = float(model.level(torch.full((1, 1, 1, 1), value)))
        assert level == pytest.approx(math.sqrt(value / peak), rel=0.15)


def test_mosaics_are_measured_site_by_site() -> None:
    x = 0.05 + 0.85 * grey(as_image(sample("astronaut")))
    y = add_poisson(x, 100, seeded(4))
    model = estimate_noise(phase_planes(y, 2))
    assert float(model.level(torch.full((1, 1, 1, 1), 0.5))) == pytest.approx(math.sqrt(0.005), rel=0.15)


def test_a_line_is_told_from_other_curves() -> None:
    x = torch.linspace(0.1, 0.9, 9, dtype=torch.float64)
    line = photon_line(x, 0.001 + 0.02 * x)
    assert line is not None
    assert line == pytest.approx((0.001, 0.021), rel=1e-6)
    assert photon_line(x, 0.02 - 0.02 * x) is None
    assert photon_line(x, 0.001 + 0.02 * (3 * x).sin().square()) is None


# --- beside the noise of pixels ---


def test_columns_have_their_level() -> None:
    x = grey(picture("astronaut"))
    y = x + white(x, 5) + white(x[..., :1, :], 15)
    model = estimate_noise(y)
    assert model.rows == 0
    assert 255 * model.columns == pytest.approx(15, rel=0.25)
    assert 255 * float(model.level(x).square().mean().sqrt()) == pytest.approx(5, rel=0.3)


def test_impulses_are_counted_and_the_noise_is_that_of_the_others() -> None:
    x = picture("astronaut")
    y = add_salt_and_pepper(x + white(x, 10), 0.05, seeded(5))
    model = estimate_noise(y)
    # Those that hardly differ from what they replace cannot be seen.
    assert 0.02 < model.impulses < 0.06
    assert 255 * float(model.level(x).square().mean().sqrt()) == pytest.approx(10, rel=0.2)


# --- texture, clean pictures, odd ones ---


@pytest.mark.parametrize(
    "name",
    [
        "grass",
        "gravel",
        "brick",
        "camera",
        "moon",
        "coins",
        "text",
        "page",
        "astronaut",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("coffee", "chelsea", "rocket")),
    ],
)
def test_texture_is_no_noise(name: str) -> None:
    y = as_image(sample(name))[..., :256, :256]
    model = estimate_noise(y)
    assert model.is_white
    assert model.sigma < 5.5 / 255


def test_hidden_noise_is_told() -> None:
    model = estimate_noise(grey(as_image(sample("chelsea")))[..., :256, :256])
    assert model.confidence <= 0.3
    assert model.reason == "texture hides the noise"
    clear = grey(picture("astronaut")) + white(grey(picture("astronaut")), 25)
    assert estimate_noise(clear).confidence > 0.9


@pytest.mark.parametrize(
    "shape", [(1, 1, 16, 16), (1, 3, 16, 16), (1, 3, 5, 40), (2, 1, 1, 1), (1, 4, 24, 24)]
)
def test_small_images_are_white(shape: tuple[int, ...]) -> None:
    y = 0.5 + 0.05 * torch.randn(shape, generator=seeded(6))
    model = estimate_noise(y)
    assert model.is_white
    assert model.sigma == pytest.approx(estimate_sigma(y), abs=1e-9)


def test_images_of_one_value_and_drawings_have_no_noise() -> None:
    flat = torch.full((1, 3, 64, 64), 0.3)
    assert estimate_noise(flat).sigma == 0
    drawing = torch.ones(1, 1, 128, 128)
    drawing[..., 20:24, :] = drawing[..., :, 60:63] = drawing[..., 90:110, 20:60] = 0
    assert estimate_noise(drawing).sigma < 0.1 / 255


def test_holes_borders_and_other_channels_do_not_count() -> None:
    x = picture("moon")
    noise = smoothed(white(x, 25), 1.0)
    known = torch.ones_like(x)
    known[..., 60:120, 40:200] = 0
    y = torch.where(known > 0, x + noise, torch.rand(x.shape, generator=seeded(7)))
    model = estimate_noise(y, known)
    assert model.level(x).square().mean().sqrt() == pytest.approx(float(noise.std()), rel=0.2)
    framed = functional.pad(eight_bits(x + noise), (40, 40, 40, 40))
    level = estimate_noise(framed).level(x).square().mean().sqrt()
    assert level == pytest.approx(float(noise.std()), rel=0.25)


def test_a_batch_is_one_noise_and_16_bits_are_as_8() -> None:
    x = torch.cat([picture("moon", 192), picture("camera", 192)])
    noise = smoothed(white(x, 25), 1.0)
    fine = (x + noise).clamp(0, 1).mul(65535).round() / 65535
    levels = [float(estimate_noise(y).level(x).square().mean().sqrt()) for y in (fine, eight_bits(x + noise))]
    assert levels[0] == pytest.approx(float(noise.std()), rel=0.2)
    assert levels[0] == pytest.approx(levels[1], rel=0.05)


def test_what_is_no_image_is_refused() -> None:
    with pytest.raises(ValueError, match=r"batch of shape \(N, C, H, W\)"):
        estimate_noise(torch.zeros(3, 8, 8))
    with pytest.raises(ValueError, match="does not fit"):
        estimate_noise(torch.zeros(1, 3, 8, 8), torch.zeros(1, 1, 9, 9))


# --- its parts ---


def test_a_spectrum_is_that_of_the_variances_it_gives() -> None:
    spectrum = smoothed_by(kernel(0.8))
    true = NoiseModel((0.0,), ((1.0,),), spectra=spectrum).block_variances(cosine_matrix(SIZE))[0]
    found = spectrum_of([block_kernel(scale) @ spectrum.flatten() for scale in range(3)])
    again = block_kernel(0) @ found.flatten()
    assert float(band_mean(found[None])) == pytest.approx(1, rel=0.1)
    strong = true > 0.05 * true.max()
    assert torch.allclose(again[strong] / true[strong], torch.ones_like(true[strong]), atol=0.25)


def test_large_images_are_seen_through_as_many_blocks() -> None:
    image = torch.zeros(1, 1, 1500, 2500)
    blocks = blocks_of(image, torch.ones(1, 1500, 2500, dtype=torch.bool), torch.zeros(1, 1500, 2500))
    assert blocks is not None
    assert blocks.count <= 1.2 * MAX_BLOCKS
