"""What ``inspect`` tells of large pictures from a sample, against what all of their pixels tell; and how long it takes.

    python -m benchmarks.inspect_large --megapixels 2.5

Collages of the photographs of a folder, with the damage that each row names. `seconds` is CPU time of one thread.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from scipy.ndimage import gaussian_filter

from zeroshot.inspection import Inspection, inspect, sample

_SOURCES = Path(__file__).resolve().parents[2] / "shared" / "data" / "kodak_full"


def collage(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Photographs over each other at random places, (H, W, 3), float, from 0 to 255."""
    draw = np.random.default_rng(seed)
    photographs = [np.asarray(Image.open(path).convert("RGB")) for path in sorted(_SOURCES.glob("*.png"))]
    made = np.zeros((height, width, 3))
    for _ in range(height * width // 60_000):
        photograph = photographs[draw.integers(len(photographs))]
        photograph = photograph[:: draw.choice((-1, 1)), :: draw.choice((-1, 1))]
        top, left = int(draw.integers(-300, height - 100)), int(draw.integers(-300, width - 100))
        part = photograph[max(0, -top) :, max(0, -left) :][: height - max(0, top), : width - max(0, left)]
        made[max(0, top) :, max(0, left) :][: part.shape[0], : part.shape[1]] = part
    return made


def damages(clean: np.ndarray) -> Iterator[tuple[str, np.ndarray]]:
    """The picture with one damage after another, rounded to bytes."""
    draw = np.random.default_rng(1)
    height, width = clean.shape[:2]

    def noise(sigma: float) -> np.ndarray:
        return draw.normal(0, sigma, clean.shape)

    def compressed(pixels: np.ndarray, quality: int) -> np.ndarray:
        file = BytesIO()
        Image.fromarray(_bytes(pixels)).save(file, "JPEG", quality=quality)
        return np.asarray(Image.open(file))

    def salted() -> np.ndarray:
        hit = draw.random((height, width, 1)) < 0.02
        return np.where(hit, 255.0 * (draw.random((height, width, 1)) < 0.5), clean)

    def enlarged() -> np.ndarray:
        small = Image.fromarray(_bytes(clean)).resize((round(width / 1.5), round(height / 1.5)))
        return np.asarray(small.resize((width, height), Image.Resampling.BICUBIC))

    made: dict[str, Callable[[], np.ndarray]] = {
        "none": lambda: clean,
        "noise 5": lambda: clean + noise(5),
        "noise 25": lambda: clean + noise(25),
        "photons": lambda: draw.poisson(clean / 2) * 2.0,
        "impulses": salted,
        "columns 4": lambda: clean + draw.normal(0, 4, (1, width, 1)),
        "rows 8, noise 10": lambda: clean + noise(10) + draw.normal(0, 8, (height, 1, 1)),
        "JPEG 60": lambda: compressed(clean, 60),
        "blur 2": lambda: gaussian_filter(clean, (2, 2, 0)),
        "blur 0.8": lambda: gaussian_filter(clean, (0.8, 0.8, 0)),
        "enlarged 1.5": enlarged,
    }
    for name, make in made.items():
        yield name, _bytes(make())


def _bytes(pixels: np.ndarray) -> np.ndarray:
    return np.clip(np.rint(pixels), 0, 255).astype(np.uint8)


def _told(found: Inspection) -> str:
    """What decides: the remedies, and which findings are told."""
    tasks = ", ".join(remedy.task for remedy in found.remedies) or "nothing"
    return f"{tasks} ({', '.join(one.topic for one in found.told)})"


def _numbers(found: Inspection) -> str:
    noise, stripes = found.noise, found.stripes
    width = found.sharpness.width
    return (
        f"{noise.dark:.1f} {noise.middle:.1f} {noise.bright:.1f}, {found.impulses.share:.2g}, "
        f"{stripes.rows:.1f} {stripes.columns:.1f}, {'–' if width is None else f'{width:.2f}'}"
    )


def main() -> None:
    """Print a row for every damage."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megapixels", type=float, default=2.5)
    parser.add_argument(
        "--only-sample", action="store_true", help="do not look at all pixels, which takes long"
    )
    parser.add_argument("--damages", nargs="*", help="only these")
    options = parser.parse_args()
    torch.set_num_threads(1)
    width = round((options.megapixels * 1e6 * 4 / 3) ** 0.5)
    clean = collage(round(width * 3 / 4), width)
    heads = ("damage", "seconds", "told", "noise, impulses, stripes, width", "the same of all pixels")
    print(" | ".join(heads))
    for name, pixels in damages(clean):
        if options.damages and name not in options.damages:
            continue
        began = time.process_time()
        found = inspect(pixels)
        seconds = time.process_time() - began
        alike = "–"
        if not options.only_sample:
            largest, sample.LARGEST = sample.LARGEST, pixels.size
            whole = inspect(pixels)
            sample.LARGEST = largest
            alike = "same" if _told(whole) == _told(found) else _told(whole)
            alike += f": {_numbers(whole)}"
        print(" | ".join((name, f"{seconds:.1f}", _told(found), _numbers(found), alike)), flush=True)


if __name__ == "__main__":
    main()
