"""Super-resolution of Set5, 4 and 8 times: PSNR of the luma, without a border of as many pixels.

    python -m benchmarks.tables.sr_set5
    python -m benchmarks.tables.sr_set5 --scales 8 --priors bicubic,dip,ncsr --seconds 600

The small images are made of the large ones, cropped to multiples of the scale; for 4 times they are the published
ones, value by value. Images are rounded to 8 bits before they are compared, as in the tables.
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
    add_table_options(options, "bicubic,tv,ncsr,dip")
    options.add_argument("--scales", type=int, nargs="+", choices=[4, 8], default=[4, 8])
    arguments = parsed(options)
    methods = {text: method_from(text) for text in arguments.priors}
    files = image_files("set5", arguments.images)
    for scale in arguments.scales:
        images = {path.stem: damaged("sr", picture(path, arguments.size), scale=scale) for path in files}
        terms = {"scale": scale, "budget": arguments.seconds, "size": arguments.size}
        table = Table("sr_set5", terms, list(images), list(methods), again=arguments.again)
        measured = measure_all(table, methods, images, arguments.seconds)
        title = f"Set5, ×{scale}: PSNR of the luma in dB{part_of_set(arguments)}"
        show_images(title, list(images), column(measured), REPORTED["sr", "set5", scale])


if __name__ == "__main__":
    main()
