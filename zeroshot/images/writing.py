"""Pictures to files, with everything that the input carried."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zeroshot.files import NotWrittenError, write_atomically
from zeroshot.images.errors import ImageError
from zeroshot.images.files import check_output
from zeroshot.images.formats import dtype_for, encode
from zeroshot.images.kinds import SUFFIXES
from zeroshot.images.metadata import provenance_text
from zeroshot.images.picture import GivenForm, Picture, Values
from zeroshot.notes import note


class ImageNotWrittenError(ImageError, NotWrittenError):
    """An image that is ready could not be written, such as to a full disk."""


def save(
    picture: Picture,
    path: str | os.PathLike,
    *,
    overwrite: bool = False,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write a picture in the format that the suffix names, with all that its input carried.

    The bit depth is the input's, or the nearest the format has: floats become 16 bits in PNG; everything
    becomes 8 bits in JPEG, WebP and BMP. TIFF keeps every depth, and floats in the caller's value range.
    Alpha is laid on white in JPEG, with a warning, and kept elsewhere. What each format keeps beside the
    pixels is listed in :mod:`zeroshot.images.formats`. The file appears under its name only when it is complete.

    Parameters
    ----------
    picture : Picture
        One picture (N = 1).
    path : path
        With the suffix .png, .jpg, .jpeg, .tif, .tiff, .webp or .bmp.
    overwrite : bool
        Whether an existing file may be replaced; the file that the picture came from never is.
    provenance : dict, optional
        How the picture was made, JSON-able; embedded in the file, see :func:`read_provenance`.

    Raises
    ------
    ImageError
        In one line, where the file cannot be written; nothing is left behind.
    """
    path = Path(path)
    check_output(path, overwrite=overwrite, source=picture.source)
    if picture.colours.shape[0] != 1:
        raise ImageError(f"a file holds one picture, this is a batch of {picture.colours.shape[0]}")
    text = None if provenance is None else provenance_text(provenance)
    kind = SUFFIXES[path.suffix.lower()]
    if kind == "JPEG" and picture.alpha is not None:
        note(f"{path}: JPEG has no transparency; the picture is laid on white")
        picture = _on_white(picture)
    pixels = _pixels_to_write(picture, kind)
    try:
        data = encode(kind, pixels, picture.form.metadata, text)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None
    try:
        write_atomically(path, data, overwrite=overwrite)
    except NotWrittenError as error:
        raise ImageNotWrittenError(str(error)) from None
    except OSError as error:
        raise ImageError(str(error)) from None


def _on_white(picture: Picture) -> Picture:
    alpha = picture.alpha
    if alpha is None:
        return picture
    alpha = alpha.to(picture.colours.device)
    return replace(picture, colours=picture.colours * alpha + (1 - alpha), alpha=None)


def _pixels_to_write(picture: Picture, kind: str) -> np.ndarray:
    """The pixels in the depth that the format gets; in the caller's value range if the depth is theirs."""
    return picture.pixels(*depth_to_write(picture.form, kind))


def depth_to_write(form: GivenForm, kind: str) -> tuple[torch.dtype, Values]:
    """The depth that a format gets, and the value range it is in: the caller's if the depth is theirs."""
    given = form.dtype
    depth = np.dtype(np.float32) if given == torch.bfloat16 else np.dtype(str(given).removeprefix("torch."))
    target = dtype_for(kind, depth)
    dtype: torch.dtype = getattr(torch, target.name)
    same_scale = dtype == given or (given.is_floating_point and dtype.is_floating_point)
    return dtype, "given" if same_scale else "full"
