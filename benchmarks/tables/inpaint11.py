"""Inpainting of eleven grey images with every second pixel missing at random: PSNR, image by image.

    python -m benchmarks.tables.inpaint11
    python -m benchmarks.tables.inpaint11 --priors gsr,wnnm --images 3

The mask has seed 0. Published are Deep Image Prior and convolutional sparse coding ("csc"), whose masks were
others of the same share.
"""

from __future__ import annotations

import statistics

from benchmarks.arguments import add_table_options, parsed, parser, part_of_set
from benchmarks.methods import column, measure_all
from benchmarks.published import INPAINTING
from benchmarks.sets import damaged, image_files, picture
from benchmarks.table import Table, show_images
from zeroshot.compare.specification import method_from


def main() -> None:
    options = parser(__doc__)
    add_table_options(options, "tv,pnp,gsr,dip")
    arguments = parsed(options)
    files = image_files("inpaint11", arguments.images)
    images = {path.stem: damaged("inpaint", picture(path, arguments.size)) for path in files}
    methods = {text: method_from(text) for text in arguments.priors}
    terms = {"budget": arguments.seconds, "size": arguments.size}
    table = Table("inpaint11", terms, list(images), list(methods), again=arguments.again)
    measured = column(measure_all(table, methods, images, arguments.seconds))
    published = {
        f"{method}, published": {image: pair[index] for image, pair in INPAINTING.items()}
        for index, method in enumerate(("csc", "dip"))
    }
    title = f"inpaint11, half of the pixels missing: PSNR in dB{part_of_set(arguments)}"
    show_images(title, list(images), measured | published)
    for name, values in measured.items():
        ahead = [values[image] - INPAINTING[image][1] for image in values if image in INPAINTING]
        print(f"{name}: {statistics.mean(ahead):+.2f} dB against the published dip, over {len(ahead)} images")


if __name__ == "__main__":
    main()
