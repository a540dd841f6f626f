"""Alignment: places of the landmarks, the way there and back, borders, and what is refused."""

from __future__ import annotations

import json
import math

import pytest
import torch

from zeroshot.generators.alignment import LARGEST_SIDE, FaceAlignment, read_landmarks
from zeroshot.metrics import psnr

UPRIGHT = [(40.0, 50.0), (60.0, 50.0), (50.0, 60.0), (43.0, 72.0), (57.0, 72.0)]


def turned(points, degrees, centre=(50.0, 55.0)):
    c, s = math.cos(math.radians(degrees)), math.sin(math.radians(degrees))
    return [
        (
            centre[0] + c * (x - centre[0]) - s * (y - centre[1]),
            centre[1] + s * (x - centre[0]) + c * (y - centre[1]),
        )
        for x, y in points
    ]


def smooth(height=120, width=110):
    y, x = torch.meshgrid(torch.arange(height) / 15, torch.arange(width) / 13, indexing="ij")
    return torch.stack([x.sin(), y.cos(), (x + y).sin()])[None] / 2 + 0.5


def test_the_square_is_that_of_ffhq_for_an_upright_face():
    # Eyes 20 apart, mouth 22 below them: half side max(40, 39.6) = 40, centre 2.2 below the eyes.
    face = FaceAlignment.from_landmarks(UPRIGHT)
    assert face.centre == pytest.approx((50.0, 52.2))
    assert face.side == pytest.approx((40.0, 0.0), abs=1e-9)


@pytest.mark.parametrize("degrees", [-30, 17, 90, 180])
def test_a_turned_face_comes_out_upright(degrees):
    photograph = smooth()
    reference = FaceAlignment.from_landmarks(UPRIGHT)
    face = FaceAlignment.from_landmarks(turned(UPRIGHT, degrees))
    assert face.half == pytest.approx(reference.half)
    angle = math.degrees(math.atan2(face.side[1], face.side[0]))
    assert (angle - degrees + 180) % 360 - 180 == pytest.approx(0, abs=1e-6)
    assert face.crop(photograph, 16).shape == (1, 3, 16, 16)


def test_a_crop_of_the_squares_own_size_is_that_part_of_the_photograph():
    photograph = torch.rand(1, 3, 120, 110)
    face = FaceAlignment((50.0, 60.0), (32.0, 0.0))
    torch.testing.assert_close(face.crop(photograph, 64), photograph[..., 28:92, 18:82], atol=1e-5, rtol=0)


def test_a_small_crop_is_smoothed_and_not_aliased():
    stripes = (torch.arange(128) % 2).float().expand(1, 1, 128, 128).contiguous()
    face = FaceAlignment((64.0, 64.0), (40.0, 12.0))
    assert face.crop(stripes, 8).std() < 0.03


@pytest.mark.parametrize("degrees", [0, 25])
def test_there_and_back_is_the_photograph(degrees):
    photograph = smooth()
    face = FaceAlignment.from_landmarks(turned(UPRIGHT, degrees))
    back = face.paste(photograph, face.crop(photograph, 160))
    assert psnr(back, photograph) > 40


def test_the_face_is_whole_inside_and_fades_at_its_border():
    photograph = torch.zeros(1, 1, 100, 100)
    face = FaceAlignment((50.0, 50.0), (20.0, 0.0))
    pasted = face.paste(photograph, torch.ones(1, 1, 64, 64), border=0.25)[0, 0]
    assert torch.allclose(pasted[36:64, 36:64], torch.ones(28, 28), atol=1e-4)
    assert pasted[:29].abs().max() == 0
    row = pasted[50, 30:40]
    assert (row.diff() >= -1e-6).all()
    assert 0 < row[1] < row[3] < 1
    hard = face.paste(photograph, torch.ones(1, 1, 64, 64), border=0)[0, 0]
    assert set(hard.round(decimals=3).unique().tolist()) == {0.0, 1.0}


def test_a_face_beyond_the_edge_is_mirrored_and_only_its_part_comes_back():
    photograph = smooth()
    face = FaceAlignment((10.0, 60.0), (30.0, 0.0))
    crop = face.crop(photograph, 60)
    assert torch.isfinite(crop).all()
    assert crop.min() >= -0.05
    pasted = face.paste(photograph, crop)
    assert psnr(pasted, photograph) > 40


def test_landmarks_are_read_as_text_and_from_files(tmp_path):
    wanted = FaceAlignment.from_landmarks(UPRIGHT)
    assert read_landmarks("40,50 60,50 50,60 43,72 57,72") == wanted
    path = tmp_path / "face.json"
    path.write_text(json.dumps(UPRIGHT))
    assert read_landmarks(str(path)) == wanted
    names = ("left eye", "right eye", "nose", "left mouth corner", "right mouth corner")
    path.write_text(json.dumps(dict(zip(names, UPRIGHT, strict=True))))
    assert read_landmarks(str(path)) == wanted


@pytest.mark.parametrize(
    ("landmarks", "words"),
    [
        (UPRIGHT[:4], "five points"),
        ([(1, 2, 3)] * 5, "five pairs of numbers"),
        ([(5, 5)] * 5, "in one place"),
        ([UPRIGHT[1], UPRIGHT[0], UPRIGHT[2], UPRIGHT[4], UPRIGHT[3]], "mirrored"),
        ({"nose": (1, 2)}, "missing: left eye"),
    ],
)
def test_what_is_no_face_is_refused(landmarks, words):
    with pytest.raises(ValueError, match=words):
        FaceAlignment.from_landmarks(landmarks)


@pytest.mark.parametrize("text", ["40,50 60,50", "a,b c,d", "1 2 3 4 5 6 7 8 9"])
def test_text_that_is_no_landmarks_is_refused(text):
    with pytest.raises(ValueError, match="five pairs x,y"):
        read_landmarks(text)


@pytest.mark.parametrize("size", [0, -1, 1_000_000, LARGEST_SIDE + 1])
def test_sizes_beyond_the_limit_are_refused(photograph, size):
    face = FaceAlignment((20.0, 20.0), (10.0, 0.0))
    with pytest.raises(ValueError, match=f"from 1 to {LARGEST_SIDE}, got {size}"):
        face.crop(photograph, size)


def test_a_face_far_larger_than_the_photograph_is_refused(photograph):
    face = FaceAlignment((20.0, 20.0), (1e9, 0.0))
    for work in (
        lambda: face.crop(photograph, 16),
        lambda: face.paste(photograph, photograph[..., :16, :16]),
    ):
        with pytest.raises(ValueError, match="too far apart for the photograph"):
            work()


@pytest.mark.parametrize("content", [b"", b"\xff\xfe\x00", b"[" * 100_000, b"{}", b"[1, 2]", b"null"])
def test_files_that_hold_no_landmarks(tmp_path, content):
    (tmp_path / "face.json").write_bytes(content)
    with pytest.raises(ValueError, match=r"\S") as caught:
        read_landmarks(str(tmp_path / "face.json"))
    assert "\n" not in str(caught.value)


def test_a_missing_or_huge_file_of_landmarks(tmp_path):
    with pytest.raises(FileNotFoundError, match="no file of landmarks"):
        read_landmarks(str(tmp_path / "none.json"))
    (tmp_path / "face.json").write_bytes(b" " * (2 << 20))
    with pytest.raises(ValueError, match="too large"):
        read_landmarks(str(tmp_path / "face.json"))
