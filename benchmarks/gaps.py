"""What a duality gap is worth: iterations until it is reached, and PSNR there, as means over a set.

    python -m benchmarks.gaps tgv                                # crops of 96 pixels of colour9, denoising
    python -m benchmarks.gaps tv nltv --set set12 --kind deblur --size 64

An image that does not come to a gap within the iterations counts with its last one. By this the `tolerance` of
``tgv`` is chosen: its certificate lags far behind its image.
"""

from __future__ import annotations

import torch

from zeroshot.images import load
from zeroshot.loop import Loop
from zeroshot.metrics import psnr
from zeroshot.registry import prior_class
from zeroshot.stopping import MaxIterations
from zeroshot.tasks import make_problem

from .arguments import count, parser
from .sets import DAMAGES, damaged, image_files, picture
from .table import show

GAPS = (3e-2, 2e-2, 1e-2, 5e-3, 2e-3, 1e-3)


def reached(prior: str, kind: str, truth: torch.Tensor, iterations: int) -> list[tuple[int, float]]:
    """The iteration at which each gap is reached, and the PSNR of its image."""
    case = damaged(kind, truth)
    problem, *_ = make_problem(case.task, load(case.measurement), case.options)
    # So small that λ is never sought anew for the sake of the last one.
    configured = prior_class(prior).for_problem(problem, iterations=iterations, tolerance=GAPS[-1])
    loop = Loop(problem, configured, MaxIterations(iterations), generator=torch.Generator().manual_seed(0))
    found: list[tuple[int, float]] = []
    at = 0, 0.0
    for estimate in loop:
        at = estimate.iteration, psnr(problem.framed(estimate.image), case.truth)
        while len(found) < len(GAPS) and estimate.gap is not None and estimate.gap <= GAPS[len(found)]:
            found.append(at)
        if len(found) == len(GAPS):
            break
    return found + [at] * (len(GAPS) - len(found))


def main() -> None:
    """Print a table for every prior."""
    options = parser(__doc__)
    options.add_argument("priors", nargs="+", metavar="PRIOR", help="tv, huber_tv, tgv or nltv")
    options.add_argument("--set", default="colour9", help="a folder of ../shared/data (default colour9)")
    options.add_argument("--kind", choices=list(DAMAGES), default="denoise")
    options.add_argument("--size", type=count, default=96, help="side of the crops")
    options.add_argument("--images", type=count, help="the first of the set only")
    options.add_argument("--iterations", type=count, default=2000)
    given = options.parse_args()
    files = image_files(given.set, given.images)
    for prior in given.priors:
        rows = [reached(prior, given.kind, picture(file, given.size), given.iterations) for file in files]
        lines = []
        for number, gap in enumerate(GAPS):
            at = [row[number] for row in rows]
            quality = [decibels for _, decibels in at]
            steps = sum(step for step, _ in at) / len(at)
            worst = min(row[number][1] - row[-1][1] for row in rows)
            lines.append([gap, steps, sum(quality) / len(quality), worst])
        heads = {"gap": "g", "iterations": ".0f", "PSNR": ".3f", "worst beside the last": ".3f"}
        show(f"{prior}, {given.kind} on {given.set}, {len(files)} images", heads, lines)


if __name__ == "__main__":
    main()
