"""How an image continues beyond its edge: extension along one axis, and its adjoint, folding.

The modes carry the names that scipy.signal and torch use:

========== ============================= ==========================
mode       extension of ``a b c d``      also known as
========== ============================= ==========================
reflect    ``c b | a b c d | c b``       torch "reflect", OpenCV reflect-101
replicate  ``a a | a b c d | d d``       torch "replicate", scipy "nearest"
circular   ``c d | a b c d | a b``       torch "circular", scipy "wrap"
========== ============================= ==========================
"""

from __future__ import annotations

import torch

BOUNDARIES = ("reflect", "replicate", "circular")


def source_index(position: torch.Tensor, size: int, boundary: str) -> torch.Tensor:
    """The pixel in [0, size) that stands at each `position` of the extended axis (0 is the first pixel)."""
    if boundary == "replicate":
        return position.clamp(0, size - 1)
    if boundary == "circular":
        return position % size
    if boundary == "reflect":
        if size == 1:
            return torch.zeros_like(position)
        folded = position % (2 * size - 2)
        return torch.minimum(folded, 2 * size - 2 - folded)
    raise ValueError(f"unknown boundary {boundary!r}; known are {', '.join(BOUNDARIES)}")


def source_range(start: int, stop: int, size: int, boundary: str) -> tuple[int, int]:
    """The first and the last of the pixels that stand at positions from `start` to before `stop`."""
    # On the CPU: what is read from a GPU is waited for.
    pixels = source_index(torch.arange(start, stop), size, boundary)
    return int(pixels.min()), int(pixels.max())


def extend(x: torch.Tensor, axis: int, before: int, after: int, boundary: str) -> torch.Tensor:
    """`x` with `before` and `after` more pixels at the two ends of `axis`."""
    if before == after == 0:
        return x
    size = x.shape[axis]
    left = source_index(torch.arange(-before, 0, device=x.device), size, boundary)
    right = source_index(torch.arange(size, size + after, device=x.device), size, boundary)
    return torch.cat((x.index_select(axis, left), x, x.index_select(axis, right)), dim=axis)


def fold(extended: torch.Tensor, axis: int, before: int, after: int, boundary: str) -> torch.Tensor:
    """The adjoint of :func:`extend`: what lies beyond the edges is added to the pixels it came from."""
    if before == after == 0:
        return extended
    size = extended.shape[axis] - before - after
    x = extended.narrow(axis, before, size).clone()
    position = torch.arange(-before, size + after, device=x.device)
    for start, length in ((0, before), (before + size, after)):
        if length == 0:
            continue
        target = source_index(position.narrow(0, start, length), size, boundary)
        first, last = source_range(start - before, start - before + length, size, boundary)
        matrix = torch.nn.functional.one_hot(target - first, last - first + 1).to(x.dtype)
        # A matrix product rather than index_add_, whose order of summation is left to chance on CUDA.
        part = torch.tensordot(extended.narrow(axis, start, length), matrix, dims=([axis], [0]))
        x.narrow(axis, first, last - first + 1).add_(part.movedim(-1, axis))
    return x
