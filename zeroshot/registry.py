"""Prior name → class, through the entry-point group ``zeroshot.priors``.

Another package adds a prior by declaring one line::

    [project.entry-points."zeroshot.priors"]
    mine = "my_package:MyPrior"
"""

from __future__ import annotations

import difflib
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from zeroshot.prior import Prior
from zeroshot.problem import Problem

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


def create(prior: str | Prior, problem: Problem, settings: dict[str, Any] | None = None) -> Prior:
    """A configured prior: `prior` itself, or the defaults of the family of that name for `problem`.

    Parameters
    ----------
    prior : str or Prior
        A registered name, or an object configured by the caller.
    problem : Problem
        What is to be solved; names are given the defaults of its task.
    settings : dict, optional
        Hyper-parameters to put over the defaults; only with a name.

    Raises
    ------
    ValueError
        Where the name or a setting is unknown, a value is out of range, or settings are given for an object.
    """
    if isinstance(prior, str):
        return prior_class(prior).for_problem(problem, **(settings or {}))
    if not isinstance(prior, Prior):
        raise TypeError(f"prior must be a name or a Prior object, got {type(prior).__name__}")
    if settings:
        raise ValueError(
            f"settings ({', '.join(settings)}) go with a prior's name; configure the object itself"
        )
    return prior


def unknown(what: str, name: str, known: Any) -> str:
    """The message for an unknown name: what there is, the likeliest first."""
    lower = {one.lower(): one for one in known}
    near = [lower[one] for one in difflib.get_close_matches(str(name).lower(), list(lower), n=1)]
    hint = f" (did you mean {near[0]!r}?)" if near else ""
    return f"there is no {what} {name!r}{hint}; there are: {', '.join(sorted(known))}"
