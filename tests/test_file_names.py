"""Names and renames as other systems have them, on this one."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from zeroshot import file_names, files, images
from zeroshot.app.uploads import safe_name
from zeroshot.cli.files import outputs_in, require_apart
from zeroshot.cli.output_names import outputs_beside


@pytest.mark.parametrize(
    "name", ["nul", "NUL.png", "con.denoised.png", "Com1.tif", "lpt9 .jpg", "aux.tar.png"]
)
def test_devices_are_no_files(name: str) -> None:
    assert file_names.is_device(name)
    assert not file_names.is_device(f"x{name}")


def test_an_output_that_windows_cannot_hold_is_refused(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images.check_output(tmp_path / "nul.png", overwrite=False)  # a name like any other
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(
        images.ImageError, match=r"nul\.png: is the name of a device on Windows; call it nul_\.png"
    ):
        images.check_output(tmp_path / "nul.png", overwrite=False)
    assert "a blank or a dot" in file_names.refusal(Path("clean.png "))
    assert file_names.refusal(Path("annul.png")) == ""


def test_what_a_browser_brings_is_never_a_device() -> None:
    assert safe_name("NUL.png") == "NUL_.png"
    assert safe_name("nullam.png") == "nullam.png"


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_where_case_does_not_count_two_outputs_are_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, platform: str
) -> None:
    folders = [tmp_path / "a" / "Photo.png", tmp_path / "b" / "photo.PNG"]
    beside = {path: [path] for path in (tmp_path / "Dog.jpg", tmp_path / "dog.png")}
    outputs_in(tmp_path, folders)
    outputs_beside(beside, "denoised")
    require_apart([], [("the output", tmp_path / "x.png"), ("the preview", tmp_path / "X.png")])
    monkeypatch.setattr(sys, "platform", platform)
    with pytest.raises(ValueError, match=r"the same output: Photo\.png, photo\.PNG"):
        outputs_in(tmp_path, folders)
    with pytest.raises(ValueError, match="written to the same output"):
        outputs_beside(beside, "denoised")
    with pytest.raises(ValueError, match="the preview is also the output"):
        require_apart([], [("the output", tmp_path / "x.png"), ("the preview", tmp_path / "X.png")])
    assert file_names.same_name("Cafe\u0301.png") == file_names.same_name("CAF\u00c9.png")


def test_a_file_that_somebody_reads_makes_way_when_it_is_closed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """os.replace fails on Windows as long as a reader has the target open."""
    target, tries, rename = tmp_path / "preview.jpg", [], os.replace
    target.write_bytes(b"old")

    def held_open(old: Path, new: Path) -> None:
        tries.append(new)
        if len(tries) < 3:
            raise PermissionError(13, "The process cannot access the file")
        rename(old, new)

    monkeypatch.setattr(os, "replace", held_open)
    with pytest.raises(files.NotWrittenError, match="cannot access the file"):
        files.write_atomically(target, b"new")
    assert (len(tries), target.read_bytes(), len([*tmp_path.iterdir()])) == (1, b"old", 1)
    tries.clear()
    monkeypatch.setattr(sys, "platform", "win32")
    monkeypatch.setattr(files.time, "sleep", lambda seconds: None)
    files.write_atomically(target, b"new")
    assert (len(tries), target.read_bytes()) == (3, b"new")
    monkeypatch.setattr(os, "replace", lambda old, new: rename(old / "nowhere", new))
    with pytest.raises(files.NotWrittenError):
        files.write_atomically(target, b"newer")


def test_a_path_that_is_too_long_for_windows_is_called_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / ("long" * 30) / ("name" * 30) / "x.png"
    assert file_names.advice(path) == ""
    monkeypatch.setattr(sys, "platform", "win32")
    with pytest.raises(
        files.NotWrittenError, match=r"the path has \d+ characters, and Windows takes 260 unless"
    ):
        files.write_atomically(path, b"")
    assert file_names.advice(Path("x.png")) == ""
