"""The fast iterative shrinkage-thresholding algorithm: a smooth data term and a penalty with a proximal map."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any, Literal, Protocol, get_args

import torch

from zeroshot.checks import require_choice
from zeroshot.data_terms import L1, DataTerm, Gaussian, Huber, Poisson
from zeroshot.operators.operator import Operator
from zeroshot.precision import exact_sum, read_together, wide_sum
from zeroshot.quantisation import Quantised

Restart = Literal["gradient", "objective", "none"]
Steps = Literal["fixed", "backtracking"]

#: Parameter of the Moreau envelope that stands for |p − y|: half a grey level of 8-bit images, below which
#: nobody sees the difference.
ENVELOPE = 0.5 / 255
#: By how much the step is shortened where it was too long, how often before it is taken as it is, and by how
#: much it is lengthened again for the next iteration.
_SHORTER, _MOST_HALVINGS, _LONGER = 0.5, 30, 1.1


class Smooth(Protocol):
    """A function f with a gradient, and an upper bound of how fast the gradient changes.

    Its values are numbers on the device of x, in its widest precision.
    """

    lipschitz: float

    def value(self, x: torch.Tensor) -> torch.Tensor: ...
    def value_and_gradient(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]: ...


class DataFidelity:
    """f(x) = Σ d(A x, y) over the measured values, and its gradient Aᵀ d'(A x, y).

    |p − y| has no gradient everywhere; its Moreau envelope, a Huber function of width half a grey level,
    stands for it.

    Parameters
    ----------
    operator : Operator
        A, linear.
    y : torch.Tensor
        The measurement, (N, C, H, W).
    data_term : DataTerm
        Gaussian, Poisson, Huber or L1; for Quantised the Gaussian stands.
    measured : torch.Tensor or None
        1 at the values of y that count, broadcastable to y; None: all.

    Attributes
    ----------
    lipschitz : float
        ‖A‖² times the largest curvature of d. For Poisson, whose curvature has no bound, the curvature at the
        mean of y: a first guess for a search of the step.
    bounded : bool
        Whether `lipschitz` is an upper bound.
    """

    def __init__(
        self,
        operator: Operator,
        y: torch.Tensor,
        data_term: DataTerm,
        measured: torch.Tensor | None = None,
    ) -> None:
        self._operator, self._y, self._measured = operator, y, measured
        self._data_term: DataTerm = Huber(ENVELOPE) if isinstance(data_term, L1) else data_term
        if isinstance(data_term, Quantised):
            # Steps of very different size would make the gradient steps as small as the smallest asks for.
            self._data_term = Gaussian()
        self._scale = 1 / ENVELOPE if isinstance(data_term, L1) else 1.0
        # Powers of the operator are iterated to 2e-4 only.
        norm_squared = 1.001 * max(operator.norm(tuple(y.shape)), 1e-6) ** 2
        self.lipschitz = norm_squared * self._scale * _curvature(self._data_term, y)
        self.bounded = not isinstance(data_term, Poisson)

    @staticmethod
    def supports(data_term: DataTerm) -> bool:
        """Whether there is a gradient, or an envelope that has one, for this data term."""
        return isinstance(data_term, Gaussian | Poisson | Huber | L1 | Quantised)

    @torch.no_grad()
    def value(self, x: torch.Tensor) -> torch.Tensor:
        """f(x), a number on its device, summed in its widest precision."""
        return self._sum(self._data_term.penalty(self._operator(x), self._y))

    def value_and_gradient(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """f(x) and ∇f(x)."""
        with torch.no_grad():
            prediction = self._operator(x)
        with torch.enable_grad():
            prediction.requires_grad_()
            penalty = self._data_term.penalty(prediction, self._y)
            weight = torch.full_like(penalty, self._scale)
            if self._measured is not None:
                weight *= self._measured
            (slope,) = torch.autograd.grad(penalty, prediction, weight)
        with torch.no_grad():
            return self._sum(penalty.detach()), self._operator.adjoint(slope)

    def _sum(self, penalty: torch.Tensor) -> torch.Tensor:
        if self._measured is not None:
            penalty = penalty * self._measured
        return self._scale * wide_sum(penalty)


def _curvature(data_term: DataTerm, y: torch.Tensor) -> float:
    """The largest second derivative of d in p, or for Poisson that at the mean of y."""
    if isinstance(data_term, Gaussian):
        return 1 / data_term.sigma**2
    if isinstance(data_term, Poisson):
        mean = y.mean().item() + data_term.readout**2 / data_term.gain
        return 1 / (data_term.gain * max(mean, data_term.floor * data_term.gain))
    return 1.0


class FastIterativeShrinkage:
    """min over x of f(x) + g(x), with f smooth and g known by its proximal map.

        x⁺ = prox of s g at z − s ∇f(z),    z ← x⁺ + (t − 1)/t⁺ (x⁺ − x),    t⁺ = (1 + √(1 + 4 (s/s⁺) t²))/2,

    where s is at most 1/L with L the Lipschitz constant of ∇f, and s⁺ the step of the next iteration. The
    momentum t is set back to 1 where it leads uphill. f and g may be changed between calls of `advance`; call
    `forget` after that.

    Parameters
    ----------
    smooth : Smooth
        f.
    proximal : callable
        (point, step) → argmin over x of step·g(x) + ½‖x − point‖².
    penalty : callable
        x → g(x).
    initial : torch.Tensor
        The first x.
    restart : {"gradient", "objective", "none"}
        When the momentum is set back. "gradient": where the step goes against the last one, ⟨z − x⁺, x⁺ − x⟩
        > 0, which costs nothing. "objective": where the objective would rise; the step is then taken anew
        from x, so that the objective never rises. It is evaluated in every iteration.
    steps : {"fixed", "backtracking"}
        s = 1/L, or at most that, halved until f lies below its quadratic model at the new point and a tenth
        longer in the next iteration.

    References
    ----------
    A. Beck, M. Teboulle: A fast iterative shrinkage-thresholding algorithm for linear inverse problems, SIAM
    J. Imaging Sciences 2 (2009). B. O'Donoghue, E. Candès: Adaptive restart for accelerated gradient schemes,
    Foundations of Computational Mathematics 15 (2015). K. Scheinberg, D. Goldfarb, X. Bai: Fast first-order
    methods for composite convex optimization with backtracking, Found. Comput. Math. 14 (2014), for steps that
    grow again.
    """

    def __init__(
        self,
        smooth: Smooth,
        proximal: Callable[[torch.Tensor, float], torch.Tensor],
        penalty: Callable[[torch.Tensor], float],
        initial: torch.Tensor,
        restart: Restart = "gradient",
        steps: Steps = "fixed",
    ) -> None:
        require_choice({"restart": restart}, "restart", get_args(Restart))
        require_choice({"steps": steps}, "steps", get_args(Steps))
        self._smooth, self._proximal, self._penalty = smooth, proximal, penalty
        self._restart, self._steps = restart, steps
        self._x = initial.detach().clone()
        self._z = self._x
        self._momentum = 1.0
        self._step = self._longest = 1 / max(smooth.lipschitz, 1e-30)
        self._objective: float | None = None

    @property
    def image(self) -> torch.Tensor:
        """The newest x."""
        return self._x

    @property
    def step_length(self) -> float:
        """The step s."""
        return self._step

    @property
    def objective(self) -> float:
        """f(x) + g(x) at the newest x."""
        if self._objective is None:
            self._objective = self._value(self._x)
        return self._objective

    def _value(self, x: torch.Tensor) -> float:
        return float(self._smooth.value(x)) + self._penalty(x)

    def forget(self) -> None:
        """Take note that f or g is another now: the objective is evaluated anew where it is needed."""
        self._objective = None

    @torch.no_grad()
    def advance(self, iterations: int = 1) -> None:
        """Make that number of iterations."""
        for _ in range(iterations):
            if self._restart == "objective":
                self._descend()
            else:
                self._move_to(self._forward_backward(self._z), None)

    def _descend(self) -> None:
        """An iteration that does not let the objective rise."""
        before = self.objective
        candidate = self._forward_backward(self._z)
        value = self._value(candidate)
        if value > before and self._z is not self._x:
            self._momentum, self._z = 1.0, self._x
            candidate = self._forward_backward(self._x)
            value = self._value(candidate)
        if value > before:
            # A step without momentum can only rise by rounding: x is as good as it gets.
            candidate, value = self._x, before
        self._move_to(candidate, value)

    def _forward_backward(self, point: torch.Tensor) -> torch.Tensor:
        """The prox of s g at point − s ∇f(point), for the step s or a shorter one."""
        value, gradient = self._smooth.value_and_gradient(point)
        for _ in range(_MOST_HALVINGS):
            following = self._proximal(torch.sub(point, gradient, alpha=self._step), self._step)
            if self._steps == "fixed" or self._is_below_model(point, value, gradient, following):
                break
            self._step *= _SHORTER
        return following

    def _is_below_model(
        self, point: torch.Tensor, value: torch.Tensor, gradient: torch.Tensor, following: torch.Tensor
    ) -> bool:
        """Whether f(x⁺) ≤ f(z) + ⟨∇f(z), x⁺ − z⟩ + ‖x⁺ − z‖²/(2s), up to rounding."""
        moved = following - point
        numbers = value, wide_sum(gradient * moved), wide_sum(moved * moved), self._smooth.value(following)
        here, linear, squares, reached = read_together(*numbers)
        return reached <= here + linear + squares / (2 * self._step) + 1e-6 * abs(here)

    def _move_to(self, following: torch.Tensor, value: float | None) -> None:
        change = following - self._x
        if self._restart == "gradient" and exact_sum((self._z - following) * change) > 0:
            self._momentum = 1.0
        longer = self._step if self._steps == "fixed" else min(_LONGER * self._step, self._longest)
        momentum = 0.5 * (1 + math.sqrt(1 + 4 * (self._step / longer) * self._momentum**2))
        if self._momentum == 1.0:
            self._z = following
        else:
            self._z = torch.add(following, change, alpha=(self._momentum - 1) / momentum)
        self._x, self._momentum, self._objective = following, momentum, value
        self._step = longer

    def shrink_step(self, factor: float) -> None:
        """Multiply the step, and the longest, by `factor`."""
        self._step *= factor
        self._longest *= factor

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next iteration depends on."""
        return {
            "x": self._x.clone(),
            "z": self._z.clone(),
            "at_rest": self._z is self._x,
            "momentum": self._momentum,
            "step": self._step,
            "longest": self._longest,
            "objective": self._objective,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        self._x = state["x"].to(self._x.device, copy=True)
        self._z = self._x if state["at_rest"] else state["z"].to(self._x.device, copy=True)
        self._momentum, self._step = state["momentum"], state["step"]
        self._longest, self._objective = state["longest"], state["objective"]
