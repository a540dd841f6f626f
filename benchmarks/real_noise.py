"""Real photographs and noise that is not white: ours told nothing beside what the truth could have told.

    python -m benchmarks.real_noise                                  # cc15, polyu and sidd, whole pictures
    python -m benchmarks.real_noise --sets cc15 --strong PRIOR       # and a prior for noise that no model fits
    python -m benchmarks.real_noise --size 256 --images 3
    python -m benchmarks.real_noise --synthetic                      # Set12 and 6 of colour9, made noisy in many ways
    python -m benchmarks.real_noise --synthetic smoothed0.6 stripes --package
    python -m benchmarks.real_noise --clean                          # what happens to pictures without noise

PSNR and SSIM are means over the pictures, of the result within [0, 1]; seconds are those of the processor for a
picture. "white" is bm3d told the level that is found where the noise is taken to be white; "bm3d, best σ" is the
best for each picture of σ = 4, 8, 14, 20 and 28, chosen with the truth, and so is FFDNet's. "authors" are the
results that come with cc15. "told the truth" is given the noise model measured from the truth, and "package" is
the package bm3d given its spectrum. Finished pictures are not run again (--again).
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import torch
from skimage import data

import zeroshot
from zeroshot.compare.method import Method
from zeroshot.compare.methods.arrays import to_array, to_tensor
from zeroshot.compare.specification import method_from
from zeroshot.images import load
from zeroshot.metrics import psnr, ssim
from zeroshot.noise import estimate_sigma

from .arguments import count, parsed, parser
from .methods import restored
from .noise_kinds import KINDS, Noisy
from .noise_truth import package_bm3d, true_noise
from .sets import SHARED, centre_crop, image_files, picture, real_pairs
from .table import Figures, Table, means, show

SETS = ("cc15", "polyu", "sidd")
GRID = (4, 8, 14, 20, 28)
WEIGHTS = SHARED.parent / "weights/denoise"
LEARNED = Path(__file__).resolve().parents[1] / "examples/learned_denoisers.py"
TEXTURES = ("grass", "gravel", "brick", "camera", "moon", "coins", "astronaut", "chelsea")
HEADS = {"method": "", "PSNR": ".2f", "SSIM": ".4f", "seconds": ".2f"}

#: A noisy image (1, C, H, W) ↦ what is made of it.
Denoising = Callable[[torch.Tensor], torch.Tensor]


def judged(work: Denoising, noisy: torch.Tensor, truth: torch.Tensor) -> Figures:
    """PSNR, SSIM and seconds of the processor."""
    begun = time.process_time()
    image = work(noisy).clamp(0, 1)
    spent = time.process_time() - begun
    return {"psnr": psnr(image, truth), "ssim": ssim(image, truth), "seconds": spent}


def at_level(method: Method, sigma: float) -> Denoising:
    """A method that is told the level of white noise."""
    return lambda noisy: restored(method, noisy, "denoise", {"sigma": sigma})


def at_found_level(method: Method) -> Denoising:
    """A method that is told the level that is found where the noise is taken to be white."""
    return lambda noisy: restored(method, noisy, "denoise", {"sigma": estimate_sigma(noisy)})


def as_a_user(prior: str | None = None, **options: object) -> Denoising:
    """``zeroshot.denoise`` with nothing but the picture, and perhaps a prior or the noise model."""
    given = {"progress": False, **({} if prior is None else {"prior": prior}), **options}
    return lambda noisy: to_tensor(zeroshot.denoise(to_array(noisy), **given).image)


def best(levels: Mapping[float, Figures]) -> Figures:
    """The figures at the level with the highest PSNR."""
    return max(levels.values(), key=lambda figures: figures["psnr"])


# --- real photographs ----------------------------------------------------------------------------------------


def real(folder: str, arguments: argparse.Namespace) -> None:
    """The table of one set."""
    files = dict(list(real_pairs(folder).items())[: arguments.images])
    ours = {"ours, told nothing": None}
    if arguments.strong:
        ours[f"{arguments.strong}, told nothing"] = arguments.strong
    whites: dict[str, Method] = {"bm3d": method_from("bm3d")}
    if (WEIGHTS / "ffdnet_color.pth").exists():
        whites["FFDNet"] = method_from(f"python:{LEARNED}:FFDNet[weights={WEIGHTS / 'ffdnet_color.pth'}]")
    columns = ["input", "white", *[f"{name} {level}" for name in whites for level in GRID]]
    columns += ["authors", "told the truth", *ours]
    terms = {"set": folder, "size": arguments.size or "full"}
    table = Table("real_noise", terms, list(files), columns, again=arguments.again)
    lines: dict[str, list[Figures]] = {}
    for name, (noisy_file, true_file) in files.items():
        noisy, truth = picture(noisy_file, arguments.size), picture(true_file, arguments.size)

        def measure(column: str, work: Denoising, row: str = name, noisy: torch.Tensor = noisy,
                    truth: torch.Tensor = truth) -> Figures:  # fmt: skip
            return table.measure(row, column, lambda: judged(work, noisy, truth))

        found = {"input": measure("input", lambda image: image)}
        found["bm3d, white"] = measure("white", at_found_level(whites["bm3d"]))
        for label, method in whites.items():
            levels = {level: measure(f"{label} {level}", at_level(method, level / 255)) for level in GRID}
            found[f"{label}, best σ"] = best(levels)
        authors = noisy_file.with_name(noisy_file.name.replace("_real", "_nam"))
        if authors.exists():
            theirs = picture(authors, arguments.size)
            found["authors"] = measure("authors", lambda image, theirs=theirs: theirs)
        model = true_noise(noisy, truth)
        found["bm3d, told the truth"] = measure("told the truth", as_a_user("bm3d", noise=model))
        for label, prior in ours.items():
            found[label] = measure(label, as_a_user(prior))
        for label, figures in found.items():
            lines.setdefault(label, []).append(figures)
        reached = ", ".join(f"{key} {value['psnr']:.2f}" for key, value in found.items())
        print(f"  {name}: {reached}", flush=True)
    show(f"{folder}, {len(files)} pictures, size {arguments.size or 'full'}", HEADS, _rows(lines))
    print(f"picture by picture: {table.write_csv()}", flush=True)


def _rows(lines: Mapping[str, list[Figures]]) -> list[list[object]]:
    return [
        [label, *means([[row[key] for key in ("psnr", "ssim", "seconds")] for row in figures])]
        for label, figures in lines.items()
    ]


# --- noise that was made -------------------------------------------------------------------------------------


def synthetic(kind: str, arguments: argparse.Namespace) -> None:
    """The table of one kind of noise, over Set12 and the first 6 of colour9."""
    files = image_files("set12", arguments.images) + image_files("colour9", min(arguments.images or 6, 6))
    columns = ["input", "white", "told nothing", "told the truth", "package"]
    terms = {"kind": kind, "size": arguments.size or "full"}
    table = Table("real_noise", terms, [file.stem for file in files], columns, again=arguments.again)
    lines: dict[str, list[Figures]] = {}
    for file in files:
        made: Noisy = KINDS[kind](picture(file, arguments.size), torch.Generator().manual_seed(0))
        noisy, truth = made.noisy, made.truth
        model = made.noise or true_noise(noisy, truth)
        works = {
            "input": lambda image: image,
            "white": at_found_level(method_from("bm3d")),
            "told nothing": as_a_user("bm3d"),
            "told the truth": as_a_user("bm3d", noise=model),
        }
        if arguments.package:
            works["package"] = lambda image, model=model: package_bm3d(image, model)
        for label, work in works.items():
            found = table.measure(
                file.stem, label, lambda work=work, noisy=noisy, truth=truth: judged(work, noisy, truth)
            )
            lines.setdefault(label, []).append(found)
    show(f"{kind}, {len(files)} pictures, size {arguments.size or 'full'}", HEADS, _rows(lines))
    print(f"picture by picture: {table.write_csv()}", flush=True)


# --- no noise ------------------------------------------------------------------------------------------------


def clean(arguments: argparse.Namespace) -> None:
    """By how many grey levels pictures without noise are changed on average."""
    images = {file.stem: picture(file, arguments.size) for file in image_files("kodak_full", 12)}
    images |= {name: centre_crop(load(getattr(data, name)()).colours, arguments.size) for name in TEXTURES}
    images = dict(list(images.items())[: arguments.images])
    lines = []
    for name, image in images.items():
        change = (as_a_user()(image) - image).abs().mean().item() * 255
        lines.append([name, change])
        print(f"  {name}: {change:.3f}", flush=True)
    worst = max(lines, key=lambda line: line[1])
    mean = sum(change for _, change in lines) / len(lines)
    show("mean change of pictures without noise, in grey levels", {"picture": "", "change": ".3f"},
         [["mean", mean], [f"most: {worst[0]}", worst[1]]])  # fmt: skip


def main() -> None:
    options = parser(__doc__)
    add = options.add_argument
    add("--sets", nargs="+", choices=SETS, default=list(SETS), help="default all")
    add("--strong", metavar="PRIOR", help="a prior for noise that no model fits, as a further line")
    add("--synthetic", nargs="*", choices=KINDS, metavar="KIND", help=f"default all: {', '.join(KINDS)}")
    add("--package", action="store_true", help="with --synthetic: the package bm3d too")
    add("--clean", action="store_true", help="pictures without noise")
    add("--images", type=count, metavar="N", help="the first N pictures only")
    add("--size", type=count, metavar="PIXELS", help="side of the centre crop (default whole pictures)")
    add("--threads", type=count, help="CPU threads (default: all cores)")
    add("--again", action="store_true", help="measure anew what is on file")
    arguments = parsed(options)
    if arguments.clean:
        clean(arguments)
    elif arguments.synthetic is not None:
        for kind in arguments.synthetic or KINDS:
            synthetic(kind, arguments)
    else:
        for folder in arguments.sets:
            real(folder, arguments)


if __name__ == "__main__":
    main()
