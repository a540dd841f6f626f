"""Noise that JPEG pictures had before they were compressed: how often it is found, and false alarms of clean ones.

    python -m benchmarks.jpeg_noise

The upper left 384 × 512 pixels of the photographs of four sets; white noise in each channel, then JPEG.
"""

from __future__ import annotations

from io import BytesIO
from pathlib import Path

import numpy as np
import torch
from PIL import Image

from benchmarks.table import show
from zeroshot.inspection.noise_before import noise_before_jpeg

_DATA = Path(__file__).resolve().parents[2] / "shared" / "data"
_SETS = ("kodak_full", "cbsd68", "set12", "mcmaster")
SIGMAS, QUALITIES = (0, 10, 15, 25), (50, 70, 90)


def main() -> None:
    """Print, for each level and quality, of how many pictures noise is told, and its median level."""
    paths = [path for name in _SETS for path in sorted((_DATA / name).glob("*.png"))]
    draw = np.random.default_rng(0)
    told: dict[tuple[int, int], list[float | None]] = {}
    for path in paths:
        clean = np.asarray(Image.open(path).convert("RGB"))[:384, :512]
        for sigma in SIGMAS:
            noisy = np.clip(np.rint(clean + draw.normal(0, sigma, clean.shape)), 0, 255).astype(np.uint8)
            for quality in QUALITIES:
                file = BytesIO()
                Image.fromarray(noisy).save(file, "JPEG", quality=quality)
                pixels = torch.from_numpy(np.asarray(Image.open(file)).copy()).movedim(-1, 0) / 255
                told.setdefault((sigma, quality), []).append(noise_before_jpeg(pixels, (0, 0)))
    rows = []
    for (sigma, quality), found in told.items():
        levels = [level for level in found if level is not None]
        rows.append(
            [f"{sigma}, {quality}", len(levels), len(found), float(np.median(levels)) if levels else None]
        )
    heads = {"sigma, quality": "", "told": "d", "of": "d", "median level": ".1f"}
    show("noise before the compression", heads, rows)


if __name__ == "__main__":
    main()
