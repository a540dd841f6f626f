"""Comparisons: every prior against learned models and baselines, over the same damaged images.

:func:`compare` runs them, a :class:`Method` turns a damaged image into a restored one, and the result is a
:class:`Table` of :class:`Cell`. :mod:`zeroshot.compare.specification` lists the methods that can be named by a
text.
"""

from __future__ import annotations

from zeroshot.compare.comparison import compare
from zeroshot.compare.method import Case, Method
from zeroshot.compare.records import Cell, CurvePoint, Table

__all__ = ["Case", "Cell", "CurvePoint", "Method", "Table", "compare"]
