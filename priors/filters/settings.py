"""Checks of the filters' settings."""

from __future__ import annotations

import math
from typing import Any


def require_positive(settings: Any, *names: str) -> None:
    """Raise a ValueError where one of the named settings is not a positive number."""
    for name in names:
        value = getattr(settings, name)
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        if not (is_number and 0 < value < math.inf):
            raise ValueError(f"{name} must be a positive number, got {value!r}")


def require_positive_or_none(settings: Any, *names: str) -> None:
    """As :func:`require_positive`, where None is allowed too."""
    require_positive(settings, *(name for name in names if getattr(settings, name) is not None))


def require_choice(settings: Any, name: str, choices: tuple[str, ...]) -> None:
    """Raise a ValueError where the named setting is none of `choices`."""
    value = getattr(settings, name)
    if value not in choices:
        raise ValueError(f"{name} must be {' or '.join(map(repr, choices))}, got {value!r}")
