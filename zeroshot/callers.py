"""Where a warning belongs: at the line of whoever called this package, however deep it was found."""

from __future__ import annotations

import sys


def level_of_caller() -> int:
    """The `stacklevel` for :func:`warnings.warn`, called here directly, of the first frame outside the package."""
    package = __name__.partition(".")[0]
    frame, level = sys._getframe(1), 1
    while frame.f_back is not None and str(frame.f_globals.get("__name__")).partition(".")[0] == package:
        frame, level = frame.f_back, level + 1
    return level
