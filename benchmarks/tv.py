"""Total variation against scikit-image: time to an equal objective, and the quality of the chosen weight.

    python benchmarks/tv.py
    python benchmarks/tv.py --discrepancy 0.9 0.925 0.95 1    # how the residual asked for changes PSNR

The first table denoises the 512 × 512 colour photograph `skimage.data.astronaut` with Gaussian noise of
σ = 25/255. Both programs minimise ½‖u − f‖² + w Σ |∇u|, isotropic, each channel on its own; scikit-image
stops by its own rule, and ours as soon as its objective is at most the one that scikit-image reached. Both
objectives are evaluated by the same function in double precision. Runs alternate, and the medians of their
seconds are compared. The second table needs the test images of Set12 in the folder `shared/data/set12`.
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

from zeroshot.noise import add_gaussian
from zeroshot.operators import Identity
from zeroshot.priors.tv import TotalVariation
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
    f32 = f64.astype(np.float32)
    print(
        f"astronaut 512 × 512 × 3, σ = 25/255, {torch.get_num_threads()} torch threads, {repeats} runs each"
    )
    print("weight  peer     peer objective  our objective  iterations  peer s   our s   ratio")
    ours(f32, weights[0], math.inf)
    for weight in weights:
        for f in (f32, f64):
            theirs, mine, reached = [], [], 0.0
            for _ in range(repeats):
                u, seconds = scikit_image(f, weight)
                theirs.append(seconds)
                target = objective(u, f32, weight)
                reached, seconds, iterations = ours(f32, weight, target)
                mine.append(seconds)
            peer, own = statistics.median(theirs), statistics.median(mine)
            print(
                f"{weight:<7g} {f.dtype!s:8} {target:14.4f} {reached:14.4f} {iterations:11d} {peer:7.3f} "
                f"{own:7.3f} {peer / own:7.1f}" + ("" if reached <= target else "   objective not reached")
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


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    beside = Path(__file__).resolve().parents[1].parent / "shared"
    parser.add_argument("--shared", type=Path, default=beside, help="folder that holds data/set12")
    parser.add_argument("--weights", type=float, nargs="+", default=[0.05, 0.1, 0.2])
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--discrepancy", type=float, nargs="+", default=[TotalVariation().discrepancy])
    arguments = parser.parse_args()
    compare_speed(arguments.weights, arguments.repeats)
    folder = arguments.shared / "data" / "set12"
    if folder.is_dir():
        compare_discrepancies(folder, arguments.discrepancy)
    else:
        print(f"\nSet12 left out: no folder {folder.name} in {arguments.shared / 'data'}; give --shared")


if __name__ == "__main__":
    main()
