"""One image after another: an image that fails does not stop the others."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

from zeroshot.cli.messages import FAILURES, INTERRUPTED, report, say

_Job = TypeVar("_Job")


def over_images(jobs: Sequence[tuple[Path, _Job]], work: Callable[[_Job], int], *, advice: str = "") -> int:
    """Do the work of every image, and tell at the end which failed.

    Parameters
    ----------
    jobs : sequence of (Path, job)
        The file that a message names, and what `work` is called with.
    work : callable
        Gives an exit code: another one than 0 counts as a failure, that of an interruption ends it all.
    advice : str
        How to go on after Ctrl-C.

    Returns
    -------
    int
        The exit code: 1 where an image failed, 130 where it was interrupted.
    """
    failed = []
    for source, job in jobs:
        try:
            code = work(job)
        except FAILURES as error:
            if os.environ.get("ZEROSHOT_TRACEBACK"):
                raise
            report(error, str(source))
            failed.append(str(source))
        except KeyboardInterrupt:
            say(f"zeroshot: interrupted at {source}{advice}", sys.stderr)
            return INTERRUPTED
        else:
            if code == INTERRUPTED:
                return code
            if code:
                failed.append(str(source))
    if failed:
        say(f"zeroshot: {len(failed)} of {len(jobs)} images failed: {', '.join(failed)}", sys.stderr)
    return 1 if failed else 0
