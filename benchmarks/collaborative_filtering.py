"""BM3D and CBM3D against the compiled package `bm3d`: PSNR and seconds, image by image.

    python benchmarks/collaborative_filtering.py --set set12 --sigma 15 25 50
    python benchmarks/collaborative_filtering.py --set colour9 --sigma 25
    python benchmarks/collaborative_filtering.py --set set12 --images 3 --threads 1 --profile fast normal high
    python benchmarks/collaborative_filtering.py --speed --threads 2        # 512 × 512 grey, runs alternate

The peer is `pip install bm3d` (not free for commercial use); without it, or with --alone, only our own figures
are printed. Both get the same noisy image, Gaussian noise of seed 0 for each image, and the same number of
threads. PSNR is taken of the unrounded, unclipped results.
"""

from __future__ import annotations

import argparse
import statistics
import time
from pathlib import Path
from types import ModuleType

import numpy as np
import torch
from PIL import Image

from zeroshot.noise import add_gaussian
from zeroshot.priors.self_similarity.bm3d.prior import BlockMatching3D

#: Mean PSNR in dB as published, by set and noise level: BM3D on Set12 and CBM3D on the nine colour images.
PUBLISHED = {
    ("set12", 15): 32.37,
    ("set12", 25): 29.97,
    ("set12", 50): 26.72,
    ("colour9", 25): 31.42,
}


def peer_package() -> ModuleType:
    """The package `bm3d`, or a clear end."""
    try:
        import bm3d
    except ImportError:
        raise SystemExit(
            "the peer is missing: pip install bm3d, or give --alone for our own figures"
        ) from None
    return bm3d


def photographs(folder: Path, count: int | None) -> list[tuple[str, torch.Tensor]]:
    """Names and images (1, C, H, W) of a set, in the order of their names."""
    if not folder.is_dir():
        raise SystemExit(f"no folder {folder.name} in {folder.parent}; give --shared")
    loaded = []
    for file in sorted(folder.glob("*.png"))[:count]:
        picture = Image.open(file)
        pixels = np.array(picture.convert("L" if folder.name == "set12" else "RGB"), dtype=np.float32) / 255
        loaded.append(
            (file.stem, torch.from_numpy(np.atleast_3d(pixels)).permute(2, 0, 1)[None].contiguous())
        )
    return loaded


def decibels(estimate: torch.Tensor, truth: torch.Tensor) -> float:
    return -10 * float((estimate - truth).square().mean().log10())


def of_peer(
    package: ModuleType, noisy: torch.Tensor, sigma: float, threads: int
) -> tuple[torch.Tensor, float]:
    """The result of the package and the seconds it took, from array to array."""
    settings = package.BM3DProfile()
    settings.num_threads = threads
    pixels = noisy[0].permute(1, 2, 0).double().numpy()
    started = time.perf_counter()
    if pixels.shape[2] == 3:
        result = package.bm3d_rgb(pixels, sigma, settings)
    else:
        result = package.bm3d(pixels[..., 0], sigma, settings)
    seconds = time.perf_counter() - started
    return torch.from_numpy(np.atleast_3d(result)).permute(2, 0, 1)[None].float(), seconds


def of_ours(prior: BlockMatching3D, noisy: torch.Tensor, sigma: float) -> tuple[torch.Tensor, float]:
    started = time.perf_counter()
    result = prior.denoise(noisy, sigma)
    return result, time.perf_counter() - started


def compare(
    images: list[tuple[str, torch.Tensor]],
    sigma: int,
    prior: BlockMatching3D,
    package: ModuleType | None,
    threads: int,
    published: float | None,
) -> None:
    """Print a row for each image, and their mean."""
    stated = "" if published is None else f", published mean {published} dB"
    print(f"\nσ = {sigma}, profile {prior.profile}, {threads} threads{stated}")
    print(f"{'image':<12}{'our dB':>8}{'peer dB':>9}{'gain':>7}{'our s':>8}{'peer s':>8}{'ratio':>7}")
    rows = []
    for name, image in images:
        noisy = add_gaussian(image, sigma / 255, torch.Generator().manual_seed(0))
        mine, seconds = of_ours(prior, noisy, sigma / 255)
        row = [decibels(mine, image), float("nan"), seconds, float("nan")]
        if package is not None:
            theirs, row[3] = of_peer(package, noisy, sigma / 255, threads)
            row[1] = decibels(theirs, image)
        rows.append(row)
        print_row(name, *row)
    print_row("mean", *(statistics.mean(column) for column in zip(*rows, strict=True)))


def print_row(name: str, ours: float, peer: float, our_seconds: float, peer_seconds: float) -> None:
    print(
        f"{name:<12}{ours:8.2f}{peer:9.2f}{ours - peer:7.2f}{our_seconds:8.2f}{peer_seconds:8.2f}"
        f"{our_seconds / peer_seconds:7.2f}",
        flush=True,
    )


def compare_speed(prior: BlockMatching3D, package: ModuleType, threads: int, repeats: int) -> None:
    """Print the medians of alternating runs on a grey photograph of 512 × 512 at σ = 25."""
    from skimage.data import camera

    image = torch.from_numpy(camera().astype(np.float32) / 255)[None, None]
    noisy = add_gaussian(image, 25 / 255, torch.Generator().manual_seed(0))
    of_ours(prior, noisy, 25 / 255)
    ours, theirs = [], []
    for _ in range(repeats):
        theirs.append(of_peer(package, noisy, 25 / 255, threads)[1])
        ours.append(of_ours(prior, noisy, 25 / 255)[1])
    mine, peer = statistics.median(ours), statistics.median(theirs)
    print(
        f"512 × 512 grey, σ = 25, {threads} threads, profile {prior.profile}, median of {repeats}: "
        f"ours {mine:.2f} s, peer {peer:.2f} s, ratio {mine / peer:.2f}"
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    beside = Path(__file__).resolve().parents[1].parent / "shared"
    parser.add_argument("--shared", type=Path, default=beside, help="folder that holds data/set12")
    parser.add_argument("--set", choices=("set12", "colour9"), default="set12")
    parser.add_argument("--sigma", type=int, nargs="+", default=[25], help="of 255")
    parser.add_argument("--images", type=int, help="only the first so many")
    parser.add_argument("--profile", nargs="+", default=["normal"])
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--alone", action="store_true", help="without the peer")
    parser.add_argument("--speed", action="store_true", help="only the seconds of one image, alternating")
    parser.add_argument("--repeats", type=int, default=3)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    package = None if arguments.alone else peer_package()
    priors = [BlockMatching3D(profile=profile) for profile in arguments.profile]
    if arguments.speed:
        for prior in priors:
            compare_speed(prior, package or peer_package(), arguments.threads, arguments.repeats)
        return
    images = photographs(arguments.shared / "data" / arguments.set, arguments.images)
    for sigma in arguments.sigma:
        for prior in priors:
            published = None if arguments.images else PUBLISHED.get((arguments.set, sigma))
            compare(images, sigma, prior, package, arguments.threads, published)


if __name__ == "__main__":
    main()
