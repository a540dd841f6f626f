"""`zeroshot degrade`: what it writes is what the printed line restores, and nothing of the user's is lost."""

from __future__ import annotations

import hashlib
import json
import shlex
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

from zeroshot.cli import degrade as command_degrade
from zeroshot.cli.arguments import Parser
from zeroshot.cli.messages import FAILURES, one_line_warnings, report
from zeroshot.cli.parser import parse_arguments
from zeroshot.images import load, read_provenance
from zeroshot.metrics import psnr
from zeroshot.solve import solve
from zeroshot.tasks import tasks
from zeroshot.tasks.degrade import degrade

RUNS = [
    ["--task", "denoise", "--sigma", "20"],
    ["--task", "denoise", "--peak", "40"],
    ["--task", "denoise", "--salt-pepper", "0.1"],
    ["--task", "inpaint", "--missing", "0.4"],
    ["--task", "sr", "--scale", "3"],
    ["--task", "sr", "--scale", "2", "--kernel", "gaussian", "--kernel-sigma", "1.2", "--sigma", "3"],
    ["--task", "colorize", "--hints", "0.1", "--luma", "bt709"],
    ["--task", "demosaic", "--pattern", "GRBG"],
    ["--task", "deblur", "--kernel", "motion=5, angle=30", "--boundary", "valid", "--sigma", "1"],
    ["--task", "restore", "--operator", "mosaic(RGGB) @ downsample(2)", "--sigma", "5"],
]


def run(*words: object) -> int:
    """The exit code of `zeroshot degrade` with these words."""
    parser = Parser(prog="zeroshot")
    command_degrade.add_parser(parser.add_subparsers(dest="command"))
    with one_line_warnings():
        try:
            options = parser.parse_args(["degrade", *map(str, words)])
            return options.run(options)
        except FAILURES as error:
            return report(error)
        except SystemExit as error:
            return int(error.code or 0)


@pytest.fixture
def image(photograph: torch.Tensor, tmp_path: Path) -> Path:
    """A colour photograph of 49 × 50 as an 8-bit PNG."""
    pixels = (photograph[0, :, :49, :50].permute(1, 2, 0).numpy() * 255).round().astype(np.uint8)
    path = tmp_path / "photograph.png"
    Image.fromarray(pixels).save(path)
    return path


def restoring_line(printed: str) -> list[str]:
    """The words of the command that the output recommends."""
    (line,) = [line for line in printed.splitlines() if line.startswith("restore it with: ")]
    words = shlex.split(line.removeprefix("restore it with: "))
    assert words[0] == "zeroshot"
    return words[1:]


@pytest.mark.parametrize("words", RUNS, ids=lambda words: " ".join(words[1:]))
def test_the_printed_line_restores_what_was_written(image, tmp_path, capsys, words) -> None:
    output, truth = tmp_path / "damaged.tiff", tmp_path / "truth.png"
    assert run(image, "-o", output, "--truth", truth, *words) == 0
    options = vars(parse_arguments(restoring_line(capsys.readouterr().out)))
    names = [option.name for option in tasks()[options["command"]].options]
    given = {name: value for name, value in options.items() if name in names}
    prior = "wavelet" if options["command"] in ("colorize", "restore") else "tv"
    assert options["inputs"] == [output]
    restored = solve(output, options["command"], prior, settings={"iterations": 30}, progress=False, **given)
    true = load(truth).colours
    assert restored.picture.colours.shape == true.shape
    assert psnr(restored.picture.colours.clamp(0, 1), true) > 19


@pytest.mark.parametrize("words", RUNS, ids=lambda words: " ".join(words[1:]))
def test_a_tiff_holds_the_measurement_as_python_makes_it(image, tmp_path, words) -> None:
    output = tmp_path / "damaged.tiff"
    assert run(image, "-o", output, "--seed", 5, *words) == 0
    damage = {"--sigma": "sigma", "--peak": "peak", "--salt-pepper": "salt_pepper", "--missing": "missing"}
    damage |= {"--scale": "scale", "--hints": "hints"}
    options = {}
    for flag, text in zip(words[2::2], words[3::2], strict=True):
        name = flag.removeprefix("--").replace("-", "_")
        options[name] = float(text) if flag in damage or name == "kernel_sigma" else text
    if "sigma" in options:
        options["sigma"] /= 255
    expected = degrade(image, words[1], seed=5, **options).measurement
    assert torch.allclose(load(output).colours, expected, atol=1e-6)


def test_the_same_seed_gives_the_same_file(image, tmp_path) -> None:
    names = [tmp_path / f"{name}.png" for name in "abc"]
    for name, seed in zip(names, (1, 1, 2), strict=True):
        assert run(image, "-o", name, "--task", "inpaint", "--missing", "0.5", "--seed", seed, "--quiet") == 0
    digests = [hashlib.sha256(name.read_bytes()).hexdigest() for name in names]
    assert digests[0] == digests[1] != digests[2]


def test_the_file_says_how_it_was_made(image, tmp_path) -> None:
    output = tmp_path / "small.png"
    assert run(image, "-o", output, "--task", "sr", "--scale", 4, "--seed", 9) == 0
    record = read_provenance(output)
    assert record is not None
    assert record["degraded_for"] == "sr"
    assert record["damage"] == {"scale": 4}
    assert record["seed"] == 9
    assert record["input_sha256"] == load(image).sha256()
    assert (record["input_size"], record["truth_size"]) == ([49, 50], [48, 48])
    json.dumps(record)


def test_files_are_as_deep_as_their_values_ask_for(image, tmp_path, capsys) -> None:
    assert run(image, "-o", tmp_path / "small.png", "--task", "sr", "--scale", 2) == 0
    assert load(tmp_path / "small.png").form.dtype == torch.uint8
    assert "note" not in capsys.readouterr().err
    assert run(image, "-o", tmp_path / "noisy.png", "--task", "denoise", "--sigma", 50) == 0
    assert load(tmp_path / "noisy.png").form.dtype == torch.uint16
    assert "clipped" in capsys.readouterr().err
    assert run(image, "-o", tmp_path / "noisy.tif", "--task", "denoise", "--sigma", 50) == 0
    assert load(tmp_path / "noisy.tif").form.dtype == torch.float32
    assert "note" not in capsys.readouterr().err
    assert run(image, "-o", tmp_path / "noisy.jpg", "--task", "denoise", "--sigma", 50) == 0
    assert "rounded to 8 bits and compressed" in capsys.readouterr().err
    words = ("--task", "denoise", "--sigma", 50, "--quantise", "8-bit")
    assert run(image, "-o", tmp_path / "rounded.png", *words) == 0
    assert load(tmp_path / "rounded.png").form.dtype == torch.uint8


def test_the_mask_lies_beside_the_image(image, tmp_path, capsys) -> None:
    assert run(image, "-o", tmp_path / "torn.png", "--task", "inpaint", "--missing", "0.25") == 0
    assert f"{tmp_path / 'torn-mask.png'}: the mask" in capsys.readouterr().out
    mask = load(tmp_path / "torn-mask.png").colours
    assert set(mask.unique().tolist()) == {0.0, 1.0}
    assert float(mask.mean()) == pytest.approx(0.75, abs=1e-3)
    assert not (load(tmp_path / "torn.png").colours * (1 - mask)).any()


def test_several_images_go_into_a_folder(image, tmp_path) -> None:
    folder = tmp_path / "good"
    folder.mkdir()
    for name in ("a.png", "b.jpg"):
        Image.open(image).save(folder / name)
    words = ("--task", "sr", "--scale", 2, "--truth", tmp_path / "truths")
    assert run(folder, "-o", tmp_path / "bad", *words) == 0
    # A damaged image is not compressed, which would damage it once more.
    assert sorted(path.name for path in (tmp_path / "bad").iterdir()) == ["a.png", "b.png"]
    assert sorted(path.name for path in (tmp_path / "truths").iterdir()) == ["a.png", "b.jpg"]


def test_one_bad_image_does_not_stop_the_others(image, tmp_path, capsys) -> None:
    folder = tmp_path / "good"
    folder.mkdir()
    Image.open(image).save(folder / "colour.png")
    Image.open(image).convert("L").save(folder / "grey.png")
    assert run(folder, "-o", tmp_path / "raw", "--task", "demosaic") == 1
    assert [path.name for path in (tmp_path / "raw").iterdir()] == ["colour.png"]
    assert "needs a colour image" in capsys.readouterr().err


def test_nothing_is_overwritten_unless_asked(image, tmp_path, capsys) -> None:
    words = ("--task", "inpaint", "--missing", "0.5")
    before = image.read_bytes()
    assert run(image, "-o", image, *words, "--overwrite") == 2
    assert image.read_bytes() == before
    (tmp_path / "torn-mask.png").write_bytes(b"mine")
    assert run(image, "-o", tmp_path / "torn.png", *words) == 2
    assert not (tmp_path / "torn.png").exists()
    assert (tmp_path / "torn-mask.png").read_bytes() == b"mine"
    assert "--overwrite" in capsys.readouterr().err
    assert run(image, "-o", tmp_path / "torn.png", *words, "--overwrite") == 0
    assert (
        run(image, "-o", tmp_path / "torn.png", "--truth", tmp_path / "torn.png", *words, "--overwrite") == 2
    )


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["--task", "denoise"], "--sigma above 0, --peak or --salt-pepper"),
        (["--task", "denoise", "--sigma", "300"], "from 0 to 255"),
        (["--task", "denoise", "--sigma", "5", "--peak", "9"], "different kinds of noise"),
        (["--task", "sr"], "needs --scale"),
        (["--task", "sr", "--scale", "2.5"], "whole number from 2 to 16"),
        (["--task", "sr", "--scale", "4", "--missing", "0.5"], "--missing does not go with --task sr"),
        (["--task", "sr", "--scale", "4", "--kernel-sigma", "1"], "goes with --kernel gaussian"),
        (["--task", "sr", "--scale", "4", "--kernel", "cubic"], "unknown kernel"),
        (["--task", "inpaint"], "needs --missing"),
        (["--task", "inpaint", "--missing", "50"], "between 0 and 1"),
        (["--task", "inpaint", "--mask", "nowhere.png"], "nowhere.png"),
        (["--task", "colorize", "--hints", "nowhere.png"], "there is no file nowhere.png"),
        (["--task", "demosaic", "--pattern", "RGBW"], "arrays with W (white)"),
        (["--task", "deblur"], "needs --kernel"),
        (["--task", "restore", "--operator", "smudge(3)"], "unknown operator"),
        (["--task", "restore"], "needs --operator"),
        (["--task", "smudge"], "there is no task 'smudge'"),
        (["--task", "sr", "--scale", "4", "--seed", "-1"], "at least 0"),
    ],
)
def test_mistakes_are_told_in_one_line(image, tmp_path, capsys, words, message) -> None:
    assert run(image, "-o", tmp_path / "out.png", *words) == 2
    errors = capsys.readouterr().err
    assert message in errors
    assert "Traceback" not in errors
    assert not (tmp_path / "out.png").exists()


def test_bad_files_are_told_in_one_line(image, tmp_path, capsys) -> None:
    words = ("--task", "sr", "--scale", 4)
    for source, output, message in [
        (tmp_path / "nowhere.png", tmp_path / "out.png", "there is no file or folder"),
        (image, tmp_path / "out.gif", "names no known format"),
        (image, tmp_path / "nowhere" / "out.png", "does not exist"),
        (tmp_path, tmp_path, "the output folder is the folder of the inputs"),
    ]:
        assert run(source, "-o", output, *words) == 2
        assert message in capsys.readouterr().err
    assert run(image, image, "-o", f"{tmp_path}/many/", *words) == 2
    assert "same output" in capsys.readouterr().err
