"""The layout of a colour filter array as people, cameras and raw converters write it."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from zeroshot.words import shortened

BAYER = ("RGGB", "BGGR", "GRBG", "GBRG")
XTRANS = ("GBGGRG", "RGRBGB", "GBGGRG", "GRGGBG", "BGBRGR", "GRGGBG")
#: Layouts repeat after at most this many rows and columns.
LARGEST_PERIOD = 32
#: The filters by the numbers of TIFF/EP, EXIF and rawpy's raw_pattern, whose 3 is the second green.
NUMBERED = "RGBG"

_FORMS = (
    "write RGGB, BGGR, GRBG, GBRG, quad-rggb …, xtrans, the rows of any layout such as RG/GB, or in Python rows or "
    "rawpy's raw_pattern (0 red, 1 green, 2 blue, 3 second green)"
)
_WORDS = {"red": "R", "green": "G", "blue": "B"}


def layout_of(pattern: Any) -> tuple[str, tuple[str, ...]]:
    """The name for messages, and the rows of the repeated layout.

    Parameters
    ----------
    pattern : str, bytes, array of whole numbers, or sequence of rows
        A name ("RGGB", "quad-rggb", "xtrans"); letters row by row ("GBRG", the 36 of an X-Trans), or with ``/``
        or ``,`` between the rows; "[Red,Green][Green,Blue]", as exiftool prints it; rows of letters or of numbers,
        see `NUMBERED`.

    Raises
    ------
    ValueError
        In one line that says how a layout is written.
    """
    if isinstance(pattern, bytes):
        pattern = pattern.decode("latin-1")
    if isinstance(pattern, str):
        return _of_text(pattern)
    if hasattr(pattern, "__array__"):
        pattern = np.asarray(pattern).tolist()
    if not isinstance(pattern, Sequence) or not pattern:
        raise ValueError(f"a mosaic pattern is a name or rows of filters, got {pattern!r}; {_FORMS}")
    pattern = [row.decode("latin-1") if isinstance(row, bytes) else row for row in pattern]
    pattern = [
        re.sub(r"[\s,]", "", _words_as_letters(row)) if isinstance(row, str) else row for row in pattern
    ]
    if not all(isinstance(row, Sequence) for row in pattern):
        if len(pattern) == 4:  # 0 1 1 2, as EXIF has it
            pattern = [pattern[:2], pattern[2:]]
        else:
            raise ValueError(f"a mosaic layout is rows of filters, got {shortened(repr(pattern))}; {_FORMS}")
    return _named(tuple("".join(_letter(filter_) for filter_ in row) for row in pattern))


def _of_text(text: str) -> tuple[str, tuple[str, ...]]:
    name = re.sub(r"[\s_]+", "-", text.strip().lower())
    if re.fullmatch(r"x-?trans", name):
        return "xtrans", XTRANS
    # "bayer_rggb8" and "SRGGB10" say what lies where; "BayerRG8" does not, see _refuse_ambiguous.
    found = re.fullmatch(r"(?:(quad)-?(?:bayer-?)?|bayer-?|s)?(rggb|bggr|grbg|gbrg)(?:-?\d+\w*)?", name)
    if found:
        bayer = found[2].upper()
        if not found[1]:
            return found[2], (bayer[:2], bayer[2:])
        top, bottom = (row[0] * 2 + row[1] * 2 for row in (bayer[:2], bayer[2:]))
        return f"quad-{found[2]}", (top, top, bottom, bottom)
    _refuse_ambiguous(text, name)
    written = _words_as_letters(text)
    if re.search(r"\]\s*,?\s*\[", written):  # [R,G][G,B], where commas do not part rows
        rows = [re.sub(r"[\s,\[\]'\"]", "", row) for row in re.split(r"\]\s*,?\s*\[", written)]
    elif re.search(r"[/;|\n]", written):
        rows = [re.sub(r"[\s,]", "", row) for row in re.split(r"[/;|\n]+", written.strip("/;|\n"))]
    else:
        rows = [re.sub(r"\s", "", row) for row in written.strip(",[]()").split(",")]
        joined = "".join(rows)
        if len(rows) == 1 or {len(row) for row in rows} == {1}:  # R,G,G,B or R G G B: row by row
            rows = _square(joined, text)
    return _named(tuple("".join(_letter(filter_) for filter_ in row) for row in rows))


def _words_as_letters(text: str) -> str:
    return re.sub("red|green|blue", lambda word: _WORDS[word[0].lower()], text.strip(), flags=re.IGNORECASE)


def _square(letters: str, text: str) -> list[str]:
    side = math.isqrt(len(letters))
    if side < 2 or side * side != len(letters) or not set(letters.upper()) <= set("RGB0123"):
        _refuse_letters(letters)
        raise ValueError(f"unknown mosaic pattern {shortened(repr(text))}; {_FORMS}")
    return [letters[i : i + side] for i in range(0, len(letters), side)]


def _refuse_ambiguous(text: str, name: str) -> None:
    """Refuse names that mean something else than they seem to, with what they may mean."""
    if name == "rgbg":
        raise ValueError(
            "'RGBG' is rawpy's color_desc, which names the numbers in raw_pattern, and no layout: pass "
            "pattern=raw.raw_pattern, or its letters row by row, such as RGGB for [[0, 1], [3, 2]]; for columns of "
            "green write RG/BG"
        )
    short = re.search(r"bayer-?(rg|bg|gr|gb)(?![rgb])", name)
    if short:
        first, quoted = short[1].upper(), shortened(repr(text))
        here = next(bayer for bayer in BAYER if bayer.startswith(first))
        opencv = next(bayer for bayer in BAYER if bayer[2:][::-1] == first)
        raise ValueError(
            f"{quoted} means {here} with cameras (GenICam, V4L2), whose names tell the first two filters, "
            f"and {opencv} in OpenCV, whose names tell those of the second row and column; write the four letters"
        )


def _letter(filter_: Any) -> str:
    """R, G or B for a filter written as a letter, a word or a number."""
    if isinstance(filter_, str):
        word = filter_.strip()
        letter = _WORDS.get(word.lower(), word.upper())
        if letter in ("R", "G", "B"):
            return letter
        if letter in ("0", "1", "2", "3"):
            return NUMBERED[int(letter)]
        _refuse_letters(letter)
    elif isinstance(filter_, int | float) and filter_ in (0, 1, 2, 3):
        return NUMBERED[int(filter_)]
    raise ValueError(f"a mosaic layout is made of R, G and B, got {filter_!r}; {_FORMS}")


def _refuse_letters(letters: str) -> None:
    """Refuse the filters of other arrays by their names."""
    others = {"W": "white", "C": "cyan", "M": "magenta", "Y": "yellow", "E": "emerald", "I": "infrared"}
    found = sorted(set(letters.upper()) & set(others))
    if found and set(letters.upper()) <= set(others) | set("RGB"):
        names = ", ".join(f"{letter} ({others[letter]})" for letter in found)
        raise ValueError(
            f"a mosaic has filters of red, green and blue; arrays with {names}, such as RGBW, RYYB or CMYG, are "
            "not known"
        )


def _named(rows: tuple[str, ...]) -> tuple[str, tuple[str, ...]]:
    if not rows or not rows[0] or len({len(row) for row in rows}) != 1:
        raise ValueError(
            f"a mosaic layout is rows of equal length made of R, G and B, got {shortened(repr(rows))}; {_FORMS}"
        )
    if max(len(rows), len(rows[0])) > LARGEST_PERIOD:
        raise ValueError(
            f"a mosaic layout repeats after at most {LARGEST_PERIOD} rows and columns, got {len(rows)} × "
            f"{len(rows[0])}; of raw_colors, which has a number for every pixel, pass the part that "
            "repeats: raw_colors[:6, :6]"
        )
    joined = "".join(rows)
    if len(rows) == len(rows[0]) == 2 and joined in BAYER:
        return joined.lower(), rows
    return "[" + ", ".join(row.lower() for row in rows) + "]", rows
