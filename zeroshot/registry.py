"""Prior name → class, through the entry-point group ``zeroshot.priors``.

Another package adds a prior by declaring one line::

    [project.entry-points."zeroshot.priors"]
    mine = "my_package:MyPrior"
"""

from __future__ import annotations

from importlib.metadata import EntryPoint, entry_points
from typing import TYPE_CHECKING

from zeroshot.words import unknown

if TYPE_CHECKING:  # a name is looked up without PyTorch
    from zeroshot.prior import Prior

_GROUP = "zeroshot.priors"


def _declared() -> dict[str, EntryPoint]:
    return {entry.name: entry for entry in entry_points(group=_GROUP)}


def prior_names() -> list[str]:
    """The names of all installed priors, sorted."""
    return sorted(_declared())


def prior_class(name: str) -> type[Prior]:
    """The class of the prior of this name.

    Raises
    ------
    ValueError
        Where no prior of that name is installed; the message lists those that are.
    """
    declared = _declared()
    if name not in declared:
        raise ValueError(unknown("prior", name, declared))
    return declared[name].load()


def class_names() -> list[str]:
    """The names of the classes of all installed priors."""
    return [entry.attr for entry in _declared().values()]


def class_named(class_name: str) -> type[Prior] | None:
    """The prior class called `class_name` among the installed ones, or None."""
    for entry in _declared().values():
        if entry.attr == class_name:
            return entry.load()
    return None
