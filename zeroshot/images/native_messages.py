"""What decoders say by themselves is not heard: our messages are one line each."""

from __future__ import annotations

import contextlib
import logging
import os
import sys
import threading
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

_STANDARD_ERROR = 2
_LOGGERS = ("tifffile", "PIL.TiffImagePlugin")
_lock = threading.Lock()


@contextmanager
def unheard() -> Iterator[None]:
    """Send what libtiff, libjpeg and others write to standard error nowhere, within, and warnings and logs likewise.

    All three are the whole process's. Two threads that set them back in another order than they began would leave
    it mute, so that only the first one changes anything, and what another one decodes meanwhile may be heard.
    """
    if not _lock.acquire(blocking=False):
        yield
        return
    try:
        with _without_logs(), warnings.catch_warnings(), _redirected():
            warnings.simplefilter("ignore")
            yield
    finally:
        _lock.release()


@contextmanager
def _without_logs() -> Iterator[None]:
    loggers = [logging.getLogger(name) for name in _LOGGERS]
    disabled = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        yield
    finally:
        for logger, before in zip(loggers, disabled, strict=True):
            logger.disabled = before


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
