"""One run at a time for every output: a lock beside it, which the system takes back from a run that was killed.

The lock is an empty file that the kernel locks (flock on POSIX, also over NFS; a locked byte on Windows). It is
removed at the end; one that a killed run has left behind locks nothing. On file systems without locks nothing
is locked.
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from zeroshot.files import remove_partials

_HELD = {errno.EWOULDBLOCK, errno.EAGAIN, errno.EACCES, errno.EDEADLK}


class InUseError(OSError):
    """Another run is writing the same file."""


@contextmanager
def locked(target: Path) -> Iterator[None]:
    """Keep other runs from writing `target`, and remove what killed ones have left of it.

    Raises
    ------
    InUseError
        At once, where another run holds it.
    OSError
        Where what lies in the lock's place is no lock of ours.
    """
    with held(lock_file(target), f"{target}: another run is writing it"):
        remove_partials(target)
        yield


def require_unlocked(target: Path) -> None:
    """Raise InUseError where another run is writing `target`."""
    if lock_file(target).is_file():
        with locked(target):
            pass


def lock_file(target: Path) -> Path:
    """The lock of a file that may be written; short whatever its name is."""
    return target.with_name(f".zeroshot-{hashlib.sha256(os.fsencode(target.name)).hexdigest()[:16]}.lock")


@contextmanager
def held(lock: Path, refusal: str, *, patient: bool = False) -> Iterator[None]:
    """Hold the lock of this name.

    Parameters
    ----------
    lock : pathlib.Path
        Its file, made where there is none.
    refusal : str
        What InUseError says.
    patient : bool
        Whether to wait for its holder instead.

    Raises
    ------
    InUseError
        Where another one holds it.
    OSError
        Where a symbolic link, or anything else but a file, lies in its place.
    """
    descriptor = _acquired(lock, refusal, patient)
    try:
        yield
    finally:
        _release(lock, descriptor)


def _acquired(lock: Path, refusal: str, patient: bool) -> int | None:
    """The descriptor of the locked file; None where the file system has no locks."""
    while True:
        descriptor = _open(lock)
        try:
            supported = _lock(descriptor)
        except BlockingIOError:
            os.close(descriptor)
            if not patient:
                raise InUseError(refusal) from None
            time.sleep(0.1)
            continue
        if not supported:
            _release(lock, descriptor)
            return None
        if _is_still(descriptor, lock):
            return descriptor
        os.close(descriptor)  # its holder has removed it between our two steps


def _open(lock: Path) -> int:
    # Neither a link is followed nor a pipe waited for, and nothing is ever cut off or written.
    flags = getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_NONBLOCK", 0)
    try:
        descriptor = os.open(lock, os.O_RDWR | os.O_CREAT | flags, 0o666)
    except PermissionError as refused:  # of another user, who was killed
        try:
            descriptor = os.open(lock, os.O_RDONLY | flags)
        except FileNotFoundError:
            raise _unwritable(lock, refused) from None
        except OSError:
            raise OSError(f"{lock} is of another user, and cannot be opened: {refused.strerror}") from None
    except OSError as error:
        if lock.is_symlink():
            raise OSError(f"{lock} is a symbolic link where a lock should be: remove it") from None
        if os.path.lexists(lock):
            raise OSError(f"{lock} is no file where a lock should be: remove it") from None
        raise _unwritable(lock, error) from None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(f"{lock} is no file where a lock should be: remove it")
    return descriptor


def _unwritable(lock: Path, error: OSError) -> OSError:
    """Nobody has asked for a lock: what cannot be written to is the folder."""
    return OSError(f"the folder {lock.parent} cannot be written to: {error.strerror or error}")


def _lock(descriptor: int) -> bool:
    """Lock an open file; whether that is possible here. BlockingIOError where it is locked already."""
    try:
        if os.name == "nt":
            import msvcrt

            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)  # type: ignore[attr-defined]
        else:
            import fcntl

            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        if error.errno in _HELD:
            raise BlockingIOError from None
        return False
    return True


def _is_still(descriptor: int, lock: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.lstat(lock))
    except OSError:
        return False


def _release(lock: Path, descriptor: int | None) -> None:
    if descriptor is None:
        return
    with contextlib.suppress(OSError):
        # While it is still locked, and only what is as empty as we make it.
        if os.name != "nt" and os.fstat(descriptor).st_size == 0:
            os.unlink(lock)
    os.close(descriptor)
    if os.name == "nt":  # where no open file can be removed
        with contextlib.suppress(OSError):
            os.unlink(lock)
