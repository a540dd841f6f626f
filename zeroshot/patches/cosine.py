"""The discrete cosine transform of a few points, as a matrix."""

from __future__ import annotations

import math

import torch


def cosine_matrix(size: int) -> torch.Tensor:
    """The orthonormal DCT-II, √(2/n) cos(π k (j + ½) / n) and √(1/n) for k = 0, with a basis function in each row.

    Parameters
    ----------
    size : int
        n.

    Returns
    -------
    torch.Tensor
        (n, n), float64.

    References
    ----------
    N. Ahmed, T. Natarajan, K. R. Rao: Discrete cosine transform, IEEE Transactions on Computers C-23 (1974).
    """
    place = torch.arange(size, dtype=torch.float64)
    matrix = torch.cos(math.pi / size * (place + 0.5) * place[:, None]) * math.sqrt(2 / size)
    matrix[0] /= math.sqrt(2)
    return matrix
