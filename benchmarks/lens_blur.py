"""A lens that is soft in the corners: kernels on a grid beside one kernel for the whole picture.

    python -m benchmarks.lens_blur                              # two Kodak pictures, pnp, tv and richardson_lucy
    python -m benchmarks.lens_blur --images 4 --size 256 --priors tv

Gaussians widen from 0.5 pixels in the centre to 3 in the corners, on a grid of 5 × 5; the noise is 1 %. One kernel for
all is tried as the one that ``auto=lens`` finds, as the mean of the grid, and as that Gaussian which restores the
picture best; that needs the truth, and is the most that one kernel could do. The gain is that over the best of the
three. PSNR in dB; seconds of the processor.
"""

from __future__ import annotations

import time
import warnings
from typing import Any

import numpy as np

import zeroshot
from zeroshot.metrics import psnr
from zeroshot.operators import Blur
from zeroshot.tasks.degrade import Degraded, degrade

from .arguments import add_table_options, parsed, parser
from .sets import image_files, picture
from .table import means, show

SIGMA = 0.01
CENTRE, CORNER, GRID = 0.5, 3.0, 5
#: Of the one Gaussian.
WIDTHS = (0.8, 1.2, 1.6, 2.0)


def lens() -> np.ndarray:
    """The kernels (rows, columns, h, w)."""
    reach = 4 * round(CORNER)
    squared = np.arange(-reach, reach + 1) ** 2
    places = np.linspace(-1, 1, GRID)
    return np.array(
        [
            [
                np.exp(
                    -(squared[:, None] + squared)
                    / (2 * (CENTRE + (CORNER - CENTRE) * (r * r + c * c) / 2) ** 2)
                )
                for c in places
            ]
            for r in places
        ]
    )


def restored(one: Degraded, prior: str, kernel: Any) -> tuple[float, float]:
    """PSNR, and seconds."""
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        result = zeroshot.solve(
            one.measurement, "deblur", prior, kernel=kernel, sigma=SIGMA, boundary="reflect", progress=False
        )
    return psnr(result.image, one.truth), time.process_time() - began


def main() -> None:
    options = parser(__doc__)
    add_table_options(options, "pnp,tv,richardson_lucy", size=384)
    arguments = parsed(options)
    grid = lens()
    mean = (grid / grid.sum(axis=(2, 3), keepdims=True)).mean(axis=(0, 1))
    heads = {"prior": "", "picture": "", "input": ".2f", "found": ".2f", "mean kernel": ".2f"}
    heads |= {"best Gaussian": ".2f"}
    heads |= {"grid": ".2f", "gain": ".2f", "seconds": ".1f", "of one kernel": ".1f"}
    lines: list[list[Any]] = []
    for prior in arguments.priors:
        found = []
        for file in image_files("kodak_500", arguments.images or 2):
            truth = picture(file, arguments.size)
            one = degrade(truth, "deblur", kernel=grid, sigma=SIGMA, seed=0)
            by_found, _ = restored(one, prior, "auto=lens")
            by_mean, seconds_of_one = restored(one, prior, mean)
            by_one = max(restored(one, prior, Blur.gaussian(width).kernel.numpy())[0] for width in WIDTHS)
            by_grid, seconds = restored(one, prior, grid)
            one_kernel = [by_found, by_mean, by_one]
            figures = [psnr(one.measurement.clamp(0, 1), truth), *one_kernel, by_grid]
            found.append([*figures, by_grid - max(one_kernel), seconds, seconds_of_one])
            lines.append([prior, file.stem, *found[-1]])
            print("  ", lines[-1], flush=True)
        lines.append([prior, "mean", *means(found)])
    show(f"lens blur, crops of {arguments.size}, noise of {SIGMA:.0%}", heads, lines)


if __name__ == "__main__":
    main()
