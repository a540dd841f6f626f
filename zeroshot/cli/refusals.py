"""What argparse refuses, said in our words: what was wrong, and what would be right.

argparse has one place through which all its refusals go, :meth:`argparse.ArgumentParser.error`, and hands it a text.
The patterns here are the texts of Python 3.10 to 3.14; another text is said as it is.
"""

from __future__ import annotations

import argparse
import re
from collections.abc import Callable, Iterable, Sequence

from zeroshot.words import likeliest, shortened

_LONGEST_MEANING = 100


def reworded(message: str, actions: Iterable[argparse.Action], examples: Sequence[str], program: str) -> str:
    """The message of argparse in our words.

    Parameters
    ----------
    message : str
        As argparse words it.
    actions : iterable of argparse.Action
        The arguments of the parser.
    examples : sequence of str
        Commands that are right, as the help shows them.
    program : str
        The command, for the advice where no example fits.
    """
    known = {name: action for action in actions for name in _names(action)}
    for pattern, word in _WORDINGS:
        found = re.fullmatch(pattern, message, flags=re.DOTALL)
        if found is not None:
            return word(found, known, examples, program)
    return message


Wording = Callable[[re.Match, dict[str, argparse.Action], Sequence[str], str], str]


def _missing(
    found: re.Match, known: dict[str, argparse.Action], examples: Sequence[str], program: str
) -> str:
    names = found["names"].split(", ")
    options = [name for name in names if name.startswith("-")]
    told = f"{_and(names)} {'is' if len(names) == 1 else 'are'} missing"
    if len(names) == 1 and names[0] in known:
        told += _meaning(known[names[0]])
    fitting = [one.partition(" #")[0].strip() for one in examples if all(name in one for name in options)]
    return f"{told}; write, for example, '{fitting[0]}'" if fitting else f"{told}; {_help(program)}"


def _excluded(found: re.Match, *_others: object) -> str:
    return f"give {found['other']} or {found['name']}, not both"


def _one_of(found: re.Match, _known: object, _examples: object, program: str) -> str:
    return f"give one of {', '.join(found['names'].split())}; {_help(program)}"


def _without_value(found: re.Match, known: dict[str, argparse.Action], *_others: object) -> str:
    action = known.get(found["name"])
    if action is None:
        return f"{found['name']} needs a value"
    typed = action.metavar or action.dest.upper()
    return f"{_shown(found['name'])} needs a value: {_shown(found['name'])} {typed}{_meaning(action)}"


def _with_value(found: re.Match, *_others: object) -> str:
    return f"{_shown(found['name'])} takes no value, got {found['value']}"


def _no_choice(found: re.Match, known: dict[str, argparse.Action], *_others: object) -> str:
    action = known.get(found["name"])
    choices = [str(one) for one in (action.choices or ())] if action is not None else []
    near = likeliest(found["value"].strip("'\""), choices)
    hint = f"; did you mean {near}?" if near else ""
    return f"{_shown(found['name'])} must be {_or(choices)}, got {found['value']}{hint}"


_WORDINGS: tuple[tuple[str, Wording], ...] = (
    (r"the following arguments are required: (?P<names>.+)", _missing),
    (r"argument (?P<name>\S+): not allowed with argument (?P<other>\S+)", _excluded),
    (r"one of the arguments (?P<names>.+) is required", _one_of),
    (r"argument (?P<name>\S+): expected (?:at least )?one argument", _without_value),
    (r"argument (?P<name>\S+): ignored explicit argument (?P<value>.+)", _with_value),
    (r"argument (?P<name>\S+): invalid choice: (?P<value>.+?)(?:, maybe .+)? \(choose from .+\)", _no_choice),
)


def _names(action: argparse.Action) -> list[str]:
    """What argparse calls an argument in its messages."""
    metavar = action.metavar if isinstance(action.metavar, str) else None
    return ["/".join(action.option_strings), *action.option_strings, *filter(None, (metavar, action.dest))]


def _shown(name: str) -> str:
    """The longest of the names of one option: --output of -o/--output."""
    return max(name.split("/"), key=len)


def _meaning(action: argparse.Action) -> str:
    """What an argument is, as far as its help says so in a line."""
    told = (action.help or "").replace("%%", "%") if action.help is not argparse.SUPPRESS else ""
    told = re.split(r"[:;] | \(default", told)[0]
    return f" ({shortened(told, _LONGEST_MEANING)})" if told else ""


def _help(program: str) -> str:
    return f"'{program} --help' shows what it takes"


def _and(names: Sequence[str]) -> str:
    *most, last = map(_shown, names)
    return f"{', '.join(most)} and {last}" if most else last


def _or(names: Sequence[str]) -> str:
    *most, last = names or ("one of its words",)
    return f"{', '.join(most)} or {last}" if most else last
