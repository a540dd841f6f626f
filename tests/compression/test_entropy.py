"""Quantised coefficients: decoding them gives the pixels that Pillow gives, whatever the scans."""

from __future__ import annotations

import contextlib
from typing import Any

import numpy as np
import pytest
from scipy.fft import idctn

from tests.jpegs import decoded, encoded, photograph
from zeroshot.compression.entropy import quantised_coefficients
from zeroshot.compression.header import header_of
from zeroshot.images import ImageError

CODINGS: list[dict[str, Any]] = [
    {"quality": 10},
    {"quality": 95},
    {"quality": 100},
    {"quality": 75, "progressive": True},
    {"quality": 30, "subsampling": 0, "optimize": True},
    {"quality": 50, "subsampling": 1, "restart_marker_blocks": 3},
    {"quality": 90, "progressive": True, "restart_marker_rows": 1},
]


def luma(jpeg: bytes) -> np.ndarray:
    """The first component, decoded from its coefficients."""
    header = header_of(jpeg)
    values = quantised_coefficients(jpeg, header)[0] * header.tables[0]
    blocks = idctn(values, axes=(2, 3), norm="ortho") + 128
    rows, columns = blocks.shape[:2]
    whole = blocks.transpose(0, 2, 1, 3).reshape(8 * rows, 8 * columns)
    return whole[: header.height, : header.width].clip(0, 255)


@pytest.mark.parametrize("size", [(64, 80), (37, 51)])
@pytest.mark.parametrize("options", CODINGS, ids=str)
def test_the_luma_is_pillows(options: dict[str, Any], size: tuple[int, int]) -> None:
    grey = {name: value for name, value in options.items() if name != "subsampling"}
    jpeg = encoded(photograph(*size, "L"), **grey)
    # The decoder rounds, and computes the transform in whole numbers.
    assert np.abs(luma(jpeg) - decoded(jpeg)).max() < 0.8


@pytest.mark.parametrize("options", CODINGS, ids=str)
def test_chroma_is_coded_as_the_luma_of_a_grey_picture_is(options: dict[str, Any]) -> None:
    pixels = photograph(64, 80)
    jpeg = encoded(pixels, **options)
    header = header_of(jpeg)
    found = quantised_coefficients(jpeg, header)
    for part, (down, right) in zip(found, header.sampling, strict=True):
        assert part.shape[0] * 8 * down >= 64
        assert part.shape[1] * 8 * right >= 80
    # The mean of Cb is that of the picture's own.
    red, green, blue = (pixels[..., channel].mean() for channel in range(3))
    expected = (blue - (0.299 * red + 0.587 * green + 0.114 * blue)) / 1.772
    mean = (found[1][..., 0, 0] * header.tables[1][0, 0] / 8).mean()
    assert mean == pytest.approx(expected, abs=2.0)


def test_progressive_and_sequential_coding_hold_the_same_coefficients() -> None:
    pixels = photograph()
    files = [encoded(pixels, quality=80, progressive=progressive) for progressive in (False, True)]
    first, second = (quantised_coefficients(jpeg, header_of(jpeg)) for jpeg in files)
    for one, other in zip(first, second, strict=True):
        np.testing.assert_array_equal(one, other)


@pytest.mark.parametrize("progressive", [False, True])
def test_truncated_and_damaged_scans_are_refused(progressive: bool) -> None:
    jpeg = encoded(photograph(64, 64, "L"), quality=90, progressive=progressive)
    with pytest.raises(ImageError, match="damaged or truncated"):
        quantised_coefficients(jpeg[: jpeg.rindex(b"\xff\xda") + 14], header_of(jpeg))
    generator = np.random.default_rng(0)
    start = jpeg.index(b"\xff\xda") + 14
    for _ in range(20):  # whatever it holds, it is read to its end or refused
        bent = bytearray(jpeg)
        for place in generator.integers(start, len(jpeg) - 2, 8):
            bent[place] = generator.integers(0, 255)
        with contextlib.suppress(ImageError):
            assert quantised_coefficients(bytes(bent), header_of(jpeg))[0].shape == (8, 8, 8, 8)
