"""What Deep Image Prior reaches within a number of seconds: whole calls of solve(), means over a set."""

from __future__ import annotations

import argparse
import statistics
from functools import partial
from itertools import pairwise

from benchmarks.table import Figures, Table, show
from zeroshot.tasks.degrade import Degraded

from .cases import crops, fast_prior, fingerprint, heading, problem_of, psnr_of, solved


def compare_budgets(arguments: argparse.Namespace) -> None:
    """Print the mean PSNR at every budget, and whether it rises from each to the next."""
    budgets = {f"{budget:g} s": budget for budget in sorted(arguments.budgets)}
    for task in arguments.tasks:
        images = crops(task, arguments)
        terms = {"task": task, "size": arguments.size, "seed": arguments.seed, "device": arguments.device}
        table = Table("dip_budgets", terms, list(images), list(budgets), again=arguments.again)
        lines = []
        for text, budget in budgets.items():
            rows = [_figures(table, name, one, text, budget, arguments) for name, one in images.items()]
            columns = [[row[name] for row in rows] for name in ("psnr", "seconds", "iterations")]
            lines.append([text, *map(statistics.mean, columns)])
            print(f"  {task} {text}: {lines[-1][1]:.2f} dB", flush=True)
        first = statistics.mean(psnr_of(problem_of(one).initial(), one) for one in images.values())
        title = f"{heading(task, arguments)}, {len(images)} images, first estimate {first:.2f} dB"
        show(title, {"budget": "", "PSNR": ".2f", "seconds": ".1f", "iterations": ".0f"}, lines)
        print(_verdict({text: psnr for text, psnr, *_ in lines}), flush=True)


def _verdict(means: dict[str, float]) -> str:
    steps = list(pairwise(means))
    falls = [
        f"{means[less] - means[more]:.2f} dB from {less} to {more}"
        for less, more in steps
        if means[more] < means[less]
    ]
    if falls:
        return f"falls by {', '.join(falls)}"
    rises = all(means[more] > means[less] for less, more in steps)
    return "rises monotonically" if rises else "never falls, but does not always rise"


def _figures(
    table: Table, name: str, one: Degraded, text: str, budget: float, arguments: argparse.Namespace
) -> Figures:
    problem = problem_of(one)
    chosen = fingerprint(fast_prior(problem, arguments).within(budget), problem)
    return table.measure(name, text, partial(_run, one, budget, arguments), chosen)


def _run(one: Degraded, budget: float, arguments: argparse.Namespace) -> Figures:
    result = solved(one, arguments, seconds=budget)
    return {
        "psnr": psnr_of(result.image, one),
        "iterations": result.iterations,
        "seconds": result.seconds,
    }
