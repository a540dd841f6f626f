"""The damage that each task undoes: its options, its operator, and what the task is told about it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from zeroshot.degradation.noise import check_share, is_number, kinds_of_noise
from zeroshot.images import Picture
from zeroshot.noise import random_mask
from zeroshot.operators import (
    Blur,
    Downsample,
    Grayscale,
    Identity,
    Mask,
    Mosaic,
    Operator,
    as_operator,
    parse,
)
from zeroshot.task_options import hints_of, kernel_file, kernel_of, mask_of, scale_of

#: Task → what makes its damage, beside the noise.
DAMAGE: dict[str, dict[str, str]] = {
    "denoise": {},
    "inpaint": {
        "missing": "share of the pixels that are lost at random, between 0 and 1",
        "mask": "instead of missing: an array or image, true (white) where pixels are kept",
    },
    "sr": {
        "scale": "how many times smaller, a whole number from 2 to 16",
        "kernel": "how the small image comes about: 'bicubic', 'lanczos2', 'lanczos3', 'box', 'gaussian', "
        "an array, or a file",
        "kernel_sigma": "with kernel 'gaussian': its standard deviation in pixels of the large image",
    },
    "colorize": {
        "luma": "how colours become grey: 'bt601', 'bt709', 'mean'",
        "hints": "share of the pixels whose colours are told, between 0 and 1, or an RGBA image of hints",
    },
    "demosaic": {"pattern": "'RGGB', 'BGGR', 'GRBG', 'GBRG', 'quad-rggb' …, or 'xtrans'"},
    "deblur": {
        "kernel": "the blur kernel: an array, a file, or text such as 'gaussian=1.6'",
        "boundary": "how the scene goes on beyond the image: 'reflect', 'circular', 'replicate', 'valid'",
    },
    "restore": {"operator": "the damage: an Operator, or text such as 'mosaic(RGGB) @ downsample(2)'"},
}
_REQUIRED = {"sr": "scale", "deblur": "kernel", "restore": "operator"}


@dataclass(frozen=True, eq=False)
class Damage:
    """The operator of a damage, and what the task that undoes it is told.

    Attributes
    ----------
    operator : Operator
        A.
    options : dict
        Those of the task, less the noise.
    kept : torch.Tensor or None
        1 where there is a measurement and 0 where there is none, not even noise; None: everywhere.
    """

    operator: Operator
    options: dict[str, Any]
    kept: torch.Tensor | None = None


def check_damage(task: str, given: dict[str, Any]) -> None:
    """Refuse damage that is not described whole, as far as that shows without the image.

    Raises
    ------
    ValueError
        In one line.
    """
    if task == "denoise" and not kinds_of_noise(given):
        raise ValueError("task 'denoise' needs one noise: sigma=… above 0, peak=… or salt_pepper=…")
    if task == "inpaint" and "missing" in given and "mask" in given:
        raise ValueError("missing=… and mask=… do not go together: either says which pixels are lost")
    if task == "inpaint" and "missing" not in given and "mask" not in given:
        raise ValueError(
            "task 'inpaint' needs missing=…, the share of the pixels that are lost, or else mask=…"
        )
    required = _REQUIRED.get(task)
    if required is not None and required not in given:
        raise ValueError(f"task {task!r} needs {required}=…: {DAMAGE[task][required]}")
    if "missing" in given:
        check_share("missing", given["missing"])
    if is_number(given.get("hints")):
        check_share("hints", given["hints"])
    if "scale" in given:
        scale_of(given["scale"])


def damage_of(task: str, picture: Picture, given: dict[str, Any], generator: torch.Generator) -> Damage:
    """The damage that `given` describes, for this picture.

    Raises
    ------
    ValueError, TypeError, FileNotFoundError
        In one line, where something does not fit the picture.
    """
    if task == "colorize" or task == "demosaic":
        _require_colour(picture, task)
    return _DAMAGES[task](picture, given, generator)


def _noise_only(picture: Picture, given: dict[str, Any], generator: torch.Generator) -> Damage:
    return Damage(Identity(), {})


def _holes(picture: Picture, given: dict[str, Any], generator: torch.Generator) -> Damage:
    if "mask" in given:
        mask, _ = mask_of(picture, given["mask"])
    else:
        mask = random_mask(tuple(picture.colours.shape), float(given["missing"]), generator)
    return Damage(Mask(mask), {"mask": mask}, mask)


def _shrinking(picture: Picture, given: dict[str, Any], generator: torch.Generator) -> Damage:
    kernel, width = given.get("kernel", "bicubic"), given.get("kernel_sigma")
    if isinstance(kernel, str) and kernel == "gaussian" and width is None:
        raise ValueError("kernel 'gaussian' needs kernel_sigma=…: its standard deviation in output pixels")
    if isinstance(kernel, Path) or (isinstance(kernel, str) and Path(kernel).suffix):
        kernel = kernel_file(kernel)
    scale = scale_of(given["scale"])
    told: dict[str, Any] = {name: given[name] for name in ("kernel", "kernel_sigma") if name in given}
    return Damage(Downsample(scale, kernel, sigma=width), {"scale": scale, **told})


def _loss_of_colour(picture: Picture, given: dict[str, Any], generator: torch.Generator) -> Damage:
    luma, hints = given.get("luma", "bt601"), given.get("hints")
    told: dict[str, Any] = {"luma": luma}
    if is_number(hints):
        shown = 1 - random_mask(tuple(picture.colours.shape), float(given["hints"]), generator)
        told["hints"] = torch.cat([picture.colours.clamp(0, 1) * shown, shown], dim=1)
    elif hints is not None:
        hints_of(hints, picture.colours)
        told["hints"] = hints
    return Damage(Grayscale(luma), told)


def _colour_filters(picture: Picture, given: dict[str, Any], generator: torch.Generator) -> Damage:
    pattern = given.get("pattern", "RGGB")
    return Damage(Mosaic(pattern), {"pattern": pattern})


def _blurring(picture: Picture, given: dict[str, Any], generator: torch.Generator) -> Damage:
    kernel, boundary = given["kernel"], given.get("boundary", "reflect")
    return Damage(Blur(kernel_of(kernel), boundary=boundary), {"kernel": kernel, "boundary": boundary})


def _composition(picture: Picture, given: dict[str, Any], generator: torch.Generator) -> Damage:
    chosen = given["operator"]
    return Damage(parse(chosen) if isinstance(chosen, str) else as_operator(chosen), {"operator": chosen})


_DAMAGES: dict[str, Callable[[Picture, dict[str, Any], torch.Generator], Damage]] = {
    "denoise": _noise_only,
    "inpaint": _holes,
    "sr": _shrinking,
    "colorize": _loss_of_colour,
    "demosaic": _colour_filters,
    "deblur": _blurring,
    "restore": _composition,
}


def _require_colour(picture: Picture, task: str) -> None:
    if picture.colours.shape[1] != 3:
        raise ValueError(f"the damage of task {task!r} needs a colour image; this one is grey")
