"""Files of states: nested dicts, lists and tuples of tensors, numbers and words, with a checksum over every byte.

The file is a zip archive without compression: ``state.json`` holds the structure, ``tensors/N`` the values of a
tensor, and the comment at the end of the archive the SHA-256 of all before it. Nothing in it is ever executed,
and reading takes no more memory than the file is long.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import re
import zipfile
from pathlib import Path
from typing import Any, BinaryIO

import torch

_STRUCTURE = "state.json"
_MARK = b"zeroshot state, sha256 "
_DIGITS = 64
#: What the file begins with: the header of the first member of the archive, up to its name.
_HEAD = re.compile(rb"PK\x03\x04.{26}" + re.escape(_STRUCTURE.encode()), re.DOTALL)

_DTYPES = {
    str(dtype).removeprefix("torch."): dtype
    for dtype in (
        torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.float16, torch.bfloat16,
        torch.float32, torch.float64, torch.complex64, torch.complex128,
    )
}  # fmt: skip


class StateFileError(ValueError):
    """The file holds no state, or not the one that was written."""


def is_state_file(path: Path) -> bool:
    """Whether the file was begun or ended by :func:`write_state`, whole or damaged."""
    if not path.is_file():  # a pipe would be waited for
        return False
    try:
        with path.open("rb") as file:
            begins = _HEAD.match(file.read(64)) is not None
            file.seek(-min(file.seek(0, os.SEEK_END), len(_MARK) + _DIGITS), os.SEEK_END)
            return begins or file.read().startswith(_MARK)
    except OSError:
        return False


def write_state(file: BinaryIO, state: Any) -> None:
    """Write a state into an empty file that can be read and seeked.

    Parameters
    ----------
    file : binary file
        As :func:`zeroshot.files.write_atomically` gives one.
    state : nested dicts, lists and tuples
        Of tensors, numbers, strings, booleans and None; the keys of dicts are no tensors.

    Raises
    ------
    TypeError
        Where it holds anything else; the message names the place.
    OSError
        Where the file cannot be written.
    """
    tensors: list[torch.Tensor] = []
    structure = _encoded(state, tensors, "state")
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        archive.comment = _MARK + b"0" * _DIGITS
        archive.writestr(_member(_STRUCTURE), json.dumps(structure, separators=(",", ":")))
        for index, tensor in enumerate(tensors):
            values = tensor.detach().cpu().permute(_order(tensor)).contiguous().reshape(-1)
            archive.writestr(_member(f"tensors/{index}"), memoryview(values.view(torch.uint8).numpy()))  # type: ignore[arg-type]
    file.seek(0, os.SEEK_END)
    digest = _digest(file, file.tell() - _DIGITS)
    file.seek(-_DIGITS, os.SEEK_END)
    file.write(digest)


def _member(name: str) -> zipfile.ZipInfo:
    return zipfile.ZipInfo(name)  # of 1980: the same state gives the same file


def _order(tensor: torch.Tensor) -> list[int]:
    """The dimensions as they follow each other in memory; channels last stay last."""
    strides = tensor.stride()
    return sorted(range(tensor.ndim), key=lambda dimension: -strides[dimension])


def _encoded(value: Any, tensors: list[torch.Tensor], place: str) -> Any:
    if value is None or isinstance(value, bool | str):
        return value
    if isinstance(value, int):
        return int(value)
    if isinstance(value, float):
        return float(value)
    if isinstance(value, torch.Tensor):
        if value.layout != torch.strided or value.dtype not in _DTYPES.values():
            raise TypeError(
                f"{place} is a tensor of {value.layout} and {value.dtype}, which no file of states holds"
            )
        tensors.append(value)
        name = str(value.dtype).removeprefix("torch.")
        return {"tensor": len(tensors) - 1, "dtype": name, "shape": [*value.shape], "order": _order(value)}
    if isinstance(value, tuple):
        return {"tuple": [_encoded(part, tensors, f"{place}[{i}]") for i, part in enumerate(value)]}
    if isinstance(value, list):
        return [_encoded(part, tensors, f"{place}[{i}]") for i, part in enumerate(value)]
    if isinstance(value, dict):
        pairs = value.items()
        return {
            "dict": [
                [_encoded(key, tensors, place), _encoded(part, tensors, f"{place}[{key!r}]")]
                for key, part in pairs
            ]
        }
    raise TypeError(f"{place} is a {type(value).__name__}, which no file of states holds")


def _digest(file: BinaryIO, length: int) -> bytes:
    """The SHA-256 of the first bytes of a file, in hexadecimal digits."""
    digest = hashlib.sha256()
    file.seek(0)
    while length > 0 and (piece := file.read(min(length, 1 << 20))):
        digest.update(piece)
        length -= len(piece)
    return digest.hexdigest().encode()


def read_state(path: Path) -> Any:
    """The state in a file, its tensors on the CPU.

    Raises
    ------
    StateFileError
        Where it is no such file, or a single bit of it is not as it was written.
    OSError
        Where the file cannot be read.
    """
    with path.open("rb") as file:
        return state_in(file)


def state_in(file: BinaryIO) -> Any:
    """The state that an open file holds; errors as :func:`read_state`."""
    _require_whole(file)
    return _opened(file, _Reader)


def read_words(path: Path) -> Any:
    """The state in a file with None for every tensor, without reading these.

    Damage is not noticed outside the words themselves: who goes on with the state has to :func:`read_state` it.

    Raises
    ------
    StateFileError
        Where it is no such file, or its words cannot be read.
    OSError
        Where the file cannot be read.
    """
    with path.open("rb") as file:
        return _opened(file, _Words)


def _opened(file: BinaryIO, reader: type[_Reader]) -> Any:
    try:
        with zipfile.ZipFile(file) as archive:
            return reader(archive, file.seek(0, os.SEEK_END)).state()
    except (StateFileError, OSError, MemoryError):
        raise
    except Exception as error:  # zipfile and json raise anything at all on what is not their own
        raise StateFileError(f"is no state that was written whole ({type(error).__name__})") from None


def _require_whole(file: BinaryIO) -> None:
    size = file.seek(0, os.SEEK_END)
    tail = len(_MARK) + _DIGITS
    if size < tail:
        raise StateFileError("is no state, or cut off")
    file.seek(-tail, os.SEEK_END)
    comment = file.read()
    if not comment.startswith(_MARK):
        raise StateFileError("is no state, or cut off")
    if _digest(file, size - _DIGITS) != comment[len(_MARK) :]:
        raise StateFileError("is damaged: its checksum does not match")


class _Reader:
    """Takes a state out of an archive that somebody may have made to harm."""

    def __init__(self, archive: zipfile.ZipFile, size: int) -> None:
        members = archive.infolist()
        if any(
            one.compress_type != zipfile.ZIP_STORED or one.file_size != one.compress_size for one in members
        ):
            raise StateFileError("is compressed")
        if sum(one.file_size for one in members) > size:
            raise StateFileError("says that it holds more than it does")
        self._archive = archive
        self._left = {one.filename: one for one in members}

    def state(self) -> Any:
        return self._decoded(json.loads(self._archive.read(self._left.pop(_STRUCTURE))))

    def _decoded(self, value: Any) -> Any:
        if isinstance(value, list):
            return [self._decoded(part) for part in value]
        if not isinstance(value, dict):
            return value
        if "tensor" in value:
            return self._tensor(**value)
        if "tuple" in value:
            return tuple(self._decoded(part) for part in value["tuple"])
        return {self._decoded(key): self._decoded(part) for key, part in value["dict"]}

    def _tensor(self, tensor: int, dtype: str, shape: list[int], order: list[int]) -> torch.Tensor | None:
        # Each is taken once: a thousand references to one would be a thousand copies.
        member = self._left.pop(f"tensors/{tensor}")
        kind = _DTYPES[dtype]
        if sorted(order) != [*range(len(shape))] or any(
            type(length) is not int or length < 0 for length in shape
        ):
            raise StateFileError("holds a tensor of no shape")
        if math.prod(shape) * torch.empty(0, dtype=kind).element_size() != member.file_size:
            raise StateFileError("holds a tensor of another size than it says")
        values = torch.empty(member.file_size, dtype=torch.uint8)
        with self._archive.open(member) as stream:
            _fill(stream, memoryview(values.numpy()))  # type: ignore[arg-type]
        if kind == torch.bool and bool((values > 1).any()):
            raise StateFileError("holds truth values that are none")
        laid_out = values.view(kind).reshape([shape[dimension] for dimension in order])
        return laid_out.permute([order.index(dimension) for dimension in range(len(shape))])


class _Words(_Reader):
    """Takes the state out without its tensors."""

    def _tensor(self, tensor: int, dtype: str, shape: list[int], order: list[int]) -> Any:
        return None


def _fill(stream: Any, target: memoryview) -> None:
    done = 0
    while done < len(target):
        count = stream.readinto(target[done : done + (1 << 24)])
        if not count:
            raise StateFileError("holds a tensor that ends too early")
        done += count
