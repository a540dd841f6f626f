"""Total generalized variation of second order: the gradient may follow a smooth field at no cost."""

from __future__ import annotations

import math

import torch

from zeroshot.precision import wide_sum
from zeroshot.solvers.finite_differences import (
    GRADIENT_NORM_SQUARED,
    Coupling,
    TotalVariationNorm,
    add_divergence_,
    gradient,
    weight_chroma_,
)
from zeroshot.solvers.penalties import Fields, Penalty
from zeroshot.solvers.steering import Steering


class GeneralizedVariation(Penalty):
    """min over v of Σ ‖(S (∇T x − v))ᵢ‖ + α Σ ‖(E v)ᵢ‖, with E v = ½ (∇v + ∇vᵀ) the symmetrised derivative.

    Where x has no neighbour, at the far row and column, v has nothing to follow: the first sum leaves these
    components out, so that an affine ramp costs nothing up to the border. |v| ≤ b, the largest difference
    that pixels in [0, 1] can have, so that the lower bound is finite.

    Parameters
    ----------
    like : torch.Tensor
        An image of the shape, type and device to work on, (N, C, H, W).
    ratio : float
        α. Large, it leaves affine images and penalises like total variation otherwise.
    coupling : {"vectorial", "channels"}
        One norm for all channels, or each on its own.
    chroma : float
        T multiplies the differences of the channels from their mean by this.
    steering : Steering, optional
        S, invertible; the identity where there is none.

    References
    ----------
    K. Bredies, K. Kunisch, T. Pock: Total generalized variation, SIAM J. Imaging Sciences 3 (2010).
    """

    def __init__(
        self,
        like: torch.Tensor,
        ratio: float = 2.0,
        coupling: Coupling = "vectorial",
        chroma: float = 1.0,
        steering: Steering | None = None,
    ) -> None:
        self._ratio, self._steering = ratio, steering
        self._inverse = None if steering is None else steering.inverse()
        self._norm = TotalVariationNorm("isotropic", coupling)
        self._chroma = chroma if like.shape[1] > 1 else 1.0
        self.norm_squared = _norm_squared(max(self._chroma, 1.0))
        # T widens the range of a channel from 1 to c + (c − 1)/3 for three channels, and less than 2c.
        self.box = 1.0 if self._chroma <= 1 else 2 * self._chroma
        self._transformed = torch.empty_like(like)
        self._first = like.new_empty((2, *like.shape))
        self._second = like.new_empty((3, *like.shape))
        self._field = torch.empty_like(self._first)
        self._jacobian = torch.empty_like(self._first)
        self._scratch = self._norm.scratch(self._first)

    def duals(self) -> Fields:
        return [torch.zeros_like(self._first), torch.zeros_like(self._second)]

    def auxiliaries(self) -> Fields:
        return [torch.zeros_like(self._first)]

    def apply(self, x: torch.Tensor, v: Fields) -> Fields:
        if self._chroma != 1:
            x = weight_chroma_(self._transformed.copy_(x), self._chroma)
        difference = _without_far_border_(gradient(x, out=self._first).sub_(v[0]))
        if self._steering is not None:
            self._steering.apply_(difference, self._transformed)
        self._symmetrised(v[0])
        return [difference, self._second]

    def _symmetrised(self, v: torch.Tensor) -> None:
        """E v as (∂₀v₀, ∂₁v₁, √2 · ½ (∂₀v₁ + ∂₁v₀)), whose Euclidean norm is that of the 2 × 2 matrix."""
        down, along, mixed = self._second
        gradient(v[0], out=self._jacobian)
        down.copy_(self._jacobian[0])
        mixed.copy_(self._jacobian[1])
        gradient(v[1], out=self._jacobian)
        along.copy_(self._jacobian[1])
        mixed.add_(self._jacobian[0]).mul_(math.sqrt(0.5))

    def adjoint(self, p: Fields, out: torch.Tensor) -> Fields:
        # p is zero at the far border, as it is where it comes from, but where it is steered.
        field = p[0]
        if self._steering is not None:
            field = self._steering.apply_(self._first.copy_(field), self._transformed)
            _without_far_border_(field)
        weight_chroma_(add_divergence_(out.zero_(), field), self._chroma).neg_()
        return [self._adjoint_of_symmetrised(p[1]).sub_(field)]

    def _adjoint_of_symmetrised(self, r: torch.Tensor) -> torch.Tensor:
        """Eᵀr, minus the divergence of each row of the matrix."""
        down, along, mixed = r
        torch.mul(mixed, math.sqrt(0.5), out=self._jacobian[1])
        self._jacobian[0].copy_(down)
        add_divergence_(self._field[0].zero_(), self._jacobian)
        self._jacobian[0].copy_(self._jacobian[1])
        self._jacobian[1].copy_(along)
        add_divergence_(self._field[1].zero_(), self._jacobian)
        return self._field.neg_()

    def prox_(self, p: Fields, step: float) -> None:
        self._norm.project_(p[0], self._scratch)
        scale = self._second_norms_squared(p[1]).clamp_(min=self._ratio**2).rsqrt_().mul_(self._ratio)
        p[1].mul_(scale)

    def _second_norms_squared(self, r: torch.Tensor) -> torch.Tensor:
        """The squared norms at each pixel, in the scratch buffer."""
        squared = self._scratch
        if squared.shape == r.shape[1:]:
            parts = list(r)
        else:
            parts = [r[k][:, c : c + 1] for k in range(3) for c in range(r.shape[2])]
        torch.mul(parts[0], parts[0], out=squared)
        for part in parts[1:]:
            squared.addcmul_(part, part)
        return squared

    def value(self, z: Fields) -> torch.Tensor:
        first = self._norm.value(z[0], self._scratch)
        second = self._second_norms_squared(z[1]).rsqrt_().reciprocal_()
        return first + self._ratio * wide_sum(second)

    def lower_bound(self, p: Fields) -> tuple[Fields, torch.Tensor]:
        """R with p′ = Eᵀr projected to where it is feasible, and the cost of what the projection took away.

        With p′ = Eᵀr the minimum over v is exactly 0, whereas for an iterate p every difference from Eᵀr
        costs b, which is far more than v ever is.
        """
        wanted = self._adjoint_of_symmetrised(p[1]).clone()
        feasible = _without_far_border_(wanted.clone())
        if self._inverse is not None:
            self._inverse.apply_(feasible, self._transformed)
        self._norm.project_(feasible, self._scratch)
        reached = feasible
        if self._steering is not None:
            reached = _without_far_border_(self._steering.apply_(feasible.clone(), self._transformed))
        excess = wide_sum((wanted - reached).abs())
        return [feasible, p[1]], self.box * excess


def _without_far_border_(field: torch.Tensor) -> torch.Tensor:
    """Zero the components of a field (2, N, C, H, W) that no difference of neighbours goes with."""
    field[0][..., -1, :] = 0
    field[1][..., -1] = 0
    return field


def _norm_squared(chroma: float) -> float:
    """‖K‖² is at most that of the matrix ((a, 1), (0, b)) with a = ‖∇T‖, b = ‖E‖ ≤ ‖∇‖."""
    a2, b2 = GRADIENT_NORM_SQUARED * chroma**2, GRADIENT_NORM_SQUARED
    trace = a2 + b2 + 1
    return 0.5 * (trace + math.sqrt(trace**2 - 4 * a2 * b2))
