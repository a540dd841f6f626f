"""Priors that are known by their denoiser: a map from a noisy image and its noise level to a clean one.

For denoising the denoiser is the answer. For every other linear operator it is plugged into a splitting
scheme (:mod:`zeroshot.priors.plug_and_play.pnp`), which alternates it with the data term.
"""

from __future__ import annotations

from abc import abstractmethod
from dataclasses import replace
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from zeroshot.checks import is_number
from zeroshot.data_terms import Gaussian, Poisson
from zeroshot.estimate import Estimate
from zeroshot.operators.identity import Identity
from zeroshot.prior import Prior, Run, require_known_settings

if TYPE_CHECKING:
    from zeroshot.problem import Problem
    from zeroshot.stopping import StoppingRule


class DenoisingPrior(Prior):
    """A prior given by a denoiser that works in one or several passes.

    Subclasses are frozen dataclasses of the denoiser's settings. They say how many passes there are and what
    each does; whole images are denoised by :meth:`denoise`, and :meth:`start` gives a run that makes one pass
    a step.
    """

    #: Whether plug and play with it gains on the operator's first estimate.
    suits_plug_and_play: ClassVar[bool] = True

    @abstractmethod
    def passes(self, sigma: float) -> int:
        """How many passes an image of this noise level takes, at least 1."""

    @abstractmethod
    def refine(self, noisy: torch.Tensor, estimate: torch.Tensor, sigma: float, index: int) -> torch.Tensor:
        """Pass number `index`, counted from 0.

        Parameters
        ----------
        noisy : torch.Tensor
            (N, C, H, W), on the [0, 1] scale but not confined to it; left unchanged.
        estimate : torch.Tensor
            What the pass before returned; `noisy` itself for the first.
        sigma : float
            Standard deviation of the noise on the [0, 1] scale, above 0.
        index : int
            Which pass.

        Returns
        -------
        torch.Tensor
            The new estimate, (N, C, H, W), not clipped.
        """

    def repeated(self) -> DenoisingPrior:
        """The settings to take where the denoiser is called by name and many times; these by default."""
        return self

    @torch.no_grad()
    def denoise(self, noisy: torch.Tensor, sigma: float) -> torch.Tensor:
        """The denoised image; a copy of `noisy` where `sigma` is 0.

        Parameters
        ----------
        noisy : torch.Tensor
            (N, C, H, W), floating-point and finite, nominally in [0, 1] but not confined to it; left unchanged.
        sigma : float
            Standard deviation of the noise on the [0, 1] scale.

        Returns
        -------
        torch.Tensor
            (N, C, H, W), not clipped.

        Raises
        ------
        ValueError
            Where either is not as described.
        """
        _require_image(noisy)
        _require_level(sigma)
        if sigma == 0:
            return noisy.clone()
        estimate = noisy
        for index in range(self.passes(sigma)):
            estimate = self.refine(noisy, estimate, sigma, index)
        return estimate

    @classmethod
    def for_problem(cls, problem: Problem, **settings: Any) -> DenoisingPrior:
        """The defaults of the family with `settings` put over them.

        For everything but denoising they are those of :meth:`repeated`, as where the denoiser is named to plug
        and play: the two are one method.
        """
        require_known_settings(cls, settings)
        prior = cls(**settings)
        if cls._is_direct(problem):
            return prior
        return replace(prior.repeated(), **settings)  # type: ignore[type-var]  # they are dataclasses

    @staticmethod
    def _is_direct(problem: Problem) -> bool:
        """Whether the denoiser alone is the answer."""
        return (
            type(problem.operator) is Identity
            and problem.measured is None
            and problem.held_out is None
            and isinstance(problem.data_term, Gaussian | Poisson)
        )

    def supports(self, problem: Problem) -> str | None:
        """None for denoising and for every linear operator, where the denoiser gains by plug and play."""
        if self._is_direct(problem):
            return None
        if not self.suits_plug_and_play:
            return (
                f"{self.name} is a denoiser that makes holes and enlargements worse; "
                "use prior 'pnp' with denoiser='nlm'"
            )
        return self._plugged_in(problem).supports(problem)

    def start(self, problem: Problem, generator: torch.Generator) -> Run:
        """Begin a run: the passes of the denoiser, or a splitting scheme with the denoiser plugged in."""
        if self._is_direct(problem):
            return DenoisingRun(self, problem)
        return self._plugged_in(problem).start(problem, generator)

    def default_stopping(self, problem: Problem) -> StoppingRule:
        """After the last pass, or by the rule of the splitting scheme."""
        from zeroshot.stopping import Finished

        if self._is_direct(problem):
            return Finished()
        return self._plugged_in(problem).default_stopping(problem)

    def _plugged_in(self, problem: Problem) -> Prior:
        from zeroshot.priors.plug_and_play.pnp import PlugAndPlay

        return PlugAndPlay.for_problem(problem, denoiser=self)


def _require_image(noisy: torch.Tensor) -> None:
    if not isinstance(noisy, torch.Tensor) or not noisy.is_floating_point():
        kind = noisy.dtype if isinstance(noisy, torch.Tensor) else type(noisy).__name__
        raise ValueError(f"noisy must be a floating-point tensor (N, C, H, W), got {kind}")
    if noisy.ndim != 4 or 0 in noisy.shape:
        raise ValueError(f"noisy must be (N, C, H, W) and not empty, got the shape {tuple(noisy.shape)}")
    if not bool(noisy.isfinite().all()):
        raise ValueError("noisy must be finite, and holds NaN or infinity")


def _require_level(sigma: float) -> None:
    if not is_number(sigma) or sigma < 0:
        raise ValueError(f"sigma must be a number from 0 to 1, got {sigma!r}")
    if sigma > 1:
        raise ValueError(f"sigma is on the [0, 1] scale: {sigma:g}/255, got {sigma:g}")


class DenoisingRun(Run):
    """The passes of a denoiser, one a step.

    With the Poisson data term the variance of the noise is made constant first, and the result is mapped
    back.
    """

    def __init__(self, prior: DenoisingPrior, problem: Problem) -> None:
        self.device = problem.y.device
        self._prior, self._problem = prior, problem
        self._noisy, self._sigma = problem.stabilised()
        self._passes = prior.passes(self._sigma) if self._sigma > 0 else 0
        self._estimate = self._noisy
        self._index = 0

    @property
    def finished(self) -> bool:
        """Whether the last pass has been made."""
        return self._index >= self._passes

    @torch.no_grad()
    def step(self) -> Estimate:
        """Make the next pass; after the last one the image stays."""
        if self._index < self._passes:
            self._estimate = self._prior.refine(self._noisy, self._estimate, self._sigma, self._index)
            self._index += 1
        image = self._problem.unstabilised(self._estimate).clamp(0, 1)
        return Estimate(image, self._problem.loss(image).item(), max(self._index, 1))

    def state_dict(self) -> dict[str, Any]:
        """The estimate, and how many passes it has seen."""
        return {"estimate": self._estimate.clone(), "index": self._index}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue after the pass at which `state` was taken."""
        self._estimate = state["estimate"].to(self.device)
        self._index = state["index"]
