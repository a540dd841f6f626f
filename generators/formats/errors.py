"""What is raised when a file is not to be read, and how other errors are told in one line."""

from __future__ import annotations

from zeroshot.spelling import visible
from zeroshot.words import shortened


class UnsafePickleError(ValueError):
    """The file asks for something that data does not need; the message names it."""


#: What a file may put into a message is cut here.
_LONGEST = 300


def first_line(error: BaseException) -> str:
    """The first line of an error's message, or the name of its class where it has none.

    The message may quote the file: it is cut after 300 letters, and what would move a terminal is escaped.
    """
    line = next((line for line in str(error).splitlines() if line.strip()), type(error).__name__)
    return shortened(visible(line), _LONGEST)
