"""Matrix completion: the whole image as a matrix of low rank, some of whose entries are known."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from zeroshot.checks import require_positive, require_whole
from zeroshot.data_terms import Gaussian
from zeroshot.estimate import Estimate
from zeroshot.operators.identity import Identity
from zeroshot.operators.mask import Mask
from zeroshot.precision import widened
from zeroshot.prior import Prior, Run
from zeroshot.problem import Problem
from zeroshot.solvers.singular_values import singular_value_thresholding, spectral_norm


class NuclearNormCompletion:
    """min ‖X‖_* subject to ‖P_Ω(X − D)‖ ≤ δ, an iteration at a time.

    Ω is the set of known entries. By the inexact augmented Lagrangian method for D = X + E, where E is free
    off Ω and of norm at most δ on it: with multipliers Y and a weight μ that grows,

        X = prox of ‖·‖_*/μ at D − E + Y/μ,   E = projection of D − X + Y/μ,   Y ← Y + μ (D − X − E).

    Parameters
    ----------
    matrix : torch.Tensor
        D, (m, n), computed in double precision; its values off Ω are ignored.
    known : torch.Tensor
        1 on Ω, of the same shape.
    distance : float
        δ; 0 keeps the known entries as they are.

    References
    ----------
    E. J. Candès, B. Recht: Exact matrix completion via convex optimization, Found. Comput. Math. 9 (2009).
    E. J. Candès, Y. Plan: Matrix completion with noise, Proc. IEEE 98 (2010), for δ. Z. Lin, M. Chen, Y. Ma:
    The augmented Lagrange multiplier method for exact recovery of corrupted low-rank matrices, 2010.
    """

    #: First μ in units of 1/‖D‖₂, its growth in an iteration, and the most it grows to in those units.
    first, growth, most = 1.0, 1.1, 1e6

    def __init__(self, matrix: torch.Tensor, known: torch.Tensor, distance: float = 0.0) -> None:
        if matrix.ndim != 2 or matrix.shape != known.shape:
            raise ValueError(
                f"matrix and known must be of one shape (m, n), got {tuple(matrix.shape)} and "
                f"{tuple(known.shape)}"
            )
        self._known = known > 0.5
        self._matrix = torch.where(self._known, widened(matrix), 0.0)
        self._distance = distance
        self._size = torch.linalg.vector_norm(self._matrix).item()
        norm = spectral_norm(self._matrix)
        self._mu = self.first / norm if norm else 1.0
        self._largest_mu = self.most * self._mu
        self._low_rank = torch.zeros_like(self._matrix)
        self._rest = torch.zeros_like(self._matrix)
        self._multipliers = torch.zeros_like(self._matrix)
        self.rank, self.residual = 0, 1.0

    @property
    def low_rank(self) -> torch.Tensor:
        """X, (m, n), double precision."""
        return self._low_rank

    @torch.no_grad()
    def step(self) -> float:
        """Make one iteration; ‖D − X − E‖ / ‖D‖, which vanishes at the solution."""
        point = self._matrix + self._multipliers / self._mu
        self._low_rank, self.rank = singular_value_thresholding(point - self._rest, 1 / self._mu)
        self._rest = self._projected(point - self._low_rank)
        gap = self._matrix - self._low_rank - self._rest
        self._multipliers.add_(gap, alpha=self._mu)
        self._mu = min(self.growth * self._mu, self._largest_mu)
        self.residual = torch.linalg.vector_norm(gap).item() / max(self._size, 1e-300)
        return self.residual

    def _projected(self, rest: torch.Tensor) -> torch.Tensor:
        """`rest` scaled to a norm of at most δ on Ω, and as it is elsewhere."""
        if self._distance == 0:
            return torch.where(self._known, 0.0, rest)
        norm = torch.linalg.vector_norm(rest[self._known]).item()
        return torch.where(self._known, rest * min(1.0, self._distance / max(norm, 1e-300)), rest)

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next iteration depends on."""
        return {
            "low_rank": self._low_rank.clone(),
            "rest": self._rest.clone(),
            "multipliers": self._multipliers.clone(),
            "mu": self._mu,
            "rank": self.rank,
            "residual": self.residual,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        for name in ("low_rank", "rest", "multipliers"):
            setattr(self, f"_{name}", state[name].to(self._matrix, copy=True))
        self._mu, self.rank, self.residual = state["mu"], state["rank"], state["residual"]


@dataclass(frozen=True)
class MatrixCompletion(Prior):
    """min over X of ‖X‖_* subject to the known pixels, X being the image as one matrix.

    The channels stand side by side, (H, C · W), each less the mean of its known pixels. Where the measurement
    is noisy the constraint is RMS(X − Y) ≤ `discrepancy` · σ over the known pixels. A baseline: it knows
    nothing of neighbourhoods, fills single missing pixels better than holes, and cannot tell anything about a
    row or a column of which nothing is known (it becomes the mean).

    Parameters
    ----------
    discrepancy : float
        The residual allowed, in units of σ.
    tolerance : float
        Relative residual of the augmented Lagrangian method at which it is finished.
    iterations : int
        The most.
    block : int
        Iterations per step of the run.

    References
    ----------
    E. J. Candès, B. Recht: Exact matrix completion via convex optimization, Found. Comput. Math. 9 (2009).
    J.-F. Cai, E. J. Candès, Z. Shen: A singular value thresholding algorithm for matrix completion, SIAM J.
    Optimization 20 (2010).
    """

    name: ClassVar[str] = "completion"
    summary: ClassVar[str] = (
        "matrix completion: the whole image as a matrix of low rank; inpainting only, a baseline"
    )
    bytes_per_value: ClassVar[int] = 250  # see benchmarks/large_images.py

    discrepancy: float = 1.0
    tolerance: float = 1e-5
    iterations: int = 300
    block: int = 5

    def __post_init__(self) -> None:
        require_positive(self, "discrepancy", "tolerance")
        require_whole(self, "iterations", "block")

    def supports(self, problem: Problem) -> str | None:
        """None for masks and the Gaussian data term."""
        if not isinstance(problem.operator, Mask | Identity):
            return (
                "matrix completion fills in missing pixels and needs a mask, "
                f"not {problem.operator.describe()}"
            )
        if problem.known_pixels() is None:
            return "matrix completion fills in missing pixels, and none are missing here"
        if not isinstance(problem.data_term, Gaussian):
            name = type(problem.data_term).__name__
            return f"matrix completion needs the Gaussian data term, not {name}"
        return None

    def start(self, problem: Problem, generator: torch.Generator) -> MatrixCompletionRun:
        """The run; it uses no randomness."""
        return MatrixCompletionRun(self, problem)


class MatrixCompletionRun(Run):
    """Blocks of iterations on every image of the batch; the loss is the mean relative residual."""

    state = ("solvers", "iteration")

    def __init__(self, prior: MatrixCompletion, problem: Problem) -> None:
        self.device = problem.y.device
        self.prior = prior
        known = problem.known_pixels()
        assert known is not None
        self._y, self._known = problem.y, known
        count = known.sum(dim=(-2, -1), keepdim=True)
        self._mean = (problem.y * known).sum(dim=(-2, -1), keepdim=True) / count.clamp(min=1)
        sigma = problem.stabilised(problem.known_pixels())[1]
        self.solvers = [
            NuclearNormCompletion(
                _side_by_side(image),
                _side_by_side(mask),
                prior.discrepancy * sigma * math.sqrt(mask.sum().item()),
            )
            for image, mask in zip(problem.y - self._mean, known, strict=True)
        ]
        self._keeps_known = sigma == 0
        self.iteration = 0

    @property
    def finished(self) -> bool:
        """Whether every image is completed within the tolerance."""
        return all(solver.residual <= self.prior.tolerance for solver in self.solvers)

    def step(self) -> Estimate:
        """Make a block of iterations on the images that are not finished."""
        count = max(1, min(self.prior.block, self.prior.iterations - self.iteration))
        for solver in self.solvers:
            for _ in range(count):
                if solver.residual > self.prior.tolerance:
                    solver.step()
        self.iteration += count
        image = torch.stack([_stacked(solver.low_rank, self._y.shape[1]).float() for solver in self.solvers])
        image = image + self._mean
        if self._keeps_known:
            image = torch.where(self._known > 0, self._y, image)
        residual = math.fsum(solver.residual for solver in self.solvers) / len(self.solvers)
        return Estimate(image.clamp(0, 1), residual, self.iteration)

    def findings(self) -> dict[str, Any]:
        """The rank of the matrix of each image."""
        return {"rank": [solver.rank for solver in self.solvers]}


def _side_by_side(image: torch.Tensor) -> torch.Tensor:
    """(C, H, W) → (H, C · W)."""
    return image.transpose(0, 1).flatten(1)


def _stacked(matrix: torch.Tensor, channels: int) -> torch.Tensor:
    """(H, C · W) → (C, H, W)."""
    return matrix.unflatten(1, (channels, -1)).transpose(0, 1)
