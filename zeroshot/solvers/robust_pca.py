"""Robust principal component analysis: a matrix as the sum of a low-rank and a sparse one.

The frames of a fixed camera, one in each column, have a background of low rank; what moves is sparse.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from zeroshot.checks import require_number, require_positive
from zeroshot.memory import available_memory
from zeroshot.precision import widened
from zeroshot.solvers.singular_values import singular_value_thresholding, spectral_norm
from zeroshot.solvers.thresholds import soft

#: Matrices of the data's size in double precision that the computation holds at a time.
_COPIES = 10
#: A pixel moves where it differs by more than this many standard deviations of the noise.
NOISE_LEVELS = 4.0
#: The standard deviation of Gaussian noise over the median of its magnitude.
MEDIAN_TO_DEVIATION = 1.4826


@dataclass(frozen=True)
class LowRankPlusSparse:
    """A matrix taken apart.

    Attributes
    ----------
    low_rank, sparse : torch.Tensor
        (m, n), double precision.
    rank : int
        Of `low_rank`.
    iterations : int
    residual : float
        ‖D − L − S‖ / ‖D‖ (Frobenius); with noise, the part that is left to it.
    """

    low_rank: torch.Tensor
    sparse: torch.Tensor
    rank: int
    iterations: int
    residual: float


class PrincipalComponentPursuit:
    """min ‖L‖_* + λ‖S‖₁ subject to D = L + S, an iteration at a time.

    By the inexact augmented Lagrangian method: with multipliers Y and a weight μ that grows,

        L = prox of ‖·‖_*/μ at D − S + Y/μ,   S = prox of λ‖·‖₁/μ at D − L + Y/μ,   Y ← Y + μ (D − L − S).

    With dense noise of standard deviation σ beside the sparse errors (stable pursuit) the problem is
    min ‖L‖_* + λ‖S‖₁ + μ/2 ‖D − L − S‖² with μ = 1/(σ √(2 max(m, n))), solved by the same two steps without
    multipliers, μ growing to that value.

    Parameters
    ----------
    matrix : torch.Tensor
        D, (m, n), finite, any floating type; computed in double precision.
    weight : float, optional
        λ; 1/√max(m, n) by default, at which recovery is proved.
    noise : float
        σ of the dense noise; 0 asks for equality.
    tolerance : float
        Relative residual at which the pursuit is finished; with noise, the relative change of L and S.

    References
    ----------
    E. J. Candès, X. Li, Y. Ma, J. Wright: Robust principal component analysis?, JACM 58 (2011). Z. Lin,
    M. Chen, Y. Ma: The augmented Lagrange multiplier method for exact recovery of corrupted low-rank matrices,
    2010. Z. Zhou, X. Li, J. Wright, E. Candès, Y. Ma: Stable principal component pursuit, ISIT 2010.
    """

    #: Growth of μ in an iteration, its first value in units of 1/‖D‖₂, and the most it grows to in those.
    growth, first, most = 1.5, 1.25, 1e7

    def __init__(
        self,
        matrix: torch.Tensor,
        weight: float | None = None,
        noise: float = 0.0,
        tolerance: float = 1e-7,
    ) -> None:
        if matrix.ndim != 2 or 0 in matrix.shape:
            raise ValueError(f"matrix must have two axes and entries, got the shape {tuple(matrix.shape)}")
        if not bool(torch.isfinite(matrix).all()):
            raise ValueError("matrix must be finite, and holds NaN or infinity")
        require_positive({"weight": weight}, "weight", none="allowed")
        require_number({"noise": noise}, "noise")
        self._matrix = widened(matrix)
        longest = max(matrix.shape)
        self.weight = 1 / math.sqrt(longest) if weight is None else float(weight)
        self.iterations, self.rank = 0, 0
        self.residual = 1.0
        self._tolerance, self._noisy = tolerance, noise > 0
        self._size = torch.linalg.vector_norm(self._matrix).item()
        norm = spectral_norm(self._matrix)
        self._low_rank = torch.zeros_like(self._matrix)
        self._sparse = torch.zeros_like(self._matrix)
        self._change = math.inf
        self._mu = self.first / norm if norm else 1.0
        self._largest_mu = 1 / (noise * math.sqrt(2 * longest)) if noise else self.most * self._mu
        self._mu = min(self._mu, self._largest_mu)
        self._multipliers = torch.zeros_like(self._matrix)
        if not self._noisy and norm:
            largest = self._matrix.abs().max().item()
            self._multipliers = self._matrix / max(norm, largest / self.weight)

    @property
    def finished(self) -> bool:
        """Whether D = L + S within the tolerance; with noise, whether L and S have come to rest."""
        if self._size == 0:
            return True
        if self._noisy:
            return self._mu >= self._largest_mu and self._change <= self._tolerance
        return self.residual <= self._tolerance

    @torch.no_grad()
    def step(self) -> float:
        """Make one iteration; the relative residual."""
        scaled = self._multipliers / self._mu
        before = self._low_rank
        self._low_rank, self.rank = singular_value_thresholding(
            self._matrix - self._sparse + scaled, 1 / self._mu
        )
        sparse = soft(self._matrix - self._low_rank + scaled, self.weight / self._mu)
        if self._noisy:
            moved = torch.linalg.vector_norm(sparse - self._sparse).item()
            moved += torch.linalg.vector_norm(self._low_rank - before).item()
            self._change = moved / max(self._size, 1e-300)
        self._sparse = sparse
        rest = self._matrix - self._low_rank - self._sparse
        self.residual = torch.linalg.vector_norm(rest).item() / max(self._size, 1e-300)
        if not self._noisy:
            self._multipliers.add_(rest, alpha=self._mu)
        self._mu = min(self.growth * self._mu, self._largest_mu)
        self.iterations += 1
        return self.residual

    def result(self) -> LowRankPlusSparse:
        """L and S as they stand."""
        return LowRankPlusSparse(self._low_rank, self._sparse, self.rank, self.iterations, self.residual)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next iteration depends on."""
        return {
            "low_rank": self._low_rank.clone(),
            "sparse": self._sparse.clone(),
            "multipliers": self._multipliers.clone(),
            "mu": self._mu,
            "rank": self.rank,
            "iterations": self.iterations,
            "residual": self.residual,
            "change": self._change,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        for name in ("low_rank", "sparse", "multipliers"):
            setattr(self, f"_{name}", state[name].to(self._matrix, copy=True))
        self._mu, self._change = state["mu"], state["change"]
        self.rank, self.iterations, self.residual = state["rank"], state["iterations"], state["residual"]


def principal_component_pursuit(
    matrix: torch.Tensor,
    weight: float | None = None,
    *,
    noise: float = 0.0,
    tolerance: float = 1e-7,
    iterations: int = 500,
    progress: Callable[[int, float], object] | None = None,
) -> LowRankPlusSparse:
    """Take a matrix apart into a low-rank and a sparse one: see :class:`PrincipalComponentPursuit`.

    Parameters
    ----------
    matrix, weight, noise, tolerance
        As for the class.
    iterations : int
        The most.
    progress : callable, optional
        Called with the number of iterations and the relative residual after each.

    Examples
    --------
    >>> import torch
    >>> background = torch.outer(torch.linspace(0, 1, 40), torch.ones(20))
    >>> spots = torch.zeros(40, 20)
    >>> spots[3, 4] = spots[30, 11] = 1
    >>> parts = principal_component_pursuit(background + spots)
    >>> parts.rank, bool((parts.sparse - spots).abs().max() < 1e-5)
    (1, True)
    """
    pursuit = PrincipalComponentPursuit(matrix, weight, noise, tolerance)
    while not pursuit.finished and pursuit.iterations < iterations:
        residual = pursuit.step()
        if progress is not None:
            progress(pursuit.iterations, residual)
    return pursuit.result()


# --- frames of a fixed camera ------------------------------------------------------------------------------


@dataclass(frozen=True)
class BackgroundSeparation:
    """Frames taken apart.

    Attributes
    ----------
    background : torch.Tensor
        The frames without what moves, (T, C, H, W), in [0, 1].
    foreground : torch.Tensor
        What moves, as the difference from the background, (T, C, H, W), in [−1, 1].
    mask : torch.Tensor
        1 where something moves, (T, 1, H, W).
    rank : int
        How many images the backgrounds are combinations of.
    iterations : int
    residual : float
        What the two parts leave unexplained, relative to the frames.
    """

    background: torch.Tensor
    foreground: torch.Tensor
    mask: torch.Tensor
    rank: int
    iterations: int
    residual: float


def separate_background(
    frames: torch.Tensor,
    weight: float | None = None,
    *,
    noise: float = 0.0,
    tolerance: float | None = None,
    iterations: int = 200,
    progress: Callable[[int, float], object] | None = None,
) -> BackgroundSeparation:
    """Tell what moves from what stays, in frames of a fixed camera.

    Each frame is a column of D, and D = L + S by principal component pursuit.

    Parameters
    ----------
    frames : torch.Tensor
        (T, C, H, W) in [0, 1], at least two.
    weight, noise, iterations, progress
        As for :func:`principal_component_pursuit`. A smaller weight leaves less in the background.
    tolerance : float, optional
        The same; 1e-6 by default, and 3e-4 with noise, where the change falls slowly (on frames of an escalator
        the mask at 1e-5 then differs in 0.3 % of the pixels).

    Raises
    ------
    ValueError
        Where there are fewer than two frames, or too many for the memory.
    """
    if frames.ndim != 4 or frames.shape[0] < 2:
        raise ValueError(f"frames must be (T, C, H, W) with T of at least 2, got {tuple(frames.shape)}")
    require_memory(frames.numel())
    if tolerance is None:
        tolerance = 3e-4 if noise > 0 else 1e-6
    columns = frames.flatten(1).T
    parts = principal_component_pursuit(
        columns, weight, noise=noise, tolerance=tolerance, iterations=iterations, progress=progress
    )
    background = parts.low_rank.T.reshape(frames.shape).float()
    foreground = parts.sparse.T.reshape(frames.shape).float()
    return BackgroundSeparation(
        background.clamp(0, 1),
        foreground.clamp(-1, 1),
        moving(foreground, noise),
        parts.rank,
        parts.iterations,
        parts.residual,
    )


def require_memory(values: int) -> None:
    """Raise a ValueError where frames with `values` numbers in all do not fit into memory."""
    needed, available = _COPIES * 8 * values, available_memory()
    if available is not None and needed > available:
        raise ValueError(
            f"these frames need {needed / 2**30:.1f} GiB of memory and {available / 2**30:.1f} are free; "
            "use fewer or smaller ones"
        )


def noise_in_time(frames: torch.Tensor) -> float:
    """σ of the noise of (T, C, H, W): the median difference of frames that follow each other, as Gaussian noise has.

    It takes no notice of what moves, as long as that is less than half of the pixels.
    """
    largest = max(1, frames.shape[0] * frames.shape[1] * frames.shape[2] * frames.shape[3] // 2**22)
    differences = (frames[1:] - frames[:-1]).abs().flatten()[::largest]
    return MEDIAN_TO_DEVIATION / math.sqrt(2) * differences.median().item()


def moving(foreground: torch.Tensor, noise: float = 0.0) -> torch.Tensor:
    """1 where the largest difference over the channels is more than noise and exceeds Otsu's threshold, (T, 1, H, W).

    More than noise is 4 standard deviations: of `noise`, or, if that is more, of noise that has the median
    magnitude of the differences.

    References
    ----------
    N. Otsu: A threshold selection method from gray-level histograms, IEEE Trans. SMC 9 (1979).
    """
    size = foreground.abs().amax(dim=1, keepdim=True)
    magnitudes = foreground.abs().flatten()
    level = max(noise, MEDIAN_TO_DEVIATION * magnitudes.median().item())
    return (size > max(_otsu(size), NOISE_LEVELS * level)).to(foreground)


def _otsu(values: torch.Tensor, bins: int = 256) -> float:
    """The threshold that maximises the variance between the classes below and above it."""
    highest = values.max().item()
    if highest == 0:
        return 0.0
    counts = torch.histc(values.float().cpu(), bins, 0.0, highest).double()
    centres = (torch.arange(bins, dtype=torch.float64) + 0.5) * (highest / bins)
    below, sums = counts.cumsum(0), (counts * centres).cumsum(0)
    above = below[-1] - below
    difference = sums / below.clamp(min=1) - (sums[-1] - sums) / above.clamp(min=1)
    best = int((below * above * difference.square()).argmax())
    return (best + 1) * highest / bins
