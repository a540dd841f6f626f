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
from functools import partial
from pathlib import Path

import torch

from benchmarks.arguments import add_table_options, count, parsed, parser
from benchmarks.published import DETECTION_GAP
from benchmarks.sets import damaged, image_files, picture
from benchmarks.table import Figures, Table, show_images
from zeroshot.compare.specification import parse
from zeroshot.images import load
from zeroshot.loop import Loop
from zeroshot.metrics import psnr
from zeroshot.prior import configured_prior
from zeroshot.stopping import MaxIterations, WindowedMovingVariance
from zeroshot.tasks import make_problem

SHOWN = ("psnr", "peak", "gap", "iterate_gap", "detected", "peak_at")


def watched_run(text: str, path: Path, arguments: argparse.Namespace) -> Figures:
    """The figures of one run to its end; "fired" tells whether the rule stopped it."""
    wanted = parse(text)
    noisy = damaged("denoise", picture(path, arguments.size), sigma=arguments.sigma / 255)
    problem, _, _ = make_problem("denoise", load(noisy.measurement), noisy.options)
    prior = configured_prior(wanted.target, problem, wanted.options)
    rule = WindowedMovingVariance(arguments.window, arguments.patience)
    rule.start(problem)
    fired, lowest, detected = False, float("inf"), -1
    averaged, iterates, iterations = [], [], []
    generator = torch.Generator().manual_seed(0)
    for estimate in Loop(problem, prior, MaxIterations(arguments.iterations), generator=generator):
        averaged.append(psnr(estimate.image.clamp(0, 1), noisy.truth))
        iterates.append(psnr(estimate.newest.clamp(0, 1), noisy.truth))
        iterations.append(estimate.iteration)
        if not fired:
            fired = rule.update(estimate)
            variance = rule.measures().get(rule.measure_name, float("inf"))
            if variance < lowest:
                lowest, detected = variance, len(averaged) - 1
    if detected < 0:
        raise SystemExit(f"--iterations {arguments.iterations} is too few for a window of {arguments.window}")
    peak = max(averaged)
    return {
        "psnr": averaged[detected],
        "peak": peak,
        "gap": peak - averaged[detected],
        "iterate_gap": max(iterates) - iterates[detected],
        "detected": iterations[detected],
        "peak_at": iterations[averaged.index(peak)],
        "fired": float(fired),
    }


def main() -> None:
    arguments = _arguments()
    files = image_files("eswmv9", arguments.images)
    images = [path.stem for path in files]
    terms = {name: getattr(arguments, name) for name in ("sigma", "size", "iterations", "window", "patience")}
    table = Table("early_stopping", terms, images, arguments.priors, again=arguments.again)
    for text in arguments.priors:
        found: dict[str, Figures] = {}
        for path in files:
            row = table.measure(path.stem, text, partial(watched_run, text, path, arguments))
            found[path.stem] = row
            print(f"  {path.stem}: {text} gap {row['gap']:.2f} dB, {row['seconds']:.0f} s", flush=True)
        columns = {name: {image: row[name] for image, row in found.items()} for name in SHOWN}
        show_images(f"eswmv9, noise of {arguments.sigma:g} grey levels, {text}", images, columns)
        gap = statistics.mean(row["gap"] for row in found.values())
        late = [image for image, row in found.items() if not row["fired"]]
        print(f"mean gap {gap:.2f} dB (published: below {DETECTION_GAP:g} dB)")
        if late:
            print(f"the rule had not fired by iteration {arguments.iterations}: {', '.join(late)}")


def _arguments() -> argparse.Namespace:
    options = parser(__doc__)
    add_table_options(options, "dip[recipe=reference]", size=128)
    add = options.add_argument
    add("--sigma", type=float, default=25.0, help="the noise in 8-bit grey levels (default 25)")
    add("--iterations", type=count, default=5000, help="where the runs end (default 5000)")
    add("--window", type=int, default=100, help="of ES-WMV (default 100)")
    add("--patience", type=int, default=1000, help="of ES-WMV (default 1000)")
    arguments = parsed(options)
    if arguments.seconds is not None:
        options.error("--seconds would hide the peak of the run; use --size and --iterations")
    return arguments


if __name__ == "__main__":
    main()
