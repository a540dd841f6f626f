"""All tasks in one table: default, --fast and --best, auto, every prior, the peers, and learned models where there are.

    python -m benchmarks.defaults                                # every row, crops of 128 pixels, 8 images a row
    python -m benchmarks.defaults text blocks --images 11 --size 256
    python -m benchmarks.defaults kodak --priors pnp,ncsr,wavelet
    python -m benchmarks.defaults --priors none --default        # of the priors only default, --fast and --best
    python -m benchmarks.defaults --kept --write                 # what is on file becomes 'zeroshot priors --task'

PSNR and SSIM are means over the pictures, which are taken at equal distances from the whole set; seconds are those of
the processor for a picture, noise estimates included. Every prior is compared with the best of the task's peers, but in
denoising total variation, non-local means, wavelets and the bilateral filter with scikit-image's of the same name. What
stays below its peer is explained in the docstring of the prior. Finished cells are not run again (--again).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zeroshot.compare.method import Method
from zeroshot.compare.specification import method_from
from zeroshot.noise import random_mask
from zeroshot.operators import Blur, Mask
from zeroshot.standings import FILE, Row, Standing, choices, stored, write
from zeroshot.tasks import task_named
from zeroshot.tasks.degrade import Degraded, degrade

from .arguments import add_table_options, parsed, parser
from .deblur_levin import aligned_psnr, pictures
from .filling_masks import MASKS
from .methods import measure_all, quality
from .peers import PEERS
from .sets import SHARED, image_files, picture
from .table import Figures, Table, means, show

#: In denoising, prior → the peer that is of its kind.
OF_A_KIND = {
    "tv": "skimage tv",
    "huber_tv": "skimage tv",
    "tgv": "skimage tv",
    "nltv": "skimage tv",
    "nlm": "skimage nlm",
    "dct": "skimage wavelet",
    "ksvd": "skimage wavelet",
    "wavelet": "skimage wavelet",
    "bilateral": "skimage bilateral",
}
WEIGHTS = SHARED.parent / "weights"
NETWORKS = Path(__file__).resolve().parents[1] / "examples/learned_denoisers.py"

DENOISERS = "bm3d nlm dct wavelet bilateral tv tgv huber_tv nltv pnp ncsr ksvd gsr wnnm nnm dip auto"
FILLERS = "dct tv tgv huber_tv wavelet nltv pnp red ksvd ncsr wnnm gsr dip auto"
LINEAR = "dct tv tgv huber_tv wavelet nltv pnp red ncsr gsr dip auto"
DEBLURRERS = f"wiener unsupervised_wiener richardson_lucy {LINEAR}"
KERNEL = Blur.gaussian(1.6).kernel


@dataclass(frozen=True)
class Damages:
    """A row of the table: a task, the set whose pictures are damaged, how, and the priors that undo it."""

    task: str
    folder: str
    what: str
    options: Mapping[str, Any]
    priors: str
    learned: tuple[str, ...] = ()
    kind: str = ""


def _learned(name: str, weights: str) -> str:
    return f"python:{NETWORKS}:{name}[weights={WEIGHTS / 'denoise' / weights}]"


ROWS = {
    "grey": Damages("denoise", "set12", "white noise, σ 25, grey", {"sigma": 25 / 255}, DENOISERS,
                    (_learned("FFDNet", "ffdnet_gray.pth"), _learned("DnCNN", "dncnn_25.pth"))),
    "colour": Damages("denoise", "colour9", "white noise, σ 25, colour", {"sigma": 25 / 255}, DENOISERS,
                      (_learned("FFDNet", "ffdnet_color.pth"),)),
    "strong": Damages("denoise", "colour9", "white noise, σ 50, colour", {"sigma": 50 / 255}, DENOISERS,
                      (_learned("FFDNet", "ffdnet_color.pth"),)),
    "stripes": Damages("destripe", "set12", "columns that differ by 25 levels, and white noise, σ 10",
                       {"stripes": 25 / 255, "sigma": 10 / 255}, "bm3d nlm dct wavelet tv tgv ncsr dip auto"),
    "random": Damages("inpaint", "inpaint11", "half of the pixels missing", {"missing": 0.5}, FILLERS,
                      kind="narrow holes"),
    "text": Damages("inpaint", "inpaint11", "written over", {}, FILLERS, kind="narrow holes"),
    "blocks": Damages("inpaint", "inpaint11", "holes of 6 to 14 pixels", {}, FILLERS, kind="wide holes"),
    "hole": Damages("inpaint", "inpaint11", "a hole of 48 × 48 pixels", {}, FILLERS, kind="wide holes"),
    "sr4": Damages("sr", "set5", "enlarging 4 times", {"scale": 4}, LINEAR),
    "sr2": Damages("sr", "colour9", "enlarging twice", {"scale": 2}, LINEAR),
    "kodak": Damages("demosaic", "kodak_full", "a Bayer mosaic, Kodak", {"pattern": "RGGB"}, LINEAR),
    "mcmaster": Damages("demosaic", "mcmaster", "a Bayer mosaic, McMaster", {"pattern": "RGGB"}, LINEAR),
    "gaussian": Damages("deblur", "set12", "a Gaussian blur, σ 1.6, and noise, σ 2",
                        {"kernel": KERNEL, "sigma": 2 / 255}, DEBLURRERS),
    "levin": Damages("deblur", "levin", "camera shake, photographed", {}, DEBLURRERS),
    "soft": Damages("sharpen", "colour9", "a Gaussian blur, σ 1, and noise, σ 2, to be sharpened without halos",
                    {"radius": 1.0, "sigma": 2 / 255}, "wiener richardson_lucy tv wavelet pnp"),
    "hints": Damages("colorize", "colour9", "the colours of 2 % of the pixels told", {"hints": 0.02},
                     "tv tgv huber_tv nltv wavelet dip auto"),
    "jpeg": Damages("jpeg", "classic5", "JPEG of quality 20, grey", {"quality": 20},
                    "bm3d dct tv tgv nlm wavelet gsr wnnm ncsr dip", (_learned("DnCNN3", "dncnn3.pth"),)),
    "jpeg colour": Damages("jpeg", "colour9", "JPEG of quality 20, colour", {"quality": 20},
                           "bm3d dct tv tgv nlm wavelet gsr wnnm ncsr dip"),
    "joint": Damages("restore", "colour9", "blurred, half the pixels missing, noise, σ 2",
                     {"sigma": 2 / 255}, LINEAR),
    "raw": Damages("restore", "colour9", "a Bayer mosaic of half the size",
                   {"operator": "mosaic(RGGB) @ downsample(2)"}, LINEAR),
}  # fmt: skip


def cases(name: str, count: int, size: int | None) -> dict[str, Degraded]:
    """The damaged pictures of a row."""
    row = ROWS[name]
    if name == "levin":
        # Every picture and every kernel twice.
        numbers = range(1, 5)
        chosen = [(image, 1 + (image + step) % 4) for image in numbers for step in (0, 2)]
        made = {}
        for image, kernel in chosen[:count]:
            for title, blurred, weights, truth in pictures([image], [kernel]):
                y = torch.from_numpy(blurred).float() / 255
                y = y[None, None] if y.ndim == 2 else y.permute(2, 0, 1)[None, :1]
                made[title] = Degraded(
                    y, truth, "deblur", {"kernel": weights}, Blur(torch.from_numpy(weights)), {}
                )
        return made
    files = image_files(row.folder)
    count = min(count, len(files))
    chosen_files = [files[place * len(files) // count] for place in range(count)]
    return {path.stem: damage(name, picture(path, size)) for path in chosen_files}


def damage(name: str, truth: torch.Tensor) -> Degraded:
    """The damage of a row done to a picture."""
    row = ROWS[name]
    options = dict(row.options)
    if name in MASKS:
        options["mask"] = MASKS[name](*truth.shape[-2:])
    if name == "joint":
        known = random_mask(tuple(truth.shape), 0.5, torch.Generator().manual_seed(0))
        options["operator"] = Mask(known) @ Blur.gaussian(1.0)
    return degrade(truth, row.task, **options)


def aligned(image: torch.Tensor, damaged: Degraded) -> Figures:
    """The quality of a picture whose truth was taken separately: it may be shifted."""
    return {"psnr": aligned_psnr(image, damaged.truth)[0]}


def run(name: str, arguments: argparse.Namespace) -> None:
    """Measure a row and print it, the best first."""
    row = ROWS[name]
    damaged = cases(name, arguments.images or 8, arguments.size)
    chosen = choices(row.task, task_named(row.task).prior, row.kind)
    wanted = (
        row.priors.split() if not arguments.priors else [one for one in arguments.priors if one != "none"]
    )
    if arguments.default:
        wanted = list(dict.fromkeys([*wanted, *chosen.values()]))
    methods: dict[str, Method] = {text: method_from(text) for text in wanted}
    learned = {} if arguments.no_peers else {text: method_from(text) for text in row.learned}
    peers = {} if arguments.no_peers else PEERS[row.task]
    terms = {"row": name, "set": row.folder, "size": arguments.size or "full"}
    if arguments.seconds is not None:
        terms["budget"] = arguments.seconds
    columns = [*row.priors.split(), *methods, *PEERS[row.task], *row.learned]
    table = Table("defaults", terms, list(damaged), list(dict.fromkeys(columns)), again=arguments.again)
    judge = aligned if name == "levin" else quality
    asked = methods | learned | peers
    if arguments.kept:
        asked = {text: method for text, method in asked.items() if table.is_kept(text, damaged)}
    measured = measure_all(table, asked, damaged, arguments.seconds, clock=time.process_time, judge=judge)
    found = Row(
        row.what,
        row.folder,
        len(damaged),
        None if name == "levin" else arguments.size,
        {method: _standing(images) for method, images in measured.items() if len(images) == len(damaged)},
        tuple(peers),
        tuple(method.name for method in learned.values()),
        row.kind,
        next(iter(damaged.values())).truth.shape[1],
    )
    show(f"{name}: {row.task}, {row.what}; {row.folder}, {len(damaged)} images, size {arguments.size or 'full'}",
         {"": "", "PSNR": ".2f", "SSIM": ".4f", "seconds": ".1f", "peer": "", "above": "+.2f"},
         lines(row, found, chosen))  # fmt: skip
    print(f"image by image: {table.write_csv()}", flush=True)
    if arguments.write:
        rows = stored().get(row.task, {})
        write(stored() | {row.task: rows | {name: _joined(rows.get(name), found)}})
        print(f"written to {FILE}", flush=True)


def _joined(known: Row | None, found: Row) -> Row:
    """What was found, and of what is known of other methods that which was measured on the same pictures."""
    if known is None or (known.set, known.images, known.size) != (found.set, found.images, found.size):
        return found
    return found._replace(
        figures={**known.figures, **found.figures},
        peers=tuple(dict.fromkeys((*known.peers, *found.peers))),
        learned=tuple(dict.fromkeys((*known.learned, *found.learned))),
    )


def _standing(images: Mapping[str, Figures]) -> Standing:
    psnr, ssim, seconds = means([[one["psnr"], one.get("ssim"), one["seconds"]] for one in images.values()])
    assert psnr is not None
    assert seconds is not None
    return Standing(psnr, ssim, seconds)


def lines(row: Damages, found: Row, chosen: Mapping[str, str]) -> list[list[Any]]:
    """A line for each method, the best first: its figures, its peer and how far it is above it."""
    known = {method: found.figures[method].psnr for method in found.peers if method in found.figures}
    made = []
    for method, standing in sorted(found.figures.items(), key=lambda item: -item[1].psnr):
        roles = [role for role, prior in chosen.items() if prior == method]
        roles += ["peer"] * (method in found.peers) + ["learned"] * (method in found.learned)
        label = f"{method} ({', '.join(roles)})" if roles else method
        line: list[Any] = [label, standing.psnr, standing.ssim, standing.seconds]
        if method in found.peers or not known:
            made.append([*line, "", None])
            continue
        own = OF_A_KIND.get(method, "") if row.task == "denoise" else ""
        peer = own if own in known else max(known, key=lambda name: known[name])
        made.append([*line, peer, standing.psnr - known[peer]])
    return made


def main() -> None:
    options = parser(__doc__)
    options.add_argument("rows", nargs="*", metavar="ROW", help=", ".join(ROWS) + "; default all")
    options.add_argument("--write", action="store_true", help="keep the row in the package")
    options.add_argument(
        "--default", action="store_true", help="with --priors: also default, --fast and --best"
    )
    options.add_argument(
        "--kept", action="store_true", help="measure nothing: what is on file for all images"
    )
    options.add_argument("--no-peers", action="store_true", help="priors only")
    add_table_options(options, size=128)
    arguments = parsed(options)
    for name in arguments.rows or list(ROWS):
        if name not in ROWS:
            options.error(f"there is no row {name!r}; there are: {', '.join(ROWS)}")
    for name in arguments.rows or list(ROWS):
        run(name, arguments)


if __name__ == "__main__":
    main()
