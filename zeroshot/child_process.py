"""A process of one's own for work that may crash: started anew, spoken to over a pipe, and watched as it ends.

The parent keeps a :class:`ChildProcess`; the function that it serves with begins with :func:`become_child`. A child
leaves the terminal, so that Ctrl-C is for its parent alone, ends with its parent, and takes with it what it started.
Nothing here needs PyTorch.
"""

from __future__ import annotations

import contextlib
import faulthandler
import multiprocessing
import multiprocessing.spawn
import multiprocessing.util
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from multiprocessing.connection import Connection
from multiprocessing.context import SpawnProcess
from pathlib import Path
from types import ModuleType
from typing import Any

from zeroshot.files import appended
from zeroshot.memory import tells_of_memory

_THREAD_VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS")
_KNOWS_SAFE_PATH = sys.version_info >= (3, 11)
_SECONDS_TO_END = 10.0
_TAIL = 4096


class ChildDiedError(Exception):
    """The process is gone."""


class ChildLateError(Exception):
    """No answer in time."""


@dataclass(frozen=True)
class Death:
    """What a process that no longer answers died of.

    Attributes
    ----------
    reason : str
        In words.
    of_memory : bool
        Whether it is known that memory ran out.
    """

    reason: str
    of_memory: bool = False


class ChildProcess:
    """A process that answers messages.

    Parameters
    ----------
    serve : callable
        A function of a module, called in the new process as ``serve(pipe, log, *arguments)``.
    log : pathlib.Path
        A file that receives what the process prints; its folder is made.
    arguments : sequence
        What else it is given.
    threads : int, optional
        CPU threads of its numerical libraries.
    variables : mapping, optional
        Environment variables that it finds set.
    runs_script : bool
        Whether the user's script is run again there, for objects that are defined in it.
    """

    def __init__(
        self,
        serve: Callable[..., None],
        log: Path,
        *,
        arguments: Sequence[Any] = (),
        threads: int | None = None,
        variables: Mapping[str, str] | None = None,
        runs_script: bool = False,
    ) -> None:
        self._serve, self._log, self._arguments = serve, log, tuple(arguments)
        self._threads, self._variables, self._runs_script = threads, dict(variables or {}), runs_script
        self._process: SpawnProcess | None = None
        self._pipe: Connection | None = None
        self._written = self._kills = 0

    def start(self) -> None:
        """Start it; an interrupt is held back until it can be closed again."""
        self._log.parent.mkdir(parents=True, exist_ok=True)
        spawn = multiprocessing.get_context("spawn")
        pipe, far_end = spawn.Pipe()
        process = spawn.Process(target=self._serve, args=(far_end, self._log, *self._arguments))
        script = contextlib.nullcontext() if self._runs_script else _hidden_script()
        self._remember()
        try:
            with _environment(self._threads, self._variables), _safe_path(), script, _interrupts_held_back():
                process.start()
                self._process, self._pipe = process, pipe
        finally:
            far_end.close()
            if self._pipe is not pipe:
                pipe.close()

    @property
    def pipe(self) -> Connection:
        """The parent's end, to wait for."""
        assert self._pipe is not None
        return self._pipe

    def ask(self, message: Any, timeout: float | None = None) -> Any:
        """Send a message, and wait for the answer; for what is raised see :meth:`send` and :meth:`receive`."""
        self.send(message)
        return self.receive(timeout)

    def send(self, message: Any) -> None:
        """Send a message.

        Raises
        ------
        ChildDiedError
            Where nobody is there to receive it.
        """
        self._remember()
        try:
            self.pipe.send(message)
        except OSError:
            raise ChildDiedError from None

    def receive(self, timeout: float | None = None) -> Any:
        """What the process sends next.

        Raises
        ------
        ChildLateError
            After `timeout` seconds; None waits as long as it takes.
        ChildDiedError
            Where it ended instead.
        """
        try:
            if not self.pipe.poll(timeout):
                raise ChildLateError
            return self.pipe.recv()
        except (EOFError, OSError):
            raise ChildDiedError from None

    def interrupt(self) -> None:
        """Let it know of Ctrl-C, where the system can."""
        if self._process is None or not hasattr(os, "killpg"):
            return
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.kill(self._process.pid, signal.SIGINT)  # type: ignore[arg-type]

    def exit_code(self) -> int | None:
        """That of a process that has ended or is about to; None where it goes on."""
        assert self._process is not None
        self._process.join(_SECONDS_TO_END)
        return self._process.exitcode

    def death(self) -> Death:
        """What it died of while it was at the last message."""
        code = self.exit_code()
        if code is None:
            return Death("its process closed the connection")
        name = _signal_name(-code) if code < 0 else ""
        if name == "SIGKILL" and _memory_kills() > self._kills:
            return Death("the system ended its process because memory ran out", True)
        if name == "SIGKILL":
            return Death("its process was killed (SIGKILL), as a system does that is short of memory")
        how = f"died of {name}" if name else f"ended with exit code {code}"
        if tells_of_memory(_tail(self._log, self._written)):
            return Death(f"out of memory: its process {how}", True)
        return Death(f"its process {how}")

    def kill(self) -> None:
        """End it and all that it started, at once; another thread that waits for an answer learns that it died."""
        process = self._process
        # That other thread may close it meanwhile.
        with contextlib.suppress(ValueError):
            if process is not None and process.is_alive():
                if hasattr(os, "killpg"):
                    with contextlib.suppress(ProcessLookupError, PermissionError):
                        os.killpg(process.pid, signal.SIGKILL)  # type: ignore[arg-type]
                process.kill()

    def close(self) -> None:
        """End it and all that it started, and wait until it is gone."""
        self.kill()
        process, self._process = self._process, None
        pipe, self._pipe = self._pipe, None
        if process is None or pipe is None:
            return
        process.join()
        process.close()
        pipe.close()

    def _remember(self) -> None:
        """Where the log ends, and how many processes were killed, before what comes now."""
        self._kills = _memory_kills()
        self._written = self._log.stat().st_size if self._log.exists() else 0


# --- in the new process --------------------------------------------------------------------------------------


def become_child(log: Path) -> None:
    """Leave the terminal, end with the parent, tell of crashes, and be the first that a lack of memory ends."""
    _leave_the_terminal(log)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    faulthandler.enable()
    _offer_to_be_killed_first()


def _leave_the_terminal(log: Path) -> None:
    """Form a group that can be killed as a whole; who reads gets nothing, and what is printed goes to the log."""
    if hasattr(os, "setsid"):
        os.setsid()
        # Ctrl-C is for the parent, which held it back until this process had left the terminal.
        signal.pthread_sigmask(signal.SIG_UNBLOCK, {signal.SIGINT})
    with open(os.devnull, "rb") as nothing, appended(log) as file:
        os.dup2(nothing.fileno(), 0)
        os.dup2(file.fileno(), 1)
        os.dup2(file.fileno(), 2)


def _end_with_parent() -> None:
    parent = multiprocessing.parent_process()
    assert parent is not None
    parent.join()
    if hasattr(os, "killpg"):
        os.killpg(0, signal.SIGKILL)
    os._exit(0)


def _offer_to_be_killed_first() -> None:
    """Ask Linux to end this process, and not the one that keeps the results, when memory runs out."""
    with contextlib.suppress(OSError):
        Path("/proc/self/oom_score_adj").write_text("1000")


# --- starting a process --------------------------------------------------------------------------------------


@contextlib.contextmanager
def _environment(threads: int | None, variables: Mapping[str, str]) -> Iterator[None]:
    """The environment that a new process is to inherit."""
    wanted = {} if threads is None else dict.fromkeys(_THREAD_VARIABLES, str(threads))
    # A file in the current folder does not stand in for a module of the library; see also _safe_path.
    wanted |= {**variables, "PYTHONSAFEPATH": "1"}
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
