"""What a JPEG file says of itself before its pixels: size, components, quantisation tables, process."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np

from zeroshot.compression.tables import ZIGZAG, quality_of
from zeroshot.images.errors import ImageError
from zeroshot.images.kinds import read_bytes

Colour = Literal["grey", "ycbcr", "rgb", "cmyk"]
Process = Literal["baseline", "extended", "progressive"]

_PROCESSES: dict[int, Process] = {0xC0: "baseline", 0xC1: "extended", 0xC2: "progressive"}
_REFUSED = dict.fromkeys((0xC3, 0xC7, 0xCB, 0xCF), "a lossless JPEG, which is not quantised")
_REFUSED |= dict.fromkeys((0xC5, 0xC6), "a hierarchical JPEG, which is not read")
_REFUSED |= dict.fromkeys((0xC9, 0xCA, 0xCD, 0xCE), "a JPEG with arithmetic coding, which is not read")
_STANDALONE = {0x01, *range(0xD0, 0xD9)}


@dataclass(frozen=True, eq=False)
class Component:
    """One plane of samples.

    Attributes
    ----------
    identifier : int
        What scans call it.
    horizontal, vertical : int
        Sampling factors, 1 to 4: the plane's share of the largest ones.
    table : numpy.ndarray
        8 × 8 quantisation steps, rows of vertical frequency; whole numbers from 1 to 65535.
    """

    identifier: int
    horizontal: int
    vertical: int
    table: np.ndarray


@dataclass(frozen=True, eq=False)
class JpegHeader:
    """What a JPEG file says before its pixels.

    Attributes
    ----------
    width, height : int
        As stored, before the orientation is applied.
    process : {"baseline", "extended", "progressive"}
        How the coefficients are coded.
    precision : int
        Bits of a sample.
    components : tuple of Component
        One or three, or four for CMYK.
    colour : {"grey", "ycbcr", "rgb", "cmyk"}
        What the components mean.
    """

    width: int
    height: int
    process: Process
    precision: int
    components: tuple[Component, ...]
    colour: Colour

    @property
    def sampling(self) -> tuple[tuple[int, int], ...]:
        """How many pixels a sample of each component covers, (down, right)."""
        most = self.largest_factors
        return tuple((most[0] // part.vertical, most[1] // part.horizontal) for part in self.components)

    @property
    def largest_factors(self) -> tuple[int, int]:
        """The largest vertical and horizontal sampling factor."""
        return max(part.vertical for part in self.components), max(
            part.horizontal for part in self.components
        )

    @property
    def subsampling(self) -> str:
        """That of the chroma in the usual notation, such as "4:2:0"; "" for grey."""
        return "" if len(self.components) == 1 else subsampling_of(self.sampling[1])

    @property
    def quality(self) -> int:
        """The quality, 1 to 100, of which the luminance table is, or to whose it is nearest."""
        return quality_of(self.components[0].table)

    @property
    def tables(self) -> list[np.ndarray]:
        """The quantisation table of each component."""
        return [part.table for part in self.components]


#: (down, right) pixels a sample of the chroma covers, by the usual notation.
SUBSAMPLINGS = {"4:4:4": (1, 1), "4:2:2": (1, 2), "4:2:0": (2, 2), "4:4:0": (2, 1), "4:1:1": (1, 4)}


def subsampling_of(factors: tuple[int, int]) -> str:
    """The usual notation, or the factors where there is none."""
    named = {value: name for name, value in SUBSAMPLINGS.items()}
    return named.get(factors, f"{factors[1]}×{factors[0]}")


def jpeg_header(path: str | Path) -> JpegHeader:
    """The header of a JPEG file.

    Raises
    ------
    ImageError
        In one line: where the file is missing, is no JPEG, or is one whose header is damaged or of a kind that is
        not read (lossless, hierarchical, arithmetic coding).
    """
    path = Path(path)
    kind, data = read_bytes(path)
    if kind != "JPEG":
        raise ImageError(f"{path}: is a {kind} file, not a JPEG")
    try:
        return header_of(data)
    except ImageError as error:
        raise ImageError(f"{path}: {error}") from None


def segments(data: bytes, position: int = 2) -> Iterator[tuple[int, int, bytes]]:
    """(marker, position behind the segment, payload) of each segment from `position` on, through the scans.

    The payload of the start of a scan is its header; what follows it is skipped up to the next marker.
    """
    while True:
        position = data.find(b"\xff", position)
        if position < 0 or position + 2 > len(data):
            return
        marker = data[position + 1]
        if marker in (0x00, 0xFF) or marker in _STANDALONE:
            position += 1 if marker == 0xFF else 2
            continue
        if marker == 0xD9:
            return
        if position + 4 > len(data):
            return
        (length,) = struct.unpack_from(">H", data, position + 2)
        end = position + 2 + length
        if length < 2 or end > len(data):
            raise ImageError("is damaged or truncated: a segment ends behind the end of the file")
        yield marker, end, data[position + 4 : end]
        position = end


def header_of(data: bytes) -> JpegHeader:
    """The header of the bytes of a JPEG file; an :class:`ImageError` where it cannot be used."""
    tables: dict[int, np.ndarray] = {}
    frame: tuple[Process, bytes] | None = None
    adobe: int | None = None
    is_jfif = False
    for marker, _, payload in segments(data):
        if marker == 0xDB:
            tables |= quantisation_tables(payload)
        elif marker in _PROCESSES and frame is None:
            frame = _PROCESSES[marker], payload
        elif marker in _REFUSED:
            raise ImageError(f"is {_REFUSED[marker]}; convert it to PNG and tell its quality")
        elif marker == 0xE0 and payload.startswith(b"JFIF\0"):
            is_jfif = True
        elif marker == 0xEE and payload.startswith(b"Adobe") and len(payload) >= 12:
            adobe = payload[11]
        elif marker == 0xDA and frame is not None and _is_complete(frame[1], tables):
            break
    if frame is None:
        raise ImageError("is damaged or truncated: it has no frame header")
    return _header(*frame, tables, adobe, is_jfif)


def quantisation_tables(payload: bytes) -> dict[int, np.ndarray]:
    """The tables that one segment defines, by their number."""
    found, position = {}, 0
    while position < len(payload):
        wide, number = payload[position] >> 4, payload[position] & 15
        size = 64 * (2 if wide else 1)
        steps = np.frombuffer(payload[position + 1 : position + 1 + size], ">u2" if wide else np.uint8)
        if len(steps) < 64 or number > 3 or wide > 1:
            raise ImageError("is damaged: a quantisation table is incomplete")
        if (steps == 0).any():
            raise ImageError("has a quantisation table with a step of 0")
        table = np.empty(64, np.int64)
        table[ZIGZAG] = steps
        found[number] = table.reshape(8, 8)
        position += 1 + size
    return found


def _is_complete(frame: bytes, tables: dict[int, np.ndarray]) -> bool:
    return all(frame[8 + 3 * index] in tables for index in range(frame[5]) if 8 + 3 * index < len(frame))


def _header(
    process: Process, frame: bytes, tables: dict[int, np.ndarray], adobe: int | None, is_jfif: bool
) -> JpegHeader:
    if len(frame) < 6 or len(frame) < 6 + 3 * frame[5]:
        raise ImageError("is damaged or truncated: its frame header is incomplete")
    precision, height, width, count = struct.unpack_from(">BHHB", frame)
    if height == 0 or width == 0:
        raise ImageError("is damaged: its frame header gives no size")
    if precision != 8:
        raise ImageError(f"has {precision} bits a sample; JPEG is restored with 8")
    components = []
    for index in range(count):
        identifier, factors, number = frame[6 + 3 * index : 9 + 3 * index]
        if number not in tables:
            raise ImageError("is damaged: a quantisation table is missing")
        horizontal, vertical = factors >> 4, factors & 15
        if not (1 <= horizontal <= 4 and 1 <= vertical <= 4):
            raise ImageError("is damaged: a sampling factor is not 1 to 4")
        components.append(Component(identifier, horizontal, vertical, tables[number]))
    if count == 1:  # one component is not interleaved, and its sampling factors mean nothing
        components = [Component(components[0].identifier, 1, 1, components[0].table)]
    return JpegHeader(
        width, height, process, precision, tuple(components), _colour(components, adobe, is_jfif)
    )


def _colour(components: list[Component], adobe: int | None, is_jfif: bool) -> Colour:
    """What the components mean, by the rules that decoders follow: JFIF, then Adobe's marker, then their names."""
    if len(components) == 1:
        return "grey"
    if len(components) == 4:
        return "cmyk"
    if len(components) != 3:
        raise ImageError(f"has {len(components)} components; a JPEG has 1, 3 or 4")
    if is_jfif:
        return "ycbcr"
    if adobe is not None:
        return "rgb" if adobe == 0 else "ycbcr"
    return "rgb" if bytes(part.identifier for part in components) == b"RGB" else "ycbcr"
