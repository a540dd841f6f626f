"""Pickles written opcode by opcode, so that they can name anything without importing it."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path
from typing import Any

import torch

#: What torch's own files call to make a tensor, and to read one that is stored as a file of its own.
REBUILD_TENSOR = "torch._utils._rebuild_tensor_v2"
LOAD_FROM_BYTES = "torch.storage._load_from_bytes"


class Call:
    """Pickles as a call of `function` with `arguments`, then perhaps a state."""

    def __init__(self, function: Any, *arguments: Any, state: Any = None) -> None:
        self.parts = (function, arguments) if state is None else (function, arguments, state)

    def __reduce__(self) -> Any:
        return self.parts


def plain(thing: Any) -> bytes:
    """The opcodes that make a plain value."""
    return pickle.dumps(thing, 2)[2:-1]


def named(name: str) -> bytes:
    """The opcodes that look up a name, with its module in front."""
    module, _, attribute = name.rpartition(".")
    return f"c{module}\n{attribute}\n".encode()


def sequence(*parts: bytes) -> bytes:
    """A tuple of what the parts make."""
    return b"(" + b"".join(parts) + b"t"


def call(name: str, *arguments: bytes) -> bytes:
    """A call of what is named."""
    return named(name) + sequence(*arguments) + b"R"


def whole(content: bytes) -> bytes:
    """The opcodes as a pickle of protocol 2."""
    return b"\x80\x02" + content + b"."


def tensor(storage: bytes, offset: int, size: tuple[int, ...], stride: tuple[int, ...]) -> bytes:
    """A view of a storage."""
    return call(REBUILD_TENSOR, storage, *map(plain, (offset, size, stride, False, {})))


def storage_file(values: torch.Tensor | list[Any]) -> bytes:
    """A storage, or anything else, as the older form of torch.save writes it."""
    out = io.BytesIO()
    thing = values.storage() if isinstance(values, torch.Tensor) else values
    torch.save(thing, out, _use_new_zipfile_serialization=False)
    return out.getvalue()


def stored(values: torch.Tensor | list[Any]) -> bytes:
    """A storage inside the pickle, as a file of its own."""
    return call(LOAD_FROM_BYTES, plain(storage_file(values)))


def stored_outside(key: str, count: int) -> bytes:
    """A storage of an archive, by its key."""
    return (
        sequence(plain("storage"), named("torch.FloatStorage"), plain(key), plain("cpu"), plain(count)) + b"Q"
    )


def write_archive(path: Path, data: bytes, compression: int = zipfile.ZIP_STORED, **values: bytes) -> None:
    """A file as torch.save writes it: a pickle, and the values of the storages by their keys."""
    with zipfile.ZipFile(path, "w", compression) as file:
        file.writestr("archive/data.pkl", data)
        for key, content in values.items():
            file.writestr(f"archive/data/{key}", content)
        file.writestr("archive/version", "3")
