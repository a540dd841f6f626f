"""How the time of a prior grows with the picture, and how near what is told comes: ``python -m benchmarks.sizes``.

Seconds of the processor for the middle of one grey photograph, after a first run that does not count: a part that is
the same for all pictures, and one that grows with the pixels, fitted so that the mean square of the relative error is
least. `CONSTANT_SHARES` of :mod:`zeroshot.standings` is the first part's share of 128 × 128 pixels. What is told is by
the table of the package, whose machine may be quicker or slower than this one: it is scaled to be right at 128 × 128,
once as if time grew with the pixels alone, once with these shares.
"""

from __future__ import annotations

import argparse
import math
import time
import warnings
from collections.abc import Sequence
from functools import partial
from typing import Any

import numpy as np
import torch

import zeroshot
from zeroshot.standings import MEASURED_SIDE, constant_share
from zeroshot.words import aligned

from .timing import seconds_of

#: The sides of the pictures.
SIDES = (32, 64, 96, 128, 160, 256)
#: Task, prior.
RUNS = (
    ("denoise", "bm3d"), ("denoise", "dct"), ("denoise", "wavelet"), ("denoise", "tv"), ("denoise", "nlm"),
    ("inpaint", "pnp"), ("deblur", "pnp"), ("sr", "pnp"), ("denoise", "tgv"), ("denoise", "ncsr"),
)  # fmt: skip


def given(task: str, side: int) -> dict[str, Any]:
    """What `zeroshot.solve` takes for a wanted picture of that side."""
    from skimage.data import camera

    first = (512 - side) // 2
    clean = camera()[first : first + side, first : first + side].astype(np.float32) / 255
    generator = np.random.default_rng(0)
    if task == "inpaint":
        return {"image": clean, "mask": generator.random(clean.shape) > 0.5}
    if task == "sr":
        return {"image": clean.reshape(side // 4, 4, side // 4, 4).mean((1, 3)), "scale": 4}
    level = 25 / 255 if task == "denoise" else 2 / 255
    noisy = clean + generator.normal(0, level, clean.shape).astype(np.float32)
    return {"image": noisy, "sigma": level} | ({"kernel": "gaussian=1.6"} if task == "deblur" else {})


def measured(task: str, prior: str, sides: Sequence[int], repeats: int) -> list[float]:
    """Seconds of the processor for each side, the least of several runs."""
    calls = [
        partial(zeroshot.solve, task=task, prior=prior, progress=False, **given(task, side)) for side in sides
    ]
    calls[0]()
    rounds = [[seconds_of(call, time.process_time) for call in calls] for _ in range(repeats)]
    return [min(times) for times in zip(*rounds, strict=True)]


def fitted(sides: Sequence[int], seconds: Sequence[float]) -> float:
    """The share of a picture of `MEASURED_SIDE` that does not grow, from 0 to 1, by non-negative least squares."""
    areas = np.array([(side / MEASURED_SIDE) ** 2 for side in sides])
    lines = np.stack([np.ones_like(areas), areas], axis=1) / np.array(seconds)[:, None]
    parts = np.linalg.lstsq(lines, np.ones(len(lines)), rcond=None)[0].clip(min=0)
    return float(parts[0] / parts.sum()) if parts.sum() > 0 else 0.0


def _worst(sides: Sequence[int], seconds: Sequence[float], share: float) -> str:
    """The largest factor between what is told and what was taken, where both agree at `MEASURED_SIDE`."""
    at = seconds[sides.index(MEASURED_SIDE)]
    told = [at * (share + (1 - share) * (side / MEASURED_SIDE) ** 2) for side in sides]
    factor, side = max(
        (math.exp(abs(math.log(a / b))), side) for a, b, side in zip(told, seconds, sides, strict=True)
    )
    return f"{factor:.1f} at {side}"


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--repeats", type=int, default=3, metavar="N", help="of N runs the quickest (default 3)"
    )
    parser.add_argument("--priors", default="", metavar="A,B", help="these alone")
    options = parser.parse_args()
    torch.set_num_threads(1)
    warnings.simplefilter("ignore")
    wanted = options.priors.split(",") if options.priors else [prior for _, prior in RUNS]
    lines = [["", *map(str, SIDES), "share", "factor with it", "by pixels alone"]]
    for task, prior in RUNS:
        if prior not in wanted:
            continue
        seconds = measured(task, prior, SIDES, options.repeats)
        figures = [f"{one:.3f}" for one in seconds]
        told = [_worst(SIDES, seconds, share) for share in (constant_share(task, prior), 0.0)]
        lines.append([f"{task} {prior}", *figures, f"{fitted(SIDES, seconds):.2f}", *told])
        print(*lines[-1], flush=True)
    print(*aligned(lines), sep="\n")


if __name__ == "__main__":
    main()
