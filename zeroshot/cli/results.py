"""What a run has made is written where it was asked for, or, where that fails, somewhere else: no work is lost."""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from zeroshot.cli.messages import report, say
from zeroshot.files import beside
from zeroshot.locks import locked
from zeroshot.spelling import OutputExistsError

_MOST_NAMES = 100


@contextmanager
def reserved(written: Sequence[Path | None]) -> Iterator[None]:
    """Keep other runs from writing these files; None is left out.

    Raises
    ------
    OSError
        At once, where another run is writing one of them.
    """
    with ExitStack() as held:
        for path in dict.fromkeys(written):
            # Where there is no writing to a folder, who checks the outputs says so better.
            if path is not None and os.access(path.absolute().parent, os.W_OK | os.X_OK):
                held.enter_context(locked(path))
        yield


def save_image(restoration: Any, output: Path, *, overwrite: bool) -> bool:
    """Write the restored image; where its format is what fails, the one that is saved elsewhere is a PNG.

    Returns
    -------
    bool
        Whether it is where it should be.
    """

    def save(path: Path) -> None:
        restoration.save(path, overwrite=overwrite and path == output)

    return save_or_rescue(save, output, what="the image", suffixes=(output.suffix, ".png"))


def save_or_rescue(
    write: Callable[[Path], object], target: Path, *, what: str, suffixes: Sequence[str] = ()
) -> bool:
    """Write a file, or else a file of a similar name beside it, in the current folder, or for temporary files.

    Parameters
    ----------
    write : callable
        Writes to the path that it is given.
    target : pathlib.Path
        Where it should be.
    what : str
        What it is, in words.
    suffixes : sequence of str
        Those to try; by default that of `target`.

    Returns
    -------
    bool
        Whether it is where it should be; else an error has been told, with the place where it is instead.
    """
    try:
        write(target)
    except Exception as error:  # whatever it is, there is a result in hand
        report(error, str(target))
    else:
        return True
    for suffix in dict.fromkeys(suffixes or (target.suffix,)):
        for folder in (target.absolute().parent, Path.cwd(), Path(tempfile.gettempdir())):
            place = _rescued(write, folder / target.stem, suffix)
            if place is not None:
                say(f"zeroshot: {what} is saved as {place} instead", sys.stderr)
                return False
    say(f"zeroshot: {what} could not be saved elsewhere either", sys.stderr)
    return False


def _rescued(write: Callable[[Path], object], stem: Path, suffix: str) -> Path | None:
    """The file of that name that could be written, or None."""
    for number in range(1, _MOST_NAMES):
        place = beside(stem, f".rescued{'' if number == 1 else number}{suffix}")
        if os.path.lexists(place):
            continue
        try:
            write(place)
        except OutputExistsError:
            continue
        except Exception:
            return None
        return place
    return None
