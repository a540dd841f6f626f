"""Where a run would make the host wait for its device: counted on the emulated device, by places in the source.

A GPU works through its operations while the host goes on. Whoever reads a value from a tensor there, or copies one
there from the host, waits until all that was asked for before is done. The emulated device tells tensors that are
there from those of the host, of which reading costs nothing::

    with emulated_device() as device, synchronisations() as found:
        x = torch.ones(3, device=device)
        if x.sum() > 2: ...
    assert found.total == 1
"""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils._python_dispatch import TorchDispatchMode

from tests.emulated_device import OnDevice, tensors_of

ROOT = Path(__file__).resolve().parents[1]
_SOURCES = (str(ROOT / "zeroshot"), str(ROOT / "priors"))

#: Operations whose result has a size that depends on the values, or that give a number to Python.
_READING = {
    "_local_scalar_dense",
    "_unique2",
    "allclose",
    "bincount",
    "equal",
    "is_nonzero",
    "masked_select",
    "nonzero",
    "unique_consecutive",
    "unique_dim",
}
#: Decompositions after which PyTorch itself looks whether they succeeded.
_CHECKED = {"_linalg_check_errors", "_linalg_eigh", "_linalg_svd", "linalg_eig"}
#: They hold values of Python, and what they give is made on the host first.
_MADE_OF_VALUES = {"as_tensor", "asarray", "new_tensor", "tensor"}
#: They look at their arguments on a CPU only.
_NOT_THERE = {"nanquantile", "quantile"}


@dataclass
class Synchronisations:
    """How often the host had to wait.

    Attributes
    ----------
    places : Counter
        How often by place, such as "zeroshot/loop.py:123 tolist": the innermost line of `zeroshot` and `priors`, or
        of the caller where none of them is in between, and the operation.
    """

    places: Counter[str] = field(default_factory=Counter)

    @property
    def total(self) -> int:
        """How often altogether."""
        return self.places.total()

    def note(self, what: str) -> None:
        """Count one, where the code is now."""
        self.places[f"{_place()} {what}"] += 1


def _place() -> str:
    frame, caller = sys._getframe(1), None
    while frame is not None:
        path = frame.f_code.co_filename
        if path.startswith(_SOURCES):
            return f"{Path(path).relative_to(ROOT)}:{frame.f_lineno}"
        if caller is None and path.startswith(str(ROOT / "tests")) and path not in _OURS:
            caller = f"{Path(path).relative_to(ROOT)}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return caller or "elsewhere"


_OURS = (__file__, str(Path(__file__).with_name("emulated_device.py")))


class _Calls(TorchFunctionMode):
    """Sees which calls concern the device, and what passes between it and the host."""

    def __init__(self, found: Synchronisations) -> None:
        super().__init__()
        self._found = found

    def __torch_function__(
        self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = getattr(function, "__name__", "")
        given = list(tensors_of((args, kwargs)))
        concerns = any(isinstance(one, OnDevice) for one in given) and name not in _NOT_THERE
        with _Operations(self._found) if concerns else _nothing():
            result = function(*args, **kwargs)
        what = _passage(name, args, kwargs, given, result)
        if what and not kwargs.get("non_blocking", False):
            self._found.note(what)
        return result


@contextmanager
def _nothing() -> Iterator[None]:
    yield


class _Operations(TorchDispatchMode):
    """Sees what a call that concerns the device is made of."""

    def __init__(self, found: Synchronisations) -> None:
        super().__init__()
        self._found = found

    @classmethod
    def _should_skip_dynamo(cls) -> bool:
        # To make sure that nothing is compiled within PyTorch would load its compiler, for seconds.
        return False

    def __torch_dispatch__(
        self, operation: Any, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = kwargs or {}
        name = operation._schema.name.partition("::")[2]
        if name in _READING or name in _CHECKED or _selects(name, args) or _repeats(operation, args, kwargs):
            self._found.note(name)
        return operation(*args, **kwargs)


def _selects(name: str, args: tuple) -> bool:
    """Whether it is an index by a mask, whose places are sought; a number is filled in without."""
    if name not in ("index", "index_put", "index_put_", "_index_put_impl_"):
        return False
    masks = [one for one in args[1] if one is not None and one.dtype in (torch.bool, torch.uint8)]
    fills = name != "index" and args[2].ndim == 0 and not isinstance(args[2], OnDevice)
    return bool(masks) and not fills


def _repeats(operation: Any, args: tuple, kwargs: dict) -> bool:
    """Whether it repeats values as often as a tensor says, and nobody says how many that makes."""
    if operation._schema.name != "aten::repeat_interleave" or operation._overloadname != "Tensor":
        return False
    return kwargs.get("output_size") is None


def _passage(name: str, args: tuple, kwargs: dict, given: list[torch.Tensor], result: Any) -> str:
    """What passes between the host and the device, if anything."""
    there = [isinstance(one, OnDevice) for one in given]
    if name == "tolist":
        return name if any(there) else ""
    if name in ("__getitem__", "__setitem__"):
        return _index_passage(name, args)
    if name == "copy_":
        return name if there[0] != there[1] else ""
    if not isinstance(result, torch.Tensor):
        return ""
    arrives = isinstance(result, OnDevice)
    if name in _MADE_OF_VALUES and not any(one is result for one in given):
        of_host = name == "new_tensor" or not any(there)
        return f"{name} of the host" if arrives and of_host else ""
    if name in ("cpu", "cuda", "to", "type", "type_as") and there[0] != arrives:
        return f"{name} from the {'host' if arrives else 'device'}"
    return ""


def _index_passage(name: str, args: tuple) -> str:
    """What of an index or a value comes from the host."""
    target, key = args[0], args[1] if isinstance(args[1], tuple) else (args[1],)
    if not isinstance(target, OnDevice):
        crossing = name == "__setitem__" and isinstance(args[2], OnDevice)
        return f"{name} from the device" if crossing else ""
    listed = any(isinstance(one, list | range) for one in key)
    parts = [one for one in key if isinstance(one, torch.Tensor) and one.ndim]
    value = args[2] if name == "__setitem__" else None
    brought = isinstance(value, torch.Tensor) and not isinstance(value, OnDevice)
    foreign = listed or brought or any(not isinstance(one, OnDevice) for one in parts)
    return f"{name} from the host" if foreign else ""


@contextmanager
def synchronisations() -> Iterator[Synchronisations]:
    """Count within, on an emulated device that is there already."""
    found = Synchronisations()
    with _Calls(found):
        yield found
