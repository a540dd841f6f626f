"""Kernels that are to be found from the picture, asked for in words: ``auto``, ``auto, width=0.85``, ``sheet``."""

from __future__ import annotations

import os
from dataclasses import dataclass
from typing import Any

from zeroshot.spelling import Argument, OptionError, Wording
from zeroshot.tasks.options import Scale

#: What finds a kernel of any kind, and what shows the restorations with those about it.
AUTO, SHEET = "auto", "sheet"
#: The kinds that may be named.
KINDS = ("motion", "lens")
#: The tasks with a kernel that can be found.
TASKS = ("deblur", "sr")
#: How much narrower and wider than found a kernel may be made.
_NARROWEST, _WIDEST = 0.2, 5.0
_INSTEAD = Wording(
    " is a picture of many restorations: zeroshot.kernel_sheet(image) makes it",
    " is for the commands deblur and sr",
)


@dataclass(frozen=True)
class Wanted:
    """What is asked for.

    Attributes
    ----------
    kind : {"motion", "lens"} or None
        What the kernel is looked for among; None: all.
    width : float
        How many times as wide as found it is to be.
    is_sheet : bool
        Whether a sheet with the kernels about it is wanted.
    """

    kind: str | None = None
    width: float = 1.0
    is_sheet: bool = False


def wanted(kernel: Any, kinds: tuple[str, ...] = KINDS) -> Wanted | None:
    """What a kernel option asks for that the picture is to tell; None where it tells the kernel itself.

    Parameters
    ----------
    kernel : object
        The value of the option: ``"auto"``, ``"auto=KIND"``, either with ``", width=FACTOR"``, or ``"sheet"``,
        ``"sheet=KIND"``.
    kinds : tuple of str
        Those that may be named.
    """
    if not isinstance(kernel, str) or os.path.exists(kernel):
        return None
    head, comma, width = "".join(kernel.split()).partition(",")
    word, equals, kind = head.partition("=")
    if word not in (AUTO, SHEET) or (equals and kind not in kinds):
        return None
    if not comma:
        return Wanted(kind or None, is_sheet=word == SHEET)
    factor = _factor(width)
    return None if factor is None or word == SHEET else Wanted(kind or None, factor)


def _factor(text: str) -> float | None:
    name, _, value = text.partition("=")
    try:
        factor = float(value) if name == "width" else 0.0
    except ValueError:
        return None
    return factor if _NARROWEST <= factor <= _WIDEST else None


def is_misspelt(kernel: Any) -> bool:
    """Whether it begins as one of the words that :func:`wanted` knows does, which a file of that name may as well."""
    head = kernel.partition("=")[0].partition(",")[0].strip() if isinstance(kernel, str) else ""
    return head in (AUTO, SHEET)


def misspelt(name: str, kernel: str, kinds: tuple[str, ...] = KINDS) -> OptionError:
    """The error for a word that is nearly one of them."""
    words = [AUTO, *(f"{AUTO}={kind}" for kind in kinds), f"{AUTO}, width=FACTOR", SHEET]
    limits = f"with a factor from {_NARROWEST:g} to {_WIDEST:g}"
    return OptionError(Argument(name), f" must be one of {', '.join(words)}, {limits}, got {kernel!r}")


def require_no_sheet(what: Wanted) -> None:
    """Refuse a sheet where a single restoration is made."""
    if what.is_sheet:
        raise OptionError(Argument("kernel", SHEET), _INSTEAD)


def require_kernel_of(task: str, scale: int | None, kind: str | None) -> None:
    """Refuse tasks without a kernel to find, and what does not go with the others.

    Raises
    ------
    OptionError
        In one line.
    """
    if task not in TASKS:
        raise OptionError(Argument("task"), f" must be one of {', '.join(TASKS)}, got {task!r}")
    if task == "sr":
        if scale is None:
            raise OptionError(Argument("task", "sr"), " needs ", Argument("scale", ...))
        Scale().check("scale", scale)
    elif scale is not None:
        raise OptionError(Argument("scale", ...), " goes with ", Argument("task", "sr"))
    if kind is not None and (task != "deblur" or kind not in KINDS):
        raise OptionError(
            Argument("kind"), f" must be one of {', '.join(KINDS)}, with ", Argument("task", "deblur")
        )
