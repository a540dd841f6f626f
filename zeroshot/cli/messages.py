"""What the command line says: one line each, in its own words, on streams that may be narrow or gone."""

from __future__ import annotations

import os
import re
import sys
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from zeroshot.memory import tells_of_memory

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
# Python's spelling → the command line's, in this order. The engine speaks to those who call it from Python.
_SPELLINGS = [
    (re.compile(rf"(?<![\w./-]){pattern}"), words)
    for pattern, words in (
        (r"pass value_range=\(black, white\), such as \(0, 255\)", "give --range LOW,HIGH, such as 0,255"),
        (r"value_range=\(black, white\)", "--range LOW,HIGH"),
        (r"value_range(=…)?(?![\w./-])", "--range"),
        (r"data_term 'poisson'", "--data-term poisson"),
        (r"data_term must be", "--data-term must be"),
        (r"kernel 'gaussian' needs kernel_sigma=…", "--kernel gaussian needs --kernel-sigma"),
        (r"kernel_sigma(=…)?(?![\w./-])", "--kernel-sigma"),
        (r"mask='alpha'", "--mask alpha"),
        (r"(mask|hints|peak|scale|pattern|luma|weights|operator)=…", r"--\1"),
        (r"scale must be a whole number", "--scale must be a whole number"),
        (r"(?<!, )boundary='(\w+)'", r"--boundary \1"),
        (r"'huber' or a DataTerm", "or 'huber'"),
        (r"mask must be an array or image of", "--mask must be an image of"),
        (r"or an array of weights", "or the name of a file"),
        (r"choose another name or allow overwriting", "choose another name or use --overwrite"),
    )
]


def in_command_words(message: object) -> str:
    """A message of the engine on one line, in the words of the command line."""
    text = " ".join(str(message).split())
    for pattern, words in _SPELLINGS:
        text = pattern.sub(words, text)
    return text


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
        message = in_command_words(error) or type(error).__name__
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
            f"zeroshot: note: {in_command_words(message)}", sys.stderr
        )
        warnings.simplefilter("default", UserWarning)
        yield
