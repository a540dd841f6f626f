"""Locks: one run at a time for a file, whatever became of the one before."""

from __future__ import annotations

import contextlib
import errno
import os
import signal
import threading
from pathlib import Path

import pytest

from zeroshot.files import PARTIALS
from zeroshot.locks import InUseError, held, lock_file, locked, require_unlocked

posix = pytest.mark.skipif(os.name == "nt", reason="needs POSIX")


def test_a_second_holder_is_refused_at_once_and_the_lock_goes_away(tmp_path: Path) -> None:
    target = tmp_path / "o.png"
    with locked(target):
        with pytest.raises(InUseError, match="another run is writing it"), locked(target):
            pass
        with pytest.raises(InUseError):
            require_unlocked(target)
        with locked(tmp_path / "other.png"):
            pass
        assert lock_file(target).exists()
    assert list(tmp_path.iterdir()) == []
    require_unlocked(target)
    with locked(target):
        pass


def test_the_lock_of_a_long_name_is_short(tmp_path: Path) -> None:
    with locked(tmp_path / ("漢" * 85)):
        pass


@posix
def test_a_killed_holder_leaves_nothing_that_blocks(tmp_path: Path) -> None:
    target = tmp_path / "o.png"
    child = os.fork()
    if child == 0:
        with contextlib.suppress(BaseException), locked(target):
            os.kill(os.getpid(), signal.SIGKILL)
        os._exit(1)
    os.waitpid(child, 0)
    assert lock_file(target).exists()
    with locked(target):
        pass
    assert list(tmp_path.iterdir()) == []


@posix
def test_another_process_is_refused(tmp_path: Path) -> None:
    target = tmp_path / "o.png"
    with locked(target):
        child = os.fork()
        if child == 0:
            code = 1
            with contextlib.suppress(BaseException):
                try:
                    with locked(target):
                        pass
                except InUseError:
                    code = 0
            os._exit(code)
        assert os.waitpid(child, 0)[1] == 0


@posix
@pytest.mark.parametrize("kind", ["link", "dangling link", "pipe", "folder"])
def test_what_was_prepared_in_the_place_of_a_lock_is_neither_followed_nor_waited_for(
    tmp_path: Path, kind: str
) -> None:
    target, victim = tmp_path / "o.png", tmp_path / "victim"
    if kind != "dangling link":
        victim.write_bytes(b"precious")
    lock = lock_file(target)
    if kind == "pipe":
        os.mkfifo(lock)
    elif kind == "folder":
        lock.mkdir()
    else:
        lock.symlink_to(victim)
    with pytest.raises(OSError) as caught, locked(target):
        pass
    assert str(lock) in str(caught.value)
    assert kind == "dangling link" or victim.read_bytes() == b"precious"
    assert victim.exists() == (kind != "dangling link")


def test_a_file_that_holds_something_is_neither_changed_nor_removed(tmp_path: Path) -> None:
    lock = tmp_path / "lock"
    lock.write_bytes(b"precious")
    with held(lock, "in use"):
        pass
    assert lock.read_bytes() == b"precious"


def test_who_holds_the_lock_removes_what_a_kill_left_half_written(tmp_path: Path) -> None:
    from tests.test_files import _partial_name

    target = tmp_path / "o.png"
    ours, another = (tmp_path / _partial_name(tmp_path / name, "01") for name in ("o.png", "p.png"))
    ours.touch()
    another.touch()
    with locked(target):
        assert list(tmp_path.glob(PARTIALS)) == [another]


def test_waiting_for_a_lock(tmp_path: Path) -> None:
    lock, order = tmp_path / "lock", []

    def wait() -> None:
        with held(lock, "in use", patient=True):
            order.append("second")

    with held(lock, "in use"):
        thread = threading.Thread(target=wait)
        thread.start()
        order.append("first")
    thread.join(30)
    assert order == ["first", "second"]


@posix
def test_a_file_system_without_locks_locks_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import errno
    import fcntl

    def unsupported(*_args: object) -> None:
        raise OSError(errno.ENOLCK, "no locks")

    monkeypatch.setattr(fcntl, "flock", unsupported)
    with locked(tmp_path / "o.png"), locked(tmp_path / "o.png"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("number", [errno.EACCES, errno.EROFS, errno.ENOSPC])
def test_where_no_lock_can_be_made_it_is_the_folder_that_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: int
) -> None:
    opened = os.open

    def refusing(path: Path, flags: int, *more: int) -> int:
        if flags & os.O_CREAT:
            raise OSError(number, os.strerror(number))
        return opened(path, flags, *more)

    monkeypatch.setattr(os, "open", refusing)
    with pytest.raises(OSError) as caught, locked(tmp_path / "o.png"):
        pass
    assert str(caught.value) == f"the folder {tmp_path} cannot be written to: {os.strerror(number)}"
