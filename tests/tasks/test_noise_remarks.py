"""Noise that one level does not describe is said, once and with a way out; impulses are filled in where asked."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

import zeroshot
from tests.pictures import as_image, decibels, noisy_pixels, sample, seeded
from zeroshot.images import load
from zeroshot.noise import add_salt_and_pepper
from zeroshot.spelling import OptionWarning, for_command_line
from zeroshot.tasks import make_problem

TRUTH = sample("camera")[100:228, 100:228]


def said(image: object, **options: object) -> list[OptionWarning]:
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        make_problem("denoise", load(image), options)
    return [warning.message for warning in caught]  # type: ignore[misc]


def grainy(dtype: type, channels: int) -> np.ndarray:
    grain = gaussian_filter(np.random.default_rng(0).normal(0, 1, TRUTH.shape), 0.8)
    pixels = np.clip(TRUTH + 15 * grain / grain.std(), 0, 255) / 255
    pixels = pixels if channels == 1 else np.repeat(pixels[..., None], channels, axis=2)
    return pixels.astype(dtype) if dtype == np.float32 else (pixels * np.iinfo(dtype).max).astype(dtype)


@pytest.mark.parametrize(
    ("channels", "dtype"),
    [
        (1, np.float32),
        (3, np.uint8),
        *(pytest.param(*other, marks=pytest.mark.slow) for other in ((1, np.uint8), (3, np.float32))),
    ],
)
def test_grain_is_removed_and_needs_no_word(channels: int, dtype: type) -> None:
    spoiled = grainy(dtype, channels)
    assert not said(spoiled)
    truth = as_image(TRUTH if channels == 1 else np.repeat(TRUTH[..., None], channels, axis=2))
    result = zeroshot.solve(spoiled, "denoise", "dct", progress=False)
    assert decibels(result.picture.colours, truth) > decibels(as_image(spoiled), truth) + 2


def test_a_level_that_is_given_is_not_discussed() -> None:
    assert not said(grainy(np.uint8, 1), sigma=0.05)


def test_stripes_are_said_and_subtracted() -> None:
    striped = (
        np.clip(TRUTH + np.random.default_rng(0).normal(0, 10, (1, 128)), 0, 255).round().astype(np.uint8)
    )
    (message,) = said(striped)
    assert "columns differ by" in str(message)
    assert "stripes='none' keeps them" in str(message)
    result = zeroshot.solve(striped, "denoise", "wavelet", progress=False)
    assert (
        decibels(as_image(result.image), as_image(TRUTH)) > decibels(as_image(striped), as_image(TRUTH)) + 3
    )
    assert not said(striped, stripes="none", sigma=0.0)


def test_other_tasks_say_what_to_do_first() -> None:
    striped = (
        np.clip(TRUTH + np.random.default_rng(0).normal(0, 10, (1, 128)), 0, 255).round().astype(np.uint8)
    )
    with pytest.warns(OptionWarning, match="destripe it first"):
        make_problem("deblur", load(striped), {"kernel": "gaussian=1.2", "sigma": None})
    salted = add_salt_and_pepper(as_image(TRUTH), 0.1, seeded())
    with pytest.warns(OptionWarning, match="denoise the picture first"):
        make_problem("deblur", load(salted), {"kernel": "gaussian=1.2", "sigma": None})


@pytest.mark.parametrize("sigma", [0, 3, *(pytest.param(s, marks=pytest.mark.slow) for s in (10, 25)), 50])
def test_white_noise_and_clean_photographs_are_not_discussed(sigma: int) -> None:
    assert not said(noisy_pixels(TRUTH, sigma))
    assert not said(noisy_pixels(sample("astronaut")[:128, 150:278], sigma))


def test_impulses_are_said_and_filled_in() -> None:
    truth = as_image(TRUTH)
    spoiled = add_salt_and_pepper(truth, 0.1, seeded())
    (message,) = said(spoiled)
    assert "outliers='none' keeps them" in str(message)
    assert "--outliers none" in for_command_line(message)
    # Whatever the prior, nothing is left to do, and what was measured stays.
    result = zeroshot.solve(spoiled, "denoise", "tv", progress=False)
    assert result.sigma == 0
    assert decibels(result.picture.colours, truth) > 36
    assert float((result.image != truth)[spoiled == truth].float().mean()) < 0.005


def test_impulses_in_noise_are_filled_in_and_the_noise_removed() -> None:
    truth = as_image(TRUTH)
    noisy = as_image(noisy_pixels(TRUTH, 10))
    spoiled = add_salt_and_pepper(noisy, 0.1, seeded())
    result = zeroshot.solve(spoiled, "denoise", "bm3d", progress=False)
    alone = zeroshot.solve(noisy, "denoise", "bm3d", progress=False)
    assert 255 * result.sigma == pytest.approx(10, rel=0.15)
    assert decibels(result.picture.colours, truth) > decibels(alone.picture.colours, truth) - 2


def test_hot_pixels_of_a_deep_frame_are_filled_in() -> None:
    random = np.random.default_rng(0)
    frame = TRUTH[:64, :64] * 30.0 + random.normal(0, 150, (64, 64))
    places = random.integers(2, 62, 30), random.integers(2, 62, 30)
    clean = np.clip(frame, 0, 65535).astype(np.uint16)
    frame[places] = 60000
    frame = np.clip(frame, 0, 65535).astype(np.uint16)
    with pytest.warns(OptionWarning, match="filled in"):
        result = zeroshot.solve(frame, "denoise", "wavelet", progress=False)
    assert np.abs(result.image[places].astype(float) - clean[places]).max() < 3000


def test_where_there_is_no_outlier_nothing_changes() -> None:
    picture = load(torch.full((1, 1, 32, 32), 0.5))
    with pytest.warns(OptionWarning, match="no pixel stands out"):
        problem, _, _ = make_problem("denoise", picture, {"outliers": "all"})
    assert torch.equal(problem.y, picture.colours)


def test_impulses_and_stripes_are_kept_where_asked() -> None:
    spoiled = load(add_salt_and_pepper(as_image(TRUTH), 0.1, seeded()))
    problem, _, _ = make_problem("denoise", spoiled, {"outliers": "none", "sigma": 0.1})
    assert torch.equal(problem.y, spoiled.colours)
    robust, _, _ = make_problem("denoise", spoiled, {"data_term": "l1", "sigma": 0.1})
    assert torch.equal(robust.y, spoiled.colours)


@pytest.mark.parametrize("name", ["outliers", "stripes"])
def test_another_word_is_refused(name: str) -> None:
    with pytest.raises(ValueError, match=rf"{name} must be 'auto'.* got 'some'"):
        make_problem("denoise", load(TRUTH), {name: "some"})


def test_every_image_of_a_batch_keeps_its_own_level() -> None:
    batch = torch.cat([as_image(noisy_pixels(TRUTH, sigma)) for sigma in (5, 25)])
    result = zeroshot.solve(batch, "denoise", "wavelet", progress=False)
    levels = [255 * part.sigma for part in result.parts]
    assert levels == pytest.approx([5, 25], rel=0.1)
