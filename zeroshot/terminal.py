"""Whether somebody sees what is printed."""

from __future__ import annotations

from typing import Any


def is_terminal(stream: Any) -> bool:
    """Whether a stream is a terminal; one that is closed, or None as those of a process without any, is none."""
    try:
        return bool(stream.isatty())
    except (AttributeError, ValueError, OSError):
        return False
