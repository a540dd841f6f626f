"""What the command line says: one line each, in its own words, on streams that may be narrow, closed or gone.

File names, what images say of themselves, and error messages may hold escape sequences: they are shown, not sent
to the terminal.
"""

from __future__ import annotations

import errno
import logging
import os
import sys
import warnings
from collections.abc import Iterable, Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import NamedTuple, TextIO

from zeroshot.files import NotWrittenError
from zeroshot.memory import tells_of_memory
from zeroshot.spelling import for_command_line, visible

# Errors that are told in one line. Anything else is a bug and keeps its traceback.
FAILURES = (
    ValueError,
    TypeError,
    OSError,
    ImportError,
    ArithmeticError,
    EOFError,
    RuntimeError,
    MemoryError,
)
#: The exit code after Ctrl-C.
INTERRUPTED = 130


def report(error: BaseException, subject: str = "") -> int:
    """Print an error in one line; the exit code that goes with it.

    Parameters
    ----------
    error : BaseException
        One of `FAILURES`.
    subject : str
        The file that it is about, named first unless the message names it already.
    """
    if _is_out_of_memory(error):
        message, code = "out of memory: try a smaller image, --prior tv or --set channels=16", 1
    elif isinstance(error, OSError) and error.strerror and error.filename is not None:
        message, code = f"{os.fsdecode(error.filename)}: {error.strerror}", 2
    else:
        message = for_command_line(error) or type(error).__name__
        code = 1 if isinstance(error, RuntimeError | NotWrittenError) else 2
    if subject and subject not in message:
        message = f"{subject}: {message}"
    say(f"zeroshot: error: {message}", sys.stderr)
    return code


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and tells_of_memory(str(error)))


class Said(NamedTuple):
    """What was said, and whether it was for standard error."""

    text: str
    is_error: bool


_collected: ContextVar[list[Said] | None] = ContextVar("_collected", default=None)


@contextmanager
def collected() -> Iterator[list[Said]]:
    """What is said within, kept instead of printed, for another process that has the terminal."""
    said: list[Said] = []
    token = _collected.set(said)
    try:
        yield said
    finally:
        _collected.reset(token)


def repeat(said: Iterable[Said]) -> None:
    """Print what was :func:`collected`."""
    for one in said:
        _print(one.text, sys.stderr if one.is_error else None)


def say(text: str, stream: TextIO | None = None) -> None:
    """Print one line at once; where nobody reads any more, go on in silence."""
    _print(visible(text), stream)


def say_page(text: str) -> None:
    """Print a text of several lines on standard output; names within it that may hold line breaks are made
    visible by who puts them there.
    """  # fmt: skip
    _print(visible(text, keep="\n"), None)


def _print(text: str, stream: TextIO | None) -> None:
    stream = stream or sys.stdout
    collected = _collected.get()
    if collected is not None:
        collected.append(Said(text, stream is sys.stderr))
        return
    try:
        print(text, file=stream, flush=True)
    except (OSError, ValueError) as error:
        _give_up(stream, error)


#: The streams of this process that could not be written to, but for pipes that nobody reads any more.
_lost: set[str] = set()


def _give_up(stream: TextIO, error: Exception) -> None:
    """What else is printed goes nowhere; a disk that is full is told once, a reader who left is not."""
    _silence(stream)
    if stream is sys.stdout and isinstance(error, OSError) and error.errno not in (errno.EPIPE, errno.EIO):
        _lost.add("standard output")
        say(f"zeroshot: error: standard output: {error.strerror or error}", sys.stderr)


def flush() -> bool:
    """Write out what argparse printed, so that a closed pipe does not complain when Python ends.

    Returns
    -------
    bool
        Whether all that was printed has found its way.
    """
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except (OSError, ValueError) as error:
            _give_up(stream, error)
    arrived = not _lost
    _lost.clear()
    return arrived


def _silence(stream: TextIO) -> None:
    with suppress(OSError, ValueError):
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, stream.fileno())
        os.close(nowhere)


def open_closed_streams() -> None:
    """Open what a daemon or ``>&-`` has closed on nothing.

    A file that is opened next would take the number of standard error, and receive what libraries say there.
    """
    for number in range(3):
        try:
            os.fstat(number)
        except OSError:
            os.set_inheritable(os.open(os.devnull, os.O_RDWR), True)
    for name in ("stdout", "stderr"):
        stream = getattr(sys, name)
        if stream is None or stream.closed:
            setattr(sys, name, open(os.devnull, "w", encoding="utf-8"))  # noqa: SIM115 - for the whole process


def tolerate_narrow_terminals() -> None:
    """Print '?' for letters that the terminal's encoding does not have, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


@contextmanager
def one_line_warnings(subject: str = "") -> Iterator[None]:
    """Warnings of the engine become notes on stderr, which name the file `subject` where that is given."""

    def show(message: Warning | str, *_args: object, **_kwargs: object) -> None:
        text = for_command_line(message)
        about = f"{subject}: " if subject and subject not in text else ""
        say(f"zeroshot: note: {about}{text}", sys.stderr)

    with warnings.catch_warnings():
        warnings.showwarning = show
        warnings.simplefilter("default", UserWarning)
        yield


@contextmanager
def log_lines(shown: bool, *, of_progress: bool = True) -> Iterator[None]:
    """What the engine logs of how it goes about it becomes lines on stderr, each said once.

    Without those `of_progress`, which are of no use where they come late.
    """
    logger, handler = logging.getLogger("zeroshot"), _Lines(logging.INFO)
    if not of_progress:
        handler.addFilter(lambda record: record.name != "zeroshot.watch")
    if not shown:
        yield
        return
    before = logger.level
    logger.addHandler(handler)
    logger.setLevel(min(before or logging.INFO, logging.INFO))
    try:
        yield
    finally:
        logger.removeHandler(handler)
        logger.setLevel(before)


class _Lines(logging.Handler):
    """Says each text once."""

    def __init__(self, level: int) -> None:
        super().__init__(level)
        self._said: set[str] = set()

    def emit(self, record: logging.LogRecord) -> None:
        """Say it, unless it was said."""
        text = record.getMessage()
        if text not in self._said:
            self._said.add(text)
            say(f"zeroshot: {text}", sys.stderr)
