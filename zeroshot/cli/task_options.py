"""The options of tasks and of their damage on the command line, from the tables of :mod:`zeroshot.tasks`."""

from __future__ import annotations

import argparse
from collections.abc import Callable
from typing import Any

from zeroshot.cli.arguments import Parser
from zeroshot.notes import note
from zeroshot.spelling import Spelled, for_command_line
from zeroshot.tasks import Option, Task, task_named, tasks
from zeroshot.tasks.noise import DATA_TERM, NOISE
from zeroshot.tasks.options import Switch

_INDENT = "    "
#: What the short help shows of all damages.
_COMMON_DAMAGE = ("sigma", "missing", "scale")


def task_listing() -> str:
    """Every task with its options."""
    return "\n\n".join(_described(task) for task in tasks().values())


def task_facts() -> list[dict[str, Any]]:
    """The same for programs: every task with its options, each as it is typed and as it is called in Python."""
    return [
        {
            "name": task.name,
            "summary": task.summary,
            "prior": task.prior,
            "options": [
                {
                    "name": option.name,
                    "flag": option.flag,
                    "meaning": _meaning(option),
                    "required": option.required,
                    "expert": option.expert,
                }
                for option in task.options
            ],
        }
        for task in tasks().values()
    ]


def _described(task: Task) -> str:
    lines = [f"{task.name}: {task.summary}"]
    lines += [f"{_INDENT}{option.flag}: {_meaning(option)}" for option in task.options]
    return "\n".join(lines)


def add_task_options(command: Parser, task: Task) -> None:
    """Add the options that the task is told."""
    for option in task.options:
        meaning = option.meaning.for_command_line() if option.required else _meaning(option)
        place = command.expert_options() if option.expert else command
        _add(place, option, meaning, default=argparse.SUPPRESS, required=option.required)


def task_values(options: argparse.Namespace) -> dict[str, Any]:
    """The options of the task that were given."""
    given = vars(options)
    values = {
        option.name: given[option.name] for option in tasks()[options.command].options if option.name in given
    }
    _remark_on_units(values)
    return values


def add_damage_options(command: Parser) -> None:
    """Add what makes the noise and the damage of any task; which goes with which is checked later."""
    group = command.add_argument_group("what the damage is")
    for option in NOISE:
        place = group if option.name in _COMMON_DAMAGE else command.expert_options()
        _add(place, option, option.meaning.for_command_line())
    for name, alike in _damage_options().items():
        meanings = [f"{task.name}: {_meaning(option)}" for task, option in alike]
        place = group if name in _COMMON_DAMAGE else command.expert_options()
        _add(place, alike[0][1], "; ".join(meanings))


def add_data_term(command: Parser) -> None:
    """Add what is minimised, whatever the damage is."""
    meaning = f"{DATA_TERM.meaning.for_command_line()} (default: what goes with the noise)"
    _add(command.expert_options(), DATA_TERM, meaning)


def add_task(command: Parser) -> None:
    """Add the choice of the task that undoes the damage."""
    command.add_argument(
        "--task", required=True, type=_task, metavar="TASK", help=f"one of {', '.join(tasks())}"
    )


def _task(word: str) -> str:
    try:
        return task_named(word).name
    except ValueError as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def damage_values(options: argparse.Namespace) -> dict[str, Any]:
    """What was given of the noise, the damage and the data term."""
    given = vars(options)
    names = [*(option.name for option in NOISE), *_damage_options(), DATA_TERM.name]
    values = {name: given[name] for name in names if given.get(name) is not None}
    _remark_on_units(values)
    return values


def _damage_options() -> dict[str, list[tuple[Task, Option]]]:
    """The options of all damages by name, with the tasks that have them."""
    found: dict[str, list[tuple[Task, Option]]] = {}
    for task in tasks().values():
        for option in task.damage_options:
            found.setdefault(option.name, []).append((task, option))
    return found


def _meaning(option: Option) -> str:
    return option.meaning.for_command_line() + option.typed_default


def _add(place: Any, option: Option, meaning: str, **how: Any) -> None:
    if isinstance(option.type, Switch):
        how = {"default": how.get("default"), "action": argparse.BooleanOptionalAction}
        place.add_argument(option.flag, dest=option.name, help=meaning.replace("%", "%%"), **how)
        return
    place.add_argument(
        option.flag,
        dest=option.name,
        type=_converter(option),
        metavar=option.name.upper(),
        help=meaning.replace("%", "%%"),
        **how,
    )


def _converter(option: Option) -> Callable[[str], Any]:
    def convert(word: str) -> Any:
        try:
            return option.parse(word)
        except Spelled as error:
            # argparse names the option itself.
            message = for_command_line(error).removeprefix(option.flag)
            raise argparse.ArgumentTypeError(message.strip()) from None

    return convert


def _remark_on_units(values: dict[str, Any]) -> None:
    sigma = values.get("sigma")
    levels = 255 * sigma if isinstance(sigma, float) else 0
    if 0 < levels < 1:
        told = f"--sigma {levels:g} is in 8-bit grey levels, from 0 to 255"
        note(f"{told}; {levels:g} of the range from black to white is --sigma {255 * levels:g}")
