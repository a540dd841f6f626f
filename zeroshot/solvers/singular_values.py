"""Matrices whose singular values are shrunk, by way of the Gram matrix of the smaller side.

The rules by which :func:`shrink_singular_values` shrinks; under each the singular values below a threshold t
vanish:

======== ============================ ===================================================================
rule     f(s) for s > t               what is minimised, besides ½‖X − Y‖²
======== ============================ ===================================================================
soft     s − t                        t ‖X‖₊, the nuclear norm
weighted ½ (s + √(s² − t²))           Σ wᵢ sᵢ(X) with the weights wᵢ = (t²/4) / sᵢ(X), found by iteration
hard     s                            ½ t² rank X
======== ============================ ===================================================================

References
----------
J.-F. Cai, E. J. Candès, Z. Shen: A singular value thresholding algorithm for matrix completion, SIAM Journal
on Optimization 20 (2010), for the soft rule. S. Gu, Q. Xie, D. Meng, W. Zuo, X. Feng, L. Zhang: Weighted
nuclear norm minimization and its applications to low level vision, IJCV 121 (2017), for the weighted rule.
J. Zhang, D. Zhao, W. Gao: Group-based sparse representation for image restoration, IEEE TIP 23 (2014), for the
hard rule. N. Halko, P.-G. Martinsson, J. A. Tropp: Finding structure with randomness: probabilistic algorithms for
constructing approximate matrix decompositions, SIAM Review 53 (2011), for the subspace iteration.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, TypeAlias

import torch

from zeroshot.constants import constant
from zeroshot.precision import widened
from zeroshot.solvers.thresholds import hard, soft

#: From singular values (B, m) and thresholds (B, 1) or (B, m) to new singular values, (B, m).
Rule: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Shrinkage: TypeAlias = Literal["soft", "weighted", "hard"]

#: Squared thresholds below this share of the largest squared singular value need double precision: rounding in
#: the eigenvalues of a Gram matrix is a few 1e-7 of the largest.
SINGLE_PRECISION = 2e-5
#: Between these single precision holds a sum of squares with all its digits.
SMALLEST, LARGEST = 1e-30, 1e37
#: Of Gram matrices of at least so many rows, so many eigenvectors are sought first, and so many of those have to lie
#: below the threshold.
LEAST_ROWS, LEADING, SPARE = 40, 16, 3
#: One matrix in so many is tried first; all are decomposed in full where fewer than this share of those are of low
#: rank.
_SAMPLE, _WORTH_IT = 16, 0.4


def weighted(values: torch.Tensor, threshold: torch.Tensor) -> torch.Tensor:
    """½ (s + √(s² − t²)) where s > t, else 0: the limit of x ← max(s − C/x, 0) from x = s, with C = t²/4.

    The weight C/x of a singular value falls as it grows, so that their order is kept and each step has this
    solution although the problem is not convex.
    """
    root = (values.square() - threshold.square()).clamp(min=0).sqrt()
    return torch.where(values > threshold, 0.5 * (values + root), 0.0)


RULES: dict[str, Rule] = {"soft": soft, "weighted": weighted, "hard": hard}


def shrink_singular_values(groups: torch.Tensor, rule: Rule, thresholds: torch.Tensor) -> torch.Tensor:
    """U f(S) Vᵀ for each matrix Y = U S Vᵀ of a batch.

    The result follows from the eigenvalues of the smaller Gram matrix:

        Yᵀ Y = V S² Vᵀ    and    U f(S) Vᵀ = Y V (f(S)/S) Vᵀ,

    and with Y Yᵀ likewise where Y is wider than it is tall. That is cheaper than a batch of singular value
    decompositions. Squaring halves the digits: where single precision does not tell what lies above the
    threshold from rounding, the Gram matrix is decomposed in double precision. Of large ones the few eigenvectors
    above the threshold are sought by subspace iteration, which is many times quicker; where there are more of them,
    the whole matrix is decomposed.

    Parameters
    ----------
    groups : torch.Tensor
        (B, n, d).
    rule : callable
        f, one of :data:`RULES` or the like. It is given the singular values in ascending order, those below the
        threshold not always.
    thresholds : torch.Tensor
        (B,), or (B, min(n, d)) for one threshold each; at least 0.

    Returns
    -------
    torch.Tensor
        (B, n, d).

    Raises
    ------
    ValueError
        Where the groups are not a batch of matrices.
    """
    if groups.ndim != 3:
        raise ValueError(f"groups must be a batch of matrices (B, n, d), got shape {tuple(groups.shape)}")
    tall = groups.shape[1] >= groups.shape[2]
    gram = groups.mT @ groups if tall else groups @ groups.mT
    if not _suffices(gram, thresholds):
        wide = widened(groups)
        gram = wide.mT @ wide if tall else wide @ wide.mT
        return _projected(groups, *symmetric_eigen(gram), rule, thresholds, tall)
    if thresholds.ndim == 1 and gram.shape[-1] >= LEAST_ROWS:
        return _shrunk_by_leading(groups, gram, rule, thresholds, tall)
    return _projected(groups, *_finite_eigen(gram), rule, thresholds, tall)


def _projected(
    groups: torch.Tensor,
    squares: torch.Tensor,
    vectors: torch.Tensor,
    rule: Rule,
    thresholds: torch.Tensor,
    tall: bool,
) -> torch.Tensor:
    """Y V (f(S)/S) Vᵀ, or its like for wide matrices, with some of the eigenvalues S² and eigenvectors V or all."""
    values = squares.clamp(min=0).sqrt()
    limits = (thresholds if thresholds.ndim == 2 else thresholds[:, None]).to(values)
    gain = torch.where(values > 0, rule(values, limits) / values, 0.0)
    if squares.shape[-1] < vectors.shape[-2]:
        scaled = (vectors * gain[:, None, :]).to(groups)
        return (groups @ scaled) @ vectors.mT if tall else scaled @ (vectors.mT @ groups)
    projection = ((vectors * gain[:, None, :]) @ vectors.mT).to(groups)
    return groups @ projection if tall else projection @ groups


def _shrunk_by_leading(
    groups: torch.Tensor, gram: torch.Tensor, rule: Rule, thresholds: torch.Tensor, tall: bool
) -> torch.Tensor:
    """U f(S) Vᵀ by the few largest singular values where no others reach the threshold, else by all of them."""
    _, low_rank, others = _leading(gram[::_SAMPLE], thresholds[::_SAMPLE])
    if (len(low_rank) - others) / len(low_rank) < _WORTH_IT:
        return _projected(groups, *_finite_eigen(gram), rule, thresholds, tall)
    pairs, low_rank, others = _leading(gram, thresholds)
    result = _projected(groups, *pairs, rule, thresholds, tall)
    if others:
        # Where these are, in ascending order: how many there are is known.
        rest = low_rank.argsort(stable=True)[:others]
        result[rest] = _projected(groups[rest], *_finite_eigen(gram[rest]), rule, thresholds[rest], tall)
    return result


def _leading(
    gram: torch.Tensor, thresholds: torch.Tensor
) -> tuple[tuple[torch.Tensor, torch.Tensor], torch.Tensor, int]:
    """The largest eigenvalues with their eigenvectors, of which matrices these are all above the threshold.

    They come of two steps of subspace iteration from a random start, Q ← orth(G Q), and the eigenvectors of Qᵀ G Q.
    The number is that of the other matrices.
    """
    basis = constant(gram, _start, gram.shape[-1])
    for _ in range(2):
        basis = torch.linalg.qr(gram @ basis)[0]
    inner = basis.mT @ (gram @ basis)
    inner = torch.where(inner.isfinite(), inner, 0.0)

    def judged(squares: torch.Tensor, within: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        vectors = basis @ within
        low_rank = (squares[:, SPARE - 1] < thresholds.square()) & vectors.isfinite().flatten(1).all(dim=1)
        return vectors, low_rank

    pair = _decomposed_at_once(inner)
    if pair is not None:
        squares, within = pair
        vectors, low_rank = judged(squares, within)
        # Read together: each time the host waits.
        is_sound, others = torch.stack([within.sum().isfinite(), (~low_rank).sum()]).tolist()
        if is_sound:
            return (squares, vectors), low_rank, others
    squares, within = _decomposed_one_by_one(inner)
    vectors, low_rank = judged(squares, within)
    return (squares, vectors), low_rank, int((~low_rank).sum())


def _start(rows: int) -> torch.Tensor:
    return torch.randn(rows, LEADING, generator=torch.Generator().manual_seed(0))


def _suffices(gram: torch.Tensor, thresholds: torch.Tensor) -> bool:
    """Whether single precision resolves the eigenvalues of `gram` at the squares of typical thresholds.

    Where it does all of `gram` is finite, since no entry is larger than the largest of the diagonal.
    """
    largest = gram.diagonal(dim1=-2, dim2=-1).sum(dim=-1).max()
    # The mean: a group among others whose threshold is next to 0 keeps its rounding errors, which are small
    # against what the others lose.
    typical = thresholds.mean().square()
    judged = [largest, typical.isfinite().to(largest), (typical >= SINGLE_PRECISION * largest).to(largest)]
    most, is_finite, is_enough = torch.stack(judged).tolist()
    # Values beyond 1e19 overflow when they are squared, and those below 1e-19 vanish.
    if not SMALLEST < most < LARGEST or not is_finite:
        return most == 0
    return bool(is_enough)


def symmetric_eigen(matrices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Eigenvalues in ascending order, and eigenvectors, of positive semidefinite matrices, whatever their rank.

    The iteration inside :func:`torch.linalg.eigh` does not converge on some matrices of many equal eigenvalues or
    of next to nothing but rounding errors, such as the Gram matrices of constant patches. Those are decomposed
    again, one by one: scaled to a largest entry of 1 and in double precision on the CPU, then with a ridge of
    rounding errors on the diagonal, which leaves the eigenvectors, and at last by their singular values.

    Parameters
    ----------
    matrices : torch.Tensor
        (..., n, n).

    Returns
    -------
    values : torch.Tensor
        (..., n).
    vectors : torch.Tensor
        (..., n, n), in the columns.

    Raises
    ------
    ValueError
        Where a matrix holds NaN or infinity.
    """
    # The largest magnitude is found in one pass; it is NaN where one of them is.
    if not bool(torch.linalg.vector_norm(matrices, torch.inf).isfinite()):
        raise ValueError("the image holds values that are not finite, or too large to be squared")
    return _finite_eigen(matrices)


def _finite_eigen(matrices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """:func:`symmetric_eigen` of matrices that are known to be finite."""
    pair = _decomposed_at_once(matrices)
    if pair is not None and bool(pair[1].sum().isfinite()):
        return pair
    return _decomposed_one_by_one(matrices)


def _decomposed_at_once(matrices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor] | None:
    """Eigenvalues and eigenvectors, which may yet not be finite, or None where the iteration did not converge."""
    try:
        values, vectors = torch.linalg.eigh(matrices)
    except RuntimeError:
        return None
    return values, vectors


def _decomposed_one_by_one(matrices: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    pairs = [_decomposed(matrix) for matrix in matrices.reshape(-1, *matrices.shape[-2:])]
    values, vectors = (torch.stack(part).to(matrices) for part in zip(*pairs, strict=True))
    return values.view(matrices.shape[:-1]), vectors.view(matrices.shape)


def _decomposed(matrix: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The eigenvalues and eigenvectors of one matrix (n, n), in double precision on the CPU."""
    exact = matrix.detach().cpu().double()
    scale = float(exact.abs().max())
    if scale == 0:
        return exact.new_zeros(len(exact)), torch.eye(len(exact), dtype=exact.dtype)
    exact = exact / scale
    ridge = torch.eye(len(exact), dtype=exact.dtype)
    for size in (0.0, 1e-14, 1e-12):
        try:
            values, vectors = torch.linalg.eigh(exact + size * ridge)
        except RuntimeError:
            continue
        return (values - size) * scale, vectors
    _, values, rows = torch.linalg.svd(exact)
    return values.flip(0) * scale, rows.flip(0).mT


def singular_value_thresholding(matrix: torch.Tensor, threshold: float) -> tuple[torch.Tensor, int]:
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
    """
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    squares, vectors = symmetric_eigen(tall.T @ tall)
    values = squares.clamp(min=0).sqrt()
    floor = torch.finfo(matrix.dtype).eps ** 0.5 * values[-1]
    rank = int((values > torch.clamp(floor, min=threshold)).sum())
    # They come in ascending order.
    kept = torch.arange(len(values) - rank, len(values), device=values.device)
    basis = vectors[:, kept]
    result = ((tall @ basis) * (1 - threshold / values[kept])) @ basis.T
    return (result if tall is matrix else result.T), rank


def spectral_norm(matrix: torch.Tensor) -> float:
    """The largest singular value."""
    tall = matrix if matrix.shape[0] >= matrix.shape[1] else matrix.T
    return float(symmetric_eigen(tall.T @ tall)[0][-1].clamp(min=0).sqrt())
