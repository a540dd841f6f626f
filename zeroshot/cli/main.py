"""The command ``zeroshot``: its beginning and its end, whatever happens in between.

Exit codes: 0 done, 1 some image failed or could not be written, memory ran out or there is nothing to show, 2 bad
input, 130 interrupted by Ctrl-C, or asked to end (SIGTERM) or left by its terminal (SIGHUP), which count as that.

Little is imported here: from the first line on, a process that is interrupted ends in one line.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Any

_INTERRUPTED = 130
_NOTHING_WRITTEN = "zeroshot: interrupted; nothing was written"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the command line; the exit code.

    With the environment variable ZEROSHOT_TRACEBACK set, errors keep their traceback.

    Parameters
    ----------
    arguments : sequence of str, optional
        By default those of the process, whose signals are then looked after as well.
    """
    if arguments is not None:
        return _answered(arguments)
    with _signals_as_interrupts():
        try:
            from zeroshot.cli.messages import open_closed_streams

            open_closed_streams()
            from zeroshot.deadline import counting_start_up

            # A command of its own began with the process; one within a program begins now.
            with counting_start_up():
                return _answered(sys.argv[1:])
        except KeyboardInterrupt:  # before there was anybody to take it
            _tell_interrupted()
            return _INTERRUPTED


def _answered(arguments: Sequence[str]) -> int:
    from zeroshot.cli.messages import (
        FAILURES,
        INTERRUPTED,
        flush,
        one_line_warnings,
        report,
        say,
        tolerate_narrow_terminals,
    )

    tolerate_narrow_terminals()
    arrived = True
    try:
        with one_line_warnings():
            code = _run(arguments)
    except FAILURES as error:
        if os.environ.get("ZEROSHOT_TRACEBACK"):
            raise
        code = report(error)
    except KeyboardInterrupt:
        say(_NOTHING_WRITTEN, sys.stderr)
        code = INTERRUPTED
    finally:
        arrived = flush()
    return code if arrived else code or 1


def _run(arguments: Sequence[str]) -> int:
    from zeroshot.cli.commands import run
    from zeroshot.cli.parser import parse_arguments

    return run(parse_arguments(arguments))


# --- signals -------------------------------------------------------------------------------------------------


@contextmanager
def _signals_as_interrupts() -> Iterator[None]:
    """Take Ctrl-C, SIGTERM, SIGHUP and, on Windows, Ctrl-Break for the wish to end: KeyboardInterrupt, or whatever a
    run makes of Ctrl-C.

    A signal that is ignored, as by nohup, stays so.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before: dict[int, Any] = {}
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        before[signal.SIGINT] = signal.signal(signal.SIGINT, _interrupt)
    for name in ("SIGTERM", "SIGHUP", "SIGBREAK"):
        number = getattr(signal, name, None)
        if number is not None and signal.getsignal(number) is signal.SIG_DFL:
            before[number] = signal.signal(number, _as_interrupt)
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _as_interrupt(number: int, frame: FrameType | None) -> None:
    handler = signal.getsignal(signal.SIGINT)
    (handler if callable(handler) else _interrupt)(number, frame)


def _interrupt(number: int, frame: FrameType | None) -> None:
    """Raise KeyboardInterrupt; but in the midst of an import, where libraries turn it into errors of their own or
    swallow it, end the process.
    """  # fmt: skip
    while frame is not None:
        if frame.f_code.co_filename.startswith("<frozen importlib"):
            _tell_interrupted()
            os._exit(_INTERRUPTED)
        frame = frame.f_back
    raise KeyboardInterrupt


def _tell_interrupted() -> None:
    try:
        print(_NOTHING_WRITTEN, file=sys.stderr, flush=True)
    except (OSError, ValueError, RuntimeError):  # closed, or in the midst of printing something else
        return


if __name__ == "__main__":
    raise SystemExit(main())
