"""What Deep Image Prior reaches within a number of seconds: whole calls of solve(), means over a set."""

from __future__ import annotations

import argparse
import statistics
from itertools import pairwise

import torch
from damages import Case
from dip_cases import SETS, crops, fast_prior, fast_settings, fingerprint, problem_of
from dip_records import Records

import zeroshot
from zeroshot.metrics import psnr

KEYS = ("task", "image", "size", "seed", "budget", "settings")
VALUES = ("psnr", "seconds", "iterations", "stopped_by")


def compare_budgets(arguments: argparse.Namespace) -> None:
    """Print the mean PSNR at every budget, and whether it rises from each to the next."""
    records = Records("dip_budgets", KEYS, VALUES, arguments.anew)
    for task in arguments.tasks:
        cases = crops(task, arguments)
        first = statistics.mean(psnr(problem_of(one).initial(), one.clean) for one in cases)
        print(
            f"\n{task}, {SETS[task][0]}, {len(cases)} centre crops of {arguments.size}, seed {arguments.seed}"
        )
        print(
            f"{'budget':>8}{'PSNR':>8}{'seconds':>9}{'iterations':>12}   (first estimate {first:.2f})",
            flush=True,
        )
        means = {}
        for budget in sorted(arguments.budgets):
            rows = [_figures(task, one, budget, records, arguments) for one in cases]
            means[budget], seconds, iterations = (
                statistics.mean(column) for column in zip(*rows, strict=True)
            )
            print(f"{budget:>8g}{means[budget]:>8.2f}{seconds:>9.1f}{iterations:>12.0f}", flush=True)
        falls = [
            f"{means[less] - means[more]:.2f} dB from {less:g} to {more:g} s"
            for less, more in pairwise(means)
            if means[more] < means[less]
        ]
        rises = all(means[more] > means[less] for less, more in pairwise(means))
        verdict = "rises monotonically" if rises else "never falls, but does not always rise"
        print(f"falls by {', '.join(falls)}" if falls else verdict, flush=True)


def _figures(
    task: str, one: Case, budget: float, records: Records, arguments: argparse.Namespace
) -> tuple[float, float, float]:
    """PSNR, seconds and iterations: from the file, else measured now."""
    problem = problem_of(one)
    prior = fast_prior(problem, arguments).within(budget)
    chosen = fingerprint(prior, prior.default_stopping(problem), arguments.device, torch.get_num_threads())
    key = (task, one.name, arguments.size, arguments.seed, budget, chosen)
    row = records.get(*key)
    if row is None:
        result = zeroshot.solve(
            one.damaged,
            one.task,
            "dip",
            settings=fast_settings(problem, arguments),
            seconds=budget,
            seed=arguments.seed,
            device=arguments.device,
            progress=False,
            **one.options,
        )
        if result.interrupted:
            raise KeyboardInterrupt
        value = psnr(result.image.clamp(0, 1), one.clean)
        row = records.add(key, (value, result.seconds, result.iterations, result.stopped_by))
    return float(row[0]), float(row[1]), float(row[2])
