"""Total variation against scikit-image, and what it and its relatives reach on the test images.

    python benchmarks/tv.py
    python benchmarks/tv.py --discrepancy 0.9 0.925 0.95 1    # how the residual asked for changes PSNR
    python benchmarks/tv.py --tables denoise inpaint demosaic # every prior of the family; minutes

The first table denoises the 512 × 512 photograph `skimage.data.astronaut`, in colour and in grey, with
Gaussian noise of σ = 25/255. Both programs minimise ½‖u − f‖² + w Σ |∇u|, isotropic, each channel on its own;
scikit-image stops by its own rule, and ours as soon as its objective is at most the one that scikit-image
reached. Both objectives are evaluated by the same function in double precision. Runs alternate, and the medians
of their seconds are compared. Both work in one thread, which is all that scikit-image uses; ``--threads 2``
gives ours more. The other tables need the folder `shared/data`.
"""

from __future__ import annotations

import argparse
import math
import statistics
import time
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage.data import astronaut
from skimage.restoration import denoise_tv_chambolle

from zeroshot.noise import add_gaussian, random_mask
from zeroshot.operators import Identity, Mask, Mosaic
from zeroshot.priors.total_variation.nonlocal_tv import NonlocalTotalVariation
from zeroshot.priors.total_variation.tgv import TotalGeneralizedVariation
from zeroshot.priors.total_variation.tv import HuberTotalVariation, TotalVariation
from zeroshot.problem import Problem

SIGMA = 25 / 255


def objective(u: np.ndarray, f: np.ndarray, weight: float) -> float:
    """½‖u − f‖² + w Σ |∇u| of (H, W, C) arrays, in double precision."""
    u, f = u.astype(np.float64), f.astype(np.float64)
    down, along = np.zeros_like(u), np.zeros_like(u)
    down[:-1], along[:, :-1] = np.diff(u, axis=0), np.diff(u, axis=1)
    return 0.5 * float(np.square(u - f).sum()) + weight * float(np.hypot(down, along).sum())


def scikit_image(f: np.ndarray, weight: float) -> tuple[np.ndarray, float]:
    """The image of scikit-image and the seconds it took."""
    started = time.perf_counter()
    u = denoise_tv_chambolle(f, weight=weight, eps=1e-6, max_num_iter=10000, channel_axis=-1)
    return u, time.perf_counter() - started


def ours(f: np.ndarray, weight: float, target: float) -> tuple[float, float, int]:
    """The objective, the seconds and the iterations until it is at most `target`, from array to array."""
    started = time.perf_counter()
    y = torch.from_numpy(f).permute(2, 0, 1)[None].contiguous()
    problem = Problem(y, Identity(), task="denoise")
    prior = TotalVariation(weight=weight, coupling="channels")
    run = prior.start(problem, torch.Generator())
    # The float32 iterate is evaluated in double precision afterwards: aim a rounding error lower.
    while (estimate := run.step()).loss > target * (1 - 1e-6):
        if estimate.iteration >= 10000:
            raise RuntimeError(f"objective {estimate.loss} after 10000 iterations, wanted {target}")
    u = run.unclipped[0].permute(1, 2, 0).numpy()
    seconds = time.perf_counter() - started
    return objective(u, f, weight), seconds, estimate.iteration


def compare_speed(weights: list[float], repeats: int) -> None:
    """Print the table of objectives and seconds."""
    clean = astronaut().astype(np.float32) / 255
    f64 = clean + np.random.default_rng(0).normal(0, SIGMA, clean.shape)
    grey = f64.mean(axis=-1, keepdims=True).astype(np.float32)
    f32 = f64.astype(np.float32)
    print(f"astronaut 512 × 512, σ = 25/255, {torch.get_num_threads()} torch threads, {repeats} runs each")
    print("weight  peer     channels  peer objective  our objective  iterations  peer s   our s   ratio")
    ours(f32, weights[0], math.inf)
    for weight in weights:
        for f, mine in ((f32, f32), (f64, f32), (grey, grey)):
            print(f"{weight:<7g} {f.dtype!s:8} {f.shape[-1]:8d} {_row(f, mine, weight, repeats)}")


def _row(f: np.ndarray, mine: np.ndarray, weight: float, repeats: int) -> str:
    theirs, own, reached = [], [], 0.0
    for _ in range(repeats):
        u, seconds = scikit_image(f, weight)
        theirs.append(seconds)
        target = objective(u, mine, weight)
        reached, seconds, iterations = ours(mine, weight, target)
        own.append(seconds)
    peer, our = statistics.median(theirs), statistics.median(own)
    return f"{target:15.4f} {reached:14.4f} {iterations:11d} {peer:7.3f} {our:7.3f} {peer / our:7.1f}" + (
        "" if reached <= target else "   objective not reached"
    )


def compare_discrepancies(folder: Path, factors: list[float]) -> None:
    """Print the mean PSNR on Set12 by noise level and residual asked for."""
    files = sorted(folder.glob("*.png"))
    print(
        f"\nSet12 ({len(files)} grey images), PSNR in dB with the weight chosen for the residual factor · σ"
    )
    print("sigma   factor   mean    min    max   weight  iterations  seconds")
    for level in (10, 25, 50):
        for factor in factors:
            rows = [_denoise(file, level / 255, factor) for file in files]
            psnr, weight, iterations, seconds = zip(*rows, strict=True)
            print(
                f"{level:5d} {factor:8g} {statistics.mean(psnr):7.2f} {min(psnr):6.2f} {max(psnr):6.2f} "
                f"{statistics.mean(weight):7.4f} {statistics.mean(iterations):11.0f} "
                f"{statistics.mean(seconds):8.2f}"
            )


def _denoise(file: Path, sigma: float, factor: float) -> tuple[float, float, int, float]:
    """PSNR, weight, iterations and seconds for one image."""
    x = torch.from_numpy(np.array(Image.open(file).convert("L"), dtype=np.float32) / 255)[None, None]
    problem = Problem(add_gaussian(x, sigma, torch.Generator().manual_seed(0)), Identity(), sigma=sigma)
    prior = TotalVariation(discrepancy=factor)
    started = time.perf_counter()
    run, rule = prior.start(problem, torch.Generator()), prior.default_stopping(problem)
    rule.start(problem)
    while not rule.update(estimate := run.step()):
        pass
    psnr = -10 * math.log10(float((estimate.image - x).square().mean()))
    return psnr, run.weight, estimate.iteration, time.perf_counter() - started


def _image(file: Path, mode: str) -> torch.Tensor:
    pixels = np.array(Image.open(file).convert(mode), dtype=np.float32) / 255
    return torch.from_numpy(pixels).view(*pixels.shape[:2], -1).permute(2, 0, 1)[None].contiguous()


def _problem(task: str, x: torch.Tensor, level: int) -> Problem:
    generator = torch.Generator().manual_seed(0)
    if task == "denoise":
        return Problem(add_gaussian(x, level / 255, generator), Identity(), sigma=level / 255, task=task)
    if task == "inpaint":
        mask = random_mask(x.shape, 0.5, generator)
        return Problem(x * mask, Mask(mask), sigma=0.0, task=task, measured=mask)
    return Problem(Mosaic("RGGB")(x), Mosaic("RGGB"), sigma=0.0, task=task)


def compare_family(task: str, data: Path, crop: int | None) -> None:
    """Print the mean PSNR (of all channels together, not rounded to 8 bit) of every prior on the task's sets."""
    sets = {"denoise": ("set12",), "inpaint": ("inpaint11",), "demosaic": ("kodak_full", "mcmaster")}[task]
    for name in sets:
        files = sorted(file for file in (data / name).iterdir() if file.suffix in (".png", ".tif"))
        for level in (15, 25, 50) if task == "denoise" else (0,):
            rows = []
            for file in files:
                x = _image(file, "RGB" if task == "demosaic" else "L")
                x = _middle(x, crop) if crop else x
                rows.append(_family_row(_problem(task, x, level), x))
            means = {prior: statistics.mean(row[prior] for row in rows) for prior in rows[0]}
            print(
                f"{task:9} {name:11} {len(files):3d} images σ {level:2d}: "
                + "  ".join(f"{prior} {value:.2f}" for prior, value in means.items()),
                flush=True,
            )


def _middle(x: torch.Tensor, side: int) -> torch.Tensor:
    top, left = (max(0, size - side) // 4 * 2 for size in x.shape[-2:])
    return x[..., top : top + side, left : left + side].contiguous()


def _family_row(problem: Problem, x: torch.Tensor) -> dict[str, float]:
    row = {"first": _psnr(problem.initial(), x)}
    if problem.task == "demosaic":
        row["malvar"] = _psnr(malvar(problem.y), x)
    for family in (TotalVariation, HuberTotalVariation, TotalGeneralizedVariation, NonlocalTotalVariation):
        prior = family.for_problem(problem)
        run, rule = prior.start(problem, torch.Generator().manual_seed(0)), prior.default_stopping(problem)
        rule.start(problem)
        started = time.perf_counter()
        while not rule.update(estimate := run.step()):
            pass
        row[prior.name] = _psnr(estimate.image, x)
        row[f"{prior.name} s"] = time.perf_counter() - started
    return row


def _psnr(estimate: torch.Tensor, x: torch.Tensor) -> float:
    return -10 * math.log10(float((estimate - x).square().mean()))


def malvar(y: torch.Tensor) -> torch.Tensor:
    """The 5 × 5 linear filters of Malvar, He, Cutler (ICASSP 2004) on an RGGB mosaic (N, 1, H, W)."""
    across = [[0, 0, 0.5, 0, 0], [0, -1, 0, -1, 0], [-1, 4, 5, 4, -1], [0, -1, 0, -1, 0], [0, 0, 0.5, 0, 0]]
    green = [[0, 0, -1, 0, 0], [0, 0, 2, 0, 0], [-1, 2, 4, 2, -1], [0, 0, 2, 0, 0], [0, 0, -1, 0, 0]]
    other = [[0, 0, -1.5, 0, 0], [0, 2, 0, 2, 0], [-1.5, 0, 6, 0, -1.5], [0, 2, 0, 2, 0], [0, 0, -1.5, 0, 0]]
    kernels = torch.tensor([green, across, torch.tensor(across).T.tolist(), other])[:, None] / 8
    padded = torch.nn.functional.pad(y, (2, 2, 2, 2), mode="reflect")
    g, row, column, diagonal = torch.nn.functional.conv2d(padded, kernels).unbind(1)
    x = y.repeat(1, 3, 1, 1)
    x[:, 1, ::2, ::2], x[:, 1, 1::2, 1::2] = g[:, ::2, ::2], g[:, 1::2, 1::2]
    for channel, i in ((0, 0), (2, 1)):
        j = 1 - i
        x[:, channel, i::2, j::2], x[:, channel, j::2, i::2] = row[:, i::2, j::2], column[:, j::2, i::2]
        x[:, channel, j::2, j::2] = diagonal[:, j::2, j::2]
    return x.clamp(0, 1)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    beside = Path(__file__).resolve().parents[1].parent / "shared"
    parser.add_argument("--shared", type=Path, default=beside, help="folder that holds data/set12")
    parser.add_argument("--weights", type=float, nargs="+", default=[0.05, 0.1, 0.2])
    parser.add_argument("--threads", type=int, default=1, help="torch threads")
    parser.add_argument("--tables", nargs="*", default=[], choices=["denoise", "inpaint", "demosaic"])
    parser.add_argument("--crop", type=int, help="side of the middle of each image that the tables look at")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--discrepancy", type=float, nargs="+", default=[TotalVariation().discrepancy])
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    if arguments.tables:
        for task in arguments.tables:
            compare_family(task, arguments.shared / "data", arguments.crop)
        return
    compare_speed(arguments.weights, arguments.repeats)
    folder = arguments.shared / "data" / "set12"
    if folder.is_dir():
        compare_discrepancies(folder, arguments.discrepancy)
    else:
        print(f"\nSet12 left out: no folder {folder.name} in {arguments.shared / 'data'}; give --shared")


if __name__ == "__main__":
    main()
