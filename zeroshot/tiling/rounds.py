"""Steps of several runs, one after the other or by one call, whichever is faster."""

from __future__ import annotations

import statistics
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager

from zeroshot.loop import Loop
from zeroshot.prior import Run

#: Rounds after a change of the runs until their steps take as long as later ones: until then they are recorded.
_SETTLING = 10
#: Rounds that are timed of either kind.
_TIMED = 10


class Rounds:
    """Rounds of one step of each of several runs.

    Where the runs can make their steps by one call (:meth:`zeroshot.prior.Run.join`) some rounds of either kind are
    timed first, for each number of runs; the faster kind is kept.

    Parameters
    ----------
    clock : callable
        Seconds from any moment on.
    """

    def __init__(self, clock: Callable[[], float] = time.perf_counter) -> None:
        self._clock = clock
        self._possible = True
        #: Number of runs, whether by one call → seconds of the rounds that were timed.
        self._seconds: dict[tuple[int, bool], list[float]] = {}
        self._last: tuple[tuple[int, ...], bool] = ((), False)
        self._since = 0

    @contextmanager
    def round(self, runs: Sequence[Run]) -> Iterator[None]:
        """A round, within which every run makes one step."""
        if not self._possible or len(runs) < 2:
            for run in runs:
                run.leave()
            yield
            return
        together = self._chosen(len(runs))
        if together and not runs[0].join(runs[1:]):
            self._possible, together = False, False
        if not together:
            for run in runs:
                run.leave()
        now = tuple(map(id, runs)), together
        self._since = self._since + 1 if now == self._last else 0
        self._last = now
        began = self._clock()
        yield
        if self._since >= _SETTLING:
            timed = self._seconds.setdefault((len(runs), together), [])
            if len(timed) < _TIMED:
                timed.append(self._clock() - began)

    def complete(self, loops: Sequence[Loop]) -> None:
        """Step loops to their ends, side by side."""
        while going_on := [loop for loop in loops if not loop.reason]:
            with self.round([loop.run for loop in going_on]):
                for loop in going_on:
                    loop.step()

    def _chosen(self, count: int) -> bool:
        """Whether the next round of so many runs is made by one call."""
        for together in (True, False):
            if len(self._seconds.get((count, together), ())) < _TIMED:
                return together
        return self._faster(count)

    def _faster(self, count: int) -> bool:
        singly, jointly = (statistics.median(self._seconds[count, together]) for together in (False, True))
        return jointly < singly

    def findings(self) -> dict[str, str]:
        """How steps were made, where there was a choice."""
        counts = [
            count
            for (count, together), timed in self._seconds.items()
            if not together and len(timed) >= _TIMED
        ]
        if not self._possible or not counts:
            return {}
        return {"steps": "together" if self._faster(max(counts)) else "in turn"}
