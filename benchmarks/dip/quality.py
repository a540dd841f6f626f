"""Deep Image Prior on whole images at its automatic stop, beside the figures of the papers.

The noise of `colour9` is not clipped to [0, 1]; Deep Image Prior's authors clip it, which makes it a little weaker.
"""

from __future__ import annotations

import argparse
from dataclasses import dataclass, field
from functools import partial
from typing import Any

from benchmarks.methods import quality
from benchmarks.published import INPAINTING, REPORTED
from benchmarks.sets import damaged, image_files, picture
from benchmarks.table import Figures, Table, means, show
from zeroshot.tasks.degrade import Degraded

from .cases import fast_prior, fingerprint, problem_of, solved


@dataclass(frozen=True)
class Published:
    """A published table: the set, how its images are damaged, and its means in dB."""

    folder: str
    damage: str
    figures: dict[str, float]
    options: dict[str, Any] = field(default_factory=dict)


TABLES = {
    "colour9": Published("colour9", "denoise", REPORTED["denoise", "colour9", 25]),
    "set5_x4": Published("set5", "sr", REPORTED["sr", "set5", 4]),
    "set5_x8": Published("set5", "sr", REPORTED["sr", "set5", 8], {"scale": 8}),
    "inpaint11": Published("inpaint11", "inpaint", {}),
}
HEADS = {
    "image": "",
    "first": ".2f",
    "PSNR": ".2f",
    "published": ".2f",
    "seconds": ".1f",
    "iterations": ".0f",
}


def compare_quality(arguments: argparse.Namespace) -> None:
    """Print PSNR and seconds of every image of every table, and the means."""
    for name in arguments.tables:
        _print_table(name, TABLES[name], arguments)


def _print_table(name: str, published: Published, arguments: argparse.Namespace) -> None:
    size, seconds = arguments.size, arguments.seconds
    files = image_files(published.folder, arguments.images)
    terms = {
        "table": name,
        "size": size,
        "seed": arguments.seed,
        "budget": seconds,
        "device": arguments.device,
    }
    table = Table("dip_published", terms, [path.stem for path in files], ["dip"], again=arguments.again)
    lines = []
    for path in files:
        one = damaged(published.damage, picture(path, size), **published.options)
        row = _figures(table, path.stem, one, arguments)
        figure = INPAINTING[path.stem][1] if published.damage == "inpaint" else None
        lines.append([path.stem, row["first"], row["psnr"], figure, row["seconds"], row["iterations"]])
        print(f"  {path.stem}: {row['psnr']:.2f} dB, {row['seconds']:.1f} s", flush=True)
    mean = means([line[1:] for line in lines])
    if size is None and len(lines) == len(image_files(published.folder)) and "dip" in published.figures:
        mean[2] = published.figures["dip"]
    region = "whole images" if size is None else f"centre crops of {size}, as no paper has it"
    budget = "the automatic stop" if seconds is None else f"at most {seconds:g} s"
    title = f"{name}: {published.damage}, {region}, seed {arguments.seed}, {budget}"
    show(title, HEADS, [*lines, ["mean", *mean]])
    if published.damage == "inpaint":
        reached = sum(line[2] >= line[3] for line in lines)
        print(f"at least its published figure: {reached} of {len(lines)} images", flush=True)
    else:
        papers = "; ".join(f"{method} {figure:.2f}" for method, figure in published.figures.items())
        print(f"papers, the whole set: {papers}", flush=True)


def _figures(table: Table, name: str, one: Degraded, arguments: argparse.Namespace) -> Figures:
    problem = problem_of(one)
    prior = fast_prior(problem, arguments)
    if arguments.seconds is not None:
        prior = prior.within(arguments.seconds)
    return table.measure(name, "dip", partial(_run, one, arguments), fingerprint(prior, problem))


def _run(one: Degraded, arguments: argparse.Namespace) -> Figures:
    first = quality(problem_of(one).initial(), one)["psnr"]
    result = solved(one, arguments, seconds=arguments.seconds)
    return {
        "first": first,
        "psnr": quality(result.image.clamp(0, 1), one)["psnr"],
        "iterations": result.iterations,
        "seconds": result.seconds,
    }
