"""Denoising of the nine colour images of CBM3D's table: PSNR over all channels.

    python -m benchmarks.tables.denoise_colour9
    python -m benchmarks.tables.denoise_colour9 --priors nlm,bm3d,dip --sigma 25 --seconds 900

The noise has seed 0 and is neither clipped nor rounded; the restored image is clipped, not rounded. Published
means are known for 25 grey levels. "dip" is there the average over iterates, as it is here.
"""

from __future__ import annotations

from benchmarks.arguments import add_table_options, parsed, parser, part_of_set
from benchmarks.methods import column, measure_all
from benchmarks.published import REPORTED
from benchmarks.sets import damaged, image_files, picture
from benchmarks.table import Table, show_images
from zeroshot.compare.specification import method_from


def main() -> None:
    options = parser(__doc__)
    add_table_options(options, "nlm,bm3d,wnnm,tv,dip")
    options.add_argument("--sigma", type=float, default=25.0, help="the noise in 8-bit grey levels")
    arguments = parsed(options)
    sigma, seconds, size = arguments.sigma, arguments.seconds, arguments.size
    files = image_files("colour9", arguments.images)
    images = {path.stem: damaged("denoise", picture(path, size), sigma=sigma / 255) for path in files}
    methods = {text: method_from(text) for text in arguments.priors}
    terms = {"sigma": sigma, "budget": seconds, "size": size}
    table = Table("denoise_colour9", terms, list(images), list(methods), again=arguments.again)
    measured = measure_all(table, methods, images, seconds)
    title = f"colour9, noise of {sigma:g} grey levels: PSNR in dB{part_of_set(arguments)}"
    show_images(title, list(images), column(measured), REPORTED.get(("denoise", "colour9", sigma)))


if __name__ == "__main__":
    main()
