"""What a stopping rule costs per step, beside a step of Deep Image Prior's fast recipe.

Prints milliseconds per update of each rule and its share of a step, for several image sizes; every update finds
a new minimum, the dearest case. A rule should stay below 3 %::

    python benchmarks/stopping.py
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable

import torch

from zeroshot.estimate import Estimate
from zeroshot.operators import Identity
from zeroshot.priors.untrained.deep_image_prior import DeepImagePrior
from zeroshot.problem import Problem
from zeroshot.stopping import (
    Discrepancy,
    ExponentialMovingVariance,
    HeldOut,
    Plateau,
    StoppingRule,
    WindowedMovingVariance,
)

RULES: list[Callable[[], StoppingRule]] = [
    WindowedMovingVariance,
    ExponentialMovingVariance,
    HeldOut,
    Discrepancy,
    Plateau,
]


def median_milliseconds(call: Callable[[], object], repeats: int) -> float:
    times = []
    for _ in range(repeats):
        start = time.perf_counter()
        call()
        times.append(1000 * (time.perf_counter() - start))
    return statistics.median(times)


def step_time(problem: Problem, repeats: int) -> float:
    run = DeepImagePrior.for_problem(problem, guide="none").start(problem, torch.Generator().manual_seed(0))
    run.step()
    return median_milliseconds(run.step, repeats)


def update_time(rule: StoppingRule, problem: Problem, repeats: int) -> float:
    """Of updates with ever calmer iterates, so that each is a new minimum of whatever the rule looks at."""
    rule.start(problem)
    image = problem.y.clone()
    generator = torch.Generator().manual_seed(1)
    iteration = 0

    def estimates() -> Estimate:
        nonlocal iteration
        iteration += 1
        noise = torch.randn(image.shape, generator=generator) * (0.2 / iteration)
        return Estimate((image + noise).clamp(0, 1), 1.0 / iteration, iteration)

    prepared = [estimates() for _ in range(repeats)]
    queue = iter(prepared)
    return median_milliseconds(lambda: rule.update(next(queue)), repeats)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--sizes", nargs="+", type=int, default=[96, 256, 512])
    parser.add_argument("--repeats", type=int, default=15)
    arguments = parser.parse_args()
    print(f"{'size':>5} {'':<28}{'ms':>9}{'share of a step':>18}")
    for size in arguments.sizes:
        generator = torch.Generator().manual_seed(0)
        y = torch.rand(1, 3, size, size, generator=generator)
        problem = Problem(y, Identity(), sigma=0.1, task="denoise").hold_out(0.03, generator)
        step = step_time(problem, arguments.repeats)
        print(f"{size:>5} {'a step (fast recipe)':<28}{step:>9.2f}")
        for make in RULES:
            rule = make()
            milliseconds = update_time(rule, problem, 4 * arguments.repeats)
            print(f"{size:>5} {type(rule).__name__:<28}{milliseconds:>9.2f}{milliseconds / step:>17.1%}")


if __name__ == "__main__":
    main()
