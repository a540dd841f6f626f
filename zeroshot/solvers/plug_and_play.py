"""Splitting schemes that meet an image only through a denoiser: HQS, ADMM and RED.

With P_ρ the data step, ``P_ρ(v) = argmin over x of D(A x, y) + (ρ/2) ‖x − v‖²``, and f_σ the denoiser:

====== ==========================================================================================
scheme one iteration at the level σ, with ρ = weight / σ²
====== ==========================================================================================
hqs    x = P_ρ(z);  z = f_σ(x)
admm   x = P_ρ(z − u);  z = f_σ(x + u);  u ← u + x − z
red    x = P_ρ(v);  v = f_σ(x + β (x − x before)), β as in Nesterov's acceleration
====== ==========================================================================================

RED stands still where ``∇D + ρ (x − f_σ(x)) = 0``, which for a denoiser that is a symmetric linear map F is
the minimum of ``D(A x, y) + (ρ/2) xᵀ(x − F x)``. HQS at a fixed level without the acceleration is its
fixed-point iteration.

References
----------
D. Geman, C. Yang: Nonlinear image recovery with half-quadratic regularization, IEEE TIP 4 (1995).
S. V. Venkatakrishnan, C. A. Bouman, B. Wohlberg: Plug-and-play priors for model based reconstruction,
GlobalSIP 2013. S. H. Chan, X. Wang, O. A. Elgendy: Plug-and-play ADMM for image restoration, IEEE
Transactions on Computational Imaging 3 (2017). Y. Romano, M. Elad, P. Milanfar: The little engine that could:
regularization by denoising (RED), SIAM Journal on Imaging Sciences 10 (2017). E. T. Reehorst, P. Schniter:
Regularization by denoising: clarifications and new interpretations, IEEE Transactions on Computational
Imaging 5 (2019), for the accelerated proximal form of RED.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any, Literal, get_args

import torch

from zeroshot.checks import require_choice
from zeroshot.solvers.data_step import DataStep

Denoise = Callable[[torch.Tensor, float], torch.Tensor]
Scheme = Literal["hqs", "admm", "red"]
SCHEMES: tuple[str, ...] = get_args(Scheme)


class Splitting(ABC):
    """Alternates the data step with a denoiser.

    Parameters
    ----------
    data_step : DataStep
        P.
    denoise : callable
        (noisy, σ) ↦ f_σ(noisy).
    start : torch.Tensor
        The first image, (N, C, H, W).

    Attributes
    ----------
    image : torch.Tensor
        The newest solution.
    """

    def __init__(self, data_step: DataStep, denoise: Denoise, start: torch.Tensor) -> None:
        self._data_step, self._denoise = data_step, denoise
        self.image = start.clone()

    @abstractmethod
    def advance(self, sigma: float, strength: float) -> None:
        """Make one iteration with a denoiser of level `sigma` and ρ = `strength`."""

    def state_dict(self) -> dict[str, Any]:
        """Everything that the next iteration depends on."""
        tensors = {name: value.clone() for name, value in self._tensors().items()}
        return {**tensors, "data_step": self._data_step.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        for name, value in self._tensors().items():
            value.copy_(state[name])
        self._data_step.load_state_dict(state["data_step"])

    def _tensors(self) -> dict[str, torch.Tensor]:
        return {"image": self.image}


class HalfQuadraticSplitting(Splitting):
    """Data step and denoiser in turn; `image` is what the denoiser returned last."""

    def advance(self, sigma: float, strength: float) -> None:
        self.image = self._denoise(self._data_step(self.image, strength), sigma)


class AlternatingDirections(Splitting):
    """ADMM; `image` is what the denoiser returned last.

    The multiplier is kept as u = (Lagrange multiplier) / ρ and follows a change of ρ, so that with a proximal
    map for a denoiser the minimum does not depend on how ρ changed.
    """

    def __init__(self, data_step: DataStep, denoise: Denoise, start: torch.Tensor) -> None:
        super().__init__(data_step, denoise, start)
        self._multiplier = torch.zeros_like(start)
        self._strength = math.nan

    def advance(self, sigma: float, strength: float) -> None:
        if strength > 0 and self._strength > 0:
            self._multiplier *= self._strength / strength
        self._strength = strength
        x = self._data_step(self.image - self._multiplier, strength)
        noisy = x + self._multiplier
        self.image = self._denoise(noisy, sigma)
        self._multiplier = noisy - self.image

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "strength": self._strength}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._strength = state["strength"]

    def _tensors(self) -> dict[str, torch.Tensor]:
        return {"image": self.image, "multiplier": self._multiplier}


class AcceleratedRed(Splitting):
    """The accelerated proximal form of RED; `image` is what the data step returned last."""

    def __init__(self, data_step: DataStep, denoise: Denoise, start: torch.Tensor) -> None:
        super().__init__(data_step, denoise, start)
        self._denoised = start.clone()
        self._momentum = 1.0

    def advance(self, sigma: float, strength: float) -> None:
        x = self._data_step(self._denoised, strength)
        momentum = (1 + math.sqrt(1 + 4 * self._momentum**2)) / 2
        ahead = x + (self._momentum - 1) / momentum * (x - self.image)
        self._denoised = self._denoise(ahead, sigma)
        self.image, self._momentum = x, momentum

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "momentum": self._momentum}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._momentum = state["momentum"]

    def _tensors(self) -> dict[str, torch.Tensor]:
        return {"image": self.image, "denoised": self._denoised}


def splitting(scheme: str, data_step: DataStep, denoise: Denoise, start: torch.Tensor) -> Splitting:
    """The splitting scheme of this name, begun at `start`."""
    classes: dict[str, type[Splitting]] = {
        "hqs": HalfQuadraticSplitting,
        "admm": AlternatingDirections,
        "red": AcceleratedRed,
    }
    require_choice({"scheme": scheme}, "scheme", classes)
    return classes[scheme](data_step, denoise, start)
