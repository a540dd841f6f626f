"""Images in and out: files, PIL images, arrays, tensors ↔ float (N, C, H, W) in [0, 1], back as they came.

:func:`load` takes whatever holds a picture and gives a :class:`Picture`, which remembers the form it came in;
:meth:`Picture.as_given` gives restored colours back in that form, and :func:`save` writes them to a file with
everything that the input carried. Formats and what they keep: :mod:`zeroshot.image_files`.
"""

from __future__ import annotations

import json
import os
import warnings
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal

import numpy as np
import torch
from PIL import Image

from zeroshot.image_checks import (
    TORCH_DTYPES,
    Words,
    check_array,
    check_finite,
    check_magnitude,
    check_size_and_type,
    check_within_range,
    checked_range,
)
from zeroshot.image_files import (
    SUFFIXES,
    dtype_for,
    encode,
    read,
    read_bytes,
    write_atomically,
)
from zeroshot.image_metadata import ImageError, Metadata, find_provenance, provenance_text
from zeroshot.image_pillow import (
    MAX_PIXELS,
    library_errors,
    metadata_of,
    pixels_of,
    turn_upright,
)
from zeroshot.picture import Form, Picture, full_range, to_unit

__all__ = [
    "MAX_PIXELS",
    "SUFFIXES",
    "Form",
    "ImageError",
    "Picture",
    "check_not_input",
    "check_output",
    "load",
    "read_provenance",
    "save",
    "write_atomically",
]


# --- loading ---------------------------------------------------------------------------------------------


def load(source: Any, *, value_range: tuple[float, float] | None = None, subject: str = "image") -> Picture:
    """Take a picture from a file, a PIL image, an array or a tensor.

    Parameters
    ----------
    source : path, PIL.Image.Image, numpy.ndarray or torch.Tensor
        A file is PNG, JPEG, TIFF, WebP or BMP. An array is H×W, H×W×1, H×W×2 (grey and alpha), H×W×3 or H×W×4
        of bool, uint8, uint16, float16, float32 or float64; a tensor is H×W, C×H×W or N×C×H×W with C from 1
        to 4 of the same types or bfloat16. Floats are expected in [0, 1] up to noise. Files and PIL images are
        turned upright by their EXIF orientation.
    value_range : tuple of float, optional
        The values of black and white, where they are not 0 and 1 for floats or 0 and the largest value of an
        integer type: (0, 255) for floats on that scale, (0, 4095) for 12-bit counts in 16 bits. Alpha is not
        affected in integers; in floats it runs from 0 to the value of white. Integers that lie further than a
        quarter of the range beyond it are refused.
    subject : str
        What the messages call the source: "image", "mask", "hints".

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
    words = Words(subject)
    if isinstance(source, str | os.PathLike):
        path = Path(source)
        pixels, metadata = read(path)
        words = Words(subject, place=f"{path}: ")
        return _from_pixels(pixels, "file", value_range, words, metadata=metadata, source=path.absolute())
    if isinstance(source, Image.Image):
        return _from_pil(source, value_range, words)
    if isinstance(source, torch.Tensor):
        return _from_tensor(source, value_range, words)
    if isinstance(source, np.ndarray):
        check_array(source, words)
        return _from_pixels(source, "numpy", value_range, words)
    raise ImageError(
        f"cannot take {words.some} from {type(source).__name__}; pass a path, a PIL image, a numpy array (H×W or "
        "H×W×C) or a torch tensor (H×W, C×H×W or N×C×H×W)"
    )


def _from_pil(image: Image.Image, value_range: tuple[float, float] | None, words: Words) -> Picture:
    if 0 in image.size:
        raise ImageError(f"{words.the()} {words.have} no pixels ({image.size[1]} × {image.size[0]})")
    with library_errors("PIL image", "is damaged or truncated and cannot be decoded"):
        image.load()
        metadata, orientation = metadata_of(image)
        pixels, remarks = pixels_of(image)
    for remark in remarks:
        warnings.warn(remark, stacklevel=3)
    deep = image.mode == "F" or image.mode.startswith("I")
    mode = image.mode if deep and pixels.ndim == 2 else None
    pixels = turn_upright(pixels, orientation)
    return _from_pixels(pixels, "pil", value_range, words, metadata=metadata, mode=mode)


def _from_pixels(
    pixels: np.ndarray,
    kind: Literal["file", "pil", "numpy"],
    value_range: tuple[float, float] | None,
    words: Words,
    *,
    metadata: Metadata | None = None,
    mode: str | None = None,
    source: Path | None = None,
) -> Picture:
    native = np.ascontiguousarray(pixels, dtype=pixels.dtype.newbyteorder("="))
    samples = torch.tensor(native if native.ndim == 3 else native[..., None]).permute(2, 0, 1)[None]
    form = Form(
        kind=kind,
        dtype=samples.dtype,
        layout="HW" if pixels.ndim == 2 else "HWC",
        value_range=value_range or full_range(samples.dtype),
        numpy_dtype=pixels.dtype,
        mode=mode,
        metadata=metadata or Metadata(),
        source=source,
    )
    return _from_samples(samples, form, words)


def _from_tensor(tensor: torch.Tensor, value_range: tuple[float, float] | None, words: Words) -> Picture:
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
    form = Form(
        kind="torch",
        dtype=tensor.dtype,
        layout=layout,
        value_range=value_range or full_range(tensor.dtype),
        device=tensor.device,
    )
    return _from_samples(tensor.detach().clone().reshape(-1, *tensor.shape[-3:]), form, words)


def _from_samples(samples: torch.Tensor, form: Form, words: Words) -> Picture:
    """Checked values, split into colours and alpha on the [0, 1] scale."""
    check_finite(samples, words)
    colour_channels = 1 if samples.shape[1] <= 2 else 3
    colours = to_unit(samples[:, :colour_channels], form.value_range)
    alpha = None
    if samples.shape[1] > colour_channels:
        alpha = to_unit(samples[:, colour_channels:], form.alpha_range)
    if form.dtype.is_floating_point:
        check_magnitude(colours, alpha, form, words)
    else:
        check_within_range(colours, form.value_range, words)
    return Picture(colours, None if alpha is None else alpha.clamp(0, 1), form)


# --- saving ----------------------------------------------------------------------------------------------


def check_output(path: str | os.PathLike, *, overwrite: bool, source: Path | None = None) -> None:
    """Check all that can be known of an output before the work: suffix, folder, permission, existing file.

    Parameters
    ----------
    path : path
        The output.
    overwrite : bool
        Whether an existing file may be replaced.
    source : pathlib.Path, optional
        The file that the picture came from (`Picture.source`), which is never replaced.

    Raises
    ------
    ImageError
        Where :func:`save` would refuse this path.
    """
    path = Path(path)
    if path.suffix.lower() not in SUFFIXES:
        raise ImageError(
            f"{path}: the suffix {path.suffix!r} names no known format; use one of {', '.join(SUFFIXES)}"
        )
    folder = path.parent
    if not folder.is_dir():
        raise ImageError(f"{path}: the folder {folder} does not exist")
    if not os.access(folder, os.W_OK | os.X_OK):
        raise ImageError(f"{path}: the folder {folder} is not writable")
    if path.is_dir():
        raise ImageError(f"{path}: is a folder")
    check_not_input(path, source)
    if (path.exists() or path.is_symlink()) and not overwrite:
        raise ImageError(f"{path}: exists already; choose another name or allow overwriting")


def check_not_input(path: str | os.PathLike, source: Path | None) -> None:
    """Refuse, with an ImageError, an output that is the file `source` itself, by whatever name or link."""
    if source is None:
        return
    try:
        same = os.path.samefile(path, source)
    except OSError:  # one of them does not exist (any more)
        same = Path(path).absolute() == source.absolute()
    if same:
        raise ImageError(f"the output is the input, which is never overwritten: {path}")


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
    pixels is listed in :mod:`zeroshot.image_files`. The file appears under its name only when it is complete.

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
        warnings.warn(f"{path}: JPEG has no transparency; the picture is laid on white", stacklevel=2)
        picture = _on_white(picture)
    pixels = _pixels_to_write(picture, kind)
    try:
        data = encode(kind, pixels, picture.form.metadata, text)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None
    write_atomically(path, data, overwrite=overwrite)


def _on_white(picture: Picture) -> Picture:
    alpha = picture.alpha
    if alpha is None:
        return picture
    alpha = alpha.to(picture.colours.device)
    return replace(picture, colours=picture.colours * alpha + (1 - alpha), alpha=None)


def _pixels_to_write(picture: Picture, kind: str) -> np.ndarray:
    """The pixels in the depth that the format gets; in the caller's value range if the depth is theirs."""
    given = picture.form.dtype
    depth = np.dtype(np.float32) if given == torch.bfloat16 else np.dtype(str(given).removeprefix("torch."))
    target = dtype_for(kind, depth)
    dtype: torch.dtype = getattr(torch, target.name)
    same_scale = dtype == given or (given.is_floating_point and dtype.is_floating_point)
    return picture.pixels(dtype, "given" if same_scale else "full")


def read_provenance(path: str | os.PathLike) -> dict[str, Any] | None:
    """The provenance that :func:`save` embedded in a file, or None where there is none.

    It lies in an iTXt chunk named ``zeroshot`` (PNG), in comments that begin with ``zeroshot`` (JPEG), in the
    private tag 65111 (TIFF), in the XMP packet (WebP), or behind the pixels (BMP).

    Raises
    ------
    ImageError
        Where the file is missing or is not an image.
    """
    path = Path(path)
    kind, data = read_bytes(path)
    with library_errors(path, f"is damaged and cannot be read as {kind}"):
        text = find_provenance(kind, data)
        found = None if text is None else json.loads(text)
    return found if isinstance(found, dict) else None
