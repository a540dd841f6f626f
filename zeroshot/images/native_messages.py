"""What libraries in C say on standard error by themselves is not heard: our messages are one line each."""

from __future__ import annotations

import contextlib
import os
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager

_STANDARD_ERROR = 2
_lock = threading.Lock()


@contextmanager
def unheard() -> Iterator[None]:
    """Send what libtiff, libjpeg and others write to standard error nowhere, within.

    It is the whole process's standard error; where another thread is within already, or there is none, nothing is
    changed.
    """
    if not _lock.acquire(blocking=False):
        yield
        return
    try:
        with _redirected():
            yield
    finally:
        _lock.release()


@contextmanager
def _redirected() -> Iterator[None]:
    with contextlib.suppress(AttributeError, OSError, ValueError):
        sys.stderr.flush()
    try:
        kept = os.dup(_STANDARD_ERROR)
    except OSError:  # closed
        yield
        return
    try:
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, _STANDARD_ERROR)
        os.close(nowhere)
        yield
    finally:
        os.dup2(kept, _STANDARD_ERROR)
        os.close(kept)
