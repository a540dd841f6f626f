"""The priors that come with zeroshot, one module or package per family.

Called, the package gives the table of all installed priors, as :func:`zeroshot.tasks` does of the tasks:

>>> import zeroshot
>>> zeroshot.priors()["tv"]
'total variation: sharp edges, flat in between; convex, seconds, any linear damage'
"""

from __future__ import annotations

import sys
from types import ModuleType

from zeroshot.registry import PriorTable, prior_table


class _Listed(ModuleType):
    """A package that can be called for the table of what it holds."""

    def __call__(self) -> PriorTable:
        """The installed priors by name, each with what it is in one line."""
        return prior_table()


sys.modules[__name__].__class__ = _Listed
