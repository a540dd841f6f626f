"""How much memory a file may ask for: a multiple of its own size, so that small files cannot grow large."""

from __future__ import annotations

from collections.abc import Mapping

import torch

from .errors import UnsafePickleError

#: Text that stands for bytes, the array of them and its copy in 32 bits, with room to spare.
EXPANSION = 6
_SLACK = 1 << 20


class MemoryBudget:
    """The bytes that are left to what a file describes.

    Parameters
    ----------
    file_size : int
        Bytes of the file; `EXPANSION` times as many may be asked for, and a little more.
    """

    __slots__ = ("_file_size", "_left")

    def __init__(self, file_size: int) -> None:
        self._file_size = file_size
        self._left = EXPANSION * file_size + _SLACK

    def charge(self, count: int) -> None:
        """Take `count` bytes away; UnsafePickleError where fewer are left."""
        self._left -= count
        if self._left < 0:
            raise UnsafePickleError(
                f"the file is hostile or damaged: its {self._file_size} bytes describe more than "
                f"{EXPANSION} times as many"
            )

    def charge_numbers(self, count: int, item_size: int) -> None:
        """Take away the bytes of `count` numbers, in their own type or in 32 bits, whichever is larger."""
        self.charge(count * max(item_size, 4))


def as_floats(tensors: Mapping[str, torch.Tensor], file_size: int) -> dict[str, torch.Tensor]:
    """The tensors in 32 bits; UnsafePickleError where they together are many times larger than the file.

    One tensor may go by many names, and each would become weights of its own.
    """
    budget = MemoryBudget(file_size)
    for tensor in tensors.values():
        budget.charge_numbers(tensor.numel(), tensor.element_size())
    return {name: tensor.detach().float() for name, tensor in tensors.items()}
