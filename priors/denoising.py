"""Priors that are known by their denoiser: a map from a noisy image and its noise level to a clean one.

For denoising the denoiser is the answer. For every other linear operator it is plugged into a splitting
scheme (:mod:`zeroshot.priors.plug_and_play`), which alternates it with the data term.
"""

from __future__ import annotations

from abc import abstractmethod
from typing import TYPE_CHECKING, Any

import torch

from zeroshot.data_terms import Gaussian, Poisson
from zeroshot.operators.identity import Identity
from zeroshot.prior import Estimate, Prior, Run, require_known_settings

if TYPE_CHECKING:
    from zeroshot.problem import Problem
    from zeroshot.stopping import StoppingRule


class DenoisingPrior(Prior):
    """A prior given by a denoiser that works in one or several passes.

    Subclasses are frozen dataclasses of the denoiser's settings. They say how many passes there are and what
    each does; whole images are denoised by :meth:`denoise`, and :meth:`start` gives a run that makes one pass
    a step.
    """

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
        """The denoised image, (N, C, H, W), not clipped; `noisy` itself where `sigma` is 0."""
        if sigma <= 0:
            return noisy.clone()
        estimate = noisy
        for index in range(self.passes(sigma)):
            estimate = self.refine(noisy, estimate, sigma, index)
        return estimate

    @classmethod
    def for_problem(cls, problem: Problem, **settings: Any) -> DenoisingPrior:
        """The defaults of the family with `settings` put over them."""
        require_known_settings(cls, settings)
        return cls(**settings)

    def _is_direct(self, problem: Problem) -> bool:
        """Whether the denoiser alone is the answer."""
        return (
            type(problem.operator) is Identity
            and problem.measured is None
            and problem.held_out is None
            and isinstance(problem.data_term, Gaussian | Poisson)
        )

    def supports(self, problem: Problem) -> str | None:
        """None for denoising and for every linear operator."""
        if self._is_direct(problem):
            return None
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
        from .plug_and_play import PlugAndPlay

        return PlugAndPlay.for_problem(problem, denoiser=self)


def _noise_level(problem: Problem) -> tuple[torch.Tensor, float]:
    """The measurement with noise of one level everywhere, and that level."""
    if isinstance(problem.data_term, Poisson):
        from zeroshot.variance_stabilisation import forward

        return forward(problem.y, problem.data_term.gain, problem.data_term.readout)
    if problem.sigma is not None:
        return problem.y, problem.sigma
    from zeroshot.noise import estimate_sigma

    return problem.y, estimate_sigma(problem.y)


class DenoisingRun(Run):
    """The passes of a denoiser, one a step.

    With the Poisson data term the variance of the noise is made constant first, and the result is mapped
    back.
    """

    def __init__(self, prior: DenoisingPrior, problem: Problem) -> None:
        self.device = problem.y.device
        self._prior, self._problem = prior, problem
        self._noisy, self._sigma = _noise_level(problem)
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
        image = self._as_image(self._estimate).clamp(0, 1)
        return Estimate(image, self._problem.loss(image).item(), max(self._index, 1))

    def _as_image(self, estimate: torch.Tensor) -> torch.Tensor:
        if isinstance(self._problem.data_term, Poisson):
            from zeroshot.variance_stabilisation import inverse

            return inverse(estimate, self._problem.data_term.gain, self._problem.data_term.readout)
        return estimate

    def state_dict(self) -> dict[str, Any]:
        """The estimate, and how many passes it has seen."""
        return {"estimate": self._estimate.clone(), "index": self._index}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue after the pass at which `state` was taken."""
        self._estimate = state["estimate"].to(self.device)
        self._index = state["index"]
