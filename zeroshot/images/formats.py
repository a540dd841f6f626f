"""Image files to arrays and back, with their bit depth and everything they carry.

Pixels pass through as H×W or H×W×C arrays (grey, grey + alpha, RGB, RGBA) of the file's own dtype. What is
kept on the way from one file to another:

======  ==========================  =========================================================================
format  pixels written              beside the pixels
======  ==========================  =========================================================================
PNG     8 or 16 bits                ICC, EXIF, XMP, resolution; text and colour chunks if the input was a PNG
JPEG    8 bits, quality 95, 4:4:4   ICC, EXIF (up to 64 kB), XMP, resolution; comments if the input was a JPEG
WebP    8 bits, lossless; quality   ICC, EXIF, XMP; no resolution
        95 if the input was lossy
TIFF    8, 16, 32 or 64 bits,       ICC, XMP, resolution, description, make, model, software, date, artist,
        uncompressed                copyright; with 8 bits also the Exif and GPS directories, without maker
                                    notes that need their old place in the file
BMP     8 bits, 32-bit with alpha   resolution
AVIF    8 bits, quality 90          ICC, EXIF, XMP; no resolution
HEIC    8 bits, quality 95, 4:4:4   the same; read in 16 bits where there are more than 8
JXL     8 bits, lossless; quality   the same
        95 if the input was lossy
FITS    8, 16, 32 or 64 bits        the header, of an image that was FITS
======  ==========================  =========================================================================

EXIF thumbnails are dropped, since they would show the picture as it was. Where the picture was enlarged, the
resolution is so too.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
from PIL import Image

from zeroshot.images.boxed import encode_avif, encode_heic, encode_jxl, read_avif, read_heic, read_jxl
from zeroshot.images.decoding import check_size, library_errors
from zeroshot.images.errors import ImageError
from zeroshot.images.exif import is_sound
from zeroshot.images.fits import encode_fits, read_fits
from zeroshot.images.kinds import read_bytes
from zeroshot.images.metadata import (
    JPEG_SEGMENT_LIMIT,
    PROVENANCE_MARK,
    XMP_HEADER,
    Metadata,
    bmp_with_provenance,
    clean_xmp,
    jpeg_provenance_segments,
    jpeg_segments,
    jpeg_with_segments,
    riff_chunks,
    xmp_with_provenance,
)
from zeroshot.images.pillow import (
    Reading,
    colour_channels,
    metadata_of,
    open_with_pillow,
    pixels_of,
    save_with_pillow,
    turn_upright,
)
from zeroshot.images.png import encode_png, read_png
from zeroshot.images.raw import refuse_raw
from zeroshot.images.tiff import read_tiff
from zeroshot.images.tiff_writing import encode_tiff
from zeroshot.notes import note

LARGEST_JPEG_DPI = 65535
LONGEST_SIDE = {"JPEG": 65535, "WEBP": 16383}


# --- reading ---------------------------------------------------------------------------------------------


def read(path: Path) -> tuple[np.ndarray, Metadata]:
    """Pixels and metadata of a file, turned upright as its EXIF orientation says.

    Returns
    -------
    pixels : numpy.ndarray
        H×W or H×W×C with C = 2 (grey + alpha), 3 or 4; uint8, uint16, float16, float32 or float64. Palettes
        are resolved, CMYK is converted to RGB (through its ICC profile where it has one).

    Raises
    ------
    ImageError
        Where the file is missing, is not an image, holds more than `MAX_PIXELS` pixels or more than one
        picture, or is truncated.
    """
    kind, data = read_bytes(path)
    try:
        with library_errors(path, f"is damaged or truncated and cannot be decoded as {kind}"):
            pixels, metadata, orientation, remarks = READERS[kind](data)
    except ImageError as error:
        text = str(error)
        raise ImageError(text if text.startswith(str(path)) else f"{path}: {text}") from None
    for remark in remarks:
        note(f"{path}: {remark}")
    return turn_upright(pixels, orientation), metadata


def _read_jpeg(data: bytes) -> Reading:
    if _bits_of_jpeg(data) == 12:
        raise ImageError(
            "is a JPEG of 12 bits a sample, and only those of 8 are read; convert it to PNG or TIFF"
        )
    image = open_with_pillow(with_sound_exif(data), "JPEG")
    _check_plausible(image.width * image.height, data)
    pixels, metadata, orientation, remarks = _decoded(image)
    pictures = getattr(image, "n_frames", 1)
    if pictures > 1:  # a preview, a second view, a map of gains or of depth behind the picture
        remarks = [*remarks, f"holds {pictures} pictures; the first is taken"]
    payloads = [(marker, payload) for marker, _, payload in jpeg_segments(data)]
    comments = tuple(p for m, p in payloads if m == 0xFE and not p.startswith(PROVENANCE_MARK))
    packets = [p[len(XMP_HEADER) :] for m, p in payloads if m == 0xE1 and p.startswith(XMP_HEADER)]
    xmp = clean_xmp(packets[0]) if packets else None
    return pixels, replace(metadata, comments=comments, xmp=xmp, lossy=True), orientation, remarks


def _bits_of_jpeg(data: bytes) -> int | None:
    """The bits of a sample, as the header of the frame says; None where it has none."""
    frames = (payload for marker, _, payload in jpeg_segments(data) if marker in (0xC0, 0xC1, 0xC2))
    return next((payload[0] for payload in frames if payload), None)


def _read_webp(data: bytes) -> Reading:
    size = _canvas_of_webp(data)
    if size is not None:  # Pillow allocates the canvas when it opens the file
        check_size(*size)
    pixels, metadata, orientation, remarks = _decoded(open_with_pillow(data, "WEBP"))
    chunks = dict(riff_chunks(data))
    metadata = replace(metadata, xmp=clean_xmp(chunks.get(b"XMP ")), lossy=b"VP8L" not in chunks)
    return pixels, metadata, orientation, remarks


def _read_bmp(data: bytes) -> Reading:
    image = open_with_pillow(data, "BMP")
    # Two bytes of a run cover 255 pixels at most; what is missing would be black.
    if image.width * image.height > 128 * len(data):
        raise ImageError(
            f"is damaged or truncated: {len(data)} bytes cannot hold {image.width * image.height} pixels"
        )
    return _decoded(image)


def _decoded(image: Image.Image) -> Reading:
    image.load()
    metadata, orientation = metadata_of(image)
    pixels, remarks = pixels_of(image)
    return pixels, metadata, orientation, remarks


def _canvas_of_webp(data: bytes) -> tuple[int, int] | None:
    """Width and height by the header of an extended or lossless file; a lossy one is no larger than it may be."""
    head = data[12:40].ljust(28, b"\0")
    if head[:4] == b"VP8X":
        return 1 + int.from_bytes(head[12:15], "little"), 1 + int.from_bytes(head[15:18], "little")
    if head[:4] == b"VP8L":
        bits = int.from_bytes(head[9:13], "little")
        return 1 + (bits & 0x3FFF), 1 + (bits >> 14 & 0x3FFF)
    if head[:4] == b"VP8 ":
        width, height = struct.unpack_from("<HH", head, 14)
        return width & 0x3FFF, height & 0x3FFF
    return None


def with_sound_exif(data: bytes) -> bytes:
    """The file without EXIF blocks whose values overlap, which Pillow would read as often as they are announced."""
    for marker, place, payload in list(jpeg_segments(data))[::-1]:
        if marker == 0xE1 and payload.startswith(b"Exif\0\0") and not is_sound(payload[6:]):
            data = data[:place] + data[place + 4 + len(payload) :]
    return data


def _check_plausible(pixels: int, data: bytes) -> None:
    """Refuse a JPEG whose header claims more than its bytes can hold: what is missing would be grey.

    A block of 8 × 8 pixels takes at least one bit, but for arithmetic coding.
    """
    is_arithmetic = any(marker in (0xC9, 0xCA) for marker, _, _ in jpeg_segments(data))
    if pixels > 8 * 64 * len(data) and not is_arithmetic:
        raise ImageError(f"is damaged or truncated: {len(data)} bytes cannot hold {pixels} pixels")


def _refuse_microscope(data: bytes) -> Reading:
    raise ImageError("is a microscope file, a stack of planes, where one picture is wanted")


READERS: dict[str, Callable[[bytes], Reading]] = {
    "PNG": read_png,
    "JPEG": _read_jpeg,
    "WEBP": _read_webp,
    "BMP": _read_bmp,
    "TIFF": read_tiff,
    "AVIF": read_avif,
    "HEIC": read_heic,
    "JXL": read_jxl,
    "FITS": read_fits,
    "RAW": refuse_raw,
    "MICROSCOPE": _refuse_microscope,
}


# --- writing ---------------------------------------------------------------------------------------------


def dtype_for(kind: str, dtype: np.dtype) -> np.dtype:
    """The depth to write an image of this dtype with: its own, or the nearest that the format has."""
    if kind in ("TIFF", "FITS"):
        return np.dtype({"bool": "uint8", "float16": "float32"}.get(dtype.name, dtype.name))
    return np.dtype(np.uint16 if kind == "PNG" and dtype.itemsize > 1 else np.uint8)


def encode(kind: str, pixels: np.ndarray, metadata: Metadata, provenance: str | None) -> bytes:
    """The bytes of a file, from H×W or H×W×C pixels in the dtype of :func:`dtype_for`; no alpha for JPEG."""
    height, width = pixels.shape[:2]
    longest = LONGEST_SIDE.get(kind)
    if longest is not None and max(height, width) > longest:
        raise ImageError(
            f"{kind} holds at most {longest} pixels a side, not {width} × {height}; use PNG or TIFF"
        )
    with library_errors(kind, "cannot be written"):
        return ENCODERS[kind](pixels, metadata, provenance)


def _encode_jpeg(pixels: np.ndarray, metadata: Metadata, provenance: str | None) -> bytes:
    exif = metadata.exif_for(pixels.shape[1], pixels.shape[0])
    fits = exif is not None and len(exif) + 6 <= JPEG_SEGMENT_LIMIT
    dpi = metadata.dpi if metadata.dpi is not None and max(metadata.dpi) <= LARGEST_JPEG_DPI else None
    plain = save_with_pillow(
        pixels,
        "JPEG",
        quality=95,
        subsampling=0,
        dpi=dpi,
        icc_profile=metadata.icc_for(colour_channels(pixels)),
        exif=b"Exif\0\0" + exif if exif is not None and fits else None,
    )
    segments = [(0xFE, comment) for comment in metadata.comments]
    if metadata.xmp is not None and len(XMP_HEADER + metadata.xmp) <= JPEG_SEGMENT_LIMIT:
        segments.insert(0, (0xE1, XMP_HEADER + metadata.xmp))
    if provenance is not None:
        segments += jpeg_provenance_segments(provenance)
    return jpeg_with_segments(plain, segments)


def _encode_webp(pixels: np.ndarray, metadata: Metadata, provenance: str | None) -> bytes:
    colours = pixels if pixels.ndim == 3 else pixels[..., None]
    if colour_channels(pixels) == 1:
        colours = np.concatenate([colours[..., :1]] * 3 + [colours[..., 1:]], axis=2)
    return save_with_pillow(
        colours,
        "WEBP",
        **({"quality": 95} if metadata.lossy else {"lossless": True, "exact": True}),
        icc_profile=metadata.icc_for(3),
        exif=metadata.exif_for(pixels.shape[1], pixels.shape[0]),
        xmp=metadata.xmp if provenance is None else xmp_with_provenance(metadata.xmp, provenance),
    )


def _encode_bmp(pixels: np.ndarray, metadata: Metadata, provenance: str | None) -> bytes:
    if pixels.ndim == 3 and pixels.shape[2] in (2, 4):
        plain = _bmp_with_alpha(pixels, metadata.dpi or (96, 96))
    else:
        plain = save_with_pillow(pixels, "BMP", dpi=metadata.dpi)
    return plain if provenance is None else bmp_with_provenance(plain, provenance)


def _bmp_with_alpha(pixels: np.ndarray, dpi: tuple[float, float]) -> bytes:
    """A 32-bit BMP with channel masks (BITMAPV4HEADER), the form in which readers honour its alpha."""
    height, width, channels = pixels.shape
    order = [0, 0, 0, 1] if channels == 2 else [2, 1, 0, 3]
    body = pixels[::-1][..., order].tobytes()
    per_metre = [round(v / 0.0254) for v in dpi]
    masks = (0x00FF0000, 0x0000FF00, 0x000000FF, 0xFF000000)
    header = struct.pack("<IiiHHIIiiII", 108, width, height, 1, 32, 3, len(body), *per_metre, 0, 0)
    header += struct.pack("<4I4s48x", *masks, b"BGRs")  # "sRGB", little-endian
    return struct.pack("<2sIHHI", b"BM", 14 + 108 + len(body), 0, 0, 14 + 108) + header + body


ENCODERS: dict[str, Callable[[np.ndarray, Metadata, str | None], bytes]] = {
    "PNG": encode_png,
    "JPEG": _encode_jpeg,
    "WEBP": _encode_webp,
    "BMP": _encode_bmp,
    "TIFF": encode_tiff,
    "AVIF": encode_avif,
    "HEIC": encode_heic,
    "JXL": encode_jxl,
    "FITS": encode_fits,
}
