"""Total variation, non-local means and BM3D against other packages: seconds of runs in turn, and what they reach.

    python -m benchmarks.speed
    python -m benchmarks.speed tv --weights 0.05 0.1 0.2
    python -m benchmarks.speed bm3d --profiles fast normal high --threads 2
    python -m benchmarks.speed --before ../before/.venv/bin/python   # the priors, before and now: benchmarks.versions

All denoise the 512 × 512 photograph `skimage.data.astronaut`, in grey and in colour, with Gaussian noise of
σ = 25/255. Runs alternate in one process; seconds are medians, the ratio is the peer's over ours.

tv : scikit-image. Both minimise ½‖u − f‖² + w Σ |∇u|, isotropic, each channel on its own; scikit-image stops by its
    own rule, and ours as soon as its objective is at most the one that scikit-image reached. Both objectives are
    evaluated by the same function in double precision. scikit-image works in one thread.
nlm : scikit-image in its fast mode. Both get the published settings of that noise level and the true σ.
bm3d : the compiled package `bm3d` (`pip install bm3d`, not free for commercial use), with as many threads.

What they reach on whole sets is in the tables of `python -m benchmarks.classic denoise`.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np
import torch
from skimage.data import astronaut
from skimage.restoration import denoise_nl_means, denoise_tv_chambolle

from zeroshot.compare.methods.arrays import to_array, to_tensor
from zeroshot.estimate import Estimate
from zeroshot.loop import Loop
from zeroshot.metrics import psnr
from zeroshot.noise import add_gaussian
from zeroshot.operators import Identity
from zeroshot.priors.self_similarity.bm3d.bm3d import BlockMatching3D
from zeroshot.priors.self_similarity.nonlocal_means import NonlocalMeans
from zeroshot.priors.total_variation.tv import TotalVariation
from zeroshot.problem import Problem
from zeroshot.stopping import StoppingRule

from .arguments import count, parsed, parser
from .peers import bm3d_package
from .table import show
from .timing import in_turn
from .versions import CELLS, compare_versions

SIGMA = 25 / 255
#: Of non-local means at that level: side of a patch, side of the window and h/σ, by the number of channels.
NLM = {1: (5, 21, 0.40), 3: (3, 21, 0.55)}
Denoiser = Callable[[torch.Tensor], torch.Tensor]


def photographs() -> dict[str, torch.Tensor]:
    """The photograph in grey and in colour, (1, C, 512, 512)."""
    colour = to_tensor(astronaut() / 255)
    return {"grey": colour.mean(dim=1, keepdim=True), "colour": colour}


# --- denoisers ---------------------------------------------------------------------------------------------


def skimage_nlm(noisy: torch.Tensor) -> torch.Tensor:
    """The result of scikit-image's fast mode."""
    patch, window, strength = NLM[noisy.shape[1]]
    pixels = to_array(noisy)
    return to_tensor(
        denoise_nl_means(
            pixels,
            patch_size=patch,
            patch_distance=window // 2,
            h=strength * SIGMA,
            sigma=SIGMA,
            fast_mode=True,
            channel_axis=None if pixels.ndim == 2 else -1,
        )
    )


def compare_denoisers(title: str, peer: Denoiser, ours: dict[str, Denoiser], repeats: int) -> None:
    """Print seconds, ratio and PSNR of the peer and of ours; the first call of each does not count."""
    lines = []
    for name, clean in photographs().items():
        noisy = add_gaussian(clean, SIGMA, torch.Generator().manual_seed(0))
        programs = {"peer": peer, **ours}
        reached = {program: psnr(run(noisy).clamp(0, 1), clean) for program, run in programs.items()}
        calls = {program: lambda run=run, noisy=noisy: run(noisy) for program, run in programs.items()}
        seconds = in_turn(calls, repeats)
        lines += [
            [name, program, seconds[program], seconds["peer"] / seconds[program], reached[program]]
            for program in programs
        ]
    heads = {"image": "", "program": "", "seconds": ".3f", "ratio": ".2f", "PSNR": ".2f"}
    show(f"{title}, {torch.get_num_threads()} threads, medians of {repeats}", heads, lines)


# --- total variation ---------------------------------------------------------------------------------------


class Reached(StoppingRule):
    """Stops when the objective is at most a target."""

    def __init__(self, target: float) -> None:
        # The float32 iterate is evaluated in double precision afterwards: aim a rounding error lower.
        self.target = target * (1 - 1e-6)

    def update(self, estimate: Estimate) -> bool:
        if estimate.iteration >= 10000:
            raise RuntimeError(f"objective {estimate.loss} after 10000 iterations, wanted {self.target}")
        return estimate.loss <= self.target


def objective(u: np.ndarray, f: np.ndarray, weight: float) -> float:
    """½‖u − f‖² + w Σ |∇u| of (H, W, C) arrays, in double precision."""
    u, f = u.astype(np.float64), f.astype(np.float64)
    down, along = np.zeros_like(u), np.zeros_like(u)
    down[:-1], along[:, :-1] = np.diff(u, axis=0), np.diff(u, axis=1)
    return 0.5 * float(np.square(u - f).sum()) + weight * float(np.hypot(down, along).sum())


def skimage_tv(f: np.ndarray, weight: float) -> np.ndarray:
    """The image of scikit-image, converged as far as it gets."""
    return denoise_tv_chambolle(f, weight=weight, eps=1e-6, max_num_iter=10000, channel_axis=-1)


def our_tv(f: np.ndarray, weight: float, target: float) -> tuple[np.ndarray, int]:
    """The image and the iterations until the objective is at most `target`, from array to array."""
    loop = Loop(
        Problem(to_tensor(f), Identity(), task="denoise"),
        TotalVariation(weight=weight, coupling="channels"),
        Reached(target),
        generator=torch.Generator().manual_seed(0),
    ).complete()
    return loop.run.unclipped[0].permute(1, 2, 0).numpy(), loop.iteration  # type: ignore[attr-defined]


def compare_tv(weights: list[float], repeats: int) -> None:
    """Print objectives and seconds, against scikit-image in float32 and in float64."""
    clean = astronaut() / 255
    f64 = clean + np.random.default_rng(0).normal(0, SIGMA, clean.shape)
    grey, f32 = f64.mean(axis=-1, keepdims=True).astype(np.float32), f64.astype(np.float32)
    our_tv(f32, weights[0], math.inf)
    lines = []
    for weight in weights:
        for f, mine in ((f32, f32), (f64, f32), (grey, grey)):
            target = objective(skimage_tv(f, weight), mine, weight)
            image, iterations = our_tv(mine, weight, target)
            runs = {
                "peer": lambda f=f, w=weight: skimage_tv(f, w),
                "ours": lambda f=mine, w=weight, t=target: our_tv(f, w, t),
            }
            peer, ours = in_turn(runs, repeats).values()
            reached = objective(image, mine, weight)
            line = [weight, str(f.dtype), f.shape[-1], target, reached, iterations, peer, ours, peer / ours]
            lines.append(line)
    heads = {
        "weight": "g",
        "peer": "",
        "channels": "d",
        "peer objective": ".4f",
        "our objective": ".4f",
        "iterations": "d",
        "peer s": ".3f",
        "our s": ".3f",
        "ratio": ".1f",
    }
    show(f"tv, {torch.get_num_threads()} threads, medians of {repeats}", heads, lines)


def main() -> None:
    options = parser(__doc__)
    add = options.add_argument
    add("priors", nargs="*", metavar="PRIOR", help="tv, nlm, bm3d; default all")
    add("--repeats", type=count, help="default 5, and 1 with --before")
    add("--threads", type=count, default=1, help="torch threads, and those of the package bm3d")
    add("--weights", type=float, nargs="+", default=[0.05, 0.1, 0.2], help="of tv")
    add("--profiles", nargs="+", default=["normal"], help="of bm3d")
    add("--before", metavar="PYTHON", help="an interpreter that has another version, to compare with instead")
    arguments = parsed(options)
    if arguments.before:
        given = [name for name in ("threads", "weights", "profiles")
                 if getattr(arguments, name) != options.get_default(name)]  # fmt: skip
        if given:
            options.error(f"--{given[0]} does not go with --before, which runs the defaults with one thread")
        cells = [cell for cell in CELLS.split(",") if cell.partition(":")[2] in arguments.priors]
        if arguments.priors and not cells:
            options.error(f"benchmarks.versions has no cell of {', '.join(arguments.priors)}")
        compare_versions(arguments.before, cells or CELLS.split(","), repeats=arguments.repeats or 1)
        return
    arguments.repeats = arguments.repeats or 5
    for prior in arguments.priors or ["tv", "nlm", "bm3d"]:
        if prior == "tv":
            compare_tv(arguments.weights, arguments.repeats)
        elif prior == "nlm":
            kinds = {kind: NonlocalMeans(aggregation=kind) for kind in ("pixelwise", "patchwise")}  # type: ignore[arg-type]
            ours = {f"ours, {kind}": lambda y, one=one: one.denoise(y, SIGMA) for kind, one in kinds.items()}
            compare_denoisers("nlm", skimage_nlm, ours, arguments.repeats)
        elif prior == "bm3d":
            profiles = {name: BlockMatching3D(profile=name) for name in arguments.profiles}
            ours = {
                f"ours, {name}": lambda y, one=one: one.denoise(y, SIGMA) for name, one in profiles.items()
            }
            try:
                compare_denoisers("bm3d", package, ours, arguments.repeats)
            except ImportError:
                print("\nbm3d left out: pip install bm3d")
        else:
            options.error(f"there is no comparison of {prior!r}; there are: tv, nlm, bm3d")


def package(noisy: torch.Tensor) -> torch.Tensor:
    """The result of the package `bm3d`."""
    return to_tensor(bm3d_package(to_array(noisy).astype(np.float64), {"sigma": SIGMA}))


if __name__ == "__main__":
    main()
