"""What an image file carries besides its pixels: EXIF, ICC profile, resolution, text, and our provenance.

Formats keep these in containers of their own (chunks, segments, directories). This module reads and writes
the containers as bytes, without touching pixels; :mod:`zeroshot.images.formats` does the pixels.
"""

from __future__ import annotations

import json
import re
import struct
import zlib
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any
from xml.sax.saxutils import escape, unescape

from zeroshot.images.errors import ImageError
from zeroshot.images.exif import EXIF_HEIGHT, EXIF_WIDTH, edit_exif, scaled_resolution

PROVENANCE_TIFF_TAG = 65111  # in the range that TIFF leaves to private use
PROVENANCE_MARK = b"zeroshot "
BMP_MAGIC = b"zeroshot-provenance"
XMP_NAMESPACE = "urn:zeroshot:provenance/"
XMP_HEADER = b"http://ns.adobe.com/xap/1.0/\0"
PNG_SIGNATURE = b"\x89PNG\r\n\x1a\n"
# How a PNG's numbers are meant as light; they stay true as long as the picture keeps its channels.
PNG_COLOUR_CHUNKS = (b"sRGB", b"gAMA", b"cHRM", b"cICP")
JPEG_SEGMENT_LIMIT = 65533


@dataclass(frozen=True)
class Metadata:
    r"""What came with the pixels.

    Attributes
    ----------
    icc : bytes or None
        The ICC profile.
    exif : bytes or None
        The EXIF block without its ``Exif\0\0`` prefix: orientation reset to 1 and the embedded thumbnail
        unlinked, since it would show the picture as it was.
    xmp : bytes or None
        The XMP packet, without an orientation and without our own provenance.
    dpi : tuple of float or None
        Horizontal and vertical resolution in pixels per inch.
    png_chunks : tuple of (bytes, bytes)
        The PNG text and colour chunks (type, data), kept byte by byte.
    comments : tuple of bytes
        The comment segments of a JPEG.
    lossy : bool
        The pixels were compressed with loss before, so that a lossy output is what the caller expects.
    """

    icc: bytes | None = None
    exif: bytes | None = None
    xmp: bytes | None = None
    dpi: tuple[float, float] | None = None
    png_chunks: tuple[tuple[bytes, bytes], ...] = ()
    comments: tuple[bytes, ...] = ()
    lossy: bool = False

    def icc_for(self, channels: int) -> bytes | None:
        """The profile if it describes pictures of this many colour channels (1 grey, 3 RGB), else None."""
        space = {1: b"GRAY", 3: b"RGB "}[channels]
        return self.icc if self.icc is not None and self.icc[16:20] == space else None

    def exif_for(self, width: int, height: int) -> bytes | None:
        """The EXIF block with its pixel dimensions set to those of the picture being written."""
        if self.exif is None:
            return None
        return edit_exif(self.exif, {EXIF_WIDTH: width, EXIF_HEIGHT: height})

    def enlarged(self, horizontal: float, vertical: float) -> Metadata:
        """The same for a picture with `horizontal` and `vertical` times the pixels: the resolution grows with them."""
        dpi = None if self.dpi is None else (self.dpi[0] * horizontal, self.dpi[1] * vertical)
        exif = self.exif and scaled_resolution(self.exif, horizontal, vertical)
        return replace(self, dpi=dpi, exif=exif)


# --- XMP -------------------------------------------------------------------------------------------------


def clean_xmp(xmp: bytes | None) -> bytes | None:
    """The packet without its orientation (already applied) and without our provenance."""
    if not xmp:
        return None
    xmp = re.sub(rb'\s*tiff:Orientation="\d+"|<tiff:Orientation>\s*\d+\s*</tiff:Orientation>', b"", xmp)
    return re.sub(rb"<rdf:Description[^>]*xmlns:zeroshot=[^>]*/>", b"", xmp)


def orientation_in_xmp(xmp: bytes | None) -> int | None:
    """The orientation that the packet tells, for files without EXIF."""
    found = re.search(rb'tiff:Orientation(?:="|>)\s*([1-8])', xmp or b"")
    return int(found[1]) if found else None


def xmp_with_provenance(xmp: bytes | None, text: str) -> bytes:
    """The packet with one more description that holds the provenance as an attribute."""
    attribute = escape(text, {'"': "&quot;"})
    description = (
        f'<rdf:Description rdf:about="" xmlns:zeroshot="{XMP_NAMESPACE}" zeroshot:provenance="{attribute}"/>'
    ).encode()
    head, end, tail = (xmp or b"").rpartition(b"</rdf:RDF>")
    if end:
        return head + description + end + tail
    return (
        b'<?xpacket begin="\xef\xbb\xbf" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        + description
        + b'</rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    )


def provenance_in_xmp(xmp: bytes) -> str | None:
    """The text that :func:`xmp_with_provenance` put into the packet."""
    found = re.search(rb'zeroshot:provenance="([^"]*)"', xmp)
    return unescape(found[1].decode(), {"&quot;": '"'}) if found else None


# --- PNG chunks, JPEG segments, RIFF chunks --------------------------------------------------------------


def png_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, data) of each chunk of a PNG file; stops where the file does."""
    position = len(PNG_SIGNATURE)
    while position + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        yield data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        position += 12 + length


def png_chunk(kind: bytes, data: bytes) -> bytes:
    """One chunk with its length and checksum."""
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png_text(keyword: str, text: str) -> tuple[bytes, bytes]:
    """An uncompressed international text chunk."""
    return b"iTXt", keyword.encode("latin-1", "replace")[:79] + b"\0\0\0\0\0" + text.encode()


def png_keyword(data: bytes) -> bytes:
    """The keyword of a tEXt, zTXt or iTXt chunk."""
    return data.partition(b"\0")[0]


def jpeg_segments(data: bytes) -> Iterator[tuple[int, int, bytes]]:
    """(marker, position, payload) of each segment of a JPEG file before its pixels."""
    position = 2
    while position + 4 <= len(data) and data[position] == 0xFF:
        marker = data[position + 1]
        if marker == 0xFF:  # a fill byte
            position += 1
            continue
        if marker == 0xDA:
            return
        (length,) = struct.unpack_from(">H", data, position + 2)
        yield marker, position, data[position + 4 : position + 2 + length]
        position += 2 + length


def jpeg_with_segments(data: bytes, segments: list[tuple[int, bytes]]) -> bytes:
    """The file with segments inserted behind its APP0 … APP15 segments, where readers look for them."""
    end = 2
    for marker, position, payload in jpeg_segments(data):
        if not 0xE0 <= marker <= 0xEF:
            break
        end = position + 4 + len(payload)
    inserted = b"".join(struct.pack(">BBH", 0xFF, m, len(p) + 2) + p for m, p in segments)
    return data[:end] + inserted + data[end:]


def jpeg_provenance_segments(text: str) -> list[tuple[int, bytes]]:
    """The provenance as comment segments ``zeroshot 1/n …``, split where one segment is too small."""
    size = JPEG_SEGMENT_LIMIT - 64
    parts = [text[i : i + size] for i in range(0, len(text), size)]
    return [(0xFE, PROVENANCE_MARK + f"{i}/{len(parts)} {p}".encode()) for i, p in enumerate(parts, 1)]


def riff_chunks(data: bytes) -> Iterator[tuple[bytes, bytes]]:
    """(type, data) of each chunk of a WebP file."""
    position = 12
    while position + 8 <= len(data):
        kind, length = struct.unpack_from("<4sI", data, position)
        yield kind, data[position + 8 : position + 8 + length]
        position += 8 + length + length % 2


# --- provenance ------------------------------------------------------------------------------------------


def provenance_text(provenance: dict[str, Any]) -> str:
    """The provenance as one line of ASCII JSON; an error where it cannot be written as JSON."""
    try:
        return json.dumps(provenance, sort_keys=True, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ImageError(f"the provenance cannot be written as JSON: {error}") from None


def bmp_with_provenance(data: bytes, text: str) -> bytes:
    """A trailer behind the pixels, which readers of BMP ignore: JSON, its length, a magic word."""
    return data + text.encode() + struct.pack("<Q", len(text)) + BMP_MAGIC


def find_provenance(kind: str, data: bytes) -> str | None:
    """The provenance text in a file of this kind; None where there is none, as in kinds that are not written."""
    find = PROVENANCE_FINDERS.get(kind)
    return None if find is None else find(data)


def _png_provenance(data: bytes) -> str | None:
    for kind, chunk in png_chunks(data):
        if kind == b"iTXt" and png_keyword(chunk) == b"zeroshot":
            return chunk[len(b"zeroshot") + 5 :].decode()
    return None


def _jpeg_provenance(data: bytes) -> str | None:
    comments = [payload for marker, _, payload in jpeg_segments(data) if marker == 0xFE]
    ours = [c.split(b" ", 2)[2] for c in comments if re.match(rb"zeroshot \d+/\d+ ", c)]
    return b"".join(ours).decode() if ours else None


def _tiff_provenance(data: bytes) -> str | None:
    order = {b"II": "<", b"MM": ">"}[data[:2]]
    is_big = struct.unpack_from(order + "H", data, 2) == (43,)  # offsets and counts of 64 bits
    counter, entry, whole = ("Q", "HHQQ", "Q") if is_big else ("H", "HHII", "I")
    (directory,) = struct.unpack_from(order + whole, data, 8 if is_big else 4)
    (count,) = struct.unpack_from(order + counter, data, directory)
    entries = directory + struct.calcsize(order + counter)
    for index in range(count):
        position = entries + index * struct.calcsize(order + entry)
        tag, _, length, offset = struct.unpack_from(order + entry, data, position)
        if tag == PROVENANCE_TIFF_TAG:
            text = data[offset : offset + length].rstrip(b"\0")
            return text.removeprefix(PROVENANCE_MARK).decode() if text.startswith(PROVENANCE_MARK) else None
    return None


def _webp_provenance(data: bytes) -> str | None:
    packets = [chunk for kind, chunk in riff_chunks(data) if kind == b"XMP "]
    return provenance_in_xmp(packets[0]) if packets else None


def _bmp_provenance(data: bytes) -> str | None:
    if not data.endswith(BMP_MAGIC):
        return None
    end = len(data) - len(BMP_MAGIC) - 8
    (length,) = struct.unpack_from("<Q", data, end)
    return data[end - length : end].decode()


def _fits_provenance(data: bytes) -> str | None:
    from zeroshot.images.fits import fits_provenance

    return fits_provenance(data)


def _boxed_provenance(data: bytes) -> str | None:
    found = re.search(rb"<rdf:Description[^>]*zeroshot:provenance=\"[^\"]*\"", data)
    return provenance_in_xmp(found[0]) if found else None


PROVENANCE_FINDERS: dict[str, Callable[[bytes], str | None]] = {
    "PNG": _png_provenance,
    "JPEG": _jpeg_provenance,
    "TIFF": _tiff_provenance,
    "WEBP": _webp_provenance,
    "BMP": _bmp_provenance,
    "FITS": _fits_provenance,
    "AVIF": _boxed_provenance,
    "HEIC": _boxed_provenance,
    "JXL": _boxed_provenance,
}
