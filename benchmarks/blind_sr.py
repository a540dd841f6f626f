"""Super-resolution of pictures that came about by unknown kernels: bicubic assumed, kernel estimated, kernel known.

The kernels are those of DIV2KRK: Gaussians whose variances along two axes at any angle are drawn between 0.175 s and
2.5 s pixels² of the large image, s the scale, each weight times 1 ± 0.25 at random, from a fixed seed. The pictures
are the centres of Set5 and of every second one of Kodak's. Each line is a picture under a kernel: the PSNR of the luma
in dB without a border of s pixels, and the seconds of the run with the estimate. At the end come the means, and the
share of what the wrong kernel costs that the estimate makes up. With --bicubic the pictures are made by bicubic
shrinking, and what is measured is what the estimate costs where none is needed.

    python -m benchmarks.blind_sr [--scale 2 4] [--kernels 8] [--prior tv] [--size 256]
    python -m benchmarks.blind_sr --bicubic
    python -m benchmarks.blind_sr --sets mcmaster cbsd68 --images 4 --kernels 2

References
----------
S. Bell-Kligler, A. Shocher, M. Irani: Blind super-resolution kernel estimation using an internal-GAN, NeurIPS 2019, for
the kernels.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path

import numpy as np
import torch

import zeroshot
from zeroshot.compare.methods.priors import PriorMethod
from zeroshot.compare.specification import method_from
from zeroshot.kernels.downsampling import gaussian_kernel
from zeroshot.metrics import psnr_y
from zeroshot.tasks import task_named

from .arguments import count, parsed, parser
from .sets import damaged, image_files, picture
from .table import Figures, Table, means, show

MULTIPLICATIVE = 0.25
WAYS = ("bicubic", "estimated", "known")


def kernels(scale: int, number: int) -> Iterator[np.ndarray]:
    """The first kernels of the recipe at a scale."""
    generator = np.random.default_rng(scale)
    for _ in range(number):
        variances, angle = generator.uniform(0.175 * scale, 2.5 * scale, 2), generator.uniform(0, math.pi)
        turn = np.array([[math.cos(angle), -math.sin(angle)], [math.sin(angle), math.cos(angle)]])
        weights = gaussian_kernel(turn * variances @ turn.T, scale)
        weights = weights * generator.uniform(1 - MULTIPLICATIVE, 1 + MULTIPLICATIVE, weights.shape)
        yield weights / weights.sum()


def pictures(folders: list[str], number: int | None) -> list[Path]:
    """The files of the sets; of Kodak's six."""
    files = []
    for folder in folders:
        chosen = image_files(folder)
        files += (chosen[::2] if folder == "kodak_full" else chosen)[:number]
    return files


def enlarged(
    small: torch.Tensor, truth: torch.Tensor, scale: int, kernel: str | np.ndarray, method: PriorMethod
) -> Figures:
    """The PSNR of a restoration, and its seconds."""
    began = time.perf_counter()
    result = zeroshot.solve(
        small, "sr", method.prior, settings=method.settings, progress=False, scale=scale, kernel=kernel
    )
    seconds = time.perf_counter() - began
    return {"psnr": psnr_y(result.picture.colours.clamp(0, 1), truth, border=scale), "seconds": seconds}


def main() -> None:
    """Print a line per picture and kernel, and the means of each scale."""
    options = parser(__doc__)
    add = options.add_argument
    add("--scale", type=int, nargs="+", default=[2, 4])
    add("--sets", nargs="+", default=["set5", "kodak_full"])
    add("--images", type=count, metavar="N", help="the first N images of each set only")
    add("--kernels", type=count, default=8, metavar="N", help="how many (default 8)")
    default = task_named("sr").prior
    add("--bicubic", action="store_true", help="pictures that were made by bicubic shrinking")
    add("--prior", default="tv", help=f"as for 'zeroshot sr' (default tv; that of the command is {default})")
    add("--size", type=count, default=256, metavar="PIXELS", help="side of the centre crop (default 256)")
    add("--threads", type=count, help="CPU threads (default: all cores)")
    add("--again", action="store_true", help="measure anew what is on file")
    arguments = parsed(options)
    method = method_from(arguments.prior)
    if not isinstance(method, PriorMethod):
        raise SystemExit(f"{arguments.prior} is no prior")
    files = pictures(arguments.sets, arguments.images)
    for scale in arguments.scale:
        each: list[str | np.ndarray] = (
            ["bicubic"] if arguments.bicubic else list(kernels(scale, arguments.kernels))
        )
        ways = WAYS[:2] if arguments.bicubic else WAYS
        rows = [f"{file.stem} {index + 1}" for file in files for index in range(len(each))]
        terms = {"scale": scale, "size": arguments.size, "prior": arguments.prior}
        if arguments.bicubic:
            terms["true"] = "bicubic"
        table = Table("blind_sr", terms, rows, ways, again=arguments.again)
        lines = []
        for file in files:
            truth = picture(file, arguments.size)
            for index, kernel in enumerate(each):
                small = damaged("sr", truth, scale=scale, kernel=kernel).measurement
                row = f"{file.stem} {index + 1}"
                told = {"bicubic": "bicubic", "estimated": "auto", "known": kernel}
                figures = {
                    way: table.measure(row, way, partial(enlarged, small, truth, scale, told[way], method))
                    for way in ways
                }
                line = [figures[way]["psnr"] for way in ways] + [figures["estimated"]["seconds"]]
                lines.append([row, *line])
                print(f"×{scale}", row, *(f"{figure:.2f}" for figure in line), flush=True)
        mean = means(line[1:] for line in lines)
        heads = {"": "", **dict.fromkeys(ways, ".2f"), "s estimated": ".1f"}
        show(f"×{scale}, {arguments.prior}", heads, [*lines, ["mean", *mean]])
        wrong, estimated, *known = (figure or 0.0 for figure in mean[:-1])
        if known:
            print(f"share of the loss made up: {(estimated - wrong) / (known[0] - wrong):.2f}", flush=True)
        else:
            print(f"the estimate costs {wrong - estimated:.2f} dB", flush=True)


if __name__ == "__main__":
    main()
