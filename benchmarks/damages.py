"""The test sets and how their images are damaged, with fixed seeds: shared by the benchmarks."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zeroshot.images import load
from zeroshot.noise import add_gaussian, add_poisson, random_mask
from zeroshot.operators import Blur, Mosaic

SHARED = Path(__file__).resolve().parents[2] / "shared" / "data"
#: Task → the set that its published tables use.
SETS = {
    "denoise": "set12",
    "poisson": "set12",
    "inpaint": "inpaint11",
    "sr": "set5",
    "demosaic": "kodak_full",
    "deblur": "set12",
}
BLUR_SIGMA, DEBLUR_NOISE = 1.6, 2 / 255


@dataclass(frozen=True)
class Case:
    """One image: its name, the truth, the damaged image, and what `zeroshot.solve` is told about it."""

    name: str
    clean: torch.Tensor
    damaged: torch.Tensor
    task: str
    options: dict[str, Any]


def image_files(folder: str) -> list[Path]:
    """The true images of a set, sorted by name.

    Raises
    ------
    SystemExit
        Where the set is not there.
    """
    place = SHARED / ("set5/hr_x4" if folder == "set5" else folder)
    files = sorted(place.glob("*.png"))
    if not files:
        raise SystemExit(f"no test images in {place}; the folder `shared` belongs beside the checkout")
    return files


def centre_crop(image: torch.Tensor, size: int | None) -> torch.Tensor:
    """The centre of an image, its sides multiples of 4 and at most `size`; None: the whole image."""
    if size is None:
        return image
    height, width = (min(size, side) // 4 * 4 for side in image.shape[-2:])
    top, left = (image.shape[-2] - height) // 2, (image.shape[-1] - width) // 2
    return image[..., top : top + height, left : left + width].contiguous()


def case(task: str, path: Path, level: float, size: int | None = None) -> Case:
    """The image in `path`, damaged as `task` says.

    Parameters
    ----------
    task : str
        A key of `SETS`.
    path : Path
        The true image.
    level : float
        Noise in 8-bit grey levels for "denoise", photons of white for "poisson"; not used elsewhere.
    size : int, optional
        Side of the centre crop; super-resolution uses whole images, as its small ones come with the set.
    """
    generator = torch.Generator().manual_seed(0)
    clean = load(path).colours
    if task == "sr":
        small = load(path.parents[1] / "lr_x4" / path.name).colours
        return Case(path.stem, clean, small, "sr", {"scale": 4})
    clean = centre_crop(clean, size)
    if task == "denoise":
        noisy = add_gaussian(clean, level / 255, generator)
        return Case(path.stem, clean, noisy, task, {"sigma": level / 255})
    if task == "poisson":
        options = {"data_term": "poisson", "peak": level}
        return Case(path.stem, clean, add_poisson(clean, level, generator), "denoise", options)
    if task == "inpaint":
        mask = random_mask(tuple(clean.shape), 0.5, generator)
        return Case(path.stem, clean, clean * mask, task, {"mask": mask})
    if task == "demosaic":
        return Case(path.stem, clean, Mosaic("RGGB")(clean), task, {"pattern": "RGGB"})
    blur = Blur.gaussian(BLUR_SIGMA)
    damaged = add_gaussian(blur(clean), DEBLUR_NOISE, generator)
    return Case(path.stem, clean, damaged, "deblur", {"kernel": blur.kernel, "sigma": DEBLUR_NOISE})
