"""What a stopping rule costs per step, beside a step of Deep Image Prior's fast recipe.

Prints milliseconds per update of each rule and its share of a step, for several image sizes; every update finds
a new minimum, the dearest case. A rule should stay below 3 %::

    python -m benchmarks.stopping
"""

from __future__ import annotations

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

from .arguments import parser
from .timing import median_milliseconds

RULES: list[Callable[[], StoppingRule]] = [
    WindowedMovingVariance,
    ExponentialMovingVariance,
    HeldOut,
    Discrepancy,
    Plateau,
]


def step_time(problem: Problem, repeats: int) -> float:
    run = DeepImagePrior.for_problem(problem, guide="none").begin(problem, torch.Generator().manual_seed(0))
    return median_milliseconds(run.step, repeats, warm_up=1)


def update_time(rule: StoppingRule, problem: Problem, repeats: int) -> float:
    """Of updates with ever calmer iterates, so that each is a new minimum of whatever the rule looks at."""
    rule.start(problem)
    generator = torch.Generator().manual_seed(1)

    def estimate(iteration: int) -> Estimate:
        noise = torch.randn(problem.y.shape, generator=generator) * (0.2 / iteration)
        return Estimate((problem.y + noise).clamp(0, 1), 1.0 / iteration, iteration)

    queue = iter([estimate(1 + index) for index in range(repeats)])
    return median_milliseconds(lambda: rule.update(next(queue)), repeats)


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--sizes", nargs="+", type=int, default=[96, 256, 512])
    options.add_argument("--repeats", type=int, default=15)
    arguments = options.parse_args()
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
