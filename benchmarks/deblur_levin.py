"""Deblurring of the pictures of Levin et al. with their known kernels: PSNR after alignment.

The pictures were taken by a shaken camera, so that there is noise of an unknown level, nothing is known of
the scene beyond the border, and the sharp pictures, taken separately, are shifted by up to a few pixels. As
in the evaluation that came with the pictures, the restored one is moved by up to 5 pixels in steps of a quarter,
where that makes it fit best, and 15 pixels are left out at every side. The default noise level was chosen on
four of the pictures, one for each sharp picture and kernel: 1.5 of 255, against 2.5 and 4.

    python -m benchmarks.deblur_levin [--denoiser bm3d] [--scheme hqs] [--sigma 1.5] [--images 1 2 3 4]

References
----------
A. Levin, Y. Weiss, F. Durand, W. T. Freeman: Understanding and evaluating blind deconvolution algorithms,
CVPR 2009.
"""

from __future__ import annotations

import statistics
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from torch.nn import functional

from zeroshot.images import load, save
from zeroshot.loop import Loop
from zeroshot.metrics import psnr
from zeroshot.operators import Blur
from zeroshot.prior import Prior
from zeroshot.priors.plug_and_play.pnp import PlugAndPlay
from zeroshot.problem import Problem

from .arguments import parser
from .sets import SHARED

LEVIN = SHARED / "levin"
#: Pixels left out at every side, and the largest shift.
BORDER, LARGEST_SHIFT = 15, 5


def problems(
    images: list[int], kernels: list[int], sigma: float, boundary: str
) -> Iterator[tuple[str, Problem, torch.Tensor]]:
    """Name, problem and sharp picture, (1, 1, 255, 255), of every image blurred by every kernel."""
    weights = np.load(LEVIN / "kernels_1-4_float.npz")
    names = sorted(weights.files)
    for image in images:
        truth = load(LEVIN / "gt" / f"im{image}.png").colours[:, :1]
        for kernel in kernels:
            blurred = load(LEVIN / "blurred" / f"im{image}_kernel{kernel}_img.png").colours[:, :1]
            operator = Blur(weights[names[kernel - 1]], boundary)
            problem = Problem(blurred, operator, sigma=sigma, task="deblur")
            yield f"im{image} kernel{kernel}", problem, truth


def aligned_psnr(image: torch.Tensor, truth: torch.Tensor) -> tuple[float, tuple[float, float]]:
    """The best PSNR over the shifts, after cutting a restored margin off, and the shift (down, right)."""
    margin = [(image.shape[axis] - truth.shape[axis]) // 2 for axis in (-2, -1)]
    height, width = truth.shape[-2:]
    image = image[..., margin[0] : margin[0] + height, margin[1] : margin[1] + width]

    def quality(shift: tuple[float, float]) -> float:
        return psnr(shifted(image, *shift), truth, border=BORDER)

    whole = range(-LARGEST_SHIFT, LARGEST_SHIFT + 1)
    coarse = max(((float(i), float(j)) for i in whole for j in whole), key=quality)
    quarters = [step / 4 for step in range(-4, 5)]
    fine = max(((coarse[0] + i, coarse[1] + j) for i in quarters for j in quarters), key=quality)
    return quality(fine), fine


def shifted(image: torch.Tensor, down: float, right: float) -> torch.Tensor:
    """The image moved by a fraction of a pixel, by bicubic interpolation."""
    height, width = image.shape[-2:]
    rows = (torch.arange(height) - down) / (height - 1) * 2 - 1
    columns = (torch.arange(width) - right) / (width - 1) * 2 - 1
    grid = torch.stack(torch.meshgrid(columns, rows, indexing="xy"), dim=-1)[None]
    return functional.grid_sample(image, grid, "bicubic", "border", align_corners=True)


def restored(problem: Problem, prior: Prior) -> torch.Tensor:
    """The image at the end of the prior's run."""
    return Loop(problem, prior, generator=torch.Generator().manual_seed(0)).complete().result()


def main() -> None:
    """Print a line per picture, and the mean PSNR."""
    options = parser(__doc__)
    add = options.add_argument
    add("--denoiser", default="bm3d", help="the name of a registered denoiser")
    add("--scheme", default="hqs", choices=("hqs", "admm", "red"))
    add("--sigma", type=float, default=1.5, help="noise level in grey levels of 255")
    add("--boundary", default="valid", choices=("valid", "replicate", "reflect", "circular"))
    add("--images", type=int, nargs="+", default=[1, 2, 3, 4])
    add("--kernels", type=int, nargs="+", default=[1, 2, 3, 4])
    add("--output", type=Path, help="a folder for the restored pictures")
    arguments = options.parse_args()
    values = []
    for name, problem, truth in problems(
        arguments.images, arguments.kernels, arguments.sigma / 255, arguments.boundary
    ):
        prior = PlugAndPlay.for_problem(problem, denoiser=arguments.denoiser, scheme=arguments.scheme)
        began = time.perf_counter()
        image = restored(problem, prior)
        seconds = time.perf_counter() - began
        value, (down, right) = aligned_psnr(image, truth)
        before, _ = aligned_psnr(problem.y, truth)
        values.append(value)
        print(
            f"{name}: {before:.2f} → {value:.2f} dB, shift {down:+.2f} {right:+.2f}, {seconds:.1f} s",
            flush=True,
        )
        if arguments.output is not None:
            arguments.output.mkdir(parents=True, exist_ok=True)
            file = arguments.output / f"{name.replace(' ', '_')}.png"
            save(load(image.clamp(0, 1)[0]), file, overwrite=True)
    print(f"mean of {len(values)}: {statistics.mean(values):.2f} dB")


if __name__ == "__main__":
    main()
