"""The command line, called as a user calls it."""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import re
import signal
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import numpy as np
import pytest
import tifffile
from PIL import Image

import zeroshot
from tests.cli.commands import run
from tests.cli.forks import Forks
from tests.pictures import sample
from zeroshot.cli.listings import documented_parameters, prior_description
from zeroshot.priors.total_variation.tv import TotalVariation
from zeroshot.registry import prior_class
from zeroshot.restoration import Restoration

FAST = ["--quiet", "--prior", "dip", "--set", "iterations=3"]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(sample("astronaut")[0:48, 200:264]).save(path)
    return path


def test_denoise_writes_an_image_of_the_same_size(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = photo.with_name("clean.png")
    code, out, _ = run(["denoise", photo, "-o", output, "--sigma", 25, "--prior", "tv"], capsys)
    assert code == 0
    assert "iterations" in out
    assert "sigma 25.0 grey levels of 255 (0.098)" in out
    assert Image.open(output).size == Image.open(photo).size


def test_quiet_prints_nothing(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["denoise", photo, "-o", photo.with_name("o.png"), "--prior", "tv", "--quiet"]
    assert run(arguments, capsys) == (0, "", "")


def test_sr_enlarges(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = photo.with_name("large.png")
    code, _, _ = run(["sr", photo, "-o", output, "--scale", 2, *FAST, "--set", "guide=none"], capsys)
    assert code == 0
    assert Image.open(output).size == (128, 96)


def test_the_alpha_channel_marks_holes(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    rgba = np.dstack([np.asarray(Image.open(photo)), np.full((48, 64), 255, np.uint8)])
    rgba[10:20, 10:30, 3] = 0
    Image.fromarray(rgba).save(photo)
    output = photo.with_name("filled.png")
    code, _, _ = run(["inpaint", photo, "-o", output, "--mask", "alpha", "--prior", "tv", "--quiet"], capsys)
    assert code == 0
    filled = np.asarray(Image.open(output).convert("RGB")).astype(int)
    known = rgba[..., 3] > 0
    assert np.abs(filled - rgba[..., :3])[known].mean() < 3


def test_info_reads_the_provenance_back(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = photo.with_name("clean.jpg")
    run(["denoise", photo, "-o", output, "--seed", 7, "--set", "channels=8", *FAST], capsys)
    code, out, _ = run(["info", output], capsys)
    provenance = json.loads(out)
    assert code == 0
    assert provenance["seed"] == 7
    assert provenance["settings"]["channels"] == 8
    assert provenance["prior"] == "dip"


def test_info_tells_the_noise_in_both_units(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts, output = photo.with_name("counts.tiff"), photo.with_name("clean.tiff")
    Image.fromarray(np.asarray(Image.open(photo).convert("L")).astype(np.uint16) * 16).save(counts)
    arguments = ["denoise", counts, "-o", output, "--range", "0,4095", "--sigma", 25.5, "--prior", "tv"]
    assert "sigma 25.5 grey levels of 255 (0.1; 410 of 4095 counts)" in run(arguments, capsys)[1]
    provenance = json.loads(run(["info", output], capsys)[1])
    assert provenance["sigma"] == pytest.approx(0.1)
    assert provenance["sigma_in_words"] == "25.5 grey levels of 255 (0.1; 410 of 4095 counts)"
    assert provenance["value_range"] == [0, 4095]


def test_info_on_another_image_says_so(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    code, _, err = run(["info", photo], capsys)
    assert code == 1
    assert "not written by zeroshot" in err


def test_tasks_and_priors_are_listed(capsys: pytest.CaptureFixture[str]) -> None:
    assert "demosaic" in run(["tasks"], capsys)[1]
    listed = run(["priors"], capsys)[1]
    assert "dip:" in listed
    assert "tv:" in listed
    assert "learning_rate" in run(["priors", "dip"], capsys)[1]


@pytest.mark.parametrize(
    "task", ["denoise", "inpaint", "sr", "colorize", "demosaic", "deblur", "jpeg", "restore"]
)
def test_every_help_text_ends_with_an_example(task: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run([task, "--help"], capsys)
    assert code == 0
    assert out.count(f"\n  zeroshot {task} ") == 2


def test_trace_and_preview_are_written(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trace, preview = photo.with_name("trace.json"), photo.with_name("preview.png")
    arguments = [
        "denoise",
        photo,
        "-o",
        photo.with_name("o.png"),
        "--trace",
        trace,
        "--preview",
        preview,
        *FAST,
    ]
    assert run(arguments, capsys)[0] == 0
    assert json.loads(trace.read_text())["history"]["iteration"] == [1, 2, 3]
    assert preview.exists()


def test_a_folder_goes_on_past_a_bad_file(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = photo.parent / "folder"
    folder.mkdir()
    for name in ("a.png", "c.png"):
        Image.open(photo).save(folder / name)
    (folder / "b.png").write_bytes(b"no image")
    out_folder = photo.parent / "restored"
    code, _, err = run(["denoise", folder, "-o", out_folder, "--prior", "tv", "--quiet"], capsys)
    assert code == 1
    assert sorted(path.name for path in out_folder.iterdir()) == ["a.png", "c.png"]
    assert "1 of 3 images failed" in err
    assert "b.png" in err


def test_resuming_a_folder_skips_what_is_done(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    other = photo.with_name("other.png")
    Image.open(photo).rotate(180).save(other)
    folder = photo.parent / "restored"
    folder.mkdir()
    (folder / "photo.png").write_bytes(b"finished earlier")
    code, _, _ = run(["denoise", photo, other, "-o", folder, "--resume", "--prior", "tv", "--quiet"], capsys)
    assert code == 0
    assert (folder / "photo.png").read_bytes() == b"finished earlier"
    assert (folder / "other.png").exists()


def bad_inputs(folder: Path, photo: Path) -> dict[str, list[object]]:
    """One mistake of each kind."""
    (folder / "text.png").write_text("not an image")
    (folder / "cut.png").write_bytes(photo.read_bytes()[:2000])
    Image.new("L", (9, 9), 255).save(folder / "small_mask.png")
    Image.new("L", (64, 48), 0).save(folder / "empty_mask.png")
    np.save(folder / "even.npy", np.ones((4, 4)))
    np.save(folder / "zero.npy", np.zeros((3, 3)))
    nan = np.asarray(Image.open(photo), dtype=np.float32) / 255
    nan[3, 3] = np.nan
    Image.fromarray(nan[..., 0]).save(folder / "nan.tiff")
    existing = folder / "existing.png"
    Image.open(photo).save(existing)
    out: list[object] = ["-o", folder / "out.png"]
    return {
        "missing file": ["denoise", folder / "none.png", *out],
        "not an image": ["denoise", folder / "text.png", *out],
        "truncated": ["denoise", folder / "cut.png", *out],
        "mask of another size": ["inpaint", photo, "--mask", folder / "small_mask.png", *out],
        "mask that knows nothing": ["inpaint", photo, "--mask", folder / "empty_mask.png", *out],
        "unknown task": ["polish", photo, *out],
        "unknown prior": ["denoise", photo, "--prior", "magic", *out],
        "unknown setting": ["denoise", photo, "--set", "magic=1", *out],
        "unknown option": ["denoise", photo, "--magic", *out],
        "unknown device": ["denoise", photo, "--device", "abacus", *out],
        "scale 0": ["sr", photo, "--scale", 0, *out],
        "scale 1.5": ["sr", photo, "--scale", 1.5, *out],
        "no scale": ["sr", photo, *out],
        "not a number": ["denoise", folder / "nan.tiff", *out],
        "even kernel": ["deblur", photo, "--kernel", folder / "even.npy", *out],
        "kernel of zero sum": ["deblur", photo, "--kernel", folder / "zero.npy", *out],
        "output in no folder": ["denoise", photo, "-o", folder / "nowhere" / "out.png"],
        "output of unknown kind": ["denoise", photo, "-o", folder / "out.xyz"],
        "output exists": ["denoise", photo, "-o", existing],
        "output is the input": ["denoise", photo, "-o", photo, "--overwrite"],
        "sigma out of range": ["denoise", photo, "--sigma", 300, *out],
        "setting out of range": ["denoise", photo, "--prior", "dip", "--set", "iterations=0", *out],
        "sigma is a word": ["denoise", photo, "--sigma", "abc", *out],
        "seconds is a word": ["denoise", photo, "--seconds", "soon", *out],
        "seed is a fraction": ["denoise", photo, "--seed", 1.5, *out],
        "seconds between checkpoints below 0": ["denoise", photo, "--checkpoint-seconds", -1, *out],
        "no threads": ["denoise", photo, "--threads", 0, *out],
        "too many threads": ["denoise", photo, "--threads", 1025, *out],
        "range of one number": ["denoise", photo, "--range", 255, *out],
        "range the wrong way": ["denoise", photo, "--range", "-1,-2", *out],
        "scale infinite": ["sr", photo, "--scale", "inf", *out],
        "scale nan": ["sr", photo, "--scale", "nan", *out],
        "peak without poisson": ["denoise", photo, "--peak", 100, *out],
        "poisson without peak": ["denoise", photo, "--data-term", "poisson", *out],
        "unknown data term": ["denoise", photo, "--data-term", "magic", *out],
        "kernel sigma without gaussian": ["sr", photo, "--scale", 2, "--kernel-sigma", 1, *out],
        "kernel in no file": ["sr", photo, "--scale", 2, "--kernel", folder / "none.npy", *out],
        "preview is the output": ["denoise", photo, "--preview", folder / "out.png", *out],
        "trace is the output": ["denoise", photo, "--trace", folder / "out.png", *out],
        "trace is the checkpoint": ["denoise", photo, "--trace", folder / "out.png.checkpoint", *out],
        "preview is the trace": [
            *("denoise", photo, "--preview", folder / "p.png"),
            *("--trace", folder / "x" / ".." / "p.png", *out),
        ],
        "preview is the input": ["denoise", photo, "--preview", photo, "--overwrite", *out],
        "trace is the input": ["denoise", photo, "--trace", photo, "--overwrite", *out],
        "output is the mask": ["inpaint", photo, "--mask", existing, "-o", existing, "--overwrite"],
        "output is the hints": ["colorize", photo, "--hints", existing, "-o", existing, "--overwrite"],
        "preview is in the operator": [
            *("restore", photo, "--operator", f'mask("{existing}")', "--preview", existing, "--overwrite"),
            *out,
        ],
        "preview exists": ["denoise", photo, "--preview", existing, *out],
        "trace is a folder": ["denoise", photo, "--trace", folder, "--overwrite", *out],
        "folder into itself": ["denoise", folder, "-o", folder, "--overwrite"],
        "folder with an unknown prior": ["denoise", folder, "--prior", "magic", "-o", folder / "new"],
        "folder with an unknown setting": ["denoise", folder, "--set", "magic=1", "-o", folder / "new"],
        "folder with an unknown device": ["denoise", folder, "--device", "abacus", "-o", folder / "new"],
        "output folder is a file": ["denoise", folder, "-o", photo],
        "unwritable folder": ["denoise", photo, "-o", "/proc/out.png"],
        "unknown prior to describe": ["priors", "magic"],
    }


def test_each_mistake_is_one_line_and_exit_code_2(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = photo.read_bytes()
    for mistake, arguments in bad_inputs(photo.parent, photo).items():
        code, out, err = run(arguments, capsys)
        assert code == 2, f"{mistake}: exit code {code}, {err}"
        assert err.count("\n") == 1, f"{mistake}: {err}"
        assert "error: " in err, mistake
        assert out == "", mistake
        assert not (photo.parent / "out.png").exists(), mistake
        assert not (photo.parent / "new").exists(), mistake
    assert photo.read_bytes() == before


def test_a_decompression_bomb_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bomb = tmp_path / "bomb.png"
    Image.new("1", (14_000, 14_000)).save(bomb)
    code, _, err = run(["denoise", bomb, "-o", tmp_path / "out.png"], capsys)
    assert code == 2
    assert err.count("\n") == 1
    assert "pixels" in err


def _words(photo: Path, output: Path) -> list[object]:
    arguments = ["denoise", photo, "-o", output, "--sigma", 25, "--seed", 1, "--threads", 1]
    arguments += [
        "--prior",
        "dip",
        "--set",
        "iterations=60",
        "--set",
        "channels=16",
        "--checkpoint-seconds",
        0,
    ]
    return [*arguments, "--quiet"]


@pytest.mark.slow
def test_a_killed_run_resumes_to_the_same_bytes(photo: Path) -> None:
    def command(output: Path) -> list[str]:
        return [sys.executable, "-m", "zeroshot", *map(str, _words(photo, output))]

    whole, resumed = photo.with_name("whole.png"), photo.with_name("resumed.png")
    subprocess.run(command(whole), check=True)

    checkpoint = resumed.with_name("resumed.png.checkpoint")
    process = subprocess.Popen(command(resumed))
    deadline = time.monotonic() + 300
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert checkpoint.exists()
    assert not resumed.exists()

    subprocess.run([*command(resumed), "--resume"], check=True)
    assert resumed.read_bytes() == whole.read_bytes()
    assert not checkpoint.exists()


def test_an_interrupted_run_saves_its_image_and_a_checkpoint(photo: Path, forks: Forks) -> None:
    output = photo.with_name("out.png")
    process = forks.start(*_words(photo, output), "--set", "iterations=100000")
    checkpoint = output.with_name("out.png.checkpoint")
    deadline = time.monotonic() + 300
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGINT)
    ended = process.end()
    assert ended.returncode == 130
    assert b"--resume" in ended.stderr
    assert Image.open(output).size == (64, 48)
    assert checkpoint.exists()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            ["--sigma", "abc"],
            "--sigma must be 'auto' or a number of 8-bit grey levels from 0 to 255, got 'abc'",
        ),
        (["--range", "1,x"], "--range must be two numbers LOW,HIGH"),
        (["--threads", "many"], "--threads must be a whole number from 1 to 1024, got 'many'"),
        (["--data-term", "poisson"], "--data-term poisson needs --peak"),
    ],
)
def test_messages_speak_the_command_line(
    photo: Path, capsys: pytest.CaptureFixture[str], arguments: list[str], words: str
) -> None:
    assert words in run(["denoise", photo, "-o", photo.with_name("o.png"), *arguments], capsys)[2]


def test_the_scale_is_printed_as_it_was_typed(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for scale in ("1.5", "40", "inf"):
        _, _, err = run(["sr", photo, "-o", photo.with_name("o.png"), "--scale", scale], capsys)
        assert "--scale must be a whole number from 2 to 16" in err
        assert err.replace("'", "").endswith(f"got {scale}\n")


def test_a_fraction_of_a_grey_level_is_remarked_on(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["denoise", photo, "-o", photo.with_name("o.png"), "--sigma", 0.1, "--prior", "tv"]
    code, _, err = run(arguments, capsys)
    assert code == 0
    assert "8-bit grey levels" in err


def test_a_range_may_begin_with_a_minus(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source, output = tmp_path / "in.tiff", tmp_path / "out.tiff"
    grey = sample("astronaut")[0:48, 200:264, 0].astype(np.float32)
    given = grey / 255 * 1000 - 100
    Image.fromarray(given).save(source)
    arguments = ["denoise", source, "-o", output, "--range", "-100,900", "--sigma", 5]
    arguments += ["--prior", "tv", "--quiet"]
    assert run(arguments, capsys)[0] == 0
    assert np.abs(np.asarray(Image.open(output)) - given).mean() < 50


def test_a_kernel_file_for_sr(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kernel, output = photo.with_name("kernel.npy"), photo.with_name("o.png")
    np.save(kernel, np.ones((2, 2)))
    arguments = ["sr", photo, "-o", output, "--scale", 2, "--kernel", kernel, "--prior", "tv", "--quiet"]
    assert run(arguments, capsys)[0] == 0
    assert Image.open(output).size == (128, 96)


def test_a_folder_that_ends_with_a_slash_is_made(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = photo.parent / "new" / "folder"
    assert run(["denoise", photo, "-o", f"{folder}/", "--prior", "tv", "--quiet"], capsys)[0] == 0
    assert [path.name for path in folder.iterdir()] == ["photo.png"]


def test_resuming_what_is_finished_says_so(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = photo.with_name("done.png")
    output.write_bytes(b"finished earlier")
    code, out, _ = run(["denoise", photo, "-o", output, "--resume", "--prior", "tv"], capsys)
    assert code == 0
    assert out == f"{output} is finished already\n"
    assert output.read_bytes() == b"finished earlier"


_TV = ("--prior", "tv", "--sigma", 15)


def test_what_is_finished_is_not_taken_for_another_input(
    photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, other, stack = (photo.with_name(name) for name in ("done.png", "other.png", "stack.tif"))
    assert run(["denoise", photo, "-o", output, *_TV], capsys)[0] == 0
    made = output.read_bytes()
    Image.fromarray(255 - np.asarray(Image.open(photo))).save(other)
    tifffile.imwrite(stack, np.zeros((3, 16, 16), np.uint8), photometric="minisblack")
    for source, what in ((other, "another picture, not other.png"), (stack, "one picture, not stack.tif")):
        code, _, err = run(["denoise", source, "-o", output, *_TV, "--resume"], capsys)
        assert code == 2
        assert f"{output} is finished, but was made otherwise: the input was {what}" in err
    assert output.read_bytes() == made


@pytest.mark.parametrize(
    ("words", "differs"),
    [
        ((*_TV, "--strength", 2), "--strength was 1, not 2"),
        (_TV[:2], "--sigma was 15, not auto"),
        (("--prior", "dct", "--sigma", 15), "--prior was tv, not dct"),
        (
            (*_TV, "--set", "tolerance=0.1", "--seed", 1),
            "--set tolerance was 0.001, not 0.1, --seed was 0, not 1",
        ),
    ],
)
def test_what_is_finished_is_not_taken_for_what_other_options_make(
    photo: Path, capsys: pytest.CaptureFixture[str], words: tuple[object, ...], differs: str
) -> None:
    output = photo.with_name("done.png")
    command = ["denoise", photo, "-o", output]
    assert run([*command, *_TV], capsys)[0] == 0
    made = output.read_bytes()
    assert run([*command, *_TV, "--resume", "--seconds", 90], capsys)[:2] == (
        0, f"{output} is finished already\n"
    )  # fmt: skip
    code, _, err = run([*command, *words, "--resume"], capsys)
    assert (code, len(err.splitlines())) == (2, 1)
    assert f"is finished, but was made otherwise: {differs}; --overwrite makes it anew" in err
    assert output.read_bytes() == made
    assert run([*command, *words, "--resume", "--overwrite"], capsys)[0] == 0
    assert output.read_bytes() != made


@pytest.mark.parametrize("saved", [True, False])
def test_an_unfinished_run_is_not_started_anew_unasked(
    photo: Path, capsys: pytest.CaptureFixture[str], saved: bool
) -> None:
    output = photo.with_name("o.png")
    checkpoint = output.with_name("o.png.checkpoint")
    checkpoint.write_bytes(b"half")
    if saved:
        output.write_bytes(b"best so far")
    code, _, err = run(["denoise", photo, "-o", output, "--prior", "tv"], capsys)
    assert code == 2
    assert "add --resume to continue it or --overwrite to start anew" in err
    assert checkpoint.read_bytes() == b"half"


def test_overwrite_starts_anew_and_leaves_no_checkpoint(
    photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output = photo.with_name("o.png")
    checkpoint = output.with_name("o.png.checkpoint")
    with zipfile.ZipFile(checkpoint, "w") as half:  # what a checkpoint is, outside
        half.writestr("half", b"of a run")
    assert run(["denoise", photo, "-o", output, "--prior", "tv", "--overwrite", "--quiet"], capsys)[0] == 0
    assert not checkpoint.exists()


def test_the_checkpoint_outlives_an_output_that_cannot_be_written(
    photo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_args: object, **_options: object) -> None:
        raise OSError("no space left on device")

    monkeypatch.setattr(Restoration, "save", full)
    output = photo.with_name("o.png")
    arguments = ["denoise", photo, "-o", output, "--prior", "tv", "--checkpoint-seconds", 0, "--quiet"]
    code, _, err = run(arguments, capsys)
    assert code == 1
    assert err.startswith(f"zeroshot: error: {output}: no space left on device\n")
    assert output.with_name("o.png.checkpoint").exists()


@pytest.mark.parametrize(
    ("error", "code", "words"),
    [
        (MemoryError(), 1, "out of memory: "),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), 1, "out of memory: "),
        (RuntimeError("CUDA out of memory. Tried to allocate"), 1, "out of memory: "),
        (RuntimeError("some kernel failed"), 1, "some kernel failed"),
        (OverflowError("too large"), 2, "too large"),
        (EOFError(), 2, "EOFError"),
        (KeyboardInterrupt(), 130, "interrupted; nothing was written"),
    ],
)
def test_no_error_of_the_engine_is_a_traceback(
    photo: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
    error: BaseException,
    code: int,
    words: str,
) -> None:
    def fail(*_args: object, **_options: object) -> None:
        raise error

    monkeypatch.setattr(importlib.import_module("zeroshot.solve"), "solve", fail)
    got, _, err = run(["denoise", photo, "-o", photo.with_name("o.png")], capsys)
    assert got == code
    assert words in err
    assert err.count("\n") == 1


def test_a_failed_file_is_named_once(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bad = photo.with_name("bad.png")
    bad.write_bytes(b"no image")
    arguments = ["denoise", photo, bad, "-o", photo.parent / "new", "--prior", "tv", "--quiet"]
    _, _, err = run(arguments, capsys)
    assert err.splitlines()[0].count("bad.png") == 1


def test_an_input_is_not_the_output_of_another(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    folder = photo.parent / "folder"
    folder.mkdir()
    Image.open(photo).save(folder / "other.png")
    before = (folder / "other.png").read_bytes()
    arguments = ["denoise", photo, folder / "other.png", "-o", folder, "--overwrite", "--prior", "tv"]
    code, _, err = run(arguments, capsys)
    assert (code, err.count("\n")) == (2, 1)
    assert sorted(path.name for path in folder.iterdir()) == ["other.png"]
    assert (folder / "other.png").read_bytes() == before


def test_a_closed_pipe_ends_in_silence() -> None:
    for arguments in ("tasks", "denoise --help"):
        process = subprocess.Popen(
            [sys.executable, "-m", "zeroshot", *arguments.split()],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        assert process.stdout is not None
        assert process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == ""
        assert process.wait() == 0


def test_an_ascii_terminal_shows_the_listings() -> None:
    found = subprocess.run(
        [sys.executable, "-m", "zeroshot", "priors", "tv"],
        env={**os.environ, "PYTHONIOENCODING": "ascii", "PYTHONUTF8": "0"},
        capture_output=True,
        text=True,
    )
    assert found.returncode == 0, found.stderr
    assert "weight" in found.stdout


def test_the_tasks_are_listed_in_the_units_of_the_command_line(capsys: pytest.CaptureFixture[str]) -> None:
    listed = run(["tasks"], capsys)[1]
    assert "--data-term" in listed
    assert "grey levels" in listed
    assert not re.search(r"DataTerm|data_term|an array|an Operator|\[0, 1\]", listed)


def test_a_prior_without_its_own_help_is_described_by_its_docstring(
    capsys: pytest.CaptureFixture[str],
) -> None:
    described = " ".join(run(["priors", "tv"], capsys)[1].split())
    assert "tolerance = 0.001 The relative duality gap" in described
    assert "kind = 'isotropic' isotropic, anisotropic: The Euclidean length" in described


@pytest.mark.parametrize("name", zeroshot.prior_names())
def test_every_setting_of_every_prior_is_described(name: str) -> None:
    described = prior_description(name)
    found = prior_class(name)
    if callable(getattr(found, "settings_help", None)):
        return
    meanings = documented_parameters(found)
    for field in dataclasses.fields(found):  # type: ignore[arg-type]
        assert field.name in described
        assert meanings.get(field.name), f"{field.name} has no meaning"
        assert not re.match("(See|As for|As in) ", meanings[field.name])


def test_a_prior_may_describe_itself(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        TotalVariation, "settings_help", classmethod(lambda _: "weight: how smooth"), raising=False
    )
    assert "weight: how smooth" in run(["priors", "tv"], capsys)[1]


def test_documented_parameters_are_read_by_name() -> None:
    class Documented:
        """Something.

        Parameters
        ----------
        kind : {"one", "two"}
            Which.
        left, right : int
            The *sides*,
            in pixels.

        References
        ----------
        Nobody : nothing
        """

    assert documented_parameters(Documented) == {
        "kind": "one, two: Which.",
        "left": "The *sides*, in pixels.",
        "right": "The *sides*, in pixels.",
    }


def test_inherited_parameters_are_described_by_the_class_that_documents_them() -> None:
    class Base:
        """Base.

        Parameters
        ----------
        first, second : float
            As the base has it.
        """

    class Derived(Base):
        """Derived.

        Parameters
        ----------
        first
            See :class:`Base`.
        second
            Its own meaning.
        third : int
            A new one.
        """

    class Silent(Derived):
        pass

    for documented in (Derived, Silent):
        assert documented_parameters(documented) == {
            "first": "As the base has it.",
            "second": "Its own meaning.",
            "third": "A new one.",
        }


def test_the_operators_are_listed_with_their_arguments(capsys: pytest.CaptureFixture[str]) -> None:
    out = run(["restore", "--help"], capsys)[1]
    assert "downsample(4, kernel=lanczos3)" in out
    assert "--operator 'mask(\"mask.png\")'" in out
