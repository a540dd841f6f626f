"""What ``--resume`` finds finished: whether it was made as it is asked for now, by what the file says of itself."""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zeroshot.standings import ROLES
from zeroshot.tasks import Option, tasks


def require_made_alike(options: argparse.Namespace, output: Path) -> None:
    """Refuse to take for finished what was made with other options, where the file says with which.

    ``--seconds``, ``--threads`` and ``--device`` may differ, as they may where a run is continued; so may a prior that
    is chosen for the picture (``--fast``, ``--best``, the default).

    Raises
    ------
    ValueError
        With the options that differ, and what they were.
    """
    from zeroshot.images import ImageError, read_provenance

    try:
        made = read_provenance(output)
    except (ImageError, OSError, ValueError):
        return  # nobody knows how it was made
    if made is None:
        return
    told = [f"{name} was {there}, not {here}" for name, there, here in _differences(options, made)]
    if told:
        raise ValueError(
            f"{output} is finished, but was made otherwise: {', '.join(told)}; --overwrite makes it anew, another name "
            "keeps both"
        )


def _differences(options: argparse.Namespace, made: dict[str, Any]) -> Iterator[tuple[str, Any, Any]]:
    """What differs: how it is typed, what it was, and what it is to be."""
    from zeroshot.registry import prior_class

    if made.get("task") != options.command:
        yield "the task", made.get("task"), options.command
        return
    prior, named = made.get("prior"), options.prior
    if named is not None and named not in ROLES and "raw" not in made:
        wanted = prior_class(named).name
        if prior not in (wanted, named):
            yield "--prior", prior, wanted
            return  # whose settings are others as well
    kept = made.get("options", {})
    given = tasks()[options.command].completed(options.task_values)
    for option in tasks()[options.command].options:
        if option.name not in kept:
            continue
        there, here = kept[option.name], _as_recorded(given[option.name], made)
        if there != here:
            yield option.flag, _typed(option, there), _typed(option, here)
    kept = made.get("settings", {})
    for name, value in () if options.seconds is not None else options.settings:
        here = _as_recorded(value, made)
        if name in kept and kept[name] != here:
            yield f"--set {name}", kept[name], here
    if made.get("seed", options.seed) != options.seed:
        yield "--seed", made["seed"], options.seed
    together = made.get("stack", {}).get("joint", {}).get("together")
    if together is not None and options.channels != "auto":
        here = "joint" if together else "separate"
        if here != options.channels:
            yield "--channels", here, options.channels


def _as_recorded(value: Any, made: dict[str, Any]) -> Any:
    """A value as the file would have it, whose parts are told in other words than whole pictures are."""
    if "regions" in made:
        from zeroshot.regions import in_words

        return in_words(value)
    from zeroshot.provenance import described

    return described(value)


def _typed(option: Option, value: Any) -> str:
    """A recorded value in the units of the command line, where there is a word for it."""
    try:
        return option.type.typed(value) or str(value)
    except (TypeError, ValueError):
        return str(value)
