"""Messages as the page says them: an option is called by the label of its field."""

from __future__ import annotations

import re

from zeroshot.spelling import Spelled, for_command_line, visible

_FLAG = re.compile(r"--([a-z][a-z0-9-]*)")


class RefusedError(ValueError):
    """What the page cannot take, in one line.

    Attributes
    ----------
    field : str or None
        The name of the option that it is about.
    status : int
        The status of the answer.
    """

    def __init__(self, message: object, field: str | None = None, status: int = 422) -> None:
        super().__init__(in_words(message))
        self.field, self.status = field, status


def label(name: str) -> str:
    """What the field of an option is called: "kernel_sigma" is "kernel sigma"."""
    return name.replace("_", " ")


def in_words(message: object) -> str:
    """An error, a warning or a text on one line, with the names of fields in place of those of the command line."""
    return visible(_FLAG.sub(lambda flag: flag[1].replace("-", " "), for_command_line(message)))


def field_of(error: BaseException) -> str | None:
    """The name of the option that an error is about."""
    return error.argument if isinstance(error, Spelled) else None
