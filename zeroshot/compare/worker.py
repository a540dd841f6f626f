"""The process of one method: ``python -m zeroshot.compare.worker`` is fed damaged images over its stdin.

It loads the method once, restores image after image, and answers on what was its stdout; whatever the method
itself prints goes to stderr. It ends when its stdin closes, so that it never outlives who started it.
"""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing.spawn
import os
import pickle
import queue
import signal
import sys
import threading
import traceback
from pathlib import Path
from typing import Any, BinaryIO

import torch

from zeroshot.compare.attempt import attempt, is_out_of_memory, prepare, reason_of
from zeroshot.compare.channel import Loaded, Setup, read_message, write_message
from zeroshot.compare.method import Method


def main() -> None:
    """Serve until nobody feeds this process any more."""
    source, sink = _take_channels()
    faulthandler.enable()
    offer_to_be_killed_first()
    inbox: queue.Queue[bytes] = queue.Queue()
    threading.Thread(target=_receive, args=(source, inbox), daemon=True).start()
    setup = pickle.loads(inbox.get())
    method, loaded = load(setup)
    write_message(sink, loaded)
    while method is not None:
        outcome = attempt(method, pickle.loads(inbox.get()))
        if outcome.traceback:
            print(outcome.traceback, file=sys.stderr, flush=True)
        write_message(sink, outcome)


def _take_channels() -> tuple[BinaryIO, BinaryIO]:
    """Keep stdin and stdout for ourselves: a method that reads gets nothing, one that prints stderr."""
    source = os.fdopen(os.dup(0), "rb")
    sink = os.fdopen(os.dup(1), "wb")
    nothing = os.open(os.devnull, os.O_RDONLY)
    os.dup2(nothing, 0)
    os.close(nothing)
    os.dup2(2, 1)
    return source, sink


def _receive(source: BinaryIO, inbox: queue.Queue[bytes]) -> None:
    while (message := read_message(source)) is not None:
        inbox.put(message)
    # Whoever fed this process is gone: what the method started goes too, if the group is ours alone.
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def load(setup: Setup) -> tuple[Method | None, Loaded]:
    """The method that a setup asks for, in the surroundings that it asks for, or what went wrong."""
    for place in setup.path:
        if place not in sys.path:
            sys.path.append(place)
    if setup.threads is not None:
        torch.set_num_threads(setup.threads)
    try:
        if setup.memory is not None:
            limit_memory(setup.memory)
        method = _method_of(setup)
        prepare(method)
        return method, Loaded("ready")
    except _UnreadableError as error:
        return None, Loaded("unreadable", str(error))
    except (Exception, SystemExit) as error:
        traceback.print_exc()
        return None, Loaded("memory" if is_out_of_memory(error) else "failed", reason_of(error))


class _UnreadableError(Exception):
    """A method that was handed over as an object cannot be made again here."""


def _method_of(setup: Setup) -> Method:
    if isinstance(setup.method, str):
        from zeroshot.compare.specification import method_from

        return method_from(setup.method)
    try:
        if setup.main is not None:
            # Under the name that the standard library gives it, so that its guarded part is not run.
            multiprocessing.spawn.prepare({"init_main_from_path": setup.main})
        method: Any = pickle.loads(setup.method)
    except (Exception, SystemExit) as error:
        raise _UnreadableError(reason_of(error)) from error
    return method


def limit_memory(size: int) -> None:
    """Let this process allocate `size` bytes more than it has now; further requests fail.

    Raises
    ------
    OSError
        Where the system knows no such limit.
    """
    try:
        import resource
    except ImportError:
        raise OSError("this system has no limit on the memory of a process") from None
    pages = Path("/proc/self/statm")
    taken = int(pages.read_text().split()[0]) * resource.getpagesize() if pages.exists() else 0
    _, hard = resource.getrlimit(resource.RLIMIT_AS)
    wanted = taken + size if hard == resource.RLIM_INFINITY else min(taken + size, hard)
    resource.setrlimit(resource.RLIMIT_AS, (wanted, hard))


def offer_to_be_killed_first() -> None:
    """Ask Linux to end this process, and not the one that keeps the results, when memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


if __name__ == "__main__":
    main()
