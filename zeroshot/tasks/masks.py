"""Masks and hints as users give them: files, arrays, the alpha channel, a colour that marks the hole."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image, ImageColor

from zeroshot import images
from zeroshot.images.value_range import on_range
from zeroshot.notes import note
from zeroshot.operators.mask_values import POLARITY, known_of
from zeroshot.operators.plane_files import mask_file, mask_image
from zeroshot.spelling import Argument, NoFileError, OptionError, OptionWarning, Part, Wording

_MARK_TOLERANCE = 2.5 / 255
#: Where more of a picture is missing the mask is probably the other way round.
_MOSTLY_MISSING = 0.75
#: Fewer single pixels than that are hot pixels of a dark frame, and no remains of a picture.
_LEAST_STREWN = 0.03
_OTHER_MASKS = Wording(
    "a mask of its height and width, an array or a file that is true (white) where pixels are known, or the colour "
    "that marks the hole, such as mask='#ff00ff'",
    "a mask of its height and width in a file of its own, white where pixels are known, or the colour that marks the "
    "hole, such as --mask '#ff00ff'",
)
INVERT_MASK = Wording("invert_mask=True", "--invert-mask")
KEEP_MASK = Wording("invert_mask=False", "--no-invert-mask")


def mask_of(
    picture: images.Picture, mask: Any, invert: bool | None = False
) -> tuple[torch.Tensor, images.Picture]:
    """The mask that a user's description of it means.

    Parameters
    ----------
    picture : Picture
        The damaged picture.
    mask : array, tensor, PIL image, path, "alpha", or colour
        True (white) where pixels are known, see :mod:`zeroshot.operators.mask_values`. "alpha" takes the picture's
        own alpha channel; a colour, as text ("#ff00ff") or as a tuple of values in [0, 1], marks the pixels that are
        missing.
    invert : bool, optional
        True where white means missing; None finds that out where the picture shows it, see
        :func:`looks_inverted`, and says so.

    Returns
    -------
    mask : torch.Tensor
        (N, 1 or C, H, W), 1 where pixels are known.
    picture : Picture
        Less its alpha channel, where that was the mask.
    """
    if isinstance(mask, str) and mask == "alpha":
        if picture.alpha is None:
            without = " needs an image with an alpha channel; this one has none: give "
            raise OptionError(Argument("mask", "alpha"), without, _OTHER_MASKS)
        return _inverted_if((picture.alpha >= 0.5).float(), invert), picture.without_alpha()
    if isinstance(mask, tuple) or (isinstance(mask, str) and not Path(mask).exists() and _is_colour(mask)):
        return _inverted_if(_known_beside_colour(picture, mask), invert), picture
    values = _oriented(_read(mask), picture)
    _check_mask_fits(values, picture)
    if invert is None and looks_inverted(values, picture):
        found = (
            "the mask is taken the other way round, black as known: the pixels that it calls known are all of one "
            "colour and the others are not; ",
            KEEP_MASK,
            " takes it as it is",
        )
        note(OptionWarning(*found))
        invert = True
    return _inverted_if(values, invert), picture


def _inverted_if(mask: torch.Tensor, invert: bool | None) -> torch.Tensor:
    """The mask, turned round where that is asked for; refused where it knows no pixel."""
    known = 1 - mask if invert else mask
    if not bool(known.any()):
        now = (
            ""
            if invert
            else Wording(
                "; if white marks the hole in it, give invert_mask=True",
                "; if white marks the hole in it, give --invert-mask",
            )
        )
        raise OptionError(f"the mask knows no pixel; it must be {POLARITY}", now)
    return known


def _read(mask: Any) -> torch.Tensor:
    """The values of a mask, boolean, with the axes that it came with."""
    is_tensor = isinstance(mask, torch.Tensor)
    if isinstance(mask, str | Path):
        if not Path(mask).exists():
            wanted = " must be a picture or .npy file of the input's height and width, 'alpha' or a colour such as "
            raise NoFileError(Argument("mask"), wanted, f"'#ff00ff'; there is no such mask file: {mask}")
        found = mask_file(mask)
    elif isinstance(mask, Image.Image):
        found = mask_image(mask)
    else:
        try:
            if is_tensor:  # NumPy has no bfloat16
                mask = (mask.float() if mask.dtype == torch.bfloat16 else mask).detach().cpu()
            values = np.asarray(mask)
        except ValueError:
            raise OptionError(Argument("mask"), " must have rows of one length") from None
        has_alpha = not is_tensor and values.ndim == 3 and values.shape[2] in (2, 4)
        found = (
            mask_image(values) if has_alpha and values.dtype in (np.uint8, np.uint16) else known_of(values)
        )
    if found.remark:
        note(found.remark)
    values = found.known
    # Arrays put their channels last, tensors first.
    if values.ndim == 3 and not is_tensor and values.shape[2] <= 4 < values.shape[0]:
        values = np.moveaxis(values, 2, 0)
    if not 2 <= values.ndim <= 4:
        shape = " × ".join(map(str, values.shape))
        raise OptionError(
            Argument("mask"), f" must be H × W, H × W × C or N × C × H × W, got {shape or 'a number'}"
        )
    if values.ndim == 3 and (values == values[:1]).all():
        values = values[:1]  # a grey mask that was stored in colour
    return torch.from_numpy(values.astype(np.float32))


def _oriented(values: torch.Tensor, picture: images.Picture) -> torch.Tensor:
    """The mask as (N, C, H, W)."""
    count = picture.colours.shape[0]
    if values.ndim == 3 and values.shape[0] == count > 1 != picture.colours.shape[1]:
        return values[:, None]
    return values[(None,) * (4 - values.ndim)]


def looks_inverted(mask: torch.Tensor, picture: images.Picture) -> bool:
    """Whether the picture shows that the mask is the other way round.

    That is so where all pixels that it calls known have one colour, as holes have, while the missing ones have
    several, and where the missing ones are most of the picture's edge or are strewn over it. A plain backdrop from
    which an object is to be removed has one colour too, but it surrounds what is missing.
    """
    colours = picture.colours
    known = (mask > 0.5).expand_as(colours)
    seen = picture.visible
    if seen is not None:
        known = known & seen.expand_as(colours)
    missing = ~known if seen is None else ~known & seen.expand_as(colours)
    tolerance = _MARK_TOLERANCE if picture.lossy else 0.0
    if not bool(known.any()) or not bool(missing.any()):
        return False
    if _spread(colours, known) > tolerance or _spread(colours, missing) <= max(tolerance, _MARK_TOLERANCE):
        return False
    holes = missing.any(dim=1, keepdim=True).float()
    sides = (holes[..., 0, :], holes[..., -1, :], holes[..., :, 0], holes[..., :, -1])
    edge = torch.cat([side.flatten() for side in sides])
    # Of two neighbours both are missing as often as chance has it where holes are single pixels.
    pairs = float((holes[..., 1:] * holes[..., :-1]).mean())
    share = float(holes.mean())
    strewn = pairs < 1.5 * share**2 + 0.01 * share
    return float(edge.mean()) > 0.5 or (strewn and share >= _LEAST_STREWN)


def _spread(colours: torch.Tensor, where: torch.Tensor) -> float:
    """The largest difference within a channel among the pixels named, over the images."""
    largest = 0.0
    for image, chosen in zip(colours, where, strict=True):
        for channel, kept in zip(image, chosen, strict=True):
            values = channel[kept]
            if values.numel():
                largest = max(largest, float(values.max() - values.min()))
    return largest


def remark_on_holes(mask: torch.Tensor, inverting: Part = INVERT_MASK) -> None:
    """Tell the user where a mask leaves nothing to fill, or nearly nothing to fill it from.

    Parameters
    ----------
    mask : torch.Tensor
        1 where pixels are known.
    inverting : Part
        What turns it round.
    """
    missing = 1 - float(mask.mean())
    if missing == 0:
        note(OptionWarning("the mask has no hole: there is nothing to fill; it must be ", POLARITY))
    elif missing > _MOSTLY_MISSING:
        told = (
            f"the mask says that {missing:.0%} of the pixels are missing; it must be {POLARITY}, the opposite of "
            "OpenCV and scikit-image; ",
            inverting,
            " turns it round",
        )
        note(OptionWarning(*told))


def _check_mask_fits(mask: torch.Tensor, picture: images.Picture) -> None:
    count, channels, height, width = picture.colours.shape
    kind = Wording("an array or image", "an image")
    wanted = Argument("mask"), " must be ", kind, f" of the input's height and width ({height} × {width}), "
    if tuple(mask.shape[-2:]) != (height, width):
        got = f"{mask.shape[-2]} × {mask.shape[-1]}"
        raise OptionError(*wanted, f"{POLARITY}; got {got}: ", _remedy(mask, height, width))
    if mask.shape[0] not in (1, count) or mask.shape[1] not in (1, channels):
        raise OptionError(
            *wanted, f"for all channels or each of the {channels}; got {mask.shape[1]} channels"
        )


def _remedy(mask: torch.Tensor, height: int, width: int) -> Part:
    """What makes a mask of another size fit."""
    if tuple(mask.shape[-2:]) == (width, height):
        return Wording("turn it by 90°, as the image is (np.rot90)", "turn it by 90°, as the image is")
    return Wording(
        f"resize it to {height} × {width} with nearest neighbours, or crop it as the image was",
        f"resize it to {width} × {height} (width × height) with nearest neighbours, or crop it as the image was",
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


def hints_of(hints: Any, picture: images.Picture) -> tuple[torch.Tensor, torch.Tensor]:
    """The colours that hints give and where they give them: (N, 3, H, W) and (N, 1, H, W).

    Hints of floats have the range of the picture's values where that is floats too; others their own.
    """
    told = images.load(hints, subject="hints")
    if told.samples is not None and picture.samples is not None:
        told = on_range(told, replace(told.form, value_range=picture.form.value_range))
    count, _, height, width = picture.colours.shape
    given = told.colours
    if given.shape[1] != 3 or tuple(given.shape[-2:]) != (height, width):
        raise OptionError(
            Argument("hints"),
            f" must be a colour image of {height} × {width}, with alpha 0 where it is silent",
        )
    if told.alpha is None:
        raise ValueError("hints need an alpha channel that is 0 where they say nothing (RGBA)")
    if given.shape[0] not in (1, count):
        raise OptionError(Argument("hints"), f" must be one image or {count}, got {given.shape[0]}")
    where = (told.alpha >= 0.5).float()
    if not where.any():
        raise ValueError("the hints give no colour: their alpha is 0 everywhere")
    if picture.visible is not None and bool((where * picture.visible).any()):
        where = where * picture.visible  # the colour of what is transparent does not matter
    return given.expand(count, -1, -1, -1), where.expand(count, -1, -1, -1)
