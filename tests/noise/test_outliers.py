"""Salt and pepper and hot pixels are found; stars, edges and noise are none."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.pictures import as_image, noisy_pixels, sample, seeded, with_noise
from zeroshot.noise import add_salt_and_pepper, outliers


def test_salt_and_pepper_is_found() -> None:
    for share in (0.01, 0.1, 0.3):
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
    sky = as_image(sample("hubble_deep_field")[:400, :400])
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


def test_any_channel_counts_and_every_image_of_a_batch() -> None:
    images = with_noise(torch.full((2, 3, 40, 40), 0.5), 0.01)
    images[1, 2, 20, 30] = 0.9
    found = outliers(images)
    assert found.shape == (2, 1, 40, 40)
    assert found.nonzero().tolist() == [[1, 0, 20, 30]]


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 3, 6, 40), (1, 1, 7, 7)])
def test_small_and_constant_images_have_none(shape: tuple[int, ...]) -> None:
    assert not outliers(torch.full(shape, 0.5)).any()
