"""Coefficients under the upright picture, and those found again in its pixels."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.jpegs import cmyk, decoded, encoded, photograph
from zeroshot.compression.coefficients import read_coefficients
from zeroshot.compression.pixels import coefficients_of_pixels
from zeroshot.compression.rounding import rounding_error
from zeroshot.images import ImageError, load


def read(jpeg: bytes, folder: Path):
    path = folder / "a.jpg"
    path.write_bytes(jpeg)
    return read_coefficients(path)


@pytest.mark.parametrize("orientation", range(1, 9))
def test_coefficients_turn_with_the_picture(orientation: int, tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = orientation
    jpeg = encoded(photograph(59, 84), quality=60, subsampling=1, exif=exif)
    turned = read(jpeg, tmp_path)
    pixels = 255 * load(tmp_path / "a.jpg").colours[0].permute(1, 2, 0).numpy().astype(float)
    assert pixels.shape[:2] == (turned.height, turned.width)
    found = coefficients_of_pixels(pixels, turned.tables, turned.sampling, turned.offset)
    for one, other in zip(turned.quantised, found.quantised, strict=True):
        assert one.shape == other.shape
        inner = (slice(1, -1), slice(1, -1))
        assert (one[inner] == other[inner]).mean() > 0.98


@pytest.mark.parametrize("subsampling", [0, 1, 2])
@pytest.mark.parametrize("quality", [10, 75])
def test_pixels_lead_back_to_the_coefficients(quality: int, subsampling: int, tmp_path: Path) -> None:
    jpeg = encoded(photograph(), quality=quality, subsampling=subsampling)
    true = read(jpeg, tmp_path)
    found = coefficients_of_pixels(decoded(jpeg).astype(float), true.tables, true.sampling)
    for one, other in zip(true.quantised, found.quantised, strict=True):
        assert (one == other).mean() > 0.99


@pytest.mark.parametrize("quality", [10, 30, 75])
def test_the_error_of_rounding_is_known_within_a_half(quality: int, tmp_path: Path) -> None:
    pixels = photograph(96, 112, "L")
    jpeg = encoded(pixels, quality=quality)
    true = read(jpeg, tmp_path)
    error = np.sqrt(np.square(decoded(jpeg).astype(float) - pixels).mean())
    assert rounding_error(true.quantised[0], true.tables[0]) == pytest.approx(error, rel=0.6)


def test_kinds_that_cannot_be_restored_are_said(tmp_path: Path) -> None:
    with pytest.raises(ImageError, match="is a CMYK JPEG; convert it to RGB"):
        read(cmyk(), tmp_path)
