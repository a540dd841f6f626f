"""What the command line lists: tasks, priors and operators, in its own units and spelling."""

from __future__ import annotations

import dataclasses
import inspect
import itertools
import re
import shutil
import textwrap
from typing import Any

from zeroshot.operators import parse
from zeroshot.registry import prior_outline, prior_summaries
from zeroshot.tasks import Option, Task, tasks

# What an option takes on the command line, where that is less than in Python, or in other units.
_MEANINGS = {
    "sigma": "noise level in 8-bit grey levels (25 means 25/255), or 'auto' to estimate it",
    "data_term": "'gaussian', 'poisson', 'l1' or 'huber'",
    "peak": "with --data-term poisson: how many photons make white",
    "mask": "an image file of the input's height and width, white where pixels are known; 'alpha' for the "
    "image's own alpha channel; or the colour that marks the hole ('#ff00ff')",
    "hints": "an RGBA image file of the input's size: colours where alpha is set, nothing elsewhere",
    "kernel_sigma": "with --kernel gaussian: its standard deviation in output pixels",
    "operator": "the damage, such as 'mosaic(RGGB) @ downsample(2)'; 'zeroshot restore --help' lists the operators",
    ("deblur", "kernel"): "the blur kernel: a file (.npy or an image, of odd height and width), or text such "
    "as 'gaussian=1.6', 'motion=15, angle=30', 'disk=3'",
    ("sr", "kernel"): "how the small image came about: 'bicubic', 'lanczos2', 'lanczos3', 'box', 'gaussian', "
    "or a file of the kernel (.npy or an image)",
}
_INDENT = "    "
# How a docstring says that a setting is as in another class.
_REFERENCE = re.compile(r"(See|As for|As in) :class:")


def option_flag(option: Option) -> str:
    """The option as it is typed."""
    return "--" + option.name.replace("_", "-")


def option_meaning(task: Task, option: Option) -> str:
    """What the option takes on the command line."""
    return _MEANINGS.get((task.name, option.name)) or _MEANINGS.get(option.name) or option.meaning


def task_listing() -> str:
    """Every task with its options."""
    return "\n\n".join(_described_task(task) for task in tasks().values())


def _described_task(task: Task) -> str:
    lines = [f"{task.name}: {task.summary}"]
    for option in task.options:
        lines.append(
            f"{_INDENT}{option_flag(option)}: {option_meaning(task, option)}{option_default(option)}"
        )
    return "\n".join(lines)


def option_default(option: Option) -> str:
    """The option's default in brackets, in the units of the command line."""
    if option.required:
        return " (required)"
    if option.name == "sigma":
        return " (default auto)" if option.default is None else f" (default {option.default * 255:g})"
    return "" if option.default is None else f" (default {option.default})"


def operator_table() -> str:
    """The operators that can be written as text, with their arguments: the table of `operators.parse`."""
    rows = []
    inside = False
    for line in inspect.cleandoc(parse.__doc__ or "").splitlines():
        if line.startswith("==="):
            inside = not inside
        elif inside:
            rows.append(re.split(r"\s{2,}", line.replace("``", "").strip(), maxsplit=1))
    width = max((len(row[0]) for row in rows), default=0)
    return "\n".join(f"{_INDENT[:2]}{row[0]:<{width}}  {' '.join(row[1:])}".rstrip() for row in rows)


def prior_listing() -> str:
    """Every prior in one line."""
    return "\n".join(f"{name}: {summary}" for name, summary in prior_summaries().items())


def prior_description(name: str) -> str:
    """One prior with its settings: its own words where it has `settings_help`, else its docstring's."""
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
