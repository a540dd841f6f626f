"""How many threads a run is given: all of them, or one where the cores are busy with other programs.

Threads that share an operation wait for each other at its end. Where another program takes turns with one of them on
a core, all of them wait, spinning, and the run can become many times slower than with one thread, and the other
program with it. So a standard piece of work is timed with one thread and with all before a run, and the quicker number
is taken. Within a run it never changes: on a CPU the same seed and number of threads give the same bytes.
"""

from __future__ import annotations

import functools
import logging
import math
import os
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NamedTuple

import torch
from torch.nn import functional

_LOG = logging.getLogger("zeroshot")

#: Who sets one of them has decided.
VARIABLES = ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OMP_THREAD_LIMIT")
#: All threads have to be quicker than one by this much to be worth their cores.
_GAIN = 1.1
#: Pieces of work that are timed with either number, and the operations of a piece.
_PIECES, _OPERATIONS = 6, 16
#: Seconds after which no further piece is timed, and after which all is timed anew.
_LONGEST, _KEPT = 0.15, 600.0
#: The share of a time budget that the timing may take.
_SHARE = 0.01
#: A piece is broken off where all threads take this many times longer than one.
_HOPELESS = 4.0
#: Seconds of the piece of work with one thread on the machine that zeroshot.standings was measured on.
_REFERENCE = 0.0046


def _by_torch(count: int, usable: int) -> bool:
    """Whether PyTorch takes so many by itself: one for each usable processor, or for each core that has two of them."""
    return count in (usable, max(1, usable // 2))


def _usable() -> int:
    """How many processors this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


# Who imports this after torch.set_num_threads has decided; other numbers than those of PyTorch itself tell.
_default = torch.get_num_threads() if _by_torch(torch.get_num_threads(), _usable()) else 0
_asked = False


class Timing(NamedTuple):
    """Mean seconds of a piece of work with one thread and with all, and the least with one."""

    one: float
    all: float
    least: float


class _Last(NamedTuple):
    """The timing at hand, and when it was made."""

    timing: Timing
    made: float


_last: _Last | None = None


@contextmanager
def fixed(count: int | None) -> Iterator[None]:
    """Compute within with this number of threads, or with as many as before, and choose no other."""
    global _asked
    before, asked = torch.get_num_threads(), _asked
    _asked = True
    torch.set_num_threads(count or before)
    try:
        yield
    finally:
        torch.set_num_threads(before)
        _asked = asked


def ask_for(count: int) -> None:
    """Set the number of threads for the whole process, as the user asked for: it is not chosen from then on."""
    global _asked
    torch.set_num_threads(count)
    _asked = True


def is_free() -> bool:
    """Whether nobody has said how many threads there are to be: by a variable, a flag or ``torch.set_num_threads``.

    The last does not tell where it was called before the first run with the number that PyTorch takes by itself.
    """
    settled = _asked or any(os.environ.get(name) for name in VARIABLES)
    return not settled and torch.get_num_threads() == _default


@contextmanager
def chosen(device: torch.device, recorded: int | None = None, seconds: float | None = None) -> Iterator[int]:
    """Compute within with the quicker number of threads, and with as many as before afterwards.

    Parameters
    ----------
    device : torch.device
        Where the run is; but on a CPU nothing is chosen.
    recorded : int, optional
        With how many a run began that is to be continued; they are taken unless others were asked for.

    seconds : float, optional
        The time budget of the run, of which the choice takes no more than a hundredth, or one piece of work.

    Yields
    ------
    int
        How many threads there are.
    """
    before = torch.get_num_threads()
    if device.type != "cpu" or before == 1 or not is_free():
        yield before
        return
    count = _quicker(before, seconds) if recorded is None else recorded
    torch.set_num_threads(count)
    try:
        yield count
    finally:
        torch.set_num_threads(before)


def slowness() -> float:
    """How many times longer this machine takes with one thread than the one that figures were measured on."""
    if _last is not None and time.monotonic() - _last.made < _KEPT:
        return _last.timing.least / _REFERENCE
    return _least() / _REFERENCE


@functools.cache
def _least() -> float:
    return min(_timed(1) for _ in range(3))


def _quicker(most: int, seconds: float | None = None) -> int:
    """One thread, or the most, by the last timing or a new one, which is not kept where it was short."""
    global _last
    longest = _LONGEST if seconds is None else min(_LONGEST, _SHARE * seconds)
    if _last is not None and time.monotonic() - _last.made <= _KEPT:
        found = _last.timing
    else:
        found = timing(most, longest=longest)
        if longest == _LONGEST:
            _last = _Last(found, time.monotonic())
    if found.one < _GAIN * found.all:
        _LOG.info(
            "one thread: %d were no faster here; --threads %d or OMP_NUM_THREADS takes them", most, most
        )
        return 1
    return most


def timing(
    most: int,
    timed: Callable[[int, float], float] | None = None,
    clock: Callable[[], float] = time.perf_counter,
    longest: float = _LONGEST,
) -> Timing:
    """What a piece of work takes with one thread and with the most, in turn.

    Parameters
    ----------
    most : int
        All threads.
    timed : callable, optional
        Number of threads, and the seconds after which it may stop → seconds of a piece of work.
    clock : callable
        Seconds from any moment on.
    longest : float
        Seconds after which no further piece is timed.
    """
    timed = _timed if timed is None else timed
    timed(1, math.inf)  # what is made at the first call does not count
    timed(most, longest)
    ones: list[float] = []
    alls: list[float] = []
    began = clock()
    while not ones or (len(ones) < _PIECES and clock() - began < longest):
        ones.append(timed(1, math.inf))
        alls.append(timed(most, _HOPELESS * ones[-1]))
    return Timing(sum(ones) / len(ones), sum(alls) / len(alls), min(ones))


def _timed(count: int, limit: float = math.inf) -> float:
    """Seconds of a piece of work: convolutions, which pay for threads, and short operations, which wait for them."""
    before = torch.get_num_threads()
    torch.set_num_threads(count)
    try:
        with torch.no_grad():
            image, weight, values = _operands()
            began = time.perf_counter()
            for operation in range(_OPERATIONS):
                if operation % 4 == 0:
                    image = functional.conv2d(image, weight, padding=1)
                values = values.mul(0.999)
                if time.perf_counter() - began > limit:
                    break
            return time.perf_counter() - began
    finally:
        torch.set_num_threads(before)


@functools.cache
def _operands() -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    # Nothing is drawn: the random numbers of the process are the caller's.
    image = torch.linspace(0, 1, 32 * 64 * 64).view(1, 32, 64, 64)
    weight = torch.linspace(-0.01, 0.01, 32 * 32 * 9).view(32, 32, 3, 3)
    return image, weight, torch.linspace(0, 1, 2**17)
