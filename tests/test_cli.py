"""The command line, called as a user calls it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

from zeroshot.cli import main

FAST = ["--quiet", "--set", "iterations=3"]


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(astronaut()[0:48, 200:264]).save(path)
    return path


def run(arguments: list[object], capsys: pytest.CaptureFixture[str]) -> tuple[int, str, str]:
    try:
        code = main([str(argument) for argument in arguments])
    except SystemExit as stopped:
        code = int(stopped.code or 0)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


def test_denoise_writes_an_image_of_the_same_size(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = photo.with_name("clean.png")
    code, out, _ = run(["denoise", photo, "-o", output, "--sigma", 25, "--prior", "tv"], capsys)
    assert code == 0
    assert "iterations" in out
    assert "sigma 25.0" in out
    assert Image.open(output).size == Image.open(photo).size


def test_quiet_prints_nothing(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["denoise", photo, "-o", photo.with_name("o.png"), "--prior", "tv", "--quiet"]
    assert run(arguments, capsys) == (0, "", "")


def test_sr_enlarges(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    output = photo.with_name("large.png")
    code, _, _ = run(["sr", photo, "-o", output, "--scale", 2, *FAST], capsys)
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


@pytest.mark.parametrize("task", ["denoise", "inpaint", "sr", "colorize", "demosaic", "deblur", "restore"])
def test_every_help_text_ends_with_an_example(task: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, out, _ = run([task, "--help"], capsys)
    assert code == 0
    assert f"example: zeroshot {task}" in " ".join(out.split())


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
        "setting out of range": ["denoise", photo, "--set", "iterations=0", *out],
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
    assert photo.read_bytes() == before


def test_a_decompression_bomb_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    bomb = tmp_path / "bomb.png"
    Image.new("1", (40_000, 40_000)).save(bomb)
    code, _, err = run(["denoise", bomb, "-o", tmp_path / "out.png"], capsys)
    assert code == 2
    assert err.count("\n") == 1
    assert "pixels" in err


def _command(photo: Path, output: Path) -> list[str]:
    arguments = ["denoise", photo, "-o", output, "--sigma", 25, "--seed", 1, "--threads", 1]
    arguments += ["--set", "iterations=60", "--set", "channels=16", "--checkpoint-seconds", 0]
    return [sys.executable, "-m", "zeroshot", *map(str, arguments), "--quiet"]


def test_a_killed_run_resumes_to_the_same_bytes(photo: Path) -> None:
    whole, resumed = photo.with_name("whole.png"), photo.with_name("resumed.png")
    subprocess.run(_command(photo, whole), check=True)

    checkpoint = resumed.with_name("resumed.png.checkpoint")
    process = subprocess.Popen(_command(photo, resumed))
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    os.kill(process.pid, signal.SIGKILL)
    process.wait()
    assert checkpoint.exists()
    assert not resumed.exists()

    subprocess.run([*_command(photo, resumed), "--resume"], check=True)
    assert resumed.read_bytes() == whole.read_bytes()
    assert not checkpoint.exists()


def test_an_interrupted_run_saves_its_image_and_a_checkpoint(photo: Path) -> None:
    output = photo.with_name("out.png")
    command = _command(photo, output)
    command[command.index("iterations=60")] = "iterations=100000"
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    checkpoint = output.with_name("out.png.checkpoint")
    deadline = time.monotonic() + 60
    while not checkpoint.exists() and time.monotonic() < deadline:
        time.sleep(0.005)
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "--resume" in err
    assert Image.open(output).size == (64, 48)
    assert checkpoint.exists()
