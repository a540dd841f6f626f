"""What can go wrong around a run: full disks, kills, closed streams, signals, two runs at once, hostile names."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from tests.cli.commands import run
from tests.cli.forks import Forks
from zeroshot import images
from zeroshot.files import PARTIALS
from zeroshot.locks import lock_file, locked
from zeroshot.restoration import Restoration

pytestmark = pytest.mark.skipif(os.name == "nt", reason="needs POSIX")


@pytest.fixture
def photo(tmp_path: Path) -> Path:
    path = tmp_path / "photo.png"
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (32, 40), dtype=np.uint8)).save(path)
    return path


def _dip(photo: Path, output: Path, *more: object) -> list[str]:
    settings = ["--set", "iterations=8", "--set", "channels=8", "--checkpoint-seconds", 0, "--sigma", 25]
    return [*map(str, ["denoise", photo, "-o", output, "--prior", "dip", "--threads", 1, *settings, *more])]


def _tv(photo: Path, output: Path, *more: object) -> list[object]:
    return ["denoise", photo, "-o", output, "--prior", "tv", "--sigma", 25, *more]


# --- full disks ----------------------------------------------------------------------------------------------

_LIMIT = """
import resource, signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (4500, 4500))
"""


def test_a_full_disk_costs_no_more_than_what_does_not_fit(photo: Path, forks: Forks) -> None:
    """Of 4500 bytes: checkpoint, preview, maps and image are too large, the trace fits; each is told once."""
    noise = np.random.default_rng(0).integers(0, 256, (128, 128), dtype=np.uint8)
    Image.fromarray(noise).save(photo)
    folder = photo.parent / "out"
    folder.mkdir()
    output = folder / "o.png"
    more = [
        "--preview",
        folder / "p.png",
        "--trace",
        folder / "t.json",
        "--maps",
        folder / "maps",
        "--samples",
        2,
    ]
    result = forks.run(*_dip(photo, output, *more, "--quiet", "--set", "iterations=2"), before=_LIMIT)
    lines = result.stderr.decode().splitlines()
    assert result.returncode == 1
    assert sum("the checkpoint could not be written" in line for line in lines) == 1
    assert sum("the preview could not be written" in line for line in lines) == 1
    assert f"zeroshot: error: {output}: cannot be written: File too large" in lines
    assert "zeroshot: the image could not be saved elsewhere either" in lines
    assert any("maps" in line and line.startswith("zeroshot: error") for line in lines)
    assert json.loads((folder / "t.json").read_bytes())["history"]
    assert not list(folder.rglob("*.part"))


@pytest.mark.parametrize(
    "words",
    [
        ["degrade", "--task", "denoise", "--sigma", "5"],
        ["align", "--landmarks", "40,40 80,40 60,60 45,80 75,80", "--size", "128"],
    ],
)
def test_a_full_disk_is_a_failure_and_no_bad_input(photo: Path, words: list[str], forks: Forks) -> None:
    noise = np.random.default_rng(0).integers(0, 256, (128, 128), dtype=np.uint8)
    Image.fromarray(noise).save(photo)
    output = photo.with_name("o.png")
    arguments = [words[0], str(photo), *words[1:], "-o", str(output)]
    result = forks.run(*arguments, before=_LIMIT)
    assert (result.returncode, result.stderr.count(b"\n")) == (1, 1)
    assert b"cannot be written: File too large" in result.stderr
    assert [path.name for path in photo.parent.iterdir() if path.name != photo.name] == []


@pytest.mark.parametrize("error", [OSError("no space left on device"), RuntimeError("odd"), KeyError("odd")])
def test_an_image_that_cannot_be_written_is_saved_elsewhere(
    photo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    output, trace = photo.with_name("o.jpg"), photo.with_name("t.json")
    original = Restoration.save

    def save(self: Restoration, path: str | Path, **options: Any) -> None:
        if Path(path).name == output.name or Path(path).suffix == ".jpg":
            raise error
        original(self, path, **options)

    monkeypatch.setattr(Restoration, "save", save)
    code, out, err = run(_tv(photo, output, "--trace", trace), capsys)
    rescued = photo.with_name("o.rescued.png")
    assert code == 1
    assert out == ""
    assert err.splitlines()[-1] == f"zeroshot: the image is saved as {rescued} instead"
    assert np.asarray(Image.open(rescued)).shape == (32, 40)
    assert trace.exists()


def test_where_the_folder_is_gone_the_image_is_saved_in_the_current_one(
    photo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    folder, here = photo.parent / "out", photo.parent / "here"
    folder.mkdir()
    here.mkdir()
    (here / "o.rescued.png").write_bytes(b"of an earlier day")
    monkeypatch.chdir(here)
    original = Restoration.save

    def save(self: Restoration, path: str | Path, **options: Any) -> None:
        for left in folder.iterdir() if folder.exists() else ():
            left.unlink()
        if folder.exists():
            folder.rmdir()
        original(self, path, **options)

    monkeypatch.setattr(Restoration, "save", save)
    code, _, err = run(_tv(photo, folder / "o.png", "--quiet"), capsys)
    assert code == 1
    assert f"saved as {here / 'o.rescued2.png'} instead" in err
    assert (here / "o.rescued.png").read_bytes() == b"of an earlier day"


def test_an_output_that_appears_meanwhile_is_kept(
    photo: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    output = photo.with_name("o.png")
    original = Restoration.save

    def save(self: Restoration, path: str | Path, **options: Any) -> None:
        if path == output:
            output.write_bytes(b"another's")
        original(self, path, **options)

    monkeypatch.setattr(Restoration, "save", save)
    code, _, err = run(_tv(photo, output, "--quiet"), capsys)
    assert code == 1
    assert "exists already" in err
    assert output.read_bytes() == b"another's"
    assert photo.with_name("o.rescued.png").exists()


# --- kills ---------------------------------------------------------------------------------------------------

_KILL = """
import os, signal
original, calls = os.{function}, []
def die(*arguments, **options):
    calls.append(arguments)
    if len(calls) == {call}:
        {after}os.kill(os.getpid(), signal.SIGKILL)
    return original(*arguments, **options)
os.{function} = die
"""


@pytest.mark.parametrize(
    ("function", "call", "after"),
    [
        ("fsync", 5, ""),
        pytest.param("replace", 3, "", marks=pytest.mark.slow),
        pytest.param("replace", 3, "original(*arguments, **options); ", marks=pytest.mark.slow),
    ],
    ids=["while a checkpoint is written", "before it is renamed", "after"],
)
def test_killed_while_it_writes_a_run_resumes_to_the_same_bytes(
    photo: Path, forks: Forks, function: str, call: int, after: str
) -> None:
    whole, output = photo.with_name("whole.png"), photo.with_name("o.png")
    assert forks.run(*_dip(photo, whole, "--quiet")).returncode == 0
    killed = forks.run(*_dip(photo, output), before=_KILL.format(function=function, call=call, after=after))
    assert killed.returncode == -signal.SIGKILL
    assert not output.exists()
    assert photo.with_name("o.png.checkpoint").exists()
    resumed = forks.run(*_dip(photo, output, "--resume", "--quiet"))
    assert (resumed.returncode, resumed.stderr) == (0, b"")
    assert output.read_bytes() == whole.read_bytes()
    assert sorted(path.name for path in photo.parent.iterdir()) == ["o.png", "photo.png", "whole.png"]
    assert not list(photo.parent.glob(PARTIALS))


@pytest.mark.parametrize("damage", ["flip", "cut", "empty"])
def test_a_damaged_checkpoint_is_refused_and_overwrite_starts_anew(
    photo: Path, capsys: pytest.CaptureFixture[str], damage: str
) -> None:
    output = photo.with_name("o.png")
    checkpoint = output.with_name("o.png.checkpoint")
    from zeroshot.checkpoint import Checkpoint

    Checkpoint(checkpoint, {}, 0).save({"loop": {}})
    whole = bytearray(checkpoint.read_bytes())
    whole[len(whole) // 2] ^= 1
    checkpoint.write_bytes({"flip": bytes(whole), "cut": bytes(whole[:20]), "empty": b""}[damage])
    code, _, err = run(_tv(photo, output, "--resume"), capsys)
    assert code == 2
    assert err.count("\n") == 1
    assert "--overwrite instead of --resume starts anew" in err
    assert run(_tv(photo, output, "--overwrite", "--quiet"), capsys)[0] == 0
    assert output.exists()
    assert not checkpoint.exists()


# --- two runs at once ----------------------------------------------------------------------------------------


@pytest.mark.parametrize("option", ["-o", "--trace", "--preview"])
def test_a_second_run_with_one_file_is_refused(
    photo: Path, capsys: pytest.CaptureFixture[str], option: str
) -> None:
    taken = photo.with_name("taken.png")
    output = taken if option == "-o" else photo.with_name("o.png")
    with locked(taken):
        arguments = _tv(photo, output, *(() if option == "-o" else (option, taken)))
        code, _, err = run(arguments, capsys)
    assert (code, err) == (2, f"zeroshot: error: {taken}: another run is writing it\n")
    assert sorted(path.name for path in photo.parent.iterdir()) == ["photo.png"]
    assert run(arguments, capsys)[0] == 0
    assert not list(photo.parent.glob(".zeroshot-*"))


def test_a_second_run_into_one_folder_is_refused_before_any_image(
    photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = photo.parent / "in"
    folder.mkdir()
    for name in "abc":
        (folder / f"{name}.png").write_bytes(photo.read_bytes())
    output = photo.parent / "out"
    output.mkdir()
    with locked(output / "c.png"):
        code, _, err = run(_tv(folder, output), capsys)
    assert code == 2
    assert "c.png: another run is writing it" in err
    assert list(output.iterdir()) == []


def test_a_link_in_the_place_of_the_lock_is_not_followed(
    photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    output, victim = photo.with_name("o.png"), photo.with_name("victim")
    victim.write_bytes(b"precious")
    lock_file(output).symlink_to(victim)
    code, _, err = run(_tv(photo, output), capsys)
    assert code == 2
    assert "is a symbolic link where a lock should be: remove it" in err
    assert victim.read_bytes() == b"precious"


# --- names ---------------------------------------------------------------------------------------------------


def test_names_of_the_greatest_length(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for stem in ("漢" * 83, "a" * 251, "é" * 125):
        output = photo.with_name(f"{stem}.png")
        assert run(_tv(photo, output, "--checkpoint-seconds", 0, "--quiet"), capsys)[0] == 0
        assert output.exists()
        output.unlink()
        assert [path.name for path in photo.parent.iterdir()] == ["photo.png"]


HOSTILE = "a\x1b[2J\x9b31m\u202egnp\r\nzeroshot: done\x07"


def harmless(text: str) -> bool:
    return not any(sign in text for sign in ("\x1b", "\x9b", "\u202e", "\r", "\x07", "\nzeroshot: done"))


def test_hostile_names_are_shown_and_not_obeyed(photo: Path, capsys: pytest.CaptureFixture[str]) -> None:
    source = photo.with_name(f"{HOSTILE}.png")
    source.write_bytes(photo.read_bytes())
    output = photo.with_name(f"{HOSTILE}2.png")
    texts = [
        run(_tv(source, output), capsys),
        run(_tv(source, output), capsys),
        run(["info", output, photo], capsys),
        run(["metrics", output, source, "--metrics", "psnr", "--csv"], capsys),
        run(["metrics", output, source, "--metrics", "psnr"], capsys),
        run(["denoise", HOSTILE, "-o", output], capsys),
        run([HOSTILE], capsys),
        run(["denoise", photo, "-o", output, "--prior", HOSTILE], capsys),
        run(["denoise", photo, "-o", output, "--overwrite", "--set", f"{HOSTILE}=1"], capsys),
    ]
    assert texts[0][0] == 0
    for _, out, err in texts:
        assert harmless(out + err), (out, err)


def test_what_an_image_says_of_itself_is_shown_and_still_json(
    photo: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    picture = images.load(photo)
    output = photo.with_name("o.png")
    images.save(picture, output, provenance={"task": HOSTILE, "emoji": "👩‍🔬", "e": "é\U000e0041"})
    code, out, _ = run(["info", output], capsys)
    assert code == 0
    assert harmless(out)
    assert "\U000e0041" not in out
    assert json.loads(out) == {"task": HOSTILE, "emoji": "👩‍🔬", "e": "é\U000e0041"}


# --- streams and signals -------------------------------------------------------------------------------------


def test_full_streams_cost_no_image(photo: Path, forks: Forks) -> None:
    output = photo.with_name("o.png")
    full = "import os; full = os.open('/dev/full', os.O_WRONLY); os.dup2(full, 1); os.dup2(full, 2)"
    assert forks.run(*_tv(photo, output), before=full).returncode == 1
    assert np.asarray(Image.open(output)).shape == (32, 40)


@pytest.mark.parametrize(
    "closed",
    [
        ">&- 2>&- <&-",
        *(pytest.param(one, marks=pytest.mark.slow) for one in (">/dev/full 2>/dev/full", ">&-", "2>&-")),
    ],
)
def test_closed_and_full_streams_cost_no_image(photo: Path, closed: str) -> None:
    output = photo.with_name("o.png")
    arguments = " ".join(f"'{argument}'" for argument in _tv(photo, output))
    shell = f"exec '{sys.executable}' -m zeroshot {arguments} {closed}"
    result = subprocess.run(["sh", "-c", shell], capture_output=True, text=True, timeout=240)
    assert result.returncode == (1 if "full" in closed else 0)
    assert "Traceback" not in result.stderr + result.stdout
    assert np.asarray(Image.open(output)).shape == (32, 40)


def test_a_streamless_python_is_no_obstacle(monkeypatch: pytest.MonkeyPatch) -> None:
    import zeroshot

    monkeypatch.setattr(sys, "stdout", None)
    monkeypatch.setattr(sys, "stderr", None)
    noise = np.random.default_rng(0).integers(0, 256, (16, 16), dtype=np.uint8)
    for progress in (None, True):
        assert zeroshot.solve(noise, "denoise", "tv", sigma=0.1, progress=progress).image.shape == (16, 16)


def test_the_words_of_a_listing_that_a_full_disk_swallows_are_an_error() -> None:
    with open("/dev/full", "w") as full:
        result = subprocess.run(
            [sys.executable, "-m", "zeroshot", "tasks"],
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            timeout=240,
        )
    assert result.returncode == 1
    assert result.stderr == "zeroshot: error: standard output: No space left on device\n"


_SIGNAL_IN_IMPORT = """
import builtins, os, signal
original = builtins.__import__
def interrupted(name, *arguments, **options):
    if name.startswith({module!r}):
        builtins.__import__ = original
        os.kill(os.getpid(), signal.{signal})
    return original(name, *arguments, **options)
builtins.__import__ = interrupted
"""


@pytest.mark.parametrize(
    ("module", "sent"),
    [
        ("argparse", "SIGINT"),
        ("zeroshot.cli.parser", "SIGINT"),
        ("torch", "SIGINT"),
        ("torch._C", "SIGINT"),
        ("torch", "SIGTERM"),
        ("torch", "SIGHUP"),
    ],
)
def test_interrupted_while_it_imports_a_command_ends_in_one_line(photo: Path, module: str, sent: str) -> None:
    hook = _SIGNAL_IN_IMPORT.format(module=module, signal=sent)
    program = f"import sys\n{hook}\nfrom zeroshot.cli.main import main\nsys.exit(main())"
    command = [sys.executable, "-c", program, *map(str, _tv(photo, photo.with_name("o.png")))]
    result = subprocess.run(command, text=True, capture_output=True, timeout=240)
    assert (result.returncode, result.stderr) == (130, "zeroshot: interrupted; nothing was written\n")


def test_a_run_that_is_asked_to_end_saves_its_best_image(photo: Path, forks: Forks) -> None:
    output = photo.with_name("o.png")
    process = forks.start(*_dip(photo, output, "--set", "iterations=1000000"))
    deadline = time.monotonic() + 200
    while not output.with_name("o.png.checkpoint").exists() and time.monotonic() < deadline:
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGTERM)
    ended = process.end()
    assert ended.returncode == 130
    assert b"the best image so far is" in ended.stderr
    assert Image.open(output).size == (40, 32)
