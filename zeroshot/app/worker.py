"""A thread that has one process do one job after another, and passes on what it tells."""

from __future__ import annotations

import contextlib
import queue
import threading
from collections.abc import Callable
from pathlib import Path

from zeroshot.app.engine import ENDS, STOP, Message, serve
from zeroshot.child_process import ChildDiedError, ChildProcess


class Worker:
    """Does jobs in a process of its own, which is started anew where it died.

    Parameters
    ----------
    log : pathlib.Path
        Receives what the process prints.
    report : callable
        Called in the worker's thread with every message of the job at work.
    """

    def __init__(self, log: Path, report: Callable[[Message], None]) -> None:
        self._log, self._report = log, report
        self._jobs: queue.Queue[Message | None] = queue.Queue()
        self._child: ChildProcess | None = None
        self._killed = self._closing = False
        self._thread = threading.Thread(target=self._work, name=f"worker {log.stem}", daemon=True)
        self._thread.start()

    def begin(self, job: Message) -> None:
        """Do this job after those that were begun before."""
        self._jobs.put(job)

    def stop(self) -> None:
        """Let the job at work end after its step."""
        child = self._child
        if child is not None:
            with contextlib.suppress(ChildDiedError):
                child.send(STOP)

    def kill(self) -> None:
        """End the job at work at once."""
        self._killed = True
        child = self._child
        if child is not None:
            child.kill()

    def close(self) -> None:
        """End the process, and wait until it is gone."""
        self._closing = True
        self._jobs.put(None)
        self.kill()
        self._thread.join(10)

    def _work(self) -> None:
        with contextlib.suppress(ChildDiedError):  # closed before it was started
            self._started()
        while (job := self._jobs.get()) is not None:
            self._killed = False
            try:
                self._do(job)
            except ChildDiedError:
                self._report({"kind": "failed", "text": self._obituary(), "field": None})
        if self._child is not None:
            self._child.close()

    def _do(self, job: Message) -> None:
        if self._child is None:
            self._started()
        assert self._child is not None
        try:
            self._child.send(job)
        except ChildDiedError:  # while nobody asked anything of it
            self._child.close()
            self._started()
            self._child.send(job)
        while True:
            message = self._child.receive()
            self._report(message)
            if message["kind"] in ENDS:
                return

    def _started(self) -> None:
        if self._closing:
            raise ChildDiedError
        self._child = ChildProcess(serve, self._log)
        self._child.start()

    def _obituary(self) -> str:
        """What the process died of; another one takes its place."""
        child, self._child = self._child, None
        if child is None:
            return "the app was closed"
        death = child.death()
        child.close()
        return "ended at once" if self._killed else death.reason
