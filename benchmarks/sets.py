"""The test sets, and how their images are damaged, with fixed seeds."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch

from zeroshot.images import load
from zeroshot.operators import Blur
from zeroshot.tasks.degrade import Degraded, degrade

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
#: Damage → the task that undoes it, and what :func:`zeroshot.tasks.degrade.degrade` is told.
DAMAGES: dict[str, tuple[str, dict[str, Any]]] = {
    "denoise": ("denoise", {"sigma": 25 / 255}),
    "denoise10": ("denoise", {"sigma": 10 / 255}),
    "denoise50": ("denoise", {"sigma": 50 / 255}),
    "poisson": ("denoise", {"peak": 60.0}),
    "salt_pepper": ("denoise", {"salt_pepper": 0.1}),
    "inpaint": ("inpaint", {"missing": 0.5}),
    "sr": ("sr", {"scale": 4}),
    "demosaic": ("demosaic", {"pattern": "RGGB"}),
    "deblur": ("deblur", {"kernel": Blur.gaussian(1.6).kernel, "sigma": 2 / 255}),
}


def image_files(folder: str, count: int | None = None) -> list[Path]:
    """The true images of a set, sorted by name; with `count` the first ones only.

    Raises
    ------
    SystemExit
        Where the set is not there.
    """
    place = SHARED / ("set5/hr_x4" if folder == "set5" else folder)
    files = sorted(path for path in place.glob("*") if path.suffix in (".png", ".tif"))
    if not files:
        raise SystemExit(f"no test images in {place}; the folder `shared` belongs beside the checkout")
    return files[:count]


def real_pairs(folder: str) -> dict[str, tuple[Path, Path]]:
    """The photographs of a set of ``real_noise``: name → the noisy one and the mean of many of it.

    Raises
    ------
    SystemExit
        Where the set is not there.
    """
    files = sorted((SHARED / "real_noise" / folder).glob("*_real.*"))
    if not files:
        raise SystemExit(f"no pictures in {SHARED / 'real_noise' / folder}")
    return {
        file.stem.removesuffix("_real"): (file, file.with_name(file.name.replace("_real", "_mean")))
        for file in files
    }


def centre_crop(image: torch.Tensor, size: int | None) -> torch.Tensor:
    """The centre of an image, its sides multiples of 4 and at most `size`; None: the whole image."""
    if size is None:
        return image
    height, width = (min(size, side) // 4 * 4 for side in image.shape[-2:])
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[..., top : top + height, left : left + width].contiguous()


def picture(path: Path, size: int | None = None) -> torch.Tensor:
    """The image in a file, (1, C, H, W) in [0, 1], or its centre."""
    return centre_crop(load(path).colours, size)


def damaged(kind: str, truth: torch.Tensor, **options: Any) -> Degraded:
    """`truth` damaged in one of the ways of `DAMAGES`, with `options` over those that stand there."""
    task, standard = DAMAGES[kind]
    return degrade(truth, task, **{**standard, **options})
