"""Notes to the user: warnings that point to the user's own line, however deep within the package they arise."""

from __future__ import annotations

import sys
import warnings
from types import FrameType

#: Context managers pass through here on their way out.
_BETWEEN = ("contextlib",)


def note(message: str | Warning) -> None:
    """Warn of what does not stop a run.

    The warning is that of the line that called the package, so that Python shows it once for each such line, and
    filters by module see whose it is.

    Parameters
    ----------
    message : str or Warning
        A text, which makes a UserWarning, or a warning such as :class:`zeroshot.spelling.OptionWarning`.
    """
    level = 2
    frame: FrameType | None = sys._getframe(1)
    while frame is not None and _is_within(frame.f_globals.get("__name__", "")):
        frame, level = frame.f_back, level + 1
    warnings.warn(message, stacklevel=level)


def _is_within(module: str) -> bool:
    return module in _BETWEEN or module.partition(".")[0] == "zeroshot"
