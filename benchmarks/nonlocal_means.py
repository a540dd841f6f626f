"""Non-local means against scikit-image: seconds and PSNR at the same patch, window and strength.

    python benchmarks/nonlocal_means.py
    python benchmarks/nonlocal_means.py --sets set12 colour9 --sigma 15 25 50    # quality on the shared images

The first table denoises the 512 × 512 photograph `skimage.data.astronaut`, in grey and in colour, with Gaussian
noise of σ = 25/255. scikit-image runs its fast mode on float32. Both programs get the published settings of
that noise level and the true σ. Runs alternate in one process; the seconds are medians, the ratio is
scikit-image's over ours. The second table, asked for by --sets, needs the images in the folder `shared/data`.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from skimage.data import astronaut
from skimage.restoration import denoise_nl_means

from zeroshot.metrics import psnr
from zeroshot.noise import add_gaussian
from zeroshot.priors.self_similarity.nonlocal_means import Aggregation, NonlocalMeans

SIGMA = 25 / 255
#: Side of a patch, side of the window and h/σ published for σ = 25, by the number of channels.
PUBLISHED = {1: (5, 21, 0.40), 3: (3, 21, 0.55)}


def as_image(pixels: np.ndarray) -> torch.Tensor:
    """(H, W) or (H, W, C) of 8 bits → (1, C, H, W) in [0, 1]."""
    image = torch.from_numpy(pixels.astype(np.float32) / 255)
    return (image[None] if image.ndim == 2 else image.permute(2, 0, 1))[None].contiguous()


def scikit_image(noisy: torch.Tensor) -> torch.Tensor:
    """The result of scikit-image's fast mode."""
    patch, window, strength = PUBLISHED[noisy.shape[1]]
    pixels = noisy[0].permute(1, 2, 0).contiguous().numpy()
    result = denoise_nl_means(
        pixels if pixels.shape[-1] > 1 else pixels[..., 0],
        patch_size=patch,
        patch_distance=window // 2,
        h=strength * SIGMA,
        sigma=SIGMA,
        fast_mode=True,
        channel_axis=-1 if pixels.shape[-1] > 1 else None,
    )
    return torch.from_numpy(np.ascontiguousarray(result.reshape(pixels.shape))).permute(2, 0, 1)[None]


def ours(aggregation: Aggregation) -> Callable[[torch.Tensor], torch.Tensor]:
    """Our denoiser, from tensor to tensor."""
    return lambda noisy: NonlocalMeans(aggregation=aggregation).denoise(noisy, SIGMA)


def compare_speed(repeats: int) -> None:
    """Print the table of seconds and PSNR."""
    programs = {
        "scikit-image, fast mode": scikit_image,
        "ours, pixelwise": ours("pixelwise"),
        "ours, patchwise": ours("patchwise"),
    }
    print(f"astronaut 512 × 512, σ = 25/255, {torch.get_num_threads()} torch threads, {repeats} runs each")
    print("image    program                    seconds   ratio   PSNR")
    clean = as_image(astronaut())
    for name, x in (("grey", clean.mean(dim=1, keepdim=True)), ("colour", clean)):
        noisy = add_gaussian(x, SIGMA, torch.Generator().manual_seed(0))
        seconds: dict[str, list[float]] = {program: [] for program in programs}
        quality = {program: psnr(run(noisy), x) for program, run in programs.items()}
        for _ in range(repeats):
            for program, run in programs.items():
                started = time.perf_counter()
                run(noisy)
                seconds[program].append(time.perf_counter() - started)
        peer = statistics.median(seconds["scikit-image, fast mode"])
        for program, times in seconds.items():
            own = statistics.median(times)
            print(f"{name:8} {program:25} {own:8.3f} {peer / own:7.2f} {quality[program]:7.2f}")


def measure_quality(folder: Path, levels: list[int], aggregation: Aggregation) -> None:
    """Print the mean PSNR of the images of a folder, not rounded to 8 bits, and the seconds a picture."""
    files = sorted(folder.glob("*.png"))
    for level in levels:
        results, started = [], time.perf_counter()
        for file in files:
            x = as_image(np.array(Image.open(file)))
            noisy = add_gaussian(x, level / 255, torch.Generator().manual_seed(0))
            results.append(
                psnr(NonlocalMeans(aggregation=aggregation).denoise(noisy, level / 255).clamp(0, 1), x)
            )
        seconds = (time.perf_counter() - started) / len(files)
        print(f"{folder.name:10} {aggregation:10} {level:5d} {statistics.mean(results):7.2f} {seconds:8.2f}")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    beside = Path(__file__).resolve().parents[1].parent / "shared"
    parser.add_argument(
        "--shared", type=Path, default=beside, help="folder that holds the test images in data/"
    )
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--sets", nargs="*", default=[], help="names of folders in data/")
    parser.add_argument("--sigma", type=int, nargs="+", default=[15, 25, 50], help="noise levels of 255")
    arguments = parser.parse_args()
    compare_speed(arguments.repeats)
    if arguments.sets:
        print("\nset        kind       sigma    PSNR   seconds")
    for name in arguments.sets:
        for aggregation in ("pixelwise", "patchwise"):
            measure_quality(arguments.shared / "data" / name, arguments.sigma, aggregation)


if __name__ == "__main__":
    main()
