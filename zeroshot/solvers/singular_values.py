"""Singular value thresholding by way of the Gram matrix of the smaller side."""

from __future__ import annotations

import torch


def shrink_singular_values(matrix: torch.Tensor, threshold: float) -> tuple[torch.Tensor, int]:
    """Proximal map of t‖X‖_*: every singular value is lowered by t, to at least 0.

    The squares of the singular values are the eigenvalues of the smaller of XᵀX and XXᵀ. Those below about
    1e-8 of the largest (in double precision) drown in rounding and count as 0.

    Parameters
    ----------
    matrix : torch.Tensor
        X, (m, n), in double precision where small thresholds matter.
    threshold : float
        t, at least 0.

    Returns
    -------
    result : torch.Tensor
        (m, n).
    rank : int
        How many singular values remain.

    References
    ----------
    J.-F. Cai, E. J. Candès, Z. Shen: A singular value thresholding algorithm for matrix completion, SIAM J.
    Optimization 20 (2010).
    """
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    squares, vectors = torch.linalg.eigh(tall.T @ tall)
    values = squares.clamp(min=0).sqrt()
    floor = torch.finfo(matrix.dtype).eps ** 0.5 * values[-1]
    kept = values > torch.clamp(floor, min=threshold)
    basis = vectors[:, kept]
    result = ((tall @ basis) * (1 - threshold / values[kept])) @ basis.T
    return (result if tall is matrix else result.T), int(kept.sum())


def spectral_norm(matrix: torch.Tensor) -> float:
    """The largest singular value."""
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    return float(torch.linalg.eigvalsh(tall.T @ tall)[-1].clamp(min=0).sqrt())
