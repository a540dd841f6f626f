"""BM4D and non-local means of volumes beside their own plane by plane and beside the package `bm4d`.

    python -m benchmarks.volume_filters                               # 24 planes of 96 × 96, σ = 10, 25 and 50
    python -m benchmarks.volume_filters --sigmas 25 --depth 12 --side 48
    python -m benchmarks.volume_filters --filters bm4d,package --threads 1

Volumes are made in code (:mod:`benchmarks.made_volumes`) and get white Gaussian noise; σ is on the scale of 255. Lines
are PSNR of whole volumes, and their mean; `CPU seconds` are those of a volume, of all threads together. The package is
compiled, and not free for commercial use (`pip install bm4d`).
"""

from __future__ import annotations

import importlib.util
import statistics
import time
from collections.abc import Callable

import torch

from zeroshot.compare.specification import split
from zeroshot.metrics import psnr
from zeroshot.priors.self_similarity.bm3d.bm3d import BlockMatching3D
from zeroshot.priors.self_similarity.bm3d.volume import filter_volume
from zeroshot.priors.self_similarity.nonlocal_means import NonlocalMeans
from zeroshot.priors.self_similarity.nonlocal_volume import average_volume

from .arguments import count, parsed, parser
from .made_volumes import made_volumes
from .peers import bm4d_package
from .table import show

#: (D, H, W) and σ on the scale from 0 to 1 ↦ the denoised volume.
FILTERS: dict[str, Callable[[torch.Tensor, float], torch.Tensor]] = {
    "bm3d": lambda noisy, sigma: BlockMatching3D().denoise(noisy[:, None], sigma)[:, 0],
    "bm4d": lambda noisy, sigma: filter_volume(noisy[None], sigma)[0],
    "package": lambda noisy, sigma: torch.from_numpy(bm4d_package(noisy.numpy(), sigma)).float(),
    "nlm by planes": lambda noisy, sigma: NonlocalMeans().denoise(noisy[:, None], sigma)[:, 0],
    "nlm": lambda noisy, sigma: average_volume(noisy[None], sigma)[0],
}


def measured(name: str, noisy: torch.Tensor, clean: torch.Tensor, sigma: float) -> tuple[float, float]:
    """PSNR and CPU seconds of a filter."""
    started = time.process_time()
    estimate = FILTERS[name](noisy, sigma)
    spent = time.process_time() - started
    return psnr(estimate.clamp(0, 1)[:, None], clean[:, None]), spent


def main() -> None:
    """Print a table for every noise level."""
    options = parser(__doc__)
    add = options.add_argument
    add("--filters", type=split, default=list(FILTERS), metavar="LIST", help=f"of {', '.join(FILTERS)}")
    add("--sigmas", type=float, nargs="+", default=[10, 25, 50], metavar="LEVEL", help="of 255")
    add("--depth", type=count, default=24, metavar="PLANES", help="default 24")
    add("--side", type=count, default=96, metavar="PIXELS", help="default 96")
    add("--threads", type=count, help="CPU threads (default: all cores)")
    arguments = parsed(options)
    if unknown := [name for name in arguments.filters if name not in FILTERS]:
        options.error(f"no filter {unknown[0]!r}; there are {', '.join(FILTERS)}")
    filters = [name for name in arguments.filters if name != "package" or importlib.util.find_spec("bm4d")]
    if len(filters) < len(arguments.filters):
        print("the package is left out: pip install bm4d\n")
    volumes = made_volumes(arguments.depth, arguments.side)
    for level in arguments.sigmas:
        generator = torch.Generator().manual_seed(0)
        noisy = {
            name: clean + level / 255 * torch.randn(clean.shape, generator=generator)
            for name, clean in volumes.items()
        }
        figures = {
            name: [measured(name, noisy[volume], volumes[volume], level / 255) for volume in volumes]
            for name in filters
        }
        reached = {name: [one[0] for one in column] for name, column in figures.items()}
        seconds = {name: [one[1] for one in column] for name, column in figures.items()}
        lines = [[volume, *(reached[name][row] for name in reached)] for row, volume in enumerate(volumes)]
        lines.append(["mean", *(statistics.mean(reached[name]) for name in reached)])
        lines.append(["CPU seconds", *(statistics.mean(seconds[name]) for name in reached)])
        shape = f"{arguments.depth} planes of {arguments.side} × {arguments.side}"
        show(f"σ = {level:g}, {shape}", {"volume": "", **dict.fromkeys(reached, ".2f")}, lines)


if __name__ == "__main__":
    main()
