"""What ``--resume`` finds finished: whether it was made as it is asked for now, by what the file says of itself."""

from __future__ import annotations

import argparse
import itertools
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from zeroshot.standings import ROLES
from zeroshot.tasks import Option, tasks


def require_made_alike(options: argparse.Namespace, source: Path, output: Path) -> None:
    """Refuse to take for finished what was made of another input or with other options, where the file says of which.

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
    differences = itertools.chain(_differences_of_input(options, source, made), _differences(options, made))
    told = [f"{name} was {there}, not {here}" for name, there, here in differences]
    if told:
        raise ValueError(
            f"{output} is finished, but was made otherwise: {', '.join(told)}; --overwrite makes it anew, another name "
            "keeps both"
        )


def _differences_of_input(
    options: argparse.Namespace, source: Path, made: dict[str, Any]
) -> Iterator[tuple[str, Any, Any]]:
    """What is another input: of a picture its pixels tell, of a stack, which may be large, its axes and its scene."""
    from zeroshot.images import ImageError, load
    from zeroshot.images.stack import stack_of

    try:
        stack = stack_of(source, options.axes, scene=options.scene)
        there = made.get("stack")
        if (stack is None) != (there is None):
            yield "the input", "one picture" if there is None else "a stack", source.name
        elif stack is not None and there is not None:
            now = f"{stack.axes} of {' × '.join(map(str, stack.shape))}"
            if (was := f"{there['axes']} of {' × '.join(map(str, there['shape']))}") != now:
                yield "the input", was, now
            elif there.get("scene") != stack.scene:
                yield "--scene", there.get("scene"), stack.scene
        else:
            known = None if "raw" in made else made.get("input_sha256")
            if known is not None and load(source, value_range=options.value_range).sha256() != known:
                yield "the input", "another picture", source.name
    except (ImageError, OSError, ValueError, KeyError):
        return  # what is wrong with it is no reason to lose what is finished


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
