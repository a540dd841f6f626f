"""Checks of settings: whole numbers, numbers and choices, each with one line that says what would be right.

Every check takes the settings, a dataclass or a dict, and the names of those to look at.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, Literal, TypeGuard

#: Whether None passes, as where it means that a value is chosen.
NoneIs = Literal["refused", "allowed"]


def require_whole(
    settings: Any, *names: str, least: int = 1, most: int | None = None, none: NoneIs = "refused"
) -> None:
    """Raise a ValueError where a named setting is not a whole number from `least` to `most`."""
    wanted = f"of at least {least}" if most is None else f"from {least} to {most}"
    for name, value in _given(settings, names, none):
        whole = isinstance(value, int) and not isinstance(value, bool)
        if not whole or value < least or (most is not None and value > most):
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


def require_choice(settings: Any, name: str, choices: Iterable[str], none: NoneIs = "refused") -> None:
    """Raise a ValueError where the named setting is none of `choices`."""
    known = tuple(choices)
    for _, value in _given(settings, (name,), none):
        if not isinstance(value, str) or value not in known:
            *most, last = [*map(repr, known), *(["None"] if none == "allowed" else [])]
            wanted = f"{', '.join(most)} or {last}" if most else last
            raise ValueError(f"{name} must be {wanted}, got {value!r}")


def is_number(value: Any) -> TypeGuard[float]:
    """Whether `value` is a finite int or float, and not a bool."""
    return isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)


def _given(settings: Any, names: Iterable[str], none: NoneIs) -> Iterable[tuple[str, Any]]:
    """The named settings with their values, without those that may be None and are."""
    for name in names:
        value = settings[name] if isinstance(settings, dict) else getattr(settings, name)
        if value is not None or none == "refused":
            yield name, value
