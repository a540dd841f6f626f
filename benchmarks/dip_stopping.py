"""How far below the best of its run each stopping rule ends Deep Image Prior, per task.

The fast recipe runs to its limit of iterations, and every rule is shown the same estimates. Rules that look at
held-out pixels get a second run that is not shown those; each rule is compared with the best of its own run.
"""

from __future__ import annotations

import argparse
import statistics
from collections.abc import Sequence
from dataclasses import dataclass, field

import torch
from damages import Case
from dip_cases import SETS, crops, fast_prior, fingerprint, problem_of
from dip_records import Records

from zeroshot.estimate import Estimate
from zeroshot.metrics import psnr
from zeroshot.priors.untrained.deep_image_prior import DeepImagePrior
from zeroshot.problem import Problem
from zeroshot.solve import resolve_device
from zeroshot.stopping import (
    Discrepancy,
    ExponentialMovingVariance,
    HeldOut,
    MaxIterations,
    Plateau,
    StoppingRule,
    WindowedMovingVariance,
)

KEYS = ("task", "image", "size", "seed", "settings", "rule")
VALUES = ("held_out", "fired", "iteration", "psnr", "best", "best_at")
#: Decibels that the default rule may lose, as the mean over a set.
ALLOWED = 0.3


def rules_for(prior: DeepImagePrior, problem: Problem) -> dict[str, StoppingRule]:
    """The rules by name: the task's own, none but the limit, and the others with windows short and published."""
    rules: dict[str, StoppingRule] = {
        "default": prior.default_stopping(problem),
        "limit": MaxIterations(prior.iterations),
    }
    for patience in (100, 200):
        rules[f"held-out, patience {patience}"] = HeldOut(patience=patience)
    for window, patience in ((25, 100), (50, 200), (100, 200), (100, 1000)):
        rules[f"ES-WMV {window}, patience {patience}"] = WindowedMovingVariance(window, patience)
    rules["ES-EMV 0.1, patience 200"] = ExponentialMovingVariance(patience=200)
    rules["plateau 100"] = Plateau()
    if problem.sigma:
        rules["discrepancy 1 sigma"] = Discrepancy()
    if prior.guide == "initial":
        # That guide shows the held-out pixels.
        rules = {name: rule for name, rule in rules.items() if not rule.holds_out}
    return rules


@dataclass
class Outcome:
    """What a rule did to one run."""

    rule: StoppingRule
    fired: bool = False
    iteration: int = 0
    image: torch.Tensor = field(default_factory=lambda: torch.empty(0))

    def update(self, estimate: Estimate) -> None:
        if self.fired:
            return
        self.fired = self.rule.update(estimate)
        self.iteration = estimate.iteration
        if self.fired:
            self.keep(estimate)

    def keep(self, estimate: Estimate) -> None:
        """The image that the loop would return."""
        best = self.rule.best()
        self.image = (estimate.image if best is None else best).clone()


def compare_stopping(arguments: argparse.Namespace) -> None:
    """Print a table per task, and the mean gaps of all tasks side by side."""
    records = Records("dip_stopping", KEYS, VALUES, arguments.anew)
    gaps: dict[str, dict[str, float]] = {}
    for task in arguments.tasks:
        rows = [_rows_of(task, one, records, arguments) for one in crops(task, arguments)]
        gaps[task] = _print_task(task, rows, arguments)
    names = list(dict.fromkeys(name for column in gaps.values() for name in column))
    print("\nmean gap in dB to the best of the run, rule × task")
    print(f"{'rule':<28}" + "".join(f"{task:>12}" for task in gaps))
    for name in names:
        cells = (f"{column[name]:.2f}" if name in column else "–" for column in gaps.values())
        print(f"{name:<28}" + "".join(f"{cell:>12}" for cell in cells))
    missed = [task for task, column in gaps.items() if column["default"] > ALLOWED]
    print(
        f"default rule within {ALLOWED} dB: " + (f"not for {', '.join(missed)}" if missed else "every task")
    )


def _rows_of(
    task: str, one: Case, records: Records, arguments: argparse.Namespace
) -> dict[str, tuple[float, ...]]:
    """Figures by rule of one image: from the file where all of them are there, else measured now."""
    problem = problem_of(one).to(resolve_device(arguments.device))
    prior = fast_prior(problem, arguments)
    rules = rules_for(prior, problem)
    chosen = fingerprint(prior, *rules.values(), arguments.device, torch.get_num_threads())
    keys = {name: (task, one.name, arguments.size, arguments.seed, chosen, name) for name in rules}
    if any(records.get(*key) is None for key in keys.values()):
        for fraction in sorted({rule.holds_out for rule in rules.values()}):
            watching = {name: Outcome(rule) for name, rule in rules.items() if rule.holds_out == fraction}
            best = _run(prior, problem, fraction, watching, one, arguments.seed)
            for name, outcome in watching.items():
                value = psnr(outcome.image.cpu().clamp(0, 1), one.clean)
                figures = (fraction, int(outcome.fired), outcome.iteration, value, *best)
                records.add(keys[name], figures)
    return {name: tuple(map(float, records.get(*key) or ())) for name, key in keys.items()}


def _run(
    prior: DeepImagePrior,
    problem: Problem,
    fraction: float,
    watching: dict[str, Outcome],
    one: Case,
    seed: int,
) -> tuple[float, int]:
    """Run to the limit with every rule watching, as solve() would; the best PSNR of an image and where it was."""
    generator = torch.Generator().manual_seed(seed)
    if fraction:
        problem = problem.hold_out(fraction, generator)
    for outcome in watching.values():
        outcome.rule.start(problem)
    run = prior.start(problem, generator)
    best, best_at, iteration = 0.0, 0, 0
    while iteration < prior.iterations and not run.finished:
        estimate = run.step()
        iteration = estimate.iteration
        value = psnr(estimate.image.cpu().clamp(0, 1), one.clean)
        if value > best:
            best, best_at = value, iteration
        for outcome in watching.values():
            outcome.update(estimate)
    for outcome in watching.values():
        if not outcome.fired:
            outcome.keep(estimate)
    return best, best_at


def _print_task(
    task: str, images: Sequence[dict[str, tuple[float, ...]]], arguments: argparse.Namespace
) -> dict[str, float]:
    print(f"\n{task}, {SETS[task][0]}, {len(images)} centre crops of {arguments.size}, seed {arguments.seed}")
    heads = ("held-out", "fired", "stop at", "PSNR", "best", "at", "mean gap", "max gap")
    print(f"{'rule':<28}" + "".join(f"{head:>10}" for head in heads))
    means: dict[str, float] = {}
    for name in dict.fromkeys(name for rows in images for name in rows):
        rows = [image[name] for image in images if name in image]
        fraction, fired, iteration, value, best, best_at = (
            statistics.mean(c) for c in zip(*rows, strict=True)
        )
        gaps = [row[4] - row[3] for row in rows]
        means[name] = statistics.mean(gaps)
        print(
            f"{name:<28}{fraction:>10.0%}{f'{fired * len(rows):.0f}/{len(rows)}':>10}{iteration:>10.0f}"
            f"{value:>10.2f}{best:>10.2f}{best_at:>10.0f}{means[name]:>10.2f}{max(gaps):>10.2f}",
            flush=True,
        )
    return means
