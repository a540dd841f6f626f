"""PNG: up to 8 bits a sample through Pillow, 16 bits through pypng."""

from __future__ import annotations

import io
import struct
import zlib
from dataclasses import replace

import numpy as np
import png

from zeroshot.images.decoding import check_size, library_errors
from zeroshot.images.metadata import PNG_COLOUR_CHUNKS, Metadata, png_chunk, png_chunks, png_keyword, png_text
from zeroshot.images.pillow import (
    OWN_PNG_KEYWORDS,
    Reading,
    colour_channels,
    metadata_of,
    open_with_pillow,
    pixels_of,
    save_with_pillow,
    with_transparent_colour,
)


def read_png(data: bytes) -> Reading:
    """The picture in a PNG file; errors as :func:`zeroshot.images.formats.read`."""
    check_size(*struct.unpack_from(">II", data, 16))
    kept = tuple(
        (kind, chunk)
        for kind, chunk in png_chunks(data)
        if kind in PNG_COLOUR_CHUNKS
        or (kind in (b"tEXt", b"zTXt", b"iTXt") and not png_keyword(chunk).startswith(OWN_PNG_KEYWORDS))
    )
    image = open_with_pillow(data)
    depth, colour_type = data[24], data[25]
    if depth == 16 and colour_type in (2, 4, 6):
        metadata, orientation = metadata_of(image)
        pixels = _sixteen_bit_png(data)
        pixels = with_transparent_colour(pixels, image.info.get("transparency"))
        remarks: list[str] = []
    else:
        image.load()
        metadata, orientation = metadata_of(image)
        key = next((chunk for kind, chunk in png_chunks(data) if kind == b"tRNS"), b"")
        if colour_type == 0 and depth < 8 and len(key) == 2:  # the samples were widened to 8 bits
            image.info["transparency"] = int.from_bytes(key, "big") * (255 // (2**depth - 1))
        pixels, remarks = pixels_of(image)
    return pixels, replace(metadata, png_chunks=kept), orientation, remarks


def _sixteen_bit_png(data: bytes) -> np.ndarray:
    """Colour pixels of a 16-bit PNG, which Pillow would cut to 8 bits."""
    with library_errors("PNG", "is damaged or truncated and cannot be decoded"):
        width, height, rows, form = png.Reader(bytes=data).read()
        samples = np.vstack([np.frombuffer(row, dtype=np.uint16) for row in rows])
    return samples.reshape(height, width, form["planes"])


def encode_png(pixels: np.ndarray, metadata: Metadata, provenance: str | None) -> bytes:
    """A PNG of 8- or 16-bit pixels; what it keeps is said in :mod:`zeroshot.images.formats`."""
    plain = _deep_png(pixels) if pixels.dtype == np.uint16 else save_with_pillow(pixels, "PNG")
    icc = metadata.icc_for(colour_channels(pixels))
    exif = metadata.exif_for(pixels.shape[1], pixels.shape[0])
    chunks = [] if icc is None else [(b"iCCP", b"ICC profile\0\0" + zlib.compress(icc))]
    chunks += [(k, c) for k, c in metadata.png_chunks if k in PNG_COLOUR_CHUNKS]
    if metadata.dpi is not None:
        per_metre = [round(v / 0.0254) for v in metadata.dpi]
        chunks.append((b"pHYs", struct.pack(">IIB", *per_metre, 1)))
    if exif is not None:
        chunks.append((b"eXIf", exif))
    chunks += [(k, c) for k, c in metadata.png_chunks if k not in PNG_COLOUR_CHUNKS]
    if metadata.xmp is not None:
        chunks.append(png_text("XML:com.adobe.xmp", metadata.xmp.decode(errors="replace")))
    if provenance is not None:
        chunks.append(png_text("zeroshot", provenance))
    return plain[:33] + b"".join(png_chunk(*chunk) for chunk in chunks) + plain[33:]


def _deep_png(pixels: np.ndarray) -> bytes:
    """A 16-bit PNG."""
    height, width = pixels.shape[:2]
    channels = 1 if pixels.ndim == 2 else pixels.shape[2]
    writer = png.Writer(width, height, greyscale=channels < 3, alpha=channels in (2, 4), bitdepth=16)
    buffer = io.BytesIO()
    writer.write(buffer, np.ascontiguousarray(pixels).reshape(height, width * channels))
    return buffer.getvalue()
