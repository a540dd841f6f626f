"""How far below the best of its run each stopping rule ends Deep Image Prior, per task.

The fast recipe runs to its limit of iterations, and every rule is shown the same estimates. Rules that look at
held-out pixels get a second run that is not shown those; each rule is compared with the best of its own run.
"""

from __future__ import annotations

import argparse
import statistics

import torch

from benchmarks.table import Figures, Table, show
from zeroshot.estimate import Estimate
from zeroshot.loop import Loop
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
from zeroshot.stopping.rule import Either
from zeroshot.tasks.degrade import Degraded

from .cases import crops, fast_prior, fingerprint, heading, problem_of, psnr_of

#: Decibels that the default rule may lose, as the mean over a set.
ALLOWED = 0.3
HEADS = {"rule": "", "held-out": ".0%", "fired": "", "stop at": ".0f", "PSNR": ".2f", "best": ".2f", "at": ".0f",
         "mean gap": ".2f", "max gap": ".2f"}  # fmt: skip
FIGURES = ("held_out", "iteration", "psnr", "best", "best_at")


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


class Onlooker(StoppingRule):
    """Lets a rule look on without stopping the run, and keeps the image that the rule would have returned."""

    def __init__(self, rule: StoppingRule) -> None:
        self.rule, self.holds_out = rule, rule.holds_out
        self.fired, self.iteration = False, 0
        self._image = torch.empty(0)

    def start(self, problem: Problem) -> None:
        self.rule.start(problem)

    def update(self, estimate: Estimate) -> bool:
        if not self.fired:
            self.fired, self.iteration = self.rule.update(estimate), estimate.iteration
            if self.fired:
                self._image = self._returned(estimate).clone()
        return False

    def image(self, last: Estimate) -> torch.Tensor:
        """What the rule returns of a run that ended with `last`."""
        return self._image if self.fired else self._returned(last)

    def _returned(self, estimate: Estimate) -> torch.Tensor:
        best = self.rule.best()
        return estimate.image if best is None else best


def compare_stopping(arguments: argparse.Namespace) -> None:
    """Print a table per task, and the mean gaps of all tasks side by side."""
    gaps = {task: _print_task(task, arguments) for task in arguments.tasks}
    names = list(dict.fromkeys(name for column in gaps.values() for name in column))
    lines = [[name, *(column.get(name) for column in gaps.values())] for name in names]
    show(
        "mean gap in dB to the best of the run, rule × task",
        {"rule": "", **dict.fromkeys(gaps, ".2f")},
        lines,
    )
    missed = [task for task, column in gaps.items() if column["default"] > ALLOWED]
    print(
        f"default rule within {ALLOWED} dB: " + (f"not for {', '.join(missed)}" if missed else "every task")
    )


def _print_task(task: str, arguments: argparse.Namespace) -> dict[str, float]:
    """Print the table of a task; the mean gap of every rule."""
    images = crops(task, arguments)
    terms = {"task": task, "size": arguments.size, "seed": arguments.seed, "device": arguments.device}
    table = Table("dip_stopping", terms, list(images), [], again=arguments.again)
    found = [_figures(table, name, one, arguments) for name, one in images.items()]
    lines, gaps = [], {}
    for rule in dict.fromkeys(rule for figures in found for rule in figures):
        rows = [figures[rule] for figures in found if rule in figures]
        held_out, *means = (statistics.mean(row[name] for row in rows) for name in FIGURES)
        distances = [row["best"] - row["psnr"] for row in rows]
        gaps[rule] = statistics.mean(distances)
        fired = f"{sum(row['fired'] for row in rows):.0f}/{len(rows)}"
        lines.append([rule, held_out, fired, *means, gaps[rule], max(distances)])
    show(f"{heading(task, arguments)}, {len(images)} images", HEADS, lines)
    return gaps


def _figures(table: Table, name: str, one: Degraded, arguments: argparse.Namespace) -> dict[str, Figures]:
    """Figures by rule of one image; a run is shared by all rules that hold as much out."""
    problem = problem_of(one).to(resolve_device(arguments.device))
    prior = fast_prior(problem, arguments)
    rules = rules_for(prior, problem)
    chosen = fingerprint(prior, problem, *rules.values())
    runs: dict[float, dict[str, Figures]] = {}

    def work(rule: str, fraction: float) -> Figures:
        if fraction not in runs:
            shown = {name: other for name, other in rules.items() if other.holds_out == fraction}
            runs[fraction] = _run(prior, problem, shown, one, arguments.seed)
        return runs[fraction][rule]

    return {
        rule: table.measure(name, rule, lambda rule=rule, f=chosen_rule.holds_out: work(rule, f), chosen)
        for rule, chosen_rule in rules.items()
    }


def _run(
    prior: DeepImagePrior, problem: Problem, rules: dict[str, StoppingRule], one: Degraded, seed: int
) -> dict[str, Figures]:
    """Run to the limit with every rule looking on, as solve() would."""
    watching = {name: Onlooker(rule) for name, rule in rules.items()}
    best, best_at = 0.0, 0
    rule = Either(MaxIterations(prior.iterations), *watching.values())
    for estimate in Loop(problem, prior, rule, generator=torch.Generator().manual_seed(seed)):
        value = psnr_of(estimate.image, one)
        if value > best:
            best, best_at = value, estimate.iteration
    return {
        name: {
            "held_out": watcher.holds_out,
            "fired": float(watcher.fired),
            "iteration": watcher.iteration,
            "psnr": psnr_of(watcher.image(estimate), one),
            "best": best,
            "best_at": best_at,
        }
        for name, watcher in watching.items()
    }
