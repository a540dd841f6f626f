"""What the page asks for: the fields of tasks and priors, from their tables, and what was filled in as an order."""

from __future__ import annotations

import argparse
import dataclasses
import re
import shlex
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from zeroshot.app import weights
from zeroshot.app.wording import RefusedError, field_of, in_words, label
from zeroshot.cli import values
from zeroshot.cli.listings import documented_parameters
from zeroshot.cli.output_names import output_beside
from zeroshot.registry import prior_named, prior_outline, prior_table, setting_names
from zeroshot.spelling import flag
from zeroshot.standings import ROLES
from zeroshot.tasks import Option, Task, task_named, tasks
from zeroshot.tasks.options import Choice, GreyLevels, Portion, Positive, Scale, ShareOfRange, Switch
from zeroshot.words import unknown

_NUMBERS = (GreyLevels, Portion, Positive, Scale)


@dataclasses.dataclass(frozen=True)
class _Advanced:
    """A field of the advanced group: its default, what it does, and what makes a value of its words."""

    default: str
    text: str
    convert: Callable[[str], Any]


_ADVANCED = {
    "tile": _Advanced(
        "auto",
        "Height and width in pixels of overlapping tiles that are restored one after the other, at least 32, for less "
        "memory. Auto does so where the memory is short, none never.",
        values.tile,
    ),
    "samples": _Advanced(
        "1",
        "Runs from different seeds, up to 1000, of which the result is the mean: of priors that draw at random it "
        "is smoother and nearer to the truth, and takes as many times as long.",
        values.samples,
    ),
    "value_range": _Advanced(
        "as the file says",
        "The values of black and white, LOW,HIGH, where they are not the full range of the file's type: 0,4095 for "
        "12-bit counts in 16 bits, 0,255 or -100,900 for floats.",
        values.value_range,
    ),
}


# --- the tables, for the page ----------------------------------------------------------------------------------


def task_tables() -> list[dict[str, Any]]:
    """Every task with its fields."""
    return [
        {
            "name": task.name,
            "summary": task.summary,
            "prior": task.prior,
            "suited": list(task.suited),
            "fields": [_field(option) for option in task.options],
        }
        for task in tasks().values()
    ]


def _field(option: Option) -> dict[str, Any]:
    kind = option.type
    widget = "text"
    words: list[str] = []
    if kind.painted:
        widget = "painted"
    elif isinstance(kind, Switch):
        widget = "switch"
    elif isinstance(kind, Choice) and kind.words:
        widget, words = "choice", list(kind.words)
    elif isinstance(kind, _NUMBERS):
        widget = "number"
    return {
        "name": option.name,
        "label": label(option.name),
        "text": _sentence(in_words(option.meaning)),
        "widget": widget,
        "words": words,
        "painted": kind.painted,
        "file": kind.is_file and not kind.painted,
        "unit": "of 255" if isinstance(kind, GreyLevels) else "",
        "default": "" if option.required else kind.typed(option.default),
        "required": option.required,
        "expert": option.expert,
    }


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]


def advanced_fields() -> list[dict[str, str]]:
    """What goes with any task and prior, and is seldom needed: each with its default and what it does."""
    return [
        {
            "name": name,
            "label": label(name),
            "default": one.default,
            "text": one.text,
        }
        for name, one in _ADVANCED.items()
    ]


def prior_tables() -> list[dict[str, str]]:
    """Every prior in one line, with the reason where it cannot run here: weights that are not installed."""
    lacking = weights.lacking()
    return [
        {
            "name": name,
            "summary": _sentence(summary),
            "lacks": lacking if weights.are_needed(name) else "",
        }
        for name, summary in prior_table().items()
    ]


def setting_table(prior: str) -> list[dict[str, Any]]:
    """The settings of a prior, each with its default where no task has another and with what it means.

    Of weights, the names of those that are installed, the first of which is the default.

    Raises
    ------
    RefusedError
        Where there is no such prior.
    """
    outline = prior_outline(_known_prior(prior))
    meanings = documented_parameters(outline)
    names = weights.installed() if weights.are_needed(prior) else []
    rows = []
    for field in dataclasses.fields(outline):  # type: ignore[arg-type]
        default = "" if field.default in (dataclasses.MISSING, None) else str(field.default)
        words = names if field.name == weights.SETTING else []
        rows.append(
            {
                "name": field.name,
                "label": label(field.name),
                "words": words,
                "default": words[0] if words else default,
                "text": meanings.get(field.name, ""),
            }
        )
    return rows


def _known_prior(name: str) -> str:
    try:
        found = prior_named(name)
    except ValueError as error:
        raise RefusedError(error, "prior") from None
    if weights.are_needed(found) and (lacking := weights.lacking()):
        raise RefusedError(f"prior {found!r} {lacking}", "prior")
    return found


# --- what was filled in ----------------------------------------------------------------------------------------


@dataclasses.dataclass(frozen=True)
class Order:
    """What one run is asked for.

    Attributes
    ----------
    task : str
        Its name.
    prior : str or None
        A name, a role, or None for the task's default.
    options : dict
        The options of the task, as :func:`zeroshot.solve` takes them; files by their names alone.
    words : dict of str to str
        The same as the command line takes them.
    settings : dict
        The settings of the prior.
    setting_words : dict of str to str
        The same as they were typed.
    seconds : float or None
        The budget.
    seed : int
        The source of all randomness.
    tile : int, "auto" or None
        The side of the tiles, see :func:`zeroshot.solve`.
    samples : int
        How many runs the result is the mean of.
    value_range : tuple of float or None
        The values of black and white.
    """

    task: str
    prior: str | None
    options: dict[str, Any]
    words: dict[str, str]
    settings: dict[str, Any]
    setting_words: dict[str, str]
    seconds: float | None
    seed: int
    tile: int | str | None = "auto"
    samples: int = 1
    value_range: tuple[float, float] | None = None

    def output(self, picture: str) -> str:
        """The name of the result for a picture of that name, as the command line has it."""
        return output_beside(Path(picture), task_named(self.task).outcome).name

    def as_command(self, picture: str) -> str:
        """The same on the command line."""
        words = ["zeroshot", self.task, picture]
        if self.prior is not None:
            words += [f"--{self.prior}"] if self.prior in ROLES else ["--prior", self.prior]
        for name, word in self.words.items():
            value = self.options[name]
            if isinstance(value, bool):
                words.append(flag(name) if value else flag(f"no_{name}"))
            else:
                words += [flag(name), word]
        for name, word in self.setting_words.items():
            words += ["--set", f"{name}={word}"]
        words += [] if self.seconds is None else ["--seconds", f"{self.seconds:g}"]
        words += ["--seed", str(self.seed)] if self.seed else []
        words += [] if self.tile == "auto" else ["--tile", str(self.tile or "none")]
        words += [] if self.samples == 1 else ["--samples", str(self.samples)]
        if self.value_range is not None:
            words.append("--range={:.15g},{:.15g}".format(*self.value_range))
        return _typed(words)

    def as_python(self, picture: str) -> str:
        """The same in Python."""
        arguments = [repr(picture)]
        arguments += [f"{name}={_written(value)}" for name, value in self.options.items()]
        arguments += [] if self.prior is None else [f"prior={self.prior!r}"]
        arguments += [f"settings={self.settings!r}"] if self.settings else []
        arguments += [] if self.seconds is None else [f"seconds={self.seconds:g}"]
        arguments += [f"seed={self.seed}"] if self.seed else []
        arguments += [] if self.tile == "auto" else [f"tile={self.tile}"]
        arguments += [] if self.samples == 1 else [f"samples={self.samples}"]
        arguments += [] if self.value_range is None else [f"value_range={self.value_range}"]
        call = f"zeroshot.{self.task}({', '.join(arguments)})"
        return f"import zeroshot\n\n{call}.save({self.output(picture)!r})"


def _typed(words: list[str]) -> str:
    """The words as a shell takes them; those of Windows know double quotes alone."""
    if sys.platform != "win32":
        return shlex.join(words)
    return " ".join(word if re.fullmatch(r"[\w.:=/+-]+", word) else f'"{word}"' for word in words)


def _written(value: Any) -> str:
    return f"{255 * value:g} / 255" if isinstance(value, ShareOfRange) else repr(value)


def order_of(form: Mapping[str, Any], layers: Mapping[str, str]) -> Order:
    """The order that a form of the page makes.

    Parameters
    ----------
    form : mapping
        ``task``, ``prior``, ``options``, ``settings``, ``seconds``, ``seed``, ``tile``, ``samples`` and
        ``value_range``, all of them text, and in `options` true or false for switches; what is empty is left at its
        default.
    layers : mapping of str to str
        Option → the name of the file that was painted or brought for it.

    Raises
    ------
    RefusedError
        In one line, with the field that it is about.
    """
    task = _task(form)
    prior = str(form.get("prior") or "") or None
    if prior is not None and prior not in ROLES:
        prior = _known_prior(prior)
    options, words = _options(task, _filled(form, "options"), layers)
    settings = {name: str(word) for name, word in _filled(form, "settings").items()}
    _check_settings(task, prior, settings)
    if prior not in (None, *ROLES) and weights.are_needed(str(prior)):
        settings.setdefault(weights.SETTING, weights.installed()[0])
    try:
        task.completed(options)
    except (ValueError, TypeError) as error:
        raise RefusedError(error, field_of(error)) from None
    return Order(
        task.name,
        prior,
        options,
        words,
        {name: values.literal(word) for name, word in settings.items()},
        settings,
        _number(form, "seconds", values.positive("a positive number of seconds")),
        _number(form, "seed", values.whole(0)) or 0,
        **_advanced(form),
    )


def _task(form: Mapping[str, Any]) -> Task:
    try:
        return task_named(str(form.get("task")))
    except ValueError as error:
        raise RefusedError(error, "task") from None


def _filled(form: Mapping[str, Any], part: str) -> dict[str, Any]:
    """The fields of a part that are not empty."""
    given = form.get(part) or {}
    if not isinstance(given, Mapping):
        raise RefusedError(f"{part} must be fields with their values")
    stripped = {
        str(name): word if isinstance(word, bool) else str(word).strip() for name, word in given.items()
    }
    return {name: word for name, word in stripped.items() if word != ""}


def _options(
    task: Task, given: Mapping[str, Any], layers: Mapping[str, str]
) -> tuple[dict[str, Any], dict[str, str]]:
    """The values and the words of the options, in the order of the table."""
    known = {option.name: option for option in task.options}
    for name in given:
        if name not in known:
            raise RefusedError(unknown("option", name, known))
    options: dict[str, Any] = {}
    words: dict[str, str] = {}
    for name, option in known.items():
        if name in given:
            options[name], words[name] = _value(option, given[name])
        elif name in layers:
            options[name] = words[name] = layers[name]
    return options, words


def _value(option: Option, word: str | bool) -> tuple[Any, str]:
    if isinstance(option.type, Switch):
        if word not in (True, False, "true", "false"):
            raise RefusedError(f"{label(option.name)} must be on or off, got {word!r}", option.name)
        return word in (True, "true"), str(word)
    word = str(word)
    _refuse_path(option.name, word, signs="/\\'\"~" if option.type.is_file else "'\"")
    try:
        return option.parse(word), word
    except (ValueError, TypeError) as error:
        raise RefusedError(error, field_of(error) or option.name) from None


def _refuse_path(name: str, word: str, signs: str = "/\\'\"~") -> None:
    """Refuse what may name a file, by one of these signs: a page reads what was brought to it, and no other."""
    if any(sign in word for sign in signs) or Path(word).exists():
        raise RefusedError(f"{label(name)}: the page reads only files that were brought to it", name)


def _check_settings(task: Task, prior: str | None, settings: Mapping[str, str]) -> None:
    if not settings:
        return
    if prior in ROLES:
        raise RefusedError("settings go with a prior that is chosen by its name", "prior")
    names = setting_names(prior or task.prior)
    for name, word in settings.items():
        if name not in names:
            raise RefusedError(unknown("setting", name, names), name)
        _refuse_path(name, word)
        if name in weights.SETTINGS and word not in weights.installed():
            raise RefusedError(unknown("installed weights", word, weights.installed()), name)


def _advanced(form: Mapping[str, Any]) -> dict[str, Any]:
    """The fields of the advanced group that are filled in."""
    return {
        name: _number(form, name, one.convert)
        for name, one in _ADVANCED.items()
        if str(form.get(name) or "").strip()
    }


def _number(form: Mapping[str, Any], name: str, convert: Any) -> Any:
    word = str(form.get(name) or "").strip()
    if not word:
        return None
    try:
        return convert(word)
    except argparse.ArgumentTypeError as error:
        raise RefusedError(f"{label(name)} {error}", name) from None
