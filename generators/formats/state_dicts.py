"""Plain state dicts of other implementations → generators; the names in a file tell which implementation it is of."""

from __future__ import annotations

import torch

from ..generator import Generator
from . import genforce, pulse, rosinality, taesd
from .memory_budget import as_floats

State = dict[str, torch.Tensor]
#: Names under which files with more than weights keep the weights, and how deep they are nested at most.
_HOLDERS = ("generator_smooth", "g_ema", "generator", "state_dict")
_MOST_HOLDERS = 3


def tensors_of(content: object, file_size: int) -> State:
    """The tensors of a state dict in 32 bits, all else left out; bounded by the size of the file.

    Parameters
    ----------
    content : object
        What a file holds; anything but a dict has no tensors.
    file_size : int
        Bytes of the file.

    Raises
    ------
    UnsafePickleError
        Where they together are many times larger than the file.
    """
    if not isinstance(content, dict):
        return {}
    return as_floats({k: v for k, v in content.items() if isinstance(v, torch.Tensor)}, file_size)


def from_state_dict(
    content: dict[str, object], file_size: int, mapping: State | None = None
) -> Generator | None:
    """A generator from the content of a torch file, or None where the names are of no known kind.

    Parameters
    ----------
    content : dict
        What the file holds: a state dict, or one or more of them by name.
    file_size : int
        Bytes of the file, and of the one that `mapping` is from.
    mapping : dict of str to torch.Tensor, optional
        PULSE's mapping network.

    Raises
    ------
    ValueError
        Where the weights do not fit together, or `mapping` belongs to no network of PULSE.
    """
    mean = None
    for _ in range(_MOST_HOLDERS):
        holder = next((name for name in _HOLDERS if isinstance(content.get(name), dict)), None)
        if holder is None:
            break
        mean = tensors_of(content, file_size).get("latent_avg")
        content = content[holder]  # type: ignore[assignment]
    state = tensors_of(content, file_size)
    if pulse.is_synthesis(state):
        return pulse.stylegan(state, mapping)
    if mapping is not None:
        raise ValueError("mapping=… belongs to the synthesis network of PULSE, and this file holds another")
    if rosinality.is_stylegan2(state):
        return rosinality.stylegan2(state, mean)
    if taesd.is_decoder(state):
        return taesd.decoder(state)
    state = genforce.modernised(state)
    for is_kind, read in (
        (genforce.is_pggan, genforce.pggan),
        (genforce.is_stylegan, genforce.stylegan),
        (genforce.is_stylegan2, genforce.stylegan2),
    ):
        if is_kind(state):
            return read(state)
    return None
