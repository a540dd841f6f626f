"""Options of tasks: what they take in Python and on the command line, in their units there and here."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from zeroshot import synonyms
from zeroshot.checks import is_number
from zeroshot.spelling import Argument, OptionError, OptionTypeError, Part, Text, Wording, flag
from zeroshot.words import likeliest

_REQUIRED = object()
_GREY_LEVELS = Wording(
    " on the [0, 1] scale; None estimates it from the image",
    " in 8-bit grey levels (25 means 25/255), or 'auto' to estimate it",
)
_LEVELS_OR_PICTURE = Wording(
    " on the [0, 1] scale, a number or an image of the size of the picture; None estimates it from the image",
    " in 8-bit grey levels (25 means 25/255), an image file of the picture's size with a level for every pixel, or "
    "'auto' to estimate it",
)


@dataclass(frozen=True)
class OptionType:
    """What an option takes; by itself whatever its user, the operator, says of it.

    Attributes
    ----------
    forms : Part
        What is accepted, to be read on from the text of the option.
    is_file : bool
        Whether the command line may be given the name of a file.
    is_picture : bool
        Whether it holds a value for every pixel: a damaged image has it in a file of its own beside it.
    painted : {"", "holes", "colours"}
        What a brush on the picture means: holes, black in a picture that is white elsewhere, or colours, in one that
        is transparent elsewhere; "": it is not painted.
    """

    forms: Part = ""
    is_file: bool = False
    is_picture: bool = False
    painted: Literal["", "holes", "colours"] = ""

    def check(self, name: str, value: Any) -> None:
        """Refuse what shows to be wrong without the image.

        Raises
        ------
        OptionError, OptionTypeError
            Which names the option.
        """

    def parse(self, name: str, word: str) -> Any:
        """The value of a word of the command line.

        Raises
        ------
        OptionError
            Where it is none.
        """
        return word

    def typed(self, value: Any) -> str:
        """The value as it is typed; "" where there is no word for it."""
        if value is None:
            return ""
        return f"{value:g}" if isinstance(value, float) else str(value)


class ShareOfRange(float):
    """A noise level as a share of the way from black to white, whatever these are in the values of an image."""


def beyond_scale(name: str, value: float) -> OptionError:
    """The error for a noise level that is larger than the way from black to white."""
    advice = f"for 8-bit grey levels write {name}={value}/255"
    return OptionError(Argument(name), f" must lie on the [0, 1] scale, got {value}; {advice}")


@dataclass(frozen=True)
class GreyLevels(OptionType):
    """A standard deviation: on the [0, 1] scale in Python, in 8-bit grey levels on the command line.

    In Python it is in the units of the image, where floats lie beyond [0, 1] and their range was found.

    Attributes
    ----------
    estimated : bool
        Whether None is a value, which has it estimated; "auto" on the command line. Whether a level is larger than
        the way from black to white is then seen when the image is there.
    """

    estimated: bool = True
    forms: Part = _GREY_LEVELS

    def check(self, name: str, value: Any) -> None:
        if not is_number(value):
            kind = OptionError if isinstance(value, float) else OptionTypeError
            way = ", which has it estimated" if value == "auto" and self.estimated else ""
            raise kind(Argument(name), f" must be a number on the [0, 1] scale or None{way}, got {value!r}")
        if not value >= 0:
            raise OptionError(Argument(name), f" must be at least 0, got {value}")
        if value > 1 and not self.estimated:
            raise beyond_scale(name, value)

    def parse(self, name: str, word: str) -> float | None:
        if self.estimated and word == "auto":
            return None
        value = _number(word)
        if not 0 <= value <= 255:
            auto = "'auto' or " * self.estimated
            wanted = f" must be {auto}a number of 8-bit grey levels from 0 to 255, got {word!r}"
            raise OptionError(Argument(name), wanted)
        return ShareOfRange(value / 255)

    def typed(self, value: Any) -> str:
        return "auto" if value is None else f"{float(value) * 255:g}"


@dataclass(frozen=True)
class GreyLevelsOrPicture(GreyLevels):
    """A standard deviation as :class:`GreyLevels`, or a picture of them: one for every pixel."""

    forms: Part = _LEVELS_OR_PICTURE
    is_file: bool = True

    def check(self, name: str, value: Any) -> None:
        # Arrays have axes and PIL images a mode; whoever loads them looks at the rest.
        is_picture = hasattr(value, "mode") or getattr(value, "ndim", 0) > 0
        if not is_picture and not (isinstance(value, str | Path) and Path(value).expanduser().is_file()):
            super().check(name, value)

    def parse(self, name: str, word: str) -> Any:
        return word if Path(word).is_file() else super().parse(name, word)

    def typed(self, value: Any) -> str:
        return super().typed(value) if value is None or is_number(value) else str(value)


@dataclass(frozen=True)
class Positive(OptionType):
    """A finite number above 0.

    Attributes
    ----------
    wanted : str
        What messages ask for.
    """

    wanted: str = "a positive number"

    def check(self, name: str, value: Any) -> None:
        if not (is_number(value) and value > 0):
            raise OptionError(Argument(name), f" must be {self.wanted}, got {value!r}")

    def parse(self, name: str, word: str) -> float | int:
        value = _number(word)
        if not 0 < value < math.inf:
            raise OptionError(Argument(name), f" must be {self.wanted}, got {word!r}")
        return _simplest(value)


@dataclass(frozen=True)
class PositiveOrAuto(Positive):
    """A finite number above 0, or "auto", which has it estimated."""

    def check(self, name: str, value: Any) -> None:
        if not (isinstance(value, str) and value == "auto"):
            super().check(name, value)

    def parse(self, name: str, word: str) -> Any:
        return word if word == "auto" else super().parse(name, word)


@dataclass(frozen=True)
class Portion(OptionType):
    """A number from 0, none of it, to 1, all of it."""

    forms: Part = ", from 0 to 1"

    def check(self, name: str, value: Any) -> None:
        if not (is_number(value) and 0 <= value <= 1):
            raise OptionError(Argument(name), f" must be a number from 0 to 1, got {value!r}")

    def parse(self, name: str, word: str) -> float | int:
        value = _number(word)
        if not 0 <= value <= 1:
            raise OptionError(Argument(name), f" must be a number from 0 to 1, got {word!r}")
        return _simplest(value)


@dataclass(frozen=True)
class Share(OptionType):
    """A share of the pixels, more than none and fewer than all."""

    forms: Part = ", between 0 and 1"

    def check(self, name: str, value: Any) -> None:
        if not (is_number(value) and 0 < value < 1):
            raise OptionError(
                Argument(name), f" must be a share of the pixels between 0 and 1, got {value!r}"
            )

    def parse(self, name: str, word: str) -> float:
        value = _number(word)
        if not 0 < value < 1:
            raise OptionError(Argument(name), f" must be a share of the pixels between 0 and 1, got {word!r}")
        return value


@dataclass(frozen=True)
class ShareOrPicture(OptionType):
    """A share of the pixels, or a picture."""

    is_file: bool = True
    is_picture: bool = True

    def check(self, name: str, value: Any) -> None:
        if is_number(value):
            Share().check(name, value)

    def parse(self, name: str, word: str) -> float | str:
        if Path(word).is_file():
            return word
        value = _number(word)
        if math.isnan(value):
            wanted = " must be a share of the pixels or an RGBA image, but there is no file "
            raise OptionError(Argument(name), wanted, word)
        return value


@dataclass(frozen=True)
class Scale(OptionType):
    """A factor between two sizes, a whole number from 2 to 16."""

    forms: Part = ", a whole number from 2 to 16"

    def check(self, name: str, value: Any) -> None:
        if not (is_number(value) and value == int(value) and 2 <= value <= 16):
            raise OptionError(Argument(name), f" must be a whole number from 2 to 16, got {value!r}")

    def parse(self, name: str, word: str) -> float | int:
        value = _number(word)
        if not math.isfinite(value):
            raise OptionError(Argument(name), f" must be a whole number from 2 to 16, got {word!r}")
        return _simplest(value)


@dataclass(frozen=True)
class Choice(OptionType):
    """One of a few words; other kinds of value are left to the user of the option.

    Attributes
    ----------
    words : tuple of str
        Those that the command line takes.
    """

    words: tuple[str, ...] = ()

    def parse(self, name: str, word: str) -> str:
        if word not in self.words:
            raise OptionError(Argument(name), f" must be {listed(self.words)}, got {word!r}")
        return word


@dataclass(frozen=True)
class Switch(OptionType):
    """True or False; on the command line a flag, and one that begins with "no"."""

    def check(self, name: str, value: Any) -> None:
        if not isinstance(value, bool):
            raise OptionTypeError(Argument(name), f" must be True or False, got {value!r}")


@dataclass(frozen=True)
class Option:
    """One option of a task.

    Attributes
    ----------
    name : str
        In Python; :func:`zeroshot.spelling.flag` makes the command line's of it.
    type : OptionType
        What it takes.
    text : Part
        What it means; the forms of its type follow.
    default : object
        Its value where none is given; by default one must be given.
    expert : bool
        Whether the short help leaves it out.
    """

    name: str
    type: OptionType
    text: Part
    default: Any = _REQUIRED
    expert: bool = False

    @property
    def required(self) -> bool:
        """Whether a value must be given."""
        return self.default is _REQUIRED

    @property
    def flag(self) -> str:
        """The option as it is typed."""
        return flag(self.name)

    @property
    def meaning(self) -> Text:
        """What it means and what it takes."""
        return Text(self.text, self.type.forms)

    @property
    def typed_default(self) -> str:
        """The default in brackets, in the units of the command line."""
        if self.required:
            return " (required)"
        typed = self.type.typed(self.default)
        return typed and f" (default {typed})"

    def __str__(self) -> str:
        default = "required" if self.required else f"default {self.default!r}"
        return f"{self.name}: {self.meaning} ({default})"

    def check(self, value: Any) -> None:
        """Refuse what shows to be wrong without the image; None, which stands for no value, passes."""
        if value is not None:
            self.type.check(self.name, value)

    def parse(self, word: str) -> Any:
        """The value of a word of the command line."""
        return self.type.parse(self.name, word)


def check_options(told: Text, options: tuple[Option, ...], given: Mapping[str, Any]) -> None:
    """Refuse options that `told` does not have, and values that do not fit.

    Parameters
    ----------
    told : Text
        Whose options they are, for the message.
    options : tuple of Option
        Those that there are.
    given : mapping
        Values by name.
    """
    known = {option.name: option for option in options}
    for name in given:
        if name not in known:
            raise OptionError(
                told, " has no option ", Wording(repr(name), flag(name)), *_there_are(name, known)
            )
    for name, value in given.items():
        known[name].check(value)


def _there_are(name: str, known: Iterable[str]) -> tuple[Part, ...]:
    """What an unknown option may have meant, and the options that there are."""
    names = list(known)
    near = synonyms.canonical(name, names, synonyms.OPTIONS) or likeliest(name, names)
    hint = () if near is None else (" (did you mean ", Wording(repr(near), flag(near)), "?)")
    return *hint, "; it has: ", Wording(", ".join(names), ", ".join(map(flag, names)))


def check_words(options: Mapping[str, Any], *choices: Option) -> None:
    """Refuse a value that is none of the words of its choice.

    Raises
    ------
    OptionError
        Which names the option.
    """
    for choice in choices:
        assert isinstance(choice.type, Choice)
        value = options[choice.name]
        if not (isinstance(value, str) and value in choice.type.words):
            raise OptionError(Argument(choice.name), f" must be {listed(choice.type.words)}, got {value!r}")


def listed(words: tuple[str, ...]) -> str:
    """The words in quotes: 'a', 'b' or 'c'."""
    *most, last = map(repr, words)
    return f"{', '.join(most)} or {last}"


def _number(word: str) -> float:
    try:
        return float(word)
    except ValueError:
        return math.nan


def _simplest(value: float) -> float | int:
    return int(value) if value.is_integer() else value
