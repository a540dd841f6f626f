"""How much sooner the fast recipe of Deep Image Prior gets where the reference gets, image by image."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from damages import Case
from dip_cases import SETS, crop, crops, problem_of
from dip_curves import (
    CLOCKS,
    STORED,
    Curve,
    FastRun,
    ReferenceClock,
    measured_fast,
    measured_reference,
    read_curve,
    stored_file,
    write_curve,
)
from dip_records import OUTPUT

from zeroshot.solve import resolve_device

#: Decibels below the best of the reference that count as its quality.
SHORT_OF_BEST = 0.1
#: The crops that the stored curves are of.
STORED_SIZE = 256
HEADS = ("first", "guide", "last", "averaged", "best", "at stop", "s/iter", "iters to", "s to", "s to stop")


@dataclass(frozen=True)
class Pair:
    """Both recipes on one image."""

    name: str
    reference: Curve
    reference_length: int
    reference_step: float
    fast: FastRun

    @property
    def target(self) -> float:
        """The reference is given the better of its average and its newest iterate."""
        return self.reference.best("either") - SHORT_OF_BEST

    @property
    def reference_seconds(self) -> float:
        iterations = self.reference.reaching(self.target, "either")
        assert iterations is not None
        return iterations * self.reference_step

    @property
    def fast_seconds(self) -> float | None:
        return self.fast.curve.reaching(self.target, "returned", column=1)

    @property
    def is_cut(self) -> bool:
        return self.reference.last[0] < self.reference_length

    def cut(self) -> str:
        """Where the reference's curve ends, and whether it rose until there."""
        values = self.reference.values("either")
        rises = values.index(max(values)) >= 0.95 * (len(values) - 1)
        return f"{self.name} {self.reference.last[0]:.0f}" + (" (still rising)" if rises else "")

    def reference_cells(self) -> list[float | None]:
        last = self.reference.last
        return [
            None,
            None,
            last[3],
            last[2],
            self.reference.best("either"),
            None if self.is_cut else last[2],
            self.reference_step,
            self.reference.reaching(self.target, "either"),
            self.reference_seconds,
            self.reference_length * self.reference_step,
            None,
        ]

    def fast_cells(self) -> list[float | None]:
        fast, last = self.fast, self.fast.curve.last
        reached = self.fast_seconds
        return [
            fast.first,
            fast.guide,
            last[3],
            last[2],
            fast.curve.best("returned"),
            fast.stop,
            fast.seconds / last[0],
            fast.curve.reaching(self.target, "returned"),
            reached,
            fast.seconds,
            None if reached is None else self.reference_seconds / reached,
        ]


def compare_speed(task: str, arguments: argparse.Namespace) -> None:
    """Print the table of one task and plot its curves."""
    names = chosen_names(task, arguments)
    if not names:
        print(f"\n{task}: no stored curve of a reference in {STORED}; use --reference measured", flush=True)
        return
    print(
        f"\n{task}, {SETS[task][0]}, centre crops of {arguments.size}, seed {arguments.seed}, "
        f"{arguments.clock} clock; to: reference best − {SHORT_OF_BEST} dB"
    )
    missing = [name for name in SETS[task][1][: arguments.images] if name not in names]
    if missing:
        print(f"without a stored curve, left out: {', '.join(missing)}")
    print(f"{'image':<12}{'recipe':<10}" + "".join(f"{head:>10}" for head in (*HEADS, "ratio")), flush=True)
    pairs = []
    for name in names:
        pairs.append(_pair(task, crop(task, name, arguments.size), arguments))
        _print_row(name, "reference", pairs[-1].reference_cells())
        _print_row("", "fast", pairs[-1].fast_cells())
    _print_row("mean", "reference", _means([pair.reference_cells() for pair in pairs]))
    _print_row("", "fast", _means([pair.fast_cells() for pair in pairs]))
    _print_summary(pairs, arguments)
    plot(task, pairs, OUTPUT / f"dip_{task}.png")


def measure_alone(task: str, arguments: argparse.Namespace) -> None:
    """Print the fast recipe's table of one task, without a reference."""
    print(f"\n{task}, {SETS[task][0]}, centre crops of {arguments.size}, seed {arguments.seed}")
    heads = ("first", "guide", "best", "at stop", "iterations", "seconds")
    print(f"{'image':<12}" + "".join(f"{head:>12}" for head in heads), flush=True)
    rows: list[list[float | None]] = []
    for one in crops(task, arguments):
        fast = measured_fast(one, arguments, lambda: None)
        best = fast.curve.best("returned")
        rows.append([fast.first, fast.guide, best, fast.stop, fast.curve.last[0], fast.seconds])
        print(f"{one.name:<12}{_cells(rows[-1], (2, 2, 2, 2, 0, 1), 12)}", flush=True)
    print(f"{'mean':<12}{_cells(_means(rows), (2, 2, 2, 2, 0, 1), 12)}", flush=True)


def chosen_names(task: str, arguments: argparse.Namespace) -> list[str]:
    """The first images of the task's set, of those with a stored curve where that is to be used."""
    names = SETS[task][1]
    if arguments.reference == "stored":
        names = [name for name in names if stored_file(task, name).exists()]
    return names[: arguments.images]


def _pair(task: str, one: Case, arguments: argparse.Namespace) -> Pair:
    curve = _reference_curve(task, one, arguments)
    problem = problem_of(one).to(resolve_device(arguments.device))
    reference_clock = ReferenceClock(problem, arguments.seed, CLOCKS[arguments.clock])
    fast = measured_fast(one, arguments, reference_clock.step)
    write_curve(OUTPUT / "dip_fast" / f"{task}_{one.name}_{arguments.size}.csv", fast.curve.rows)
    return Pair(one.name, curve, reference_clock.published_iterations, reference_clock.median(), fast)


def _reference_curve(task: str, one: Case, arguments: argparse.Namespace) -> Curve:
    if arguments.reference == "measured":
        return measured_reference(task, one, arguments)
    curve = read_curve(stored_file(task, one.name))
    if arguments.iterations is None:
        return curve
    return Curve(tuple(row for row in curve.rows if row[0] <= arguments.iterations) or curve.rows[:1])


def _print_row(name: str, recipe: str, cells: Sequence[float | None]) -> None:
    print(f"{name:<12}{recipe:<10}{_cells(cells, (2, 2, 2, 2, 2, 2, 3, 0, 1, 1, 1), 10)}", flush=True)


def _cells(values: Sequence[float | None], decimals: Sequence[int], width: int) -> str:
    pairs = zip(values, decimals, strict=True)
    return "".join(f"{'–' if value is None else f'{value:.{places}f}':>{width}}" for value, places in pairs)


def _means(rows: list[list[float | None]]) -> list[float | None]:
    """Of each column that has a figure for every image."""
    columns = zip(*rows, strict=True)
    return [None if any(v is None for v in column) else statistics.mean(column) for column in columns]  # type: ignore


def _print_summary(pairs: list[Pair], arguments: argparse.Namespace) -> None:
    reached = [(pair.reference_seconds, pair.fast_seconds) for pair in pairs if pair.fast_seconds is not None]
    print(f"reached in {len(reached)} of {len(pairs)} images", end="")
    if reached:
        reference, fast = (statistics.mean(column) for column in zip(*reached, strict=True))  # type: ignore
        print(f"; mean seconds there {reference:.1f} / {fast:.1f}, ratio {reference / fast:.1f}", end="")
    to_stop = sum(pair.reference_seconds for pair in pairs) / sum(pair.fast.seconds for pair in pairs)
    gap = statistics.mean(pair.fast.curve.best("returned") - pair.fast.stop for pair in pairs)
    lead = statistics.mean(pair.fast.stop - pair.reference.best("either") for pair in pairs)
    print(f"; fast to its stop: ratio {to_stop:.1f}")
    print(f"at the stop: {gap:.2f} dB below the run's own best, {lead:+.2f} dB against the reference's best")
    precision = "in bfloat16" if arguments.reference == "stored" else f"in {arguments.precision}"
    print(
        f"reference: {arguments.reference} curves {precision}, seconds of float32 steps taken in this run",
        end="",
    )
    cuts = [pair.cut() for pair in pairs if pair.is_cut]
    print(f"; cut before {pairs[0].reference_length} iterations: {', '.join(cuts)}" if cuts else "")
    print(
        f"fast: {pairs[0].fast.precision}; stopped by: {pairs[0].fast.stopped_by} ({pairs[0].name})",
        flush=True,
    )


def plot(task: str, pairs: list[Pair], path: Path) -> None:
    """PSNR over seconds, one panel per image."""
    import matplotlib

    matplotlib.use("Agg")
    import matplotlib.pyplot as plt

    figure, axes = plt.subplots(
        1, len(pairs), figsize=(4 * max(len(pairs), 2), 4), squeeze=False, layout="constrained"
    )
    for axis, pair in zip(axes[0], pairs, strict=True):
        iterations = [row[0] for row in pair.reference.rows]
        seconds = [iteration * pair.reference_step for iteration in iterations]
        axis.plot(seconds, pair.reference.values("either"), "--", color="0.4", label="reference")
        rows = pair.fast.curve.rows
        axis.plot(
            [row[1] for row in rows], pair.fast.curve.values("returned"), "-", color="black", label="fast"
        )
        axis.plot(pair.fast.seconds, pair.fast.stop, "o", color="black", fillstyle="none", label="fast, stop")
        axis.axhline(pair.target, linestyle=":", color="0.4", label=f"reference best − {SHORT_OF_BEST} dB")
        floor = min(pair.fast.first, pair.target) - 2
        axis.set(title=pair.name, xlabel="seconds", xscale="log", ylim=(floor, None))
    axes[0][0].set_ylabel("PSNR (dB)")
    figure.legend(*axes[0][0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    figure.suptitle(task)
    figure.savefig(path, dpi=110)
    plt.close(figure)
    print(f"curves: {path}", flush=True)
