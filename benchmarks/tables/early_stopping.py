"""How far from the best of its run Deep Image Prior is stopped by ES-WMV, on that paper's nine images.

    python -m benchmarks.tables.early_stopping --size 128
    python -m benchmarks.tables.early_stopping --priors dip[recipe=reference] --iterations 5000

Each run goes on to its limit of iterations, so that its peak is known; the rule (window 100, patience 1000)
looks on. The gap is the best PSNR of all iterations less that at detection, of the averaged images and of the
iterates themselves. A rule that has not fired by the limit is taken at its minimum so far, and marked.
Published: a mean gap below 1 dB.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from benchmarks.damages import centre_crop, image_files
from benchmarks.published import DETECTION_GAP
from zeroshot.compare.specification import parse
from zeroshot.degradation import degrade
from zeroshot.estimate import Estimate
from zeroshot.images import load
from zeroshot.metrics import psnr
from zeroshot.prior import configured_prior
from zeroshot.stopping import WindowedMovingVariance
from zeroshot.tasks import make_problem

from .finished_rows import Column, FinishedRows, parse_table_arguments, print_table, table_parser

FIGURES = ("psnr", "peak", "gap", "iterate_gap", "detected", "peak_at", "fired")


@dataclass
class Watch:
    """What the rule and the truth say of each estimate of a run."""

    rule: WindowedMovingVariance
    truth: torch.Tensor
    averaged: list[float] = field(default_factory=list)
    iterates: list[float] = field(default_factory=list)
    iterations: list[int] = field(default_factory=list)
    lowest: float = float("inf")
    detected: int = -1
    fired: bool = False

    def look(self, estimate: Estimate) -> None:
        """Take the figures of the newest estimate; the rule stops looking once it has fired."""
        self.averaged.append(psnr(estimate.image.clamp(0, 1), self.truth))
        self.iterates.append(psnr(estimate.newest.clamp(0, 1), self.truth))
        self.iterations.append(estimate.iteration)
        if self.fired:
            return
        self.fired = self.rule.update(estimate)
        variance = self.rule.measures().get(self.rule.measure_name)
        if variance is not None and variance < self.lowest:
            self.lowest, self.detected = variance, len(self.averaged) - 1

    def figures(self) -> dict[str, float]:
        """The row of the table."""
        peak = max(range(len(self.averaged)), key=self.averaged.__getitem__)
        at = self.averaged[self.detected]
        return {
            "psnr": at,
            "peak": self.averaged[peak],
            "gap": self.averaged[peak] - at,
            "iterate_gap": max(self.iterates) - self.iterates[self.detected],
            "detected": self.iterations[self.detected],
            "peak_at": self.iterations[peak],
            "fired": float(self.fired),
        }


def watched_run(text: str, path: Path, arguments: argparse.Namespace) -> dict[str, float]:
    """The figures of one run to its end."""
    wanted = parse(text)
    noisy = degrade(centre_crop(load(path).colours, arguments.size), "denoise", sigma=arguments.sigma / 255)
    problem, _, _ = make_problem("denoise", load(noisy.measurement), noisy.options)
    prior = configured_prior(wanted.target, problem, wanted.options)
    rule = WindowedMovingVariance(arguments.window, arguments.patience)
    rule.start(problem)
    watch = Watch(rule, noisy.truth)
    run = prior.start(problem, torch.Generator().manual_seed(0))
    while not run.finished:
        estimate = run.step()
        watch.look(estimate)
        if estimate.iteration >= arguments.iterations:
            break
    if watch.detected < 0:
        raise SystemExit(f"--iterations {arguments.iterations} is too few for a window of {arguments.window}")
    return watch.figures()


def main() -> None:
    arguments = _arguments()
    files = image_files("eswmv9")[: arguments.images]
    rows = FinishedRows(
        "early_stopping", ("sigma", "size", "iterations", "window", "patience", "method", "image"), FIGURES
    )
    common: Mapping[str, object] = {
        name: getattr(arguments, name) for name in ("sigma", "size", "iterations", "window", "patience")
    }
    for text in arguments.priors:
        found: dict[str, dict[str, float]] = {}
        for path in files:
            key = {**common, "method": text, "image": path.stem}
            row = rows.measure(key, partial(watched_run, text, path, arguments), again=arguments.again)
            found[path.stem] = row
            print(f"  {path.stem}: {text} gap {row['gap']:.2f} dB, {row['elapsed']:.0f} s", flush=True)
        columns = [
            Column(name, {image: row[name] for image, row in found.items()})
            for name in ("psnr", "peak", "gap", "iterate_gap", "detected", "peak_at")
        ]
        print_table(f"eswmv9, noise of {arguments.sigma:g} grey levels, {text}", list(found), columns)
        gap = statistics.mean(row["gap"] for row in found.values())
        late = [image for image, row in found.items() if not row["fired"]]
        print(f"mean gap {gap:.2f} dB (published: below {DETECTION_GAP:g} dB)")
        if late:
            print(f"the rule had not fired by iteration {arguments.iterations}: {', '.join(late)}")


def _arguments() -> argparse.Namespace:
    parser = table_parser(__doc__, "dip[recipe=reference]", size=128)
    add = parser.add_argument
    add("--sigma", type=float, default=25.0, help="the noise in 8-bit grey levels (default 25)")
    add("--iterations", type=int, default=5000, help="where the runs end (default 5000)")
    add("--window", type=int, default=100, help="of ES-WMV (default 100)")
    add("--patience", type=int, default=1000, help="of ES-WMV (default 1000)")
    arguments = parse_table_arguments(parser)
    if arguments.seconds is not None:
        parser.error("--seconds would hide the peak of the run; use --size and --iterations")
    return arguments


if __name__ == "__main__":
    main()
