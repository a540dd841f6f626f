"""Files and folders of the user: written as a whole or not at all, and checked before any work starts.

All writing goes through :func:`write_atomically`. What a run that was killed while it wrote leaves behind is a file
``.zeroshot-….part``, which the next run with the same target removes (:func:`remove_partials`).
"""

from __future__ import annotations

import contextlib
import errno
import hashlib
import os
import secrets
import shutil
import stat
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO

from zeroshot import file_names
from zeroshot.notes import note
from zeroshot.spelling import CHOOSE_ANOTHER, OutputExistsError

LONGEST_NAME = 255  # bytes, on the usual file systems

#: The names of all partial files.
PARTIALS = ".zeroshot-*.part"

#: What is written: the bytes, or a function that writes them into an empty file, which it may read and seek.
Content = bytes | Callable[[BinaryIO], object]

_UNSUPPORTED = {errno.EPERM, errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK}


class NotWrittenError(OSError):
    """A file that was asked for could not be written, such as to a full disk."""


def write_atomically(path: str | os.PathLike, content: Content, *, overwrite: bool = True) -> None:
    """Write beside the target and rename, so that nobody ever sees half a file; no trace after an error.

    The partial file is created exclusively, under a name that nobody can guess, and reaches the disk before it
    takes the target's name. No symbolic link is followed: a target that is one is replaced by the file, and
    what it pointed to stays as it is. A new file has the permissions of any new file, one that is replaced keeps
    its own.

    Parameters
    ----------
    path : path
        The target.
    content : bytes or callable
        What to write, or the function that writes it.
    overwrite : bool
        Whether a target that exists, be it made by another process meanwhile, is replaced.

    Raises
    ------
    OSError
        In one line that names the target: :class:`NotWrittenError` where it cannot be written, or another where it
        exists and may not be replaced.
    """
    path = Path(path)
    try:
        _write(path, content, overwrite)
    except OSError as error:
        if error.errno is None:
            raise
        told = f"{path}: cannot be written: {error.strerror or error}{file_names.advice(path)}"
        raise NotWrittenError(told) from None


def _write(path: Path, content: Content, overwrite: bool) -> None:
    mode = _mode_to_keep(path)
    # Private until it has the permissions of the file that it replaces.
    partial, descriptor = _create_partial(path, 0o666 if mode is None else 0o600)
    try:
        with os.fdopen(descriptor, "w+b") as file:
            if mode is not None and hasattr(os, "fchmod"):
                os.fchmod(descriptor, mode)
            if callable(content):
                content(file)
            else:
                file.write(content)
            file.flush()
            _synchronise(descriptor)
        _put_in_place(partial, path, overwrite)
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
    _synchronise_folder(path.parent)


def _mode_to_keep(path: Path) -> int | None:
    """The permissions of the file of that name, if it is one."""
    try:
        found = os.lstat(path)
    except OSError:
        return None
    return stat.S_IMODE(found.st_mode) & 0o777 if stat.S_ISREG(found.st_mode) else None


def _create_partial(path: Path, mode: int) -> tuple[Path, int]:
    flags = os.O_RDWR | os.O_CREAT | os.O_EXCL | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    for _ in range(100):
        partial = partial_name(path)
        with contextlib.suppress(FileExistsError):
            return partial, os.open(partial, flags, mode)
    raise FileExistsError(errno.EEXIST, "no free name for its partial file")


def partial_name(path: Path) -> Path:
    """A name beside the target for what is to become it, which nobody can guess."""
    return path.with_name(f"{_partial_prefix(path)}{secrets.token_hex(8)}.part")


def _partial_prefix(path: Path) -> str:
    """What the names of all partial files of a target begin with; short whatever the target is called."""
    return f".zeroshot-{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]}-"


def _put_in_place(partial: Path, path: Path, overwrite: bool) -> None:
    if overwrite:
        patiently(os.replace, partial, path)
        return
    if os.path.lexists(path):
        raise OutputExistsError(f"{path}: exists already", CHOOSE_ANOTHER)
    try:
        os.link(partial, path)  # unlike a rename, never in the place of another file
    except FileExistsError:
        raise OutputExistsError(f"{path}: exists already", CHOOSE_ANOTHER) from None
    except OSError as error:  # a file system without second names
        if error.errno not in _UNSUPPORTED:
            raise
        patiently(os.rename, partial, path)


def patiently(rename: Callable[[Path, Path], object], old: Path, new: Path) -> None:
    """Rename a file or a folder; on Windows after those who just read one of them have closed it.

    There no open file can be renamed or make way, and programs that look for viruses open whatever is new.

    Raises
    ------
    OSError
        Where that fails; on Windows after about a second.
    """
    waits = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4) if sys.platform == "win32" else ()
    for seconds in waits:
        try:
            rename(old, new)
            return
        except PermissionError:
            time.sleep(seconds)
    rename(old, new)


def _synchronise(descriptor: int) -> None:
    """Wait until the disk has the file: a rename that survives a power cut must not name an empty one."""
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


def _synchronise_folder(folder: Path) -> None:
    """Let the rename reach the disk, where the system can wait for that; the file is there either way."""
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)


def appended(path: Path) -> BinaryIO:
    """A file to write to at its end, such as the log of a process; a link or a pipe in its place makes way."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_APPEND | getattr(os, "O_NOFOLLOW", 0) | getattr(os, "O_BINARY", 0)
    with contextlib.suppress(FileNotFoundError):
        found = os.lstat(path)
        if not stat.S_ISREG(found.st_mode) or found.st_nlink > 1:  # a second name of somebody's file
            os.unlink(path)
    return os.fdopen(os.open(path, flags, 0o666), "ab")


def remove_partials(path: Path) -> None:
    """Remove what runs that were killed while they wrote `path` have left; for who has it locked."""
    prefix = _partial_prefix(path)
    with contextlib.suppress(OSError), os.scandir(path.parent) as entries:
        for entry in entries:
            if entry.name.startswith(prefix) and entry.name.endswith(".part"):
                with contextlib.suppress(OSError):
                    if entry.is_dir(follow_symlinks=False):
                        shutil.rmtree(entry.path)
                    else:
                        os.unlink(entry.path)


def beside(path: Path, suffix: str) -> Path:
    """The file of that name and suffix; where this is too long a name, it is cut and a checksum added."""
    name, longest = path.name + suffix, _longest_name(path.parent)
    if len(os.fsencode(name)) <= longest:
        return path.with_name(name)
    ending = f"~{hashlib.sha256(os.fsencode(path.name)).hexdigest()[:12]}{suffix}"
    kept = path.name
    while len(os.fsencode(kept + ending)) > longest:
        kept = kept[:-1]
    return path.with_name(kept + ending)


def _longest_name(folder: Path) -> int:
    try:
        return min(os.pathconf(folder, "PC_NAME_MAX"), LONGEST_NAME)
    except (OSError, ValueError, AttributeError):
        return LONGEST_NAME


class Tolerance:
    """Lets a run go on whose file cannot be written, for whatever reason: the first failure is a note.

    Parameters
    ----------
    what : str
        The file in words, as the note names it.
    """

    def __init__(self, what: str) -> None:
        self._what = what
        self._told = False

    @contextmanager
    def __call__(self) -> Iterator[None]:
        """Catch what goes wrong within."""
        try:
            yield
        except Exception as error:
            if not self._told:
                reason = str(error) or type(error).__name__
                note(f"{self._what} could not be written: {reason}")
            self._told = True


def require_file(path: str | os.PathLike) -> None:
    """Refuse what is there but no file: a pipe would be waited for, and a device may never end.

    Raises
    ------
    OSError
        Where it is a pipe, a device or a socket; what is missing, or a folder, is for who opens it to tell.
    """
    try:
        mode = os.stat(path).st_mode
    except (OSError, ValueError):
        return
    if not (stat.S_ISREG(mode) or stat.S_ISDIR(mode)):
        advice = "is a pipe or a device, not a file; write what it gives to a file first"
        raise OSError(errno.EINVAL, advice, os.fspath(path))


def require_writable(folder: Path) -> None:
    """Write and remove a file in `folder`: permissions alone do not tell (read-only mounts, /proc, quotas).

    Raises
    ------
    OSError
        Where that fails.
    """
    try:
        with tempfile.NamedTemporaryFile(prefix=".zeroshot-", suffix=".part", dir=folder):
            pass
    except OSError as error:
        raise OSError(f"the folder {folder} cannot be written to: {error.strerror or error}") from None


def make_folder(folder: Path) -> None:
    """Create the output folder, if need be with its parents.

    Raises
    ------
    OSError
        Where there is a file of that name, or the folder cannot be created.
    """
    if folder.exists() and not folder.is_dir():
        raise NotADirectoryError(f"the output must be a folder, but is a file: {folder}")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise OSError(f"the folder {folder} cannot be created: {error.strerror or error}") from None
