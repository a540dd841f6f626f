"""What is raised when a file is not to be read, and how other errors are told in one line."""

from __future__ import annotations


class UnsafePickleError(ValueError):
    """The file asks for something that data does not need; the message names it."""


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or the name of its class where it has none."""
    return (str(error).splitlines() or [type(error).__name__])[0]
