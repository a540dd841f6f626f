"""mGANprior: several latent codes at once, their features added up inside the generator."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, ClassVar

import torch
from torch.nn import functional

from zeroshot.checks import is_whole, require_choice, require_number, require_positive, require_whole
from zeroshot.generators import Features, Generator
from zeroshot.prior import Prior
from zeroshot.priors.latent.codes import LatentSpace
from zeroshot.priors.latent.fitting import DAMAGED, FOR_DAMAGED, FittingSettings, distance_of
from zeroshot.priors.latent.perceptual import perceptual_misfit, with_features
from zeroshot.priors.latent.run import AveragedLatentRun
from zeroshot.priors.latent.weights import generator_for, label_misfit, misfit, statistics_file
from zeroshot.problem import Problem
from zeroshot.solvers.optimiser import Adam
from zeroshot.stopping import HeldOut, StoppingRule

#: By task, chosen over six real faces, four at a time, and the 32 × 32 generator of faces that has seen none of
#: them. The paper composes early where much is missing; near the middle of the latents, late composition
#: invents no less well.
_BY_TASK: dict[str, dict[str, Any]] = {
    "denoise": {"distance": 1e-4},
    **dict.fromkeys(DAMAGED, FOR_DAMAGED),
}


@dataclass(frozen=True)
class MultiCodeGAN(FittingSettings, Prior):
    """min over zₙ, αₙ of D(A T(Σₙ H(zₙ) ⊙ αₙ), y), with H the head and T the tail of a generator.

    The generator is divided after layer l; each code's feature maps are weighted channel by channel by its
    importances αₙ and added up. One code can only make what the generator makes; twenty, composed in the
    middle, make images that it has never seen.

    Parameters
    ----------
    codes : int
        N, how many codes.
    layer : int or None
        l, from 0 to the generator's number of layers; None takes the share `depth` of them.
    depth : float
        l as a share of the number of layers.
    iterations : int
        The most iterations to make.
    learning_rate : float
        Of Adam, on the codes in coordinates in which they are standard normal, and on the importances.
    spread : float
        Standard deviation of the codes at the start, 1 being that of the generator's own; the smaller, the
        nearer to its mean image stays what is not measured.
    distance : float or None
        Weight of the penalty on large codes and unequal importances: mean z² + mean (N α − 1)². None is that of the
        most probable single code, with importances that deviate from 1/N by as much in the mean:
        ½ `misfit`² / (measured values) · (length · mean z² + number · mean (N α − 1)²).
    noise : {"stored", "none"}
        The noise inputs of generators that have some.
    averaging : float
        Weight of the past in the average over iterates that is the result, growing to it; 0 returns the
        iterate.
    held_out : float
        In denoising: the fraction of pixels that say when to stop; 0 makes all iterations.
    patience : int
        For how many iterations the held-out loss may not improve.
    **settings
        As for :class:`~zeroshot.priors.latent.fitting.FittingSettings`.

    References
    ----------
    J. Gu, Y. Shen, B. Zhou: Image processing using multi-code GAN prior, CVPR 2020.
    """

    name: ClassVar[str] = "mgan"
    summary: ClassVar[str] = "several codes of a pretrained generator, composed within it (needs weights=…)"
    TASK_DEFAULTS: ClassVar[Mapping[str, Mapping[str, Any]]] = _BY_TASK

    codes: int = 20
    layer: int | None = None
    depth: float = 0.6
    iterations: int = 400
    learning_rate: float = 0.05
    spread: float = 0.3
    noise: str = "stored"
    averaging: float = 0.95
    held_out: float = 0.0
    patience: int = 50

    def __post_init__(self) -> None:
        super().__post_init__()
        require_whole(self, "codes", "iterations", "patience")
        require_number(self, "depth", most=1)
        require_number(self, "held_out", "averaging", below=1)
        require_positive(self, "learning_rate", "spread")
        require_choice(self, "noise", ("stored", "none"))

    @classmethod
    def task_defaults(cls, problem: Problem) -> dict[str, Any]:
        """Those of the task, with held-out pixels where there is noise."""
        found = super().task_defaults(problem)
        return {**found, "held_out": 0.05} if problem.sigma else found

    def composed_at(self, network: Generator) -> int:
        """The layer after which the features are added up."""
        return round(self.depth * network.num_layers) if self.layer is None else self.layer

    def supports(self, problem: Problem) -> str | None:
        """None where the generator makes images of the size asked for, and can be divided at the layer."""
        network = generator_for(self.weights, self.mapping)
        if (reason := label_misfit(network, self.label)) is not None:
            return reason
        layer = self.composed_at(network)
        if not (is_whole(layer) and 0 <= layer <= network.num_layers):
            return f"layer must be a whole number from 0 to {network.num_layers}, got {layer!r}"
        return misfit(network, problem) or perceptual_misfit(problem, self.features, self.perceptual)

    def start(self, problem: Problem, generator: torch.Generator) -> MultiCodeRun:
        """Begin with random codes of equal importance."""
        return MultiCodeRun(self, problem, generator)

    def default_stopping(self, problem: Problem) -> StoppingRule:
        """After `iterations`, or where held-out pixels are predicted worse again."""
        limit = super().default_stopping(problem)
        return HeldOut(fraction=self.held_out, patience=self.patience) | limit if self.held_out else limit


class MultiCodeRun(AveragedLatentRun):
    """Adam on all codes and their importances, and an average over the images."""

    def __init__(self, prior: MultiCodeGAN, problem: Problem, generator: torch.Generator) -> None:
        seen = with_features(problem, prior.features, prior.perceptual)
        completed = problem if prior.remainder == "smooth" else None
        network = generator_for(prior.weights, prior.mapping)
        super().__init__(seen, network, prior.averaging, completed, prior.detail)
        self._prior = prior
        self.schedule = (prior.schedule, prior.iterations)
        self._layer = prior.composed_at(self.network)
        beside = statistics_file(prior.weights)
        self._space = LatentSpace(self.network, beside=beside, label=prior.label, truncation=prior.truncation)
        self._distance = distance_of(prior, problem, self._space.length)
        codes = prior.spread * self._space.draw(prior.codes, 1, generator).to(self.device)
        with torch.no_grad():
            maps = self.network.head(self._space.latents(codes), self._layer, prior.noise).maps
        self.tensors["codes"] = codes
        # One for each channel; the features of a perceptron are channels without a place.
        shape = (prior.codes, maps.shape[1], *[1] * (maps.ndim - 2))
        self.tensors["importances"] = torch.full(shape, 1 / prior.codes, device=self.device)
        #: How much more unequal importances count than large codes: they are more numbers.
        self._unequal = math.prod(shape) / self._space.length if prior.distance is None else 1.0
        if self.network.w_dim is not None:
            # The layers after the composition have styles of their own.
            shape = (1, self._space.layers, self._space.length)
            self.tensors["tail"] = torch.zeros(shape, device=self.device)
        self.optimiser = Adam(self.tensors.values(), lr=prior.learning_rate)

    def _features(self) -> Features:
        """H(zₙ) of every code."""
        latents = self._space.latents(self.tensors["codes"])
        return self.network.head(latents, self._layer, self._prior.noise)

    def composed(self) -> Features:
        """Σ H(zₙ) ⊙ αₙ, one image."""
        features = self._features()
        maps = (features.maps * self.tensors["importances"]).sum(dim=0, keepdim=True)
        image = None if features.image is None else features.image.mean(dim=0, keepdim=True)
        return Features(maps, image)

    def image(self) -> torch.Tensor:
        """T of the composed features."""
        latent = self._space.latents(self.tensors["tail"]) if "tail" in self.tensors else None
        return self.network.tail(self.composed(), self._layer, latent, self._prior.noise)

    def objective(self, image: torch.Tensor) -> torch.Tensor:
        """The data term, the size of the codes, and how unequal the importances are."""
        loss = self.problem.loss(image)
        if self._distance:
            size = sum(
                tensor.square().mean() for name, tensor in self.tensors.items() if name != "importances"
            )
            unequal = (self._prior.codes * self.tensors["importances"] - 1).square().mean()
            loss = loss + self._distance * (size + self._unequal * unequal)
        return loss

    def findings(self) -> dict[str, Any]:
        """Where the features are composed, and the mean absolute importance of every code."""
        share = self.tensors["importances"].detach().abs().flatten(1).mean(dim=1)
        return {"layer": self._layer, "layers": self.network.num_layers, "importances": share.tolist()}

    @torch.no_grad()
    def maps(self) -> dict[str, torch.Tensor]:
        """Per code, where in the image its weighted features are strong: (1, 1, H, W), the largest being 1."""
        features = self._features()
        if features.maps.ndim < 4 or features.maps.shape[-1] < 2:
            return {}
        strength = (features.maps * self.tensors["importances"]).abs().mean(dim=1, keepdim=True)
        size = self.problem.reference_shape[-2:]
        strength = functional.interpolate(strength, size=tuple(size), mode="bilinear")
        strength = strength / strength.amax().clamp(min=1e-12)
        return {f"importance{index:02d}": one[None] for index, one in enumerate(strength)}


def composition_search(
    prior: MultiCodeGAN, problem: Problem, layers: list[int] | None = None, seed: int = 0
) -> list[tuple[int, float]]:
    """The misfit that each composition layer comes to: (layer, D(A x, y)), for choosing one.

    Parameters
    ----------
    prior : MultiCodeGAN
        Its layer is replaced by each of `layers` in turn.
    problem : Problem
        What is to be solved. A problem that holds measurements out is judged by those.
    layers : list of int, optional
        By default all of the generator's.
    seed : int
        Of the random codes.
    """
    network = generator_for(prior.weights, prior.mapping)
    found = []
    for layer in range(network.num_layers + 1) if layers is None else layers:
        run = replace(prior, layer=layer).begin(problem, torch.Generator().manual_seed(seed))
        for _ in range(prior.iterations):
            estimate = run.step()
        judge = problem.loss if problem.held_out is None else problem.validation_loss
        with torch.no_grad():
            found.append((layer, judge(estimate.image).item()))
    return found
