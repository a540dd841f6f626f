"""The primal-dual hybrid gradient scheme for any linear operator, data term and penalty with a dual."""

from __future__ import annotations

import math
from typing import Any

import torch

from zeroshot.data_terms import DataTerm, Gaussian, Poisson
from zeroshot.operators.operator import Operator
from zeroshot.precision import read_together, wide_sum
from zeroshot.solvers.penalties import Fields, Penalty


class PrimalDualHybridGradient:
    """min over x in [0, 1]ⁿ of Σ d(A x, y) + λ R(x), R(x) = min over v in [−b, b]ᵐ of J(K (x, v)).

    Total variation is K = ∇ and J the sum of norms, without v; see :mod:`zeroshot.solvers.penalties`. Divided
    by λ, with dual variables p for the penalty and q for the data:

        x⁺ = clip(x − τ (Aᵀq + Kₓᵀp)),         v⁺ = clip(v − τ Kᵥᵀp),
        x̄ = 2x⁺ − x,                           v̄ = 2v⁺ − v,
        p⁺ = prox of s J* at p + s K (x̄, v̄),   q⁺ = prox of r F* at q + r A x̄,   F = d/λ,
        (x, v, p, q) ← (x, v, p, q) + ρ ((x⁺, v⁺, p⁺, q⁺) − (x, v, p, q)).

    It converges for τ (s ‖K‖² + r ‖A‖²) ≤ 1 and ρ < 2. The sum is kept at 1; how it is shared out between
    (x, v) and the duals is balanced while the iterations go on.

    The gap is a certificate: with the box the dual value is finite for any (p, q), so that

        −Σ d*(λq) + Σ min over x in [0, 1] of λ (Aᵀq + Kₓᵀp) · x − λ J*(p) − λ b Σ |Kᵥᵀp|

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
    penalty : Penalty
        R, made for images of the shape of `initial`.
    initial : torch.Tensor
        A first estimate of the image.
    weight : float
        λ, positive; the first guess where it is to follow a residual.
    measured : torch.Tensor or None
        1 at the values of y that count, of y's shape; None: all.
    ceiling : torch.Tensor or None
        The largest value of every pixel, at least 1, in place of the box; None: 1. What is handed out ends at 1.

    References
    ----------
    A. Chambolle, T. Pock: A first-order primal-dual algorithm for convex problems with applications to
    imaging, JMIV 40 (2011). L. Condat: A primal–dual splitting method for convex optimization, JOTA 158
    (2013), for ρ. D. Applegate et al.: Practical large-scale linear programming using primal-dual hybrid
    gradient, NeurIPS 2021, for the balancing.
    """

    #: λ at which the search ends where no λ leaves the residual that is asked for.
    largest_weight = 1e3
    #: And where every λ leaves more.
    least_weight = 1e-8
    #: ρ.
    relaxation = 1.9
    #: Share of ‖K‖² in the sum above; the rest is the operator's. Fastest of 0.2, 0.5, 0.8 on masks, ×4,
    #: blur.
    penalty_share = 0.8
    #: 1/τ at the start, times the contrast (standard deviation) of the image; the same measurements.
    first_balance = 16.0
    #: The least contrast that is reckoned with: that of a quarter of a grey level.
    least_contrast = 1e-3
    #: Iterations after which the steps are balanced anew: doubling, so that they settle.
    first_balancing = 32

    def __init__(
        self,
        operator: Operator,
        y: torch.Tensor,
        data_term: DataTerm,
        penalty: Penalty,
        initial: torch.Tensor,
        weight: float,
        measured: torch.Tensor | None = None,
        ceiling: torch.Tensor | None = None,
    ) -> None:
        self._weight: float | torch.Tensor = weight
        self.measured_values = y.numel() if measured is None else round(measured.sum().item())
        self._operator, self._data_term, self._penalty = operator, data_term, penalty
        self._operator_norm_squared = max(operator.norm(tuple(y.shape)), 1e-6) ** 2
        # Powers of the operator are iterated to 1e-4 only, from below.
        self._operator_norm_squared *= 1.001
        self._y = y.detach().contiguous()
        self._measured, self._ceiling = measured, ceiling
        self._x = initial.detach().clamp(0, 1).contiguous()
        self._v, self._p = penalty.auxiliaries(), penalty.duals()
        self._q = torch.zeros_like(self._y)
        self._next_x, self._next_q = self._x.clone(), self._q.clone()
        self._next_v, self._next_p = [v.clone() for v in self._v], [p.clone() for p in self._p]
        self._work = torch.empty_like(self._x)
        self._extrapolated_v = [torch.empty_like(v) for v in self._v]
        contrast = max(self._x.std(correction=0).item(), self.least_contrast)
        self._first_balance = self.first_balance / contrast
        self._balance = self._first_balance
        self._safety = 1.0
        self._iteration = 0
        self._residual = 0.0

    @property
    def weight(self) -> float:
        """λ; while it follows a residual on a GPU it stays there until somebody asks."""
        self._weight = float(self._weight)
        return self._weight

    @property
    def image(self) -> torch.Tensor:
        """The newest image, (N, C, H, W), in [0, 1]."""
        return self._next_x if self._ceiling is None else self._next_x.clamp(max=1)

    @property
    def unclipped(self) -> torch.Tensor:
        """The same, unless pixels may be larger than 1: the box is part of this problem."""
        return self._next_x

    @property
    def residual(self) -> float:
        """Root mean square of A x − y over the measured values, as of the last call of `evaluate`."""
        return self._residual

    @torch.no_grad()
    def advance(self, iterations: int, residual: float | None = None) -> None:
        """Make that number of iterations, at the present λ or with λ following `residual`."""
        for _ in range(iterations):
            self._primal_step()
            self._dual_steps(residual)
            self._iteration += 1
            if self._iteration >= self.first_balancing and self._iteration.bit_count() == 1:
                self._rebalance()
            self._x.lerp_(self._next_x, self.relaxation)
            for variable, newest in zip(self._v + self._p, self._next_v + self._next_p, strict=True):
                variable.lerp_(newest, self.relaxation)
            self._q.lerp_(self._next_q, self.relaxation)

    def replace_penalty(self, penalty: Penalty) -> None:
        """Go on with another penalty whose variables have the same shapes."""
        self._penalty = penalty

    def _primal_step(self) -> None:
        tau = self._safety / self._balance
        slopes = self._penalty.adjoint(self._p, out=self._work)
        slope = self._work.add_(self._operator.adjoint(self._q))
        torch.sub(self._x, slope, alpha=tau, out=self._next_x)
        if self._ceiling is None:
            self._next_x.clamp_(0, 1)
        else:
            torch.minimum(self._next_x.clamp_(min=0), self._ceiling, out=self._next_x)
        for v, slope, newest in zip(self._v, slopes, self._next_v, strict=True):
            torch.sub(v, slope, alpha=tau, out=newest).clamp_(-self._penalty.box, self._penalty.box)

    def _dual_steps(self, residual: float | None) -> None:
        extrapolated = torch.lerp(self._x, self._next_x, 2.0, out=self._work)
        for v, newest, out in zip(self._v, self._next_v, self._extrapolated_v, strict=True):
            torch.lerp(v, newest, 2.0, out=out)
        step = self.penalty_share * self._balance / self._penalty.norm_squared
        images = self._penalty.apply(extrapolated, self._extrapolated_v)
        for p, image, newest in zip(self._p, images, self._next_p, strict=True):
            torch.add(p, image, alpha=step, out=newest)
        self._penalty.prox_(self._next_p, step)

        step = (1 - self.penalty_share) * self._balance / self._operator_norm_squared
        point = torch.add(self._q, self._operator(extrapolated), alpha=step)
        if residual is not None:
            self._track(point, step, residual)
        dual = self._conjugate_prox(point.mul_(self._weight), step * self._weight)
        torch.div(dual, self._weight, out=self._next_q)
        if self._measured is not None:
            self._next_q *= self._measured

    def _track(self, point: torch.Tensor, step: float, residual: float) -> None:
        """Set λ so that the proximal point of the data term is `residual` away from y.

        Gaussian: that point is y + (point/step − y) · μ/(1 + μ) with μ = step λ σ², which is solved for λ.
        The others move λ a step towards it: the distance grows with λ, and in proportion to it where it is
        small.
        """
        if isinstance(self._data_term, Gaussian):
            far, sigma = self._distance(point / step - self._y), self._data_term.sigma
            # No λ is large enough where the point is nearer than the residual: the constraint is idle.
            wanted = residual / _within(far - residual, 1e-6 * residual) / (step * sigma**2)
        else:
            dual = self._conjugate_prox(point * self._weight, step * self._weight)
            near = self._distance((point - dual / self._weight) / step - self._y)
            wanted = self._weight * _within(residual / _within(near, 1e-12), 0.5, 2.0)
        self._weight = _within(wanted, self.least_weight, self.largest_weight)

    def _conjugate_prox(self, point: torch.Tensor, step: float | torch.Tensor) -> torch.Tensor:
        # Where λ is a tensor the data term takes one, see `_distance`.
        return self._data_term.conjugate_prox(point, self._y, step)  # type: ignore[arg-type]

    def _distance(self, difference: torch.Tensor) -> float | torch.Tensor:
        """The root mean square over the measured values.

        On a GPU it is a tensor, so that the host need not wait, where the data term takes one for λ.
        """
        squared = self._squares(difference)
        if squared.device.type == "cpu" or not isinstance(self._data_term, Gaussian | Poisson):
            return self._mean_root(float(squared))
        return (squared / max(self.measured_values, 1)).sqrt()

    def _squares(self, difference: torch.Tensor) -> torch.Tensor:
        if self._measured is not None:
            difference = difference * self._measured
        return wide_sum(difference.square())

    def _mean_root(self, squared: float) -> float:
        return math.sqrt(squared / max(self.measured_values, 1))

    def _rebalance(self) -> None:
        """Bring the last moves of the primal variables and of the duals to one length, in the steps' metric."""
        share = self.penalty_share
        before, after = [*self._p, self._q, self._x, *self._v], [*self._next_p, self._next_q]
        after += [self._next_x, *self._next_v]
        squares = [(b - a).square().sum() for a, b in zip(before, after, strict=True)]
        moves, count = read_together(*squares), len(self._p)
        moved = math.fsum(moves[count + 1 :])
        duals = self._penalty.norm_squared / share * math.fsum(moves[:count])
        duals += self._operator_norm_squared / (1 - share) * moves[count]
        if moved > 0 and duals > 0:
            wanted = math.sqrt(self._balance * math.sqrt(duals / moved))
            self._balance = min(max(wanted, self._first_balance / 16), 16 * self._first_balance)

    @torch.no_grad()
    def evaluate(self) -> tuple[float, float]:
        """The objective at the newest image, and a lower bound of its minimum."""
        prediction = self._operator(self._next_x)
        squared = self._squares(prediction - self._y)
        variation = self._penalty.value(self._penalty.apply(self._next_x, self._next_v))
        penalty = self._masked_sum(self._data_term.penalty(prediction, self._y))
        conjugate = self._masked_sum(self._data_term.conjugate(self._weight * self._next_q, self._y))
        feasible, cost = self._penalty.lower_bound(self._next_p)
        self._penalty.adjoint(feasible, out=self._work)
        slope = self._work.add_(self._operator.adjoint(self._next_q))
        slope.clamp_(max=0)
        if self._ceiling is not None:
            slope *= self._ceiling
        numbers = [squared, variation, penalty, conjugate, cost, wide_sum(slope)]
        if isinstance(self._weight, torch.Tensor):
            numbers.append(self._weight)
        of_residual, of_variation, of_data, of_dual, of_bound, least, *weight = read_together(*numbers)
        if weight:
            self._weight = weight[0]
        self._residual = self._mean_root(of_residual)
        return of_data + self.weight * of_variation, self.weight * (least - of_bound) - of_dual

    def _masked_sum(self, values: torch.Tensor) -> torch.Tensor:
        if self._measured is not None:
            values = values * self._measured
        return wide_sum(values)

    def shrink_step(self, factor: float) -> None:
        """Multiply the primal step length, and with it the product of the steps, by `factor`."""
        self._safety *= factor

    def _variables(self) -> dict[str, Fields]:
        return {
            "primal": [self._x, *self._v],
            "duals": [*self._p, self._q],
            "next_primal": [self._next_x, *self._next_v],
            "next_duals": [*self._next_p, self._next_q],
        }

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next iteration depends on."""
        return {
            **{name: [t.clone() for t in variables] for name, variables in self._variables().items()},
            "balance": self._balance,
            "safety": self._safety,
            "iteration": self._iteration,
            "weight": self.weight,
            "residual": self._residual,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        for name, variables in self._variables().items():
            for variable, value in zip(variables, state[name], strict=True):
                variable.copy_(value)
        self._balance, self._safety = state["balance"], state["safety"]
        self._iteration, self._residual = state["iteration"], state["residual"]
        self._weight = state["weight"]


def _within(value: float | torch.Tensor, least: float, most: float = math.inf) -> float | torch.Tensor:
    if isinstance(value, torch.Tensor):
        return value.clamp(least, most)
    return min(max(value, least), most)
