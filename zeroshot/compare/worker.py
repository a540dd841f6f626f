"""Child side of a worker process: it loads one method, then restores the images that come over its pipe.

It ends when the pipe is closed or its parent dies, and takes with it what the method started.
"""

from __future__ import annotations

import pickle
import sys
import traceback
from dataclasses import dataclass
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any, Literal

from zeroshot.child_process import become_child
from zeroshot.compare.attempt import attempt, is_out_of_memory, prepare, reason_of
from zeroshot.compare.method import Method
from zeroshot.compare.specification import method_from
from zeroshot.threads import ask_for

#: Set in the environment of a worker, where compare() must not be called.
MARK = "ZEROSHOT_COMPARE_WORKER"


class UnguardedScriptError(SystemExit):
    """A worker that runs the script its method is defined in has come upon a call of compare().

    It ends the worker without a traceback; the parent knows it by the exit code.
    """

    EXIT_CODE = 78

    def __init__(self) -> None:
        super().__init__(self.EXIT_CODE)

    def __str__(self) -> str:
        return "put the call of compare() under: if __name__ == '__main__'"


@dataclass(frozen=True)
class Setup:
    """The first message to a worker: which method it serves, and within which limits.

    Attributes
    ----------
    method : str or bytes
        The text of a specification, or a pickled method.
    threads : int or None
        CPU threads.
    memory : int or None
        Bytes that the method may allocate beyond what the libraries take.
    """

    method: str | bytes
    threads: int | None
    memory: int | None


@dataclass(frozen=True)
class Loaded:
    """The answer to a setup: the method is ready, or why it is not."""

    status: Literal["ready", "failed", "memory", "unreadable"]
    reason: str = ""


def serve(pipe: Connection, log: Path) -> None:
    """Restore what the parent sends until it sends no more.

    Parameters
    ----------
    pipe : multiprocessing.connection.Connection
        The worker first sends None, once it listens. Then a :class:`Setup` is answered by :class:`Loaded`, and
        every :class:`~zeroshot.compare.attempt.Job` by an :class:`~zeroshot.compare.attempt.AttemptResult`.
    log : pathlib.Path
        Receives what the method prints.
    """
    become_child(log)
    pipe.send(None)
    method, loaded = load(pipe.recv())
    pipe.send(loaded)
    while method is not None:
        try:
            job = pipe.recv()
        except EOFError:
            return
        result = attempt(method, job)
        if result.traceback:
            print(result.traceback, file=sys.stderr, flush=True)
        pipe.send(result)


def load(setup: Setup) -> tuple[Method | None, Loaded]:
    """The method that a setup asks for, within its limits, or what went wrong."""
    if setup.threads is not None:
        ask_for(setup.threads)
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
    """A method that was handed over as an object cannot be rebuilt here."""


def _method_of(setup: Setup) -> Method:
    if isinstance(setup.method, str):
        return method_from(setup.method)
    try:
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
