"""Defaults of one's own for the options of the command line: the file ``zeroshot.toml``.

A table for each command, and one for whatever commands have the option::

    [all]
    threads = 1

    [denoise]
    prior = "bm3d"
    sigma = 10                 # as it is typed: grey levels

    [denoise.set]              # settings of the prior, as --set takes them
    profile = "high"

What is typed goes before what is written there. One file counts, the first of: the one that the environment
variable ZEROSHOT_CONFIG names (empty: none at all), ``zeroshot.toml`` in the folder where the command is given, and
``zeroshot/zeroshot.toml`` in the folder of the user's settings ($XDG_CONFIG_HOME, ~/.config, or %APPDATA%).
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

from zeroshot.cli.arguments import Parser
from zeroshot.words import likeliest

NAME = "zeroshot.toml"
_EVERY = "all"
_VARIABLE = "ZEROSHOT_CONFIG"
#: What belongs to one run, or could lose somebody's data unasked.
_OF_ONE_RUN = frozenset(
    {
        *(
            "help",
            "help_all",
            "version",
            "output",
            "overwrite",
            "resume",
            "preview",
            "trace",
            "maps",
            "latent",
        ),
        *("format", "scheduler"),
    }
)


class Default(NamedTuple):
    """An option that the file has given, as it would be typed, with its value."""

    name: str
    typed: str
    value: Any


def lay_under(parser: Parser, command: str, commands: Mapping[str, Parser]) -> list[Default]:
    """Make what the file says of the command its parser's defaults.

    Returns
    -------
    list of Default
        What was found, none where there is no file.

    Raises
    ------
    ValueError, OSError
        In one line that names the file and what is wrong in it.
    """
    path = _file()
    if path is None:
        return []
    tables = _tables(path)
    try:
        _refuse_unknown(tables, commands)
        given = tables.get(_EVERY, {}) | tables.get(command, {})
        defaults = [one for key, value in given.items() for one in _default(parser, key, value)]
        known = {one.name for one in defaults}
        for action in parser._actions:
            if action.dest in known:
                action.required = False
        parser.set_defaults(**{one.name: one.value for one in defaults})
    except ValueError as error:
        raise ValueError(f"{path}: {error}") from None
    return defaults


def in_effect(defaults: list[Default], options: argparse.Namespace) -> str:
    """What of the file has not been overruled, as it would be typed; "" where nothing has come of it."""
    left = [one.typed for one in defaults if _is_left(one.value, getattr(options, one.name, None))]
    return f"{_file()}: {' '.join(left)}" if left else ""


def _is_left(default: Any, value: Any) -> bool:
    """Whether a value is the default, or goes on from it."""
    if isinstance(default, list) and isinstance(value, list):
        return value[: len(default)] == default
    return value is default


def _file() -> Path | None:
    """The file that counts, if there is one."""
    named = os.environ.get(_VARIABLE)
    if named is not None:
        if named and not Path(named).is_file():
            raise FileNotFoundError(f"{_VARIABLE} names {named}, and there is no such file")
        return Path(named) if named else None
    places = (Path(NAME), _settings_folder() / "zeroshot" / NAME)
    return next((place for place in places if place.is_file()), None)


def _settings_folder() -> Path:
    given = os.environ.get("APPDATA" if sys.platform == "win32" else "XDG_CONFIG_HOME")
    return Path(given) if given else Path("~/.config").expanduser()


def _tables(path: Path) -> dict[str, dict[str, Any]]:
    if sys.version_info >= (3, 11):
        import tomllib
    else:
        import tomli as tomllib
    try:
        tables = tomllib.loads(path.read_text("utf-8-sig"))  # editors on Windows begin a file with a mark
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ValueError(f"{path} is no TOML: {error}") from None
    for name, table in tables.items():
        if not isinstance(table, dict):
            raise ValueError(f"{path}: {name} stands in no table; write [{_EVERY}] or [denoise] above it")
    return tables


def _refuse_unknown(tables: Mapping[str, dict[str, Any]], commands: Mapping[str, Parser]) -> None:
    """Refuse tables that are of no command, and options that no command of the table has."""
    for name, table in tables.items():
        if name != _EVERY and name not in commands:
            raise ValueError(f"there is no command {name!r}{_meant(name, [_EVERY, *commands])}")
        parsers = list(commands.values()) if name == _EVERY else [commands[name]]
        known = {option for parser in parsers for option in _options(parser)}
        for key in map(_name, table):
            if key in _OF_ONE_RUN:
                raise ValueError(f"[{name}] {key} belongs to one run: give it on the command line")
            if key not in known:
                raise ValueError(f"[{name}] there is no option {key!r}{_meant(key, sorted(known))}")


def _meant(word: str, known: list[str]) -> str:
    meant = likeliest(word, known)
    return f" (did you mean {meant!r}?)" if meant else ""


def _name(key: str) -> str:
    """The name of an option in Python."""
    return key.strip("-").replace("-", "_")


def _options(parser: Parser) -> dict[str, argparse.Action]:
    """The options of a command by their names, and as they are typed."""
    found: dict[str, argparse.Action] = {}
    for action in parser._actions:
        for typed in reversed(action.option_strings):
            found.setdefault(_name(typed), action)
    return {
        name: action
        for name, action in found.items()
        if action.dest not in _OF_ONE_RUN and action.nargs in (None, 0, "?")
    }


def _default(parser: Parser, key: str, value: Any) -> Iterator[Default]:
    """The option as a default; nothing where this command does not have it."""
    action = _options(parser).get(_name(key))
    if action is None:
        return
    typed = next(flag for flag in action.option_strings if flag.startswith("--"))
    try:
        if isinstance(action, argparse._AppendAction):
            given = [value] if isinstance(value, str) else value
            pairs = given.items() if isinstance(given, dict) else [one.partition("=")[::2] for one in given]
            words = [f"{name}={one}" for name, one in pairs]
            shown = " ".join(f"{typed} {word}" for word in words)
            yield Default(action.dest, shown, [_converted(action, word) for word in words])
        elif action.nargs == 0 or isinstance(action, argparse.BooleanOptionalAction):
            if not isinstance(value, bool):
                raise ValueError("must be true or false")
            if isinstance(action, argparse.BooleanOptionalAction):
                yield Default(action.dest, typed if value else f"--no-{typed[2:]}", value)
            elif value:
                yield Default(action.dest, typed, action.const)
        else:
            if isinstance(value, bool | dict | list):
                raise ValueError(f"must be a number or a word, got {value!r}")
            yield Default(action.dest, f"{typed} {value}", _converted(action, str(value)))
    except (ValueError, TypeError, AttributeError, argparse.ArgumentTypeError) as error:
        raise ValueError(f"{key} {' '.join(str(error).split())}") from None


def _converted(action: argparse.Action, word: str) -> Any:
    """The value of a word, as if it were typed."""
    value = action.type(word) if callable(action.type) else word
    if action.choices is not None and value not in action.choices:
        raise ValueError(f"must be one of {', '.join(map(str, action.choices))}, got {value}")
    return value
