"""``-``: pictures through standard input and standard output, of processes of their own."""

from __future__ import annotations

import io
import subprocess
import sys

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage.data import camera

SCENE = camera()[100:148, 180:228]


def encoded(kind: str) -> bytes:
    buffer = io.BytesIO()
    Image.fromarray(SCENE).save(buffer, kind)
    return buffer.getvalue()


def test_a_png_goes_in_and_a_png_comes_out_with_all_that_is_said_on_standard_error():
    command = [sys.executable, "-m", "zeroshot", "denoise", "-", "--prior", "dct", "--sigma", "5"]
    done = subprocess.run(command, input=encoded("PNG"), capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    picture = Image.open(io.BytesIO(done.stdout))
    assert picture.format == "PNG"
    assert np.abs(np.asarray(picture).astype(float) - SCENE).mean() < 6
    assert b"iteration" in done.stderr
    assert b"zeroshot" in done.stdout  # its provenance


def test_the_format_may_be_chosen_and_is_lossless_by_default(forks, tmp_path):
    (tmp_path / "photo.jpg").write_bytes(encoded("JPEG"))
    default = forks.run("denoise", tmp_path / "photo.jpg", "-o", "-", "--prior", "dct", "--quiet")
    assert Image.open(io.BytesIO(default.stdout)).format == "PNG"
    chosen = forks.run("denoise", "-", "-o", "-", "--format", "webp", "--prior", "dct", given=encoded("PNG"))
    assert Image.open(io.BytesIO(chosen.stdout)).format == "WEBP"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["photo.jpg"]


def test_standard_input_may_go_to_a_file(forks, tmp_path):
    done = forks.run("denoise", "-", "-o", tmp_path / "out.png", "--prior", "dct", given=encoded("PNG"))
    assert done.returncode == 0, done.stderr
    assert Image.open(tmp_path / "out.png").size == (48, 48)
    assert b"out.png" in done.stdout


def test_a_stack_is_piped_as_a_stack(forks):
    buffer = io.BytesIO()
    stack = np.stack([SCENE.astype(np.uint16) * 9] * 2)
    tifffile.imwrite(buffer, stack, photometric="minisblack", metadata=None)
    done = forks.run("denoise", "-", "--sigma", "0", "--prior", "dct", given=buffer.getvalue())
    assert done.returncode == 0, done.stderr
    np.testing.assert_array_equal(tifffile.imread(io.BytesIO(done.stdout)), stack)


@pytest.mark.parametrize(
    ("words", "given", "told"),
    [
        (("denoise", "-"), b"", b"standard input is empty"),
        (("denoise", "-"), b"hello", b"standard input: is not a PNG"),
        (("denoise", "-"), encoded("PNG")[:90], b"standard input: is damaged"),
        (("denoise", "-", "--resume"), encoded("PNG"), b"--resume goes with files"),
    ],
)
def test_what_cannot_be_piped_is_one_line_and_nothing_comes_out(forks, words, given, told):
    done = forks.run(*words, given=given)
    assert done.returncode == 2
    assert told in done.stderr
    assert done.stderr.count(b"\n") == 1
    assert done.stdout == b""
