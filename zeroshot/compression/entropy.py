"""The quantised coefficients of a JPEG file: Huffman decoding of sequential and progressive scans.

A library that hands out coefficients would be a compiled dependency of its own for one task, and pixels are no way
back to them: decoders round, clip and interpolate. Every code with its value is one look-up in a table of 2¹⁶ entries,
which takes about a second for a megapixel of high quality.

References
----------
ITU-T Recommendation T.81 (1992): annexes F (sequential) and G (progressive).
"""

from __future__ import annotations

import array
import struct
from collections.abc import Iterator
from dataclasses import dataclass, field

import numpy as np

from zeroshot.compression.header import JpegHeader, segments
from zeroshot.compression.tables import ZIGZAG
from zeroshot.images.errors import ImageError

#: Of each 16 bits: length of the code, zeros before, bits of the value that do not fit (negative: the band ends, and
#: so many bits − 1 tell for how many blocks), the value if it fits. A length of 0 is no code.
Codes = list[tuple[int, int, int, int]]
_DAMAGED = "is damaged or truncated: its coefficients cannot be decoded"
_ZIGZAG = ZIGZAG.tolist()


@dataclass
class _Plane:
    """The coefficients of a component while they are read: whole MCUs of blocks, each in row order."""

    rows: int
    columns: int
    #: Blocks that hold pixels, which is all that a scan of this component alone codes.
    own_rows: int
    own_columns: int
    values: array.array = field(default_factory=lambda: array.array("h"))


@dataclass
class _Scan:
    """A scan header with the tables in force."""

    planes: list[int]
    direct: list[Codes | None]
    alternating: list[Codes | None]
    first: int
    last: int
    high: int
    low: int


def quantised_coefficients(data: bytes, header: JpegHeader) -> list[np.ndarray]:
    """The quantised coefficients of every component.

    Parameters
    ----------
    data : bytes
        The JPEG file.
    header : JpegHeader
        Its header.

    Returns
    -------
    list of numpy.ndarray
        (rows of blocks, columns of blocks, 8, 8) of int16 for each component, padded to whole MCUs.

    Raises
    ------
    ImageError
        Where the file is damaged or truncated.
    """
    planes = _planes(header)
    codes: dict[int, Codes] = {}
    interval = 0
    scans = 0
    for marker, end, payload in segments(data):
        if marker == 0xC4:
            codes |= _huffman_tables(payload)
        elif marker == 0xDD:
            (interval,) = struct.unpack(">H", payload[:2].ljust(2, b"\0"))
        elif marker == 0xDA:
            _read_scan(_scan(payload, header, codes), data, end, interval, planes, header)
            scans += 1
    if not scans:
        raise ImageError(_DAMAGED)
    return [
        np.frombuffer(plane.values, np.int16).reshape(plane.rows, plane.columns, 8, 8).copy()
        for plane in planes
    ]


def _planes(header: JpegHeader) -> list[_Plane]:
    down, right = header.largest_factors
    high, wide = -(-header.height // (8 * down)), -(-header.width // (8 * right))
    planes = []
    for part in header.components:
        own_rows = _blocks(header.height, part.vertical, down)
        own_columns = _blocks(header.width, part.horizontal, right)
        plane = _Plane(high * part.vertical, wide * part.horizontal, own_rows, own_columns)
        plane.values.frombytes(bytes(2 * 64 * plane.rows * plane.columns))
        planes.append(plane)
    return planes


def _blocks(length: int, factor: int, largest: int) -> int:
    """How many blocks hold the samples of a component along an axis."""
    samples = (length * factor + largest - 1) // largest
    return (samples + 7) // 8


# --- tables and scan headers --------------------------------------------------------------------------------


def _huffman_tables(payload: bytes) -> dict[int, Codes]:
    """The tables that one segment defines: number, and 16 more for those of alternating coefficients."""
    found, position = {}, 0
    while position + 17 <= len(payload):
        alternating, number = payload[position] >> 4, payload[position] & 15
        counts = payload[position + 1 : position + 17]
        symbols = payload[position + 17 : position + 17 + sum(counts)]
        if len(symbols) < sum(counts) or alternating > 1:
            raise ImageError(_DAMAGED)
        found[16 * alternating + number] = _codes(counts, symbols, is_direct=not alternating)
        position += 17 + sum(counts)
    return found


def _codes(counts: bytes, symbols: bytes, is_direct: bool) -> Codes:
    length, run, size = (np.zeros(1 << 16, np.int64) for _ in range(3))
    code, place = 0, 0
    for bits, count in enumerate(counts, 1):
        for symbol in symbols[place : place + count]:
            first, end = code << (16 - bits), (code + 1) << (16 - bits)
            if end > 1 << 16:
                raise ImageError(_DAMAGED)
            length[first:end], run[first:end], size[first:end] = bits, symbol >> 4, symbol & 15
            code += 1
        place += count
        code <<= 1
    windows = np.arange(1 << 16)
    fits = length + size <= 16
    raw = (windows >> np.maximum(16 - length - size, 0)) & ((1 << size) - 1)
    value = np.where(raw >= 1 << np.maximum(size - 1, 0), raw, raw - (1 << size) + 1)
    value = np.where(fits & (size > 0), value, 0)
    length = np.where(fits, length + np.where(length > 0, size, 0), length)
    ends = (size == 0) & (run < 15) & (not is_direct)
    size = np.where(ends, -1 - run, np.where(fits, 0, size))
    return list(zip(length.tolist(), run.tolist(), size.tolist(), value.tolist(), strict=True))


def _scan(payload: bytes, header: JpegHeader, codes: dict[int, Codes]) -> _Scan:
    count = payload[0] if payload else 0
    if not 1 <= count <= 4 or len(payload) < 4 + 2 * count:
        raise ImageError(_DAMAGED)
    numbers = {part.identifier: index for index, part in enumerate(header.components)}
    chosen, direct, alternating = [], [], []
    for index in range(count):
        identifier, tables = payload[1 + 2 * index], payload[2 + 2 * index]
        if identifier not in numbers:
            raise ImageError(_DAMAGED)
        chosen.append(numbers[identifier])
        direct.append(codes.get(tables >> 4))
        alternating.append(codes.get(16 + (tables & 15)))
    first, last, approximation = payload[1 + 2 * count : 4 + 2 * count]
    if header.process != "progressive":
        first, last, approximation = 0, 63, 0
    if not first <= last <= 63 or (first > 0 and count > 1):
        raise ImageError(_DAMAGED)
    return _Scan(chosen, direct, alternating, first, last, approximation >> 4, approximation & 15)


# --- one scan ----------------------------------------------------------------------------------------------


def _read_scan(
    scan: _Scan, data: bytes, start: int, interval: int, planes: list[_Plane], header: JpegHeader
) -> None:
    order, in_unit = _order(scan, planes, header)
    pieces = list(_pieces(data, start))
    per_piece = interval * in_unit if interval else len(order)
    if len(pieces) < -(-len(order) // per_piece):
        raise ImageError(_DAMAGED)
    if header.process != "progressive":
        decode = _sequential
    elif scan.first == 0:
        decode = _direct_refined if scan.high else _direct
    else:
        decode = _band_refined if scan.high else _band
    for index, piece in enumerate(pieces):
        blocks = order[index * per_piece : (index + 1) * per_piece]
        if blocks:
            position = decode(_Words(piece), blocks, scan, planes)
            if position > 8 * len(piece) + 7:
                raise ImageError(_DAMAGED)


def _order(scan: _Scan, planes: list[_Plane], header: JpegHeader) -> tuple[list[tuple[int, int]], int]:
    """(place in the scan, first coefficient) of every block in the order of the scan, and blocks in a unit of it."""
    if len(scan.planes) == 1:
        plane = planes[scan.planes[0]]
        rows, columns = np.mgrid[: plane.own_rows, : plane.own_columns]
        offsets = 64 * (rows * plane.columns + columns).ravel()
        return [(0, offset) for offset in offsets.tolist()], 1
    parts = [header.components[index] for index in scan.planes]
    first = planes[scan.planes[0]]
    high, wide = first.rows // parts[0].vertical, first.columns // parts[0].horizontal
    unit_row, unit_column = (axis.ravel() for axis in np.mgrid[:high, :wide])
    which, offsets_of = [], []
    for place, (index, part) in enumerate(zip(scan.planes, parts, strict=True)):
        for down in range(part.vertical):
            for right in range(part.horizontal):
                row, column = unit_row * part.vertical + down, unit_column * part.horizontal + right
                offsets_of.append(64 * (row * planes[index].columns + column))
                which.append(place)
    blocks = np.stack(offsets_of, axis=1)
    return list(zip(which * len(blocks), blocks.ravel().tolist(), strict=True)), len(which)


def _pieces(data: bytes, start: int) -> Iterator[bytes]:
    """The coded bytes between restart markers, without the zeros that are stuffed behind 0xFF."""
    begin = position = start
    while True:
        position = data.find(b"\xff", position)
        if position < 0 or position + 1 >= len(data):
            yield data[begin:].replace(b"\xff\0", b"\xff")
            return
        follower = data[position + 1]
        if follower == 0:
            position += 2
        elif follower == 0xFF:
            position += 1
        else:
            yield data[begin:position].replace(b"\xff\0", b"\xff")
            if not 0xD0 <= follower <= 0xD7:
                return
            begin = position = position + 2


class _Words:
    """The 32 bits that begin at each byte of a piece; zeros behind its end."""

    def __init__(self, piece: bytes) -> None:
        padded = np.frombuffer(piece + bytes(8), np.uint8).astype(np.uint32)
        words = padded[:-3] << 24 | padded[1:-2] << 16 | padded[2:-1] << 8 | padded[3:]
        self.words = array.array("I", words.astype(f"u{array.array('I').itemsize}").tobytes())
        self.end = 8 * len(piece)


def _tables(chosen: list[Codes | None]) -> list[Codes]:
    found = [codes for codes in chosen if codes is not None]
    if len(found) < len(chosen):
        raise ImageError(_DAMAGED)
    return found


def _sequential(bits: _Words, blocks: list[tuple[int, int]], scan: _Scan, planes: list[_Plane]) -> int:
    words, zigzag, position, end = bits.words, _ZIGZAG, 0, bits.end
    tables = list(zip(_tables(scan.direct), _tables(scan.alternating), strict=True))
    values = [planes[index].values for index in scan.planes]
    previous = [0] * len(values)
    for place, offset in blocks:
        if position > end:
            raise ImageError(_DAMAGED)
        direct, alternating = tables[place]
        out = values[place]
        length, _, size, value = direct[words[position >> 3] >> (16 - (position & 7)) & 0xFFFF]
        if not length:
            raise ImageError(_DAMAGED)
        position += length
        if size:
            value = words[position >> 3] >> (32 - (position & 7) - size) & ((1 << size) - 1)
            position += size
            if value < 1 << (size - 1):
                value -= (1 << size) - 1
        previous[place] += value
        out[offset] = _in_range(previous[place])
        k = 1
        while k < 64:
            if position > end:
                raise ImageError(_DAMAGED)
            length, run, size, value = alternating[words[position >> 3] >> (16 - (position & 7)) & 0xFFFF]
            if not length:
                raise ImageError(_DAMAGED)
            position += length
            if size:
                if size < 0:
                    break
                value = words[position >> 3] >> (32 - (position & 7) - size) & ((1 << size) - 1)
                position += size
                if value < 1 << (size - 1):
                    value -= (1 << size) - 1
            k += run
            if k > 63:
                raise ImageError(_DAMAGED)
            if value:
                out[offset + zigzag[k]] = value
            k += 1
    return position


def _in_range(value: int) -> int:
    if not -32768 <= value <= 32767:
        raise ImageError(_DAMAGED)
    return value


def _direct(bits: _Words, blocks: list[tuple[int, int]], scan: _Scan, planes: list[_Plane]) -> int:
    words, position = bits.words, 0
    tables = _tables(scan.direct)
    previous = [0] * len(tables)
    for place, offset in blocks:
        if position > bits.end:
            raise ImageError(_DAMAGED)
        length, _, size, value = tables[place][words[position >> 3] >> (16 - (position & 7)) & 0xFFFF]
        if not length:
            raise ImageError(_DAMAGED)
        position += length
        if size:
            value = words[position >> 3] >> (32 - (position & 7) - size) & ((1 << size) - 1)
            position += size
            if value < 1 << (size - 1):
                value -= (1 << size) - 1
        previous[place] += value
        planes[scan.planes[place]].values[offset] = _in_range(previous[place] << scan.low)
    return position


def _direct_refined(bits: _Words, blocks: list[tuple[int, int]], scan: _Scan, planes: list[_Plane]) -> int:
    if len(blocks) > bits.end:
        raise ImageError(_DAMAGED)
    words, bit = bits.words, 1 << scan.low
    for position, (place, offset) in enumerate(blocks):
        if words[position >> 3] >> (31 - (position & 7)) & 1:
            planes[scan.planes[place]].values[offset] |= bit
    return len(blocks)


def _band(bits: _Words, blocks: list[tuple[int, int]], scan: _Scan, planes: list[_Plane]) -> int:
    words, zigzag, position = bits.words, _ZIGZAG, 0
    (codes,) = _tables(scan.alternating)
    out = planes[scan.planes[0]].values
    skipped = 0
    for _, offset in blocks:
        if skipped:
            skipped -= 1
            continue
        k = scan.first
        while k <= scan.last:
            if position > bits.end:
                raise ImageError(_DAMAGED)
            length, run, size, value = codes[words[position >> 3] >> (16 - (position & 7)) & 0xFFFF]
            if not length:
                raise ImageError(_DAMAGED)
            position += length
            if size < 0:
                more = -1 - size
                skipped = (1 << more) - 1
                if more:
                    skipped += words[position >> 3] >> (32 - (position & 7) - more) & ((1 << more) - 1)
                    position += more
                break
            if size:
                value = words[position >> 3] >> (32 - (position & 7) - size) & ((1 << size) - 1)
                position += size
                if value < 1 << (size - 1):
                    value -= (1 << size) - 1
            k += run
            if k > 63:
                raise ImageError(_DAMAGED)
            if value:
                out[offset + zigzag[k]] = _in_range(value << scan.low)
            k += 1
    return position


def _band_refined(bits: _Words, blocks: list[tuple[int, int]], scan: _Scan, planes: list[_Plane]) -> int:
    words, zigzag, position = bits.words, _ZIGZAG, 0
    (codes,) = _tables(scan.alternating)
    out, bit = planes[scan.planes[0]].values, 1 << scan.low
    skipped = 0
    for _, offset in blocks:
        if position > bits.end:
            raise ImageError(_DAMAGED)
        k = scan.first
        while k <= scan.last and not skipped:
            length, zeros, size, value = codes[words[position >> 3] >> (16 - (position & 7)) & 0xFFFF]
            if not length or size > 0 or position > bits.end:
                raise ImageError(_DAMAGED)
            position += length
            if size < 0:
                more = -1 - size
                skipped = 1 << more
                if more:
                    skipped += words[position >> 3] >> (32 - (position & 7) - more) & ((1 << more) - 1)
                    position += more
                break
            while k <= scan.last:
                place = offset + zigzag[k]
                if out[place]:
                    position = _refine(out, place, bit, words, position)
                elif zeros:
                    zeros -= 1
                else:
                    if value:
                        out[place] = bit if value > 0 else -bit
                    k += 1
                    break
                k += 1
        if skipped:
            while k <= scan.last:
                place = offset + zigzag[k]
                if out[place]:
                    position = _refine(out, place, bit, words, position)
                k += 1
            skipped -= 1
    return position


def _refine(out: array.array, place: int, bit: int, words: array.array, position: int) -> int:
    """Read one more bit of a coefficient that is not zero; the position behind it."""
    if position >> 3 >= len(words):
        raise ImageError(_DAMAGED)
    if words[position >> 3] >> (31 - (position & 7)) & 1:
        out[place] += bit if out[place] > 0 else -bit
    return position + 1
