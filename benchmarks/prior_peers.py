"""Every prior beside the simplest peer of its kind: means of PSNR, and how far each is above or below that peer.

    python -m benchmarks.prior_peers                              # every row, crops of 96 pixels, 4 images
    python -m benchmarks.prior_peers text blocks --images 11 --size 128
    python -m benchmarks.prior_peers kodak mcmaster --priors pnp,ncsr,wavelet

The peer of total variation, non-local means, wavelets and the bilateral filter in denoising is scikit-image's of the
same name; that of all others, and in other tasks, the best peer of the task: scikit-image's biharmonic filling and
OpenCV's, Malvar's and OpenCV's demosaicking, Richardson-Lucy, bicubic enlargement. What stays below its peer comes
last, and is explained in the docstring of the prior. Images are taken at equal distances from the whole set.
Finished cells are not run again (--again).
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageDraw, ImageFont

from zeroshot.compare.specification import method_from
from zeroshot.tasks.degrade import Degraded, degrade

from .arguments import add_table_options, parsed, parser
from .methods import measure_all
from .peers import PEERS
from .sets import damaged, image_files, picture
from .table import Figures, Table, means, show

GREY = "bm3d wnnm nnm ncsr ksvd gsr nlm dct wavelet tv huber_tv tgv nltv pnp bilateral"
#: In denoising, prior → the peer that is of its kind.
OF_A_KIND = {
    "tv": "skimage tv",
    "huber_tv": "skimage tv",
    "tgv": "skimage tv",
    "nltv": "skimage tv",
    "nlm": "skimage nlm",
    "wavelet": "skimage wavelet",
    "bilateral": "skimage bilateral",
}


@dataclass(frozen=True)
class Row:
    """A damage, the set it is done to, and the priors that undo it."""

    kind: str
    folder: str
    priors: str


HOLES = "gsr ksvd wnnm ncsr pnp red nltv tgv tv huber_tv wavelet dip"
ROWS = {
    "random": Row("inpaint", "inpaint11", HOLES),
    "text": Row("inpaint", "inpaint11", HOLES),
    "blocks": Row("inpaint", "inpaint11", HOLES),
    "grey": Row("denoise", "set12", GREY),
    "colour": Row("denoise", "colour9", GREY),
    "kodak": Row("demosaic", "kodak_full", "wavelet pnp red ncsr gsr tv huber_tv tgv nltv"),
    "mcmaster": Row("demosaic", "mcmaster", "wavelet pnp red ncsr gsr tv huber_tv tgv nltv"),
    "deblur": Row("deblur", "set12", "pnp red gsr ncsr wavelet tv huber_tv tgv nltv"),
    "sr": Row("sr", "set5", "ncsr pnp red gsr wavelet tv huber_tv tgv nltv"),
}


def text_mask(height: int, width: int) -> np.ndarray:
    """1 where an image is not written over: lines of 13 pixels, every 17."""
    page = Image.new("L", (width, height), 255)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=13)
    words = "Sphinx of black quartz, judge my vow. " * (width // 100 + 1)
    for line, top in enumerate(range(2, height, 17)):
        draw.text((2 - 7 * (line % 5), top), words, fill=0, font=font)
    return (np.asarray(page) > 128).astype(np.float32)


def block_mask(height: int, width: int) -> np.ndarray:
    """1 but for rectangles with sides of 6 to 14 pixels, one for every 1600 pixels, with a fixed seed."""
    generator = np.random.default_rng(0)
    mask = np.ones((height, width), np.float32)
    for _ in range(max(1, height * width // 1600)):
        top, left = generator.integers(0, height - 14), generator.integers(0, width - 14)
        down, along = generator.integers(6, 15, 2)
        mask[top : top + down, left : left + along] = 0
    return mask


MASKS = {"text": text_mask, "blocks": block_mask}


def damaged_for(name: str, truth: torch.Tensor) -> Degraded:
    """The damage of a row."""
    if name in MASKS:
        return degrade(truth, "inpaint", mask=MASKS[name](*truth.shape[-2:]))
    return damaged(ROWS[name].kind, truth)


def run(name: str, arguments: argparse.Namespace) -> None:
    """Measure a row and print it, the worst against its peer last."""
    row = ROWS[name]
    files = image_files(row.folder)
    count = min(arguments.images or 4, len(files))
    chosen = [files[place * len(files) // count] for place in range(count)]
    cases = {path.stem: damaged_for(name, picture(path, arguments.size)) for path in chosen}
    peers = PEERS[row.kind]
    methods = {text: method_from(text) for text in arguments.priors or row.priors.split()} | peers
    terms = {"row": name, "set": row.folder, "size": arguments.size}
    if arguments.seconds is not None:
        terms["budget"] = arguments.seconds
    table = Table("prior_peers", terms, list(cases), list(methods), again=arguments.again)
    measured = measure_all(table, methods, cases, arguments.seconds)
    lines = sorted(compared(row, measured, set(peers)), key=lambda line: -line[-1])
    heads = {"prior": "", "PSNR": ".2f", "seconds": ".1f", "peer": "", "its PSNR": ".2f", "above": "+.2f"}
    show(f"{name}: {row.kind}, {row.folder}, {count} images, size {arguments.size}", heads, lines)
    print(f"image by image: {table.write_csv()}", flush=True)


def compared(row: Row, measured: Mapping[str, Mapping[str, Figures]], peers: set[str]) -> list[list[Any]]:
    """A line for each prior: its mean and seconds, its peer, the peer's mean, and the difference."""
    mean = {
        method: means([[found["psnr"], found["seconds"]] for found in images.values()])
        for method, images in measured.items()
    }
    figures = {method: (values[0] or 0.0, values[1] or 0.0) for method, values in mean.items()}
    known = {method: psnr for method, (psnr, _) in figures.items() if method in peers}
    lines = []
    for method, (psnr, seconds) in figures.items():
        if method in peers or not known:
            continue
        own = OF_A_KIND.get(method, "") if row.kind == "denoise" else ""
        peer = own if own in known else max(known, key=lambda name: known[name])
        lines.append([method, psnr, seconds, peer, known[peer], psnr - known[peer]])
    return lines


def main() -> None:
    options = parser(__doc__)
    options.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS) + "; default all")
    add_table_options(options, size=96)
    arguments = parsed(options)
    for name in arguments.rows or list(ROWS):
        if name not in ROWS:
            options.error(f"there is no row {name!r}; there are: {', '.join(ROWS)}")
        run(name, arguments)


if __name__ == "__main__":
    main()
