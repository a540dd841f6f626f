"""The side of a worker process that sees it: starting it, feeding it, and noticing how it ends."""

from __future__ import annotations

import contextlib
import os
import pickle
import queue
import signal
import subprocess
import sys
import threading
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from zeroshot.compare.attempt import Job, Outcome, attempt, one_line, prepare, reason_of
from zeroshot.compare.channel import Loaded, Setup, read_message, write_message
from zeroshot.compare.method import Method
from zeroshot.compare.records import Status
from zeroshot.memory import tells_of_memory

#: Set in the surroundings of a worker, so that a script without a guarded main part is noticed there.
MARK = "ZEROSHOT_COMPARE_WORKER"
_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_SECONDS_TO_END = 10.0
# Starting Python and its libraries is no part of a restoration, and may take long on a busy machine.
_LEAST_SECONDS_TO_LOAD = 120.0
_TAIL = 4096


class Runner(Protocol):
    """What restores the images of one method, one after the other."""

    def attempt(self, job: Job, timeout: float | None) -> Outcome:
        """The outcome of one job; it never raises what the method does."""

    def close(self) -> None:
        """Give back what it holds."""


class UnreadableMethodError(Exception):
    """A method that was given as an object cannot be made again in another process."""


class WorkerProcess:
    """A method in a process of its own; started at the first job, and anew after a job that did not end well.

    Parameters
    ----------
    setup : Setup
        What the process is told first.
    log : pathlib.Path
        A file that receives what the method prints.
    """

    def __init__(self, setup: Setup, log: Path) -> None:
        self._setup, self._log = setup, log
        self._process: subprocess.Popen[bytes] | None = None
        self._replies: queue.Queue[bytes | None] = queue.Queue()
        self._cannot_load: Outcome | None = None

    def attempt(self, job: Job, timeout: float | None) -> Outcome:
        """Restore one image; a process that does not answer within `timeout` seconds is ended.

        Raises
        ------
        UnreadableMethodError
            At the first job.
        """
        if self._cannot_load is not None:
            return self._cannot_load
        kills = _memory_kills()
        written = self._log.stat().st_size if self._log.exists() else 0
        try:
            if self._process is None:
                self._start(timeout)
            reply = self._ask(job, timeout)
        except _NotLoadedError as error:
            self.close()
            self._cannot_load = Outcome(error.status, error.reason)
            return self._cannot_load
        except _TooLateError:
            self.close()
            return Outcome("timeout", f"ended after {timeout:g} s without a result")
        except _DiedError:
            status, reason = self._how_it_died(written, _memory_kills() > kills)
            self.close()
            return Outcome(status, reason)
        except BaseException:
            self.close()
            raise
        if reply.status not in ("done", "unsupported"):
            self.close()
        return reply

    def close(self) -> None:
        """End the process and all that it started."""
        process, self._process = self._process, None
        if process is None:
            return
        if process.poll() is None:
            if hasattr(os, "killpg"):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)
            process.kill()
            process.wait()
        for stream in (process.stdin, process.stdout):
            if stream is not None:
                with contextlib.suppress(OSError):
                    stream.close()

    def _start(self, timeout: float | None) -> None:
        self._replies = queue.Queue()
        self._log.parent.mkdir(parents=True, exist_ok=True)
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "zeroshot.compare.worker"],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                env=_surroundings(self._setup),
                # Ctrl-C is for us, who then end the worker; and what it starts ends with it.
                start_new_session=True,
            )
        assert self._process.stdout is not None
        threading.Thread(target=_receive, args=(self._process.stdout, self._replies), daemon=True).start()
        patience = None if timeout is None else max(timeout, _LEAST_SECONDS_TO_LOAD)
        try:
            loaded: Loaded = self._ask(self._setup, patience)
        except _DiedError:
            raise _NotLoadedError("crashed", "its process died while the method was loaded") from None
        except _TooLateError:
            raise _NotLoadedError("timeout", f"ended after {patience:g} s of loading the method") from None
        if loaded.status == "unreadable":
            self.close()
            raise UnreadableMethodError(loaded.reason)
        if loaded.status != "ready":
            raise _NotLoadedError(loaded.status, f"could not be loaded: {loaded.reason}")

    def _ask(self, message: Any, timeout: float | None) -> Any:
        assert self._process is not None
        assert self._process.stdin is not None
        try:
            write_message(self._process.stdin, message)  # type: ignore[arg-type]
        except OSError:
            raise _DiedError from None
        try:
            reply = self._replies.get(timeout=timeout)
        except queue.Empty:
            raise _TooLateError from None
        if reply is None:
            raise _DiedError
        return pickle.loads(reply)

    def _how_it_died(self, written: int, killed_for_memory: bool) -> tuple[Status, str]:
        """What a process that no longer answers died of, in words."""
        assert self._process is not None
        try:
            code = self._process.wait(_SECONDS_TO_END)
        except subprocess.TimeoutExpired:
            return "crashed", "its process closed the connection"
        name = _signal_name(-code) if code < 0 else ""
        if name == "SIGKILL" and killed_for_memory:
            return "memory", "the system ended its process because memory ran out"
        if name == "SIGKILL":
            return "crashed", "its process was killed (SIGKILL), as a system does that is short of memory"
        tail = _tail(self._log, written)
        how = f"died of {name}" if name else f"ended with exit code {code}"
        if tells_of_memory(tail):
            return "memory", f"out of memory: its process {how}"
        return "crashed", f"its process {how}"


class InProcess:
    """A method in this very process, for one that cannot be sent to another: no timeout, no protection."""

    def __init__(self, method: Method, threads: int | None) -> None:
        self._method, self._threads = method, threads
        self._prepared = False

    def attempt(self, job: Job, timeout: float | None) -> Outcome:
        """The outcome of one job."""
        try:
            if not self._prepared:
                prepare(self._method)
                self._prepared = True
        except Exception as error:
            return Outcome("failed", f"could not be loaded: {reason_of(error)}")
        with _threads(self._threads):
            outcome = attempt(self._method, job)
        return replace(outcome, notes={**outcome.notes, "process": "that of the comparison"})

    def close(self) -> None:
        """Nothing is held."""


class MethodRunner:
    """A method that was given as an object: in a process of its own where it can be sent there, else in this one.

    Parameters
    ----------
    method : Method
        The object.
    setup : Setup
        As for :class:`WorkerProcess`; its `method` is filled in.
    log : pathlib.Path
        As for :class:`WorkerProcess`.
    """

    def __init__(self, method: Method, setup: Setup, log: Path) -> None:
        self._method, self._threads = method, setup.threads
        self._runner: Runner
        try:
            pickled = pickle.dumps(method)
        except Exception as error:
            self._runner = self._stay(reason_of(error))
            return
        main = getattr(sys.modules.get("__main__"), "__file__", None)
        # Only what is defined in the script needs the script; a method of a library does not run it again.
        in_main = b"__main__" in pickled
        self._runner = WorkerProcess(
            Setup(pickled, setup.path, main if in_main else None, setup.threads, setup.memory), log
        )

    def attempt(self, job: Job, timeout: float | None) -> Outcome:
        """The outcome of one job."""
        try:
            return self._runner.attempt(job, timeout)
        except UnreadableMethodError as error:
            self._runner = self._stay(str(error))
            return self._runner.attempt(job, timeout)

    def close(self) -> None:
        """End its process."""
        self._runner.close()

    def _stay(self, reason: str) -> Runner:
        warnings.warn(
            f"method {self._method.name!r} cannot be sent to a process of its own ({one_line(reason)}): it runs "
            "in this one, without timeout or protection from crashes",
            stacklevel=2,
        )
        return InProcess(self._method, self._threads)


# --- ends of a conversation --------------------------------------------------------------------------------


class _DiedError(Exception):
    """The process is gone."""


class _TooLateError(Exception):
    """No answer in time."""


class _NotLoadedError(Exception):
    """The method could not be loaded, which another image will not change."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def _receive(stream: BinaryIO, replies: queue.Queue[bytes | None]) -> None:
    with contextlib.suppress(OSError, ValueError):  # closed under our hands
        while (message := read_message(stream)) is not None:
            replies.put(message)
    replies.put(None)


def _surroundings(setup: Setup) -> dict[str, str]:
    threads = {} if setup.threads is None else dict.fromkeys(_THREAD_VARIABLES, str(setup.threads))
    return {
        **os.environ,
        **threads,
        MARK: "1",
        "PYTHONPATH": os.pathsep.join(filter(None, setup.path)),
        # From Python 3.11 on, a file in the current folder does not stand in for a module of the library.
        "PYTHONSAFEPATH": "1",
    }


@contextlib.contextmanager
def _threads(count: int | None) -> Any:
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def _signal_name(number: int) -> str:
    try:
        return signal.Signals(number).name
    except ValueError:
        return f"signal {number}"


def _tail(log: Path, written: int) -> str:
    """The end of what was printed after the first `written` bytes."""
    with contextlib.suppress(OSError), log.open("rb") as file:
        file.seek(max(written, log.stat().st_size - _TAIL))
        return file.read().decode(errors="replace")
    return ""


def _memory_kills() -> int:
    """How many processes the kernel has ended for want of memory so far; 0 where it does not say."""
    with contextlib.suppress(OSError):
        for line in Path("/proc/vmstat").read_text().splitlines():
            if line.startswith("oom_kill "):
                return int(line.split()[1])
    return 0
