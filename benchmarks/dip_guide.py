"""Deep Image Prior beside its guide, on crops of all sets, and in large holes beside total variation.

    python -m benchmarks.dip_guide                            # denoise, inpaint, sr, demosaic, hole
    python -m benchmarks.dip_guide --tasks hole --size 128    # a hole of 48 × 48 at two places in each of 12 pictures
    python -m benchmarks.dip_guide --before                   # and with what is held out lost, as it used to be
    python -m benchmarks.dip_guide --save FOLDER              # the pictures of the holes, to be looked at

The guide is made of all measurements. `dip` is a whole call of solve() with its default stopping; "by" says whether the
rule or the limit of iterations ended it. Crops are grey but for demosaicking. PSNR in dB, that of holes over the hole
alone, with the smooth filling as the guide. Figures already measured are taken from `benchmarks/output`; --again
measures anew.
"""

from __future__ import annotations

import argparse
import statistics
from functools import partial
from pathlib import Path
from typing import Any

import torch

import zeroshot
from benchmarks.arguments import count, parsed, parser
from benchmarks.dip.cases import fingerprint, problem_of, psnr_of
from benchmarks.sets import SHARED, damaged, picture
from benchmarks.table import Figures, Table, means, show
from zeroshot import images
from zeroshot.colour import full_range_luma
from zeroshot.metrics import psnr
from zeroshot.priors.untrained.deep_image_prior import DeepImagePrior
from zeroshot.priors.untrained.guide import guide_image
from zeroshot.tasks.degrade import Degraded, degrade

#: One picture of every set, of every kind: texture, edges, smooth parts.
PICTURES = ("set12/monarch", "inpaint11/couple", "colour9/peppers", "cbsd68/229036", "kodak_500/kodim13", "mcmaster/05",
            "set5/hr_x4/butterfly", "classic5/barbara")  # fmt: skip
COLOUR_PICTURES = ("kodak_500/kodim19", "mcmaster/03", "colour9/baboon", "cbsd68/148089", "set5/hr_x4/bird",
                   "kodak_500/kodim05", "mcmaster/17", "colour9/f16")  # fmt: skip
#: Whole pictures around a hole have something to say of it.
HOLED = ("inpaint11/barbara", "inpaint11/boat", "inpaint11/house", "inpaint11/montage", "inpaint11/man",
         "inpaint11/lena", "inpaint11/couple", "inpaint11/fingerprint", "colour9/kodim01", "colour9/kodim03",
         "colour9/peppers", "colour9/f16")  # fmt: skip
TASKS = ("denoise", "inpaint", "sr", "demosaic", "hole")
#: The side of a hole, its distance from the edge of the crop, and the seeds of its places.
HOLE, EDGE, PLACES = 48, 8, (0, 1)
#: How the recipes were before what is held out was given back.
BEFORE: dict[str, dict[str, Any]] = {
    "denoise": {"stopping": "held_out", "patience": 100, "iterations": 300, "refit": 0},
    "hole": {"stopping": "iterations", "iterations": 700, "refit": 0},
}
HEADS = {"image": "", "guide": ".2f", "tv": ".2f", "before": ".2f", "dip": ".2f", "gain": "+.2f", "share": ".2f",
         "iterations": ".0f", "by": "", "seconds": ".1f"}  # fmt: skip


def cases_of(task: str, arguments: argparse.Namespace) -> dict[str, Degraded]:
    """The damaged crops of a task by name."""
    names = {"hole": HOLED, "demosaic": COLOUR_PICTURES}.get(task, PICTURES)[: arguments.images]
    if task != "hole":
        return {name: damaged(task, _crop(name, arguments.size, task == "demosaic")) for name in names}
    return {f"{name} {seed}": _holed(name, seed, arguments.size) for name in names for seed in PLACES}


def _crop(name: str, size: int, in_colour: bool = False) -> torch.Tensor:
    crop = picture(SHARED / f"{name}.png", size)
    return crop if in_colour or crop.shape[1] == 1 else full_range_luma(crop)


def _holed(name: str, seed: int, size: int) -> Degraded:
    truth = picture(SHARED / f"{name}.png", size)
    height, width = truth.shape[-2:]
    generator = torch.Generator().manual_seed(seed)
    places = (
        torch.randint(EDGE, side - HOLE - EDGE + 1, (), generator=generator) for side in (height, width)
    )
    top, left = (int(place) for place in places)
    known = torch.ones(height, width, dtype=torch.bool)
    known[top : top + HOLE, left : left + HOLE] = False
    return degrade(truth, "inpaint", mask=known.numpy())


def _psnr(image: torch.Tensor, one: Degraded, task: str) -> float:
    if task != "hole":
        return psnr_of(image, one)
    known = problem_of(one).known_pixels()
    assert known is not None
    hole = known.expand_as(one.truth) < 0.5
    inside, true = (image.cpu().clamp(0, 1)[hole], one.truth[hole])
    return psnr(inside.view(1, 1, 1, -1), true.view(1, 1, 1, -1))


def _guides(one: Degraded, task: str) -> Figures:
    problem = problem_of(one)
    kinds = {"guide": DeepImagePrior.for_problem(problem).guide} | ({"tv": "tv"} if task == "hole" else {})
    made = {column: guide_image(kind, problem) for column, kind in kinds.items()}
    return {column: _psnr(image, one, task) for column, image in made.items() if image is not None}


def _run(one: Degraded, task: str, settings: dict[str, Any], name: str, save: Path | None) -> Figures:
    result = zeroshot.solve(
        one.measurement, one.task, "dip", settings=settings, progress=False, **one.options
    )
    if result.interrupted:
        raise KeyboardInterrupt
    if save is not None:
        save.mkdir(parents=True, exist_ok=True)
        shown = torch.cat([one.truth, one.measurement, result.image.cpu().clamp(0, 1)], dim=-1)
        images.save(
            images.load(shown.mul(255).round().byte()), save / f"{name.replace('/', '-')}.png", overwrite=True
        )
    return {
        "psnr": _psnr(result.image, one, task),
        "share": result.findings["network_share"],
        "iterations": result.iterations,
        "by_limit": float("reached the limit" in result.stopped_by),
        "seconds": result.seconds,
    }


def compare(task: str, arguments: argparse.Namespace) -> None:
    """Print guide and `dip` of every crop of a task, and how often `dip` is below its guide."""
    cases = cases_of(task, arguments)
    columns = ["guide", *(["before"] if arguments.before and task in BEFORE else []), "dip"]
    table = Table(
        "dip_guide", {"task": task, "size": arguments.size}, list(cases), columns, again=arguments.again
    )
    lines: list[list[Any]] = []
    limited = 0
    for name, one in cases.items():
        problem = problem_of(one)
        figures = {}
        for column in columns:
            settings = BEFORE[task] if column == "before" else {}
            if column == "guide":
                work = partial(_guides, one, task)
            else:
                work = partial(_run, one, task, settings, f"{name} {column}", arguments.save)
            prior = DeepImagePrior.for_problem(problem, **settings)
            figures[column] = table.measure(name, column, work, fingerprint(prior, problem))
        guide, dip = figures["guide"], figures["dip"]
        limited += int(dip["by_limit"])
        before = figures.get("before", {}).get("psnr")
        by = "limit" if dip["by_limit"] else "rule"
        gain = dip["psnr"] - guide["guide"]
        line: list[Any] = [name, guide["guide"], guide.get("tv"), before, dip["psnr"], gain, dip["share"]]
        lines.append([*line, dip["iterations"], by, dip["seconds"]])
        print(f"  {name}: guide {guide['guide']:.2f}, dip {dip['psnr']:.2f} dB", flush=True)
    numbers = [[*line[1:8], line[9]] for line in lines]
    mean = means(numbers)
    show(f"{task}, crops of {arguments.size}", HEADS, [*lines, ["mean", *mean[:7], None, mean[7]]])
    gains = [line[5] for line in lines]
    below = sum(gain < -0.02 for gain in gains)
    print(
        f"below the guide by more than 0.02 dB: {below} of {len(lines)}, the least {min(gains):+.2f}, on the mean "
        f"{statistics.mean(gains):+.2f}; ended by the limit: {limited} of {len(lines)}",
        flush=True,
    )


def main() -> None:
    options = parser(__doc__)
    add = options.add_argument
    add("--tasks", nargs="+", choices=TASKS, default=list(TASKS))
    add("--size", type=count, default=96, help="side of the centre crops (default 96)")
    add("--images", type=count, metavar="N", help="the first N pictures only")
    add("--before", action="store_true", help="also with what is held out lost, as it used to be")
    add("--save", type=Path, metavar="FOLDER", help="write truth, input and result side by side")
    add("--threads", type=count, help="CPU threads (default: all cores)")
    add("--again", action="store_true", help="measure anew what is on file")
    arguments = parsed(options)
    for task in arguments.tasks:
        compare(task, arguments)


if __name__ == "__main__":
    main()
