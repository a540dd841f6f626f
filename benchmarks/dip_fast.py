"""The fast recipe over the shared sets: quality at its best and where it stops, and how long that takes.

For each task and image, a centre crop is damaged with a fixed seed and restored by Deep Image Prior with its
default recipe. Prints the PSNR of the operator's first estimate, the best of the run, that of the image which
the stopping rule returns, iterations and seconds; then the means::

    python benchmarks/dip_fast.py --tasks denoise sr --size 256 --set channels=64

``denoise`` and ``poisson`` use colour9 (RGB), ``inpaint`` inpaint11 (grey, half of the pixels), ``sr`` Set5 ×4
(RGB), ``demosaic`` Kodak, ``deblur`` Set12 (grey, Gaussian blur of 1.6 pixels, noise of 2 grey levels).
"""

from __future__ import annotations

import argparse
import ast
from pathlib import Path
from typing import Any

import torch

import zeroshot
from zeroshot.images import load
from zeroshot.metrics import psnr
from zeroshot.noise import add_gaussian, add_poisson, random_mask
from zeroshot.operators import Blur, Downsample, Mosaic
from zeroshot.prior import Estimate, Run
from zeroshot.tasks import make_problem

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
SETS = {
    "denoise": ("colour9", ["f16", "peppers", "kodim03", "baboon", "house"]),
    "poisson": ("colour9", ["f16", "peppers", "kodim03", "baboon", "house"]),
    "inpaint": ("inpaint11", ["barbara", "boat", "house", "montage", "man"]),
    "sr": ("set5/hr_x4", ["baby", "bird", "butterfly", "head", "woman"]),
    "demosaic": ("kodak_500", ["kodim05", "kodim07", "kodim13", "kodim19", "kodim23"]),
    "deblur": ("set12", ["cameraman", "house", "monarch", "parrot", "starfish"]),
}
Damaged = tuple[str, torch.Tensor, dict[str, Any]]


def damage(task: str, clean: torch.Tensor, sigma: float) -> Damaged:
    """The task's name in the engine, the damaged image, and the task's options."""
    generator = torch.Generator().manual_seed(0)
    if task == "denoise":
        return task, add_gaussian(clean, sigma, generator), {"sigma": sigma}
    if task == "poisson":
        return "denoise", add_poisson(clean, 60.0, generator), {"data_term": "poisson", "peak": 60.0}
    if task == "inpaint":
        mask = random_mask(tuple(clean.shape), 0.5, generator)
        return task, clean * mask, {"mask": mask}
    if task == "sr":
        small = Downsample(4)(clean).mul(255).round().clamp(0, 255) / 255
        return task, small, {"scale": 4}
    if task == "demosaic":
        return task, Mosaic("RGGB")(clean), {"pattern": "RGGB"}
    blur = Blur.gaussian(1.6)
    return "deblur", add_gaussian(blur(clean), 2 / 255, generator), {"kernel": blur.kernel, "sigma": 2 / 255}


def centre_crop(path: Path, size: int) -> torch.Tensor:
    """The centre of an image, its sides multiples of 4 and at most `size`."""
    colours = load(path).colours
    height, width = (min(size, side) // 4 * 4 for side in colours.shape[-2:])
    top, left = (colours.shape[-2] - height) // 2, (colours.shape[-1] - width) // 2
    return colours[..., top : top + height, left : left + width].contiguous()


def measure(path: Path, task: str, arguments: argparse.Namespace) -> list[float]:
    clean = centre_crop(path, arguments.size)
    name, damaged, options = damage(task, clean, arguments.sigma / 255)
    problem, _, _ = make_problem(name, load(damaged), dict(options))
    best = [0.0, 0]

    def watch(estimate: Estimate, run: Run) -> None:
        value = psnr(estimate.image, clean)
        if value > best[0]:
            best[:] = [value, estimate.iteration]

    result = zeroshot.solve(
        damaged,
        name,
        arguments.prior,
        settings=dict(arguments.settings),
        seed=arguments.seed,
        seconds=arguments.seconds,
        callbacks=[watch],
        **options,
    )
    returned = psnr(result.image.clamp(0, 1), clean)
    return [psnr(problem.initial(), clean), *best, returned, result.iterations, result.seconds]


def setting(text: str) -> tuple[str, Any]:
    name, _, value = text.partition("=")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--tasks", nargs="+", choices=list(SETS), default=list(SETS))
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--sigma", type=float, default=25.0, help="noise of `denoise` in 8-bit grey levels")
    parser.add_argument("--images", type=int, default=5, help="how many images a task")
    parser.add_argument("--prior", default="dip")
    parser.add_argument("--set", dest="settings", action="append", type=setting, default=[])
    parser.add_argument("--seconds", type=float)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    heads = ("first", "best", "at", "returned", "iterations", "seconds")
    print(f"{'task':<9} {'image':<11}" + "".join(f"{head:>11}" for head in heads))
    for task in arguments.tasks:
        folder, names = SETS[task]
        rows = []
        for name in names[: arguments.images]:
            rows.append(measure(SHARED / folder / f"{name}.png", task, arguments))
            print(f"{task:<9} {name:<11}" + "".join(f"{value:>11.2f}" for value in rows[-1]), flush=True)
        means = [sum(column) / len(rows) for column in zip(*rows, strict=True)]
        print(f"{task:<9} {'mean':<11}" + "".join(f"{value:>11.2f}" for value in means), flush=True)


if __name__ == "__main__":
    main()
