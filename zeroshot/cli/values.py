"""Words of the command line as values, for argparse: each converter says in one line what would be right."""

from __future__ import annotations

import argparse
import ast
import math
from collections.abc import Callable
from typing import Any, Literal


def number(
    wanted: str, lowest: float, highest: float, ends: Literal["closed", "open"] = "closed"
) -> Callable[[str], float | int]:
    """A converter of numbers from `lowest` to `highest`, with `ends` "open" strictly between them.

    Parameters
    ----------
    wanted : str
        What the message asks for: "a positive number of seconds".
    lowest, highest : float
        Where the range ends.
    ends : {"closed", "open"}
        Whether it includes its ends.
    """

    def convert(text: str) -> float | int:
        try:
            value = float(text)
        except ValueError:
            value = math.nan
        inside = lowest < value < highest if ends == "open" else lowest <= value <= highest
        if not inside:
            raise argparse.ArgumentTypeError(f"must be {wanted}, got {text!r}")
        return int(value) if value.is_integer() else value

    return convert


def positive(wanted: str = "a positive number") -> Callable[[str], float | int]:
    """A converter of finite numbers above 0."""
    return number(wanted, 0, math.inf, "open")


def whole(lowest: int, highest: int = 2**63 - 1, wanted: str = "") -> Callable[[str], int]:
    """A converter of whole numbers from `lowest` to `highest`, by default as far as a seed may go.

    The message asks for `wanted`, or for a whole number of at least `lowest`.
    """

    def convert(text: str) -> int:
        try:
            value = int(text)
        except ValueError:
            value = lowest - 1
        if not lowest <= value <= highest:
            expected = wanted or f"a whole number of at least {lowest}"
            raise argparse.ArgumentTypeError(f"must be {expected}, got {text!r}")
        return value

    return convert


def tile(text: str) -> int | str | None:
    """The side of a tile in pixels; "auto", or None for "none"."""
    if text in ("auto", "none"):
        return "auto" if text == "auto" else None
    return whole(32, wanted="'auto', 'none' or a whole number of at least 32")(text)


def samples(text: str) -> int:
    """How many runs a result is the mean of."""
    return whole(1, 1000, "a whole number from 1 to 1000")(text)


def value_range(text: str) -> tuple[float, float]:
    """The values of black and white, LOW,HIGH."""
    try:
        low, high = (float(part) for part in text.strip(" ()[]").split(","))
    except ValueError:
        low = high = math.nan
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise argparse.ArgumentTypeError(
            f"must be two numbers LOW,HIGH, the values of black and white with LOW < HIGH, got {text!r}"
        )
    return low, high


def literal(text: str) -> Any:
    """A number, tuple or word."""
    try:
        return ast.literal_eval(text.strip())
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return text
