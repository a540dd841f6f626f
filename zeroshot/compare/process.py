"""Parent side of a worker process: it starts the process, sends it images, and notices how it ends."""

from __future__ import annotations

import contextlib
import multiprocessing
import multiprocessing.spawn
import multiprocessing.util
import os
import pickle
import signal
import sys
from collections.abc import Iterator, Sequence
from dataclasses import replace
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import ModuleType
from typing import Any, Protocol

from zeroshot.compare.attempt import AttemptResult, Job, attempt, one_line, prepare, reason_of
from zeroshot.compare.method import Method
from zeroshot.compare.records import Status
from zeroshot.compare.worker import MARK, Setup, UnguardedScriptError, serve
from zeroshot.memory import tells_of_memory
from zeroshot.notes import note
from zeroshot.threads import fixed

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_KNOWS_SAFE_PATH = sys.version_info >= (3, 11)
_SECONDS_TO_END = 10.0
# Starting Python and its libraries is no part of a restoration, and may take long on a busy machine.
_LEAST_SECONDS_TO_LOAD = 120.0
_TAIL = 4096


class Runner(Protocol):
    """What restores the images of one method, one after the other."""

    def attempt(self, job: Job, timeout: float | None) -> AttemptResult:
        """The result of one job; it never raises what the method does."""

    def close(self) -> None:
        """Give back what it holds."""


class UnreadableMethodError(Exception):
    """A method that was given as an object cannot be rebuilt in another process."""


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
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._cannot_load: AttemptResult | None = None

    def attempt(self, job: Job, timeout: float | None) -> AttemptResult:
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
            result: AttemptResult = self._ask(job, timeout)
        except _NotLoadedError as error:
            self.close()
            self._cannot_load = AttemptResult(error.status, error.reason)
            return self._cannot_load
        except _TooLateError:
            self.close()
            return AttemptResult("timeout", f"ended after {timeout:g} s without a result")
        except _DiedError:
            status, reason = self._how_it_died(written, _memory_kills() > kills)
            self.close()
            return AttemptResult(status, reason)
        except BaseException:
            self.close()
            raise
        if result.status not in ("done", "unsupported"):
            self.close()
        return result

    def close(self) -> None:
        """End the process and all that it started."""
        process, self._process = self._process, None
        pipe, self._pipe = self._pipe, None
        if process is None or pipe is None:
            return
        if process.is_alive():
            if hasattr(os, "killpg"):
                with contextlib.suppress(ProcessLookupError, PermissionError):
                    os.killpg(process.pid, signal.SIGKILL)  # type: ignore[arg-type]
            process.kill()
            process.join()
        process.close()
        pipe.close()

    def _start(self, timeout: float | None) -> None:
        self._log.parent.mkdir(parents=True, exist_ok=True)
        # Only a method that is defined in the script needs the script; any other does not run it again.
        runs_script = isinstance(self._setup.method, bytes) and b"__main__" in self._setup.method
        spawn = multiprocessing.get_context("spawn")
        pipe, far_end = spawn.Pipe()
        process = spawn.Process(target=serve, args=(far_end, self._log))
        script = contextlib.nullcontext() if runs_script else _hidden_script()
        with _environment(self._setup.threads), _safe_path(), script, _interrupts_held_back():
            process.start()
            self._process, self._pipe = process, pipe
        far_end.close()
        patience = None if timeout is None else max(timeout, _LEAST_SECONDS_TO_LOAD)
        listens = False
        try:
            self._receive(patience)
            listens = True
            loaded = self._ask(self._setup, patience)
        except _DiedError:
            if runs_script and not listens:
                process.join(_SECONDS_TO_END)
                raise UnreadableMethodError(_script_failure(process.exitcode)) from None
            raise _NotLoadedError("crashed", "its process died while the method was loaded") from None
        except _TooLateError:
            raise _NotLoadedError("timeout", f"ended after {patience:g} s of loading the method") from None
        if loaded.status == "unreadable":
            raise UnreadableMethodError(loaded.reason)
        if loaded.status != "ready":
            raise _NotLoadedError(loaded.status, f"could not be loaded: {loaded.reason}")

    def _ask(self, message: Any, timeout: float | None) -> Any:
        assert self._pipe is not None
        try:
            self._pipe.send(message)
        except OSError:
            raise _DiedError from None
        return self._receive(timeout)

    def _receive(self, timeout: float | None) -> Any:
        assert self._pipe is not None
        try:
            if not self._pipe.poll(timeout):
                raise _TooLateError
            return self._pipe.recv()
        except (EOFError, OSError):
            raise _DiedError from None

    def _how_it_died(self, written: int, killed_for_memory: bool) -> tuple[Status, str]:
        """What a process that no longer answers died of, in words."""
        assert self._process is not None
        self._process.join(_SECONDS_TO_END)
        code = self._process.exitcode
        if code is None:
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

    def attempt(self, job: Job, timeout: float | None) -> AttemptResult:
        """The result of one job."""
        try:
            if not self._prepared:
                prepare(self._method)
                self._prepared = True
        except Exception as error:
            return AttemptResult("failed", f"could not be loaded: {reason_of(error)}")
        with fixed(self._threads):
            result = attempt(self._method, job)
        return replace(result, notes={**result.notes, "process": "that of the comparison"})

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
        self._runner = WorkerProcess(replace(setup, method=pickled), log)

    def attempt(self, job: Job, timeout: float | None) -> AttemptResult:
        """The result of one job."""
        try:
            return self._runner.attempt(job, timeout)
        except UnreadableMethodError as error:
            self._runner = self._stay(str(error))
            return self._runner.attempt(job, timeout)

    def close(self) -> None:
        """End its process."""
        self._runner.close()

    def _stay(self, reason: str) -> Runner:
        note(
            f"method {self._method.name!r} cannot be sent to a process of its own ({one_line(reason)}): it runs "
            "in this one, without timeout or protection from crashes"
        )
        return InProcess(self._method, self._threads)


# --- how a request can end -----------------------------------------------------------------------------------


class _DiedError(Exception):
    """The process is gone."""


class _TooLateError(Exception):
    """No answer in time."""


class _NotLoadedError(Exception):
    """The method could not be loaded, which another image will not change."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


# --- starting a process --------------------------------------------------------------------------------------


@contextlib.contextmanager
def _environment(threads: int | None) -> Iterator[None]:
    """The environment that a new process is to inherit."""
    wanted = {} if threads is None else dict.fromkeys(_THREAD_VARIABLES, str(threads))
    # A file in the current folder does not stand in for a module of the library; see also _safe_path.
    wanted |= {MARK: "1", "PYTHONSAFEPATH": "1"}
    # multiprocessing's tracker frees the semaphores of a process that was killed, and need not tell the user so.
    filters = filter(None, [os.environ.get("PYTHONWARNINGS"), "ignore:resource_tracker"])
    wanted["PYTHONWARNINGS"] = ",".join(filters)
    before = {name: os.environ.get(name) for name in wanted}
    os.environ.update(wanted)
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value


@contextlib.contextmanager
def _safe_path() -> Iterator[None]:
    """Let new processes forget the current folder before they import anything, on a Python without a safe path.

    They are those that multiprocessing starts here: the worker and, on POSIX, the tracker of its resources.
    """
    if _KNOWS_SAFE_PATH:
        yield
        return
    owner: Any = multiprocessing.spawn if sys.platform == "win32" else multiprocessing.util
    name = "get_command_line" if sys.platform == "win32" else "spawnv_passfds"
    original = getattr(owner, name)

    def started(*arguments: Any, **options: Any) -> Any:
        if name == "get_command_line":
            return _without_current_folder(original(*arguments, **options))
        path, command, *rest = arguments
        return original(path, _without_current_folder(command), *rest, **options)

    setattr(owner, name, started)
    try:
        yield
    finally:
        setattr(owner, name, original)


def _without_current_folder(command: Sequence[str]) -> list[str]:
    """A command `python … -c PROGRAM …` whose program first takes the current folder off the path."""
    program = [*command].index("-c") + 1
    first = "import sys; sys.path[:] = [place for place in sys.path if place]; "
    return [*command[:program], first + command[program], *command[program + 1 :]]


@contextlib.contextmanager
def _hidden_script() -> Iterator[None]:
    """Keep multiprocessing from running the user's script in the new process, guarded or not."""
    script = sys.modules["__main__"]
    sys.modules["__main__"] = ModuleType("__main__")
    try:
        yield
    finally:
        sys.modules["__main__"] = script


@contextlib.contextmanager
def _interrupts_held_back() -> Iterator[None]:
    """Block Ctrl-C, also in the new process, which lets it through when it has left the terminal."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _script_failure(exit_code: int | None) -> str:
    if exit_code == UnguardedScriptError.EXIT_CODE:
        return str(UnguardedScriptError())
    return f"the script that defines it cannot be run again: exit code {exit_code}"


# --- how it ended --------------------------------------------------------------------------------------------


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
