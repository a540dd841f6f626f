"""The latent of an autoencoder's decoder as the parametrization of a photograph of any size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from zeroshot.checks import require_number, require_positive, require_whole
from zeroshot.generators import Generator, TinyDecoder
from zeroshot.prior import Prior
from zeroshot.priors.latent.run import AveragedLatentRun
from zeroshot.priors.latent.weights import generator_for
from zeroshot.problem import Problem
from zeroshot.solvers.optimiser import Adam
from zeroshot.stopping import HeldOut, StoppingRule


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
        Weight of the penalty on large latents.
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
    bytes_per_value: ClassVar[int] = 1500  # measured with the decoder of a tiny autoencoder
    #: Large latents make up detail where little is measured.
    TASK_DEFAULTS: ClassVar[Mapping[str, Mapping[str, Any]]] = {"sr": {"distance": 1e-3}}

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
    def task_defaults(cls, problem: Problem) -> dict[str, Any]:
        """Those of the task, with held-out pixels where there is noise."""
        found = super().task_defaults(problem)
        return {**found, "held_out": 0.05} if problem.sigma else found

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
        return LatentDecoderRun(self, problem)

    def default_stopping(self, problem: Problem) -> StoppingRule:
        """After `iterations`, or where held-out pixels are predicted worse again."""
        limit = super().default_stopping(problem)
        return HeldOut(fraction=self.held_out, patience=self.patience) | limit if self.held_out else limit


class LatentDecoderRun(AveragedLatentRun):
    """Adam on the latent, and an average over the images."""

    def __init__(self, prior: LatentDecoder, problem: Problem) -> None:
        super().__init__(problem, generator_for(prior.weights), prior.averaging)
        self._prior = prior
        decoder = self.network
        assert isinstance(decoder, TinyDecoder)
        height, width = problem.reference_shape[-2:]
        self._crop = (..., slice(0, height), slice(0, width))
        shape = (1, *decoder.latent_shape(height, width))
        self.tensors["latent"] = torch.zeros(shape, device=self.device)
        self.optimiser = Adam(self.tensors.values(), lr=prior.learning_rate)

    def image(self) -> torch.Tensor:
        """The decoded latent without what goes beyond the image."""
        return self.network.synthesis(self.tensors["latent"])[self._crop]

    def objective(self, image: torch.Tensor) -> torch.Tensor:
        """The data term, and the size of the latent."""
        loss = self.problem.loss(image)
        if self._prior.distance:
            loss = loss + self._prior.distance * self.tensors["latent"].square().mean()
        return loss
