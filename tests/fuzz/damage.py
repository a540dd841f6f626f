"""Damages that know nothing of a file's format: flipped bits, lost ranges, wrong numbers, files run together."""

from __future__ import annotations

import zlib

import numpy as np

Draw = np.random.Generator
#: Numbers that lengths, counts and offsets are wrong by.
EXTREMES = (0, 1, 2, 3, 7, 8, 0x7F, 0x80, 0xFF, 0x100, 0x7FFF, 0x8000, 0xFFFF, 0x10000, 10**6, 0x7FFFFFFF, 0x80000000,
            0xFFFFFFFE, 0xFFFFFFFF)  # fmt: skip


def choose(draw: Draw, things):
    """One of several things."""
    things = list(things)
    return things[int(draw.integers(len(things)))]


def whole(draw: Draw, low: int, high: int) -> int:
    """A whole number from `low` to below `high`, or `low` where there is none."""
    return int(draw.integers(low, max(high, low + 1)))


def noise(draw: Draw, count: int) -> bytes:
    """Random bytes."""
    return draw.bytes(count)


def flip_bits(draw: Draw, data: bytes) -> bytes:
    bent = bytearray(data)
    for _ in range(whole(draw, 1, 17) if bent else 0):
        # Where the heads of most formats are is worth more than the middle of the pixels.
        end = len(bent) if draw.random() < 0.6 else min(len(bent), 128)
        bent[whole(draw, 0, end)] ^= 1 << whole(draw, 0, 8)
    return bytes(bent)


def set_bytes(draw: Draw, data: bytes) -> bytes:
    if not data:
        return data
    start = whole(draw, 0, len(data))
    length = min(len(data) - start, whole(draw, 1, 65))
    filling = choose(draw, (bytes(length), b"\xff" * length, noise(draw, length)))
    return data[:start] + filling + data[start + length :]


def set_number(draw: Draw, data: bytes) -> bytes:
    size = choose(draw, (1, 2, 4, 4, 8))
    if len(data) < size:
        return data
    end = len(data) - size if draw.random() < 0.5 else min(len(data) - size, 64)
    start = whole(draw, 0, end + 1)
    number = choose(draw, EXTREMES) & (1 << 8 * size) - 1
    return data[:start] + number.to_bytes(size, choose(draw, ("little", "big"))) + data[start + size :]


def truncate(draw: Draw, data: bytes) -> bytes:
    return data[: whole(draw, 0, len(data))]


def drop_range(draw: Draw, data: bytes) -> bytes:
    start = whole(draw, 0, len(data))
    return data[:start] + data[start + whole(draw, 1, max(2, len(data) // 2)) :]


def repeat_range(draw: Draw, data: bytes) -> bytes:
    start = whole(draw, 0, len(data))
    end = whole(draw, start, len(data)) + 1
    return data[:end] + data[start:end] * whole(draw, 1, 5) + data[end:]


def insert_noise(draw: Draw, data: bytes) -> bytes:
    start = choose(draw, (0, len(data), whole(draw, 0, len(data))))
    return data[:start] + noise(draw, whole(draw, 1, 200)) + data[start:]


DAMAGES = {
    "bits flipped": flip_bits,
    "a range overwritten": set_bytes,
    "a number set": set_number,
    "truncated": truncate,
    "a range dropped": drop_range,
    "a range repeated": repeat_range,
    "noise inserted": insert_noise,
}


def damaged(draw: Draw, data: bytes, most: int = 2) -> tuple[bytes, str]:
    """The data after one to `most` damages, and what they were."""
    said = []
    for _ in range(whole(draw, 1, most + 1)):
        name = choose(draw, DAMAGES)
        data = DAMAGES[name](draw, data)
        said.append(name)
    return data, ", ".join(said)


def spliced(draw: Draw, first: bytes, second: bytes) -> bytes:
    """The beginning of one file and the end of another."""
    return first[: whole(draw, 0, len(first))] + second[whole(draw, 0, len(second)) :]


def deflated_zeros(mebibytes: int) -> bytes:
    """A zlib stream of so many MiB of zeros, made at once: one block of them, repeated."""
    squeezer = zlib.compressobj(9, zlib.DEFLATED, -15)
    block = squeezer.compress(bytes(1 << 20)) + squeezer.flush(zlib.Z_FULL_FLUSH)
    last = zlib.compressobj(9, zlib.DEFLATED, -15).flush()
    count = mebibytes << 20
    checksum = (count % 65521) << 16 | 1
    return b"\x78\xda" + block * mebibytes + last + checksum.to_bytes(4, "big")
