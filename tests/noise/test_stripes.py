"""Offsets of rows and columns are found as they were made, and pictures without them are left alone."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tests.pictures import as_image, noisy_pixels, sample
from zeroshot.noise import stripe_component

PICTURES = {
    "camera": lambda: sample("camera")[100:292, 100:292],
    "astronaut": lambda: sample("astronaut")[:128, 200:328],
    "coins": lambda: sample("coins")[:160, :192],
}
LEVEL = 12.0


def offsets(kind: str, height: int, width: int) -> np.ndarray:
    random = np.random.default_rng(0)
    drawn = random.normal(0, LEVEL, width)
    along = np.arange(height)[:, None] / height
    if kind == "constant":
        return np.tile(drawn, (height, 1))
    if kind == "periodic":
        return np.tile(np.resize(drawn[:4], width), (height, 1))
    if kind == "changing":
        return drawn * (1 - along) + random.normal(0, LEVEL, width) * along
    if kind == "broken":
        return drawn * (along < random.uniform(0.5, 1, width))
    few = np.zeros(width)
    few[random.permutation(np.arange(8, width - 8))[:6]] = 2 * LEVEL
    return np.tile(few, (height, 1))


def spoiled(pixels: np.ndarray, stripes: np.ndarray, sigma: float = 2.0) -> torch.Tensor:
    noise = np.random.default_rng(1).normal(0, sigma, pixels.shape)
    stripes = stripes[..., None] if pixels.ndim == 3 else stripes
    return as_image(np.clip(np.round(pixels + stripes + noise), 0, 255).astype(np.uint8))[0]


def error(found: torch.Tensor, truth: np.ndarray) -> float:
    """What is left of the variation of stripes, in grey levels."""
    left = 255 * found.double().numpy() - truth
    return float(np.sqrt(np.square(left - left.mean()).mean()))


@pytest.mark.parametrize("name", ["camera", "coins"])
@pytest.mark.parametrize("kind", ["constant", "periodic", "changing", "broken"])
def test_stripes_are_found_as_they_were_made(name: str, kind: str) -> None:
    pixels = PICTURES[name]()
    truth = offsets(kind, *pixels.shape[:2])
    found = stripe_component(spoiled(pixels, truth))
    assert not found.rows.any()
    before = float(np.sqrt(np.square(truth - truth.mean()).mean()))
    assert error(found.columns, truth) < 0.6 * before


def test_single_columns_are_found() -> None:
    pixels = PICTURES["coins"]()
    truth = offsets("few", *pixels.shape)
    found = stripe_component(spoiled(pixels, truth))
    assert error(found.columns, truth) < 1.5


def test_both_directions_at_once_and_their_levels() -> None:
    pixels = PICTURES["camera"]()
    random = np.random.default_rng(3)
    rows, columns = random.normal(0, 8, (192, 1)), random.normal(0, 14, (1, 192))
    found = stripe_component(spoiled(pixels, rows + columns))
    assert 255 * found.level_of_rows == pytest.approx(8, rel=0.25)
    assert 255 * found.level_of_columns == pytest.approx(14, rel=0.25)
    only = stripe_component(spoiled(pixels, rows + columns), "rows")
    assert only.rows.any()
    assert not only.columns.any()


@pytest.mark.parametrize("name", PICTURES)
@pytest.mark.parametrize("sigma", [0, 10, 50])
def test_white_noise_and_clean_photographs_have_none(name: str, sigma: float) -> None:
    assert not stripe_component(as_image(noisy_pixels(PICTURES[name](), sigma))[0])


@pytest.mark.parametrize("name", ["grass", "gravel", "page", "text", "moon"])
def test_textures_and_drawings_have_none(name: str) -> None:
    assert not stripe_component(as_image(sample(name)[:192, :256])[0])


def test_bricks_hardly_have_any() -> None:
    assert float(stripe_component(as_image(sample("brick")[:256, :256])[0]).total.abs().mean()) < 0.5 / 255


def test_a_few_lines_of_a_building_are_no_stripes() -> None:
    pixels = np.full((192, 192), 120.0) + np.random.default_rng(0).normal(0, 2, (192, 192))
    pixels[60:140, 16::64] += 30
    assert not stripe_component(as_image(np.clip(np.round(pixels), 0, 255).astype(np.uint8))[0])


def test_holes_do_not_count() -> None:
    pixels = PICTURES["camera"]()
    truth = offsets("constant", *pixels.shape)
    image = spoiled(pixels, truth)
    known = torch.ones(192, 192, dtype=torch.bool)
    known[40:90, 30:160] = False
    image[:, ~known] = torch.rand(int((~known).sum()), generator=torch.Generator().manual_seed(0))
    found = stripe_component(image, "columns", known)
    assert error(found.columns, truth) < LEVEL / 2


@pytest.mark.parametrize("shape", [(1, 1, 1), (3, 7, 40), (1, 40, 5)])
def test_small_and_constant_images_have_none(shape: tuple[int, ...]) -> None:
    assert not stripe_component(torch.rand(shape, generator=torch.Generator().manual_seed(0)))
    assert not stripe_component(torch.full(shape, 0.5))
