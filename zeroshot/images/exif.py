"""EXIF blocks: what they say of a picture, edited in place; they are small TIFF files without pixels."""

from __future__ import annotations

import io
import json
import struct
from collections.abc import Iterator
from fractions import Fraction

from PIL import Image

from zeroshot.images.errors import ImageError

X_RESOLUTION, Y_RESOLUTION, DESCRIPTION = 0x011A, 0x011B, 270
ORIENTATION, EXIF_IFD, EXIF_WIDTH, EXIF_HEIGHT, GPS_IFD = 0x0112, 0x8769, 0xA002, 0xA003, 0x8825
# The TIFF tags that describe the picture rather than how its pixels are stored.
DESCRIPTIVE_TAGS = (DESCRIPTION, 271, 272, 305, 306, 315, 316, 33432)
# Directories that a reader of EXIF follows from the main one.
INTEROPERABILITY_IFD = 0xA005
# By how much the values of a block may overlap, as some cameras let them.
_OVERLAP = 4


def is_sound(exif: bytes) -> bool:
    """Whether a block, or a TIFF file, can be given to a reader that takes all values of all directories.

    Thousands of entries may each announce the same megabytes, and be read as often.
    """
    # With NumPy, which who only looks for provenance does not need.
    from zeroshot.images.tiff_directories import directory_at, first_place

    try:
        places, announced = [first_place(exif)], 0
        for place in places:
            directory = directory_at(exif, place)
            announced += directory.announced
            for tag in (EXIF_IFD, GPS_IFD, INTEROPERABILITY_IFD):
                inner = directory.number(tag, 0)
                if inner and inner not in places:
                    places.append(inner)
    except ImageError:
        return False
    return announced <= _OVERLAP * len(exif) + 0xFFFF


def _exif_entries(exif: bytes, order: str, offset: int) -> Iterator[tuple[int, int, int, int]]:
    """(tag, type, count, position of the value field) of each entry of the directory at `offset`."""
    (count,) = struct.unpack_from(order + "H", exif, offset)
    for position in range(offset + 2, offset + 2 + 12 * count, 12):
        tag, kind, number = struct.unpack_from(order + "HHI", exif, position)
        yield tag, kind, number, position + 8


def _exif_numbers(exif: bytes) -> Iterator[tuple[int, int, str]]:
    """(tag, position, struct format) of the single integers in the main and the Exif directory."""
    order = {b"II": "<", b"MM": ">"}[exif[:2]]
    directories = list(struct.unpack_from(order + "I", exif, 4))
    for directory in directories:
        for tag, kind, number, position in _exif_entries(exif, order, directory):
            if number == 1 and kind in (3, 4):
                yield tag, position, order + ("H" if kind == 3 else "I")
            if tag == EXIF_IFD and len(directories) == 1:  # once: a broken file may point to itself
                directories += struct.unpack_from(order + "I", exif, position)


def exif_number(exif: bytes, wanted: int) -> int | None:
    """The value of an integer EXIF tag, or None where it is missing or the block is broken."""
    try:
        found = [(position, form) for tag, position, form in _exif_numbers(exif) if tag == wanted]
        return struct.unpack_from(found[0][1], exif, found[0][0])[0] if found else None
    except (struct.error, KeyError):
        return None


def edit_exif(exif: bytes, changes: dict[int, int]) -> bytes | None:
    """Set integer tags in place and unlink the thumbnail; None where the block is broken.

    In place, because maker notes hold absolute offsets that do not survive being written anew.
    """
    edited = bytearray(exif)
    try:
        for tag, position, form in list(_exif_numbers(exif)):
            if tag in changes:
                limit = 0xFFFF if form.endswith("H") else 0xFFFFFFFF
                struct.pack_into(form, edited, position, min(changes[tag], limit))
        order = {b"II": "<", b"MM": ">"}[exif[:2]]
        (first,) = struct.unpack_from(order + "I", exif, 4)
        (count,) = struct.unpack_from(order + "H", exif, first)
        if first + 2 + 12 * count + 4 <= len(edited):
            struct.pack_into(order + "I", edited, first + 2 + 12 * count, 0)
    except (struct.error, KeyError):
        return None
    return bytes(edited)


def scaled_resolution(exif: bytes, horizontal: float, vertical: float) -> bytes:
    """The block with its horizontal and vertical resolution multiplied in place, in whatever unit it is."""
    edited = bytearray(exif)
    factors = {X_RESOLUTION: horizontal, Y_RESOLUTION: vertical}
    try:
        order = {b"II": "<", b"MM": ">"}[exif[:2]]
        (directory,) = struct.unpack_from(order + "I", exif, 4)
        for tag, kind, number, position in _exif_entries(exif, order, directory):
            if tag not in factors or (kind, number) != (5, 1):  # one fraction
                continue
            (place,) = struct.unpack_from(order + "I", exif, position)
            numerator, denominator = struct.unpack_from(order + "II", exif, place)
            value = Fraction(numerator, denominator) * Fraction(factors[tag]).limit_denominator(10_000)
            scaled = value.limit_denominator(10_000)
            if scaled.numerator <= 0xFFFFFFFF:
                struct.pack_into(order + "II", edited, place, scaled.numerator, scaled.denominator)
    except (struct.error, KeyError, ZeroDivisionError):  # a broken block is left to edit_exif
        return exif
    return bytes(edited)


def exif_of_tiff(data: bytes) -> bytes | None:
    """The descriptive tags, Exif and GPS directories of a TIFF file as an EXIF block."""
    exif = Image.Exif()
    if not is_sound(data):
        return None
    try:
        exif.load_from_fp(io.BytesIO(data))
        return descriptive_exif(exif)
    except Exception:  # damaged tags are no reason to refuse the pixels
        return None


def descriptive_exif(exif: Image.Exif) -> bytes | None:
    """An EXIF block of what describes the picture, leaving out how a TIFF stored its pixels."""
    kept = Image.Exif()
    for tag in (*DESCRIPTIVE_TAGS, ORIENTATION):
        if tag in exif and not (tag == DESCRIPTION and _is_shape(exif[tag])):
            kept[tag] = exif[tag]
    for directory in (EXIF_IFD, GPS_IFD):
        try:
            inner = exif.get_ifd(directory)
        except (OSError, ValueError):  # a TIFF that was closed since
            continue
        if inner:
            kept.get_ifd(directory).update(inner)
            kept[directory] = kept.get_ifd(directory)
    return kept.tobytes().removeprefix(b"Exif\0\0") if len(kept) else None


def _is_shape(description: object) -> bool:
    """Whether tifffile wrote the description by itself: the shape of an array that is another one by now."""
    text = str(description).rstrip("\0")
    try:
        content = json.loads(text)
    except ValueError:
        return text.startswith("shape=(")
    return isinstance(content, dict) and "shape" in content
