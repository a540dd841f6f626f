"""Files that hold images: whether one may be written, and what it says about how it was made."""

from __future__ import annotations

import json
import os
from collections.abc import Collection
from pathlib import Path
from typing import Any

from zeroshot import file_names
from zeroshot.images.decoding import library_errors
from zeroshot.images.errors import ImageError
from zeroshot.images.kinds import STACK_SUFFIXES, SUFFIXES, is_zarr, read_bytes
from zeroshot.images.metadata import find_provenance
from zeroshot.spelling import CHOOSE_ANOTHER


def check_output(
    path: str | os.PathLike,
    *,
    overwrite: bool,
    source: Path | None = None,
    suffixes: Collection[str] = SUFFIXES.keys(),
) -> None:
    """Check all that can be known of an output before the work: suffix, folder, permission, existing file.

    Parameters
    ----------
    path : path
        The output.
    overwrite : bool
        Whether an existing file may be replaced.
    source : pathlib.Path, optional
        The file that the picture came from (`Picture.source`), which is never replaced.
    suffixes : collection of str
        Those that name a format.

    Raises
    ------
    ImageError
        Where :func:`save` would refuse this path.
    """
    path = Path(path)
    if path.suffix.lower() not in suffixes:
        fault = f"the suffix {path.suffix!r} names no known format" if path.suffix else "has no suffix"
        named = [*suffixes, *(STACK_SUFFIXES if suffixes == SUFFIXES.keys() else ())]
        stacks = " (for stacks)" if len(named) > len(suffixes) else ""
        raise ImageError(f"{path}: {fault}; use one of {', '.join(named)}{stacks}")
    if fault := file_names.refusal(path):
        raise ImageError(f"{path}: {fault}")
    folder = path.parent
    if not folder.is_dir():
        raise ImageError(f"{path}: the folder {folder} does not exist")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ImageError(f"{path}: the folder {folder} is not writable")
    if path.is_dir() and not is_zarr(path):
        raise ImageError(f"{path}: is a folder")
    check_not_input(path, source)
    if (path.exists() or path.is_symlink()) and not overwrite:
        raise ImageError(f"{path}: exists already", CHOOSE_ANOTHER)


def check_not_input(path: str | os.PathLike, source: Path | None) -> None:
    """Refuse, with an ImageError, an output that is the file `source` itself, by whatever name or link."""
    if source is None:
        return
    try:
        same = os.path.samefile(path, source)
    except OSError:  # one of them does not exist (any more)
        same = Path(path).absolute() == source.absolute()
    if same or holds(path, source):
        raise ImageError(f"the output is the input, which is never overwritten: {path}")


def holds(path: str | os.PathLike, source: str | os.PathLike) -> bool:
    """Whether a Zarr store that is to be replaced has `source` in it."""
    return is_zarr(Path(path)) and Path(os.path.realpath(source)).is_relative_to(os.path.realpath(path))


def read_provenance(path: str | os.PathLike) -> dict[str, Any] | None:
    """The provenance that :func:`save` embedded in a file, or None where there is none.

    It lies in an iTXt chunk named ``zeroshot`` (PNG), in comments that begin with ``zeroshot`` (JPEG), in the
    private tag 65111 (TIFF), in the XMP packet (WebP), or behind the pixels (BMP).

    Raises
    ------
    ImageError
        Where the file is missing or is not an image.
    """
    path = Path(path)
    if is_zarr(path):
        from zeroshot.images.zarr_stack import zarr_provenance

        return zarr_provenance(path)
    kind, data = read_bytes(path)
    with library_errors(path, f"is damaged and cannot be read as {kind}"):
        text = find_provenance(kind, data)
        found = None if text is None else json.loads(text)
    return found if isinstance(found, dict) else None
