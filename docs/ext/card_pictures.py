"""The picture of a method card: one photograph, damaged and restored by the prior within a budget."""

from __future__ import annotations

import functools
import warnings
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

import zeroshot
from zeroshot.metrics import psnr
from zeroshot.tasks.degrade import degrade

#: The damage that a card shows where the prior is not one that denoises.
SHOWN = {
    "completion": "inpaint",
    "gsr": "inpaint",
    "ncsr": "sr",
    "pnp": "inpaint",
    "red": "deblur",
    "richardson_lucy": "deblur",
    "selfdeblur": "deblur",
    "tgv": "inpaint",
    "unsupervised_wiener": "deblur",
    "wiener": "deblur",
}
#: How a damage is made, here and where it is asked which priors take it.
DAMAGES: dict[str, dict[str, Any]] = {
    "denoise": {"sigma": 25 / 255},
    "destripe": {"stripes": 20 / 255},
    "inpaint": {"missing": 0.5},
    "sr": {"scale": 3},
    "colorize": {"hints": 0.05},
    "demosaic": {},
    "deblur": {"kernel": "gaussian=1.6", "sigma": 2 / 255},
    "sharpen": {"radius": 1.2},
    "jpeg": {"quality": 20},
    "restore": {"operator": "mosaic(RGGB) @ downsample(2)"},
}
IN_WORDS = {
    "denoise": "white noise of 25 grey levels",
    "inpaint": "half of the pixels missing",
    "sr": "a third of the resolution",
    "deblur": "a Gaussian blur of 1.6 pixels, and noise of 2 grey levels",
}
#: The budget of a picture.
SECONDS = 20.0
_SIDE = 128


@functools.cache
def truth() -> np.ndarray:
    from skimage.data import astronaut

    return astronaut()[10 : 10 + _SIDE, 160 : 160 + _SIDE]


def make(prior: str, folder: Path) -> None:
    """The picture of a card: before.png, after.png, and caption.txt with what was gained."""
    task = SHOWN.get(prior, "denoise")
    damaged = degrade(truth(), task, seed=0, **DAMAGES[task])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        restored = zeroshot.solve(
            damaged.measurement, task, prior, seconds=SECONDS, progress=False, **damaged.options
        )
    for name, image in (("before", damaged.measurement), ("after", restored.image)):
        pixels = image[0].clamp(0, 1).mul(255).round().byte().permute(1, 2, 0).numpy()
        Image.fromarray(pixels).save(folder / f"{name}.png")
    reached = psnr(restored.image.clamp(0, 1), damaged.truth)
    before = (
        f" from {psnr(damaged.measurement.clamp(0, 1), damaged.truth):.1f} dB"
        if damaged.measurement.shape == damaged.truth.shape
        else ""
    )
    text = (
        f"{IN_WORDS[task][0].upper()}{IN_WORDS[task][1:]}; restored{before} to {reached:.1f} dB in "
        f"{_in_seconds(restored.seconds)} when this page was made. {_SIDE} × {_SIDE} pixels."
    )
    (folder / "caption.txt").write_text(text)


def _in_seconds(value: float) -> str:
    return "less than a second" if value < 1 else f"{value:.0f} s"
