"""The time that a call was given, known to everything that works for it.

A caller keeps a :class:`Deadline`; whatever runs inside asks :func:`seconds_left`. Deadlines nest, and the one that
ends first holds. Nothing here needs torch, so that the command line can count its own start-up.
"""

from __future__ import annotations

import math
import os
import time
from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path

#: Seconds by which a call may be late where it has nothing to show yet: a late first step is better than none.
GRACE = 0.5
#: The most of a budget that may have passed before the call, so that a slow start leaves something to work with.
_LARGEST_START = 0.75


class OutOfTime(BaseException):
    """Raised within a step whose time is up; no error of the step's own, so that nothing in it handles it."""


class Deadline:
    """A number of seconds from a moment on.

    Parameters
    ----------
    seconds : float
        How long from `began` on.
    began : float, optional
        A reading of :func:`time.monotonic`; now by default.
    grace : float
        By how many seconds a first result may be late.
    """

    def __init__(self, seconds: float, began: float | None = None, grace: float = 0.0) -> None:
        self.seconds, self.grace = seconds, grace
        self._began = time.monotonic() if began is None else began

    def left(self) -> float:
        """The seconds that are left, below 0 once it has passed."""
        return self._began + self.seconds - time.monotonic()

    def spend(self, seconds: float) -> None:
        """Count `seconds` that passed elsewhere; negative ones are given back."""
        self._began -= seconds


_kept: ContextVar[tuple[Deadline, ...]] = ContextVar("_kept", default=())
_process_began: ContextVar[float | None] = ContextVar("_process_began", default=None)


@contextmanager
def kept(deadline: Deadline | None) -> Iterator[None]:
    """Keep a deadline, beside those that are kept already; None adds none."""
    if deadline is None:
        yield
        return
    token = _kept.set((*_kept.get(), deadline))
    try:
        yield
    finally:
        _kept.reset(token)


def seconds_left(first: bool = False) -> float:
    """The seconds that are left by the nearest of the deadlines kept; infinite where there is none.

    For a `first` result their grace is added.
    """
    return min((one.left() + (one.grace if first else 0.0) for one in _kept.get()), default=math.inf)


def give_back(seconds: float) -> None:
    """Leave `seconds` that have passed out of the account, such as those of showing an image to somebody."""
    for deadline in _kept.get():
        deadline.spend(-seconds)


@contextmanager
def counting_start_up() -> Iterator[None]:
    """Have the first call inside count its time from the start of this process, where the system tells it."""
    token = _process_began.set(_start_of_process())
    try:
        yield
    finally:
        _process_began.reset(token)


def deadline_of_call(seconds: float | None, called: float) -> Deadline | None:
    """The deadline of a call that was made at `called`, or with the process (:func:`counting_start_up`)."""
    if seconds is None:
        return None
    process = _process_began.get()
    _process_began.set(None)
    began = called if process is None else max(process, called - _LARGEST_START * seconds)
    return Deadline(seconds, began, GRACE)


def _start_of_process() -> float | None:
    """When this process began, as a reading of :func:`time.monotonic`; None where the system does not say."""
    try:
        # The name of the program, in brackets, may hold anything; field 22 is its start, in ticks since boot.
        ticks = int(Path("/proc/self/stat").read_text().rpartition(")")[2].split()[19])
        age = time.clock_gettime(time.CLOCK_BOOTTIME) - ticks / os.sysconf("SC_CLK_TCK")
    except (OSError, ValueError, IndexError, AttributeError):
        return None
    return time.monotonic() - age
