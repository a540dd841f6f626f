"""Super-resolution of Set5, 4 and 8 times: PSNR of the luma, without a border of as many pixels.

    python -m benchmarks.tables.sr_set5
    python -m benchmarks.tables.sr_set5 --scales 8 --priors bicubic,dip,ncsr --seconds 600

The small images are the published ones for 4 times, and made in the same way for 8 times, from the large
images cropped to multiples of 8. Images are rounded to 8 bits before they are compared, as in the tables.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import torch

from benchmarks.damages import SHARED, centre_crop, image_files
from benchmarks.published import REPORTED
from zeroshot.compare.method import Method
from zeroshot.compare.specification import method_from
from zeroshot.degradation import degrade
from zeroshot.images import load
from zeroshot.metrics import luma, psnr_y, ssim

from .finished_rows import (
    FinishedRows,
    columns_beside,
    measure_all,
    parse_table_arguments,
    part_of_set,
    print_table,
    table_parser,
)
from .methods import restored


def pair(path: Path, scale: int, size: int | None) -> tuple[torch.Tensor, torch.Tensor]:
    """The small image and the large one."""
    if scale == 4 and size is None:
        return load(SHARED / "set5" / "lr_x4" / path.name).colours, load(path).colours
    small = degrade(centre_crop(load(path).colours, size), "sr", scale=scale)
    return small.measurement, small.truth


def main() -> None:
    parser = table_parser(__doc__, "bicubic,tv,ncsr,dip")
    parser.add_argument("--scales", type=int, nargs="+", choices=[4, 8], default=[4, 8])
    arguments = parse_table_arguments(parser)
    methods = {text: method_from(text) for text in arguments.priors}
    files = image_files("set5")[: arguments.images]
    rows = FinishedRows("sr_set5", ("scale", "method", "seconds", "size", "image"), ("psnr", "ssim"))
    for scale in arguments.scales:

        def figures(method: Method, path: Path, scale: int = scale) -> Mapping[str, float]:
            small, large = pair(path, scale, arguments.size)
            image = (restored(method, small, "sr", {"scale": scale}, arguments.seconds) * 255).round() / 255
            return {
                "psnr": psnr_y(image, large, scale),
                "ssim": ssim(luma(image), luma(large), border=scale),
            }

        common = {"scale": scale, "seconds": arguments.seconds, "size": arguments.size}
        measured = measure_all(rows, methods, files, common, figures, again=arguments.again)
        columns = columns_beside(measured, REPORTED["sr", "set5", scale])
        print_table(
            f"Set5, ×{scale}: PSNR of the luma in dB{part_of_set(arguments)}",
            [path.stem for path in files],
            columns,
        )


if __name__ == "__main__":
    main()
