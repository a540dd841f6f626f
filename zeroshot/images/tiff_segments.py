"""The samples of a TIFF picture from its strips or tiles, whatever their depth, order and compression.

What is decompressed is bounded by what the directory says of the picture, not by what the stream would give: a
stream of a few kilobytes can hold gigabytes. Deflate and LZMA are Python's own; LZW, PackBits and Zstandard are
those of the libtiff inside Pillow, to which each segment is presented as a small 8-bit picture whose bytes are the
samples' bytes.
"""

from __future__ import annotations

import io
import lzma
import struct
import zlib
from dataclasses import dataclass

import numpy as np
from PIL import TiffImagePlugin

from zeroshot.images.errors import ImageError

NONE, LZW, DEFLATE, PACKBITS, OLD_DEFLATE, LZMA, ZSTD = 1, 5, 8, 32773, 32946, 34925, 50000
#: What is decompressed here; the rest is left to Pillow where it can.
COMPRESSIONS = (NONE, LZW, DEFLATE, PACKBITS, OLD_DEFLATE, LZMA, ZSTD)
#: A tile may be as wide as this where the picture is narrower.
_WIDEST_TILE = 1 << 16
#: The dictionary that an LZMA stream may ask for.
_LZMA_MEMORY = 256 << 20
#: How many packed samples are unpacked at once.
_BLOCK = 1 << 20
_REVERSED = bytes(int(f"{value:08b}"[::-1], 2) for value in range(256))


@dataclass(frozen=True)
class Segments:
    """How the samples of a picture are laid out in the file.

    Attributes
    ----------
    height, width : int
        Of the picture.
    planes, depth : int
        Separate planes, and samples of a pixel within one.
    high, wide : int
        Of a segment: a tile, or a strip as wide as the picture.
    is_tiled : bool
        Whether the segments are tiles, which are whole at the edge too.
    bits : int
        Of a sample.
    dtype : numpy.dtype
        Of the samples as they are returned.
    order : str
        "<" or ">", that of the samples in the file.
    compression, predictor, fill_order : int
        As the tags 259, 317 and 266 say.
    """

    height: int
    width: int
    planes: int
    depth: int
    high: int
    wide: int
    is_tiled: bool
    bits: int
    dtype: np.dtype
    order: str
    compression: int
    predictor: int
    fill_order: int

    @property
    def count(self) -> int:
        """How many segments the picture has."""
        return self.planes * -(-self.height // self.high) * -(-self.width // self.wide)

    @property
    def row_bytes(self) -> int:
        """Bytes of one row of a segment; rows begin at a whole byte."""
        return -(-self.wide * self.depth * self.bits // 8)

    def check(self, places: np.ndarray, sizes: np.ndarray, file_size: int) -> None:
        """Refuse what could not be decoded, before anything is allocated.

        Raises
        ------
        ImageError
            Where segments are missing, too large for the picture, or beyond the end of the file.
        """
        if self.wide > max(self.width, _WIDEST_TILE):
            raise ImageError(
                f"is damaged: a tile of {self.wide} × {self.high} for {self.width} × {self.height}"
            )
        if len(places) < self.count or len(sizes) < self.count:
            raise ImageError(
                f"is damaged or truncated: {self.count} strips or tiles announced, "
                f"{min(len(places), len(sizes))} there"
            )
        if not sizes[: self.count].any():
            raise ImageError("is damaged or truncated: its strips or tiles are empty")
        end = int((places[: self.count] + sizes[: self.count]).max(initial=0))
        if end > file_size:
            raise ImageError(f"is truncated: {end} bytes announced, {file_size} there")

    def samples(self, data: bytes, places: np.ndarray, sizes: np.ndarray) -> np.ndarray:
        """All samples as H×W×S in native byte order."""
        self.check(places, sizes, len(data))
        canvas = np.zeros((self.height, self.width, self.planes * self.depth), self.dtype)
        down, across = -(-self.height // self.high), -(-self.width // self.wide)
        for index in range(self.count):
            plane, place = divmod(index, down * across)
            top, left = place // across * self.high, place % across * self.wide
            rows = min(self.high, self.height - top)
            start, size = int(places[index]), int(sizes[index])
            if self.is_tiled and start == size == 0:
                continue  # a tile of a sparse file that was never written: zeros
            raw = self._decompressed(data[start : start + size], rows)
            columns = min(self.wide, self.width - left)
            part = canvas[
                top : top + rows, left : left + columns, plane * self.depth : (plane + 1) * self.depth
            ]
            part[...] = self._decoded(raw, rows)[:, :columns]
        return canvas

    def _decompressed(self, segment: bytes, rows: int) -> bytes:
        """The bytes of the first `rows` rows of a segment, and no more."""
        wanted = rows * self.row_bytes
        through_libtiff = self.compression in (LZW, PACKBITS, ZSTD)
        if self.fill_order == 2 and not through_libtiff:
            segment = segment.translate(_REVERSED)
        if self.compression in (DEFLATE, OLD_DEFLATE):
            raw = zlib.decompressobj().decompress(segment, wanted)
        elif self.compression == LZMA:
            reader = lzma.LZMADecompressor(lzma.FORMAT_XZ, _LZMA_MEMORY)
            raw = reader.decompress(segment, wanted)
        elif through_libtiff:
            raw = _through_libtiff(segment, rows, self.row_bytes, self.compression, self.fill_order)
        else:
            raw = segment[:wanted]
        if len(raw) < wanted:
            raise ImageError(f"is damaged or truncated: a strip or tile has {len(raw)} of {wanted} bytes")
        return raw

    def _decoded(self, raw: bytes, rows: int) -> np.ndarray:
        """The samples of a segment (rows, columns, samples of a pixel)."""
        shape = (rows, self.wide, self.depth)
        if self.bits % 8:
            if self.predictor != 1:
                raise ImageError(f"has samples of {self.bits} bits with the predictor {self.predictor}")
            return _unpacked(
                raw, rows, self.row_bytes, self.wide * self.depth, self.bits, self.dtype
            ).reshape(shape)
        size = self.dtype.itemsize
        if self.predictor == 3 and self.dtype.kind == "f":
            # Differences of bytes, sorted by their significance.
            sorted_bytes = np.frombuffer(raw, np.uint8).reshape(rows, -1, self.depth)
            summed = np.cumsum(sorted_bytes, axis=1, dtype=np.uint8).reshape(
                rows, size, self.wide * self.depth
            )
            return (
                np.ascontiguousarray(summed.swapaxes(1, 2)).view(self.dtype.newbyteorder(">")).reshape(shape)
            )
        stored = np.frombuffer(raw, f"{self.order}{self.dtype.kind}{size}").reshape(shape)
        if self.predictor == 2:
            integers = stored.view(f"{self.order}u{size}")
            return np.cumsum(integers, axis=1, dtype=f"u{size}").view(self.dtype)
        if self.predictor != 1:
            raise ImageError(
                f"is compressed with the predictor {self.predictor}, which is not known for its samples"
            )
        return stored


def _through_libtiff(segment: bytes, rows: int, row_bytes: int, compression: int, fill_order: int) -> bytes:
    tags = [
        (256, 4, row_bytes),
        (257, 4, rows),
        (258, 3, 8),
        (259, 3, compression),
        (262, 3, 1),
        (266, 3, fill_order),
        (273, 4, 8 + 2 + 12 * 10 + 4),
        (277, 3, 1),
        (278, 4, rows),
        (279, 4, len(segment)),
    ]
    directory = b"".join(struct.pack("<HHII", tag, kind, 1, value) for tag, kind, value in tags)
    header = b"II*\0" + struct.pack("<IH", 8, len(tags)) + directory + bytes(4)
    # Not by Image.open, whose own limit on pixels would count these bytes.
    image = TiffImagePlugin.TiffImageFile(io.BytesIO(header + segment))
    return image.tobytes()


def _unpacked(raw: bytes, rows: int, row_bytes: int, samples: int, bits: int, dtype: np.dtype) -> np.ndarray:
    """Unsigned integers of 1 to 15 bits, packed without gaps from the highest bit on; (rows, samples)."""
    packed = np.frombuffer(raw, np.uint8).reshape(rows, row_bytes)
    result = np.empty((rows, samples), dtype)
    step = max(1, _BLOCK // max(samples, 1))
    for top in range(0, rows, step):
        unpacked = np.unpackbits(packed[top : top + step], axis=1)[:, : samples * bits]
        parts = unpacked.reshape(len(unpacked), samples, bits)
        block = np.zeros(parts.shape[:2], np.uint16)
        for index in range(bits):
            block = (block << 1) | parts[..., index]
        result[top : top + step] = block
    return result
