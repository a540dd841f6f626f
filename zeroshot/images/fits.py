"""FITS: images and cubes of astronomy, with their header; by way of astropy.

Counts come back as counts in the scale of the file (BITPIX, BSCALE, BZERO), and values below 0 as they are. What is
NaN, or BLANK in integers, was not measured: it is left out of the range and the noise, and is NaN or BLANK again in
what is written, unless inpainting was told to fill it. Rows stay in the order of the file.
"""

from __future__ import annotations

import io
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np

from zeroshot.files import write_atomically
from zeroshot.images.errors import ImageError
from zeroshot.images.extras import imported
from zeroshot.images.metadata import Metadata
from zeroshot.images.pillow import Reading
from zeroshot.images.stack import ArrayStack, Stack, StackMetadata, StackOutput
from zeroshot.notes import note

PROVENANCE_KEYWORD = "ZEROSHOT"
_BLOCK = 2880
_BITPIX = {"uint8": 8, "int16": 16, "int32": 32, "float32": -32, "float64": -64}
#: How integers are stored that FITS does not have: as signed ones, shifted.
_SHIFTED = {"int8": ("uint8", -128), "uint16": ("int16", 2**15), "uint32": ("int32", 2**31)}
#: What describes the bytes, or their checksums, and is said anew.
_STRUCTURE = (
    *("SIMPLE", "XTENSION", "BITPIX", "NAXIS", "PCOUNT", "GCOUNT", "EXTEND", "GROUPS", "CHECKSUM", "DATASUM"),
    *("BSCALE", "BZERO", "BLANK", "INHERIT", PROVENANCE_KEYWORD),
)
_AXES = "TZYX"


def read_fits(data: bytes) -> Reading:
    """The picture in a FITS file of two axes; errors as :func:`zeroshot.images.formats.read`."""
    fits = imported("astropy.io.fits", "fits", "FITS")
    _require_header(len(data))
    hdu, remarks = _image(fits.open(io.BytesIO(data)))
    pixels = np.asarray(hdu.data)
    if pixels.ndim != 2:
        raise ImageError(f"holds a cube of {pixels.ndim} axes; save the plane as a file of its own")
    pixels = pixels.astype(pixels.dtype.newbyteorder("="))
    wide = pixels.dtype.kind == "i" or pixels.dtype.itemsize > 2
    return (
        (pixels.astype(np.float64) if wide and pixels.dtype.kind != "f" else pixels),
        Metadata(),
        1,
        remarks,
    )


def fits_stack(path: Path, axes: str | None) -> Stack:
    """The image or the cube in a FITS file, which is mapped into memory where it is not scaled."""
    fits = imported("astropy.io.fits", "fits", "FITS")
    _require_header(path.stat().st_size)
    try:
        hdu, remarks = _image(fits.open(path, memmap=True))
        header = hdu.header.copy()
        array = hdu.data
    except ValueError:  # scaled or blank integers cannot be mapped
        hdu, remarks = _image(fits.open(path, memmap=False))
        header, array = hdu.header.copy(), hdu.data
    for remark in remarks:
        note(f"{path}: {remark}")
    if not 2 <= array.ndim <= len(_AXES):
        raise ImageError(f"holds an image of {array.ndim} axes; those of 2 to {len(_AXES)} are read")
    usual = {"BITPIX": -32, "BSCALE": 1, "BZERO": 0, "BLANK": None}
    stored = {name: header.get(name, value) for name, value in usual.items()}
    metadata = StackMetadata(attributes={"fits": header.tostring(), "stored": stored})
    return ArrayStack(array, axes or _AXES[-array.ndim :], path.absolute(), metadata)


def _require_header(size: int) -> None:
    """Refuse a file that ends within its header, of which astropy doubts that it is FITS."""
    if size < _BLOCK:
        raise ImageError(f"is a FITS file that was cut off within its header, after {size} bytes")


def _image(opened: Any) -> tuple[Any, list[str]]:
    """The first part of a file that is an image, and a remark where there are more."""
    found = [one for one in opened if getattr(one, "is_image", False) and one.header.get("NAXIS", 0) >= 2]
    if not found:
        raise ImageError("holds no image")
    first = found[0]
    if len(found) == 1:
        return first, []
    return first, [f"holds {len(found)} images; the first, {first.name or 'without a name'}, is taken"]


# --- writing -------------------------------------------------------------------------------------------------


def encode_fits(pixels: np.ndarray, metadata: Metadata, provenance: str | None) -> bytes:
    """A file of one picture; colours are three planes."""
    planes = pixels if pixels.ndim == 2 else np.moveaxis(pixels, 2, 0)
    header, scale, bias, dtype = _header(planes.shape, planes.dtype, StackMetadata(), (1.0, 1.0), provenance)
    file = io.BytesIO()
    _write(file, header, [planes], scale, bias, dtype, None)
    return file.getvalue()


def write_fits(output: StackOutput, planes: Iterable[np.ndarray]) -> None:
    """Write a stack plane by plane, with the header of the input."""
    shape = output.shape
    if output.axes.endswith("S"):
        if output.axes != "YXS":
            raise ImageError(f"{output.path}: FITS has no colours in a stack; use TIFF")
        shape = (shape[2], *shape[:2])
    header, scale, bias, stored = _header(
        shape, output.dtype, output.metadata, output.enlarged, output.provenance
    )
    blank = header.get("BLANK")
    turned = (np.moveaxis(one, 2, 0) if one.ndim == 3 else one for one in planes)
    write_atomically(
        output.path,
        lambda file: _write(file, header, turned, scale, bias, stored, blank),
        overwrite=output.overwrite,
    )


def _header(
    shape: tuple[int, ...],
    dtype: np.dtype,
    metadata: StackMetadata,
    enlarged: tuple[float, float],
    text: str | None,
) -> tuple[Any, float, float, np.dtype]:
    """The header of a file, and how its values are stored: scale, offset and type."""
    fits = imported("astropy.io.fits", "fits", "FITS")
    name = {"bool": "uint8", "float16": "float32"}.get(dtype.name, dtype.name)
    stored = metadata.attributes.get("stored")
    scale, bias = 1.0, 0.0
    kind, offset = _SHIFTED.get(name, (name, 0))
    if stored is not None and dtype.kind == "f" and stored["BITPIX"] > 0:
        kind = {8: "uint8", 16: "int16", 32: "int32"}.get(stored["BITPIX"], "float64")
        if kind != "float64":
            scale, bias = float(stored["BSCALE"]), float(stored["BZERO"])
    else:
        bias = float(offset)
    header = fits.Header()
    header["SIMPLE"] = (True, "conforms to the FITS standard")
    header["BITPIX"] = _BITPIX[kind]
    header["NAXIS"] = len(shape)
    for number, length in enumerate(reversed(shape), 1):
        header[f"NAXIS{number}"] = length
    if (scale, bias) != (1.0, 0.0):
        header["BSCALE"], header["BZERO"] = scale, int(bias) if bias.is_integer() else bias
    if stored is not None and kind[0] in "iu" and dtype.kind == "f":
        limits = np.iinfo(kind)
        header["BLANK"] = limits.min if stored["BLANK"] is None else int(stored["BLANK"])
    kept = fits.Header.fromstring(metadata.attributes.get("fits", ""))
    for card in kept.cards:
        if card.keyword not in _STRUCTURE and not card.keyword.startswith(("NAXIS", "ZNAXIS")):
            header.append(card, end=True)
    _resize_coordinates(header, enlarged)
    if text is not None:
        header[PROVENANCE_KEYWORD] = text
    return header, scale, bias, np.dtype(kind)


def _resize_coordinates(header: Any, enlarged: tuple[float, float]) -> None:
    """World coordinates for smaller pixels: the centre of the first pixel is at 1."""
    for number, factor in enumerate(enlarged, 1):
        if factor == 1:
            continue
        if f"CRPIX{number}" in header:
            header[f"CRPIX{number}"] = (header[f"CRPIX{number}"] - 0.5) * factor + 0.5
        matrix = [f"CD{row}_{number}" for row in (1, 2, 3)]
        if not any(name in header for name in matrix) and f"CTYPE{number}" in header:
            header.setdefault(f"CDELT{number}", 1.0)  # which it is where it is not said
        for name in (f"CDELT{number}", *matrix):
            if name in header:
                header[name] = header[name] / factor


def _write(
    file: BinaryIO | io.BytesIO,
    header: Any,
    planes: Iterable[np.ndarray],
    scale: float,
    bias: float,
    dtype: np.dtype,
    blank: int | None,
) -> None:
    file.write(header.tostring().encode("ascii"))
    size = 0
    for plane in planes:
        values = plane.astype(np.float64) if dtype.kind != "f" else plane
        if dtype.kind != "f":
            limits = np.iinfo(dtype)
            unknown = ~np.isfinite(values)
            steps = np.clip(np.rint((np.where(unknown, 0.0, values) - bias) / scale), limits.min, limits.max)
            values = np.where(unknown, limits.min if blank is None else blank, steps)
        data = np.ascontiguousarray(values, dtype.newbyteorder(">")).tobytes()
        size += len(data)
        file.write(data)
    file.write(bytes(-size % _BLOCK))


def fits_provenance(data: bytes) -> str | None:
    """The text that the header of the first part of a file has of how it was made."""
    header = imported("astropy.io.fits", "fits", "FITS").Header.fromstring(data[: _header_size(data)])
    text = header.get(PROVENANCE_KEYWORD)
    return text if isinstance(text, str) else None


def _header_size(data: bytes) -> int:
    """Bytes of the first header, whole blocks up to the card END."""
    for end in range(_BLOCK, len(data) + 1, _BLOCK):
        block = data[end - _BLOCK : end]
        if any(block[at : at + 80].rstrip() == b"END" for at in range(0, _BLOCK, 80)):
            return end
    return len(data)
