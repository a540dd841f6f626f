"""Denoising of the nine colour images of CBM3D's table: PSNR over all channels.

    python -m benchmarks.tables.denoise_colour9
    python -m benchmarks.tables.denoise_colour9 --priors nlm,bm3d,dip --sigma 25 --seconds 900

The noise has seed 0 and is neither clipped nor rounded; the restored image is clipped, not rounded. Published
means are known for 25 grey levels. "dip" is there the average over iterates, as it is here.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from benchmarks.damages import centre_crop, image_files
from benchmarks.published import REPORTED
from zeroshot.compare.method import Method
from zeroshot.compare.specification import method_from
from zeroshot.degradation import degrade
from zeroshot.images import load
from zeroshot.metrics import psnr, ssim

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


def main() -> None:
    parser = table_parser(__doc__, "nlm,bm3d,wnnm,tv,dip")
    parser.add_argument("--sigma", type=float, default=25.0, help="the noise in 8-bit grey levels")
    arguments = parse_table_arguments(parser)
    methods = {text: method_from(text) for text in arguments.priors}
    files = image_files("colour9")[: arguments.images]

    def figures(method: Method, path: Path) -> Mapping[str, float]:
        truth = centre_crop(load(path).colours, arguments.size)
        noisy = degrade(truth, "denoise", sigma=arguments.sigma / 255)
        image = restored(method, noisy.measurement, "denoise", noisy.options, arguments.seconds)
        return {"psnr": psnr(image, noisy.truth), "ssim": ssim(image, noisy.truth)}

    rows = FinishedRows("denoise_colour9", ("sigma", "method", "seconds", "size", "image"), ("psnr", "ssim"))
    common = {"sigma": arguments.sigma, "seconds": arguments.seconds, "size": arguments.size}
    measured = measure_all(rows, methods, files, common, figures, again=arguments.again)
    published = REPORTED.get(("denoise", "colour9", arguments.sigma), {})
    title = f"colour9, noise of {arguments.sigma:g} grey levels: PSNR in dB{part_of_set(arguments)}"
    print_table(title, [path.stem for path in files], columns_beside(measured, published))


if __name__ == "__main__":
    main()
