"""Masks and hints as users give them: files, arrays, the alpha channel, a colour that marks the hole."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageColor

from zeroshot import images
from zeroshot.operators import Mask
from zeroshot.operators.plane_files import mask_file, mask_image
from zeroshot.spelling import Argument, OptionError, Wording

_MARK_TOLERANCE = 2.5 / 255


def mask_of(picture: images.Picture, mask: Any) -> tuple[torch.Tensor, images.Picture]:
    """The mask that a user's description of it means.

    Parameters
    ----------
    picture : Picture
        The damaged picture.
    mask : array, tensor, PIL image, path, "alpha", or colour
        True (white) where pixels are known. "alpha" takes the picture's own alpha channel; a colour, as text
        ("#ff00ff") or as a tuple of values in [0, 1], marks the pixels that are missing.

    Returns
    -------
    mask : torch.Tensor
        (N, 1 or C, H, W), 1 where pixels are known.
    picture : Picture
        Less its alpha channel, where that was the mask.
    """
    if isinstance(mask, str) and mask == "alpha":
        if picture.alpha is None:
            raise OptionError(
                Argument("mask", "alpha"), " needs an image with an alpha channel; this one has none"
            )
        return (picture.alpha >= 0.5).float(), picture.without_alpha()
    if isinstance(mask, tuple) or (isinstance(mask, str) and not Path(mask).exists() and _is_colour(mask)):
        return _known_beside_colour(picture, mask), picture
    if isinstance(mask, str | Path):
        mask = mask_file(mask)
    if isinstance(mask, Image.Image):
        values = mask_image(mask)
    else:
        # Arrays put their channels last, tensors first.
        if isinstance(mask, np.ndarray) and mask.ndim == 3:
            mask = np.moveaxis(mask, -1, 0)
        values = Mask(mask).mask.float()
    _check_mask_fits(values, picture)
    return values, picture


def _check_mask_fits(mask: torch.Tensor, picture: images.Picture) -> None:
    count, channels, height, width = picture.colours.shape
    kind = Wording("an array or image", "an image")
    wanted = Argument("mask"), " must be ", kind, f" of the input's height and width ({height} × {width}), "
    if tuple(mask.shape[-2:]) != (height, width):
        got = f"{mask.shape[-2]} × {mask.shape[-1]}"
        raise OptionError(*wanted, f"true where pixels are known; got {got}")
    if mask.shape[0] not in (1, count) or mask.shape[1] not in (1, channels):
        raise OptionError(
            *wanted, f"for all channels or each of the {channels}; got {mask.shape[1]} channels"
        )


def _is_colour(text: str) -> bool:
    try:
        ImageColor.getrgb(text)
    except ValueError:
        return False
    return True


def _known_beside_colour(picture: images.Picture, colour: str | Sequence[float]) -> torch.Tensor:
    """1 where the picture does not have the colour that marks the hole."""
    values = [v / 255 for v in ImageColor.getrgb(colour)[:3]] if isinstance(colour, str) else list(colour)
    channels = picture.colours.shape[1]
    if channels == 1:
        values = values[:1]
    if len(values) != channels or not all(0 <= v <= 1 for v in values):
        raise ValueError(f"a colour that marks the hole needs {channels} values in [0, 1], got {colour!r}")
    mark = torch.tensor(values).view(1, -1, 1, 1)
    is_hole = ((picture.colours - mark).abs() <= _MARK_TOLERANCE).all(dim=1, keepdim=True)
    if not is_hole.any():
        raise ValueError(f"no pixel has the colour {colour!r} that is to mark the hole")
    return (~is_hole).float()


def hints_of(hints: Any, colours: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The colours that hints give and where they give them: (N, 3, H, W) and (N, 1, H, W)."""
    picture = images.load(hints, subject="hints")
    count, _, height, width = colours.shape
    given = picture.colours
    if given.shape[1] != 3 or tuple(given.shape[-2:]) != (height, width):
        raise OptionError(
            Argument("hints"),
            f" must be a colour image of {height} × {width}, with alpha 0 where it is silent",
        )
    if picture.alpha is None:
        raise ValueError("hints need an alpha channel that is 0 where they say nothing (RGBA)")
    if given.shape[0] not in (1, count):
        raise OptionError(Argument("hints"), f" must be one image or {count}, got {given.shape[0]}")
    where = (picture.alpha >= 0.5).float()
    if not where.any():
        raise ValueError("the hints give no colour: their alpha is 0 everywhere")
    return given.expand(count, -1, -1, -1), where.expand(count, -1, -1, -1)
