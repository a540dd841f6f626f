"""What is done to an image in another process, and the answer: how it ended, and what was said of it.

What is said is kept until the image is done, so that the lines of several that are done at a time do not mix.
"""

from __future__ import annotations

import traceback
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from zeroshot.cli.batch import Work, attempted
from zeroshot.cli.messages import (
    FAILURES,
    INTERRUPTED,
    Said,
    collected,
    log_lines,
    one_line_warnings,
    repeat,
    report,
)
from zeroshot.memory import sharing
from zeroshot.spelling import visible


@dataclass(frozen=True)
class Answer:
    """How preparing, or an image, ended, and what was said."""

    code: int
    said: list[Said]


@dataclass(frozen=True)
class WorkerSetup:
    """What a worker is told first, be it a process here or one of a cluster.

    Attributes
    ----------
    work : Work
        What it does to the images.
    threads : int
        CPU threads that it works with.
    quiet : bool
        Whether nothing but errors is said.
    """

    work: Work
    threads: int
    quiet: bool

    @contextmanager
    def in_force(self, count: int, memory: int | None) -> Iterator[None]:
        """Work as one of so many that share this memory, and say what is to be said."""
        with sharing(count, memory), log_lines(not self.quiet, of_progress=False):
            yield


class NotPreparedError(Exception):
    """No image can be done, which the first process has told; the exit code that goes with it."""

    def __init__(self, code: int) -> None:
        super().__init__(f"exit code {code}")
        self.code = code


class Lines:
    """Prints answers above a bar; what every process tells of how it goes about it, once."""

    def __init__(self) -> None:
        self._told: set[str] = set()

    def repeat(self, said: list[Said]) -> None:
        """Print what was said."""
        new = [one for one in said if not (one.is_error and one.text in self._told)]
        self._told.update(one.text for one in new if one.is_error)
        with tqdm.external_write_mode():
            repeat(new)


def prepared(work: Work) -> Answer:
    """Prepare the work; what keeps it from being done is told in the answer."""
    code = 0
    with collected() as said, one_line_warnings():
        try:
            work.prepare()
        except FAILURES as error:
            code = report(error)
        except Exception:
            said.append(_in_full())
            code = 1
    return Answer(code, said)


def answered(work: Work, source: Path, job: Any) -> Answer:
    """Do the work of one image, whatever becomes of it."""
    with collected() as said, one_line_warnings(str(source)):
        try:
            code = attempted(work, source, job)
        except KeyboardInterrupt:
            said.append(interrupted_at(source))
            code = INTERRUPTED
        except Exception:  # a bug, or what the user wants to see in full
            said.append(_in_full(source))
            code = 1
    return Answer(code, said)


def _in_full(source: Path | None = None) -> Said:
    """The traceback of the error at hand, which names the image: that of another one may be the same."""
    about = "" if source is None else f"zeroshot: error: {visible(source)}:\n"
    return Said(about + visible(traceback.format_exc().rstrip(), keep="\n"), True)


def interrupted_at(source: Path) -> Said:
    """What is said where Ctrl-C ended an image."""
    return Said(f"zeroshot: interrupted at {visible(source)}", True)
