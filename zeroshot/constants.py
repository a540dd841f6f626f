"""Small tensors that follow from settings alone, made once and kept on the device that works with them.

Each copy from the host makes it wait until its device has done all that was asked for before.
"""

from __future__ import annotations

import functools
from collections.abc import Callable, Hashable

import torch


def constant(like: torch.Tensor, make: Callable[..., torch.Tensor], *arguments: Hashable) -> torch.Tensor:
    """``make(*arguments)`` of the type and on the device of `like`; all who ask share it, and leave it unchanged.

    Parameters
    ----------
    like : torch.Tensor
        What it is to be computed with.
    make : callable
        A function of a module, so that it is the same one at every call.
    *arguments
        What that is called with.
    """
    return _made(make, arguments, like.dtype, like.device)


@functools.lru_cache(maxsize=256)
def _made(
    make: Callable[..., torch.Tensor],
    arguments: tuple[Hashable, ...],
    dtype: torch.dtype,
    device: torch.device,
) -> torch.Tensor:
    # Made for an inference it would be of no use to what is differentiated afterwards.
    with torch.inference_mode(False), torch.no_grad():
        return make(*arguments).to(dtype=dtype, device=device)
