"""Images side by side: processes that each do one image after another, and a parent that needs no PyTorch.

A process that dies, be it killed, out of memory or crashed, costs the image that it was at; another one takes its
place. What is said of an image is printed when the image is done, so that the lines of several do not mix. Ctrl-C is
passed on: every process ends its image as it would by itself, and no further ones are begun.
"""

from __future__ import annotations

import os
import signal
import sys
import tempfile
import threading
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import Any

from tqdm import tqdm

from zeroshot.child_process import ChildDiedError, ChildProcess, become_child
from zeroshot.cli.answers import (
    Answer,
    Lines,
    NotPreparedError,
    WorkerSetup,
    answered,
    interrupted_at,
    prepared,
)
from zeroshot.cli.batch import Work
from zeroshot.cli.messages import INTERRUPTED, Said, say
from zeroshot.memory import available_memory
from zeroshot.spelling import visible
from zeroshot.terminal import is_terminal


@dataclass(frozen=True)
class _Setup(WorkerSetup):
    """What a process is told first: with how many others it shares which memory, too."""

    count: int
    free: int | None


class Processes:
    """Processes for the images of one command, begun at once; a context manager that ends them.

    Parameters
    ----------
    work : Work
        Sent to every process, which prepares it.
    count : int
        How many.
    threads : int
        CPU threads of each.
    quiet : bool
        Whether nothing but errors is said.
    """

    def __init__(self, work: Work, count: int, *, threads: int = 1, quiet: bool = False) -> None:
        self._setup = _Setup(work, threads, quiet, count, available_memory())
        self._wanted = count
        self._workers: list[_Worker] = []
        self._folder = tempfile.TemporaryDirectory(prefix="zeroshot-")
        self._interrupted = False
        #: What came of the last process that could not be prepared.
        self._unprepared = Answer(0, [])
        self._lines = Lines()

    def __enter__(self) -> Processes:
        try:
            for _ in range(self._wanted):
                self._start()
            self._await_first()
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        for worker in self._workers:
            worker.child.close()
        self._folder.cleanup()

    def _start(self) -> None:
        log = Path(self._folder.name) / f"{len(os.listdir(self._folder.name))}.txt"
        log.touch()
        worker = _Worker(ChildProcess(_serve, log, arguments=(self._setup,), threads=self._setup.threads))
        self._workers.append(worker)
        try:
            worker.child.start()
        except OSError:
            self._remove(worker)
            raise

    def _await_first(self) -> None:
        """Wait until one process is prepared.

        Raises
        ------
        NotPreparedError
            Where the work cannot be done, which has been said.
        """
        while not any(worker.is_prepared for worker in self._workers):
            if not self._workers:
                self._lines.repeat(self._unprepared.said)
                raise NotPreparedError(self._unprepared.code)
            for worker in self._heard_of():
                self._hear(worker, ())

    # --- the images ---

    def do(self, jobs: Sequence[tuple[Path, Any]], advice: str = "") -> list[int] | None:
        """Do the work of every image.

        Parameters
        ----------
        jobs : sequence of (Path, job)
            As for :func:`~zeroshot.cli.batch.over_images`.
        advice : str
            How to go on after Ctrl-C.

        Returns
        -------
        list of int or None
            The places of those that failed, in order; None after Ctrl-C, which has been said.
        """
        waiting = deque(range(len(jobs)))
        codes: dict[int, int] = {}
        hidden = self._setup.quiet or not is_terminal(sys.stderr)
        try:
            with (
                self._passing_interrupts_on(),
                tqdm(total=len(jobs), desc="images", disable=hidden, leave=False) as bar,
            ):
                while not self._interrupted and len(codes) < len(jobs):
                    self._hand_out(waiting, jobs)
                    if not self._wanted:
                        break
                    for worker in self._heard_of():
                        codes.update(self._hear(worker, jobs))
                    bar.update(len(codes) - bar.n)
                while any(worker.at is not None for worker in self._workers):
                    for worker in self._heard_of():
                        codes.update(self._hear(worker, jobs))
        except KeyboardInterrupt:  # the second one, or where nobody could be told of the first
            self._interrupted = True
        if self._interrupted or INTERRUPTED in codes.values():
            done = sum(code == 0 for code in codes.values())
            say(f"zeroshot: interrupted after {done} of {len(jobs)} images{advice}", sys.stderr)
            return None
        if len(codes) < len(jobs):
            self._lines.repeat(self._unprepared.said)
        return [index for index in range(len(jobs)) if codes.get(index, 1)]

    def _hand_out(self, waiting: deque[int], jobs: Sequence[tuple[Path, Any]]) -> None:
        """Give an image to everyone who has none, and replace those that died at one."""
        idle = [worker for worker in self._workers if worker.at is None]
        while len(self._workers) < self._wanted and len(idle) < len(waiting):
            try:
                self._start()
            except OSError as error:  # the system allows no further process: those that there are go on
                self._wanted = len(self._workers)
                told = Said(f"zeroshot: error: no process could be started: {error.strerror or error}", True)
                self._unprepared = Answer(1, [told])
                break
            idle.append(self._workers[-1])
        for worker in idle:
            if not (waiting and worker.is_prepared):
                continue
            worker.at = waiting.popleft()
            try:
                worker.child.send(jobs[worker.at])
            except ChildDiedError:  # before it knew of the image, which another one takes
                waiting.appendleft(worker.at)
                self._remove(worker)

    def _heard_of(self) -> list[_Worker]:
        """Those that have answered or died; it waits for one."""
        ready = set(wait([worker.child.pipe for worker in self._workers]))
        return [worker for worker in self._workers if worker.child.pipe in ready]

    def _hear(self, worker: _Worker, jobs: Sequence[tuple[Path, Any]]) -> dict[int, int]:
        """Take an answer, and say what was said; the image that it is about, with its exit code."""
        index, worker.at = worker.at, None
        try:
            answer: Answer = worker.child.receive()
        except ChildDiedError:
            answer = self._last_answer(worker, None if index is None else jobs[index][0])
            self._remove(worker)
        if index is not None:
            self._lines.repeat(answer.said)
            return {index: answer.code}
        if not worker.is_prepared and answer.code:
            # What keeps one from its work would keep the one in its place from it, too.
            self._wanted -= 1
            self._unprepared = answer
            self._remove(worker)
        elif not worker.is_prepared:
            self._lines.repeat(answer.said)
        worker.is_prepared = not answer.code
        return {}

    def _last_answer(self, worker: _Worker, source: Path | None) -> Answer:
        """What is to be said of a process that died."""
        if self._interrupted:
            return Answer(INTERRUPTED, [] if source is None else [interrupted_at(source)])
        reason = worker.child.death().reason
        subject = "no process could be prepared" if source is None else visible(source)
        return Answer(1, [Said(f"zeroshot: error: {subject}: {reason}", True)])

    def _remove(self, worker: _Worker) -> None:
        if worker in self._workers:
            self._workers.remove(worker)
        worker.child.close()

    @contextmanager
    def _passing_interrupts_on(self) -> Iterator[None]:
        """Tell the processes of the first Ctrl-C, where it is for this one and they can be told; a second raises."""
        is_main = threading.current_thread() is threading.main_thread()
        if not is_main or signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, None):
            yield
            return

        def pass_on(number: int, frame: Any) -> None:
            if self._interrupted or not hasattr(os, "killpg"):
                raise KeyboardInterrupt
            self._interrupted = True
            for worker in self._workers:
                worker.child.interrupt()

        before = signal.signal(signal.SIGINT, pass_on)
        try:
            yield
        finally:
            signal.signal(signal.SIGINT, before)


class _Worker:
    """A process, whether it is prepared, and the place of the image that it is at."""

    def __init__(self, child: ChildProcess) -> None:
        self.child = child
        self.is_prepared = False
        self.at: int | None = None


# --- in such a process ---------------------------------------------------------------------------------------


def _serve(pipe: Connection, log: Path, setup: _Setup) -> None:
    """Prepare the work, then do it to the images that come, until no more do."""
    # While there is no image to lose, Ctrl-C just ends the process.
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    become_child(log)
    with setup.in_force(setup.count, setup.free):
        readiness = prepared(setup.work)
        pipe.send(readiness)
        while not readiness.code:
            try:
                source, job = pipe.recv()
            except EOFError:
                return
            signal.signal(signal.SIGINT, signal.default_int_handler)
            answer = answered(setup.work, source, job)
            signal.signal(signal.SIGINT, signal.SIG_IGN)
            pipe.send(answer)
            signal.signal(signal.SIGINT, signal.SIG_DFL)
