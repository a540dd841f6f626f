"""The small matrices of collaborative filtering: transforms of patches and of groups, and the Kaiser window.

All in double precision; a basis function stands in each row and has length one, so that white noise of level
σ has the level σ in every coefficient.
"""

from __future__ import annotations

import math

import torch

#: Low-pass analysis filter of the biorthogonal spline wavelet 1.5, times 128/√2; its high-pass is Haar's.
_SPLINE = (3, -3, -22, 22, 128, 128, 22, -22, -3, 3)


def haar_transform(size: int) -> torch.Tensor:
    """The orthonormal Haar wavelets over all scales, coarse ones first, (size, size).

    Parameters
    ----------
    size : int
        A power of two.
    """
    matrix = torch.ones(1, 1, dtype=torch.float64)
    while len(matrix) < size:
        mean = torch.kron(matrix, torch.tensor([[1.0, 1.0]], dtype=torch.float64))
        difference = torch.kron(
            torch.eye(len(matrix), dtype=torch.float64), torch.tensor([[1.0, -1.0]], dtype=torch.float64)
        )
        matrix = torch.cat([mean, difference]) / math.sqrt(2)
    return matrix


def spline_wavelet_transform(size: int) -> torch.Tensor:
    """Periodic biorthogonal spline wavelets 1.5 over all scales, coarse ones first, (size, size).

    Its inverse is not its transpose: :func:`torch.linalg.inv` gives it.

    Parameters
    ----------
    size : int
        A power of two.
    """
    matrix, length = torch.eye(size, dtype=torch.float64), size
    while length > 1:
        half = length // 2
        step = torch.zeros(length, length, dtype=torch.float64)
        for row in range(half):
            for tap, value in enumerate(_SPLINE):
                step[row, (2 * row + tap - 4) % length] += value
            step[half + row, 2 * row], step[half + row, 2 * row + 1] = 1, -1
        matrix[:length] = step @ matrix[:length]
        length = half
    return matrix / torch.linalg.vector_norm(matrix, dim=1, keepdim=True)


def of_patches(matrix: torch.Tensor) -> torch.Tensor:
    """The separable transform of square patches that are flattened to rows: `matrix` down and along."""
    return torch.kron(matrix, matrix)


def kaiser_window(size: int, beta: float) -> torch.Tensor:
    """The separable Kaiser window, (size, size), at most 1."""
    line = torch.kaiser_window(size, periodic=False, beta=beta, dtype=torch.float64)
    return line[:, None] * line
