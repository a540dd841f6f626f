"""The directories of a TIFF file, read within bounds: no count, offset or chain in a file is believed unseen.

A file is a chain of directories, each a list of entries (tag, type, count, place of the values) that ends with the
offset of the next one. Damaged and hostile files close that chain to a loop, announce thousands of millions of
values, and point beyond the end; here each costs one line. Classic TIFF and BigTIFF of either byte order.

References
----------
Adobe Systems: TIFF, revision 6.0 (1992). The BigTIFF File Format (libtiff.gitlab.io, 2007).
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from zeroshot.images.errors import ImageError

#: How many directories are counted before a file simply holds too many pages.
MOST_DIRECTORIES = 1000
#: How many entries one directory may have: what a classic TIFF can count.
MOST_ENTRIES = 0xFFFF
SUBFILE_TYPE = 254
# Bytes of a value of each type: 1 BYTE, 2 ASCII, 3 SHORT, 4 LONG, 5 RATIONAL, 6 SBYTE, 7 UNDEFINED, 8 SSHORT,
# 9 SLONG, 10 SRATIONAL, 11 FLOAT, 12 DOUBLE, 13 IFD, 16 LONG8, 17 SLONG8, 18 IFD8.
_SIZES = {
    1: 1,
    2: 1,
    3: 2,
    4: 4,
    5: 8,
    6: 1,
    7: 1,
    8: 2,
    9: 4,
    10: 8,
    11: 4,
    12: 8,
    13: 4,
    16: 8,
    17: 8,
    18: 8,
}
_INTEGERS = {
    1: "u1",
    3: "u2",
    4: "u4",
    6: "i1",
    7: "u1",
    8: "i2",
    9: "i4",
    13: "u4",
    16: "u8",
    17: "i8",
    18: "u8",
}
_RATIONALS = {5: "u4", 10: "i4"}


@dataclass(frozen=True)
class Layout:
    """How a file writes numbers: its byte order, and whether offsets and counts have 64 bits."""

    order: str
    is_big: bool

    @property
    def head(self) -> int:
        """Bytes before the entries of a directory: their number."""
        return 8 if self.is_big else 2

    @property
    def offset(self) -> str:
        """The type of an offset."""
        return self.order + ("u8" if self.is_big else "u4")

    @property
    def entry(self) -> np.dtype:
        """The type of an entry; its last field is the values themselves where they fit into it."""
        whole = self.offset
        return np.dtype(
            [("tag", self.order + "u2"), ("kind", self.order + "u2"), ("count", whole), ("value", whole)]
        )

    @property
    def first(self) -> int:
        """Where the offset of the first directory stands."""
        return 8 if self.is_big else 4


@dataclass(frozen=True)
class Directory:
    """One directory: what a page, a thumbnail or a mask says of itself.

    Attributes
    ----------
    data : bytes
        The whole file.
    layout : Layout
        How its numbers are written.
    place : int
        Where the directory begins.
    entries : dict of int to (int, int, int)
        Type, count and place of the values of each tag.
    next_place : int
        Where the offset of the next directory stands.
    """

    data: bytes
    layout: Layout
    place: int
    entries: dict[int, tuple[int, int, int]]
    next_place: int

    def __contains__(self, tag: int) -> bool:
        return tag in self.entries

    @property
    def announced(self) -> int:
        """How many bytes all values of its entries take, by what they announce."""
        return sum(count * _SIZES.get(kind, 1) for kind, count, _ in self.entries.values())

    def numbers(self, tag: int, most: int | None = None) -> np.ndarray:
        """The integers of a tag, or the first `most` of them; none where the tag is missing.

        Raises
        ------
        ImageError
            Where they are no integers or lie beyond the end of the file.
        """
        if tag not in self.entries:
            return np.zeros(0, np.int64)
        kind, count, place = self.entries[tag]
        if kind not in _INTEGERS:
            raise ImageError(f"is damaged: tag {tag} holds no whole numbers")
        count = count if most is None else min(count, most)
        self._require_inside(tag, place, count * _SIZES[kind])
        values = np.frombuffer(self.data, self.layout.order + _INTEGERS[kind], count, place)
        if values.dtype.kind == "u" and values.size and int(values.max()) > np.iinfo(np.int64).max:
            raise ImageError(f"is damaged: tag {tag} holds numbers that are too large")
        return values.astype(np.int64)

    def number(self, tag: int, default: int) -> int:
        """The first integer of a tag."""
        values = self.numbers(tag, most=1)
        return int(values[0]) if values.size else default

    def readable_number(self, tag: int, default: int) -> int:
        """The first integer of a tag that is no reason to refuse the picture where it is broken."""
        try:
            return self.number(tag, default)
        except ImageError:
            return default

    def fractions(self, tag: int, most: int) -> list[float]:
        """The first `most` numbers of a tag of rationals; none where there are none that can be read."""
        kind, count, place = self.entries.get(tag, (0, 0, 0))
        count = min(count, most)
        if kind not in _RATIONALS or place + 8 * count > len(self.data):
            return []
        pairs = np.frombuffer(self.data, self.layout.order + _RATIONALS[kind], 2 * count, place).reshape(
            -1, 2
        )
        return [float(n) / float(d) if d else 0.0 for n, d in pairs]

    def content(self, tag: int) -> bytes | None:
        """The bytes of a tag; None where it is missing or reaches beyond the end of the file."""
        if tag not in self.entries:
            return None
        kind, count, place = self.entries[tag]
        end = place + count * _SIZES.get(kind, 1)
        return self.data[place:end] if end <= len(self.data) else None

    def _require_inside(self, tag: int, place: int, size: int) -> None:
        if place + size > len(self.data):
            raise ImageError(f"is damaged or truncated: tag {tag} reaches beyond the end of the file")


def layout_of(data: bytes) -> Layout:
    """The layout that the first bytes of a TIFF file tell."""
    order = {b"II": "<", b"MM": ">"}.get(data[:2])
    version = 0 if order is None or len(data) < 8 else struct.unpack_from(order + "H", data, 2)[0]
    if order is None or version not in (42, 43) or (version == 43 and len(data) < 16):
        raise ImageError("is damaged or truncated: it has no TIFF header")
    return Layout(order, is_big=version == 43)


def first_place(data: bytes) -> int:
    """The place of the first directory."""
    layout = layout_of(data)
    return _offset_at(data, layout, layout.first)


def directories(data: bytes) -> Iterator[int]:
    """The place of each directory of the chain.

    Raises
    ------
    ImageError
        Where the chain runs into itself or leaves the file.
    """
    layout = layout_of(data)
    seen: set[int] = set()
    place = _offset_at(data, layout, layout.first)
    while place:
        if place in seen:
            raise ImageError("is damaged: its chain of directories runs into itself")
        seen.add(place)
        end = place + layout.head + _entry_count(data, layout, place) * layout.entry.itemsize
        yield place
        # Not every writer closes the last directory with an offset of 0.
        place = _offset_at(data, layout, end) if end + layout.head <= len(data) else 0


def is_picture(data: bytes, place: int) -> bool:
    """Whether the directory is a picture of its own, not a reduced copy or a mask of another."""
    layout = layout_of(data)
    entries = _entries(data, layout, place)
    found = np.flatnonzero(entries["tag"] == SUBFILE_TYPE)
    if not found.size:
        return True
    position = place + layout.head + int(found[0]) * layout.entry.itemsize
    kind = int(entries["kind"][found[0]])
    at = position + layout.entry.fields["value"][1]  # type: ignore[index]
    form = layout.order + ("H" if kind == 3 else "I")
    return not struct.unpack_from(form, data, at)[0] & 0b101


def directory_at(data: bytes, place: int) -> Directory:
    """The directory that begins at `place`; of a tag that is there twice, the first counts."""
    layout = layout_of(data)
    table = _entries(data, layout, place)
    room = np.dtype(layout.offset).itemsize
    field = int(layout.entry.fields["value"][1])  # type: ignore[index]
    entries: dict[int, tuple[int, int, int]] = {}
    for index, (tag, kind, count, value) in enumerate(table.tolist()):
        inline = place + layout.head + index * layout.entry.itemsize + field
        where = inline if count * _SIZES.get(kind, 1) <= room else value
        entries.setdefault(tag, (kind, count, where))
    end = place + layout.head + len(table) * layout.entry.itemsize
    return Directory(data, layout, place, entries, end)


def alone(directory: Directory) -> bytes:
    """The file with this directory as its only one, for readers that would follow the chain."""
    layout = directory.layout
    if (
        directory.place == first_place(directory.data)
        and _offset_at(directory.data, layout, directory.next_place) == 0
    ):
        return directory.data
    data = bytearray(directory.data)
    form = layout.order + ("Q" if layout.is_big else "I")
    struct.pack_into(form, data, layout.first, directory.place)
    if directory.next_place + struct.calcsize(form) <= len(data):
        struct.pack_into(form, data, directory.next_place, 0)
    return bytes(data)


def _offset_at(data: bytes, layout: Layout, place: int) -> int:
    size = np.dtype(layout.offset).itemsize
    if place + size > len(data):
        return 0
    return int(np.frombuffer(data, layout.offset, 1, place)[0])


def _entry_count(data: bytes, layout: Layout, place: int) -> int:
    if place + layout.head > len(data):
        raise ImageError("is damaged or truncated: a directory lies beyond the end of the file")
    count = int(np.frombuffer(data, layout.order + f"u{layout.head}", 1, place)[0])
    if not 1 <= count <= MOST_ENTRIES or place + layout.head + count * layout.entry.itemsize > len(data):
        raise ImageError(
            f"is damaged or truncated: a directory of {count} entries does not fit into the file"
        )
    return count


def _entries(data: bytes, layout: Layout, place: int) -> np.ndarray:
    return np.frombuffer(data, layout.entry, _entry_count(data, layout, place), place + layout.head)
