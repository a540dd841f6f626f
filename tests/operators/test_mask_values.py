"""Masks as drawing programs, labelling tools and compression leave them."""

from __future__ import annotations

import io

import numpy as np
import pytest
from PIL import Image

from zeroshot.operators import parse
from zeroshot.operators.mask_values import known_of
from zeroshot.operators.plane_files import mask_image

KNOWN = np.ones((24, 32), bool)
KNOWN[5:12, 8:20] = False


@pytest.mark.parametrize(
    "values",
    [
        KNOWN,
        KNOWN.astype(np.uint8),
        KNOWN * np.uint8(255),
        KNOWN * np.uint8(128),
        KNOWN.astype(np.uint16),
        KNOWN * np.uint16(65535),
        KNOWN * np.uint16(255),
        KNOWN.astype(np.int64),
        KNOWN.astype(np.float32),
        KNOWN * 255.0,
        np.where(KNOWN, 250, 4).astype(np.uint8),
        np.where(KNOWN, 0.999, 0.001),
    ],
    ids=lambda values: f"{values.dtype} {values.max():g}",
)
def test_two_values_are_missing_and_known(values):
    found = known_of(values)
    assert found.remark == ""
    np.testing.assert_array_equal(found.known, KNOWN)


def _compressed(quality):
    buffer = io.BytesIO()
    Image.fromarray(KNOWN * np.uint8(255)).save(buffer, "JPEG", quality=quality)
    return Image.open(buffer)


def test_a_compressed_mask_is_halved_and_that_is_said():
    found = mask_image(_compressed(75))
    assert "shades" in found.remark
    np.testing.assert_array_equal(found.known, KNOWN)


@pytest.mark.parametrize("mode", ["1", "P", "RGB", "LA", "I;16"])
def test_a_mask_in_any_mode_of_pil(mode):
    grey = Image.fromarray(KNOWN * np.uint8(255))
    image = Image.fromarray(KNOWN * np.uint16(65535)) if mode == "I;16" else grey.convert(mode)
    np.testing.assert_array_equal(mask_image(image).known, KNOWN)


def test_a_palette_of_one_colour_and_black_is_an_index_mask():
    image = Image.fromarray(KNOWN.astype(np.uint8), "P")
    image.putpalette([0, 0, 0, 128, 0, 0])  # as PASCAL VOC has it
    np.testing.assert_array_equal(mask_image(image).known, KNOWN)


@pytest.mark.parametrize("under", [0, 255], ids=["black under the eraser", "white under the eraser"])
@pytest.mark.parametrize("mode", ["LA", "RGBA"])
def test_what_an_eraser_took_is_missing(mode, under):
    alpha = KNOWN * np.uint8(255)
    colours = np.where(KNOWN, 255, under).astype(np.uint8)
    planes = [colours] * (len(mode) - 1) + [alpha]
    found = mask_image(Image.fromarray(np.dstack(planes), mode))
    assert "alpha channel" in found.remark
    np.testing.assert_array_equal(found.known, KNOWN)


def test_black_strokes_on_a_transparent_ground_are_missing():
    alpha = ~KNOWN * np.uint8(255)
    found = mask_image(Image.fromarray(np.dstack([np.zeros_like(alpha), alpha]), "LA"))
    assert "black strokes" in found.remark
    np.testing.assert_array_equal(found.known, KNOWN)


def test_where_brightness_and_alpha_vary_both_must_say_known():
    grey, alpha = KNOWN * np.uint8(255), np.full(KNOWN.shape, 255, np.uint8)
    alpha[20:] = 0
    found = mask_image(Image.fromarray(np.dstack([grey, alpha]), "LA"))
    assert "both" in found.remark
    assert not found.known[20:].any()
    np.testing.assert_array_equal(found.known[:20], KNOWN[:20])


def test_of_a_picture_the_alpha_channel_is_the_mask():
    rgba = np.random.default_rng(0).integers(0, 256, (*KNOWN.shape, 4), dtype=np.uint8)
    rgba[..., 3] = KNOWN * np.uint8(255)
    np.testing.assert_array_equal(mask_image(rgba).known, KNOWN)


LABELS = np.arange(24 * 32).reshape(24, 32) // 200


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (LABELS.astype(np.uint8), r"values 0, 1, 2, 3, like the labels .* mask == 3"),
        ((LABELS * 60).astype(np.uint8), "values 0, 60, 120, 180, like the labels"),
        (np.where(KNOWN, 255, 128).astype(np.uint8), "labels"),
        (LABELS / 3, r"between 0 and 1, such as 0.333.* mask > 0.5"),
        (LABELS * 85.0, r"between 0 and 255.* mask > 127.5"),
        (np.where(KNOWN, 1, -1), "from -1 to 1"),
        (np.full((4, 4), 7), "this one holds 7 everywhere"),
        (np.tile(np.arange(256, dtype=np.uint8), (8, 1)), "looks like a picture"),
        (np.array([["a", "b"]]), "numbers or booleans"),
        (np.array([[0.0, np.nan]]), "NaN"),
        (np.array([[0.0, np.inf, 1.0]]), "from 0 to inf"),
    ],
)
def test_what_does_not_say_which_is_known_is_refused_with_advice(values, message):
    with pytest.raises(ValueError, match=message) as caught:
        known_of(values)
    assert "\n" not in str(caught.value)


def test_classes_in_colours_are_refused():
    colours = np.array([[0, 0, 0], [255, 0, 0], [0, 0, 255], [0, 255, 0]], np.uint8)[LABELS]
    with pytest.raises(ValueError, match="4 colours, like the labels"):
        mask_image(colours)


def test_the_mask_of_an_operator_can_be_turned_round(tmp_path):
    Image.fromarray(KNOWN * np.uint8(255)).save(tmp_path / "m.png")
    name = str(tmp_path / "m.png")
    for text, wanted in (
        (f'mask("{name}")', KNOWN),
        (f'mask("{name}", invert=true)', ~KNOWN),
        (f'mask("{name}", invert)', ~KNOWN),
    ):
        np.testing.assert_array_equal(parse(text).mask[0, 0].numpy() > 0, wanted)
    with pytest.raises(ValueError, match="invert must be true or false"):
        parse(f'mask("{name}", invert=maybe)')
