"""The rule that ends a run once measurements kept aside are predicted no better."""

from __future__ import annotations

import math
from collections import deque
from dataclasses import dataclass
from typing import Any

import torch

from zeroshot.checks import require_fraction, require_whole
from zeroshot.estimate import Estimate
from zeroshot.operators.mask import distance_from_known
from zeroshot.precision import widened
from zeroshot.problem import Problem
from zeroshot.stopping.minimum import MinimumSeeking

#: Radius in pixels from which on a hole is large.
LARGE_HOLE = 6.0
#: The most of the known pixels that rims may take.
_MOST_OF_KNOWN = 0.5


@dataclass(eq=False)
class HeldOutGain(MinimumSeeking):
    """Stops when measurements kept aside have long been predicted no better.

    With eᵢ(t) the data term at the i-th of n held-out pixels, averaged over the latest `smoothing` estimates, the
    estimate at t is clearly better than that at s where the mean of ``eᵢ(s) − eᵢ(t)`` exceeds its standard error
    (their standard deviation over √n). The pixels' own noise is the same in both and does not hide the difference.
    Each estimate is compared with the last one that was clearly better than its predecessor, so that slow gains
    add up. The run stops at iteration t when none has been for ``max(patience, growth · t)`` iterations. It returns
    the last image that is not clearly worse than the best: where nothing tells them apart, longer averages are better.

    Parameters
    ----------
    fraction : float
        The fraction of the measured pixels to keep aside.
    patience : int
        The fewest iterations without a clear gain after which the run stops.
    growth : float
        The share of all iterations so far that have to be without one, between 0 and 1.
    smoothing : int
        How many of the latest estimates the errors are averaged over.
    rim : int, optional
        Keep aside, in place of random pixels, those within so many pixels of a large hole (one that holds a disc of
        radius 6): they say how far into the hole it can be predicted. None, or where there are no large holes:
        random pixels.
    """

    fraction: float = 0.03
    patience: int = 75
    growth: float = 0.5
    smoothing: int = 5
    rim: int | None = None

    quantity = "loss at the held-out pixels"
    measure_name = "validation_loss"

    def __post_init__(self) -> None:
        require_fraction(self, "fraction")
        require_whole(self, "patience", "smoothing")
        require_fraction(self, "growth")
        require_whole(self, "rim", none="allowed")
        self.holds_out = self.fraction

    def hold_out(self, problem: Problem, generator: torch.Generator) -> Problem:
        """The rims of large holes, or random pixels."""
        rims = rims_of_holes(problem, self.rim) if self.rim else None
        return super().hold_out(problem, generator) if rims is None else problem.with_held_out(rims)

    def start(self, problem: Problem) -> None:
        if problem.held_out is None:
            raise ValueError(
                f"HeldOutGain needs measurements kept aside: problem.hold_out({self.fraction:g}, generator)"
            )
        super().start(problem)
        self._problem = problem
        # Positions rather than a mask, whose every use would wait for a GPU.
        self._which = (problem.held_out.amax(dim=1) > 0).flatten().nonzero()[:, 0]
        self._count = problem.held_out.sum()
        self._errors: deque[torch.Tensor] = deque(maxlen=self.smoothing)
        self._errors_now = torch.empty(0)
        self._reference: torch.Tensor | None = None
        self._lowest: torch.Tensor | None = None
        self._gained_at = self._kept_at = 0

    def update(self, estimate: Estimate) -> bool:
        self._value = self.measure(estimate)
        if self._value is None:
            return False
        newest = self._errors_now
        if self._value < self._minimum:
            self._minimum, self._minimum_at, self._lowest = self._value, estimate.iteration, newest
        is_finite = math.isfinite(self._value)
        if is_finite and self._lowest is not None and not clearly_less(self._lowest, newest):
            self._keep(estimate.image)
            self._kept_at = estimate.iteration
        without = estimate.iteration - self._gained_at
        if self._best is None or without < max(self.patience, self.growth * estimate.iteration):
            return False
        self.reason = (
            f"no clear gain in the {self.quantity} since iteration {self._gained_at}; "
            f"the image is that of iteration {self._kept_at}"
        )
        return True

    @torch.no_grad()
    def measure(self, estimate: Estimate) -> float | None:
        problem = self._problem
        assert problem.held_out is not None
        penalty = problem.data_term.penalty(problem.operator(estimate.image), problem.y) * problem.held_out
        # Pixels rather than values are counted: the errors of one pixel in its channels are alike.
        self._errors.append(penalty.sum(dim=1).flatten()[self._which])
        if len(self._errors) < self.smoothing:
            return None
        errors = self._errors_now = torch.stack(tuple(self._errors)).mean(dim=0)
        value = float(errors.sum() / self._count)
        # The terms are not negative, so that their sum is finite where they all are.
        if not math.isfinite(value):
            return math.inf
        if self._reference is None or clearly_less(errors, self._reference):
            self._reference, self._gained_at = errors, estimate.iteration
        return value

    def state_dict(self) -> dict[str, Any]:
        return super().state_dict() | {
            "errors": [one.clone() for one in self._errors],
            "errors_now": self._errors_now.clone(),
            "reference": None if self._reference is None else self._reference.clone(),
            "lowest": None if self._lowest is None else self._lowest.clone(),
            "gained_at": self._gained_at,
            "kept_at": self._kept_at,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._errors = deque((one.to(self._device) for one in state["errors"]), maxlen=self.smoothing)
        self._errors_now = state["errors_now"].to(self._device, copy=True)
        for name in ("reference", "lowest"):
            saved = state[name]
            setattr(self, f"_{name}", None if saved is None else saved.to(self._device, copy=True))
        self._gained_at, self._kept_at = state["gained_at"], state["kept_at"]


def clearly_less(errors: torch.Tensor, reference: torch.Tensor) -> bool:
    """Whether errors are less than others at the same pixels by more than the standard error of the difference."""
    gains = widened(reference - errors)
    if len(gains) < 2:
        return float(gains.mean()) > 0
    deviation, mean = torch.stack(torch.std_mean(gains)).tolist()
    return bool(mean > deviation / math.sqrt(len(gains)))


def rims_of_holes(problem: Problem, width: int) -> torch.Tensor | None:
    """1 at the known pixels within `width` pixels of a large hole, of y's shape.

    None where there are no large holes, or where their rims would take more than half of the known pixels.
    """
    # Half a second that only holes need.
    from scipy.ndimage import distance_transform_edt

    known = problem.known_pixels()
    if known is None:
        return None
    rims = torch.zeros_like(known)
    for index, (one, depth) in enumerate(zip(known, distance_from_known(known), strict=True)):
        inside = depth[0].cpu().numpy() > LARGE_HOLE
        if inside.any():
            near = distance_transform_edt(~inside) <= LARGE_HOLE + width
            rims[index] = torch.from_numpy(near).to(one) * one
    taken = float(rims.sum())
    return rims if 0 < taken <= _MOST_OF_KNOWN * float(known.sum()) else None
