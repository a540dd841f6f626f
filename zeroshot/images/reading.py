"""Whatever holds a picture, a file, a PIL image, an array or a tensor, as a :class:`Picture`."""

from __future__ import annotations

import os
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image

from zeroshot.images.checks import (
    TORCH_DTYPES,
    SourceWording,
    check_alpha,
    check_array,
    check_finite,
    check_size_and_type,
    checked_range,
)
from zeroshot.images.decoding import library_errors
from zeroshot.images.errors import ImageError
from zeroshot.images.formats import read
from zeroshot.images.kinds import kind_of_source
from zeroshot.images.metadata import Metadata
from zeroshot.images.picture import GivenForm, Picture, full_range, to_unit
from zeroshot.images.pillow import metadata_of, pixels_of, turn_upright
from zeroshot.images.value_range import on_range, working_range
from zeroshot.notes import note


def load(
    source: Any,
    *,
    value_range: tuple[float, float] | None = None,
    subject: str = "image",
    nan: Literal["refused", "unknown"] = "refused",
) -> Picture:
    """Take a picture from a file, a PIL image, an array or a tensor.

    Parameters
    ----------
    source : path, PIL.Image.Image, numpy.ndarray or torch.Tensor
        A file is PNG, JPEG, TIFF, WebP or BMP, or AVIF where Pillow reads it. An array is H×W, H×W×1, H×W×2 (grey and
        alpha), H×W×3 or H×W×4 of bool, uint8, uint16, float16, float32 or float64; a tensor is H×W, C×H×W or N×C×H×W
        with C from 1 to 4 of the same types or bfloat16. Floats in [0, 1], up to noise, are taken as they are; for
        others black and white are found, see :mod:`zeroshot.images.value_range`. Files and PIL images are turned
        upright by their EXIF orientation.
    value_range : tuple of float, optional
        The values of black and white, where they are not 0 and 1 for floats or 0 and the largest value of an
        integer type: (0, 255) for floats on that scale, (0, 4095) for 12-bit counts in 16 bits. Alpha is not
        affected in integers; in floats it runs from 0 to the value of white. Where values that are no noise lie
        beyond it, the picture is worked on in a wider one.
    subject : str
        What the messages call the source: "image", "mask", "hints".
    nan : {"refused", "unknown"}
        What NaN and infinity mean in an array: nothing that can be used, or a pixel that was not measured, which the
        picture then has as transparent and gives back as NaN.

    Returns
    -------
    Picture
        Its colours never share memory with `source`.

    Raises
    ------
    ImageError
        In one line, before any work: what cannot be read or used, and what would be accepted.
    """
    value_range = checked_range(value_range)
    words = SourceWording(subject)
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        pixels, metadata = read(path)
        words = SourceWording(subject, place=f"{path}: ")
        # The NaN of FITS is what was not measured.
        nan = "unknown" if kind_of_source(path) == "FITS" else "refused"
        return _from_pixels(
            pixels, "file", value_range, words, metadata=metadata, source=path.absolute(), nan=nan
        )
    if isinstance(source, Image.Image):
        return _from_pil(source, value_range, words)
    if isinstance(source, torch.Tensor):
        return _from_tensor(source, value_range, words)
    if isinstance(source, np.ndarray):
        check_array(source, words)
        return _from_pixels(source, "numpy", value_range, words, nan=nan)
    raise ImageError(
        f"cannot take {words.some} from {type(source).__name__}; pass a path, a PIL image, a numpy array (H×W or "
        "H×W×C) or a torch tensor (H×W, C×H×W or N×C×H×W)"
    )


def _from_pil(image: Image.Image, value_range: tuple[float, float] | None, words: SourceWording) -> Picture:
    if 0 in image.size:
        raise ImageError(f"{words.the()} {words.have} no pixels ({image.size[1]} × {image.size[0]})")
    with library_errors("PIL image", "is damaged or truncated and cannot be decoded"):
        image.load()
        metadata, orientation = metadata_of(image)
        pixels, remarks = pixels_of(image)
    for remark in remarks:
        note(remark)
    deep = image.mode == "F" or image.mode.startswith("I")
    mode = image.mode if deep and pixels.ndim == 2 else None
    pixels = turn_upright(pixels, orientation)
    return _from_pixels(pixels, "pil", value_range, words, metadata=metadata, mode=mode)


def _from_pixels(
    pixels: np.ndarray,
    kind: Literal["file", "pil", "numpy"],
    value_range: tuple[float, float] | None,
    words: SourceWording,
    *,
    metadata: Metadata | None = None,
    mode: str | None = None,
    source: Path | None = None,
    nan: Literal["refused", "unknown"] = "refused",
) -> Picture:
    native = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
    samples = torch.tensor(native if native.ndim == 3 else native[..., None]).permute(2, 0, 1)[None]
    form = GivenForm(
        kind=kind,
        dtype=samples.dtype,
        layout="HW" if pixels.ndim == 2 else "HWC",
        value_range=value_range or full_range(samples.dtype),
        origin="type" if value_range is None else "given",
        numpy_dtype=pixels.dtype,
        mode=mode,
        metadata=metadata or Metadata(),
        source=source,
    )
    unknown = nan == "unknown" and samples.dtype.is_floating_point and samples.shape[1] in (1, 3)
    return _with_unknown(samples, form, words) if unknown else _from_samples(samples, form, words)


def _with_unknown(samples: torch.Tensor, form: GivenForm, words: SourceWording) -> Picture:
    """Colours of which NaN and infinity say nothing."""
    known = torch.isfinite(samples).all(dim=1, keepdim=True)
    if bool(known.all()):
        return _from_samples(samples, form, words)
    if not bool(known.any()):
        raise ImageError(f"{words.place}all values{words.of} are NaN or infinite: nothing was measured")
    level = samples[known.expand_as(samples)].double().median().to(samples.dtype)
    filled = torch.where(known, samples, level)
    form = replace(form, hidden="nan", alpha_white=1.0)
    return _from_samples(torch.cat([filled, known.to(filled)], dim=1), form, words)


def _from_tensor(
    tensor: torch.Tensor, value_range: tuple[float, float] | None, words: SourceWording
) -> Picture:
    shape = " × ".join(map(str, tensor.shape))
    if tensor.ndim not in (2, 3, 4):
        raise ImageError(
            f"{words.the('tensor')} {words.have} {tensor.ndim} axes; {words.some} {words.are} H×W or C×H×W, "
            "a batch N×C×H×W"
        )
    layout: Literal["HW", "CHW", "NCHW"] = "HW" if tensor.ndim == 2 else "CHW" if tensor.ndim == 3 else "NCHW"
    if layout == "HW":
        tensor = tensor[None]
    channels = tensor.shape[-3]
    if channels not in (1, 2, 3, 4):
        if tensor.shape[-1] in (1, 2, 3, 4):
            raise ImageError(
                f"{words.the('tensor')} {words.are} {shape}, but the channels of a tensor go first (C×H×W); "
                "pass tensor.movedim(-1, -3), or a numpy array"
            )
        raise ImageError(
            f"{words.the('tensor')} {words.are} {shape}, with {channels} channels; "
            f"{words.some} {words.have} 1 to 4"
        )
    dtype = str(tensor.dtype).removeprefix("torch.")
    check_size_and_type(tensor.numel(), shape, dtype, TORCH_DTYPES, words)
    form = GivenForm(
        kind="torch",
        dtype=tensor.dtype,
        layout=layout,
        value_range=value_range or full_range(tensor.dtype),
        origin="type" if value_range is None else "given",
        device=tensor.device,
    )
    return _from_samples(tensor.detach().clone().reshape(-1, *tensor.shape[-3:]), form, words)


def _from_samples(samples: torch.Tensor, form: GivenForm, words: SourceWording) -> Picture:
    """Checked values, split into colours and alpha on the scale from black to white."""
    colour_channels = 1 if samples.shape[1] <= 2 else 3
    given, coverage = samples[:, :colour_channels], samples[:, colour_channels:]
    alpha = None
    if coverage.shape[1]:
        check_finite(coverage, words)
        # Where the range is found the alpha channel has its own, from 0 to 1 unless it exceeds that.
        alpha = to_unit(coverage, form.alpha_range)
    floats = form.dtype.is_floating_point
    if floats and alpha is not None:
        # What is stored in a transparent pixel may be anything, such as what dividing by its alpha gave.
        given = torch.where((coverage <= 0) & ~torch.isfinite(given), 0.0, given).to(given.dtype)
    check_finite(given, words)
    picture = Picture(
        to_unit(given, form.value_range), alpha, form, samples=given.contiguous() if floats else None
    )
    if words.subject in ("image", "truth"):
        found = working_range(given, form, picture.visible)
        if alpha is not None and found.origin == "found":
            found = replace(
                found, alpha_white=1.0 if float(coverage.max()) <= 1 + 1e-3 else found.value_range[1]
            )
            alpha = to_unit(coverage, found.alpha_range)
        picture = on_range(replace(picture, alpha=alpha), found)
    if alpha is not None and floats:
        check_alpha(alpha, picture.form, words)
    return replace(picture, alpha=None if alpha is None else alpha.clamp(0, 1))
