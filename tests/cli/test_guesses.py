"""The command line as people guess it: taken where it is plain, answered in one line otherwise."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.commands import run


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    for name in ("photo.png", "photo.jpg"):
        pixels = np.random.default_rng(0).integers(90, 160, (24, 24, 3), dtype=np.uint8)
        Image.fromarray(pixels).save(name)
    return tmp_path


FAST = "--prior tv --set iterations=20 --quiet"


@pytest.mark.parametrize(
    "words",
    [
        f"upscale photo.png --scale 2 {FAST}",
        f"super-resolution photo.png --scale 2 {FAST}",
        f"Denoise photo.png {FAST}",
        "denoising photo.png --prior TV --quiet",
        "denoise photo.png --prior Total-Variation --quiet",
        "degrade photo.png --task upscale --scale 2 --quiet",
        "help denoise",
        "priors TotalVariation",
    ],
)
def test_plain_guesses_are_taken(words: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(words.split(), capsys)
    assert code == 0, err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("", "give a command, such as 'zeroshot denoise photo.png'"),
        (
            "photo.png",
            "'photo.png' is no command; say first what to do with it: 'zeroshot denoise photo.png'",
        ),
        ("folder/none.png", "is no command; say first"),
        ("denoize photo.png", "there is no command 'denoize' (did you mean 'denoise'?)"),
        ("metric photo.png", "there is no command 'metric' (did you mean 'metrics'?)"),
        (
            "denoise photo.png --iterations 100",
            "--iterations is a setting of other priors: write --prior dip --set iterations=100",
        ),
        ("denoise photo.png --iterations=100", "write --prior dip --set iterations=100"),
        ("denoise --iterations photo.png", "--set iterations="),
        ("denoise photo.png --prior tv --weight 0.1", "write --set weight=0.1"),
        ("denoise photo.png --prior=nlm --patch 5", "write --set patch=5"),
        (
            "denoise photo.png --itrations 100",
            "no option --itrations (did you mean --prior dip --set iterations=100?)",
        ),
        ("metrics photo.png photo.png --curvature 1", "no option --curvature; 'zeroshot metrics --help'"),
        ("denoise photo.png --sgima 5", "there is no option --sgima (did you mean --sigma?)"),
        ("denoise photo.png --noise-level 5", "(did you mean --sigma?)"),
        ("denoise photo.png --method tv", "(did you mean --prior?)"),
        ("denoise photo.png --force", "(did you mean --overwrite?)"),
        ("denoise photo.png --data-range 0,255", "(did you mean --range?)"),
        ("sr photo.png --factor 2", "(did you mean --scale?)"),
        (
            "denoise photo.png --nothing-like-this",
            "there is no option --nothing-like-this; 'zeroshot denoise --help'",
        ),
        ("denoise photo.png - -o clean", "'-' goes with one picture"),
        ("inpaint photo.png --mask -", "'-' is no picture here: only tasks read one"),
        ("denoise photo.png -o clean.png --format png", "--format goes with -o -"),
        ("metrics photo.png -", "'-' is no picture"),
        ("denoise photo.png --prior tvv", "there is no prior 'tvv' (did you mean 'tv'?)"),
        ("denoise photo.png --prior tv --set wieght=1", "(did you mean 'weight'?)"),
        ("deblur photo.png --kernel 1.6", "did you mean --kernel gaussian=1.6?"),
        ("deblur photo.png --kernel gauss=2", "did you mean --kernel gaussian=2?"),
        ("deblur photo.png --kernel gaussian", "did you mean --kernel gaussian=3?"),
        ("sr photo.png --scale 2 --kernel gaussian=1.6", "is written --kernel gaussian --kernel-sigma 1.6"),
        (
            "degrade photo.png --task denoize --sigma 5",
            "there is no task 'denoize' (did you mean 'denoise'?)",
        ),
        ("compare photo.png --task sr --scale 2 --report out --methods tvv", "(did you mean 'tv'?)"),
        ("tasks everything", "'everything' was not understood"),
        ("denoise none*.png", "none*.png: there is no such file"),
    ],
)
def test_other_guesses_are_answered_in_one_line(
    words: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, out, err = run(words.split(), capsys)
    assert code == 2
    assert told in err
    assert err.count("\n") == 1
    assert "error: " in err
    assert out == ""
    assert sorted(path.name for path in Path().iterdir()) == ["photo.jpg", "photo.png"]


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("denoise photo.png --sig 10", "there is no option --sig (did you mean --sigma?"),
        ("denoise photo.png --sig=10", "there is no option --sig (did you mean --sigma?"),
        ("denoise photo.png --se 1", "(did you mean --set or --seconds or --seed?"),
        ("denoise photo.png -sigma 10", "there is no option -sigma (did you mean --sigma?)"),
        ("denoise photo.png -output x.png", "there is no option -output (did you mean --output?)"),
        (
            "weights list --jso",
            "(did you mean --json? Options are written in full); 'zeroshot weights list --help'",
        ),
    ],
)
def test_options_are_written_in_full(words: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nor is an abbreviation left for argparse, which would read `-output` as `-o utput`."""
    code, _, err = run(words.split(), capsys)
    assert (code, err.count("\n")) == (2, 1)
    assert told in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        ("denoise", "IN is missing (images or a folder); write, for example, 'zeroshot denoise "),
        ("sr photo.png", "--scale is missing (how many times larger the large image is"),
        ("inpaint photo.png", "--mask is missing (which pixels are known); write, for example, 'zeroshot "),
        ("compare photo.png", "--task, --methods and --report are missing; write, for example, 'zeroshot "),
        ("denoise photo.png --fast --prior tv", "error: give --fast or --prior, not both"),
        ("denoise photo.png --prior tv --best", "error: give --prior or --best, not both"),
        (
            "denoise photo.png --sigma",
            "--sigma needs a value: --sigma SIGMA (standard deviation of the noise",
        ),
        ("denoise photo.png --fast=3", "--fast takes no value, got '3'"),
        ("denoise photo.png -o - --format pgn", "--format must be png, jpg, jpeg, tif, tiff"),
        ("denoise photo.png -o - --format pgn", "got 'pgn'; did you mean png?"),
        ("weights lst", "ACTION must be inspect, convert, list or fetch, got 'lst'; did you mean list?"),
        ("completion csh", "shell must be "),
    ],
)
def test_what_is_missing_or_excluded_is_said_with_what_is_right(
    words: str, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(words.split(), capsys)
    assert (code, err.count("\n")) == (2, 1)
    assert told in err
    assert "argument" not in err


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (
            "deblur photo.png --kernel gaussian=abc",
            "--kernel must be a shape with its size in pixels, such as gaussian=1.6, got 'gaussian=abc': "
            "gaussian must be a number",
        ),
        (
            "deblur photo.png --kernel disk=-1",
            "--kernel must be a shape with its size in pixels, such as disk=3",
        ),
        ("deblur photo.png --kernel disk=0", "such as disk=3, got 'disk=0'"),
        ("deblur photo.png --kernel motion=9,angel=4", "such as motion=15, angle=30, got 'motion=9,angel=4'"),
        ("degrade photo.png --task deblur --kernel gaussian=abc", "--kernel must be a shape with its size"),
        (
            "deblur photo.png --kernel psf.png",
            "--kernel must be a file (.npy or a picture), 'auto', which finds it from the picture, or a shape with "
            "its size (gaussian=1.6, motion=15, angle=30, disk=3); there is no such kernel file: psf.png",
        ),
        ("sr photo.png --scale 2 --kernel k.npy", "'box' or 'gaussian'; there is no such kernel file: k.npy"),
        (
            "inpaint photo.png --mask hole.png",
            "--mask must be a picture or .npy file of the input's height and width, 'alpha' or a colour such as "
            "'#ff00ff'; there is no such mask file: hole.png",
        ),
        ("inpaint photo.png --mask small.png", "(24 × 24)"),
        (
            "inpaint photo.png --mask small.png",
            "got 8 × 12: resize it to 24 × 24 (width × height) with nearest neighbours",
        ),
        ("inpaint wide.png --mask tall.png", "got 12 × 8: turn it by 90°, as the image is"),
        (
            "inpaint photo.png --mask alpha",
            "--mask alpha needs an image with an alpha channel; this one has none: give a mask of its height and "
            "width in a file of its own, white where pixels are known, or the colour that marks the hole",
        ),
    ],
)
def test_kernels_and_masks_that_do_not_fit(words: str, told: str, capsys: pytest.CaptureFixture[str]) -> None:
    for name, size in {"small.png": (12, 8), "wide.png": (12, 8), "tall.png": (8, 12)}.items():
        Image.new("L", size, 255).save(name)
    code, _, err = run(words.split(), capsys)
    assert (code, err.count("\n")) == (2, 1), err
    assert told in err


def test_a_range_and_a_file_that_begin_with_a_minus(capsys: pytest.CaptureFixture[str]) -> None:
    Path("photo.png").rename("--photo.png")
    words = ["denoise", "--prior", "tv", "--quiet", "-o", "clean.png", "--", "--photo.png"]
    assert run(words, capsys)[0] == 0


def test_a_pattern_that_no_shell_has_looked_up(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "b.png").write_bytes((folder / "photo.png").read_bytes())
    assert run(["denoise", "*.png", "-o", "out/", *FAST.split()], capsys)[0] == 0
    assert sorted(path.name for path in (folder / "out").iterdir()) == ["b.png", "photo.png"]
    assert run(["info", "out/*.png"], capsys)[0] == 0


def test_a_file_that_is_called_like_a_pattern_is_itself(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (folder / "photo.png").rename(folder / "p[1].png")
    (folder / "p1.png").write_bytes(b"not this one")
    assert run(["denoise", "p[1].png", *FAST.split()], capsys)[0] == 0
    assert (folder / "p[1].denoised.png").exists()


def test_nothing_is_made_beside_images_that_are_not_there(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, _, err = run(f"denoise 1/3.png none.png {FAST}".split(), capsys)
    assert code == 1
    assert "1/3.png: there is no such file" in err
    assert "none.png: there is no such file" in err
    assert {path.name for path in folder.iterdir()} == {"photo.png", "photo.jpg"}


def test_a_level_on_the_other_scale_is_answered_with_the_one_that_is_meant(
    capsys: pytest.CaptureFixture[str],
) -> None:
    code, _, err = run(f"denoise photo.png --sigma 0.1 {FAST}".split(), capsys)
    assert code == 0
    assert err.count("note") == 1
    assert "0.1 of the range from black to white is --sigma 25.5" in err


@pytest.mark.parametrize(
    "words",
    [
        "info pipe.png",
        f"denoise pipe.png {FAST}",
        f"inpaint photo.png --mask pipe.png {FAST}",
        f"inpaint photo.png --mask pipe.npy {FAST}",
        f"deblur photo.png --kernel pipe.npy {FAST}",
        "metrics photo.png pipe.png",
    ],
)
@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_into_which_nobody_writes_is_not_waited_for(
    words: str, folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name in ("pipe.png", "pipe.npy"):
        os.mkfifo(folder / name)
    code, _, err = run(words.split(), capsys)
    assert code in (1, 2)
    assert "is a pipe" in err
    assert len(err.strip().splitlines()) == 1


def test_help_fits_a_terminal(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    for command in ("denoise", "inpaint", "restore", "compare", "degrade", "metrics", "weights", "align"):
        code, out, _ = run([command, "--help-all"], capsys)
        assert code == 0
        assert [line for line in out.splitlines() if len(line) > 80] == []
