"""Checks of arguments and settings: one rule for what a number is, and one line that says what would be right.

Python's and numpy's integers and floats are numbers, booleans of either are not. Every check takes the
settings, a dataclass, any object or a dict, and the names of those to look at; numpy scalars among them are
replaced by the Python numbers of the same value.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from numbers import Integral, Real
from typing import Any, Literal, TypeGuard

#: Whether None passes, as where it means that a value is chosen.
NoneIs = Literal["refused", "allowed"]


def is_whole(value: Any) -> TypeGuard[int]:
    """Whether `value` is an integer of Python or numpy, and not a bool."""
    return isinstance(value, Integral) and not isinstance(value, bool)


def is_number(value: Any) -> TypeGuard[float]:
    """Whether `value` is a finite integer or float of Python or numpy, and not a bool."""
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


def require_whole(
    settings: Any, *names: str, least: int = 1, most: int | None = None, none: NoneIs = "refused"
) -> None:
    """Raise a ValueError where a named setting is not a whole number from `least` to `most`."""
    wanted = f"of at least {least}" if most is None else f"from {least} to {most}"
    for name, value in _given(settings, names, none):
        if not is_whole(value) or value < least or (most is not None and value > most):
            raise ValueError(f"{name} must be a whole number {wanted}, got {value!r}")


def require_number(
    settings: Any,
    *names: str,
    least: float = 0,
    most: float | None = None,
    below: float | None = None,
    none: NoneIs = "refused",
) -> None:
    """Raise a ValueError where a named setting is no finite number from `least` to `most`, or to below `below`."""
    wanted = f"of at least {least}"
    if most is not None:
        wanted = f"from {least} to {most}"
    elif below is not None:
        wanted = f"from {least} to below {below}"
    for name, value in _given(settings, names, none):
        inside = is_number(value) and value >= least
        if not inside or (most is not None and value > most) or (below is not None and value >= below):
            raise ValueError(f"{name} must be a number {wanted}, got {value!r}")


def require_positive(settings: Any, *names: str, none: NoneIs = "refused") -> None:
    """Raise a ValueError where a named setting is no finite number above 0."""
    for name, value in _given(settings, names, none):
        if not (is_number(value) and value > 0):
            raise ValueError(f"{name} must be a positive number, got {value!r}")


def require_fraction(settings: Any, *names: str, none: NoneIs = "refused") -> None:
    """Raise a ValueError where a named setting does not lie strictly between 0 and 1."""
    for name, value in _given(settings, names, none):
        if not (is_number(value) and 0 < value < 1):
            raise ValueError(f"{name} must lie between 0 and 1, got {value!r}")


def require_choice(settings: Any, name: str, choices: Iterable[str], none: NoneIs = "refused") -> None:
    """Raise a ValueError where the named setting is none of `choices`."""
    known = tuple(choices)
    for _, value in _given(settings, (name,), none):
        if not isinstance(value, str) or value not in known:
            *most, last = [*map(repr, known), *(["None"] if none == "allowed" else [])]
            wanted = f"{', '.join(most)} or {last}" if most else last
            raise ValueError(f"{name} must be {wanted}, got {value!r}")


def _given(settings: Any, names: Iterable[str], none: NoneIs) -> Iterable[tuple[str, Any]]:
    """The named settings with their values, without those that may be None and are."""
    for name in names:
        held = settings if isinstance(settings, dict) else vars(settings)
        value = held[name] if name in held else getattr(settings, name)
        if isinstance(value, Real) and hasattr(value, "item") and name in held:
            # Checkpoints and provenances hold Python's own numbers only.
            value = held[name] = value.item()
        if value is not None or none == "refused":
            yield name, value
