"""Salt and pepper and hot pixels are found; stars, edges and noise are none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.pictures import as_image, noisy_pixels, sample, seeded, with_noise
from zeroshot.noise import add_poisson, add_salt_and_pepper, outliers


def test_salt_and_pepper_is_found() -> None:
    for share in (0.01, 0.1, 0.3, 0.5, 0.7):
        truth = as_image(sample("camera")[100:228, 100:228])
        spoiled = add_salt_and_pepper(truth, share, seeded())
        hit, found = spoiled != truth, outliers(spoiled)
        assert float((found & hit).sum() / hit.sum()) > 0.97
        assert float((found & ~hit).float().mean()) < 0.005


@pytest.mark.parametrize("sign", [1, -1])
def test_hot_and_dead_pixels_in_a_noisy_frame_are_found(sign: int) -> None:
    frame = torch.full((1, 1, 128, 128), 0.1) + torch.linspace(0, 0.1, 128)
    frame = with_noise(frame, 0.004)
    places = torch.randperm(frame.numel(), generator=seeded())[:50]
    frame.view(-1)[places] += sign * 0.08
    found = outliers(frame).view(-1)
    assert int(found[places].sum()) >= 45
    assert int(found.sum()) <= 52


def test_stars_and_highlights_stay() -> None:
    sky = as_image(sample("hubble_deep_field")[:300, :300])
    assert float(outliers(sky).float().mean()) < 3e-4
    rows, columns = np.mgrid[:64, :64]
    field = 0.1 + sum(
        0.8 * np.exp(-((rows - y) ** 2 + (columns - x) ** 2) / (2 * 0.85**2))
        for y, x in ((10, 12), (30.4, 40.3), (50, 20.5))
    )
    noisy = with_noise(torch.from_numpy(field).float()[None, None], 0.01)
    assert not outliers(noisy).any()


@pytest.mark.parametrize("sigma", [0, 5, 25])
def test_photographs_and_white_noise_have_next_to_none(sigma: int) -> None:
    pixels = noisy_pixels(sample("camera"), sigma)
    assert float(outliers(as_image(pixels)).float().mean()) < 3e-4


def test_every_channel_and_image_has_its_own() -> None:
    images = with_noise(torch.full((2, 3, 40, 40), 0.5), 0.01)
    images[1, 2, 20, 30] = 0.9
    found = outliers(images)
    assert found.shape == images.shape
    assert found.nonzero().tolist() == [[1, 2, 20, 30]]


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 3, 6, 40), (1, 1, 7, 7)])
def test_small_and_constant_images_have_none(shape: tuple[int, ...]) -> None:
    assert not outliers(torch.full(shape, 0.5)).any()


@pytest.mark.parametrize("share", [0.05, 0.5])
def test_channels_that_are_hit_by_themselves_are_found_by_themselves(share: float) -> None:
    truth = as_image(sample("astronaut")[:128, 150:278])
    draw = torch.rand(truth.shape, generator=seeded())
    spoiled = truth.masked_fill(draw < share / 2, 0.0).masked_fill(draw > 1 - share / 2, 1.0)
    hit, found = spoiled != truth, outliers(spoiled, clear=True)
    assert float((found & hit).sum() / hit.sum()) > 0.97
    assert float((found & ~hit).float().mean()) < 0.02


@pytest.mark.parametrize("share", [0.02, 0.1, 0.2, 0.4])
def test_impulses_of_any_value_are_found(share: float) -> None:
    truth = as_image(sample("camera")[100:228, 100:228])
    hit = torch.rand(truth.shape, generator=seeded()) < share
    spoiled = torch.where(hit, torch.rand(truth.shape, generator=seeded(1)), truth)
    found = outliers(spoiled, clear=True)
    shown = hit & ((spoiled - truth).abs() > 0.15)
    assert float((found & shown).sum() / shown.sum()) > 0.85
    assert float((found & ~hit).float().mean()) < 0.03


def test_clusters_of_hot_pixels_are_found() -> None:
    frame = with_noise(torch.full((1, 1, 128, 128), 0.3), 0.01)
    rows, columns = torch.arange(10, 120, 20), torch.arange(10, 120, 20)
    for down in (0, 1):
        for right in (0, 1):
            frame[0, 0, rows + down, columns + right] = 0.9
    found = outliers(frame, clear=True)[0, 0]
    assert int(found.sum()) == 4 * len(rows)
    assert bool(found[rows + 1, columns].all())


@pytest.mark.parametrize(
    "name", ["astronaut", "brick", "camera", "cat", "coins", "grass", "gravel", "moon", "page", "text"]
)
def test_what_a_picture_has_by_itself_is_not_clear(name: str) -> None:
    assert not outliers(as_image(sample(name)[:200, :200]), clear=True).any()


@pytest.mark.parametrize("sigma", [10, 50])
def test_clipped_noise_is_not_clear(sigma: float) -> None:
    for name in ("moon", "camera"):
        assert not outliers(as_image(noisy_pixels(sample(name)[:160, :160], sigma)), clear=True).any()


@pytest.mark.parametrize("name", ["coffee", "grass", "gravel", "moon", "page"])
def test_noise_of_few_photons_is_not_clear(name: str) -> None:
    picture = as_image(sample(name)[:128, :128])
    for peak in (10, 30):
        noisy = add_poisson(picture, peak, seeded(2)).clamp(0, 1)
        assert not outliers((255 * noisy).round() / 255, clear=True).any()


@pytest.mark.parametrize("level", [0.1, 0.2, 0.4])
def test_noise_that_is_clipped_in_linear_light_is_not_clear(level: float) -> None:
    for name in ("moon", "chelsea", "coffee"):
        linear = as_image(sample(name)[:128, :128]) ** 2.2
        draw = torch.randn(linear.shape, generator=seeded(1))
        noisy = (linear + level * (0.02 + linear).sqrt() * draw).clamp(0, 1) ** (1 / 2.2)
        assert not outliers((255 * noisy).round() / 255, clear=True).any()
