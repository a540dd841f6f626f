"""The files of torch.save, read as data: zip archives, and the sequence of pickles before torch 1.6.

`torch.load` is not used, as its closed list of names has no bound on what they allocate: the pickle is read like
any other, and the values of the tensors are copied from where the file says they lie.
"""

from __future__ import annotations

import math
import mmap
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import torch

from .errors import UnsafePickleError
from .memory_budget import MemoryBudget
from .pickled_arrays import Storage
from .unpickler import BASIC_NAMES, Constructor, scan, unpickled

_ZIP = b"PK\x03\x04"
#: The first pickle of the older form: its magic number.
_LEGACY = b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19"
_DTYPES = {
    "DoubleStorage": torch.float64,
    "FloatStorage": torch.float32,
    "HalfStorage": torch.float16,
    "BFloat16Storage": torch.bfloat16,
    "LongStorage": torch.int64,
    "IntStorage": torch.int32,
    "ShortStorage": torch.int16,
    "CharStorage": torch.int8,
    "ByteStorage": torch.uint8,
    "BoolStorage": torch.bool,
}
_NAMES = {
    **BASIC_NAMES,
    **{f"torch.{name}": Constructor(f"torch.{name}", None) for name in _DTYPES},
    "torch.Size": Constructor("torch.Size", lambda _budget, sides=(): tuple(sides)),
}


def is_torch_file(path: str | Path) -> bool:
    """Whether the file begins as `torch.save` writes it, in its present or older form."""
    with open(path, "rb") as file:
        start = file.read(32)
    return start.startswith(_ZIP) or _LEGACY in start


def load_tensors(path: str | Path) -> Any:
    """What a file of `torch.save` holds: containers, numbers, text, and tensors on the CPU.

    Parameters
    ----------
    path : str or Path
        The file.

    Returns
    -------
    Any
        Usually a dict of tensors.

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is no such file, or `torch.save` did not write it.
    UnsafePickleError
        Where the file asks for anything but tensors, which the message names, or for more memory than it has bytes.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file of weights {path}")
    if not is_torch_file(path):
        raise ValueError(f"{path.name} is no file of tensors")
    with open(path, "rb") as file, mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as mapped:
        try:
            # A mapped file gives no more than it has, however much is asked for, but zipfile needs a real file.
            source: Any = file if mapped[: len(_ZIP)] == _ZIP else mapped
            return read_torch(source, len(mapped))
        except UnsafePickleError as error:
            raise UnsafePickleError(f"{path.name}: {error}") from None


def load_state_dict(path: str | Path) -> dict[str, Any]:
    """The dict that a file of `torch.save` holds, its keys as text; nested ones stay as they are.

    Parameters
    ----------
    path : str or Path
        The file.

    Raises
    ------
    FileNotFoundError, ValueError, UnsafePickleError
        As for :func:`load_tensors`, and where the file holds no dict.
    """
    content = load_tensors(path)
    if isinstance(content, dict):
        return {str(name): value for name, value in content.items()}
    raise ValueError(f"{Path(path).name} holds a {type(content).__name__}, not a state dict")


def read_torch(file: BinaryIO, size: int) -> Any:
    """As :func:`load_tensors`, from an open file of `size` bytes."""
    start = file.read(32)
    file.seek(0)
    try:
        if start.startswith(_ZIP):
            return _read_zip(file, size)
        if _LEGACY in start:
            return _read_legacy(file, size)
    except UnsafePickleError:
        raise
    except (zipfile.BadZipFile, EOFError, OSError, NotImplementedError, RuntimeError) as error:
        raise UnsafePickleError(f"the file is no whole file of torch: {error}") from None
    raise UnsafePickleError("the file is none of torch.save")


class _Storages:
    """The storages of a file by their keys, together no larger than the file."""

    def __init__(self, size: int, fill: Callable[[str, Storage], None]) -> None:
        self._left, self._fill = size, fill
        self.found: dict[str, Storage] = {}

    def __call__(self, identifier: Any) -> Storage:
        if not isinstance(identifier, tuple) or len(identifier) < 5 or identifier[0] != "storage":
            raise UnsafePickleError("the file asks for an object outside itself (persistent identifier)")
        _, kind, key, _, count, *view = identifier
        name = kind.full.removeprefix("torch.") if isinstance(kind, Constructor) else ""
        if name not in _DTYPES or not isinstance(key, str) or not isinstance(count, int) or count < 0:
            raise UnsafePickleError("the file holds values of unknown type")
        if any(view):
            raise UnsafePickleError("the file holds values that are part of others, as torch 0.3 wrote them")
        if key not in self.found:
            dtype = _DTYPES[name]
            self._left -= count * dtype.itemsize
            if self._left < 0:
                raise UnsafePickleError("the file is hostile or damaged: it says it holds more than its size")
            self.found[key] = Storage(dtype, count)
            self._fill(key, self.found[key])
        storage = self.found[key]
        if storage.values.dtype != _DTYPES[name] or storage.values.numel() != count:
            raise UnsafePickleError("the file gives the same values two types")
        return storage


def _read_zip(file: BinaryIO, size: int) -> Any:
    with zipfile.ZipFile(file) as archive:
        entries = {entry.filename: entry for entry in archive.infolist()}
        if any(entry.compress_type != zipfile.ZIP_STORED for entry in entries.values()):
            raise UnsafePickleError("the file is compressed, as torch.save does not")
        if sum(entry.file_size for entry in archive.infolist()) > size:
            raise UnsafePickleError("the file is hostile or damaged: its parts are larger than itself")
        pickles = [name for name in entries if name.rpartition("/")[2] == "data.pkl"]
        if len(pickles) != 1:
            raise UnsafePickleError("the file is an archive, but none of torch.save")
        folder = pickles[0].removesuffix("data.pkl")
        if f"{folder}byteorder" in entries and archive.read(f"{folder}byteorder").strip() != b"little":
            raise UnsafePickleError("the file was written on a machine with the other byte order")

        def fill(key: str, storage: Storage) -> None:
            entry = entries.get(f"{folder}data/{key}")
            if entry is None or entry.file_size != len(storage.buffer):
                raise UnsafePickleError("the file is hostile or damaged: values are missing")
            with archive.open(entry) as values:
                _read_into(storage, values)  # type: ignore[arg-type]

        with archive.open(pickles[0]) as data:
            scan(data, persistent="allowed")  # type: ignore[arg-type]
        return unpickled(archive.read(pickles[0]), _NAMES, MemoryBudget(size), _Storages(size, fill))


def _read_legacy(file: BinaryIO, size: int) -> Any:
    budget = MemoryBudget(size)
    start = file.read(32)
    file.seek(start.index(_LEGACY) + len(_LEGACY) + len(b"."))
    # The magic number is followed by the version and the machine's properties.
    for _ in range(2):
        unpickled(_next_pickle(file), _NAMES, budget)
    # The values come last; the tensors share the memory of the storages, which may be filled afterwards.
    storages = _Storages(size, lambda key, storage: None)
    content = unpickled(_next_pickle(file), _NAMES, budget, storages)
    keys = unpickled(_next_pickle(file), _NAMES, budget)
    if not isinstance(keys, list) or sorted(map(str, keys)) != sorted(storages.found):
        raise UnsafePickleError("the file is hostile or damaged: values are missing")
    for key in keys:
        storage = storages.found[key]
        count = int.from_bytes(file.read(8), "little", signed=True)
        if count != storage.values.numel():
            raise UnsafePickleError("the file is hostile or damaged: values are missing")
        _read_into(storage, file)
    return content


def _next_pickle(file: BinaryIO) -> bytes:
    start = file.tell()
    length = scan(file, persistent="allowed")
    file.seek(start)
    return file.read(length)


def _read_into(storage: Storage, file: BinaryIO) -> None:
    """Fill a storage in pieces, so that no second copy of it is made."""
    view, piece = memoryview(storage.buffer), 1 << 22
    for place in range(math.ceil(len(view) / piece)):
        part = view[place * piece : (place + 1) * piece]
        content = file.read(len(part))
        if len(content) != len(part):
            raise UnsafePickleError("the file is hostile or damaged: it ends within its values")
        part[:] = content
