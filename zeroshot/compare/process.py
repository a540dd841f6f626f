"""Parent side of a worker process: it starts the process, sends it images, and notices how it ends."""

from __future__ import annotations

import pickle
from dataclasses import replace
from pathlib import Path
from typing import Protocol

from zeroshot.child_process import ChildDiedError, ChildLateError, ChildProcess
from zeroshot.compare.attempt import AttemptResult, Job, attempt, one_line, prepare, reason_of
from zeroshot.compare.method import Method
from zeroshot.compare.records import Status
from zeroshot.compare.worker import MARK, Setup, UnguardedScriptError, serve
from zeroshot.notes import note
from zeroshot.threads import fixed

# Starting Python and its libraries is no part of a restoration, and may take long on a busy machine.
_LEAST_SECONDS_TO_LOAD = 120.0


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
        self._child: ChildProcess | None = None
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
        try:
            child = self._child or self._started(timeout)
            result: AttemptResult = child.ask(job, timeout)
        except _NotLoadedError as error:
            self.close()
            self._cannot_load = AttemptResult(error.status, error.reason)
            return self._cannot_load
        except ChildLateError:
            self.close()
            return AttemptResult("timeout", f"ended after {timeout:g} s without a result")
        except ChildDiedError:
            death = child.death()
            self.close()
            return AttemptResult("memory" if death.of_memory else "crashed", death.reason)
        except BaseException:
            self.close()
            raise
        if result.status not in ("done", "unsupported"):
            self.close()
        return result

    def close(self) -> None:
        """End the process and all that it started."""
        if self._child is not None:
            self._child.close()
        self._child = None

    def _started(self, timeout: float | None) -> ChildProcess:
        # Only a method that is defined in the script needs the script; any other does not run it again.
        runs_script = isinstance(self._setup.method, bytes) and b"__main__" in self._setup.method
        threads, mark = self._setup.threads, {MARK: "1"}
        child = ChildProcess(serve, self._log, threads=threads, variables=mark, runs_script=runs_script)
        self._child = child
        child.start()
        patience = None if timeout is None else max(timeout, _LEAST_SECONDS_TO_LOAD)
        listens = False
        try:
            child.receive(patience)
            listens = True
            loaded = child.ask(self._setup, patience)
        except ChildDiedError:
            if runs_script and not listens:
                raise UnreadableMethodError(_script_failure(child.exit_code())) from None
            raise _NotLoadedError("crashed", "its process died while the method was loaded") from None
        except ChildLateError:
            raise _NotLoadedError("timeout", f"ended after {patience:g} s of loading the method") from None
        if loaded.status == "unreadable":
            raise UnreadableMethodError(loaded.reason)
        if loaded.status != "ready":
            raise _NotLoadedError(loaded.status, f"could not be loaded: {loaded.reason}")
        return child


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


class _NotLoadedError(Exception):
    """The method could not be loaded, which another image will not change."""

    def __init__(self, status: Status, reason: str) -> None:
        super().__init__(reason)
        self.status, self.reason = status, reason


def _script_failure(exit_code: int | None) -> str:
    if exit_code == UnguardedScriptError.EXIT_CODE:
        return str(UnguardedScriptError())
    return f"the script that defines it cannot be run again: exit code {exit_code}"
