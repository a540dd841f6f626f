"""Reading a pickle as data: nothing that a file names is imported or called.

A pickle is a program. Here Python's own unpickler runs it, with every name looked up in a closed list of
constructors that are known to be harmless; what describes an object of some class is kept as a
:class:`~.pickled_arrays.Recorded`, which holds its arguments and state as data. A name outside the list, an
extension code or a persistent identifier is refused before anything is built; only constructors of that list are
called, and only what they made is given a state. A pickle that could fill the memory is refused too: it is scanned
first, opcode by opcode, and what it builds may take no more than a multiple of the file's own size.
"""

from __future__ import annotations

import collections
import io
import pickle
import pickletools
import warnings
from collections.abc import Callable, Iterable, Iterator
from typing import Any, BinaryIO, ClassVar

import numpy as np
import torch

from . import pickled_arrays
from .errors import UnsafePickleError, first_line
from .memory_budget import MemoryBudget
from .pickled_arrays import PickledArray, Recorded

#: What one entry of a container takes, roughly.
_ENTRY = 64


class Constructor:
    """What a name in a pickle stands for; it cannot be altered.

    Parameters
    ----------
    full : str
        Module and name.
    build : callable or None
        Called with the budget and the arguments; None where the name may be mentioned only.
    """

    __slots__ = ("_build", "_full")
    _full: str
    _build: Callable[..., Any] | None

    def __init__(self, full: str, build: Callable[..., Any] | None) -> None:
        object.__setattr__(self, "_full", full)
        object.__setattr__(self, "_build", build)

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a constructor cannot be altered")

    @property
    def full(self) -> str:
        """Module and name."""
        return self._full

    def __call__(self, budget: MemoryBudget, *arguments: Any) -> Any:
        if self._build is None:
            raise UnsafePickleError(f"the file calls {self._full}, which data does not need")
        return self._build(budget, *arguments)


def _require_plain_keys(keys: Iterable[Any]) -> None:
    """Nested tuples would be hashed as often as they can be reached."""
    for key in keys:
        parts = key if isinstance(key, tuple) else (key,)
        if not all(part is None or isinstance(part, str | bytes | int | float) for part in parts):
            raise UnsafePickleError(f"the file files something under a {type(key).__name__}")


def _ordered(budget: MemoryBudget, pairs: Any = ()) -> dict[Any, Any]:
    return collections.OrderedDict(build_dict(budget, pairs))


def build_dict(budget: MemoryBudget, pairs: Any = ()) -> dict[Any, Any]:
    if isinstance(pairs, dict):
        pairs = list(pairs.items())
    if not isinstance(pairs, list | tuple) or any(
        not isinstance(pair, list | tuple) or len(pair) != 2 for pair in pairs
    ):
        raise UnsafePickleError("the file holds a dictionary of something else than pairs")
    budget.charge(_ENTRY * len(pairs))
    _require_plain_keys(pair[0] for pair in pairs)
    return dict(pairs)


def _set(budget: MemoryBudget, items: Any = ()) -> set[Any]:
    if not isinstance(items, list | tuple):
        raise UnsafePickleError(f"the file makes a set of a {type(items).__name__}")
    budget.charge(_ENTRY * len(items))
    _require_plain_keys(items)
    return set(items)


def _empty_bytes(_budget: MemoryBudget, *arguments: Any) -> bytes:
    """Python 2 style pickles spell empty bytes as a call; with an argument it could ask for any length."""
    if arguments:
        raise UnsafePickleError("the file asks for builtins.bytes with an argument")
    return b""


def _encode(budget: MemoryBudget, text: Any, encoding: Any = "latin-1") -> bytes:
    """Bytes that Python 2 style pickles spell as text."""
    if encoding not in ("latin1", "latin-1") or not isinstance(text, str):
        raise UnsafePickleError("the file asks for codecs.encode")
    budget.charge(len(text))
    return text.encode("latin-1")


_BUILDERS: dict[str, Callable[..., Any]] = {
    "collections.OrderedDict": _ordered,
    "builtins.set": _set,
    "__builtin__.set": _set,
    "builtins.bytes": _empty_bytes,
    "__builtin__.bytes": _empty_bytes,
    "_codecs.encode": _encode,
    "numpy.dtype": pickled_arrays.begin_dtype,
    "numpy.core.multiarray._reconstruct": pickled_arrays.begin_array,
    "numpy._core.multiarray._reconstruct": pickled_arrays.begin_array,
    "numpy.core.multiarray.scalar": pickled_arrays.scalar,
    "numpy._core.multiarray.scalar": pickled_arrays.scalar,
    "numpy.core.numeric._frombuffer": pickled_arrays.array_from_buffer,
    "numpy._core.numeric._frombuffer": pickled_arrays.array_from_buffer,
    "torch._utils._rebuild_tensor": pickled_arrays.tensor,
    "torch._utils._rebuild_tensor_v2": pickled_arrays.tensor,
    "torch._utils._rebuild_parameter": pickled_arrays.parameter,
}


#: The names that any pickle may use: containers and numbers.
BASIC_NAMES = {
    **{full: Constructor(full, build) for full, build in _BUILDERS.items()},
    "numpy.ndarray": Constructor("numpy.ndarray", None),
}
_MOST_OPCODES = 500_000
#: A memo index beyond the number of opcodes serves no purpose but to make the memo large.
_MEMO_SLACK = 1024


def _operations(file: BinaryIO) -> Iterator[tuple[pickletools.OpcodeInfo, Any, int | None]]:
    """What :func:`pickletools.genops` finds, without the warnings of Python about escapes in foreign text."""
    operations = pickletools.genops(file)
    while True:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            operation = next(operations, None)
        if operation is None:
            return
        yield operation


def scan(file: BinaryIO, persistent: str = "refused") -> int:
    """The length of the pickle that begins here, broken ones and those that reach outside themselves refused.

    Parameters
    ----------
    file : binary file
        At the beginning of the pickle; it is left behind its end.
    persistent : {"refused", "allowed"}
        Whether persistent identifiers may occur, which torch's files name their storages by.

    Raises
    ------
    UnsafePickleError
        With the reason in one line.
    """
    count, start, last = 0, file.tell(), 0
    try:
        for opcode, given, place in _operations(file):
            argument: Any = given
            count, last = count + 1, place or 0
            if opcode.name in ("EXT1", "EXT2", "EXT4"):
                raise UnsafePickleError(f"the file asks for extension code {argument}")
            if opcode.name == "PERSID" or (opcode.name == "BINPERSID" and persistent == "refused"):
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
        raise UnsafePickleError(f"the file is not a whole pickle: {first_line(error)}") from None
    return last + 1 - start


class Reader(pickle._Unpickler):  # type: ignore[name-defined, misc]
    """Python's unpickler in its slow form, with the opcodes that act on objects confined to our own.

    Parameters
    ----------
    content : bytes
        A pickle that was scanned.
    names : dict
        What the names in it stand for.
    budget : MemoryBudget
        What it may take.
    persistent : callable, optional
        Gives the object of a persistent identifier; by default there are none.
    """

    stack: list[Any]
    append: Callable[[Any], None]
    pop_mark: Callable[[], list[Any]]
    dispatch: ClassVar[dict[int, Any]] = dict(pickle._Unpickler.dispatch)  # type: ignore[attr-defined]

    def __init__(
        self,
        content: bytes,
        names: dict[str, Constructor],
        budget: MemoryBudget,
        persistent: Callable[[Any], Any] | None = None,
    ) -> None:
        super().__init__(io.BytesIO(content), encoding="latin-1")
        self._names, self._budget, self._persistent = names, budget, persistent

    def find_class(self, module: str, name: str) -> Any:
        full = f"{module}.{name}"
        if full in self._names:
            return self._names[full]
        raise UnsafePickleError(f"the file asks for {full}, which data does not need; it is not read")

    def persistent_load(self, pid: Any) -> Any:
        if self._persistent is None:
            raise UnsafePickleError("the file asks for an object outside itself (persistent identifier)")
        return self._persistent(pid)

    def _call(self, function: Any, arguments: Any) -> None:
        if not isinstance(function, Constructor) or not isinstance(arguments, list | tuple):
            raise UnsafePickleError(f"the file calls a {type(function).__name__}")
        self.append(function(self._budget, *arguments))

    def _instantiate(self, klass: Any, args: Any) -> None:
        self._call(klass, args)

    def load_reduce(self) -> None:
        arguments = self.stack.pop()
        self._call(self.stack.pop(), arguments)

    def load_newobj_ex(self) -> None:
        if self.stack.pop():
            raise UnsafePickleError("the file calls something with named arguments")
        self.load_reduce()

    def load_build(self) -> None:
        state = self.stack.pop()
        target = self.stack[-1]
        if isinstance(target, Recorded):
            target.state = state
        elif type(target) is not collections.OrderedDict:
            # The state of a state dict is the versions of its modules, which nobody needs.
            kind = target.full if isinstance(target, Constructor) else type(target).__name__
            raise UnsafePickleError(f"the file sets the state of a {kind}, which data does not need")

    def load_append(self) -> None:
        value = self.stack.pop()
        self._target(list).append(value)

    def load_appends(self) -> None:
        items = self.pop_mark()
        self._target(list).extend(items)

    def load_setitem(self) -> None:
        value, key = self.stack.pop(), self.stack.pop()
        _require_plain_keys((key,))
        self._target(dict)[key] = value

    def load_setitems(self) -> None:
        items = self.pop_mark()
        _require_plain_keys(items[::2])
        self._target(dict).update(zip(items[::2], items[1::2], strict=True))

    def load_dict(self) -> None:
        items = self.pop_mark()
        _require_plain_keys(items[::2])
        self.append(dict(zip(items[::2], items[1::2], strict=True)))

    def load_additems(self) -> None:
        items = self.pop_mark()
        _require_plain_keys(items)
        self._target(set).update(items)

    def load_frozenset(self) -> None:
        items = self.pop_mark()
        _require_plain_keys(items)
        self.append(frozenset(items))

    def _target(self, kind: type) -> Any:
        if not isinstance(self.stack[-1], kind):
            raise UnsafePickleError(f"the file adds items to a {type(self.stack[-1]).__name__}")
        return self.stack[-1]

    for _code, _method in (
        (pickle.REDUCE, load_reduce),
        (pickle.NEWOBJ, load_reduce),
        (pickle.NEWOBJ_EX, load_newobj_ex),
        (pickle.BUILD, load_build),
        (pickle.APPEND, load_append),
        (pickle.APPENDS, load_appends),
        (pickle.SETITEM, load_setitem),
        (pickle.SETITEMS, load_setitems),
        (pickle.DICT, load_dict),
        (pickle.ADDITEMS, load_additems),
        (pickle.FROZENSET, load_frozenset),
    ):
        dispatch[_code[0]] = _method
    del _code, _method


def unpickled(
    content: bytes,
    names: dict[str, Constructor],
    budget: MemoryBudget,
    persistent: Callable[[Any], Any] | None = None,
) -> Any:
    """What a scanned pickle describes, with NumPy arrays built.

    Parameters
    ----------
    content, names, budget, persistent
        As for :class:`Reader`.

    Raises
    ------
    UnsafePickleError
        Where the pickle asks for anything but data; the message names what it asked for.
    """
    try:
        return finished(Reader(content, names, budget, persistent).load(), budget, {})
    except UnsafePickleError:
        raise
    except RecursionError:
        raise UnsafePickleError("the file nests its objects too deeply") from None
    except Exception as error:
        raise UnsafePickleError(f"the file is not data: {first_line(error)}") from None


def finished(value: Any, budget: MemoryBudget, seen: dict[int, Any]) -> Any:
    """`value` with every collected array made into one, whatever it is nested in."""
    if isinstance(value, str | bytes | int | float | torch.Tensor | np.ndarray) or value is None:
        return value
    if id(value) in seen:
        return seen[id(value)]
    if isinstance(value, PickledArray):
        seen[id(value)] = pickled_arrays.as_array(value, budget)
    elif isinstance(value, dict):
        made: dict[Any, Any] = {}
        seen[id(value)] = made
        made.update({key: finished(item, budget, seen) for key, item in value.items()})
    elif isinstance(value, list):
        items: list[Any] = []
        seen[id(value)] = items
        items.extend(finished(item, budget, seen) for item in value)
    elif isinstance(value, tuple):
        seen[id(value)] = tuple(finished(item, budget, seen) for item in value)
    elif isinstance(value, Recorded):
        # What is recorded stays alive, so that no other object can take its identity.
        seen[id(value)] = value
        before = (value.arguments, value.state)
        seen.setdefault(-id(value), before)
        value.arguments, value.state = (finished(part, budget, seen) for part in before)
    else:
        seen[id(value)] = value
    return seen[id(value)]
