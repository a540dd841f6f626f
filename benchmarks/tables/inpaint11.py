"""Inpainting of eleven grey images with every second pixel missing at random: PSNR, image by image.

    python -m benchmarks.tables.inpaint11
    python -m benchmarks.tables.inpaint11 --priors gsr,wnnm --images 3

The mask has seed 0. Published are Deep Image Prior and convolutional sparse coding ("csc"), whose masks were
others of the same share.
"""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from pathlib import Path

from benchmarks.damages import centre_crop, image_files
from benchmarks.published import INPAINTING
from zeroshot.compare.method import Method
from zeroshot.compare.specification import method_from
from zeroshot.degradation import degrade
from zeroshot.images import load
from zeroshot.metrics import psnr, ssim

from .finished_rows import (
    Column,
    FinishedRows,
    measure_all,
    parse_table_arguments,
    part_of_set,
    print_table,
    table_parser,
)
from .methods import restored

MISSING = 0.5


def published_columns() -> list[Column]:
    """The published figures of every image."""
    names = ("csc, published", "dip, published")
    return [
        Column(name, {image: pair[index] for image, pair in INPAINTING.items()})
        for index, name in enumerate(names)
    ]


def main() -> None:
    arguments = parse_table_arguments(table_parser(__doc__, "tv,pnp,gsr,dip"))
    methods = {text: method_from(text) for text in arguments.priors}
    files = image_files("inpaint11")[: arguments.images]

    def figures(method: Method, path: Path) -> Mapping[str, float]:
        truth = centre_crop(load(path).colours, arguments.size)
        torn = degrade(truth, "inpaint", missing=MISSING)
        image = restored(method, torn.measurement, "inpaint", torn.options, arguments.seconds)
        return {"psnr": psnr(image, torn.truth), "ssim": ssim(image, torn.truth)}

    rows = FinishedRows("inpaint11", ("method", "seconds", "size", "image"), ("psnr", "ssim"))
    common = {"seconds": arguments.seconds, "size": arguments.size}
    measured = measure_all(rows, methods, files, common, figures, again=arguments.again)
    columns = [Column(name, values) for name, values in measured.items()]
    title = f"inpaint11, {MISSING:.0%} of the pixels missing: PSNR in dB{part_of_set(arguments)}"
    print_table(title, [path.stem for path in files], [*columns, *published_columns()])
    for name, values in measured.items():
        ahead = [values[image] - INPAINTING[image][1] for image in values if image in INPAINTING]
        print(f"{name}: {statistics.mean(ahead):+.2f} dB against the published dip, over {len(ahead)} images")


if __name__ == "__main__":
    main()
