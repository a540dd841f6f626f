"""PSNR over the course of a run of Deep Image Prior: measured, stored, and read off."""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from benchmarks.table import OUTPUT
from benchmarks.timing import seconds_of
from zeroshot.estimate import Estimate
from zeroshot.prior import Run
from zeroshot.priors.untrained.deep_image_prior import DeepImagePrior
from zeroshot.problem import Problem
from zeroshot.tasks.degrade import Degraded

from .cases import problem_of, psnr_of, solved

STORED = Path(__file__).resolve().parents[1] / "results" / "dip"
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
COLUMNS = ["iteration", "cpu_seconds", "averaged", "newest"]
#: The curve of a reference is read every so many iterations.
READ = 10
#: The first steps allocate, and are not timed.
WARM_UP, TIMED = 2, 12
#: Steps of the fast run between two timed steps of the reference.
BETWEEN = 20


@dataclass(frozen=True)
class Curve:
    """Iteration, seconds since the start, PSNR of the image that is returned and of the newest iterate."""

    rows: tuple[tuple[float, float, float, float], ...]

    @property
    def last(self) -> tuple[float, float, float, float]:
        return self.rows[-1]

    def best(self, kind: str) -> float:
        return max(self.values(kind))

    def values(self, kind: str) -> list[float]:
        """PSNR of the "returned" image, or of "either": the better of that and the newest iterate."""
        return [row[2] if kind == "returned" else max(row[2], row[3]) for row in self.rows]

    def reaching(self, level: float, kind: str, column: int = 0) -> float | None:
        """Where the PSNR first is at least `level`, between two rows by interpolation; None: nowhere.

        Parameters
        ----------
        level : float
            In dB.
        kind : str
            As for :meth:`values`.
        column : int
            0 for the iteration, 1 for the seconds.
        """
        values = self.values(kind)
        for index, value in enumerate(values):
            if value < level:
                continue
            here = self.rows[index][column]
            if index == 0:
                return here
            before = self.rows[index - 1][column]
            return before + (here - before) * (level - values[index - 1]) / (value - values[index - 1])
        return None


def read_curve(path: Path) -> Curve:
    with open(path, newline="") as file:
        rows = [tuple(float(row[name]) for name in COLUMNS) for row in csv.DictReader(file)]
    if not rows:
        raise SystemExit(f"{path} holds no curve")
    return Curve(tuple(rows))  # type: ignore[arg-type]


def write_curve(path: Path, rows: Sequence[Sequence[float]]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_suffix(".part")
    with open(unfinished, "w") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        writer.writerows([int(row[0]), *(round(value, 3) for value in row[1:])] for row in rows)
    unfinished.replace(path)


# --- the reference -----------------------------------------------------------------------------------------


def stored_file(task: str, name: str) -> Path:
    return STORED / f"{task}_{name}.csv"


def measured_reference(task: str, name: str, one: Degraded, arguments: argparse.Namespace) -> Curve:
    """The curve of the reference at its full length or `--iterations`; a killed run is continued."""
    size, precision = "x".join(map(str, one.truth.shape[-2:])), arguments.precision
    settings: dict[str, Any] = {"recipe": "reference", "precision": precision}
    full = DeepImagePrior.for_problem(problem_of(one), **settings).iterations
    length = min(full, arguments.iterations or full)
    stem = f"{task}_{name}_{size}_{precision}_{length}_seed{arguments.seed}"
    path = OUTPUT / "dip_reference" / f"{stem}.csv"
    checkpoint = path.with_suffix(".pt")
    if arguments.again:
        path.unlink(missing_ok=True)
        checkpoint.unlink(missing_ok=True)
    rows = list(read_curve(path).rows) if path.exists() else []
    if rows and rows[-1][0] >= length:
        return Curve(tuple(rows))
    path.parent.mkdir(parents=True, exist_ok=True)
    left = time.process_time()
    spent = 0.0

    def watch(estimate: Estimate, run: Run) -> None:
        nonlocal spent, left
        # What a killed run noted after its last checkpoint is measured again.
        rows[:] = [row for row in rows if row[0] < estimate.iteration]
        spent = max(spent, rows[-1][1] if rows else 0.0) + time.process_time() - left
        if estimate.iteration % READ == 0 or estimate.iteration == length:
            rows.append((estimate.iteration, spent, *both(estimate, one)))
            write_curve(path, rows)
        left = time.process_time()

    solved(one, arguments, settings={**settings, "iterations": length}, tile=None, callbacks=[watch],
           checkpoint=checkpoint, resume=True)  # fmt: skip
    return read_curve(path)


def record_reference(task: str, name: str, one: Degraded, arguments: argparse.Namespace) -> None:
    """Measure the curve of the reference, and store it where :func:`stored_file` looks."""
    curve = measured_reference(task, name, one, arguments)
    write_curve(stored_file(task, name), curve.rows)
    print(f"  {task} {name}: best {curve.best('either'):.2f} dB, {curve.last[0]:.0f} iterations", flush=True)


def both(estimate: Estimate, one: Degraded) -> tuple[float, float]:
    """PSNR of the image that is returned and of the newest iterate."""
    return psnr_of(estimate.image, one), psnr_of(estimate.newest, one)


class ReferenceClock:
    """Seconds of a step of the reference in float32, taken between the steps of another run.

    So both see the same load of the machine, whatever else it does.
    """

    def __init__(self, problem: Problem, seed: int, clock: Callable[[], float]) -> None:
        prior = DeepImagePrior.for_problem(problem, recipe="reference", precision="float32")
        self.published_iterations = prior.iterations
        self.clock = clock
        self.seconds: list[float] = []
        self._run: Run | None = prior.begin(problem, torch.Generator().manual_seed(seed))
        for _ in range(WARM_UP):
            self._run.step()

    def step(self) -> None:
        if self._run is None:
            return
        self.seconds.append(seconds_of(self._run.step, self.clock))
        if len(self.seconds) == TIMED:
            self._run = None

    def median(self) -> float:
        """Of up to `TIMED` steps; where the other run was short, the missing ones are made now."""
        while len(self.seconds) < WARM_UP + 1:
            self.step()
        return statistics.median(self.seconds)


# --- the fast recipe ---------------------------------------------------------------------------------------


@dataclass(frozen=True)
class FastRun:
    """A whole call of solve(): its curve, how it ended, and the PSNR of what it began with."""

    curve: Curve
    stop: float
    stopped_by: str
    seconds: float
    guide: float | None
    first: float
    precision: str


def measured_fast(one: Degraded, arguments: argparse.Namespace, between: Callable[[], None]) -> FastRun:
    """Run solve() with the fast recipe; `between` is called now and then, and its time is not counted.

    Neither is the time that measuring PSNR takes; what is counted begins with the call of solve(), so that it
    holds the making of the guide.
    """
    clock = CLOCKS[arguments.clock]
    rows: list[tuple[float, float, float, float]] = []
    begun_with: dict[str, Any] = {"guide": None, "precision": ""}
    uncounted = 0.0

    def watch(estimate: Estimate, run: Run) -> None:
        nonlocal uncounted
        now = clock()
        rows.append((estimate.iteration, now - began - uncounted, *both(estimate, one)))
        if len(rows) == 1:
            guide = getattr(run, "guide", None)
            begun_with["guide"] = None if guide is None else psnr_of(guide, one)
            begun_with["precision"] = str(getattr(run, "dtype", "")).removeprefix("torch.")
        if len(rows) % BETWEEN == 0:
            between()
        uncounted += clock() - now

    began = clock()
    result = solved(one, arguments, callbacks=[watch])
    seconds = clock() - began - uncounted
    first = psnr_of(problem_of(one).initial(), one)
    stop = psnr_of(result.image, one)
    return FastRun(Curve(tuple(rows)), stop, result.stopped_by, seconds, first=first, **begun_with)
