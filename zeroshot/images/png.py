"""PNG: up to 8 bits a sample and 16-bit grey through Pillow, 16-bit colour through pypng.

Neither sees more of the file than its pixels need. What the file carries besides is inflated here, up to a bound:
a chunk of text of a few kilobytes can hold gigabytes, as can the pixels of a picture of 8 × 8.
"""

from __future__ import annotations

import io
import struct
import zlib
from collections import defaultdict
from collections.abc import Iterator

import numpy as np
import png

from zeroshot.images.decoding import check_single, check_size
from zeroshot.images.errors import ImageError
from zeroshot.images.exif import ORIENTATION, edit_exif, exif_number
from zeroshot.images.metadata import (
    PNG_COLOUR_CHUNKS,
    PNG_SIGNATURE,
    Metadata,
    clean_xmp,
    orientation_in_xmp,
    png_chunk,
    png_chunks,
    png_keyword,
    png_text,
)
from zeroshot.images.pillow import (
    OWN_PNG_KEYWORDS,
    Reading,
    colour_channels,
    open_with_pillow,
    pixels_of,
    save_with_pillow,
    valid_dpi,
    with_transparent_colour,
)

PIXEL_CHUNKS = (b"IHDR", b"PLTE", b"tRNS", b"IDAT", b"IEND")
TEXT_CHUNKS = (b"tEXt", b"zTXt", b"iTXt")
OTHER_CHUNKS = (b"acTL", b"tRNS", b"eXIf", b"iCCP", b"pHYs", *PNG_COLOUR_CHUNKS)
#: How much a profile, a packet of XMP or a block of EXIF may hold when inflated.
LARGEST_INFLATED = 8 << 20
MOST_TEXT_CHUNKS = 1000
#: How much is inflated at once.
PIECE = 1 << 20
# Samples of a pixel by the type of colour: grey, RGB, palette, grey and alpha, RGBA.
SAMPLES = {0: 1, 2: 3, 3: 1, 4: 2, 6: 4}
# Where the pixels of each pass of Adam7 begin, and how far apart they lie: columns, rows.
ADAM7 = ((0, 0, 8, 8), (4, 0, 8, 8), (0, 4, 4, 8), (2, 0, 4, 4), (0, 2, 2, 4), (1, 0, 2, 2), (0, 1, 1, 2))


def read_png(data: bytes) -> Reading:
    """The picture in a PNG file; errors as :func:`zeroshot.images.formats.read`."""
    if len(data) < 33 or data[12:16] != b"IHDR":
        raise ImageError("is damaged or truncated: it has no header")
    width, height, depth, colour_type = struct.unpack_from(">IIBB", data, 16)
    check_size(width, height)
    expected = _line_bytes(width, height, depth * SAMPLES.get(colour_type, 1), bool(data[28]))
    chunks = _chunks(data)
    if b"acTL" in chunks:
        check_single(int.from_bytes(chunks[b"acTL"][0][:4], "big"), "frames of an animation")
    remarks: list[str] = []
    key = chunks[b"tRNS"][0] if b"tRNS" in chunks else b""
    if depth == 16 and colour_type in (2, 4, 6):
        pixels = _sixteen_bit_colour(data, expected).reshape(height, width, SAMPLES[colour_type])
        opaque = struct.unpack(">3H", key) if colour_type == 2 and len(key) == 6 else None
        pixels = with_transparent_colour(pixels, opaque)
    else:
        # Pillow takes the rows that a stream lacks for black.
        for _ in _inflated_lines(data, expected):
            pass
        image = open_with_pillow(_pixels_alone(data), "PNG")
        image.load()
        if colour_type == 0 and depth < 8 and len(key) == 2:  # the samples were widened to 8 bits
            image.info["transparency"] = int.from_bytes(key, "big") * (255 // (2**depth - 1))
        pixels, remarks = pixels_of(image)
    metadata, orientation = _metadata(chunks)
    if len(chunks[b"text"]) > MOST_TEXT_CHUNKS:
        remarks = [
            *remarks,
            f"carries {len(chunks[b'text'])} pieces of text; the first {MOST_TEXT_CHUNKS} are kept",
        ]
    return pixels, metadata, orientation, remarks


def _chunks(data: bytes) -> dict[bytes, list[bytes]]:
    """The contents of the ancillary chunks that are understood, by type; those of text, as whole chunks, as "text"."""
    found: dict[bytes, list[bytes]] = defaultdict(list)
    for kind, chunk in png_chunks(data):
        if kind in TEXT_CHUNKS:
            keyword = png_keyword(chunk)
            if keyword.startswith(OWN_PNG_KEYWORDS):
                found.setdefault(keyword, [chunk])
            else:
                found[b"text"].append(kind + chunk)
        elif kind in OTHER_CHUNKS:
            found[kind].append(chunk)
    return found


def _pixels_alone(data: bytes) -> bytes:
    """The file without its ancillary chunks; what is left keeps its checksums."""
    kept, position = [PNG_SIGNATURE], len(PNG_SIGNATURE)
    while position + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        end = position + 12 + length
        if data[position + 4 : position + 8] in PIXEL_CHUNKS:
            kept.append(data[position:end])
        position = end
    return b"".join(kept)


def _line_bytes(width: int, height: int, bits: int, interlaced: bool) -> int:
    """The bytes of all lines of pixels of so many bits, each behind the number of its filter."""
    passes = [(width, height)]
    if interlaced:
        passes = [(-(-(width - x) // across), -(-(height - y) // down)) for x, y, across, down in ADAM7]
    return sum(rows * (1 + -(-columns * bits // 8)) for columns, rows in passes if columns > 0 and rows > 0)


def _inflated_lines(data: bytes, expected: int) -> Iterator[bytes]:
    """The filtered lines in pieces, `expected` bytes and no more.

    Raises
    ------
    ImageError
        Where the stream has fewer.
    """
    inflater, held = zlib.decompressobj(), 0
    for compressed in _checked_pixel_data(data):
        while held < expected and compressed and not inflater.eof:
            piece = inflater.decompress(compressed, min(PIECE, expected - held))
            held, compressed = held + len(piece), inflater.unconsumed_tail
            yield piece
    if held < expected:
        raise ImageError(f"is damaged or truncated: its pixels have {held} of {expected} bytes")


def _sixteen_bit_colour(data: bytes, expected: int) -> np.ndarray:
    """The samples of a 16-bit PNG in colour, which Pillow would cut to 8 bits."""
    lines = b"".join(_inflated_lines(data, expected))
    stored = png_chunk(b"IDAT", zlib.compress(lines, 0)) + png_chunk(b"IEND", b"")
    _, _, rows, _ = png.Reader(bytes=data[:33] + stored).read()
    return np.vstack([np.frombuffer(row, dtype=np.uint16) for row in rows])


def _checked_pixel_data(data: bytes) -> Iterator[bytes]:
    """The compressed pixels, chunk by chunk."""
    position = len(PNG_SIGNATURE)
    while position + 8 <= len(data):
        (length,) = struct.unpack_from(">I", data, position)
        kind, content = data[position + 4 : position + 8], data[position + 8 : position + 8 + length]
        checksum = data[position + 8 + length : position + 12 + length]
        if kind in (b"IHDR", b"IDAT") and checksum != struct.pack(">I", zlib.crc32(kind + content)):
            raise ImageError(
                f"is damaged or truncated: the checksum of its {kind.decode()} chunk does not match"
            )
        if kind == b"IDAT":
            yield content
        position += 12 + length


def _metadata(chunks: dict[bytes, list[bytes]]) -> tuple[Metadata, int]:
    """What the file carries beside its pixels, and its EXIF orientation (1 to 8)."""
    exif = (
        chunks[b"eXIf"][0]
        if b"eXIf" in chunks
        else _raw_profile(chunks, b"exif") or _raw_profile(chunks, b"APP1")
    )
    exif = exif.removeprefix(b"Exif\0\0") if exif else None
    packet = chunks.get(b"XML:com.adobe.xmp")
    xmp = _text(packet[0]) if packet else _raw_profile(chunks, b"xmp")
    icc = None
    if b"iCCP" in chunks:
        icc = _inflated(chunks[b"iCCP"][0].partition(b"\0")[2][1:])
    orientation = exif_number(exif, ORIENTATION) if exif else None
    if orientation is None:
        orientation = orientation_in_xmp(xmp)
    dpi = None
    if b"pHYs" in chunks and len(chunks[b"pHYs"][0]) == 9:
        horizontal, vertical, unit = struct.unpack(">IIB", chunks[b"pHYs"][0])
        dpi = valid_dpi((horizontal * 0.0254, vertical * 0.0254)) if unit == 1 else None
    colour = [(kind, chunks[kind][0]) for kind in PNG_COLOUR_CHUNKS if kind in chunks]
    text = [(whole[:4], whole[4:]) for whole in chunks[b"text"][:MOST_TEXT_CHUNKS]]
    metadata = Metadata(
        icc=icc or None,
        exif=edit_exif(exif, {ORIENTATION: 1}) if exif else None,
        xmp=clean_xmp(xmp),
        dpi=dpi,
        png_chunks=(*colour, *text),
    )
    return metadata, orientation if orientation is not None and orientation in range(1, 9) else 1


def _inflated(data: bytes) -> bytes | None:
    """The content of a zlib stream; None where it is damaged or larger than what it may be."""
    inflater = zlib.decompressobj()
    try:
        content = inflater.decompress(data, LARGEST_INFLATED)
    except zlib.error:
        return None
    return content if inflater.eof else None


def _text(chunk: bytes) -> bytes | None:
    """The text of an iTXt chunk."""
    _, _, content = chunk.partition(b"\0")
    text = content[2:].split(b"\0", 2)[-1]  # after the language and the translated keyword
    return _inflated(text) if content[:1] == b"\1" else text


def _raw_profile(chunks: dict[bytes, list[bytes]], name: bytes) -> bytes | None:
    """A block that ImageMagick and its like write as hexadecimal text: a line break, a name, a length, the digits."""
    chunk = chunks.get(b"Raw profile type " + name)
    if not chunk:
        return None
    _, _, text = chunk[0].partition(b"\0")
    # zTXt: the method of compression and the stream; tEXt: the text itself.
    text = _inflated(text[1:]) or b"" if text[:1] == b"\0" else text
    try:
        return bytes.fromhex("".join(text.decode("latin-1").split("\n")[3:])) or None
    except ValueError:
        return None


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
