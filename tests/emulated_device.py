"""A stand-in for an Apple GPU on machines that have none: tensors say that they are there, and behave like it.

What the real device refuses is refused here: double precision, arithmetic with tensors of the host, numpy's view of
a tensor that is not the host's, generators of another device. The numbers are the CPU's.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import torch
from torch.overrides import TorchFunctionMode
from torch.utils import _pytree as trees

DEVICE = torch.device("mps")

_WIDE = (torch.float64, torch.complex128)
#: Whatever else they are given, these may read tensors of the host.
_ACROSS = {torch.Tensor.copy_, torch.Tensor.__getitem__, torch.Tensor.__setitem__}
_BACKWARD = {torch.Tensor.backward, torch.autograd.backward, torch.autograd.grad}


class OnDevice(torch.Tensor):
    """A tensor that says that it is on the device."""

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]


_HOST_GENERATOR = torch.Generator


class _KindOfGenerator(type):
    def __instancecheck__(cls, one: Any) -> bool:
        return isinstance(one, _HOST_GENERATOR)


class _Generator(metaclass=_KindOfGenerator):
    """Stands for `torch.Generator` meanwhile: makes the host's also for the device."""

    def __new__(cls, device: Any = "cpu") -> torch.Generator:  # type: ignore[misc]
        on_device = torch.device(device).type == DEVICE.type
        return _HOST_GENERATOR("cpu" if on_device else device)


class _Emulation(TorchFunctionMode):
    def __init__(self) -> None:
        super().__init__()
        self._in_backward = 0

    def __torch_function__(
        self, function: Callable, types: Any, args: tuple = (), kwargs: dict | None = None
    ) -> Any:
        kwargs = dict(kwargs or {})
        if function in (torch.device, torch._C._nn._parse_to):
            return function(*args, **kwargs)
        given = list(tensors_of((args, kwargs)))
        on_device = any(isinstance(one, OnDevice) for one in given)
        name = getattr(function, "__name__", "")
        if getattr(function, "__self__", None) is torch.Tensor.device:
            return DEVICE if on_device else function(*args)
        if name in ("numpy", "__array__") and on_device:
            raise TypeError("can't convert mps:0 device type tensor to numpy. Use Tensor.cpu()")
        if function is torch._has_compatible_shallow_copy_type:
            # A module that is moved gets new parameters, since they are of another class.
            return isinstance(args[0], OnDevice) == isinstance(args[1], OnDevice) and function(*args)
        args, kwargs, target = _without_device(args, kwargs)
        if function is torch.Tensor.cpu:
            target = "cpu"
        if function is torch.Tensor.to and isinstance(args[-1], torch.Tensor) and len(args) > 1:
            target = DEVICE.type if isinstance(args[-1], OnDevice) else "cpu"
        if on_device and target is None and function not in _ACROSS and not self._in_backward:
            strangers = [one for one in given if not isinstance(one, OnDevice) and one.ndim]
            if strangers and name not in ("__get__", "__set__", "is_set_to"):
                raise RuntimeError(f"{name}: expected all tensors to be on the same device, mps:0 and cpu")
        if function in _BACKWARD:
            self._in_backward += 1
        try:
            result = function(*args, **kwargs)
        finally:
            if function in _BACKWARD:
                self._in_backward -= 1
        stays = on_device if target is None else target == DEVICE.type
        ids = {id(one) for one in given}

        def placed(one: Any) -> Any:
            if not isinstance(one, torch.Tensor):
                return one
            if id(one) in ids and isinstance(one, OnDevice) == stays:
                return one
            if stays and one.dtype in _WIDE:
                raise TypeError(
                    f"{name}: Cannot convert a MPS Tensor to float64 dtype as the MPS framework doesn't support float64"
                )
            with torch._C.DisableTorchFunctionSubclass():
                return one.as_subclass(OnDevice if stays else torch.Tensor)

        if isinstance(result, torch.Tensor):
            return placed(result)
        # Shapes are tuples of a class of their own, which a map would make plain ones.
        return result if isinstance(result, torch.Size) else trees.tree_map(placed, result)


def tensors_of(values: Any) -> Iterator[torch.Tensor]:
    """The tensors in nested tuples, lists and dictionaries; several times as quick as PyTorch's own trees."""
    for one in values.values() if isinstance(values, dict) else values:
        if isinstance(one, torch.Tensor):
            yield one
        elif isinstance(one, tuple | list | dict):
            yield from tensors_of(one)


def _is_device(value: Any) -> bool:
    if isinstance(value, torch.device):
        return True
    return isinstance(value, str) and value.partition(":")[0] in ("cpu", DEVICE.type)


def _without_device(args: tuple, kwargs: dict) -> tuple[tuple, dict, str | None]:
    """The arguments with the host in the place of the device, and which of the two was asked for."""
    target = None

    def host(value: Any) -> Any:
        nonlocal target
        if not _is_device(value):
            return value
        target = torch.device(value).type
        return torch.device("cpu")

    args = tuple(host(value) for value in args)
    kwargs = {name: host(value) if name == "device" else value for name, value in kwargs.items()}
    return args, kwargs, target


@contextmanager
def emulated_device() -> Iterator[torch.device]:
    """The device is there within; modules are moved to it with new parameters, as the tensors are of another class."""
    before = torch.__future__.get_overwrite_module_params_on_conversion()
    torch.__future__.set_overwrite_module_params_on_conversion(True)
    torch.Generator = _Generator  # type: ignore[misc, assignment]
    try:
        with _Emulation():
            yield DEVICE
    finally:
        torch.Generator = _HOST_GENERATOR  # type: ignore[misc]
        torch.__future__.set_overwrite_module_params_on_conversion(before)
