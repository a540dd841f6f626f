"""How much sooner the fast recipe of Deep Image Prior gets where the reference gets, image by image."""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from benchmarks.table import OUTPUT, means, show
from zeroshot.solve import resolve_device
from zeroshot.tasks.degrade import Degraded

from .cases import SETS, crop, crops, heading, problem_of
from .curves import (
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

#: Decibels below the best of the reference that count as its quality.
SHORT_OF_BEST = 0.1
#: The crops that the stored curves are of.
STORED_SIZE = 256
_PSNR, _SECONDS = ".2f", ".1f"
HEADS = {
    "image": "",
    "recipe": "",
    **dict.fromkeys(("first", "guide", "last", "averaged", "best", "at stop"), _PSNR),
}
HEADS |= {"s/iter": ".3f", "iters to": ".0f", **dict.fromkeys(("s to", "s to stop", "ratio"), _SECONDS)}
ALONE = {"image": "", **dict.fromkeys(("first", "guide", "best", "at stop"), _PSNR)}
ALONE |= {"iterations": ".0f", "seconds": _SECONDS}


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
    missing = [name for name in SETS[task][1][: arguments.images] if name not in names]
    if missing:
        print(f"without a stored curve, left out: {', '.join(missing)}")
    pairs = [_pair(task, name, crop(task, name, arguments.size), arguments) for name in names]
    lines = [
        [name, recipe, *cells]
        for pair in pairs
        for name, recipe, cells in (
            (pair.name, "reference", pair.reference_cells()),
            ("", "fast", pair.fast_cells()),
        )
    ]
    lines.append(["mean", "reference", *means([pair.reference_cells() for pair in pairs])])
    lines.append(["", "fast", *means([pair.fast_cells() for pair in pairs])])
    title = f"{heading(task, arguments)}, {arguments.clock} clock; to: reference best − {SHORT_OF_BEST} dB"
    show(title, HEADS, lines)
    _print_summary(pairs, arguments)
    plot(task, pairs, OUTPUT / f"dip_{task}.png")


def measure_alone(task: str, arguments: argparse.Namespace) -> None:
    """Print the fast recipe's table of one task, without a reference."""
    lines = []
    for name, one in crops(task, arguments).items():
        fast = measured_fast(one, arguments, lambda: None)
        best = fast.curve.best("returned")
        lines.append([name, fast.first, fast.guide, best, fast.stop, fast.curve.last[0], fast.seconds])
        print(f"  {name}: {fast.stop:.2f} dB, {fast.seconds:.1f} s", flush=True)
    show(heading(task, arguments), ALONE, [*lines, ["mean", *means([line[1:] for line in lines])]])


def chosen_names(task: str, arguments: argparse.Namespace) -> Sequence[str]:
    """The first images of the task's set, of those with a stored curve where that is to be used."""
    names = SETS[task][1]
    if arguments.reference == "stored":
        names = [name for name in names if stored_file(task, name).exists()]
    return names[: arguments.images]


def _pair(task: str, name: str, one: Degraded, arguments: argparse.Namespace) -> Pair:
    curve = _reference_curve(task, name, one, arguments)
    problem = problem_of(one).to(resolve_device(arguments.device))
    reference_clock = ReferenceClock(problem, arguments.seed, CLOCKS[arguments.clock])
    fast = measured_fast(one, arguments, reference_clock.step)
    write_curve(OUTPUT / "dip_fast" / f"{task}_{name}_{arguments.size}.csv", fast.curve.rows)
    print(f"  {name}: reference {curve.best('either'):.2f} dB, fast {fast.stop:.2f} dB", flush=True)
    return Pair(name, curve, reference_clock.published_iterations, reference_clock.median(), fast)


def _reference_curve(task: str, name: str, one: Degraded, arguments: argparse.Namespace) -> Curve:
    if arguments.reference == "measured":
        return measured_reference(task, name, one, arguments)
    curve = read_curve(stored_file(task, name))
    if arguments.iterations is None:
        return curve
    return Curve(tuple(row for row in curve.rows if row[0] <= arguments.iterations) or curve.rows[:1])


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
    # In what precision those on file were made is told in the help.
    precision = "" if arguments.reference == "stored" else f" in {arguments.precision}"
    print(
        f"reference: {arguments.reference} curves{precision}, seconds of float32 steps taken in this run",
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
