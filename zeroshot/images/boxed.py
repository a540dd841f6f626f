"""AVIF, HEIC and JPEG XL, which keep pictures in boxes (ISO/IEC 14496-12): by way of Pillow and its plug-ins.

AVIF is Pillow's own; HEIC and JPEG XL come with plug-ins, which are registered when such a file comes along. JPEG XL is
written without loss, unless the picture came from a format that loses.
"""

from __future__ import annotations

import io
import struct
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np
from PIL import Image, features

from zeroshot.images.decoding import check_single, check_size
from zeroshot.images.errors import ImageError
from zeroshot.images.extras import imported
from zeroshot.images.metadata import Metadata, clean_xmp, xmp_with_provenance
from zeroshot.images.pillow import (
    Reading,
    colour_channels,
    metadata_of,
    open_with_pillow,
    pixels_of,
    save_with_pillow,
)

#: The qualities that are written where a format loses.
QUALITY = {"AVIF": 90, "HEIF": 95, "JXL": 95}
_JXL_SIGNATURE = b"\0\0\0\x0cJXL \r\n\x87\n"
_JXL_CODESTREAM = b"\xff\x0a"


# --- reading -------------------------------------------------------------------------------------------------


def read_avif(data: bytes) -> Reading:
    """The picture in an AVIF file; errors as :func:`zeroshot.images.formats.read`."""
    _require_avif()
    pixels, metadata, orientation, remarks = _decoded(open_with_pillow(data, "AVIF"))
    depth = depth_of_avif(data)
    if depth > 8:
        told = f"has {depth} bits a sample, of which Pillow reads 8; convert it to 16-bit PNG to keep them"
        remarks = [*remarks, told]
    return pixels, replace(metadata, lossy=True), orientation, remarks


def _require_avif() -> None:
    if not features.check("avif"):
        raise ImageError(
            "is an AVIF image, which this Pillow cannot read; install Pillow 11.3 or later with AVIF"
        )


def read_heic(data: bytes) -> Reading:
    """The picture in a HEIC file, in 16 bits where it has more than 8."""
    heif = imported("pillow_heif", "formats", "a HEIC image")
    heif.register_heif_opener(thumbnails=False)
    image = open_with_pillow(data, "HEIF")
    pixels, metadata, _, remarks = _decoded(image)
    if int(image.info.get("bit_depth", 8)) > 8:
        pixels = np.asarray(heif.open_heif(io.BytesIO(data), convert_hdr_to_8bit=False))
    # The plug-in has turned the picture upright already.
    return pixels, replace(metadata, lossy=True), 1, remarks


def read_jxl(data: bytes) -> Reading:
    """The picture in a JPEG XL file."""
    imported("pillow_jxl", "formats", "JPEG XL")
    image = Image.open(io.BytesIO(data), formats=("JXL",))
    check_size(*image.size)
    check_single(getattr(image, "n_frames", 1), "frames of an animation")
    pixels, metadata, _, remarks = _decoded(image)
    packets = [content for kind, content in _boxes(data) if kind == b"xml "]
    xmp = clean_xmp(packets[0]) if packets else None
    # The decoder turns it upright, and what EXIF says of that does not count (ISO/IEC 18181-2). Whether it was
    # compressed with loss the file does not say.
    return pixels, replace(metadata, xmp=xmp), 1, remarks


def _decoded(image: Image.Image) -> Reading:
    image.load()
    metadata, orientation = metadata_of(image)
    pixels, remarks = pixels_of(image)
    return pixels, metadata, orientation, remarks


def depth_of_avif(data: bytes) -> int:
    """Bits of a sample, by the configuration of the first AV1 image (AV1 in ISOBMFF, section 2.3); 8 where unsaid."""
    place = data.find(b"av1C")
    flags = data[place + 6] if 0 <= place < len(data) - 6 else 0
    return (12 if flags & 0x20 else 10) if flags & 0x40 else 8


# --- writing -------------------------------------------------------------------------------------------------


def encode_avif(pixels: np.ndarray, metadata: Metadata, provenance: str | None) -> bytes:
    """An AVIF file of 8 bits."""
    _require_avif()
    return _through_pillow(pixels, "AVIF", metadata, provenance)


def encode_heic(pixels: np.ndarray, metadata: Metadata, provenance: str | None) -> bytes:
    """A HEIC file of 8 bits."""
    imported("pillow_heif", "formats", "a HEIC image").register_heif_opener(thumbnails=False)
    return _through_pillow(pixels, "HEIF", metadata, provenance, chroma=444)


def _through_pillow(
    pixels: np.ndarray, kind: str, metadata: Metadata, provenance: str | None, **options: Any
) -> bytes:
    exif = metadata.exif_for(pixels.shape[1], pixels.shape[0])
    return save_with_pillow(
        pixels,
        kind,
        quality=QUALITY[kind],
        icc_profile=metadata.icc_for(colour_channels(pixels)),
        exif=b"Exif\0\0" + exif if exif is not None else None,
        xmp=metadata.xmp if provenance is None else xmp_with_provenance(metadata.xmp, provenance),
        **options,
    )


def encode_jxl(pixels: np.ndarray, metadata: Metadata, provenance: str | None) -> bytes:
    """A JPEG XL file of 8 bits, in a container that holds the XMP packet."""
    imported("pillow_jxl", "formats", "JPEG XL")
    exif = metadata.exif_for(pixels.shape[1], pixels.shape[0])
    data = save_with_pillow(
        pixels,
        "JXL",
        **({"quality": QUALITY["JXL"]} if metadata.lossy else {"lossless": True}),
        icc_profile=metadata.icc_for(colour_channels(pixels)),
        exif=exif,
    )
    xmp = metadata.xmp if provenance is None else xmp_with_provenance(metadata.xmp, provenance)
    if xmp is None:
        return data
    if data.startswith(_JXL_CODESTREAM):
        data = _JXL_SIGNATURE + _box(b"ftyp", b"jxl \0\0\0\0jxl ") + _box(b"jxlc", data)
    return data + _box(b"xml ", xmp)


# --- boxes ---------------------------------------------------------------------------------------------------


def _box(kind: bytes, content: bytes) -> bytes:
    return struct.pack(">I4s", 8 + len(content), kind) + content


def _boxes(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, content) of each box at the top of a file; stops where the file does."""
    position = 0
    while position + 8 <= len(data) and data[:4] == b"\0\0\0\x0c":
        length, kind = struct.unpack_from(">I4s", data, position)
        head = 8
        if length == 1:  # a size of 64 bits
            length, head = int.from_bytes(data[position + 8 : position + 16], "big"), 16
        end = len(data) if length == 0 else position + max(length, head)
        yield kind, data[position + head : end]
        position = end
