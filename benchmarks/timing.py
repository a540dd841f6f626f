"""Seconds of a call, of several in turn, and the memory of this process."""

from __future__ import annotations

import resource
import statistics
import sys
import time
from collections.abc import Callable, Mapping

import torch


def seconds_of(action: Callable[[], object], clock: Callable[[], float] = time.perf_counter) -> float:
    """How long a call takes; what it left to a GPU is waited for."""
    started = clock()
    action()
    if torch.cuda.is_available():
        torch.cuda.synchronize()
    return clock() - started


def median_milliseconds(action: Callable[[], object], repeats: int, warm_up: int = 0) -> float:
    """The median time of a call, after `warm_up` calls that do not count."""
    times = [seconds_of(action) for _ in range(warm_up + repeats)]
    return 1000 * statistics.median(times[warm_up:])


def in_turn(programs: Mapping[str, Callable[[], object]], repeats: int) -> dict[str, float]:
    """Name → median seconds; the programs run in turn, so that all see the same load of the machine."""
    rounds = [{name: seconds_of(run) for name, run in programs.items()} for _ in range(repeats)]
    return {name: statistics.median(times[name] for times in rounds) for name in programs}


def peak_gib() -> float:
    """The most resident memory that this process has had so far."""
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit / 2**30
