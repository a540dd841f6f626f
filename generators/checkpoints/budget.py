"""How much memory a file may ask for: a multiple of its own size, so that small files cannot grow large."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

import torch

#: Text that stands for bytes, the array of them and its copy in 32 bits, with room to spare.
EXPANSION = 6
_SLACK = 1 << 20


class UnsafePickleError(ValueError):
    """The file asks for something that data does not need; the message names it."""


class Budget:
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
        """Take `count` bytes away; UnsafePickleError where so many are not left."""
        self._left -= count
        if self._left < 0:
            raise UnsafePickleError(
                f"the file is hostile or damaged: its {self._file_size} bytes describe more than "
                f"{EXPANSION} times as many"
            )

    def charge_numbers(self, count: int, item_size: int) -> None:
        """Take away the bytes of so many numbers, in whichever is larger, their own type or 32 bits."""
        self.charge(count * max(item_size, 4))


def as_floats(tensors: Mapping[str, torch.Tensor], file_size: int) -> dict[str, torch.Tensor]:
    """The tensors in 32 bits; UnsafePickleError where the names together stand for far more than the file.

    One tensor may go by many names, and each would become weights of its own.
    """
    require_bounded(tensors.values(), file_size)
    return {name: tensor.detach().float() for name, tensor in tensors.items()}


def require_bounded(tensors: Iterable[torch.Tensor], file_size: int) -> None:
    """UnsafePickleError where the tensors together are many times larger than the file."""
    budget = Budget(file_size)
    for tensor in tensors:
        budget.charge_numbers(tensor.numel(), tensor.element_size())
