"""Sharpening of soft pictures: PSNR before and after, the radius found, and what it does to pictures that are sharp.

Crops are blurred with Gaussians and noise is added. What the task makes of them, told nothing, is compared with the
truth, prior by prior. The second table has the change of sharp pictures, root mean square in grey levels.

    python -m benchmarks.sharpening [--priors wiener,tv] [--images 6] [--size 256]
    python -m benchmarks.sharpening --sharp 12
"""

from __future__ import annotations

import time
import warnings
from pathlib import Path
from typing import Any

import zeroshot
from zeroshot.inspection.blur import edge_radius
from zeroshot.metrics import psnr
from zeroshot.noise import estimate_sigma
from zeroshot.tasks import task_named
from zeroshot.tasks.degrade import degrade

from .arguments import parsed, parser
from .sets import image_files, picture
from .table import means, show

#: The radii of the blur in pixels and the noise in grey levels.
DAMAGES = ((0.6, 1.0), (0.8, 1.0), (1.0, 2.0), (1.2, 3.0), (1.5, 1.0))


def _spread(files: list[Path], count: int) -> list[Path]:
    """As many files at equal distances."""
    count = min(count, len(files))
    return [files[place * len(files) // count] for place in range(count)]


def sharpened(image: Any, prior: str) -> tuple[Any, float]:
    """The sharpened picture, (1, C, H, W), and the seconds of processor time."""
    began = time.process_time()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        result = zeroshot.solve(image, "sharpen", prior, progress=False)
    return result.picture.colours, time.process_time() - began


def soft(priors: list[str], count: int, size: int) -> None:
    """Print the table of pictures that were blurred: means over the pictures, a line for every damage."""
    files = [*_spread(image_files("kodak_500"), count), *image_files("colour9")]
    lines = []
    for radius, noise in DAMAGES:
        rows = []
        for file in files:
            truth = picture(file, size)
            y = degrade(truth, "sharpen", radius=radius, sigma=noise / 255, quantise="8-bit").measurement
            row: list[Any] = [edge_radius(y[0], estimate_sigma(y)) or 0.0, psnr(y, truth)]
            for prior in priors:
                image, seconds = sharpened(y, prior)
                row += [psnr(image, truth), seconds]
            rows.append(row)
        lines.append([f"radius {radius:g}, noise {noise:g}", *means(rows)])
        print(lines[-1], flush=True)
    heads = {"": "", "radius": ".2f", "input": ".2f"}
    for prior in priors:
        heads |= {prior: ".2f", f"s {prior}": ".1f"}
    show(f"sharpening, {len(files)} pictures of Kodak and colour9, PSNR in dB", heads, lines)


def sharp(count: int, prior: str) -> None:
    """Print how much the task changes pictures that are sharp."""
    lines: list[list[Any]] = []
    for file in _spread(image_files("kodak_500"), count):
        truth = picture(file)
        radius = edge_radius(truth[0], estimate_sigma(truth)) or 0.0
        image, _ = sharpened(truth, prior)
        lines.append([file.stem, radius, 255 * float((image - truth).square().mean().sqrt())])
    show(
        "sharp pictures of Kodak: the change, RMS in grey levels",
        {"": "", "radius": ".2f", "change": ".3f"},
        lines,
    )


def main() -> None:
    """Print one of the tables."""
    options = parser(__doc__)
    default = task_named("sharpen").prior
    options.add_argument("--priors", default=default, help=f"comma-separated (default: {default})")
    options.add_argument("--images", type=int, default=6, help="how many of Kodak")
    options.add_argument("--size", type=int, default=256, help="of the crops")
    options.add_argument(
        "--sharp", type=int, help="how many sharp pictures of Kodak to try in place of soft ones"
    )
    options.add_argument("--threads", type=int, help="CPU threads (default: all cores)")
    arguments = parsed(options)
    if arguments.sharp is not None:
        sharp(arguments.sharp, arguments.priors.split(",")[0])
    else:
        soft(arguments.priors.split(","), arguments.images, arguments.size)


if __name__ == "__main__":
    main()
