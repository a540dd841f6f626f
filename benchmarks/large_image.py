"""A photograph of 12 megapixels by Deep Image Prior in tiles: peak memory, seconds, and the gain in dB.

The picture, 4000 × 3000 in colour, is mirrored together from scikit-image's photographs, and gets noise of 25 grey
levels. The budget is for all tiles together::

    python -m benchmarks.large_image --seconds 600

Prints the peak resident memory of the process in GiB, in which the pictures and the libraries are included.
"""

from __future__ import annotations

import time

import numpy as np
import torch
from skimage import data

import zeroshot
from zeroshot.metrics import psnr
from zeroshot.noise import add_gaussian

from .arguments import parser
from .timing import peak_gib

HEIGHT, WIDTH, SIGMA = 3000, 4000, 25 / 255


def photograph(height: int, width: int) -> torch.Tensor:
    """(1, 3, height, width) in [0, 1]: four photographs, each mirrored until it fills its quarter."""
    quarters = [
        _mirrored(picture(), height // 2, width // 2)
        for picture in (data.astronaut, data.coffee, data.chelsea, data.rocket)
    ]
    rows = [np.concatenate(quarters[:2], axis=1), np.concatenate(quarters[2:], axis=1)]
    return torch.from_numpy(np.concatenate(rows)).permute(2, 0, 1)[None].float() / 255


def _mirrored(picture: np.ndarray, height: int, width: int) -> np.ndarray:
    grown = np.concatenate([picture, picture[::-1]] * (height // picture.shape[0] + 1))[:height]
    return np.concatenate([grown, grown[:, ::-1]] * (width // picture.shape[1] + 1), axis=1)[:, :width]


def main() -> None:
    options = parser(__doc__)
    options.add_argument("--seconds", type=float, default=600.0, help="budget of the whole picture")
    options.add_argument("--height", type=int, default=HEIGHT)
    options.add_argument("--width", type=int, default=WIDTH)
    options.add_argument("--prior", default="dip")
    arguments = options.parse_args()
    clean = photograph(arguments.height, arguments.width)
    noisy = add_gaussian(clean, SIGMA, torch.Generator().manual_seed(0))
    print(f"with the pictures in memory: {peak_gib():.2f} GiB", flush=True)
    began = time.perf_counter()
    result = zeroshot.solve(noisy, "denoise", arguments.prior, sigma=SIGMA, seconds=arguments.seconds)
    seconds = time.perf_counter() - began
    tiles = len(result.findings.get("tiles", ()))
    print(f"{tiles or 'no'} tiles, {result.iterations} iterations, {seconds:.0f} s: {result.stopped_by}")
    print(f"{psnr(noisy, clean):.2f} dB → {psnr(result.image.clamp(0, 1), clean):.2f} dB")
    print(f"peak: {peak_gib():.2f} GiB")


if __name__ == "__main__":
    main()
