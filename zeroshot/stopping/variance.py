"""Rules that watch the variance of the iterates (ES-WMV and ES-EMV)."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import torch

from zeroshot.checks import require_fraction, require_whole
from zeroshot.estimate import Estimate
from zeroshot.precision import where_exact
from zeroshot.problem import Problem
from zeroshot.stopping.minimum import MinimumSeeking


@dataclass(eq=False)
class WindowedMovingVariance(MinimumSeeking):
    """ES-WMV: stops when the variance of the iterates over a moving window has passed its minimum.

    ``VAR(t) = 1/(W n) Σ ‖x_w − x̄‖²`` over the last W iterates of n values each, x̄ being their mean. An
    iterate that approaches the clean image moves less and less, and moves again when it begins to fit the
    noise.

    Parameters
    ----------
    window : int
        W, in iterates (one per step).
    patience : int
        Iterations without a new minimum after which the run stops.
    pixels : int
        The size of the fixed random subset of pixels, in all their channels, that the variance is taken over;
        every pixel of an image that has no more. The iterates in the window are kept in half precision, which
        adds less than 1e-7 to the variance.

    References
    ----------
    H. Wang, T. Li, Z. Zhuang, T. Chen, H. Liang, J. Sun: Early Stopping for Deep Image Prior, TMLR 2023.
    """

    window: int = 100
    patience: int = 1000
    pixels: int = 16384

    quantity = "windowed variance"
    measure_name = "variance"

    def __post_init__(self) -> None:
        require_whole(self, "window", least=2)
        require_whole(self, "patience")
        require_whole(self, "pixels")

    def start(self, problem: Problem) -> None:
        super().start(problem)
        self._subset = PixelSubset(self.pixels)
        self._frames: torch.Tensor | None = None
        self._sum = torch.empty(0)
        self._energies: list[float] = []
        self._next = 0

    def measure(self, estimate: Estimate) -> float | None:
        # A single bad iterate must not spoil the sums of all that follow.
        frame = where_exact(torch.nan_to_num(self._subset(estimate.newest).to(torch.float16)))
        if self._frames is None or self._frames.shape[1] != frame.numel():
            self._frames = torch.zeros(self.window, frame.numel(), dtype=torch.float16, device=frame.device)
            self._sum = torch.zeros(frame.numel(), dtype=torch.float64, device=frame.device)
            self._energies, self._next = [], 0
        energy_of_sum = self._push(self._frames, frame)
        if len(self._energies) < self.window:
            return None
        scatter = math.fsum(self._energies) - energy_of_sum / self.window
        return max(scatter, 0.0) / (self.window * frame.numel())

    def _push(self, frames: torch.Tensor, frame: torch.Tensor) -> float:
        """Put `frame` in the place of the oldest one; gives ‖Σ x_w‖² of the new window."""
        # Half-precision numbers are multiples of 2⁻²⁴, so that double-precision sums of them are exact:
        # what is subtracted here is what was added, however long the run.
        entering = frame.double()
        self._sum.add_(entering).sub_(frames[self._next])
        frames[self._next] = frame
        # Both read in one go: on a GPU every reading waits for the run to catch up.
        energy, energy_of_sum = torch.stack((entering.dot(entering), self._sum.dot(self._sum))).tolist()
        if len(self._energies) < self.window:
            self._energies.append(energy)
        else:
            self._energies[self._next] = energy
        self._next = (self._next + 1) % self.window
        return energy_of_sum

    def state_dict(self) -> dict[str, Any]:
        frames = None if self._frames is None else self._frames.clone()
        return super().state_dict() | {
            "frames": frames,
            "energies": list(self._energies),
            "next": self._next,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._energies, self._next = list(state["energies"]), state["next"]
        self._frames = None
        if state["frames"] is not None:
            self._frames = where_exact(state["frames"].to(self._device, copy=True))
            self._sum = self._frames.sum(dim=0, dtype=torch.float64)


@dataclass(eq=False)
class ExponentialMovingVariance(MinimumSeeking):
    """ES-EMV: as :class:`WindowedMovingVariance`, with a fading window that remembers no iterates.

    ``VAR(t) = (1 − α) (VAR(t−1) + α ‖x_t − m_{t−1}‖²/n)`` and ``m_t = (1 − α) m_{t−1} + α x_t``, from
    m = 0 and VAR = 0. The large first value fades within a few 1/α iterates.

    Parameters
    ----------
    alpha : float
        α in (0, 1); 1/α is about the length of the window, in iterates.
    patience : int
        Iterations without a new minimum after which the run stops.
    pixels : int
        The size of the fixed random subset of pixels, in all their channels, that the variance is taken over.

    References
    ----------
    H. Wang, T. Li, Z. Zhuang, T. Chen, H. Liang, J. Sun: Early Stopping for Deep Image Prior, TMLR 2023.
    """

    alpha: float = 0.1
    patience: int = 1000
    pixels: int = 16384

    quantity = "exponential moving variance"
    measure_name = "exponential_variance"

    def __post_init__(self) -> None:
        require_fraction(self, "alpha")
        require_whole(self, "patience")
        require_whole(self, "pixels")

    def start(self, problem: Problem) -> None:
        super().start(problem)
        self._subset = PixelSubset(self.pixels)
        self._mean: torch.Tensor | None = None
        self._variance = 0.0

    def measure(self, estimate: Estimate) -> float | None:
        frame = torch.nan_to_num(self._subset(estimate.newest).float())
        if self._mean is None or self._mean.shape != frame.shape:
            self._mean, self._variance = torch.zeros_like(frame), 0.0
        change = frame - self._mean
        self._mean.add_(change, alpha=self.alpha)
        self._variance = (1 - self.alpha) * (self._variance + self.alpha * float(change.square().mean()))
        return self._variance

    def state_dict(self) -> dict[str, Any]:
        mean = None if self._mean is None else self._mean.clone()
        return super().state_dict() | {"mean": mean, "variance": self._variance}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._variance = state["variance"]
        self._mean = None if state["mean"] is None else state["mean"].to(self._device, copy=True)


class PixelSubset:
    """Takes the values of an image (N, C, H, W) at a random subset of its pixels, always the same."""

    def __init__(self, pixels: int) -> None:
        self.pixels = pixels
        self._chosen: torch.Tensor | None = None
        self._shape: torch.Size | None = None

    def __call__(self, image: torch.Tensor) -> torch.Tensor:
        image = image.detach()
        if image.shape[-2:].numel() <= self.pixels:
            return image.reshape(-1)
        if self._shape != image.shape:
            self._shape, self._chosen = image.shape, self._choose(image)
        assert self._chosen is not None
        return image.flatten(2).index_select(2, self._chosen).reshape(-1)

    def _choose(self, image: torch.Tensor) -> torch.Tensor:
        height, width = image.shape[-2:]
        generator = torch.Generator().manual_seed(height * 65536 + width)
        chosen = torch.randperm(height * width, generator=generator)[: self.pixels]
        return chosen.sort().values.to(image.device)
