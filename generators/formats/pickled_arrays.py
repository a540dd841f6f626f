"""Arrays and tensors that a pickle may build, within the bytes that the file holds."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import torch

from .errors import UnsafePickleError
from .memory_budget import MemoryBudget

_KINDS = frozenset("?bhilqpBHILQPefdg")


class Recorded:
    """An object of a class that is not imported: what it would have been built from.

    Attributes
    ----------
    name : str
        Module and name of what would have been called.
    arguments : tuple
        What it would have been called with.
    state : Any
        What would have been given to the object afterwards.
    """

    __slots__ = ("arguments", "name", "state")

    def __init__(self, name: str, arguments: tuple[Any, ...]) -> None:
        self.name, self.arguments = name, arguments
        self.state: Any = None

    def __reduce__(self) -> Any:
        raise TypeError("a recorded object cannot be pickled again")

    def __repr__(self) -> str:
        return f"<recorded {self.name}>"


class PickledArray(Recorded):
    """A NumPy array before it is built: its state says shape, type and bytes."""

    __slots__ = ()


class Storage:
    """The numbers that tensors are views of.

    Parameters
    ----------
    dtype : torch.dtype
        Type of one number.
    count : int
        How many there are; the caller has made sure that the file holds them.
    """

    __slots__ = ("buffer", "values")

    def __init__(self, dtype: torch.dtype, count: int) -> None:
        self.buffer = bytearray(count * dtype.itemsize)
        self.values = torch.frombuffer(self.buffer, dtype=dtype) if count else torch.empty(0, dtype=dtype)


def begin_array(_budget: MemoryBudget, *arguments: Any) -> PickledArray:
    """The empty array that a pickle fills later."""
    return PickledArray("numpy.ndarray", arguments)


def begin_dtype(_budget: MemoryBudget, *arguments: Any) -> Recorded:
    """A type of numbers, its byte order still unknown."""
    return Recorded("numpy.dtype", arguments)


def _as_dtype(recorded: Any) -> np.dtype:
    """The NumPy type of numbers; those of objects and records are refused."""
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


def scalar(_budget: MemoryBudget, dtype: Any, content: Any = b"") -> Any:
    """A NumPy scalar as a Python number."""
    kind = _as_dtype(dtype)
    if isinstance(content, str):
        content = content.encode("latin-1")
    if not isinstance(content, bytes) or len(content) != kind.itemsize:
        raise UnsafePickleError("the file holds a number whose bytes do not fit its type")
    return np.frombuffer(content, kind)[0].item()


def as_array(recorded: PickledArray, budget: MemoryBudget) -> np.ndarray:
    """The array of which the unpickler has collected the parts; it is read-only."""
    state = recorded.state
    if not isinstance(state, tuple) or len(state) != 5:
        raise UnsafePickleError("the file holds an array in a form that is not known")
    _, shape, dtype, fortran, content = state
    kind = _as_dtype(dtype)
    if not isinstance(content, bytes | bytearray | str) or not isinstance(shape, tuple):
        raise UnsafePickleError("the file holds an array that is not one of numbers")
    if not all(isinstance(side, int) and side >= 0 for side in shape):
        raise UnsafePickleError("the file holds an array of impossible shape")
    if math.prod(shape) * kind.itemsize != len(content):
        raise UnsafePickleError("the file holds an array whose bytes do not fit its shape")
    # Several arrays may share their bytes, and whoever uses them copies each.
    budget.charge_numbers(math.prod(shape), kind.itemsize)
    if isinstance(content, str):
        budget.charge(len(content))
        content = content.encode("latin-1")
    values = np.frombuffer(content, kind).reshape(shape, order="F" if fortran else "C")
    return values.astype(kind.newbyteorder("="), copy=False)


def array_from_buffer(budget: MemoryBudget, content: Any, dtype: Any, shape: Any, order: Any) -> np.ndarray:
    """An array in the form of pickle protocol 5."""
    array = PickledArray("numpy.ndarray", ())
    array.state = (1, shape, dtype, order == "F", content)
    return as_array(array, budget)


def tensor(
    budget: MemoryBudget, storage: Any, offset: Any, size: Any, stride: Any, *_rest: Any
) -> torch.Tensor:
    """A view of a storage that lies within the storage and has no more elements."""
    if not isinstance(storage, Storage):
        raise UnsafePickleError("the file holds a tensor without its values")
    if not isinstance(size, tuple | list) or not isinstance(stride, tuple | list) or len(size) != len(stride):
        raise UnsafePickleError("the file holds a tensor of impossible shape")
    if not all(isinstance(number, int) and number >= 0 for number in (offset, *size, *stride)):
        raise UnsafePickleError("the file holds a tensor of impossible shape")
    flat, count = storage.values, math.prod(size)
    last = offset + sum((side - 1) * step for side, step in zip(size, stride, strict=True))
    if count > flat.numel() or (count and last >= flat.numel()):
        raise UnsafePickleError("the file holds a tensor that is larger than its values")
    budget.charge_numbers(count, flat.element_size())
    return flat.as_strided(tuple(size), tuple(stride), offset) if count else flat.new_empty(tuple(size))


def parameter(_budget: MemoryBudget, data: Any, *_rest: Any) -> Any:
    """A parameter is read as its tensor."""
    return data
