"""One image after another, or several side by side: an image that fails does not stop the others."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from zeroshot.cli.arguments import Parser
from zeroshot.cli.messages import FAILURES, INTERRUPTED, report, say
from zeroshot.cli.values import whole

if TYPE_CHECKING:  # a single process needs no others
    from zeroshot.cli.cluster import Cluster
    from zeroshot.cli.processes import Processes

_MOST_JOBS = 1024
_JOBS = f"'auto' or a whole number from 1 to {_MOST_JOBS}"


class Work(Protocol):
    """What is done to every image, as a value that can be sent to another process."""

    def prepare(self) -> None:
        """Check and load what all images need, once in every process; raises what :func:`report` tells."""

    def __call__(self, job: Any, /) -> int:
        """Do it to one image; its exit code, where another one than 0 counts as a failure."""

    def again(self) -> Work:
        """The work for an image that a process had begun which is gone: what that has left is its own."""


def add_jobs(command: Parser) -> None:
    """Add how many images are worked on at a time."""
    command.add_argument("--jobs", type=_jobs, default=1, metavar="N",
        help="N images at a time, or auto; one thread each (default 1)")  # fmt: skip
    command.expert_options().add_argument("--scheduler", metavar="ADDRESS",
        help="several images on the workers of a Dask cluster that see the same files (tcp://host:8786), or 'local' "
        "for one of --jobs workers here; an image whose worker dies is gone on with by another")  # fmt: skip


def _jobs(text: str) -> int:
    return usable_cores() if text == "auto" else whole(1, _MOST_JOBS, _JOBS)(text)


def usable_cores() -> int:
    """The cores that this process may use."""
    affinity = getattr(os, "sched_getaffinity", None)
    return len(affinity(0)) if affinity is not None else os.cpu_count() or 1


def require_several(options: argparse.Namespace) -> None:
    """Refuse a cluster for one image.

    Raises
    ------
    ValueError
        In one line.
    """
    if options.scheduler is not None and len(options.inputs) == 1 and options.inputs[0].is_file():
        raise ValueError(
            "--scheduler goes with several images, a folder or a Zarr store; one image is restored here"
        )


@contextmanager
def side_by_side(options: argparse.Namespace, work: Work, count: int) -> Iterator[Processes | Cluster | None]:
    """The processes that `--jobs` or `--scheduler` ask for, prepared; None where it is one job here, for which `work`
    is prepared.

    Parameters
    ----------
    options : argparse.Namespace
        Of a command with :func:`add_jobs`; where it has `threads`, these are those of every process.
    work : Work
        What is done to the images.
    count : int
        How many images there are.

    Raises
    ------
    ValueError, TypeError, ImportError, OSError, SystemExit
        Where it cannot be prepared.
    """
    if options.jobs == 1 and options.scheduler is None:
        work.prepare()
        yield None
        return
    from zeroshot.cli.answers import NotPreparedError

    threads, workers = getattr(options, "threads", None) or 1, min(options.jobs, count)
    several: Processes | Cluster
    if options.scheduler is not None:
        from zeroshot.cli.cluster import Cluster

        several = Cluster(work, options.scheduler, workers, threads=threads, quiet=options.quiet)
    else:
        from zeroshot.cli.processes import Processes

        several = Processes(work, workers, threads=threads, quiet=options.quiet)
    try:
        with several:
            yield several
    except NotPreparedError as error:
        raise SystemExit(error.code) from None


def over_images(
    jobs: Sequence[tuple[Path, Any]],
    work: Callable[[Any], int],
    *,
    processes: Processes | Cluster | None = None,
    advice: str = "",
) -> int:
    """Do the work of every image, and tell at the end which failed.

    Parameters
    ----------
    jobs : sequence of (Path, job)
        The file that a message names, and what `work` is called with.
    work : callable
        Gives an exit code: another one than 0 counts as a failure, that of an interruption ends it all.
    processes : Processes or Cluster, optional
        Who does it side by side; by default it is done here, one image after another.
    advice : str
        How to go on after Ctrl-C.

    Returns
    -------
    int
        The exit code: 1 where an image failed, 130 where it was interrupted.
    """
    if processes is not None:
        failed = processes.do(jobs, advice)
        if failed is None:
            return INTERRUPTED
    else:
        failed = []
        for index, (source, job) in enumerate(jobs):
            try:
                code = attempted(work, source, job)
            except KeyboardInterrupt:
                say(f"zeroshot: interrupted at {source}{advice}", sys.stderr)
                return INTERRUPTED
            if code == INTERRUPTED:
                return code
            if code:
                failed.append(index)
    if failed:
        names = ", ".join(str(jobs[index][0]) for index in failed)
        say(f"zeroshot: {len(failed)} of {len(jobs)} images failed: {names}", sys.stderr)
    return 1 if failed else 0


def attempted(work: Callable[[Any], int], source: Path, job: Any) -> int:
    """The exit code of the work of one image; where it raised what is told in one line, that is told."""
    try:
        return work(job)
    except FAILURES as error:
        if os.environ.get("ZEROSHOT_TRACEBACK"):
            raise
        return report(error, str(source))
