"""Comparisons: every prior against learned models and baselines, over the same damaged images.

:func:`compare` runs them, a :class:`Method` is whatever makes an image out of a damaged one, and a
:class:`Table` of :class:`Cell` is what comes of it. :mod:`zeroshot.compare.specification` lists the methods that
can be named by a text.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zeroshot.compare.method import Case, Method
from zeroshot.compare.records import Cell, CurvePoint, Table

if TYPE_CHECKING:
    from zeroshot.compare.comparison import compare

__all__ = ["Case", "Cell", "CurvePoint", "Method", "Table", "compare"]


def __getattr__(name: str) -> Any:
    # Methods import this package for what they are made of; all that runs them would be a circle.
    if name == "compare":
        from zeroshot.compare.comparison import compare

        return compare
    raise AttributeError(f"module 'zeroshot.compare' has no attribute {name!r}")
