"""The data step of splitting schemes: the proximal map of x ↦ D(A x, y), for every linear operator.

    x⁺ = argmin over x of Σ wᵢ d((A x)ᵢ, yᵢ) + (ρ/2) ‖x − v‖²

It is solved in the space of the measurements: x⁺ = v + Aᵀu, so that nothing changes where A measures nothing.
"""

from __future__ import annotations

from typing import Any, Protocol

import torch

from zeroshot.data_terms import DataTerm, Gaussian
from zeroshot.operators.blurring import Blurring
from zeroshot.operators.downsample import Downsample
from zeroshot.operators.jpeg_transform import JpegTransform
from zeroshot.operators.operator import Operator
from zeroshot.quantisation import Quantised
from zeroshot.solvers.conjugate_gradients import conjugate_gradients

#: Relative deviation up to which A Aᵀ counts as diagonal: rounding errors of single precision.
_ROUNDING = 1e-5


class DataStep:
    """The proximal map of the data term, with whatever solver the operator admits.

    With a Gaussian data term the step is a linear system. It has a closed form where A Aᵀ is diagonal, as for
    masks, mosaics, grey values and the mean of blocks; else it is solved by conjugate gradients. Blurs and
    enlargements are preconditioned by the circulant matrix nearest to A Aᵀ; for a circular blur that is A Aᵀ
    itself, and the first iteration ends at the solution.

    The coefficients of a JPEG are moved one by one, ‖x − v‖ being measured in Y, Cb and Cr.

    Other data terms take the proximal map of d value by value where A Aᵀ is a multiple of the identity on
    what is measured. Otherwise z = A x is split off, and a few iterations of ADMM alternate the linear system
    with that map; they go on where the call before ended.

    Parameters
    ----------
    operator : Operator
        A, linear.
    y : torch.Tensor
        The measurement, (N, C, H, W).
    data_term : DataTerm
        d.
    weight : torch.Tensor, optional
        w, 0 or 1, broadcastable to `y`; all 1 by default.
    iterations : int
        The most iterations of conjugate gradients.
    tolerance : float
        Relative residual at which they end.
    splittings : int
        Inner iterations of ADMM in a call, where they are needed.
    """

    def __init__(
        self,
        operator: Operator,
        y: torch.Tensor,
        data_term: DataTerm,
        weight: torch.Tensor | None = None,
        iterations: int = 50,
        tolerance: float = 1e-4,
        splittings: int = 4,
    ) -> None:
        self._operator, self._y, self._data_term = operator, y, data_term
        self._weight = None if weight is None else (weight > 0.5).to(y).expand_as(y)
        self._splittings = splittings
        self._gram = diagonal_of_gram(operator, y)
        self._closed_form = self._gram is not None and (
            isinstance(data_term, Gaussian) or _has_one_level(self._gram)
        )
        fitted = self._weight if isinstance(data_term, Gaussian) else None
        self._quadratic: Quadratic = (
            DiagonalQuadratic(operator, self._gram, fitted)
            if self._gram is not None
            else KrylovQuadratic(operator, y, fitted, iterations, tolerance)
        )
        self._split: torch.Tensor | None = None
        self._multiplier: torch.Tensor | None = None

    @property
    def projects(self) -> bool:
        """Whether ρ = 0 is allowed, that is whether A x = y can be solved in closed form."""
        return self._gram is not None

    @torch.no_grad()
    def __call__(self, point: torch.Tensor, strength: float) -> torch.Tensor:
        """The minimum for v = `point`, ρ = `strength`; for ρ = 0, if Gaussian, the nearest x with A x = y."""
        if isinstance(self._data_term, Gaussian):
            return self._quadratic.solve(point, self._y, strength * self._data_term.sigma**2)
        if strength <= 0:
            raise ValueError(f"strength must be a positive number, got {strength}")
        if isinstance(self._operator, JpegTransform):
            return self._by_coefficient(self._operator, point, strength)
        if self._closed_form:
            return self._by_value(point, strength)
        return self._by_splitting(point, strength)

    def project(self, point: torch.Tensor) -> torch.Tensor:
        """The image nearest to `point` that has the measurement y, where :attr:`projects`."""
        assert self._gram is not None
        return DiagonalQuadratic(self._operator, self._gram, self._weight).solve(point, self._y, 0.0)

    def _by_value(self, point: torch.Tensor, strength: float) -> torch.Tensor:
        """A Aᵀ = g on what is measured: A x⁺ is the proximal map of (g/ρ) d at A v."""
        assert self._gram is not None
        level = float(self._gram.max())
        prediction = self._operator(point)
        wanted = self._data_term.prox(prediction, self._y, level / strength)
        change = (wanted - prediction) * (self._gram > 0)
        if self._weight is not None:
            change = change * self._weight
        return point + self._operator.adjoint(change) / level

    def _by_coefficient(self, transform: JpegTransform, point: torch.Tensor, strength: float) -> torch.Tensor:
        """A L = 1: the step in the distance of Y, Cb and Cr, each coefficient by itself; x⁺ = v + L (change)."""
        prediction = transform(point)
        change = self._data_term.prox(prediction, self._y, 1 / strength) - prediction
        return point + transform.lifted(change if self._weight is None else change * self._weight)

    def _by_splitting(self, point: torch.Tensor, strength: float) -> torch.Tensor:
        penalty = self._curvature()
        x = point
        if self._split is None or self._multiplier is None:
            self._split, self._multiplier = self._operator(point), torch.zeros_like(self._y)
        for _ in range(self._splittings):
            x = self._quadratic.solve(point, self._split - self._multiplier, strength / penalty)
            prediction = self._operator(x)
            moved = prediction + self._multiplier
            self._split = self._data_term.prox(moved, self._y, 1 / penalty)
            if self._weight is not None:
                self._split = torch.where(self._weight > 0, self._split, moved)
            self._multiplier = moved - self._split
        return x

    def _curvature(self) -> float:
        """A typical second derivative of d, by which the penalty on z = A x is scaled."""
        if isinstance(self._data_term, Quantised):
            return self._data_term.typical_curvature
        step = 1e-2
        level = self._y.clamp(0, 1).mean().clamp(min=step)
        ahead, here, behind = (
            self._data_term.penalty(level + shift, level).item() for shift in (step, 0.0, -step)
        )
        return max((ahead - 2 * here + behind) / step**2, 1e-3)

    def state_dict(self) -> dict[str, Any]:
        """Where the inner iterations go on from; empty for data terms that need none."""
        if self._split is None or self._multiplier is None:
            return {}
        return {"split": self._split.clone(), "multiplier": self._multiplier.clone()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        self._split = state["split"].to(self._y.device, copy=True) if state else None
        self._multiplier = state["multiplier"].to(self._y.device, copy=True) if state else None


class Quadratic(Protocol):
    """Solves ``argmin over x of ½ Σ wᵢ ((A x)ᵢ − yᵢ)² + (δ/2) ‖x − v‖²``."""

    def solve(self, point: torch.Tensor, target: torch.Tensor, damping: float) -> torch.Tensor:
        """The minimum for v = `point`, y = `target` and δ = `damping`."""
        ...


class DiagonalQuadratic:
    """The closed form for a diagonal A Aᵀ: x = v + Aᵀ (w ⊙ (y − A v) / (w ⊙ diag(A Aᵀ) + δ)).

    Parameters
    ----------
    operator : Operator
        A.
    gram : torch.Tensor
        The diagonal of A Aᵀ, of the shape of the measurement.
    weight : torch.Tensor or None
        w.
    """

    def __init__(self, operator: Operator, gram: torch.Tensor, weight: torch.Tensor | None) -> None:
        self._operator, self._weight = operator, weight
        self._scale = gram if weight is None else gram * weight

    def solve(self, point: torch.Tensor, target: torch.Tensor, damping: float) -> torch.Tensor:
        residual = target - self._operator(point)
        if self._weight is not None:
            residual = residual * self._weight
        divisor = self._scale + damping
        u = torch.where(self._scale > 0, residual / torch.where(self._scale > 0, divisor, 1.0), 0.0)
        return point + self._operator.adjoint(u)


class KrylovQuadratic:
    """Conjugate gradients on (W A Aᵀ W + δ) u = W (y − A v), W² = w, and x = v + Aᵀ W u.

    Parameters
    ----------
    operator : Operator
        A.
    y : torch.Tensor
        A measurement, for its shape.
    weight : torch.Tensor or None
        w, 0 or 1.
    iterations, tolerance
        As for :func:`conjugate_gradients`.
    """

    def __init__(
        self,
        operator: Operator,
        y: torch.Tensor,
        weight: torch.Tensor | None,
        iterations: int,
        tolerance: float,
    ) -> None:
        self._operator, self._weight = operator, weight
        self._iterations, self._tolerance = iterations, tolerance
        self._spectrum = _circulant_spectrum(operator, y)
        self._largest = 0.0 if self._spectrum is None else float(self._spectrum.max())

    def solve(self, point: torch.Tensor, target: torch.Tensor, damping: float) -> torch.Tensor:
        right = self._weighted(target - self._operator(point))
        u = conjugate_gradients(
            lambda u: self._apply(u, damping),
            right,
            None,
            self._iterations,
            self._tolerance,
            precondition=None if self._spectrum is None else lambda r: self._precondition(r, damping),
        )
        return point + self._operator.adjoint(self._weighted(u))

    def _weighted(self, values: torch.Tensor) -> torch.Tensor:
        return values if self._weight is None else values * self._weight

    def _apply(self, u: torch.Tensor, damping: float) -> torch.Tensor:
        image = self._operator(self._operator.adjoint(self._weighted(u)))
        return self._weighted(image).add(u, alpha=damping)

    def _precondition(self, residual: torch.Tensor, damping: float) -> torch.Tensor:
        assert self._spectrum is not None
        size = list(residual.shape[-2:])
        # A spectrum that vanishes somewhere has no inverse; what is below the floor is rounding anyway.
        floor = max(damping, 1e-6 * self._largest)
        return torch.fft.irfft2(torch.fft.rfft2(residual) / (self._spectrum + floor), s=size)


@torch.no_grad()
def diagonal_of_gram(operator: Operator, y: torch.Tensor) -> torch.Tensor | None:
    """The diagonal of A Aᵀ, of the shape of `y`, where A Aᵀ is a diagonal matrix, else None.

    It is found out by a product with a random vector, which for another matrix agrees with the diagonal's by
    chance only.
    """
    diagonal = operator(operator.adjoint(torch.ones_like(y)))
    generator = torch.Generator().manual_seed(0)
    probe = torch.randn(y.shape, generator=generator).to(y)
    deviation = operator(operator.adjoint(probe)) - diagonal * probe
    if float(deviation.abs().max()) > _ROUNDING * max(float(diagonal.abs().max()), 1e-12):
        return None
    return diagonal.clamp(min=0)


def _has_one_level(diagonal: torch.Tensor) -> bool:
    """Whether all entries that are not zero are equal."""
    positive = diagonal[diagonal > 0]
    return positive.numel() > 0 and bool(
        (positive - positive.max()).abs().max() <= _ROUNDING * positive.max()
    )


@torch.no_grad()
def _circulant_spectrum(operator: Operator, y: torch.Tensor) -> torch.Tensor | None:
    """The eigenvalues of the circulant matrix near A Aᵀ, on the half plane of :func:`torch.fft.rfft2`.

    Only for operators that treat every channel alike and every place of the measurement, up to its edge, or nearly so:
    of a blur that changes over the field it is what the centre has.
    """
    if not isinstance(operator, Blurring | Downsample):
        return None
    height, width = y.shape[-2:]
    impulse = y.new_zeros((1, 1, height, width))
    impulse[..., height // 2, width // 2] = 1
    response = operator(operator.adjoint(impulse))
    centred = response.roll((-(height // 2), -(width // 2)), dims=(-2, -1))
    return torch.fft.rfft2(centred).real.clamp(min=0)
