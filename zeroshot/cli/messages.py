"""What the command line says: one line each, in its own words, on streams that may be narrow or gone."""

from __future__ import annotations

import os
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from zeroshot.memory import tells_of_memory
from zeroshot.spelling import for_command_line

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
        message, code = f"{error.filename}: {error.strerror}", 2
    else:
        message = for_command_line(error) or type(error).__name__
        code = 1 if isinstance(error, RuntimeError) else 2
    if subject and subject not in message:
        message = f"{subject}: {message}"
    say(f"zeroshot: error: {message}", sys.stderr)
    return code


def _is_out_of_memory(error: BaseException) -> bool:
    return isinstance(error, MemoryError) or (isinstance(error, RuntimeError) and tells_of_memory(str(error)))


def say(text: str, stream: TextIO | None = None) -> None:
    """Print at once; where nobody reads any more, go on in silence."""
    stream = stream or sys.stdout
    try:
        print(text, file=stream, flush=True)
    except BrokenPipeError:
        _silence(stream)


def flush() -> None:
    """Write out what argparse printed, so that a closed pipe does not complain when Python ends."""
    for stream in (sys.stdout, sys.stderr):
        try:
            stream.flush()
        except BrokenPipeError:
            _silence(stream)


def _silence(stream: TextIO) -> None:
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def tolerate_narrow_terminals() -> None:
    """Print '?' for letters that the terminal's encoding does not have, rather than fail."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="replace")


@contextmanager
def one_line_warnings() -> Iterator[None]:
    """Warnings of the engine become notes on stderr."""
    with warnings.catch_warnings():
        warnings.showwarning = lambda message, *_args, **_kwargs: say(
            f"zeroshot: note: {for_command_line(message)}", sys.stderr
        )
        warnings.simplefilter("default", UserWarning)
        yield
