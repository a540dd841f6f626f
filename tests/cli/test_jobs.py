"""Images side by side: the files, messages and exit code of one after another, and deaths that cost one image."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from tests.cli.commands import run
from tests.cli.moody_work import MoodyWork
from zeroshot.child_process import ChildProcess
from zeroshot.cli.answers import NotPreparedError
from zeroshot.cli.batch import over_images, usable_cores
from zeroshot.cli.parser import parse_arguments
from zeroshot.cli.processes import Processes

ZEROSHOT = [sys.executable, "-m", "zeroshot"]


def over(folder: Path, names: list[str], count: int = 2) -> int:
    work = MoodyWork(folder)
    with Processes(work, count) as processes:
        return over_images(
            [(Path(name), name) for name in names], work, processes=processes, advice="; again"
        )


def test_every_image_is_done_once_and_its_lines_stay_together(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = [f"good-{number}" for number in range(6)]
    assert over(tmp_path, names) == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == names
    written = [path.read_text().split() for path in tmp_path.iterdir()]
    assert 1 <= len({pid for pid, *_ in written} - {str(os.getpid())}) <= 2
    # The share of the memory is settled before any begins, so that results do not depend on how far others are.
    assert len({tuple(share) for _, *share in written}) == 1
    captured = capsys.readouterr()
    lines = captured.out.splitlines()
    assert sorted(lines[::2]) == [f"{name}: first line" for name in names]
    assert lines[1::2] == [line.replace("first", "second") for line in lines[::2]]
    assert captured.err == "zeroshot: how goods are gone about\n"


@pytest.mark.parametrize(
    ("mood", "told"),
    [
        ("killed", "its process was killed (SIGKILL), as a system does that is short of memory"),
        ("crashed", "its process died of SIGSEGV"),
        ("ended", "out of memory: its process ended with exit code 3"),
        ("refused", "a bad mood"),
        ("bug", "KeyError: 'nobody thought of that'"),
    ],
)
def test_what_ends_a_process_costs_one_image(
    mood: str, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["good-0", f"{mood}-1", "good-2", "good-3"]
    assert over(tmp_path, names) == 1
    assert sorted(path.name for path in tmp_path.iterdir()) == ["good-0", "good-2", "good-3"]
    error = capsys.readouterr().err
    assert told in error
    assert error.endswith(f"zeroshot: 1 of 4 images failed: {mood}-1\n")
    if mood != "bug":
        assert f"zeroshot: error: {mood}-1: " in error


def test_where_no_process_can_take_the_place_of_a_dead_one_the_images_left_fail_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    work = MoodyWork(tmp_path)
    with Processes(work, 1) as processes:

        def refuse(_child: ChildProcess) -> None:
            raise OSError(11, "Resource temporarily unavailable")

        monkeypatch.setattr(ChildProcess, "start", refuse)
        jobs = [(Path(name), name) for name in ("killed-0", "good-1", "good-2")]
        assert processes.do(jobs) == [0, 1, 2]
    assert "no process could be started: Resource temporarily unavailable" in capsys.readouterr().err


def test_images_that_fail_are_listed_in_their_order(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    names = ["refused-0", "killed-1", "good-2", "killed-3", "refused-4"]
    assert over(tmp_path, names, count=3) == 1
    assert capsys.readouterr().err.endswith(
        "4 of 5 images failed: refused-0, killed-1, killed-3, refused-4\n"
    )


def test_notes_name_their_image_and_prints_of_libraries_are_not_shown(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    assert over(tmp_path, ["noted-0", "noted-1"]) == 0
    captured = capfd.readouterr()
    assert "zeroshot: note: noted-0: a remark" in captured.err
    assert "zeroshot: note: noted-1: a remark" in captured.err
    assert "what a library prints" not in captured.out + captured.err


@pytest.mark.parametrize(
    ("preparing", "code", "told"),
    [("badly", 2, "no such prior"), ("never", 1, "no process could be prepared")],
)
def test_what_cannot_be_prepared_is_told_once_and_before_any_image(
    preparing: str, code: int, told: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(NotPreparedError) as caught, Processes(MoodyWork(tmp_path, preparing), 2):
        raise AssertionError
    assert caught.value.code == code
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert told in error


@pytest.mark.skipif(not hasattr(os, "killpg"), reason="processes cannot be interrupted here")
def test_an_interrupt_ends_what_is_at_work_and_begins_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    def press() -> None:
        while not (tmp_path / "slow-1.begun").exists() or not (tmp_path / "good-0").exists():
            time.sleep(0.02)
        os.kill(os.getpid(), signal.SIGINT)

    pressing = threading.Thread(target=press)
    pressing.start()
    assert over(tmp_path, ["good-0", "slow-1", "slow-2", "good-3"]) == 130
    pressing.join()
    assert not (tmp_path / "good-3").exists()
    error = capsys.readouterr().err.splitlines()
    assert "zeroshot: interrupted at slow-1" in error
    assert error[-1] == "zeroshot: interrupted after 1 of 4 images; again"
    assert signal.getsignal(signal.SIGINT) is signal.default_int_handler


# --- the commands --------------------------------------------------------------------------------------------


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    folder = tmp_path / "in"
    folder.mkdir()
    generator = np.random.default_rng(0)
    for name in ("a.png", "b.png", "c.jpg"):
        pixels = generator.integers(0, 256, (24, 32, 3)).astype(np.uint8)
        Image.fromarray(pixels).save(folder / name)
    (folder / "broken.png").write_bytes(b"no image")
    return folder


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_a_folder_comes_out_the_same_byte_by_byte(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, two = folder.with_name("one"), folder.with_name("two")
    words = ["denoise", folder, "--prior", "tv", "--set", "iterations=3", "--sigma", 20]
    code, _, error = run([*words, "-o", one, "--threads", 1], capsys)
    assert code == 1
    parallel = run([*words, "-o", two, "--jobs", 2], capsys)
    assert parallel[0] == 1
    assert "broken.png" in parallel[2]
    assert parallel[2].splitlines()[-1] == error.splitlines()[-1]
    assert contents(one) == contents(two)
    assert sorted(contents(two)) == ["a.png", "b.png", "c.jpg"]
    assert len(parallel[1].splitlines()) == 3


@pytest.mark.slow
def test_a_second_run_refuses_what_exists_or_skips_it(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder.with_name("out")
    out.mkdir()
    (out / "a.png").write_bytes(b"finished earlier")
    words = [
        "denoise",
        folder,
        "-o",
        out,
        "--prior",
        "tv",
        "--set",
        "iterations=3",
        "--sigma",
        20,
        "--jobs",
        2,
    ]
    code, _, error = run([*words, "--quiet"], capsys)
    assert code == 1
    assert "a.png: exists already" in error
    assert sorted(contents(out)) == ["a.png", "b.png", "c.jpg"]
    before = contents(out)
    code, said, error = run([*words, "--resume"], capsys)
    assert (code, said) == (1, "")
    assert error.splitlines()[-1].startswith("zeroshot: 1 of 4 images failed")
    assert contents(out) == before


@pytest.mark.slow
def test_degrading_a_folder_comes_out_the_same(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (folder / "broken.png").unlink()
    one, two = folder.with_name("one"), folder.with_name("two")
    words = ["degrade", folder, "--task", "inpaint", "--missing", 0.5, "--seed", 3]
    assert run([*words, "-o", one], capsys)[0] == 0
    assert run([*words, "-o", two, "--jobs", 2], capsys)[0] == 0
    assert contents(one).keys() == contents(two).keys()
    for path in one.iterdir():
        assert np.array_equal(np.asarray(Image.open(path)), np.asarray(Image.open(two / path.name)))


@pytest.mark.slow
def test_a_wrong_setting_is_one_line_and_makes_no_folder(
    folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    out = folder.with_name("out")
    code, _, error = run(
        ["denoise", folder, "-o", out, "--set", "magic=1", "--prior", "tv", "--jobs", 2], capsys
    )
    assert (code, error.count("\n")) == (2, 1)
    assert "has no setting 'magic'" in error
    assert not out.exists()


@pytest.mark.slow
def test_a_run_that_is_interrupted_keeps_its_best_images_and_goes_on(folder: Path) -> None:
    (folder / "broken.png").unlink()
    out = folder.with_name("out")
    words = [
        "denoise",
        str(folder),
        "-o",
        str(out),
        "--prior",
        "dip",
        "--set",
        "channels=4",
        "--set",
        "scales=1",
    ]
    words += ["--jobs", "2", "--sigma", "20", "--checkpoint-seconds", "0"]
    running = subprocess.Popen(
        [*ZEROSHOT, *words, "--set", "iterations=100000"], stderr=subprocess.PIPE, text=True
    )
    while len(list(out.glob("*.checkpoint"))) < 2:
        assert running.poll() is None
        time.sleep(0.1)
    running.send_signal(signal.SIGINT)
    _, error = running.communicate(timeout=120)
    assert running.returncode == 130
    assert error.splitlines()[-1] == ("zeroshot: interrupted after 0 of 3 images; --resume goes on from here")
    assert error.count("--resume continues") == 2
    assert len(list(out.glob("*.checkpoint"))) == 2
    assert not list(out.glob(".zeroshot-*"))


def test_the_parent_loads_no_pytorch() -> None:
    program = "import sys, zeroshot.cli.processes, zeroshot.cli.restore; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"


def test_how_many_jobs(capsys: pytest.CaptureFixture[str]) -> None:
    assert parse_arguments(["denoise", "a.png"]).jobs == 1
    assert parse_arguments(["denoise", "a.png", "--jobs", "auto"]).jobs == usable_cores()
    code, _, error = run(["denoise", "a.png", "--jobs", 0], capsys)
    assert (code, "--jobs must be 'auto' or a whole number from 1 to 1024, got '0'" in error) == (2, True)
