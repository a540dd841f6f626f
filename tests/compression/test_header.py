"""Headers of JPEG files: what they say, and one line for those that are of no use."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.jpegs import cmyk, encoded, photograph
from zeroshot.compression.header import header_of, jpeg_header
from zeroshot.compression.tables import is_of_quality, quality_of, tables_of_quality
from zeroshot.images import ImageError


@pytest.mark.parametrize("quality", [1, 10, 49, 50, 75, 90, 100])
def test_the_tables_of_a_quality_are_those_that_encoders_write(quality: int) -> None:
    header = header_of(encoded(photograph(16, 16), quality=quality))
    luminance, chrominance = tables_of_quality(quality)
    for found, known in zip(header.tables, (luminance, chrominance, chrominance), strict=True):
        np.testing.assert_array_equal(found, known)
    assert header.quality == quality_of(luminance) == quality
    assert is_of_quality(header.tables)


@pytest.mark.parametrize(
    ("options", "process", "subsampling"),
    [
        ({"subsampling": 0}, "baseline", "4:4:4"),
        ({"subsampling": 1}, "baseline", "4:2:2"),
        ({"subsampling": 2}, "baseline", "4:2:0"),
        ({"progressive": True}, "progressive", "4:2:0"),
    ],
)
def test_size_process_and_subsampling(options: dict, process: str, subsampling: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(encoded(photograph(33, 50), **options))
    header = jpeg_header(path)
    assert (header.height, header.width) == (33, 50)
    assert (header.process, header.subsampling, header.colour) == (process, subsampling, "ycbcr")


def test_grey_has_one_component_and_no_subsampling() -> None:
    header = header_of(encoded(photograph(16, 16, "L")))
    assert (header.colour, header.subsampling, len(header.components)) == ("grey", "", 1)


def test_colours_that_are_not_transformed_are_known() -> None:
    assert header_of(encoded(photograph(16, 16), keep_rgb=True)).colour == "rgb"
    assert header_of(cmyk()).colour == "cmyk"


def test_tables_of_16_bits_are_read() -> None:
    steps = list(range(1, 65))
    jpeg = encoded(photograph(16, 16, "L"), qtables=[[10 * step for step in steps]])
    table = header_of(jpeg).tables[0]
    assert table.max() == 640
    # Pillow takes tables in row order.
    np.testing.assert_array_equal(table.ravel(), 10 * np.arange(1, 65))


def edited(**changes: bytes) -> bytes:
    """A grey JPEG with bytes of its segments replaced: of its table, or of its frame header."""
    jpeg = encoded(photograph(16, 16, "L"))
    for name, value in changes.items():
        marker = {"table": b"\xff\xdb", "frame": b"\xff\xc0"}[name.split("_")[0]]
        place = jpeg.index(marker) + int(name.split("_")[1])
        jpeg = jpeg[:place] + value + jpeg[place + len(value) :]
    return jpeg


@pytest.mark.parametrize(
    ("jpeg", "reason"),
    [
        (edited(table_9=b"\0"), "a step of 0"),
        (edited(frame_4=b"\x0c"), "12 bits a sample"),
        (edited(frame_1=b"\xc9"), "arithmetic coding"),
        (edited(frame_1=b"\xc3"), "lossless"),
        (edited(frame_5=b"\0\0"), "no size"),
        (edited(frame_12=b"\3"), "a quantisation table is missing"),
        (encoded(photograph(16, 16))[:30], "damaged or truncated"),
    ],
)
def test_what_is_of_no_use_is_said_in_one_line(jpeg: bytes, reason: str, tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(jpeg)
    with pytest.raises(ImageError, match=reason) as caught:
        jpeg_header(path)
    assert "\n" not in str(caught.value)
    assert str(path) in str(caught.value)


def test_other_files_are_no_jpeg(tmp_path: Path) -> None:
    Image.fromarray(photograph(8, 8)).save(tmp_path / "a.png")
    with pytest.raises(ImageError, match="is a PNG file, not a JPEG"):
        jpeg_header(tmp_path / "a.png")
