"""The primal-dual hybrid gradient scheme for total variation and any linear operator and data term."""

from __future__ import annotations

import math
from typing import Any

import torch

from zeroshot.data_terms import DataTerm, Gaussian
from zeroshot.operators.operator import Operator
from zeroshot.solvers.finite_differences import (
    GRADIENT_NORM_SQUARED,
    TotalVariationNorm,
    add_divergence_,
    gradient,
    weight_chroma_,
)


class PrimalDualHybridGradient:
    """min over x in [0, 1]ⁿ of Σ d(A x, y) + λ TV(T x).

    T multiplies the differences of the channels from their mean by `chroma` (c), T x = c x + (1 − c) x̂ with
    x̂ the mean over the channels, so that edges in colour are dearer than edges in brightness.

    Divided by λ, with one dual variable for the differences and one for the data:

        x⁺ = clip(x − τ (Aᵀq − T div p)),      x̄ = 2x⁺ − x,
        p⁺ = Π(p + s ∇T x̄),                    q⁺ = prox of r F* at q + r A x̄,   F = d/λ,
        (x, p, q) ← (x, p, q) + ρ ((x⁺, p⁺, q⁺) − (x, p, q)),

    where Π projects onto ‖pᵢ‖ ≤ 1. It converges for τ (s ‖∇T‖² + r ‖A‖²) ≤ 1 and ρ < 2. The sum is kept at
    1; how it is shared out between x and the duals is balanced while the iterations go on.

    The gap is a certificate: with the box the dual value is finite for any (p, q), so that

        −Σ d*(λq) + Σ min over x in [0, 1] of λ (Aᵀq − T div p) · x

    is a lower bound of the minimum.

    Where λ is asked to follow a residual ε (`advance(…, residual=ε)`), the data term gives way to the
    constraint that the root mean square of A x − y be ε: every dual step uses the λ for which its own
    proximal point satisfies that. No solution for a wrong λ is ever computed.

    Parameters
    ----------
    operator : Operator
        A, linear.
    y : torch.Tensor
        The measurement, (N, C, H, W). The images of a batch share λ.
    data_term : DataTerm
        Its `penalty`, `conjugate` and `conjugate_prox` are used.
    norm : TotalVariationNorm
        Which total variation.
    initial : torch.Tensor
        A first estimate of the image.
    weight : float
        λ, positive; the first guess where it is to follow a residual.
    measured : torch.Tensor or None
        1 at the values of y that count, of y's shape; None: all.
    chroma : float
        c, positive; 1 treats all channels alike.

    References
    ----------
    A. Chambolle, T. Pock: A first-order primal-dual algorithm for convex problems with applications to
    imaging, JMIV 40 (2011). L. Condat: A primal–dual splitting method for convex optimization, JOTA 158
    (2013), for ρ. D. Applegate et al.: Practical large-scale linear programming using primal-dual hybrid
    gradient, NeurIPS 2021, for the balancing. L. Condat, S. Mosaddegh: Joint demosaicking and denoising by
    total variation minimization, ICIP 2012, for `chroma`.
    """

    #: ρ.
    relaxation = 1.9
    #: Share of ‖∇‖² in the sum above; the rest is the operator's. Fastest of 0.2, 0.5, 0.8 on masks, ×4,
    #: blur.
    gradient_share = 0.8
    #: 1/τ at the start, times the contrast (standard deviation) of the image; the same measurements.
    first_balance = 16.0
    #: Iterations after which the steps are balanced anew: doubling, so that they settle.
    first_balancing = 32

    def __init__(
        self,
        operator: Operator,
        y: torch.Tensor,
        data_term: DataTerm,
        norm: TotalVariationNorm,
        initial: torch.Tensor,
        weight: float,
        measured: torch.Tensor | None = None,
        chroma: float = 1.0,
    ) -> None:
        self.weight = weight
        self.measured_values = y.numel() if measured is None else round(measured.sum().item())
        self._operator, self._data_term, self._norm = operator, data_term, norm
        self._operator_norm_squared = max(operator.norm(tuple(y.shape)), 1e-6) ** 2
        # Powers of the operator are iterated to 1e-4 only, from below.
        self._operator_norm_squared *= 1.001
        self._y = y.detach().contiguous()
        self._measured = measured
        self._x = initial.detach().clamp(0, 1).contiguous()
        self._chroma = chroma if self._x.shape[1] > 1 else 1.0
        self._gradient_norm_squared = GRADIENT_NORM_SQUARED * max(self._chroma, 1.0) ** 2
        self._p = torch.zeros((2, *self._x.shape), dtype=y.dtype, device=y.device)
        self._q = torch.zeros_like(self._y)
        self._next_x, self._next_p, self._next_q = self._x.clone(), self._p.clone(), self._q.clone()
        self._work, self._transformed = torch.empty_like(self._x), torch.empty_like(self._x)
        self._gradient = torch.empty_like(self._p)
        self._scratch = norm.scratch(self._p)
        self._first_balance = self.first_balance / max(self._x.std().item(), 0.02)
        self._balance = self._first_balance
        self._safety = 1.0
        self._iteration = 0
        self._residual = 0.0

    @property
    def image(self) -> torch.Tensor:
        """The newest image, (N, C, H, W), in [0, 1]."""
        return self._next_x

    @property
    def unclipped(self) -> torch.Tensor:
        """The same: the box is part of this problem."""
        return self._next_x

    @property
    def residual(self) -> float:
        """Root mean square of A x − y over the measured values, as of the last call of `evaluate`."""
        return self._residual

    @torch.no_grad()
    def advance(self, iterations: int, residual: float | None = None) -> None:
        """Make so many iterations, at the present λ or with λ following `residual`."""
        for _ in range(iterations):
            self._primal_step()
            self._dual_steps(residual)
            self._iteration += 1
            if self._iteration >= self.first_balancing and self._iteration.bit_count() == 1:
                self._rebalance()
            self._x.lerp_(self._next_x, self.relaxation)
            self._p.lerp_(self._next_p, self.relaxation)
            self._q.lerp_(self._next_q, self.relaxation)

    def _differences(self, x: torch.Tensor) -> torch.Tensor:
        """∇T x, in the gradient buffer."""
        if self._chroma != 1:
            x = weight_chroma_(self._transformed.copy_(x), self._chroma)
        return gradient(x, out=self._gradient)

    def _adjoint(self, p: torch.Tensor, q: torch.Tensor) -> torch.Tensor:
        """Aᵀq − T div p, in the work buffer."""
        descent = weight_chroma_(add_divergence_(self._work.zero_(), p), self._chroma)
        return torch.sub(self._operator.adjoint(q), descent, out=self._work)

    def _primal_step(self) -> None:
        descent = self._adjoint(self._p, self._q)
        torch.sub(self._x, descent, alpha=self._safety / self._balance, out=self._next_x)
        self._next_x.clamp_(0, 1)

    def _dual_steps(self, residual: float | None) -> None:
        extrapolated = torch.lerp(self._x, self._next_x, 2.0, out=self._work)
        step = self.gradient_share * self._balance / self._gradient_norm_squared
        torch.add(self._p, self._differences(extrapolated), alpha=step, out=self._next_p)
        self._norm.project_(self._next_p, self._scratch)

        step = (1 - self.gradient_share) * self._balance / self._operator_norm_squared
        point = torch.add(self._q, self._operator(extrapolated), alpha=step)
        if residual is not None:
            self._track(point, step, residual)
        dual = self._data_term.conjugate_prox(point.mul_(self.weight), self._y, step * self.weight)
        torch.div(dual, self.weight, out=self._next_q)
        if self._measured is not None:
            self._next_q *= self._measured

    def _track(self, point: torch.Tensor, step: float, residual: float) -> None:
        """Set λ so that the proximal point of the data term is `residual` away from y.

        Gaussian: that point is y + (point/step − y) · μ/(1 + μ) with μ = step λ σ², which is solved for λ.
        The others move λ a step towards it: the distance grows with λ, and in proportion to it where it is
        small.
        """
        far = self._root_mean_square(point / step - self._y)
        if isinstance(self._data_term, Gaussian):
            sigma = self._data_term.sigma
            # No λ is large enough where the point is nearer than the residual: the constraint is idle.
            wanted = residual / max(far - residual, 1e-6 * residual) / (step * sigma**2)
        else:
            scaled = step * self.weight
            dual = self._data_term.conjugate_prox(point * self.weight, self._y, scaled)
            near = self._root_mean_square((point - dual / self.weight) / step - self._y)
            wanted = self.weight * min(max(residual / max(near, 1e-12), 0.5), 2.0)
        self.weight = min(max(wanted, 1e-8), 1e3)

    def _root_mean_square(self, difference: torch.Tensor) -> float:
        if self._measured is not None:
            difference = difference * self._measured
        squared = difference.square().sum(dtype=torch.float64).item()
        return math.sqrt(squared / max(self.measured_values, 1))

    def _rebalance(self) -> None:
        """Bring the last moves of x and of the duals to the same length in the metric of the steps."""
        share = self.gradient_share
        moved = (self._next_x - self._x).square().sum().item()
        duals = self._gradient_norm_squared / share * (self._next_p - self._p).square().sum().item()
        duals += self._operator_norm_squared / (1 - share) * (self._next_q - self._q).square().sum().item()
        if moved > 0 and duals > 0:
            wanted = math.sqrt(self._balance * math.sqrt(duals / moved))
            self._balance = min(max(wanted, self._first_balance / 16), 16 * self._first_balance)

    @torch.no_grad()
    def evaluate(self) -> tuple[float, float]:
        """The objective at the newest image, and a lower bound of its minimum."""
        prediction = self._operator(self._next_x)
        self._residual = self._root_mean_square(prediction - self._y)
        variation = self._norm.value(self._differences(self._next_x), self._scratch)
        penalty = self._masked_sum(self._data_term.penalty(prediction, self._y))
        conjugate = self._masked_sum(self._data_term.conjugate(self.weight * self._next_q, self._y))
        slope = self._adjoint(self._next_p, self._next_q)
        least = slope.clamp_(max=0).sum(dtype=torch.float64).item()
        return penalty + self.weight * variation, self.weight * least - conjugate

    def _masked_sum(self, values: torch.Tensor) -> float:
        if self._measured is not None:
            values = values * self._measured
        return values.sum(dtype=torch.float64).item()

    def shrink_step(self, factor: float) -> None:
        """Multiply the primal step length, and with it the product of the steps, by `factor`."""
        self._safety *= factor

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next iteration depends on."""
        return {
            "x": self._x.clone(),
            "p": self._p.clone(),
            "q": self._q.clone(),
            "next_x": self._next_x.clone(),
            "next_p": self._next_p.clone(),
            "next_q": self._next_q.clone(),
            "balance": self._balance,
            "safety": self._safety,
            "iteration": self._iteration,
            "weight": self.weight,
            "residual": self._residual,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        for name in ("x", "p", "q", "next_x", "next_p", "next_q"):
            getattr(self, f"_{name}").copy_(state[name])
        self._balance, self._safety = state["balance"], state["safety"]
        self._iteration, self._residual = state["iteration"], state["residual"]
        self.weight = state["weight"]
