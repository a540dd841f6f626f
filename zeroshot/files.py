"""Files and folders of the user: written as a whole or not at all, and checked before any work starts."""

from __future__ import annotations

import contextlib
import hashlib
import os
import tempfile
from pathlib import Path

from zeroshot.spelling import CHOOSE_ANOTHER, OutputExistsError

LONGEST_NAME = 255  # bytes, on the usual file systems


def write_atomically(path: str | os.PathLike, data: bytes, *, overwrite: bool = True) -> None:
    """Write beside the target and rename, so that nobody ever sees half a file; no trace after an error.

    What a run that was killed left behind is replaced: the name of the partial file follows from the target's.

    Raises
    ------
    OSError
        In one line that names the target, where it cannot be written, or exists and may not be replaced.
    """
    path = Path(path)
    partial = path.with_name(_partial_name(path.name))
    try:
        partial.unlink(missing_ok=True)  # and created anew: a link of that name must not be followed
        with partial.open("xb") as file:
            file.write(data)
        if path.exists() and not overwrite:
            raise OutputExistsError(f"{path}: exists already", CHOOSE_ANOTHER)
        os.replace(partial, path)
    except OSError as error:
        if error.errno is None:
            raise
        raise OSError(f"{path}: cannot be written: {error.strerror or error}") from None
    finally:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)


def _partial_name(name: str) -> str:
    partial = f".{name}.part"
    if len(os.fsencode(partial)) <= LONGEST_NAME:
        return partial
    return f".{hashlib.sha256(os.fsencode(name)).hexdigest()}.part"


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
