"""Penalties that are suprema over dual variables, as the primal-dual scheme takes them."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence

import torch

from zeroshot.precision import wide_sum, widest
from zeroshot.solvers.finite_differences import (
    GRADIENT_NORM_SQUARED,
    Coupling,
    TotalVariationNorm,
    add_divergence_,
    gradient,
    weight_chroma_,
)
from zeroshot.solvers.steering import Steering

Fields = list[torch.Tensor]


class Penalty(ABC):
    """R(x) = min over v in [−b, b]ᵐ of J(K (x, v)), with J(z) = sup over p of ⟨z, p⟩ − J*(p).

    K is linear, and v are further variables, of which a penalty may have none. A penalty is made for images
    of one shape, holds its own buffers, and keeps no variables.

    Attributes
    ----------
    norm_squared : float
        An upper bound of ‖K‖².
    box : float
        b.
    """

    norm_squared: float
    box: float = 0.0

    @abstractmethod
    def duals(self) -> Fields:
        """The first p: zeros."""

    def auxiliaries(self) -> Fields:
        """The first v: zeros."""
        return []

    @abstractmethod
    def apply(self, x: torch.Tensor, v: Fields) -> Fields:
        """K (x, v), in buffers that the next call overwrites; one field for each of the duals."""

    @abstractmethod
    def adjoint(self, p: Fields, out: torch.Tensor) -> Fields:
        """Kᵀp: its part for x in `out`, and its parts for v, in buffers that the next call overwrites."""

    @abstractmethod
    def prox_(self, p: Fields, step: float) -> None:
        """The proximal map of `step` · J* in place."""

    @abstractmethod
    def value(self, z: Fields) -> torch.Tensor:
        """J(z), a number on its device in its widest precision; z may be changed."""

    def lower_bound(self, p: Fields) -> tuple[Fields, torch.Tensor]:
        """p′ and c, a number like J, with R(x) ≥ ⟨x, Kₓᵀp′⟩ − c for all x, by default p and J*(p)."""
        return p, p[0].new_zeros((), dtype=widest(p[0].device))


class GradientPenalty(Penalty):
    """Σ h(‖(S ∇T x)ᵢ‖), where T multiplies the differences of the channels from their mean by `chroma`.

    Parameters
    ----------
    like : torch.Tensor
        An image of the shape, type and device to work on, (N, C, H, W).
    norm : TotalVariationNorm
        Which total variation.
    chroma : float
        Positive; see :func:`~zeroshot.solvers.finite_differences.weight_chroma_`.
    steering : Steering, optional
        S; the identity where there is none.

    References
    ----------
    L. Condat, S. Mosaddegh: Joint demosaicking and denoising by total variation minimization, ICIP 2012, for
    `chroma`. M. Grasmair, F. Lenzen: Anisotropic total variation filtering, Applied Mathematics & Optimization
    62 (2010), for `steering`.
    """

    def __init__(
        self,
        like: torch.Tensor,
        norm: TotalVariationNorm,
        chroma: float = 1.0,
        steering: Steering | None = None,
    ) -> None:
        self._norm, self._steering = norm, steering
        self._chroma = chroma if like.shape[1] > 1 else 1.0
        self.norm_squared = GRADIENT_NORM_SQUARED * max(self._chroma, 1.0) ** 2
        self._transformed = torch.empty_like(like)
        self._differences = like.new_empty((2, *like.shape))
        self._scratch = norm.scratch(self._differences)

    def duals(self) -> Fields:
        return [torch.zeros_like(self._differences)]

    def apply(self, x: torch.Tensor, v: Fields) -> Fields:
        if self._chroma != 1:
            x = weight_chroma_(self._transformed.copy_(x), self._chroma)
        differences = gradient(x, out=self._differences)
        if self._steering is not None:
            self._steering.apply_(differences, self._transformed)
        return [differences]

    def adjoint(self, p: Fields, out: torch.Tensor) -> Fields:
        field = p[0]
        if self._steering is not None:
            field = self._steering.apply_(self._differences.copy_(field), self._transformed)
        weight_chroma_(add_divergence_(out.zero_(), field), self._chroma).neg_()
        return []

    def prox_(self, p: Fields, step: float) -> None:
        self._norm.prox_(p[0], step, self._scratch)

    def value(self, z: Fields) -> torch.Tensor:
        return self._norm.value(z[0], self._scratch)

    def lower_bound(self, p: Fields) -> tuple[Fields, torch.Tensor]:
        return p, self._norm.conjugate(p[0])


class CurvaturePenalty(Penalty):
    """β Σ ‖(∇²T x)ᵢ‖, the Frobenius norm of the second differences at each pixel, where there are any.

    It costs nothing to be affine, and an edge costs twice what the first differences make of it.

    Parameters
    ----------
    like : torch.Tensor
        An image of the shape, type and device to work on, (N, C, H, W).
    weight : float
        β, in pixels.
    coupling : {"vectorial", "channels"}
        One norm for all channels, or each on its own.
    chroma : float
        T multiplies the differences of the channels from their mean by this.

    References
    ----------
    K. Papafitsoros, C.-B. Schönlieb: A combined first and second order variational approach for image
    reconstruction, JMIV 48 (2014).
    """

    def __init__(
        self, like: torch.Tensor, weight: float, coupling: Coupling = "vectorial", chroma: float = 1.0
    ) -> None:
        self._weight = weight
        self._chroma = chroma if like.shape[1] > 1 else 1.0
        # The norm of the second differences is that of (4 sin² u + 4 sin² v), u and v being frequencies.
        self.norm_squared = 64 * (weight * max(self._chroma, 1.0)) ** 2
        self._transformed = torch.empty_like(like)
        self._differences = like.new_zeros((3, *like.shape))
        self._joint = coupling == "vectorial" and like.shape[1] > 1
        self._squares = torch.empty_like(like[:, :1] if self._joint else like)

    def duals(self) -> Fields:
        return [torch.zeros_like(self._differences)]

    def apply(self, x: torch.Tensor, v: Fields) -> Fields:
        """β (∂₀∂₀, ∂₁∂₁, √2 ∂₀∂₁) T x, of the shape (3, N, C, H, W)."""
        if self._chroma != 1:
            x = weight_chroma_(self._transformed.copy_(x), self._chroma)
        down, along, mixed = self._differences
        inner = down[..., 1:-1, :]
        torch.add(x[..., 2:, :], x[..., :-2, :], out=inner).sub_(x[..., 1:-1, :], alpha=2).mul_(self._weight)
        inner = along[..., 1:-1]
        torch.add(x[..., 2:], x[..., :-2], out=inner).sub_(x[..., 1:-1], alpha=2).mul_(self._weight)
        inner = mixed[..., :-1, :-1]
        torch.sub(x[..., 1:, 1:], x[..., 1:, :-1], out=inner)
        inner.sub_(x[..., :-1, 1:]).add_(x[..., :-1, :-1]).mul_(self._weight * math.sqrt(2))
        return [self._differences]

    def adjoint(self, p: Fields, out: torch.Tensor) -> Fields:
        down, along, mixed = p[0][0][..., 1:-1, :], p[0][1][..., 1:-1], p[0][2][..., :-1, :-1]
        out.zero_()
        out[..., 2:, :] += down
        out[..., :-2, :] += down
        out[..., 1:-1, :].sub_(down, alpha=2)
        out[..., 2:] += along
        out[..., :-2] += along
        out[..., 1:-1].sub_(along, alpha=2)
        out[..., 1:, 1:].add_(mixed, alpha=math.sqrt(2))
        out[..., :-1, :-1].add_(mixed, alpha=math.sqrt(2))
        out[..., 1:, :-1].sub_(mixed, alpha=math.sqrt(2))
        out[..., :-1, 1:].sub_(mixed, alpha=math.sqrt(2))
        weight_chroma_(out.mul_(self._weight), self._chroma)
        return []

    def _squared_norms(self, p: torch.Tensor) -> torch.Tensor:
        squares = self._squares.zero_()
        for component in p:
            parts = component.split(1, dim=1) if self._joint else [component]
            for part in parts:
                squares.addcmul_(part, part)
        return squares

    def prox_(self, p: Fields, step: float) -> None:
        p[0].mul_(self._squared_norms(p[0]).clamp_(min=1).rsqrt_())

    def value(self, z: Fields) -> torch.Tensor:
        return wide_sum(self._squared_norms(z[0]).sqrt_())


class PenaltySum(Penalty):
    """The sum of penalties without further variables.

    Parameters
    ----------
    like : torch.Tensor
        An image of the shape, type and device to work on, (N, C, H, W).
    parts : sequence of Penalty
        Each with one dual variable.
    """

    def __init__(self, like: torch.Tensor, parts: Sequence[Penalty]) -> None:
        self._parts = parts
        self._share = torch.empty_like(like)
        self.norm_squared = math.fsum(part.norm_squared for part in parts)

    def duals(self) -> Fields:
        return [field for part in self._parts for field in part.duals()]

    def apply(self, x: torch.Tensor, v: Fields) -> Fields:
        return [field for part in self._parts for field in part.apply(x, v)]

    def adjoint(self, p: Fields, out: torch.Tensor) -> Fields:
        first, *others = zip(self._parts, p, strict=True)
        first[0].adjoint([first[1]], out)
        for part, field in others:
            part.adjoint([field], self._share)
            out += self._share
        return []

    def prox_(self, p: Fields, step: float) -> None:
        for part, field in zip(self._parts, p, strict=True):
            part.prox_([field], step)

    def value(self, z: Fields) -> torch.Tensor:
        values = [part.value([field]) for part, field in zip(self._parts, z, strict=True)]
        return torch.stack(values).sum()

    def lower_bound(self, p: Fields) -> tuple[Fields, torch.Tensor]:
        bounds = [part.lower_bound([field]) for part, field in zip(self._parts, p, strict=True)]
        costs = torch.stack([cost for _, cost in bounds])
        return [field for fields, _ in bounds for field in fields], costs.sum()
