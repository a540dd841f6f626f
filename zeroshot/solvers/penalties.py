"""Penalties that are suprema over dual variables, as the primal-dual scheme takes them."""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch

from zeroshot.solvers.finite_differences import (
    GRADIENT_NORM_SQUARED,
    TotalVariationNorm,
    add_divergence_,
    gradient,
    weight_chroma_,
)

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
    def value(self, z: Fields) -> float:
        """J(z); z may be changed."""

    def lower_bound(self, p: Fields) -> tuple[Fields, float]:
        """p′ and c with R(x) ≥ ⟨x, Kₓᵀp′⟩ − c for all x, by default p and J*(p)."""
        return p, 0.0


class GradientPenalty(Penalty):
    """TV(T x), where T multiplies the differences of the channels from their mean by `chroma`.

    Parameters
    ----------
    like : torch.Tensor
        An image of the shape, type and device to work on, (N, C, H, W).
    norm : TotalVariationNorm
        Which total variation.
    chroma : float
        Positive; see :func:`~zeroshot.solvers.finite_differences.weight_chroma_`.

    References
    ----------
    L. Condat, S. Mosaddegh: Joint demosaicking and denoising by total variation minimization, ICIP 2012, for
    `chroma`.
    """

    def __init__(self, like: torch.Tensor, norm: TotalVariationNorm, chroma: float = 1.0) -> None:
        self._norm = norm
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
        return [gradient(x, out=self._differences)]

    def adjoint(self, p: Fields, out: torch.Tensor) -> Fields:
        weight_chroma_(add_divergence_(out.zero_(), p[0]), self._chroma).neg_()
        return []

    def prox_(self, p: Fields, step: float) -> None:
        self._norm.prox_(p[0], step, self._scratch)

    def value(self, z: Fields) -> float:
        return self._norm.value(z[0], self._scratch)

    def lower_bound(self, p: Fields) -> tuple[Fields, float]:
        return p, self._norm.conjugate(p[0])
