"""Wavelet sparsity for any linear operator: iterative shrinkage while the noise level falls."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING, Any

import torch

from zeroshot.data_terms import L1, Huber
from zeroshot.prior import Estimate, Run
from zeroshot.solvers.fista import ENVELOPE, DataFidelity, FastIterativeShrinkage

from ..measurement import counted, noise_rms
from ..opponent import from_opponent, to_opponent
from .subbands import clean_threshold, penalty_value, shrunk

if TYPE_CHECKING:
    from zeroshot.problem import Problem

    from .prior import Wavelet

#: τ at the start, on the [0, 1] scale: the contrast of the structure that is settled first.
FIRST_NOISE = 0.1
#: The least τ, half a grey level of 8-bit images.
LEAST_NOISE = 0.5 / 255
#: Share of the iterations in which τ falls.
FALLING = 0.75
#: Threshold in units of the largest slope of a robust data term, at the finest scale (see benchmarks/classic.md).
ROBUST_STRENGTH = 1.4


class WaveletRun(Run):
    """Blocks of iterations of the fast iterative shrinkage-thresholding algorithm.

    The unknown is the image with its frame; what lies on the frame is not measured.
    """

    def __init__(self, prior: Wavelet, problem: Problem) -> None:
        from .prior import RADIUS

        self.device = problem.y.device
        self.prior = prior
        self._size = problem.reference_shape[-2:]
        self._transform, self._frame = prior.frame_for(*self._size)
        self._radius = RADIUS[prior.transform]
        fidelity = DataFidelity(problem.operator, problem.y, problem.data_term, counted(problem))
        self.lipschitz = fidelity.lipschitz
        norm = max(problem.operator.norm(tuple(problem.y.shape)), 1e-6)
        self._robust = isinstance(problem.data_term, L1 | Huber)
        self._last_noise = _noise(problem) / norm
        self._first_noise = max(FIRST_NOISE, self._last_noise)
        self._noise = self._first_noise
        self._factor = torch.ones(1, problem.reference_shape[1], 1, 1, device=self.device)
        self._factor[:, 1:] = prior.chroma
        self._factor *= prior.strength
        #: The thresholds of all bands in the order in which the transform shows them.
        self._thresholds: list[torch.Tensor] = []
        self._frozen = False
        self._iteration = 0
        self._solver = FastIterativeShrinkage(
            _Framed(fidelity, self._frame, self._size),
            self._proximal,
            self._penalty,
            self._frame.extended(problem.initial()),
            restart="gradient",
            steps="fixed" if fidelity.bounded else "backtracking",
        )

    @torch.no_grad()
    def step(self) -> Estimate:
        """Make a block of iterations, with τ falling from one to the next."""
        for _ in range(max(1, min(self.prior.block, self.prior.iterations - self._iteration))):
            self._lower_noise()
            self._solver.advance()
            self._iteration += 1
        image = self._frame.crop(self._solver.image, *self._size).clamp(0, 1)
        self._solver.forget()
        return Estimate(image, self._solver.objective, self._iteration)

    def _lower_noise(self) -> None:
        """τ for the next iteration; once it has arrived, the thresholds stay."""
        falling = max(1, round(FALLING * self.prior.iterations))
        progress = min(1.0, self._iteration / falling)
        self._noise = self._first_noise * (self._last_noise / self._first_noise) ** progress
        self._frozen = self._iteration > falling and bool(self._thresholds)

    def _proximal(self, point: torch.Tensor, step: float) -> torch.Tensor:
        """Wᵀ T(W ·), the thresholds scaled with the step where it is shorter than 1/L."""
        scale = step * self.lipschitz
        if not self._frozen:
            self._thresholds = []
        remaining = iter(self._thresholds)

        def rule(band: torch.Tensor, level: int, orientation: int) -> torch.Tensor:
            if self._frozen:
                threshold = next(remaining)
            else:
                threshold = self._factor * self._threshold(band, level)
                self._thresholds.append(threshold)
            return shrunk(band, threshold, self.prior.penalty, scale)

        return from_opponent(self._transform.shrink(to_opponent(point), rule))

    def _threshold(self, band: torch.Tensor, level: int) -> torch.Tensor:
        noise = self._noise * self._transform.gain(level)
        if self._robust:
            # Natural images have coefficients that double in size with the scale.
            return band.new_full((1, 1, 1, 1), ROBUST_STRENGTH * noise * 0.5**level)
        return clean_threshold(band, noise, self.prior.choice, self._radius)

    def _penalty(self, x: torch.Tensor) -> float:
        """L Σ ρ(W x) with the newest thresholds."""
        remaining = iter(self._thresholds)
        values: list[float] = []

        def add(band: torch.Tensor, level: int, orientation: int) -> None:
            values.append(penalty_value(band, next(remaining), self.prior.penalty))

        self._transform.visit(to_opponent(x), add)
        shifts = len(values) / (3 * self._transform.levels)
        return self.lipschitz * math.fsum(values) / shifts

    def shrink_step(self, factor: float) -> None:
        """Shorten the steps of the solver."""
        self._solver.shrink_step(factor)

    def state_dict(self) -> dict[str, Any]:
        """The solver's variables, the thresholds and the iteration."""
        return {
            "solver": self._solver.state_dict(),
            "thresholds": [threshold.clone() for threshold in self._thresholds],
            "iteration": self._iteration,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        self._solver.load_state_dict(state["solver"])
        self._thresholds = [threshold.to(self.device) for threshold in state["thresholds"]]
        self._iteration = state["iteration"]

    def findings(self) -> dict[str, Any]:
        """The noise level at which the thresholds were frozen, in units of the image."""
        return {"noise": self._noise}


class _Framed:
    """A smooth function of the image within a frame, as a function of the whole."""

    def __init__(self, fidelity: DataFidelity, frame: Any, size: tuple[int, ...]) -> None:
        self.lipschitz = fidelity.lipschitz
        self._fidelity, self._frame, self._size = fidelity, frame, size

    def value(self, x: torch.Tensor) -> float:
        return self._fidelity.value(self._frame.crop(x, *self._size))

    def value_and_gradient(self, x: torch.Tensor) -> tuple[float, torch.Tensor]:
        value, gradient = self._fidelity.value_and_gradient(self._frame.crop(x, *self._size))
        return value, self._frame.padded(gradient)


def _noise(problem: Problem) -> float:
    """The noise level that the thresholds answer to, on the scale of the measurement."""
    term = problem.data_term
    if isinstance(term, L1):
        return ENVELOPE
    if isinstance(term, Huber):
        return term.delta
    return max(noise_rms(problem), LEAST_NOISE)
