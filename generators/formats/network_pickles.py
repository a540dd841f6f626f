"""NVIDIA's pickles of networks, of PyTorch and of TensorFlow, read as data."""

from __future__ import annotations

import io
from typing import Any

from .errors import UnsafePickleError
from .memory_budget import MemoryBudget
from .pickled_arrays import Recorded, Storage
from .torch_files import read_torch
from .unpickler import BASIC_NAMES, Constructor, build_dict, scan, unpickled

#: What the unpickler records a network as: with PyTorch, and with TensorFlow.
PYTORCH_NETWORK = "torch_utils.persistence._reconstruct_persistent_obj"
TENSORFLOW_NETWORK = "dnnlib.tflib.network.Network"


def _storage(budget: MemoryBudget, content: Any) -> Storage:
    """A tensor storage, saved inside the pickle as a file of its own."""
    if not isinstance(content, bytes):
        raise UnsafePickleError("the file holds a tensor that is not stored as bytes")
    budget.charge(len(content))
    try:
        found = read_torch(io.BytesIO(content), len(content))
    except ValueError as error:
        raise UnsafePickleError(f"a tensor in the file is refused: {error}") from None
    if not isinstance(found, Storage):
        raise UnsafePickleError(f"a tensor in the file is refused: it is a {type(found).__name__}")
    return found


def _recorder(full: str) -> Constructor:
    return Constructor(full, lambda _budget, *arguments: Recorded(full, arguments))


#: The names in the published pickles: the basic ones, tensors as files of their own, and networks, which are recorded.
_NAMES = {
    **BASIC_NAMES,
    "dnnlib.util.EasyDict": Constructor("dnnlib.util.EasyDict", build_dict),
    "torch.storage._load_from_bytes": Constructor("torch.storage._load_from_bytes", _storage),
    **{full: _recorder(full) for full in (PYTORCH_NETWORK, TENSORFLOW_NETWORK)},
}


def read_pickle(content: bytes) -> Any:
    """What a pickle describes, with arrays as NumPy arrays and networks as :class:`Recorded`.

    Parameters
    ----------
    content : bytes
        The pickle.

    Returns
    -------
    Any
        Containers, numbers, text, read-only arrays, tensors, and recorded objects.

    Raises
    ------
    UnsafePickleError
        Where the file asks for anything but data; the message names what it asked for.
    """
    scan(io.BytesIO(content))
    return unpickled(content, _NAMES, MemoryBudget(len(content)))
