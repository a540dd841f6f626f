"""Images on the workers of a Dask cluster: the same work as that of processes here, for the same bytes.

A worker that dies costs nothing but time: another one goes on with its image, from the checkpoint where there is one.
An image that has cost several workers their lives is one that failed. Files are read and written by the workers, which
need to see them under the same names.
"""

from __future__ import annotations

import contextlib
import io
import logging
import os
import sys
import threading
import uuid
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tqdm import tqdm

from zeroshot.cli.answers import Answer, Lines, NotPreparedError, WorkerSetup, answered, prepared
from zeroshot.cli.batch import Work
from zeroshot.cli.messages import INTERRUPTED, Said, say
from zeroshot.memory import available_memory
from zeroshot.registry import __version__
from zeroshot.spelling import visible
from zeroshot.terminal import is_terminal

_LOCAL = "local"
_SECONDS_TO_CONNECT = 10
#: Images that are handed to the cluster ahead, for each of its workers: a worker that is done has its next one there.
_AHEAD = 3
#: Dask has its workers give memory back at once, and then each large tensor costs pages that are cleared anew, for more
#: than half of the processor's time. These are the bounds that the C library comes to by itself in other processes.
_ALLOCATOR = {"MALLOC_TRIM_THRESHOLD_": 2**28, "MALLOC_MMAP_THRESHOLD_": 2**25}


@dataclass(frozen=True)
class _Setup(WorkerSetup):
    """What a worker is told: in which folder it works, for which version and of which run, too."""

    folder: str
    version: str
    run: str


class Cluster:
    """The workers of a Dask scheduler for the images of one command; a context manager that lets them go.

    Parameters
    ----------
    work : Work
        Sent to every worker, which prepares it.
    address : str
        Of the scheduler, or "local" for one here that ends with the command.
    count : int
        How many workers a local one has.
    threads : int
        CPU threads that an image is worked on with.
    quiet : bool
        Whether nothing but errors is said.
    """

    def __init__(
        self, work: Work, address: str, count: int, *, threads: int = 1, quiet: bool = False
    ) -> None:
        self._setup = _Setup(work, threads, quiet, os.getcwd(), __version__, uuid.uuid4().hex)
        self._address, self._count = address, count
        self._held = contextlib.ExitStack()
        self._lines = Lines()
        self._client: Any = None

    def __enter__(self) -> Cluster:
        distributed = _distributed()
        try:
            self._held.enter_context(_quiet_logs())
            if self._address == _LOCAL:
                cluster = self._held.enter_context(_local(distributed, self._count))
                self._client = self._held.enter_context(distributed.Client(cluster))
            else:
                self._client = self._held.enter_context(self._connected(distributed))
            self._prepare()
        except BaseException:
            self._held.close()
            raise
        return self

    def __exit__(self, *_error: object) -> None:
        self._held.close()

    def _connected(self, distributed: Any) -> Any:
        try:
            client = distributed.Client(self._address, timeout=_SECONDS_TO_CONNECT)
        except (OSError, ValueError, TimeoutError) as error:
            raise ConnectionError(
                f"no Dask scheduler answers at {self._address}: start one with 'dask scheduler', workers with "
                f"'dask worker {self._address} --nthreads 1'"
            ) from error
        if not client.scheduler_info()["workers"]:
            client.close()
            raise ConnectionError(
                f"the scheduler at {self._address} has no workers: start some with "
                f"'dask worker {self._address} --nthreads 1'"
            )
        return client

    def _prepare(self) -> None:
        """Prepare the work in one worker, so that what keeps it from being done is told once and before any image.

        Raises
        ------
        NotPreparedError
            Where the work cannot be done, which has been said.
        """
        answer = self._result(self._client.submit(_ready, self._setup, pure=False), None)
        self._lines.repeat(answer.said)
        if answer.code:
            raise NotPreparedError(answer.code)

    def do(self, jobs: Sequence[tuple[Path, Any]], advice: str = "") -> list[int] | None:
        """Do the work of every image; see :meth:`zeroshot.cli.processes.Processes.do`.

        Ctrl-C begins no further images. A worker elsewhere ends the one that it is at.
        """
        codes: dict[int, int] = {}
        hidden = self._setup.quiet or not is_terminal(sys.stderr)
        waiting, at_work = iter(range(len(jobs))), {}
        try:
            with tqdm(total=len(jobs), desc="images", disable=hidden, leave=False) as bar:
                answers = _distributed().as_completed()
                for index in waiting:
                    at_work[future := self._submitted(jobs, index)] = index
                    answers.add(future)
                    if len(at_work) >= self._most():
                        break
                for future in answers:
                    index = at_work.pop(future)
                    answer = self._result(future, jobs[index][0])
                    codes[index] = answer.code
                    self._lines.repeat(answer.said)
                    bar.update()
                    for following in waiting:
                        at_work[future := self._submitted(jobs, following)] = following
                        answers.add(future)
                        if len(at_work) >= self._most():
                            break
        except KeyboardInterrupt:
            self._client.cancel(list(at_work))
            done = sum(code == 0 for code in codes.values())
            say(f"zeroshot: interrupted after {done} of {len(jobs)} images{advice}", sys.stderr)
            return None
        return [index for index in range(len(jobs)) if codes.get(index, 1)]

    def _most(self) -> int:
        """How many images the cluster has at a time; its workers may come and go."""
        return _AHEAD * max(1, len(self._client.scheduler_info(n_workers=-1)["workers"]))

    def _submitted(self, jobs: Sequence[tuple[Path, Any]], index: int) -> Any:
        source, job = jobs[index]
        return self._client.submit(_done, self._setup, index, source, job, pure=False, priority=-index)

    def _result(self, future: Any, source: Path | None) -> Answer:
        """The answer of a worker, or what is to be said where none has come."""
        try:
            return future.result()
        except KeyboardInterrupt:
            raise
        except Exception as error:
            killed = type(error).__name__ == "KilledWorker"
            told = "several workers have died of it" if killed else " ".join(str(error).split())
            subject = "the work could not be prepared" if source is None else visible(source)
            return Answer(1, [Said(f"zeroshot: error: {subject}: {visible(told)}", True)])


def _distributed() -> Any:
    try:
        import distributed
    except ImportError as error:
        raise ImportError('--scheduler needs Dask: pip install "zeroshot-restore[cluster]"') from error
    return distributed


@contextmanager
def _local(distributed: Any, count: int) -> Iterator[Any]:
    """A cluster of processes here, each with its share of the memory that is free."""
    import dask

    free = available_memory()
    told = {f"distributed.nanny.pre-spawn-environ.{name}": value for name, value in _ALLOCATOR.items()}
    with (
        dask.config.set(told),
        distributed.LocalCluster(
            n_workers=count,
            threads_per_worker=1,
            processes=True,
            dashboard_address=None,
            memory_limit="auto" if free is None else free // count,
            silence_logs=logging.CRITICAL,
        ) as cluster,
    ):
        yield cluster


@contextmanager
def _quiet_logs() -> Iterator[None]:
    """What Dask tells of workers that die is told by us, of their images."""
    logger = logging.getLogger("distributed")
    before = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(before)


# --- in a worker ---------------------------------------------------------------------------------------------

#: One image at a time: folder, threads and what is said are the process's.
_one_at_a_time = threading.Lock()
_readiness: dict[str, Answer] = {}


def _ready(setup: _Setup) -> Answer:
    """Prepare the work, once in every process."""
    with _one_at_a_time, _in_place(setup):
        return _prepared_once(setup)


def _done(setup: _Setup, index: int, source: Path, job: Any) -> Answer:
    """Do the work of one image; INTERRUPTED is a failure here, where no Ctrl-C comes."""
    with _one_at_a_time, _in_place(setup):
        readiness = _prepared_once(setup)
        if readiness.code:
            return readiness
        work = setup.work.again() if _was_begun(setup.run, index) else setup.work
        answer = answered(work, source, job)
        return Answer(1, answer.said) if answer.code == INTERRUPTED else answer


def _prepared_once(setup: _Setup) -> Answer:
    if setup.run not in _readiness:
        if setup.version != __version__:
            told = f"a worker has zeroshot {__version__}, and here is {setup.version}: install the same everywhere"
            return Answer(2, [Said(f"zeroshot: error: {told}", True)])
        from zeroshot.threads import ask_for

        ask_for(setup.threads)
        _readiness.clear()
        _readiness[setup.run] = prepared(setup.work)
    return _readiness[setup.run]


def _was_begun(run: str, index: int) -> bool:
    """Whether another worker has begun the image, which the scheduler remembers; it does so from now on."""
    import distributed

    key = [f"zeroshot-{run}", str(index)]
    client = distributed.get_client()
    begun = bool(client.get_metadata(key, default=False))
    client.set_metadata(key, True)
    return begun


@contextmanager
def _in_place(setup: _Setup) -> Iterator[None]:
    """Work where the command was given, within the worker's memory; its terminal, if it has one, is not ours."""
    import distributed

    limit = distributed.get_worker().memory_manager.memory_limit
    folder = os.getcwd()
    if not Path(setup.folder).is_dir():
        raise FileNotFoundError(
            f"a worker does not see {setup.folder}: the workers read and write the files, so all need the same ones"
        )
    os.chdir(setup.folder)
    try:
        with (
            contextlib.redirect_stdout(io.StringIO()),
            contextlib.redirect_stderr(io.StringIO()),
            setup.in_force(1, limit or None),
        ):
            yield
    finally:
        os.chdir(folder)
