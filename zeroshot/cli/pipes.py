"""``-``: a picture from standard input, and the result on standard output, so that commands can be joined by pipes.

What comes in is kept in a private folder for temporary files while the command runs, and known by its content. All that
is said meanwhile goes to standard error.
"""

from __future__ import annotations

import argparse
import contextlib
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from zeroshot.images.kinds import LARGEST_FILE, SUFFIXES, kind_of_source
from zeroshot.images.written_names import lossless
from zeroshot.spelling import for_command_line

_DASH = "-"


def is_piped(options: argparse.Namespace) -> bool:
    """Whether standard input is read, or standard output written."""
    return _DASH in (options.output, *map(str, options.inputs))


def through_pipes(options: argparse.Namespace, run: Callable[[argparse.Namespace], int]) -> int:
    """Run a command on files in place of the streams; its exit code.

    Raises
    ------
    ValueError, OSError
        In one line, where a stream is a terminal or empty, or something else does not go with it.
    """
    reads = _DASH in map(str, options.inputs)
    writes = options.output == _DASH or (reads and options.output is None)
    if len(options.inputs) > 1 or (not reads and options.inputs[0].is_dir()):
        raise ValueError("'-' goes with one picture")
    if options.resume:
        raise ValueError("--resume goes with files: there is no checkpoint of a stream")
    if reads and sys.stdin.isatty():
        raise ValueError("standard input is a terminal: pipe a picture into it, or give the name of a file")
    if writes and sys.stdout.isatty():
        raise ValueError("standard output is a terminal: redirect it, or give the name of a file with -o")
    with tempfile.TemporaryDirectory(prefix="zeroshot-") as folder:
        source = _stored(Path(folder)) if reads else options.inputs[0]
        given = argparse.Namespace(**vars(options))
        given.inputs = [source]
        result = Path(folder) / f"standard-output{_suffix(source, options.format)}"
        if writes:
            given.output, given.is_piped = str(result), True
        try:
            with contextlib.redirect_stdout(sys.stderr) if writes else contextlib.nullcontext():
                code = run(given)
        except (ValueError, TypeError, OSError) as error:
            if not reads or str(source) not in str(error):
                raise
            told = for_command_line(error).replace(str(source), "standard input")
            raise ValueError(told) from None
        if writes and result.exists():
            with result.open("rb") as file:
                shutil.copyfileobj(file, sys.stdout.buffer)
            sys.stdout.buffer.flush()
    return code


def _stored(folder: Path) -> Path:
    """Standard input as a file with the suffix of its kind."""
    data = sys.stdin.buffer.read(LARGEST_FILE + 1)
    if not data:
        raise ValueError("standard input is empty")
    if len(data) > LARGEST_FILE:
        raise ValueError(f"standard input is larger than {LARGEST_FILE >> 30} GiB, the limit for one picture")
    path = folder / "standard-input"
    path.write_bytes(data)
    kind = kind_of_source(path)
    suffix = ".dng" if kind == "TIFF" and _is_dng(data) else _suffix_of(kind)
    return path.rename(path.with_suffix(suffix))


def _suffix_of(kind: str | None) -> str:
    return next((suffix for suffix, one in SUFFIXES.items() if one == kind), ".raw" if kind == "RAW" else "")


def _is_dng(data: bytes) -> bool:
    from zeroshot.images.errors import ImageError
    from zeroshot.images.tiff import DNG_VERSION
    from zeroshot.images.tiff_directories import directory_at, first_place

    try:
        return DNG_VERSION in directory_at(data, first_place(data))
    except ImageError:
        return False


def _suffix(source: Path, chosen: str | None) -> str:
    """The suffix of what is written: the one that was chosen, or that of the input where it loses nothing."""
    if chosen is not None:
        return f".{chosen}"
    return Path(lossless(source)).suffix
