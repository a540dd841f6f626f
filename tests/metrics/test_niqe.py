"""NIQE agrees with an independent implementation of the authors' release, with the authors' model.

Reference numbers: `niqe_core` of mmagic 1.2.0 on the rounded luminance, with coefficients below 1e-9 (rounding
errors of flat places) taken as 0.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.ndimage import gaussian_filter

from tests.pictures import sample
from zeroshot.metrics import niqe
from zeroshot.metrics.naturalness import block_features


def damaged(image: np.ndarray, damage: str) -> np.ndarray:
    """In 8 bits."""
    values = image.astype(np.float64)
    if damage == "noise":
        values = values + np.random.default_rng(0).normal(0, 15, image.shape)
    if damage == "blur":
        values = gaussian_filter(values, (1.5, 1.5, 0)[: image.ndim], mode="nearest")
    return np.clip(np.round(values), 0, 255).astype(np.uint8)


@pytest.mark.parametrize(
    ("name", "damage", "expected"),
    [
        ("astronaut", "none", 3.06515673),
        ("camera", "none", 3.09620746),
        ("camera", "noise", 9.49724607),
        ("camera", "blur", 6.81867986),
        ("chelsea", "none", 2.57208437),
        ("chelsea", "noise", 7.49013228),
        ("chelsea", "blur", 6.94630284),
        ("coffee", "blur", 6.71894135),
    ],
)
def test_niqe_is_that_of_an_independent_implementation(name: str, damage: str, expected: float) -> None:
    image = damaged(sample(name), damage)
    assert niqe(image, data_range=255) == pytest.approx(expected, abs=5e-6)


def test_blocks_that_the_image_does_not_fill_are_left_out() -> None:
    image = sample("camera")[:192, :192]
    larger = sample("camera")[:250, :287]
    assert niqe(larger, data_range=255) == niqe(image, data_range=255)


def test_tensors_and_arrays_give_the_same_and_a_batch_the_mean() -> None:
    images = [sample("astronaut")[:192, start : start + 192] for start in (0, 192)]
    batch = torch.from_numpy(np.stack(images)).permute(0, 3, 1, 2) / 255
    assert niqe(batch) == pytest.approx(np.mean([niqe(image, data_range=255) for image in images]), abs=1e-9)


def test_values_are_clipped_and_rounded_to_8_bits() -> None:
    image = sample("camera")[:192, :192] / 255
    assert niqe(np.where(image > 0.9, image + 0.5, image + 0.001)) == niqe(np.where(image > 0.9, 1, image))


@pytest.mark.parametrize("level", [0.0, 77.0, 33.3, 255.0])
def test_a_flat_block_has_no_features_rather_than_those_of_rounding_errors(level: float) -> None:
    plane = torch.from_numpy(sample("camera")[:288, :288].astype(np.float64))
    plane[80:208, 80:208] = level
    without = np.isnan(block_features(plane)).any(axis=1)
    assert without.tolist() == [False] * 4 + [True] + [False] * 4


def test_the_border_is_left_out() -> None:
    image = sample("camera")[:200, :200].copy()
    inner = image[4:-4, 4:-4].copy()
    image[:4] = 255
    assert niqe(image, border=4, data_range=255) == niqe(inner, data_range=255)


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.zeros((100, 191)), "at least two blocks of 96 × 96 pixels, such as 96 × 192 .* got 100 × 191"),
        (np.full((192, 192), 0.5), "at least two blocks that are not of one flat colour"),
        (np.zeros((192, 192, 2)), "luma needs an image of 1 or 3 channels, got 2"),
    ],
)
def test_images_without_enough_structure_are_refused(image: np.ndarray, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        niqe(image)
