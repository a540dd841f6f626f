"""Writing: whole or not at all, whoever prepared the folder and whenever the process is killed."""

from __future__ import annotations

import contextlib
import os
import resource
import signal
import stat
import warnings
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import pytest

from zeroshot.files import (
    PARTIALS,
    Tolerance,
    appended,
    beside,
    remove_partials,
    write_atomically,
)
from zeroshot.spelling import OutputExistsError

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX")


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def in_child(work: Callable[[], object]) -> int:
    """Do `work` in a forked process; how it ended, as os.waitpid says it."""
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException):
            work()
            os._exit(0)
        os._exit(1)
    return os.waitpid(child, 0)[1]


@pytest.mark.parametrize("overwrite", [True, False])
def test_bytes_and_functions_are_written(tmp_path: Path, overwrite: bool) -> None:
    def write(file: BinaryIO) -> None:
        file.write(b"12345")
        file.seek(1)
        assert file.read(2) == b"23"

    write_atomically(tmp_path / "bytes", b"content", overwrite=overwrite)
    write_atomically(tmp_path / "function", write, overwrite=overwrite)
    assert (tmp_path / "bytes").read_bytes() == b"content"
    assert (tmp_path / "function").read_bytes() == b"12345"
    assert names(tmp_path) == ["bytes", "function"]


def test_what_exists_is_kept_unless_it_may_be_replaced(tmp_path: Path) -> None:
    target = tmp_path / "o"
    target.write_bytes(b"old")
    with pytest.raises(OutputExistsError):
        write_atomically(target, b"new", overwrite=False)
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["o"]


def test_what_appears_while_we_write_is_kept(tmp_path: Path) -> None:
    target = tmp_path / "o"
    with pytest.raises(OutputExistsError):
        write_atomically(target, lambda file: target.write_bytes(b"another's"), overwrite=False)
    assert target.read_bytes() == b"another's"
    assert names(tmp_path) == ["o"]


@posix
@pytest.mark.parametrize("dangling", [True, False])
def test_a_target_that_is_a_link_is_replaced_and_not_followed(tmp_path: Path, dangling: bool) -> None:
    victim, target = tmp_path / "victim", tmp_path / "o"
    if not dangling:
        victim.write_bytes(b"precious")
    target.symlink_to(victim)
    with pytest.raises(OutputExistsError):
        write_atomically(target, b"new", overwrite=False)
    write_atomically(target, b"new")
    assert not target.is_symlink()
    assert target.read_bytes() == b"new"
    assert victim.exists() is not dangling
    assert dangling or victim.read_bytes() == b"precious"


@posix
def test_no_name_can_be_prepared_for_the_partial_file(tmp_path: Path, monkeypatch: Any) -> None:
    """Even where it is guessed: a link of that name is not followed, and another name is taken."""
    victim = tmp_path / "victim"
    victim.write_bytes(b"precious")
    guesses = iter(["guessed", "other"])
    monkeypatch.setattr("zeroshot.files.secrets.token_hex", lambda size: next(guesses))
    (tmp_path / (in_the_way := _partial_name(tmp_path / "o", "guessed"))).symlink_to(victim)
    write_atomically(tmp_path / "o", b"new")
    assert victim.read_bytes() == b"precious"
    assert names(tmp_path) == [in_the_way, "o", "victim"]


def _partial_name(target: Path, token: str) -> str:
    from zeroshot.files import _partial_prefix

    return f"{_partial_prefix(target)}{token}.part"


@posix
def test_permissions_are_those_of_any_new_file_or_of_the_one_replaced(tmp_path: Path) -> None:
    before = os.umask(0o027)
    try:
        write_atomically(tmp_path / "new", b"")
        (tmp_path / "private").touch(0o600)
        (tmp_path / "shared").touch()
        (tmp_path / "shared").chmod(0o666)
        write_atomically(tmp_path / "private", b"")
        write_atomically(tmp_path / "shared", b"")
    finally:
        os.umask(before)
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in tmp_path.iterdir()}
    assert modes == {"new": 0o640, "private": 0o600, "shared": 0o666}


@posix
def test_a_private_file_is_private_while_it_is_replaced(tmp_path: Path) -> None:
    target = tmp_path / "private"
    target.touch(0o600)
    seen = []

    def write(file: BinaryIO) -> None:
        seen.append(stat.S_IMODE(os.fstat(file.fileno()).st_mode))

    write_atomically(target, write)
    assert seen == [0o600]


@pytest.mark.parametrize("error", [RuntimeError, KeyboardInterrupt, MemoryError])
def test_a_function_that_fails_leaves_the_old_file_and_no_trace(tmp_path: Path, error: type) -> None:
    target = tmp_path / "o"
    target.write_bytes(b"old")

    def fail(file: BinaryIO) -> None:
        file.write(b"half")
        raise error("failed")

    with pytest.raises(error):
        write_atomically(target, fail)
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["o"]


@posix
def test_a_full_disk_leaves_the_old_file_and_no_trace(tmp_path: Path) -> None:
    target = tmp_path / "o"
    target.write_bytes(b"old")

    def fill() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))
        with contextlib.suppress(OSError):
            write_atomically(target, bytes(100_000))

    assert in_child(fill) == 0
    assert target.read_bytes() == b"old"
    assert names(tmp_path) == ["o"]


@posix
@pytest.mark.parametrize("new", [True, False], ids=["new", "replaced"])
@pytest.mark.parametrize("overwrite", [True, False], ids=["overwrite", "exclusive"])
@pytest.mark.parametrize("moment", ["open", "fdopen", "fsync", "replace", "link", "unlink", "after"])
def test_killed_at_any_moment_the_file_is_the_old_or_the_new_one(
    tmp_path: Path, moment: str, overwrite: bool, new: bool
) -> None:
    if not overwrite and not new:
        pytest.skip("refused before anything is written")
    target = tmp_path / "o"
    if not new:
        target.write_bytes(b"old")

    def die(*_args: object, **_options: object) -> None:
        os.kill(os.getpid(), signal.SIGKILL)

    def work() -> None:
        if moment == "after":
            original = os.replace if overwrite else os.link

            def done(*args: Any) -> None:
                original(*args)
                die()

            setattr(os, "replace" if overwrite else "link", done)
        else:
            setattr(os, moment, die)
        write_atomically(target, b"new" * 100_000, overwrite=overwrite)

    in_child(work)
    left = target.read_bytes() if target.exists() else None
    assert left in (None if new else b"old", b"new" * 100_000)
    if moment == "after":
        assert left == b"new" * 100_000
    # What is left beside it is known as ours, and whoever has the target locked removes it.
    assert set(tmp_path.iterdir()) - {target} == set(tmp_path.glob(PARTIALS))
    remove_partials(target)
    assert set(tmp_path.iterdir()) <= {target}


def test_the_partial_files_of_other_targets_are_left_alone(tmp_path: Path) -> None:
    other = tmp_path / _partial_name(tmp_path / "other", "0123")
    other.touch()
    remove_partials(tmp_path / "o")
    assert other.exists()


@pytest.mark.parametrize("name", ["漢" * 85, "a" * 255, "a" * 251 + ".png", "é" * 127])
def test_names_of_any_length_that_the_system_has(tmp_path: Path, name: str) -> None:
    target = tmp_path / name
    write_atomically(target, b"new", overwrite=False)
    write_atomically(target, b"newer")
    assert target.read_bytes() == b"newer"
    neighbour = beside(target, ".checkpoint")
    write_atomically(neighbour, b"")
    assert neighbour.name.endswith(".checkpoint")
    assert neighbour.name.startswith(name[:20])
    assert neighbour != beside(target.with_name(name[:-1] + "b"), ".checkpoint")


def test_a_name_that_has_room_is_only_continued(tmp_path: Path) -> None:
    assert beside(tmp_path / "o.png", ".checkpoint") == tmp_path / "o.png.checkpoint"


def test_an_error_is_one_line_that_names_the_target(tmp_path: Path) -> None:
    target = tmp_path / "missing" / "o"
    with pytest.raises(OSError, match="cannot be written") as caught:
        write_atomically(target, b"")
    assert str(target) in str(caught.value)
    assert "\n" not in str(caught.value)


@posix
@pytest.mark.parametrize("kind", ["link", "second name", "pipe"])
def test_a_log_is_not_written_into_what_was_prepared_in_its_place(tmp_path: Path, kind: str) -> None:
    victim, log = tmp_path / "victim", tmp_path / "log.txt"
    victim.write_bytes(b"precious")
    {"link": log.symlink_to, "second name": log.hardlink_to, "pipe": lambda _: os.mkfifo(log)}[kind](victim)
    for text in (b"one ", b"two"):
        with appended(log) as file:
            file.write(text)
    assert victim.read_bytes() == b"precious"
    assert log.read_bytes() == b"one two"


@pytest.mark.parametrize(
    "error", [OSError("full"), RuntimeError("unexpected pos"), MemoryError(), KeyError("x")]
)
def test_what_cannot_be_written_is_noted_once(error: Exception) -> None:
    tolerated = Tolerance("the preview")
    with warnings.catch_warnings(record=True) as notes:
        warnings.simplefilter("always")
        for _ in range(3):
            with tolerated():
                raise error
    assert len(notes) == 1
    assert str(notes[0].message).startswith("the preview could not be written: ")


def test_an_interruption_is_not_tolerated() -> None:
    with pytest.raises(KeyboardInterrupt), Tolerance("the preview")():
        raise KeyboardInterrupt
