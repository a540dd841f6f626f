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
from damages import Case
from dip_cases import fast_settings, problem_of
from dip_records import OUTPUT

import zeroshot
from zeroshot.estimate import Estimate
from zeroshot.metrics import psnr
from zeroshot.prior import Run
from zeroshot.priors.untrained.deep_image_prior import DeepImagePrior
from zeroshot.problem import Problem
from zeroshot.solve import resolve_device

STORED = Path(__file__).resolve().parent / "results" / "dip"
CLOCKS: dict[str, Callable[[], float]] = {"wall": time.perf_counter, "cpu": time.process_time}
COLUMNS = ["iteration", "cpu_seconds", "averaged", "newest"]
#: The curve of a reference is read every so many iterations, and written to its file every so many.
READ, SAVED = 10, 50
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


def measured_reference(task: str, one: Case, arguments: argparse.Namespace) -> Curve:
    """The curve of the reference at its full length or `--iterations`; a killed run is continued."""
    size, precision = "x".join(map(str, one.clean.shape[-2:])), arguments.precision
    path = OUTPUT / "dip_reference" / f"{task}_{one.name}_{size}_{precision}_seed{arguments.seed}.csv"
    state_file = path.with_suffix(".pt")
    problem = problem_of(one).to(resolve_device(arguments.device))
    prior = DeepImagePrior.for_problem(problem, recipe="reference", precision=precision)
    length = min(prior.iterations, arguments.iterations or prior.iterations)
    if arguments.anew == "yes":
        path.unlink(missing_ok=True)
        state_file.unlink(missing_ok=True)
    if path.exists() and read_curve(path).last[0] >= length:
        return Curve(tuple(row for row in read_curve(path).rows if row[0] <= length))
    run = prior.start(problem, torch.Generator().manual_seed(arguments.seed))
    rows, spent = _continued(run, state_file, repr(prior))
    iteration = int(rows[-1][0]) if rows else 0
    while iteration < length:
        began = time.process_time()
        estimate = run.step()
        spent += time.process_time() - began
        iteration = estimate.iteration
        if iteration % READ == 0 or iteration == length:
            rows.append((iteration, spent, *_both(estimate, one)))
        if iteration % SAVED == 0 or iteration == length:
            write_curve(path, rows)
            _save(state_file, {"run": run.state_dict(), "rows": rows, "prior": repr(prior)})
    if length == prior.iterations:
        state_file.unlink()
    return read_curve(path)


def _both(estimate: Estimate, one: Case) -> tuple[float, float]:
    return tuple(psnr(x.cpu().clamp(0, 1), one.clean) for x in (estimate.image, estimate.newest))  # type: ignore


def _continued(run: Run, state_file: Path, prior: str) -> tuple[list[tuple[float, ...]], float]:
    """The rows and seconds of a run that was killed, which `run` then goes on from."""
    if not state_file.exists():
        return [], 0.0
    state = torch.load(state_file, weights_only=True)
    if state["prior"] != prior:
        return [], 0.0
    run.load_state_dict(state["run"])
    rows = [tuple(row) for row in state["rows"]]
    return rows, rows[-1][1]


def _save(path: Path, state: dict[str, Any]) -> None:
    unfinished = path.with_suffix(".pt.part")
    torch.save(state, unfinished)
    unfinished.replace(path)


class ReferenceClock:
    """Seconds of a step of the reference in float32, taken between the steps of another run.

    So both see the same load of the machine, whatever else it does.
    """

    def __init__(self, problem: Problem, seed: int, clock: Callable[[], float]) -> None:
        prior = DeepImagePrior.for_problem(problem, recipe="reference", precision="float32")
        self.published_iterations = prior.iterations
        self.clock = clock
        self.seconds: list[float] = []
        self._run: Run | None = prior.start(problem, torch.Generator().manual_seed(seed))
        for _ in range(WARM_UP):
            self._run.step()

    def step(self) -> None:
        if self._run is None:
            return
        began = self.clock()
        self._run.step()
        self.seconds.append(self.clock() - began)
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


def measured_fast(one: Case, arguments: argparse.Namespace, between: Callable[[], None]) -> FastRun:
    """Run solve() with the fast recipe; `between` is called now and then, and its time is not counted.

    Neither is the time that measuring PSNR takes; what is counted begins with the call of solve(), so that it
    holds the making of the guide.
    """
    problem = problem_of(one)
    settings = fast_settings(problem, arguments)
    clock = CLOCKS[arguments.clock]
    rows: list[tuple[float, float, float, float]] = []
    begun_with: dict[str, Any] = {"guide": None, "precision": ""}
    uncounted = 0.0

    def watch(estimate: Estimate, run: Run) -> None:
        nonlocal uncounted
        now = clock()
        rows.append((estimate.iteration, now - began - uncounted, *_both(estimate, one)))
        if len(rows) == 1:
            guide = getattr(run, "guide", None)
            begun_with["guide"] = None if guide is None else psnr(guide.cpu().clamp(0, 1), one.clean)
            begun_with["precision"] = str(getattr(run, "dtype", "")).removeprefix("torch.")
        if len(rows) % BETWEEN == 0:
            between()
        uncounted += clock() - now

    began = clock()
    result = zeroshot.solve(
        one.damaged,
        one.task,
        "dip",
        settings=settings,
        seed=arguments.seed,
        device=arguments.device,
        callbacks=[watch],
        progress=False,
        **one.options,
    )
    seconds = clock() - began - uncounted
    if result.interrupted:
        raise KeyboardInterrupt
    stop = psnr(result.image.clamp(0, 1), one.clean)
    first = psnr(problem.initial(), one.clean)
    return FastRun(Curve(tuple(rows)), stop, result.stopped_by, seconds, first=first, **begun_with)
