"""`zeroshot metrics --kernel`: kernels from files and words, and the pictures that they restored."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.commands import measure
from tests.pictures import noisy_pixels, sample
from zeroshot.operators import kernels


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A hook as a kernel, the same one pixel lower as PNG, and restorations with noise of 4 and 8 levels."""
    kernel = np.zeros((9, 9))
    kernel[1:7, 2], kernel[6, 2:7], kernel[1, 2] = 10, 20, 40
    np.save(tmp_path / "true.npy", kernel)
    np.save(tmp_path / "turned.npy", kernel[::-1, ::-1])
    np.save(tmp_path / "nought.npy", 0 * kernel)
    Image.fromarray(np.roll(kernel, 1, axis=0).astype(np.uint8) * 6).save(tmp_path / "found.png")
    truth = sample("camera")[100:164, 100:172]
    for name, sigma in (("truth", 0), ("known", 4), ("estimated", 8)):
        Image.fromarray(noisy_pixels(truth, sigma)).save(tmp_path / f"{name}.png")
    return tmp_path


def test_files_of_both_kinds_are_compared(folder: Path, capsys) -> None:
    assert measure("--kernel", folder / "true.npy", folder / "found.png") == 0
    out, err = capsys.readouterr()
    head, row = (line.split() for line in out.splitlines())
    assert head == ["kernel", "similarity", "down", "right"]
    assert row == [str(folder / "found.png"), "1.0000", "+1", "+0"]
    assert err == ""


def test_a_kernel_may_be_given_in_words(tmp_path: Path, capsys) -> None:
    np.save(tmp_path / "disk.npy", kernels.disk(3))
    measure("--kernel", "disk=3", tmp_path / "disk.npy", "--json")
    assert json.loads(capsys.readouterr().out)["similarity"] == pytest.approx(1)


def test_three_pictures_give_the_error_ratio(folder: Path, capsys) -> None:
    pictures = [folder / f"{name}.png" for name in ("truth", "known", "estimated")]
    measure("--kernel", folder / "true.npy", folder / "found.png", *pictures, "--border", 2, "--csv")
    (row,) = csv.DictReader(io.StringIO(capsys.readouterr().out))
    assert row["reference"] == str(folder / "true.npy")
    assert float(row["error_ratio"]) == pytest.approx(4, rel=0.05)
    measure("--kernel", "disk=3", "disk=3", pictures[0], pictures[0], pictures[1], "--json")
    assert json.loads(capsys.readouterr().out)["error_ratio"] == "inf"


def test_a_kernel_that_was_turned_is_told(folder: Path, capsys) -> None:
    measure("--kernel", folder / "true.npy", folder / "turned.npy")
    assert "turned by 180° the estimate is more like the true kernel (1.0000)" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["true.npy", "nowhere.npy"], "there is no such kernel file: .*nowhere.npy"),
        (["true.npy", "nought.npy"], "nought.npy: the kernel sums to zero"),
        (["true.npy", "round=3"], "cannot read the kernel 'round=3'; write gaussian=SIGMA"),
        (["true.npy", "found.png", "truth.png"], "for the error ratio give three pictures: zeroshot metrics --kernel"),
        (["true.npy", "found.png", "truth.png", "no.png", "known.png"], "there is no file no.png"),
        (["true.npy", "found.png", "truth.png", "found.png", "known.png"], "found.png is 9 × 9 grey and its ref"),
        (["true.npy", "found.png", "--metrics", "psnr"], "--metrics measures pictures and cannot be combined"),
        (["true.npy", "found.png", "--no-reference"], "--no-reference measures pictures and cannot be combined"),
    ],
)  # fmt: skip
def test_bad_input_is_told_before_anything_is_printed(
    folder: Path, arguments: list[str], message: str, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(folder)
    with pytest.raises((ValueError, OSError), match=message):
        measure("--kernel", *arguments)
    assert capsys.readouterr().out == ""


def test_two_kernels_are_needed(folder: Path, capsys) -> None:
    with pytest.raises(SystemExit, match="2"):
        measure("--kernel", folder / "true.npy")
    assert "--kernel: expected 2 arguments" in capsys.readouterr().err
