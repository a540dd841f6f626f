"""`zeroshot kernel`, and `--kernel sheet` of deblur and sr."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.commands import run
from tests.pictures import sample
from zeroshot.images import load, read_provenance, save
from zeroshot.operators import Blur


@pytest.fixture(scope="module")
def photo(tmp_path_factory) -> Path:
    path = tmp_path_factory.mktemp("kernel") / "soft photo.png"
    blurred = Blur.gaussian(1.6)(load(sample("camera")[80:208, 80:208]).colours)
    save(load(blurred[0, 0].mul(255).round().byte().numpy()), path)
    return path


def test_the_kernel_is_told_and_written_for_every_kernel_option(photo: Path, tmp_path: Path, capsys) -> None:
    kernel = tmp_path / "found.npy"
    code, out, err = run(["kernel", photo, "-o", kernel, "--kind", "lens"], capsys)
    assert (code, err) == (0, "")
    lines = [line.split() for line in out.splitlines()]
    assert ["kind", "gaussian"] in lines
    assert any(line[:1] == ["confidence"] for line in lines)
    assert np.load(kernel).sum() == pytest.approx(1)
    for command in (
        ["deblur", photo, "--kernel", kernel, "--prior", "wiener", "-o", tmp_path / "sharp.png", "--quiet"],
        ["degrade", photo, "--task", "deblur", "--kernel", kernel, "-o", tmp_path / "blurred.png"],
        ["metrics", "--kernel", kernel, kernel],
    ):
        assert run(command, capsys)[0] == 0
    code, _, err = run(["kernel", photo, "-o", kernel], capsys)
    assert code == 2
    assert "exists; choose another name or use --overwrite" in err


def test_the_kernel_of_a_small_image_is_written_as_a_picture(photo: Path, tmp_path: Path, capsys) -> None:
    kernel = tmp_path / "found.png"
    code, out, _ = run(["kernel", photo, "--task", "sr", "--scale", 2, "-o", kernel, "--json"], capsys)
    found = json.loads(out)
    assert code == 0
    assert {"kind", "confidence", "evidence", "size", "sentence"} <= found.keys()
    assert list(Image.open(kernel).size) == found["size"]
    large = tmp_path / "large.png"
    options = ["--kernel", kernel, "--prior", "tv", "--set", "iterations=20", "-o", large, "--quiet"]
    assert run(["sr", photo, "--scale", 2, *options], capsys)[0] == 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--task", "sr"], "--task sr needs --scale"),
        (["--scale", 2], "--scale goes with --task sr"),
        (["-o", "kernel.jpg"], "a kernel is written to a .npy or .png file"),
    ],
)
def test_mistakes_are_told_in_one_line(photo: Path, capsys, arguments, message) -> None:
    code, out, err = run(["kernel", photo, *arguments], capsys)
    assert (code, out) == (2, "")
    assert message in err
    assert err.count("\n") == 1


def test_a_sheet_is_written_beside_the_picture(photo: Path, capsys) -> None:
    code, out, err = run(["deblur", photo, "--kernel", "sheet=lens"], capsys)
    sheet = photo.with_name("soft photo.kernels.png")
    assert (code, err) == (0, "")
    assert out.startswith(f"{sheet}: 12 tiles; deblur: the blur of a lens")
    assert read_provenance(sheet)["prior"] == "wiener"
    assert Image.open(sheet).width > 4 * 128
    code, _, err = run(["deblur", photo, "--kernel", "sheet"], capsys)
    assert code == 2
    assert "exists" in err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--seconds", 3], "--kernel sheet makes many restorations: --seconds goes with a single one"),
        (["--best"], "--kernel sheet takes a prior by its name, not --best"),
        (["-o", "sheet.jpg"], "a sheet is written to a .png file"),
    ],
)
def test_what_a_sheet_cannot_be_asked_for(
    photo: Path, capsys, tmp_path, monkeypatch, arguments, message
) -> None:
    monkeypatch.chdir(tmp_path)
    code, _, err = run(["deblur", photo, "--kernel", "sheet", *arguments], capsys)
    assert code == 2
    assert message in err
    assert list(tmp_path.iterdir()) == []


def test_sheets_of_several_pictures(photo: Path, capsys, tmp_path) -> None:
    folder = tmp_path / "sheets"
    small = tmp_path / "small.tif"
    save(load(sample("camera")[100:132, 100:132]), small)
    options = ["--scale", 2, "--kernel", "sheet", "--set", "iterations=5", "-o", f"{folder}/"]
    assert run(["sr", small, photo, *options], capsys)[0] == 0
    assert sorted(path.name for path in folder.iterdir()) == ["small.png", "soft photo.png"]
