"""Weights → networks: built on the meta device, compared with the file by names and shapes, then given its tensors.

What a file says about its network can therefore allocate nothing, and no weights are drawn only to be replaced.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TypeVar

import torch
from torch import nn

Module = TypeVar("Module", bound=nn.Module)


def on_meta_device(make: Callable[[], Module]) -> Module:
    """The network that `make` makes, its weights without memory; the global random state stays as it is."""
    with torch.device("meta"):
        return make()


def with_weights(network: Module, state: Mapping[str, torch.Tensor]) -> Module:
    """A network from the meta device with the tensors of `state` as its weights.

    Parameters
    ----------
    network : torch.nn.Module
        From :func:`on_meta_device`; modules with buffers that are not saved have a method `fixed_buffers` that gives
        them by name.
    state : mapping of str to torch.Tensor
        A tensor for every weight, in 32 bits.

    Returns
    -------
    torch.nn.Module
        `network` itself.

    Raises
    ------
    ValueError
        Where names or shapes differ; the message names the first.
    """
    wanted = network.state_dict()
    for name in sorted(wanted.keys() | state.keys()):
        if name not in wanted:
            raise ValueError(f"the weights do not fit together: there is no place for {name}")
        if name not in state:
            raise ValueError(f"the weights do not fit together: {name} is missing")
        if wanted[name].shape != state[name].shape:
            raise ValueError(
                f"the weights do not fit together: {name} should have the shape {tuple(wanted[name].shape)}, "
                f"got {tuple(state[name].shape)}"
            )
    network.load_state_dict(_owned(state), assign=True)
    for module in network.modules():
        for name in module._non_persistent_buffers_set:
            setattr(module, name, module.fixed_buffers()[name])  # type: ignore[operator]
    return network


def _owned(state: Mapping[str, torch.Tensor]) -> dict[str, torch.Tensor]:
    """The tensors, each contiguous and with memory of its own; constants stay expanded."""
    owners: set[int] = set()
    owned = {}
    for name, tensor in state.items():
        if not (tensor.ndim and not any(tensor.stride())):
            tensor = tensor.contiguous()
            place = tensor.untyped_storage().data_ptr()
            tensor = tensor.clone() if place in owners else tensor
            owners.add(place)
        owned[name] = tensor
    return owned


def zero_noise(*shape: int) -> torch.Tensor:
    """Zeros of any shape that take the memory of one: for files that store no noise."""
    return torch.zeros(()).expand(shape)
