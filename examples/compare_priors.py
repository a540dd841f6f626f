"""The family tree of image restoration on one picture: every prior that you name, side by side.

python examples/compare_priors.py
python examples/compare_priors.py --priors bm3d wnnm nlm tv --sigma 50 --image photo.png
"""

from __future__ import annotations

import argparse
import time

import numpy as np
from PIL import Image
from skimage.data import astronaut

import zeroshot

FAMILIES = {
    "filters": ("fourier", "bilateral", "domain_transform", "perona_malik", "coherence"),
    "total variation": ("tv", "huber_tv", "tgv", "nltv"),
    "sparse": ("wavelet", "dct", "ksvd", "ncsr"),
    "non-local and low rank": ("nlm", "bm3d", "nnm", "wnnm"),
}


def decibels(image: np.ndarray, truth: np.ndarray) -> float:
    error = np.square(image.astype(float) - truth.astype(float)).mean()
    return 10 * np.log10(255**2 / max(error, 1e-12))


def compare(truth: np.ndarray, sigma: float, priors: list[str]) -> dict[str, np.ndarray]:
    """Denoise a picture by every prior, and print how well and how fast."""
    noise = np.random.default_rng(0).normal(0, sigma, truth.shape)
    noisy = np.clip(truth + noise, 0, 255).round().astype(np.uint8)
    images = {"original": truth, "noisy": noisy}
    print(f"{'noisy':<18}{decibels(noisy, truth):7.2f} dB")
    for name in priors:
        started = time.perf_counter()
        restored = zeroshot.solve(noisy, task="denoise", prior=name, sigma=sigma / 255, progress=False).image
        seconds = time.perf_counter() - started
        print(f"{name:<18}{decibels(restored, truth):7.2f} dB {seconds:7.2f} s", flush=True)
        images[name] = restored
    return images


def sheet(images: dict[str, np.ndarray], columns: int = 5) -> Image.Image:
    """All pictures in rows."""
    height, width = next(iter(images.values())).shape[:2]
    rows = -(-len(images) // columns)
    page = Image.new("RGB", (columns * (width + 4), rows * (height + 4)), "white")
    for index, image in enumerate(images.values()):
        row, column = divmod(index, columns)
        page.paste(Image.fromarray(image), (column * (width + 4), row * (height + 4)))
    return page


def main() -> None:
    everything = [name for family in FAMILIES.values() for name in family]
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--priors", nargs="+", default=everything)
    parser.add_argument("--sigma", type=float, default=25.0, help="noise in grey levels")
    parser.add_argument("--image", help="a picture without noise; default a part of a photograph")
    parser.add_argument("--output", default="priors.png")
    arguments = parser.parse_args()
    truth = astronaut()[0:128, 160:288]
    if arguments.image:
        truth = np.asarray(Image.open(arguments.image).convert("RGB"))
    images = compare(truth, arguments.sigma, arguments.priors)
    sheet(images).save(arguments.output)
    print(f"wrote {arguments.output}: {', '.join(images)}")


if __name__ == "__main__":
    main()
