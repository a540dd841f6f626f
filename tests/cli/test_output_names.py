"""What outputs are called where nobody says."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import zeroshot
from tests.cli.commands import run
from zeroshot.cli.output_names import folder_beside, output_beside, outputs_beside

FAST = ["--prior", "tv", "--set", "iterations=20", "--quiet"]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(90, 160, (24, 24, 3), dtype=np.uint8)).save(path)
    return path


@pytest.mark.parametrize(
    ("source", "output"),
    [
        ("a/photo.png", "a/photo.denoised.png"),
        ("photo.jpg", "photo.denoised.png"),
        ("photo.JPEG", "photo.denoised.png"),
        ("scan.tiff", "scan.denoised.tiff"),
        ("scan.TIF", "scan.denoised.TIF"),
        ("picture.webp", "picture.denoised.png"),
        ("me.2024.png", "me.2024.denoised.png"),
        ("photo", "photo.denoised.png"),
    ],
)
def test_an_output_lies_beside_its_input_and_loses_nothing(source: str, output: str) -> None:
    assert output_beside(Path(source), "denoised") == Path(output)


@pytest.mark.parametrize("name", ["a" * 251 + ".png", "é" * 125 + ".png", "a" * 251 + ".jpg"])
def test_an_input_of_the_longest_name_has_an_output_as_well(
    photo: Path, name: str, capsys: pytest.CaptureFixture[str]
) -> None:
    source = photo.rename(photo.with_name(name)) if name.endswith("png") else photo.with_name(name)
    if not source.exists():
        Image.open(photo).save(source, "JPEG")
        photo.unlink()
    assert run(["denoise", source, "--prior", "tv", "--quiet"], capsys)[0] == 0
    (output,) = (path for path in source.parent.iterdir() if path.name.endswith(".denoised.png"))
    assert len(os.fsencode(output.name)) <= 255


def test_every_task_has_a_word_for_what_it_has_done() -> None:
    words = {name: task.outcome for name, task in zeroshot.tasks().items()}
    assert words == {
        "denoise": "denoised",
        "inpaint": "inpainted",
        "sr": "upscaled",
        "colorize": "colorized",
        "demosaic": "demosaiced",
        "destripe": "destriped",
        "jpeg": "clean",
        "deblur": "deblurred",
        "sharpen": "sharpened",
        "restore": "restored",
    }


def test_a_folder_goes_beside_the_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert folder_beside(Path("a/holiday"), "denoised") == Path("a/holiday.denoised")
    inside = tmp_path / "holiday"
    inside.mkdir()
    monkeypatch.chdir(inside)
    assert folder_beside(Path("."), "denoised") == tmp_path / "holiday.denoised"
    with pytest.raises(ValueError, match="nothing lies beside"):
        folder_beside(Path("/"), "denoised")


def test_two_inputs_never_share_an_output() -> None:
    a, b = Path("a.png"), Path("a.jpg")
    with pytest.raises(ValueError, match=r"same output: a\.denoised\.png"):
        outputs_beside({a: [a], b: [b]}, "denoised")


def test_without_o_nothing_is_overwritten(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = photo.with_name("photo.denoised.png")
    assert run(["denoise", photo, *FAST], capsys)[0] == 0
    before = output.read_bytes()
    code, _, err = run(["denoise", photo, *FAST, "--sigma", 9], capsys)
    assert code == 2
    assert "photo.denoised.png: exists already" in err
    assert output.read_bytes() == before
    assert run(["denoise", photo, *FAST, "--sigma", 9, "--overwrite"], capsys)[0] == 0
    assert output.read_bytes() != before


def test_files_and_folders_without_o(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = photo.parent / "holiday"
    folder.mkdir()
    Image.open(photo).save(folder / "a.jpg")
    Image.open(photo).save(folder / "b.png")
    assert run(["denoise", photo, folder, *FAST], capsys)[0] == 0
    written = {str(path.relative_to(photo.parent)) for path in photo.parent.rglob("*.png")}
    assert written == {
        "photo.png",
        "photo.denoised.png",
        "holiday/b.png",
        "holiday.denoised/a.png",
        "holiday.denoised/b.png",
    }
    assert run(["denoise", photo, folder, *FAST, "--resume"], capsys)[0] == 0


def test_degrade_without_o(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["degrade", photo, "--task", "inpaint", "--missing", 0.5]
    assert run([*words, "--quiet"], capsys)[0] == 0
    assert photo.with_name("photo.degraded.png").exists()
    assert photo.with_name("photo.degraded-mask.png").exists()
    assert run([*words, "--quiet"], capsys)[0] == 2
    folder = photo.parent / "many"
    folder.mkdir()
    Image.open(photo).save(folder / "a.jpg")
    assert run(["degrade", folder, "--task", "denoise", "--sigma", 5, "--quiet"], capsys)[0] == 0
    assert (photo.parent / "many.degraded" / "a.png").exists()


def test_align_without_o(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    landmarks = "8,8 16,8 12,12 9,16 15,16"
    assert run(["align", photo, "--landmarks", landmarks, "--size", 16], capsys)[0] == 0
    assert Image.open(photo.with_name("photo.aligned.png")).size == (16, 16)


def test_background_without_o(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    frames = photo.parent / "frames"
    frames.mkdir()
    for name in "abc":
        Image.open(photo).save(frames / f"{name}.png")
    assert run(["background", frames, "--quiet"], capsys)[0] == 0
    assert (photo.parent / "frames.separated" / "background" / "a.png").exists()
    code, _, err = run(["background", *sorted(frames.iterdir()), "--quiet"], capsys)
    assert code == 2
    assert "give the folder that receives the frames" in err


def test_the_output_of_the_longest_names_is_shortened_and_written(tmp_path: Path, capsys) -> None:
    letters = "ä" * 125 + "b"
    source = tmp_path / f"{letters}.png"
    Image.fromarray(np.full((24, 24), 90, np.uint8)).save(source)
    assert len(source.name.encode()) == 255
    code, _, err = run(["denoise", source, *FAST], capsys)
    assert code == 0, err
    output = output_beside(source, "denoised")
    assert output.is_file()
    assert len(output.name.encode()) <= 255
    assert output.name.endswith(".denoised.png")
    folder = folder_beside(tmp_path / ("c" * 250), "denoised")
    assert len(folder.name) == 255
