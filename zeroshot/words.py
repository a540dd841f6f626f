"""Text for people: suggestions for misspelt names, and tables with aligned columns for a terminal."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable, Sequence

from zeroshot.spelling import visible

#: A spreadsheet takes a text that begins with one of these for a formula, and runs it.
_FORMULA_SIGNS = ("=", "+", "-", "@", "＝", "＋", "－", "＠")


def aligned(lines: Sequence[Sequence[str]]) -> list[str]:
    """The lines with their columns aligned: names, which stand first, to the left, and all else to the right."""
    rows = []
    for line in lines:
        padding = [
            " " * (width - _width(text)) for text, width in zip(line, column_widths(lines), strict=True)
        ]
        cells = [line[0] + padding[0], *(p + text for p, text in zip(padding[1:], line[1:], strict=True))]
        rows.append("  ".join(cells).rstrip())
    return rows


def column_widths(lines: Sequence[Sequence[str]]) -> list[int]:
    """How many columns of a terminal the widest text of each column takes."""
    return [max(map(_width, column)) for column in zip(*lines, strict=True)]


def spreadsheet_text(text: str) -> str:
    """The text so that a spreadsheet takes it for no formula, and a terminal for no command."""
    shown = visible(text)
    return "'" + shown if shown.lstrip().startswith(_FORMULA_SIGNS) else shown


def _width(text: str) -> int:
    """How many columns of a terminal a text takes."""
    return sum(
        0 if unicodedata.combining(letter) else 2 if unicodedata.east_asian_width(letter) in "WF" else 1
        for letter in text
    )


def unknown(what: str, name: str, known: Iterable[str]) -> str:
    """The message for an unknown name: the likeliest of the known ones, then all of them."""
    lower = {one.lower(): one for one in known}
    near = [lower[one] for one in difflib.get_close_matches(str(name).lower(), list(lower), n=1)]
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"there is no {what} {name!r}{hint}; there are: {', '.join(sorted(known))}"
