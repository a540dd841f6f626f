"""What a comparison and its worker processes say to each other, and how it travels over a pipe."""

from __future__ import annotations

import pickle
import struct
from dataclasses import dataclass
from typing import Any, BinaryIO, Literal

_LENGTH = struct.Struct("<Q")


@dataclass(frozen=True)
class Setup:
    """The first message to a worker: which method it serves, and in what surroundings.

    Attributes
    ----------
    method : str or bytes
        The text of a specification, or a pickled method.
    path : tuple of str
        Where modules are looked for.
    main : str or None
        The script that was started, where the pickled method may be defined in it.
    threads : int or None
        CPU threads.
    memory : int or None
        Bytes that the method may allocate beyond what the libraries take.
    """

    method: str | bytes
    path: tuple[str, ...]
    main: str | None
    threads: int | None
    memory: int | None


@dataclass(frozen=True)
class Loaded:
    """The answer to a setup: the method is ready, or why it is not."""

    status: Literal["ready", "failed", "memory", "unreadable"]
    reason: str = ""


def write_message(stream: BinaryIO, message: Any) -> None:
    """Send one message: its length in eight bytes, then its pickle."""
    data = pickle.dumps(message, protocol=pickle.HIGHEST_PROTOCOL)
    stream.write(_LENGTH.pack(len(data)))
    stream.write(data)
    stream.flush()


def read_message(stream: BinaryIO) -> bytes | None:
    """The pickle of the next message, or None where the other side has gone."""
    head = stream.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    data = stream.read(length)
    return data if len(data) == length else None
