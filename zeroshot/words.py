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


def likeliest(name: str, known: Iterable[str]) -> str | None:
    """The one of the known names that a misspelt one is most like, or None where it is like none."""
    lower = {one.lower(): one for one in known}
    near = difflib.get_close_matches(name.lower(), list(lower), n=1)
    return lower[near[0]] if near else None


def unknown(what: str, name: str, known: Iterable[str], meant: str | None = None) -> str:
    """The message for an unknown name: the one that may be meant, then all of them.

    Parameters
    ----------
    what : str
        What it should be the name of.
    name : str
        As it was given.
    known : iterable of str
        Those that there are.
    meant : str, optional
        What to suggest; by default the likeliest of the known ones.
    """
    names = sorted(known)
    meant = meant or likeliest(str(name), names)
    hint = f" (did you mean {meant!r}?)" if meant else ""
    return f"there is no {what} {name!r}{hint}; there are: {', '.join(names)}"


def shortened(text: str, longest: int = 60) -> str:
    """The text on one line of at most so many letters, for messages that quote what they were given."""
    flat = " ".join(text.split())
    return flat if len(flat) <= longest else flat[: longest - 1] + "…"


def counted(number: int, what: str) -> str:
    """A number of things: "1 iteration", "2 iterations"."""
    return f"{number} {what}{'s' * (number != 1)}"


def noise_level(sigma: float, value_range: tuple[float, float]) -> str:
    """A standard deviation on the [0, 1] scale, in all units that somebody may think in.

    In grey levels of 255, as the command line takes it; on the [0, 1] scale, as Python does; and, where the
    image has another range, in its own values.

    Parameters
    ----------
    sigma : float
        On the [0, 1] scale.
    value_range : tuple of float
        The values that mean black and white in the image.
    """
    low, high = value_range
    own = sigma * (high - low)
    if (low, high) in ((0, 1), (0, 255)):
        further = ""
    elif low == 0 and high == int(high):
        further = f"; {own:.0f} of {high:.0f} counts" if own >= 10 else f"; {own:.2g} of {high:.0f} counts"
    else:
        further = f"; {own:.3g} on the range {low:g} to {high:g}"
    return f"{255 * sigma:.1f} grey levels of 255 ({sigma:.3g}{further})"
