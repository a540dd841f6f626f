"""The parser of the command line: help in two lengths, and errors of one line that say what would be right.

Each page of help shows what is needed often and two examples; ``--help-all`` shows the rest as well.
"""

from __future__ import annotations

import argparse
import glob
import re
import textwrap
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

from zeroshot import synonyms
from zeroshot.cli.refusals import reworded
from zeroshot.spelling import visible
from zeroshot.tasks import tasks
from zeroshot.words import likeliest

_PIPE = "'-' is no picture here: only tasks read one from standard input; give the name of a file"


class Parser(argparse.ArgumentParser):
    """A parser of one command.

    Attributes
    ----------
    details : str
        What the description goes on with where everything is asked for.
    write_details : callable or None
        Writes, when it is asked for, what is to stand before the examples.
    """

    def __init__(self, *args: Any, examples: Sequence[str] = (), **options: Any) -> None:
        options.setdefault("formatter_class", _Formatter)
        options.setdefault("allow_abbrev", False)  # what is short for one option today is so for two tomorrow
        if "\n" not in (options.get("description") or "\n"):
            options["description"] = textwrap.fill(options["description"], 79)
        super().__init__(*args, **options)
        self._everything = self.add_argument(
            "--help-all", action=_HelpAll, nargs=0, default=argparse.SUPPRESS, help=argparse.SUPPRESS
        )
        self.details = ""
        self.write_details: Callable[[], str] | None = None
        self._examples = tuple(examples)
        self._expert: Any = None

    def expert_options(self) -> Any:
        """The group of the options that only ``--help-all`` shows."""
        if self._expert is None:
            self._everything.help = "show the options for experts as well"
            self._expert = self.add_argument_group("options for experts")
        return self._expert

    def format_help(self) -> str:
        """The page with what is needed often."""
        hidden = {} if self._expert is None else {one: one.help for one in self._expert._group_actions}
        for action in hidden:
            action.help = argparse.SUPPRESS
        try:
            return self._page()
        finally:
            for action, text in hidden.items():
                action.help = text

    def format_everything(self) -> str:
        """The page with all options."""
        description = self.description
        if self.details:
            self.description = f"{description}\n\n{self.details}"
        try:
            return self._page()
        finally:
            self.description = description

    def _page(self) -> str:
        ahead = "" if self.write_details is None else self.write_details()
        shown = "".join(f"\n  {example}" for example in self._examples)
        self.epilog = ahead + (f"examples:{shown}" if shown else "")
        return super().format_help()

    def flags(self) -> dict[str, str]:
        """The options by their names in Python, each as it is typed.

        Of several with one name, such as --prior and --best, the others are called as they are typed.
        """
        found: dict[str, str] = {}
        for flag, name in ((one.option_strings[-1], one.dest) for one in self._actions if one.option_strings):
            found[flag[2:].replace("-", "_") if name in found else name] = flag
        return found

    def knows(self, typed: str) -> bool:
        """Whether this is an option."""
        return typed in self._option_string_actions

    def within(self, words: Sequence[str]) -> Parser:
        """The parser of the command within this command that the words choose, such as `list` of `weights`."""
        for action in self._actions:
            if isinstance(action, argparse._SubParsersAction):
                return next((action.choices[word] for word in words if word in action.choices), self)
        return self

    def error(self, message: str) -> NoReturn:
        """Print one line, and end with exit code 2."""
        message = " ".join(message.split())
        message = reworded(message, self._actions, self._examples, self.prog)
        if ": must " in message:
            message = message.removeprefix("argument ").replace(": must ", " must ", 1)
        self.exit(2, f"{self.prog}: error: {visible(message)}\n")


class _Formatter(argparse.RawDescriptionHelpFormatter):
    """Descriptions and examples as they are written, options in a narrow column."""

    def __init__(self, prog: str, **options: Any) -> None:
        super().__init__(prog, **{"max_help_position": 22, **options})


class _HelpAll(argparse.Action):
    """``--help-all``: print everything, and end."""

    def __call__(self, parser: Any, *_given: Any, **_named: Any) -> None:
        """Do so."""
        print(parser.format_everything(), end="")
        parser.exit()


class Files(argparse.Action):
    """Names of files and folders; a pattern such as ``*.png``, which some shells leave as it is, is looked up."""

    def __call__(self, parser: Any, options: argparse.Namespace, given: Any, *_named: Any) -> None:
        """Put the files into the options."""
        found = [path for word in given for path in _matching(word)]
        setattr(options, self.dest, found)


def _matching(path: Path) -> list[Path]:
    """The files that a pattern names, sorted; what exists, or matches nothing, stands for itself."""
    if path.exists() or not glob.has_magic(str(path)):
        return [path]
    return [Path(name) for name in sorted(glob.glob(str(path), recursive=True))] or [path]


# --- what was not understood --------------------------------------------------------------------------------


def named_command(words: Sequence[str], commands: dict[str, Parser], tasks: Sequence[str]) -> list[str]:
    """The words with the command by its own name, where it was called by another one.

    Raises
    ------
    ValueError
        Where the first word is no command; the message says what may be meant.
    """
    if not words:
        raise ValueError(
            "give a command, such as 'zeroshot denoise photo.png'; 'zeroshot --help' lists them all"
        )
    first, *others = words
    if first.startswith("-") and first != "-":
        return [first, *others]
    if first == "help":
        return [*others[:1], "--help"]
    meant = synonyms.canonical(first, commands, synonyms.TASKS)
    if meant is not None:
        return [meant, *others]
    if Path(first).exists() or "." in first or "/" in first:
        shown = ", ".join(f"'zeroshot {task} {first}'" for task in tasks[:3])
        raise ValueError(f"{first!r} is no command; say first what to do with it: {shown} …")
    raise ValueError(synonyms.unknown_name("command", first, commands, synonyms.TASKS))


def refuse_unknown_options(
    words: Sequence[str],
    parser: Parser,
    settings: Callable[[], Sequence[str]],
    elsewhere: Callable[[], Mapping[str, str]],
) -> None:
    """Refuse an option that the command does not have.

    Parameters
    ----------
    words : sequence of str
        Those behind the command.
    parser : Parser
        Of the command.
    settings : callable
        Gives the names of the settings of the prior that is asked for.
    elsewhere : callable
        Gives the settings of all priors, each with the name of one that has it.

    Raises
    ------
    ValueError
        The message says what may be meant.
    """
    parser = parser.within(words)
    if "settings" not in parser.flags():  # a command without priors, such as `degrade`
        settings, elsewhere = list, dict
    for index, word in enumerate(words):
        if word == "--":
            return
        typed, _, value = word.partition("=")
        if re.fullmatch(r"-[a-z][\w-]+", typed) and parser.knows(f"-{typed}"):
            raise ValueError(f"there is no option {typed} (did you mean -{typed}?)")
        if len(typed) > 2 and typed.startswith("--") and not parser.knows(typed):
            value = value or next((one for one in words[index + 1 : index + 2] if one[:1] != "-"), "…")
            raise ValueError(_unknown_option(typed, value, parser, settings(), elsewhere()))


def _unknown_option(
    typed: str,
    value: str,
    parser: Parser,
    settings: Sequence[str],
    elsewhere: Mapping[str, str],
) -> str:
    name, flags = typed[2:].replace("-", "_"), parser.flags()
    if name in settings:
        return f"{typed} is a setting of the prior: write --set {name}={value}"
    canonical = synonyms.canonical(name, flags, synonyms.OPTIONS)
    if canonical is None and name in elsewhere:
        return f"{typed} is a setting of other priors: write --prior {elsewhere[name]} --set {name}={value}"
    begun = [flag for flag in flags.values() if flag.startswith(typed)]
    meant = canonical or likeliest(name, [*flags, *settings, *elsewhere])
    if begun and canonical is None:
        hint = f" (did you mean {' or '.join(begun)}? Options are written in full)"
    elif meant is None:
        hint = ""
    elif meant in flags:
        hint = f" (did you mean {flags[meant]}?)"
    else:
        chosen = "" if meant in settings else f"--prior {elsewhere[meant]} "
        hint = f" (did you mean {chosen}--set {meant}={value}?)"
    return f"there is no option {typed}{hint}; '{parser.prog} --help' lists them"


def refuse_pipes(options: argparse.Namespace) -> None:
    """Refuse "-" for a file, but for the picture of a task and its result.

    Raises
    ------
    ValueError
        In one line.
    """
    allowed = ("inputs", "output") if options.command in tasks() else ()
    for name, value in vars(options).items():
        if name in allowed:
            continue
        for one in value if isinstance(value, list) else [value]:
            if (isinstance(one, str) and one == "-") or (isinstance(one, Path) and str(one) == "-"):
                raise ValueError(_PIPE)
