"""Colour filter arrays as cameras, raw converters and people write them."""

from __future__ import annotations

import numpy as np
import pytest

from zeroshot.operators import Mosaic
from zeroshot.operators.filter_layout import XTRANS, layout_of

SHIFTED = XTRANS[1:] + XTRANS[:1]


@pytest.mark.parametrize(
    "pattern",
    [
        "RGGB",
        " rggb ",
        "R G / G B",
        "RG/GB",
        "RG,GB",
        "R,G,G,B",
        "RG GB",
        "RG\nGB",
        "[Red,Green][Green,Blue]",  # exiftool
        "SRGGB10",  # V4L2
        "bayer_rggb8",  # ROS
        "0 1 1 2",  # EXIF
        b"RGGB",
        np.array([[0, 1], [3, 2]], np.uint8),  # rawpy
        [[0, 1], [1, 2]],
        [["R", "G"], ["G", "B"]],
        [b"RG", b"GB"],
        ("red green", "green blue"),
    ],
)
def test_one_layout_written_in_many_ways(pattern):
    assert layout_of(pattern) == ("rggb", ("RG", "GB"))


@pytest.mark.parametrize("pattern", [SHIFTED, "/".join(SHIFTED), ",".join(SHIFTED), "".join(SHIFTED).lower()])
def test_an_x_trans_of_any_phase(pattern):
    assert layout_of(pattern)[1] == SHIFTED


def test_numbers_are_those_of_raw_pattern():
    numbers = np.array([[{"R": 0, "G": 1, "B": 2}[letter] for letter in row] for row in SHIFTED], np.uint8)
    assert layout_of(numbers)[1] == SHIFTED
    assert Mosaic([[2, 3], [1, 0]]).describe() == "mosaic(bggr)"


@pytest.mark.parametrize("pattern", ["quad-rggb", "QUAD_RGGB", "quad bayer rggb", "RRGG/RRGG/GGBB/GGBB"])
def test_quad_bayer(pattern):
    assert layout_of(pattern)[1] == ("RRGG", "RRGG", "GGBB", "GGBB")


@pytest.mark.parametrize(
    ("pattern", "message"),
    [
        ("RGBG", "rawpy's color_desc"),
        (b"RGBG", "pass pattern=raw.raw_pattern"),
        ("BayerRG8", r"means RGGB with cameras \(GenICam, V4L2\).* BGGR in OpenCV"),
        ("COLOR_BayerBG2RGB", "BGGR with cameras .* RGGB in OpenCV"),
        ("COLOR_BayerGB2RGB", "GBRG with cameras .* GRBG in OpenCV"),
        ("RGBW", r"arrays with W \(white\)"),
        ("CMYG", r"C \(cyan\), M \(magenta\), Y \(yellow\)"),
        (["RG", "GE"], r"E \(emerald\)"),
        ("RGG", "write RGGB, BGGR"),
        ("", "write RGGB, BGGR"),
        (None, "write RGGB, BGGR"),
        ([[0, 4], [1, 2]], "made of R, G and B, got 4"),
        (np.zeros((48, 64), np.uint8), r"pass the part that repeats: raw_colors\[:6, :6\]"),
    ],
)
def test_what_is_no_layout_is_told_how_to_write_one(pattern, message):
    with pytest.raises(ValueError, match=message) as caught:
        layout_of(pattern)
    assert "\n" not in str(caught.value)
