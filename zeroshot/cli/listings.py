"""What the command line lists of priors."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import re
import shutil
import textwrap
from typing import Any

from zeroshot.checks import is_number
from zeroshot.registry import prior_named, prior_outline, prior_table
from zeroshot.words import noise_level

_INDENT = "    "
# How a docstring says that a setting is as in another class.
_REFERENCE = re.compile(r"(See|As for|As in) :class:")


def with_units(provenance: dict[str, Any]) -> dict[str, Any]:
    """The provenance with the noise level in words behind the number, which is on the [0, 1] scale."""
    sigma, value_range = provenance.get("sigma"), provenance.get("value_range", (0, 255))
    if not is_number(sigma):
        return provenance
    told: dict[str, Any] = {}
    for name, value in provenance.items():
        told[name] = value
        if name == "sigma":
            told["sigma_in_words"] = noise_level(sigma, tuple(value_range))
    return told


def prior_listing() -> str:
    """Every prior in one line."""
    return str(prior_table())


def prior_facts(name: str) -> dict[str, Any]:
    """One prior with its settings, for programs."""
    name = prior_named(name)
    found = prior_outline(name)
    meanings = documented_parameters(found)
    settings = [
        {"name": field.name, "default": _default(field), "meaning": meanings.get(field.name, "")}
        for field in dataclasses.fields(found)  # type: ignore[arg-type]
    ]
    return {"name": name, "summary": found.summary, "settings": settings}


def prior_description(name: str) -> str:
    """One prior with its settings: its own words where it has `settings_help`, else its docstring's."""
    name = prior_named(name)
    found = prior_outline(name)
    own = getattr(found, "settings_help", None)
    if callable(own):
        return f"{name}: {found.summary}\n\n{str(own()).rstrip()}"
    heading = f"{name}: {found.summary}\n\nsettings (a task may have its own defaults):"
    meanings = documented_parameters(found)
    rows = [(f"{field.name} = {_default(field)}", meanings.get(field.name, "")) for field in
            dataclasses.fields(found)]  # type: ignore[arg-type]  # fmt: skip
    return "\n".join([heading, *_in_columns(rows)])


def _default(field: dataclasses.Field[Any]) -> str:
    if field.default is not dataclasses.MISSING:
        return repr(field.default)
    if field.default_factory is not dataclasses.MISSING:
        return repr(field.default_factory())
    return "(required)"


def documented_parameters(documented: type) -> dict[str, str]:
    """The Parameters sections of numpydoc docstrings: name → type and meaning, each on one line.

    What a class leaves out, or refers to another class for, is as one of its bases has it.
    """
    found: dict[str, str] = {}
    for base in reversed(documented.__mro__):
        for name, meaning in _parameters_section(vars(base).get("__doc__") or "").items():
            if not (name in found and _REFERENCE.match(meaning)):
                found[name] = meaning
    return {name: re.sub(r":\w+:|``|`~?", "", meaning) for name, meaning in found.items()}


def _parameters_section(docstring: str) -> dict[str, str]:
    lines = inspect.cleandoc(docstring).splitlines()
    found: dict[str, str] = {}
    names: list[str] = []
    inside = False
    for line, following in itertools.pairwise([*lines, ""]):
        if following and set(following) == {"-"}:
            inside = line.strip() == "Parameters"
            names = []
        elif inside and line and not line[0].isspace() and set(line) != {"-"}:
            head, _, kind = line.partition(" : ")
            names = [name.strip().lstrip("*") for name in head.split(",")]
            # A set of words says what is allowed; a Python type says nothing to somebody at a terminal.
            allowed = kind.strip().strip("{}").replace('"', "") if kind.strip().startswith("{") else ""
            found |= dict.fromkeys(names, f"{allowed}:" if allowed else "")
        elif inside:
            for name in names:
                found[name] = f"{found[name]} {line.strip()}".strip()
    return found


def _in_columns(rows: list[tuple[str, str]]) -> list[str]:
    width = max((len(left) for left, _ in rows), default=0)
    total = max(60, min(shutil.get_terminal_size((100, 24)).columns, 110))
    lines = []
    for left, right in rows:
        first = f"{_INDENT}{left:<{width}}   "
        lines += textwrap.wrap(
            right, total, initial_indent=first, subsequent_indent=" " * len(first), break_on_hyphens=False
        ) or [first.rstrip()]
    return lines
