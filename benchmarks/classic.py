"""The classic priors over the test sets: PSNR, SSIM and seconds beside published figures and other packages.

    python benchmarks/classic.py                                   # every task, small selection of images
    python benchmarks/classic.py denoise --sigma 15 25 50 --all    # the whole of Set12
    python benchmarks/classic.py denoise --folder colour9 --priors bm3d nlm --all
    python benchmarks/classic.py inpaint --priors gsr wnnm --all
    python benchmarks/classic.py sr demosaic deblur --size 256

PSNR and SSIM are means over the images, of the unrounded result within [0, 1]; for super-resolution of the
luma without a border of 4 pixels, as in its tables. "published" is the mean over the whole set, and for
inpainting the mean of the published figures (convolutional sparse coding) of the images that were run.
Every row is also appended to `benchmarks/output/classic.csv`, image by image. The noise has seed 0.
"""

from __future__ import annotations

import argparse
import csv
import statistics
import time
from pathlib import Path

import torch
from damages import SETS, Case, case, image_files
from peers import PEERS
from published import reported

import zeroshot
from zeroshot.metrics import luma, psnr, psnr_y, ssim

OUTPUT = Path(__file__).resolve().parent / "output"
PRIORS = {
    "denoise": "bm3d wnnm ncsr ksvd nlm dct wavelet nnm gsr tv huber_tv tgv nltv bilateral domain_transform "
    "perona_malik coherence fourier",
    "poisson": "bm3d nlm dct wavelet tv tgv",
    "inpaint": "gsr wnnm ksvd pnp ncsr tgv tv nltv wavelet completion",
    "sr": "ncsr pnp red tgv tv nltv wavelet",
    "demosaic": "pnp wavelet tgv tv",
    "deblur": "pnp red ncsr gsr tgv tv nltv wavelet",
}
#: Selection without --all: enough to see that something went wrong.
FEW = 3


def quality(task: str, image: torch.Tensor, clean: torch.Tensor) -> tuple[float, float]:
    """PSNR and SSIM by the convention of the task's tables."""
    image = image.clamp(0, 1)
    if task == "sr":
        return psnr_y(image, clean, 4), ssim(luma(image), luma(clean), border=4)
    return psnr(image, clean), ssim(image, clean)


def restore(method: str, problem: Case, task: str, seconds: float | None) -> torch.Tensor:
    """The result of a prior, or of a peer."""
    peer = PEERS.get(task, {}).get(method)
    if peer is not None:
        return peer(problem)
    result = zeroshot.solve(
        problem.damaged, problem.task, method, seconds=seconds, progress=False, **problem.options
    )
    return result.image


def record(row: list[object]) -> None:
    """Append one image's figures to the file of all of them."""
    OUTPUT.mkdir(exist_ok=True)
    path = OUTPUT / "classic.csv"
    is_new = not path.exists()
    with open(path, "a", newline="") as file:
        writer = csv.writer(file)
        if is_new:
            writer.writerow(["task", "set", "level", "size", "method", "image", "psnr", "ssim", "seconds"])
        writer.writerow(row)


def run(task: str, folder: str, level: float, methods: list[str], arguments: argparse.Namespace) -> None:
    """Print the table of one task, set and noise level."""
    files = image_files(folder)
    files = files if arguments.all else files[:FEW]
    cases = [case(task, path, level, arguments.size) for path in files]
    size = arguments.size or "full"
    print(f"\n{task}, {folder}, level {level:g}, {len(cases)} images, size {size}")
    print(f"{'method':<18} {'PSNR':>7} {'SSIM':>7} {'seconds':>8} {'published':>10}", flush=True)
    for method in methods:
        rows = []
        try:
            for problem in cases:
                started = time.perf_counter()
                image = restore(method, problem, task, arguments.seconds)
                spent = time.perf_counter() - started
                rows.append((*quality(task, image, problem.clean), spent))
                record([task, folder, level, size, method, problem.name, *(f"{v:.4f}" for v in rows[-1])])
                if arguments.images:
                    figure = reported(task, folder, level, method, problem.name)
                    print(f"  {problem.name:<16} {_cells(*rows[-1], figure)}", flush=True)
        except (ImportError, ValueError) as error:
            print(f"{method:<18} left out: {error}", flush=True)
            continue
        means = [statistics.mean(column) for column in zip(*rows, strict=True)]
        print(f"{method:<18} {_cells(*means, _published(task, folder, level, method, cases))}", flush=True)


def _published(task: str, folder: str, level: float, method: str, cases: list[Case]) -> float | None:
    if task != "inpaint":
        return reported(task, folder, level, method)
    figures = [reported(task, folder, level, method, problem.name) for problem in cases]
    return statistics.mean(figure for figure in figures if figure is not None)


def _cells(psnr_value: float, ssim_value: float, seconds: float, figure: float | None) -> str:
    shown = "" if figure is None else f"{figure:10.2f}"
    return f"{psnr_value:7.2f} {ssim_value:7.4f} {seconds:8.2f} {shown}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("tasks", nargs="*", metavar="TASK", help=", ".join(SETS) + "; default all")
    parser.add_argument("--folder", help="another set than the task's own")
    parser.add_argument("--sigma", type=float, nargs="+", default=[25.0], help="of `denoise`, in grey levels")
    parser.add_argument("--peak", type=float, default=30.0, help="photons of white, of `poisson`")
    parser.add_argument("--priors", nargs="+", help="names of priors; default the task's list")
    parser.add_argument(
        "--peers", nargs="*", help="names of peers; default all of the task's; none: just the flag"
    )
    parser.add_argument("--size", type=int, help="side of the centre crop; default the whole image")
    parser.add_argument("--all", action="store_true", help=f"all images of the set, not the first {FEW}")
    parser.add_argument("--images", action="store_true", help="print every image, not only the means")
    parser.add_argument("--seconds", type=float, help="budget per image for our priors")
    arguments = parser.parse_args()
    for task in arguments.tasks or list(SETS):
        if task not in SETS:
            parser.error(f"there is no task {task!r}; there are: {', '.join(SETS)}")
        peers = list(PEERS.get(task, {})) if arguments.peers is None else arguments.peers
        methods = [*(arguments.priors or PRIORS[task].split()), *peers]
        levels = arguments.sigma if task == "denoise" else [arguments.peak if task == "poisson" else 0.0]
        for level in levels:
            run(task, arguments.folder or SETS[task], level, methods, arguments)


if __name__ == "__main__":
    main()
