"""Kernels and masks in files: numbers and nothing else, no larger than they may be."""

from __future__ import annotations

import os
import resource
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zeroshot.operators import Blur, Downsample, kernels, parse
from zeroshot.operators.expression import blur_kernel
from zeroshot.operators.plane_files import kernel_file, mask_file
from zeroshot.tasks.deblur import blur_weights

LIMIT = kernels.LARGEST_SIDE


def header(text: bytes) -> bytes:
    padded = text + b" " * (118 - len(text) - 1) + b"\n"
    return b"\x93NUMPY\1\0" + len(padded).to_bytes(2, "little") + padded


def written(folder: Path, content: object) -> Path:
    path = folder / "k.npy"
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        np.save(path, content, allow_pickle=True)
    return path


TERABYTES = header(b"{'descr': '<f8', 'fortran_order': False, 'shape': (4, 1099511627776), }") + bytes(8)
REFUSED: list[tuple[object, str]] = [
    (np.array([{}, 1], object), "Python objects"),
    (np.array(["a"]), "values of type <U1"),
    (np.zeros(3, [("a", "i4")]), "values of type"),
    (header(b"__import__('os').system('false')"), "no .npy file"),
    (header(b"{'descr': '<f8', 'fortran_order': False, 'shape': (-3, 3), }") + bytes(72), "no .npy file"),
    (b"\x80\4\x95 a pickle", "no .npy file"),
    (b"", "no .npy file"),
    (b"PK\3\4 an archive", "no .npy file"),
    (b"\x93NUMPY\x09\0" + bytes(60), "no .npy file"),
]


@pytest.mark.parametrize(("content", "match"), REFUSED)
@pytest.mark.parametrize("reader", [kernel_file, mask_file])
def test_only_arrays_of_numbers_are_read(tmp_path, reader, content, match):
    with pytest.raises(ValueError, match=match) as caught:
        reader(written(tmp_path, content))
    assert "\n" not in str(caught.value)


def test_an_archive_under_another_name_is_no_array(tmp_path):
    np.savez(tmp_path / "k.npz", a=np.ones(3))
    os.rename(tmp_path / "k.npz", tmp_path / "k.npy")
    with pytest.raises(ValueError, match=r"no \.npy file"):
        kernel_file(tmp_path / "k.npy")


def test_an_array_of_terabytes_is_refused_by_its_header(tmp_path):
    path = written(tmp_path, TERABYTES)
    with pytest.raises(ValueError, match=f"too large .*{LIMIT} × {LIMIT}"):
        kernel_file(path)
    with pytest.raises(ValueError, match="truncated"):
        mask_file(path)


@pytest.mark.parametrize(
    ("kernel", "match"),
    [
        (np.full((3, 3), np.nan), "NaN"),
        (np.full((3, 3), np.inf), "NaN or infinite"),
        (np.ones((3, 3), complex), "complex"),
        (torch.ones(3, 3, dtype=torch.complex64), "complex"),
        (-np.ones((3, 3)), "negative sum"),
        (np.zeros((3, 3)), "sums to zero"),
        (np.ones((0, 3)), "two-dimensional"),
        (np.ones((3, LIMIT + 2)), f"too large \\(3 × {LIMIT + 2}\\); the limit is {LIMIT} × {LIMIT}"),
    ],
)
def test_weights_that_are_no_kernel(kernel, match):
    for build in (Blur, lambda weights: Downsample(2, weights)):
        with pytest.raises(ValueError, match=match):
            build(kernel)


@pytest.mark.parametrize(
    "kernel", [np.full((3, 3), 1e308), np.full((3, 3), 1e-308), torch.ones(3, 3).bfloat16()]
)
def test_weights_of_any_magnitude_are_divided_by_their_sum(kernel):
    np.testing.assert_allclose(Blur(kernel).kernel, np.full((3, 3), 1 / 9), rtol=1e-6)


def test_a_large_picture_is_refused_as_a_kernel_by_its_header(tmp_path):
    Image.new("L", (9000, 9000)).save(tmp_path / "k.png")
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(
        ValueError, match=f"too large for a kernel \\(9000 × 9000\\); the limit is {LIMIT} × {LIMIT}"
    ):
        parse(f'blur("{tmp_path / "k.png"}")')
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


@pytest.mark.parametrize(
    "text",
    [
        "blur(gaussian=1e9)",
        "blur(motion=1000000)",
        "blur(motion=1e12, angle=45)",
        "blur(disk=1e5)",
        "downsample(100000)",
        "downsample(4096, kernel=box)",
        "downsample(2, kernel=gaussian, sigma=1e8)",
        "downsample(400, kernel=lanczos3)",
    ],
)
def test_kernels_beyond_the_limit_are_refused_before_they_are_made(text):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(ValueError, match=f"too large; the limit is {LIMIT} × {LIMIT}"):
        parse(text)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 64 << 10


@pytest.mark.parametrize("text", ["blur(disk=1e-300)", "blur(motion=1e-9)", "blur(gaussian=1e-300)"])
def test_a_kernel_smaller_than_a_pixel_is_one_pixel(text):
    assert parse(text).kernel.flatten().tolist() == [1.0]


@pytest.mark.parametrize(
    "text",
    [
        "identity" + "@identity" * 900,
        "stack(" * 80 + "identity" + ")" * 80,
        "(" * 500 + "identity" + ")" * 500,
        "downsample(" + "9" * 400 + ")",
        "blur(gaussian=" + "9" * 5000 + ")",
        "blur(gaussian=1e999)",
        "a\0b",
        "downsample(10**10)",
        "blur('" + "k" * 5000 + ".png')",
        "blur(gaussian=1if 1 else 2)",
        "mask('/dev/zero')",
    ],
)
def test_hostile_expressions_are_one_short_line(text, recwarn):
    with pytest.raises(ValueError, match=r"\S") as caught:
        parse(text)
    assert len(str(caught.value)) < 300
    assert "\n" not in str(caught.value)
    assert not recwarn.list


@pytest.mark.parametrize(
    "text",
    [
        "gaussian=1)@(identity",
        "gaussian=1)@mask('x'",
        "boundary=valid",
        "kernel='k.npy'",
        "gaussian=1,gaussian=2",
        "gaussian=__import__('os')",
        "motion=5, angle=north",
        "gaussian=",
        "=",
        ",",
        "disk=3, motion=2",
        "gaussian=1/0",
        "gaussian=-1",
        "x" * 5000 + "=1",
    ],
)
def test_the_text_of_a_kernel_is_no_expression(text):
    with pytest.raises(ValueError, match=r"\S") as caught:
        blur_weights(text)
    assert len(str(caught.value)) < 300


def test_the_text_of_a_kernel_is_the_blur_of_that_name():
    assert torch.equal(blur_kernel("gaussian=8/5"), Blur.gaussian(1.6).kernel)
    assert torch.equal(blur_kernel(" motion=9 , angle=-20 "), Blur.motion(9, -20).kernel)
    assert torch.equal(blur_weights("disk=2.5"), Blur.disk(2.5).kernel)


def test_large_kernels_are_those_of_the_formula():
    weights = kernels.motion(200, 30)
    assert weights.sum() == pytest.approx(1)
    rows, columns = (np.arange(length) - length // 2 for length in weights.shape)
    assert np.sqrt((weights * (rows[:, None] ** 2 + columns[None, :] ** 2)).sum()) == pytest.approx(
        np.sqrt((200**2 + 1) / 12), rel=1e-3
    )


@pytest.mark.parametrize(
    "descr", ["(\n", "((((((\n", "{'descr': '<f4', 'fortran_order': False, 'shape': (\n"]
)
def test_a_head_that_python_cannot_read_is_no_array(tmp_path: Path, descr: str) -> None:
    path = tmp_path / "mask.npy"
    path.write_bytes(b"\x93NUMPY\x01\x00" + len(descr).to_bytes(2, "little") + descr.encode() + bytes(80))
    with pytest.raises(
        ValueError, match=r"^the mask file is no \.npy file, as numpy\.save writes them: .*mask\.npy$"
    ):
        mask_file(path)
