"""The latent of an autoencoder's decoder as the parametrization of a photograph of any size."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import torch

from zeroshot.generators import Generator, TinyDecoder
from zeroshot.prior import Estimate, Prior, require_known_settings
from zeroshot.settings import require_number, require_positive, require_whole

from .averaging import IterateAverage
from .run import LatentRun
from .weights import generator_for

if TYPE_CHECKING:
    from zeroshot.problem import Problem
    from zeroshot.stopping import StoppingRule

#: By task: large latents make up detail where little is measured.
_DEFAULTS: dict[str, dict[str, Any]] = {"sr": {"distance": 1e-3}}


@dataclass(frozen=True)
class LatentDecoder(Prior):
    """min over z of D(A G(z), y) + `distance` · mean z², G the decoder of an autoencoder of photographs.

    z is a small image, an eighth of the size on either side. It starts at zero, which decodes to an even grey;
    what is found first is what the decoder makes easily, noise comes later. The result is the average over
    the last iterates.

    Parameters
    ----------
    weights : path, str or Generator
        The decoder: the file of a TAESD-like one, a name of the zoo, or an object.
    iterations : int
        The most iterations to make.
    learning_rate : float
        Of Adam.
    distance : float
        How dear large latents are.
    averaging : float
        Weight of the past in the average over iterates, growing to it; 0 returns the iterate.
    held_out : float
        With noise: the fraction of pixels that say when to stop; 0 makes all iterations.
    patience : int
        For how many iterations the held-out loss may not improve.

    References
    ----------
    A. Bora, A. Jalal, E. Price, A. G. Dimakis: Compressed sensing using generative models, ICML 2017, for the
    parametrization by a decoder.
    """

    name: ClassVar[str] = "latent"
    summary: ClassVar[str] = "the latent of an autoencoder of photographs (needs weights=…)"

    weights: str | Path | Generator | None = None
    iterations: int = 300
    learning_rate: float = 0.2
    distance: float = 0.0
    averaging: float = 0.9
    held_out: float = 0.0
    patience: int = 40

    def __post_init__(self) -> None:
        require_whole(self, "iterations", "patience")
        require_positive(self, "learning_rate")
        require_number(self, "distance")
        require_number(self, "averaging", "held_out", below=1)

    @classmethod
    def for_problem(cls, problem: Problem, **settings: Any) -> LatentDecoder:
        """The defaults of the task, with held-out pixels where there is noise, and `settings` put over them."""
        require_known_settings(cls, settings)
        chosen = {"held_out": 0.05 if problem.sigma else 0.0, **_DEFAULTS.get(problem.task, {})}
        return cls(**{**chosen, **settings})

    def supports(self, problem: Problem) -> str | None:
        """None where the weights are a decoder and the image has one channel or the decoder's."""
        network = generator_for(self.weights)
        if not isinstance(network, TinyDecoder):
            return f"prior 'latent' needs an autoencoder's decoder; for a {network.architecture} use 'mgan' or 'pulse'"
        count, channels, _, _ = problem.reference_shape
        if count != 1:
            return "a latent is fitted to one image; give the images of a batch one by one"
        if channels not in (1, network.channels):
            return f"the decoder makes images of {network.channels} channels, and this asks for {channels}"
        return None

    def start(self, problem: Problem, generator: torch.Generator) -> LatentDecoderRun:
        """Begin at zero."""
        reason = self.supports(problem)
        if reason is not None:
            raise ValueError(reason)
        return LatentDecoderRun(self, problem)

    def default_stopping(self, problem: Problem) -> StoppingRule:
        """After `iterations`, or where held-out pixels are predicted worse again."""
        from zeroshot.stopping import HeldOut, MaxIterations

        limit = MaxIterations(self.iterations)
        return HeldOut(fraction=self.held_out, patience=self.patience) | limit if self.held_out else limit


class LatentDecoderRun(LatentRun):
    """Adam on the latent, and an average over the images."""

    def __init__(self, prior: LatentDecoder, problem: Problem) -> None:
        super().__init__(problem, generator_for(prior.weights))
        self._prior = prior
        decoder = self.network
        assert isinstance(decoder, TinyDecoder)
        height, width = problem.reference_shape[-2:]
        self._crop = (..., slice(0, height), slice(0, width))
        shape = (1, *decoder.latent_shape(height, width))
        self.tensors["latent"] = torch.zeros(shape, device=self.device, requires_grad=True)
        self._average = IterateAverage(prior.averaging)

    def image(self) -> torch.Tensor:
        """The decoded latent without what goes beyond the image."""
        return self.network.synthesis(self.tensors["latent"])[self._crop]

    def objective(self, image: torch.Tensor) -> torch.Tensor:
        """The data term, and the size of the latent."""
        loss = self.problem.loss(image)
        return (
            loss + self._prior.distance * self.tensors["latent"].square().mean()
            if self._prior.distance
            else loss
        )

    def make_optimiser(self) -> torch.optim.Optimizer:
        """Adam on the latent."""
        return torch.optim.Adam(list(self.tensors.values()), lr=self._prior.learning_rate)

    def step(self) -> Estimate:
        """Make one step; the estimate is the average over the iterates."""
        estimate = super().step()
        average = self._average.update(estimate.image, estimate.iteration)
        return Estimate(average, estimate.loss, estimate.iteration, iterate=estimate.image)

    def state_dict(self) -> dict[str, Any]:
        """The tensors, and the average so far."""
        return {**super().state_dict(), **self._average.state_dict()}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken."""
        super().load_state_dict(state)
        self._average.load_state_dict(state, self.device)
