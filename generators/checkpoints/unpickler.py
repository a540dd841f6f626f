"""Reading a pickle as data: nothing that a file names is imported or called.

A pickle is a program. This one is run by Python's own unpickler, with every name looked up in a closed list of
constructors that are known to be harmless; what describes an object of some class is kept as a
:class:`Recorded`, which holds its arguments and state as data. A name outside the list, an extension code or a
persistent identifier is refused before anything is built. So is a pickle that could fill the memory: it is
scanned first, opcode by opcode.
"""

from __future__ import annotations

import collections
import io
import pickle
import pickletools
from collections.abc import Callable
from typing import Any

import numpy as np
import torch


class UnsafePickleError(ValueError):
    """The file asks for something that data does not need; the message names it."""


class Recorded:
    """An object of a class that is not imported: what it was to be built from.

    Attributes
    ----------
    name : str
        Module and name of what would have been called.
    arguments : tuple
        What it would have been called with.
    state : Any
        What would have been given to the object afterwards.
    """

    # The unpickler hands the state over through this method, so that nothing is set by name.
    __slots__ = ("arguments", "name", "state")
    state: Any

    def __init__(self, name: str, arguments: tuple[Any, ...]) -> None:
        self.name, self.arguments, self.state = name, arguments, None

    def __setstate__(self, state: Any) -> None:
        self.state = state

    def __reduce__(self) -> Any:
        raise TypeError("a recorded object cannot be pickled again")

    def __repr__(self) -> str:
        return f"<recorded {self.name}>"


def _recorder(full: str) -> type[Recorded]:
    """A class that stands for another one, or for a function: to be called, it records what with."""

    class Recorder(Recorded):
        __slots__ = ()

        def __new__(cls, *arguments: Any) -> Recorded:  # type: ignore[misc]
            return Recorded(full, arguments)

    return Recorder


class _Array(Recorded):
    """A NumPy array on its way: its state says shape, type and bytes."""

    __slots__ = ()


def _begin_array(*arguments: Any) -> _Array:
    return _Array("numpy.ndarray", arguments)


_KINDS = frozenset("?bhilqpBHILQPefdg")


def _dtype(*arguments: Any) -> Recorded:
    return Recorded("numpy.dtype", arguments)


def _as_dtype(recorded: Any) -> np.dtype:
    """A dtype of numbers; objects and records are refused."""
    if not isinstance(recorded, Recorded) or recorded.name != "numpy.dtype" or not recorded.arguments:
        raise UnsafePickleError("the file holds an array without a type")
    code = recorded.arguments[0]
    if not isinstance(code, str) or len(code) > 8:
        raise UnsafePickleError("the file holds an array of unknown type")
    dtype = np.dtype(code)
    if dtype.char not in _KINDS:
        raise UnsafePickleError(f"the file holds an array of type {code!r}; only numbers are read")
    order: Any = recorded.state[1] if isinstance(recorded.state, tuple) and len(recorded.state) > 1 else "|"
    return dtype.newbyteorder(order) if order in ("<", ">") else dtype


def _scalar(dtype: Any, content: Any = b"") -> Any:
    kind = _as_dtype(dtype)
    if isinstance(content, str):
        content = content.encode("latin-1")
    if not isinstance(content, bytes) or len(content) != kind.itemsize:
        raise UnsafePickleError("the file holds a number whose bytes do not fit its type")
    return np.frombuffer(content, kind)[0].item()


def as_array(recorded: _Array) -> np.ndarray:
    """The array that the unpickler has collected the parts of."""
    state = recorded.state
    if not isinstance(state, tuple) or len(state) != 5:
        raise UnsafePickleError("the file holds an array in a form that is not known")
    _, shape, dtype, fortran, content = state
    kind = _as_dtype(dtype)
    if isinstance(content, str):
        content = content.encode("latin-1")
    if not isinstance(content, bytes) or not isinstance(shape, tuple):
        raise UnsafePickleError("the file holds an array that is not one of numbers")
    if not all(isinstance(side, int) and side >= 0 for side in shape):
        raise UnsafePickleError("the file holds an array of impossible shape")
    values = np.frombuffer(content, kind)
    if values.size != int(np.prod(shape, dtype=np.int64)):
        raise UnsafePickleError("the file holds an array whose bytes do not fit its shape")
    return values.reshape(shape, order="F" if fortran else "C").astype(kind.newbyteorder("="))


def _storage(content: Any) -> Any:
    """A tensor storage, saved inside the pickle as a file of its own."""
    if not isinstance(content, bytes):
        raise UnsafePickleError("the file holds a tensor that is not stored as bytes")
    try:
        return torch.load(io.BytesIO(content), weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        raise UnsafePickleError(f"a tensor in the file is refused: {_first_line(error)}") from None


def _tensor(storage: Any, offset: Any, size: Any, stride: Any, *_rest: Any) -> torch.Tensor:
    if not isinstance(storage, torch.storage.TypedStorage | torch.storage.UntypedStorage):
        raise UnsafePickleError("the file holds a tensor without its values")
    numbers = (offset, *size, *stride)
    if not all(isinstance(number, int) and number >= 0 for number in numbers) or len(size) != len(stride):
        raise UnsafePickleError("the file holds a tensor of impossible shape")
    dtype = storage.dtype if isinstance(storage, torch.storage.TypedStorage) else torch.uint8
    flat = torch.empty(0, dtype=dtype).set_(storage)  # type: ignore[call-overload]
    last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True))
    if (0 not in size and last >= flat.numel()) or any(
        step == 0 and side > 1 for side, step in zip(size, stride, strict=True)
    ):
        raise UnsafePickleError("the file holds a tensor that is larger than its values")
    return flat.as_strided(size, stride, offset)


def _parameter(data: Any, *_rest: Any) -> Any:
    return data


def _empty_bytes(*arguments: Any) -> bytes:
    """Python 2 style pickles spell empty bytes as a call; with an argument it could ask for any length."""
    if arguments:
        raise UnsafePickleError("the file asks for builtins.bytes with an argument")
    return b""


def _from_buffer(content: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    """An array as pickles of protocol 5 hold it."""
    array = _Array("numpy.ndarray", ())
    array.state = (
        1,
        shape,
        dtype,
        order == "F",
        bytes(content) if isinstance(content, bytearray) else content,
    )
    return as_array(array)


def _encode(text: Any, encoding: Any = "latin-1") -> bytes:
    """Bytes that Python 2 style pickles spell as text."""
    if encoding not in ("latin1", "latin-1") or not isinstance(text, str):
        raise UnsafePickleError("the file asks for codecs.encode")
    return text.encode("latin-1")


#: What is built: containers and numbers.
_BUILT: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": collections.OrderedDict,
    "dnnlib.util.EasyDict": dict,
    "builtins.set": set,
    "__builtin__.set": set,
    "builtins.bytes": _empty_bytes,
    "__builtin__.bytes": _empty_bytes,
    "_codecs.encode": _encode,
    "numpy.dtype": _dtype,
    "numpy.core.multiarray._reconstruct": _begin_array,
    "numpy._core.multiarray._reconstruct": _begin_array,
    "numpy.core.multiarray.scalar": _scalar,
    "numpy._core.multiarray.scalar": _scalar,
    "numpy.core.numeric._frombuffer": _from_buffer,
    "numpy._core.numeric._frombuffer": _from_buffer,
    "torch.storage._load_from_bytes": _storage,
    "torch._utils._rebuild_tensor_v2": _tensor,
    "torch._utils._rebuild_parameter": _parameter,
}
#: What is recorded: the networks that the published files describe.
_RECORDED = frozenset(
    {
        "numpy.ndarray",
        "torch_utils.persistence._reconstruct_persistent_obj",
        "dnnlib.tflib.network.Network",
    }
)
_MOST_OPCODES = 5_000_000
#: A memo index beyond the number of opcodes serves no purpose but to make the memo large.
_MEMO_SLACK = 1024


def scan(content: bytes) -> None:
    """Raise where a pickle is broken, uses codes that reach outside it, or could fill the memory.

    Raises
    ------
    UnsafePickleError
        With the reason in one line.
    """
    count = 0
    try:
        for opcode, given, _ in pickletools.genops(content):
            argument: Any = given
            count += 1
            if opcode.name in ("EXT1", "EXT2", "EXT4"):
                raise UnsafePickleError(f"the file asks for extension code {argument}")
            if opcode.name in ("PERSID", "BINPERSID"):
                raise UnsafePickleError("the file asks for an object outside itself (persistent identifier)")
            if opcode.name in ("NEXT_BUFFER", "READONLY_BUFFER"):
                raise UnsafePickleError("the file asks for a buffer outside itself")
            if opcode.name in ("PUT", "BINPUT", "LONG_BINPUT") and int(argument) > count + _MEMO_SLACK:
                raise UnsafePickleError(f"the file numbers its memory up to {argument} for no reason")
            if opcode.name in ("LONG1", "LONG4", "LONG", "INT") and abs(int(argument)) >= 2**64:
                raise UnsafePickleError("the file holds a whole number of more than 64 bits")
            if count > _MOST_OPCODES:
                raise UnsafePickleError(f"the file has more than {_MOST_OPCODES} steps")
    except UnsafePickleError:
        raise
    except Exception as error:
        raise UnsafePickleError(f"the file is not a whole pickle: {_first_line(error)}") from None


class _Reader(pickle._Unpickler):  # type: ignore[name-defined, misc]
    """Python's unpickler in its slow form, which has no caches of its own behind `find_class`."""

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full in _BUILT:
            return _BUILT[full]
        if full in _RECORDED:
            return _recorder(full)
        raise UnsafePickleError(f"the file asks for {full}, which data does not need; it is not read")

    def persistent_load(self, pid: Any) -> Any:
        raise UnsafePickleError("the file asks for an object outside itself (persistent identifier)")


def read_pickle(content: bytes) -> Any:
    """What a pickle describes, with arrays as NumPy arrays and unknown objects as :class:`Recorded`.

    Parameters
    ----------
    content : bytes
        The pickle.

    Raises
    ------
    UnsafePickleError
        Where the file asks for anything but data; the message names what it asked for.
    """
    scan(content)
    try:
        return _finished(_Reader(io.BytesIO(content), encoding="latin-1").load())
    except UnsafePickleError:
        raise
    except RecursionError:
        raise UnsafePickleError("the file nests its objects too deeply") from None
    except Exception as error:
        raise UnsafePickleError(f"the file is not data: {_first_line(error)}") from None


def _finished(value: Any, seen: dict[int, Any] | None = None) -> Any:
    """`value` with every collected array made into one, whatever it is nested in."""
    seen = {} if seen is None else seen
    if isinstance(value, str | bytes | int | float | bool | torch.Tensor | np.ndarray) or value is None:
        return value
    if id(value) in seen:
        return seen[id(value)]
    if isinstance(value, _Array):
        seen[id(value)] = as_array(value)
    elif isinstance(value, dict):
        made: dict[Any, Any] = {}
        seen[id(value)] = made
        made.update({key: _finished(item, seen) for key, item in value.items()})
    elif isinstance(value, list):
        items: list[Any] = []
        seen[id(value)] = items
        items.extend(_finished(item, seen) for item in value)
    elif isinstance(value, tuple):
        seen[id(value)] = tuple(_finished(item, seen) for item in value)
    elif isinstance(value, Recorded):
        seen[id(value)] = value
        value.arguments = _finished(value.arguments, seen)
        value.state = _finished(value.state, seen)
    else:
        seen[id(value)] = value
    return seen[id(value)]


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
