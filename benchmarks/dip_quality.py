"""Deep Image Prior on whole images at its automatic stop, beside the figures of the papers.

The noise of `colour9` is not clipped to [0, 1]; Deep Image Prior's authors clip it, which makes it a little weaker.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
from damages import Case, centre_crop, image_files
from dip_cases import damage, eight_bit, fast_prior, fast_settings, fingerprint, problem_of, whole
from dip_records import Records
from published import INPAINTING, REPORTED

import zeroshot
from zeroshot.metrics import psnr, psnr_y
from zeroshot.operators import Downsample


@dataclass(frozen=True)
class Table:
    """A published table: the set, how its images are damaged, how it measures, and its means in dB."""

    folder: str
    task: str
    figures: dict[str, float]
    quality: Callable[[torch.Tensor, torch.Tensor], float] = psnr
    scale: int = 4


TABLES = {
    "colour9": Table("colour9", "denoise", REPORTED["denoise", "colour9", 25]),
    "set5_x4": Table("set5", "sr", REPORTED["sr", "set5", 4], partial(psnr_y, border=4, quantise="8-bit")),
    "set5_x8": Table(
        "set5", "sr", REPORTED["sr", "set5", 8], partial(psnr_y, border=8, quantise="8-bit"), scale=8
    ),
    "inpaint11": Table("inpaint11", "inpaint", {}),
}
KEYS = ("set", "image", "size", "seed", "budget", "settings")
VALUES = ("first", "psnr", "seconds", "iterations", "stopped_by")


def compare_quality(arguments: argparse.Namespace) -> None:
    """Print PSNR and seconds of every image of every table, and the means."""
    records = Records("dip_published", KEYS, VALUES, arguments.anew)
    for name in arguments.tables:
        _print_table(name, TABLES[name], records, arguments)


def _print_table(name: str, table: Table, records: Records, arguments: argparse.Namespace) -> None:
    size = (
        "whole images" if arguments.size is None else f"centre crops of {arguments.size}, as no paper has it"
    )
    budget = "the automatic stop" if arguments.seconds is None else f"at most {arguments.seconds:g} s"
    print(f"\n{name}: {table.task}, {size}, seed {arguments.seed}, {budget}")
    print(
        f"{'image':<14}{'first':>8}{'PSNR':>8}{'published':>11}{'seconds':>9}{'iterations':>12}", flush=True
    )
    rows = []
    for path in image_files(table.folder)[: arguments.images]:
        one = _case(table, path, arguments.size)
        first, value, seconds, iterations = _figures(name, table, one, records, arguments)
        published = INPAINTING[one.name][1] if table.task == "inpaint" else None
        rows.append((first, value, seconds, iterations, published))
        _print_line(one.name, *rows[-1])
    means = [statistics.mean(column) for column in list(zip(*rows, strict=True))[:4]]
    if table.task == "inpaint":
        _print_line("mean", *means, statistics.mean(row[4] for row in rows))
        print(f"at least its published figure: {sum(row[1] >= row[4] for row in rows)} of {len(rows)} images")
        return
    is_whole_set = arguments.size is None and len(rows) == len(image_files(table.folder))
    _print_line("mean", *means, table.figures["dip"] if is_whole_set else None)
    print("papers, the whole set: " + "; ".join(f"{name} {mean:.2f}" for name, mean in table.figures.items()))


def _case(table: Table, path: object, size: int | None) -> Case:
    one = whole(table.task, path, table.scale)  # type: ignore[arg-type]
    if size is None:
        return one
    clean = centre_crop(one.clean, size // table.scale * table.scale)
    if table.task == "sr":
        clean = clean[..., : clean.shape[-2] // 8 * 8, : clean.shape[-1] // 8 * 8].contiguous()
        small = eight_bit(Downsample(table.scale)(clean))
        return Case(one.name, clean, small, "sr", {"scale": table.scale})
    task, damaged, options = damage(table.task, clean, 25 / 255)
    return Case(one.name, clean, damaged, task, options)


def _figures(
    name: str, table: Table, one: Case, records: Records, arguments: argparse.Namespace
) -> tuple[float, ...]:
    """First PSNR, PSNR at the stop, seconds and iterations: from the file, else measured now."""
    problem = problem_of(one)
    prior = fast_prior(problem, arguments)
    if arguments.seconds is not None:
        prior = prior.within(arguments.seconds)
    chosen = fingerprint(prior, prior.default_stopping(problem), arguments.device, torch.get_num_threads())
    key = (name, one.name, arguments.size, arguments.seed, arguments.seconds, chosen)
    row = records.get(*key)
    if row is None:
        began = time.perf_counter()
        result = zeroshot.solve(
            one.damaged,
            one.task,
            "dip",
            settings=fast_settings(problem, arguments),
            seconds=arguments.seconds,
            seed=arguments.seed,
            device=arguments.device,
            progress=False,
            **one.options,
        )
        seconds = time.perf_counter() - began
        if result.interrupted:
            raise KeyboardInterrupt
        first, value = (table.quality(x.clamp(0, 1), one.clean) for x in (problem.initial(), result.image))
        row = records.add(key, (first, value, seconds, result.iterations, result.stopped_by))
    return tuple(float(text) for text in row[:4])


def _print_line(
    name: str, first: float, value: float, seconds: float, iterations: float, published: float | None
) -> None:
    shown = "" if published is None else f"{published:.2f}"
    print(f"{name:<14}{first:>8.2f}{value:>8.2f}{shown:>11}{seconds:>9.1f}{iterations:>12.0f}", flush=True)
