"""Deblurring of the pictures of Levin et al. with their known kernels: PSNR after alignment, prior by prior.

The pictures were taken by a shaken camera, so that there is noise of an unknown level, the kernel is right to a tenth
or so, nothing is known of the scene beyond the border, and the sharp pictures, taken separately, are shifted by up to
a few pixels. As in the evaluation that came with the pictures, the restored one is moved by up to 5 pixels in steps
of a quarter, where that makes it fit best, and 15 pixels are left out at every side. Every prior is told the kernel
and nothing else, unless --sigma or --boundary say more. Beside each PSNR stand the seconds of processor time.

    python -m benchmarks.deblur_levin [--priors default,tv,pnp] [--images 1 2 3 4] [--kernels 1 2 3 4]
    python -m benchmarks.deblur_levin --priors 'pnp[denoiser=dct]' --sigma 1.5 --boundary reflect

References
----------
A. Levin, Y. Weiss, F. Durand, W. T. Freeman: Understanding and evaluating blind deconvolution algorithms,
CVPR 2009.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.nn import functional

import zeroshot
from zeroshot.compare.methods.priors import PriorMethod
from zeroshot.compare.specification import method_from, split
from zeroshot.images import load, save
from zeroshot.metrics import psnr
from zeroshot.tasks import task_named

from .arguments import parsed, parser
from .sets import SHARED
from .table import means, show

LEVIN = SHARED / "levin"
#: Pixels left out at every side, and the largest shift.
BORDER, LARGEST_SHIFT = 15, 5
#: The word for the prior that the command takes where none is named.
DEFAULT = "default"


def pictures(
    images: list[int], kernels: list[int]
) -> Iterator[tuple[str, np.ndarray, np.ndarray, torch.Tensor]]:
    """Name, blurred picture, kernel and sharp picture, (1, 1, 255, 255), of every image blurred by every kernel."""
    weights = np.load(LEVIN / "kernels_1-4_float.npz")
    names = sorted(weights.files)
    for image in images:
        truth = load(LEVIN / "gt" / f"im{image}.png").colours[:, :1]
        for kernel in kernels:
            blurred = load(LEVIN / "blurred" / f"im{image}_kernel{kernel}_img.png").pixels(torch.uint8)
            yield f"im{image} kernel{kernel}", blurred, weights[names[kernel - 1]], truth


def aligned_psnr(image: torch.Tensor, truth: torch.Tensor) -> tuple[float, tuple[float, float]]:
    """The best PSNR over the shifts, after cutting a restored margin off, and the shift (down, right)."""
    margin = [(image.shape[axis] - truth.shape[axis]) // 2 for axis in (-2, -1)]
    height, width = truth.shape[-2:]
    image = image[..., margin[0] : margin[0] + height, margin[1] : margin[1] + width].clamp(0, 1)

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


def restored(blurred: np.ndarray, prior: str, **options: Any) -> tuple[torch.Tensor, float]:
    """The restored picture, (1, 1, H, W), and the seconds of processor time, reading and estimating included."""
    method = method_from(prior)
    if not isinstance(method, PriorMethod):
        raise SystemExit(f"{prior} is no prior")
    began = time.process_time()
    result = zeroshot.solve(
        blurred, "deblur", method.prior, settings=method.settings, progress=False, **options
    )
    return result.picture.colours, time.process_time() - began


def main() -> None:
    """Print a line per picture, with the PSNR and the seconds of each prior, and the means."""
    options = parser(__doc__)
    add = options.add_argument
    default = task_named("deblur").prior
    add("--priors", default=f"{DEFAULT},tv,pnp", help=f"comma-separated; {DEFAULT!r} is {default}")
    add("--sigma", type=float, help="noise level in grey levels of 255 (default: estimated)")
    add("--boundary", help="as for 'zeroshot deblur' (default: that of the command)")
    add("--images", type=int, nargs="+", default=[1, 2, 3, 4])
    add("--kernels", type=int, nargs="+", default=[1, 2, 3, 4])
    add("--threads", type=int, help="CPU threads (default: all cores)")
    add("--output", type=Path, help="a folder for the restored pictures")
    arguments = parsed(options)
    told = {
        "sigma": None if arguments.sigma is None else arguments.sigma / 255,
        "boundary": arguments.boundary,
    }
    given = {name: value for name, value in told.items() if value is not None}
    priors = split(arguments.priors)
    lines = []
    for name, blurred, kernel, truth in pictures(arguments.images, arguments.kernels):
        line: list[Any] = [name, aligned_psnr(load(blurred).colours, truth)[0]]
        for prior in priors:
            image, seconds = restored(blurred, default if prior == DEFAULT else prior, kernel=kernel, **given)
            line += [aligned_psnr(image, truth)[0], seconds]
            if arguments.output is not None:
                arguments.output.mkdir(parents=True, exist_ok=True)
                file = arguments.output / f"{name.replace(' ', '_')}_{prior}.png"
                save(load(image.clamp(0, 1)[0]), file, overwrite=True)
        lines.append(line)
        print(*(part if isinstance(part, str) else f"{part:.2f}" for part in line), flush=True)
    heads = {"": "", "input": ".2f"}
    for prior in priors:
        heads |= {prior: ".2f", f"s {prior}": ".1f"}
    lines.append(["mean", *means([line[1:] for line in lines])])
    show(f"deblurring, Levin et al., {len(lines) - 1} pictures, PSNR in dB", heads, lines)


if __name__ == "__main__":
    main()
