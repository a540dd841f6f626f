"""Pictures written from top to bottom, for those that are too large to be held: PNG and uncompressed TIFF."""

from __future__ import annotations

import os
import zlib
from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import tifffile

from zeroshot.files import NotWrittenError, write_atomically
from zeroshot.images.decoding import library_errors
from zeroshot.images.errors import ImageError
from zeroshot.images.files import check_output
from zeroshot.images.kinds import SUFFIXES
from zeroshot.images.metadata import PNG_SIGNATURE, Metadata, png_chunk, png_chunks, provenance_text
from zeroshot.images.picture import GivenForm
from zeroshot.images.png import encode_png
from zeroshot.images.tiff_writing import tiff_options
from zeroshot.images.writing import ImageNotWrittenError, depth_to_write

#: The formats that are written so.
BY_ROWS = ("PNG", "TIFF")
#: A TIFF file beyond this size needs offsets of 64 bits.
_LARGEST_TIFF = 2**32 - 2**25
_UP = 2  # the PNG filter that keeps differences to the row above


def save_rows(
    bands: Iterable[np.ndarray],
    shape: tuple[int, ...],
    form: GivenForm,
    path: str | os.PathLike,
    *,
    overwrite: bool = False,
    provenance: dict[str, Any] | None = None,
) -> None:
    """Write a picture that comes in bands of rows, as :func:`zeroshot.images.save` writes one that is there.

    What has come is in a temporary file, which takes the name of `path` when the last row is in it; nothing is left
    where the bands end in an error.

    Parameters
    ----------
    bands : iterable of numpy.ndarray
        (rows, W) or (rows, W, 3), of the dtype that :func:`~zeroshot.images.writing.depth_to_write` gives.
    shape : tuple of int
        (H, W) or (H, W, 3) of the whole.
    form : GivenForm
        What the picture came as; its metadata are those of the file.
    path : path
        With the suffix .png, .tif or .tiff.
    overwrite, provenance
        As for :func:`zeroshot.images.save`.

    Raises
    ------
    ImageError
        In one line, where the file cannot be written.
    """
    path = Path(path)
    check_output(path, overwrite=overwrite, source=form.source)
    kind = SUFFIXES[path.suffix.lower()]
    if kind not in BY_ROWS:
        raise ImageError(f"{path}: {kind} cannot be written by rows; use PNG or TIFF")
    text = None if provenance is None else provenance_text(provenance)
    dtype, _ = depth_to_write(form, kind)
    write = _write_png if kind == "PNG" else _write_tiff

    def content(file: BinaryIO) -> None:
        write(
            file,
            _complete(bands, shape),
            shape,
            np.dtype(str(dtype).removeprefix("torch.")),
            form.metadata,
            text,
        )

    try:
        write_atomically(path, content, overwrite=overwrite)
    except NotWrittenError as error:
        raise ImageNotWrittenError(str(error)) from None


def _complete(bands: Iterable[np.ndarray], shape: tuple[int, ...]) -> Iterator[np.ndarray]:
    """The bands, which must be of the whole together."""
    rows = 0
    for band in bands:
        if band.shape[1:] != shape[1:]:
            raise ValueError(f"a band of rows has the shape {band.shape}, of a picture of {shape}")
        rows += len(band)
        yield band
    if rows != shape[0]:
        raise ValueError(f"there are {rows} rows, of a picture of {shape}")


def _write_png(
    file: BinaryIO,
    bands: Iterator[np.ndarray],
    shape: tuple[int, ...],
    dtype: np.dtype,
    metadata: Metadata,
    text: str | None,
) -> None:
    height, width = shape[:2]
    # All but the size and the pixels is that of a picture of one pixel.
    metadata = replace(metadata, exif=metadata.exif_for(width, height))
    one = list(png_chunks(encode_png(np.zeros((1, 1, *shape[2:]), dtype), metadata, text)))
    file.write(PNG_SIGNATURE)
    for name, data in one:
        if name == b"IDAT":
            break
        if name == b"IHDR":
            data = width.to_bytes(4, "big") + height.to_bytes(4, "big") + data[8:]
        if name == b"eXIf":
            assert metadata.exif is not None
            data = metadata.exif
        file.write(png_chunk(name, data))
    compressor = zlib.compressobj()
    above: np.ndarray | None = None
    for band in bands:
        big_endian = np.ascontiguousarray(band, dtype.newbyteorder(">"))
        lines = big_endian.view(np.uint8).reshape(len(band), -1)
        if above is None:
            above = np.zeros_like(lines[:1])
        filtered = np.full((len(band), lines.shape[1] + 1), _UP, np.uint8)
        np.subtract(lines, np.concatenate([above, lines[:-1]]), out=filtered[:, 1:])
        above = lines[-1:].copy()
        _write_chunk(file, compressor.compress(filtered.tobytes()))
    _write_chunk(file, compressor.flush())
    file.write(png_chunk(b"IEND", b""))


def _write_chunk(file: BinaryIO, data: bytes) -> None:
    if data:
        file.write(png_chunk(b"IDAT", data))


def _write_tiff(
    file: BinaryIO,
    bands: Iterator[np.ndarray],
    shape: tuple[int, ...],
    dtype: np.dtype,
    metadata: Metadata,
    text: str | None,
) -> None:
    size = int(np.prod(shape, dtype=np.int64)) * dtype.itemsize
    channels = 1 if len(shape) == 2 else shape[2]
    with library_errors("TIFF", "cannot be written"):
        # A name, since that of an open descriptor is a number.
        tifffile.imwrite(
            tifffile.FileHandle(file, name="picture.tif", offset=0, size=0),
            shape=shape,
            dtype=dtype,
            bigtiff=size > _LARGEST_TIFF,
            **tiff_options(channels, metadata, text),
        )
        file.seek(0)
        with tifffile.TiffFile(tifffile.FileHandle(file, name="picture.tif")) as written:
            page, order = written.pages[0], written.byteorder
            file.seek(page.dataoffsets[0])  # type: ignore[union-attr]
    for band in bands:
        file.write(np.ascontiguousarray(band, dtype.newbyteorder(order)).data)
