"""Messages that name arguments, spelled as Python writes them or as the command line does.

The engine speaks to those who call it from Python: "kernel_sigma=… goes with kernel='gaussian'". The command line
takes the same message in its own spelling, "--kernel-sigma goes with --kernel gaussian", from the parts of which
it is made.
"""

from __future__ import annotations

import unicodedata
from dataclasses import dataclass
from typing import Any

_NO_VALUE = object()


@dataclass(frozen=True)
class Argument:
    """An argument that a message names.

    Attributes
    ----------
    name : str
        As Python writes it: "kernel_sigma".
    value : object
        With "gaussian": ``kernel='gaussian'`` and ``--kernel gaussian``; with ``...``: ``kernel=…`` and
        ``--kernel``; by default the name alone.
    """

    name: str
    value: Any = _NO_VALUE

    def __str__(self) -> str:
        if self.value is _NO_VALUE:
            return self.name
        return f"{self.name}={'…' if self.value is ... else repr(self.value)}"

    def for_command_line(self) -> str:
        """The argument as it is typed."""
        return flag(self.name) + ("" if self.value in (_NO_VALUE, ...) else f" {self.value}")


@dataclass(frozen=True)
class Wording:
    """Words that differ: in Python there are arrays, on the command line there are files."""

    python: str
    command_line: str

    def __str__(self) -> str:
        return self.python

    def for_command_line(self) -> str:
        """The words for the command line."""
        return self.command_line


class Text:
    """A text made of strings and of parts that the command line spells in its own way."""

    def __init__(self, *parts: Part) -> None:
        self.parts = parts

    def __str__(self) -> str:
        return "".join(map(str, self.parts))

    def for_command_line(self) -> str:
        """The text as the command line says it."""
        return "".join(part if isinstance(part, str) else part.for_command_line() for part in self.parts)


Part = str | Argument | Wording | Text


class Spelled(Exception):
    """What an error or a warning is besides when its message is made of parts.

    Attributes
    ----------
    text : Text
        The message.
    """

    def __init__(self, *parts: Part) -> None:
        self.text = Text(*parts)
        super().__init__(str(self.text))

    @property
    def argument(self) -> str | None:
        """The name of the argument that the message names first, if any."""
        return next((part.name for part in self.text.parts if isinstance(part, Argument)), None)


class OptionError(Spelled, ValueError):
    """An option of a task, or another argument, that does not fit."""


class OptionTypeError(Spelled, TypeError):
    """An option of another type than it takes."""


class OptionWarning(Spelled, UserWarning):
    """What is doubtful about an option."""


class NoFileError(Spelled, FileNotFoundError):
    """A file that an option names and that is not there."""


class OutputExistsError(Spelled, FileExistsError):
    """A file that exists and may not be replaced."""


#: What to do about a file that exists.
CHOOSE_ANOTHER = Wording(
    "; choose another name or pass overwrite=True", "; choose another name or use --overwrite"
)


def flag(name: str) -> str:
    """The argument `name` as it is typed: ``kernel_sigma`` is ``--kernel-sigma``."""
    return "--" + name.replace("_", "-")


def for_command_line(message: object) -> str:
    """An error, a warning or a text on one line, as the command line says it."""
    if isinstance(message, Spelled):
        message = message.text
    text = message.for_command_line() if isinstance(message, Text) else str(message)
    return " ".join(text.split())


def prefixed(prefix: str, error: Exception) -> OptionError | OptionTypeError:
    """The error with words before its message, still an error of a value or of a type."""
    kind = OptionTypeError if isinstance(error, TypeError) else OptionError
    return kind(prefix, error.text if isinstance(error, Spelled) else str(error))


#: What only joins letters within a word: Persian and Indic scripts and families of emoji need it.
_JOINERS = "\u200c\u200d"
_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp")


def visible(text: object, keep: str = "") -> str:
    r"""The text with every character that is not seen but obeyed as ``\uXXXX``.

    File names and what images say of themselves may hold anything: escape sequences that rewrite a terminal, line
    breaks that forge a line, marks that turn the direction of writing. In JSON the text still means the same.

    Parameters
    ----------
    text : object
        What is to be shown, as `str` writes it.
    keep : str
        Characters to leave as they are, such as line breaks.
    """
    shown = str(text)
    if shown.isprintable():
        return shown
    kept = _JOINERS + keep
    return "".join(
        _spelt(one) if one not in kept and unicodedata.category(one) in _UNSEEN else one for one in shown
    )


def _spelt(character: str) -> str:
    units = character.encode("utf-16-be", errors="surrogatepass")
    return "".join(f"\\u{units[i]:02x}{units[i + 1]:02x}" for i in range(0, len(units), 2))
