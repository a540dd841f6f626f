"""PULSE: the image that a generator of such images could make, and that the damage turns into the measurement."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import torch

from zeroshot.checks import require_choice, require_number, require_positive, require_whole
from zeroshot.estimate import Estimate
from zeroshot.generators import Generator
from zeroshot.prior import Prior
from zeroshot.priors.latent.run import LatentRun
from zeroshot.priors.latent.sphere import geodesic_cross, learning_rate_factor, project_, radius_of
from zeroshot.priors.latent.statistics import SAMPLES, LatentStatistics, latent_statistics
from zeroshot.priors.latent.weights import generator_for, label_misfit, misfit, statistics_file
from zeroshot.problem import Problem
from zeroshot.solvers.optimiser import Adam

_OPTIMISERS: dict[str, Any] = {
    "adam": Adam,
    "sgd": torch.optim.SGD,
    "adamax": torch.optim.Adamax,
}
_CHOICES = {
    "latent": ("w+", "w"),
    "noise": ("trainable", "fixed", "none"),
    "optimiser": tuple(_OPTIMISERS),
    "schedule": ("fixed", "linear1cycle", "linear1cycledrop"),
    "stop": ("iterations", "epsilon"),
}


@dataclass(frozen=True)
class Pulse(Prior):
    """min over v on spheres of `fidelity` · max(2 D(A G(g(v σ + μ)), y), ε) + `geocross` · GEOCROSS(g(v σ + μ)).

    v has one latent a layer, standard normal and thus near a sphere: any optimiser's step is followed by the
    projection to the radius at the start. g is the rectifier that ends the mapping network, μ and σ the
    statistics of what it is given. With the Gaussian data term 2 D is the mean squared error. The best image
    is returned whether or not it reaches ε; which of the two, the result says.

    Parameters
    ----------
    weights : path, str or Generator
        The generator: the weights of a StyleGAN with its mapping network, a name of the zoo, or an object.
    mapping : path or None
        The mapping network, where the weights come in two files.
    samples : int
        How many solutions are optimised at once; the best is the result, and their standard deviation a map
        beside it.
    latent : {"w+", "w"}
        One latent a layer, or one for all.
    noise : {"trainable", "fixed", "none"}
        Of the noise inputs, the first `trainable_noise` are optimised too; all drawn once and kept; none.
    trainable_noise : int
        How many noise inputs are optimised.
    optimiser : {"adam", "sgd", "adamax"}
        Which one.
    learning_rate : float
        Its largest learning rate.
    schedule : {"fixed", "linear1cycle", "linear1cycledrop"}
        The learning rate over the iterations.
    iterations : int
        The most iterations to make.
    fidelity : float
        Weight of the data term.
    absolute : float
        Weight of 10 · mean |A x − y|.
    geocross : float
        Weight of GEOCROSS, the distance of the latents of different layers from each other.
    label : int or None
        The class, for generators with classes.
    epsilon : float
        ε: what the mean squared error should come down to.
    stop : {"iterations", "epsilon"}
        Make all iterations, so that below ε the latents go on to come closer (published); or stop at ε.
    statistics_samples : int
        How many latents μ and σ are computed from; they are kept beside the weights.
    truncation : float
        What σ is multiplied by: less than 1 keeps to the generator's more usual images.

    References
    ----------
    S. Menon, A. Damian, S. Hu, N. Ravi, C. Rudin: PULSE: self-supervised photo upsampling via latent space
    exploration of generative models, CVPR 2020; the defaults are its own, but for the number of samples of the
    statistics, which was a million.
    """

    name: ClassVar[str] = "pulse"
    summary: ClassVar[str] = "the latents of a StyleGAN, on the sphere where its images are (needs weights=…)"
    finds_latent: ClassVar[bool] = True

    weights: str | Path | Generator | None = None
    mapping: str | Path | None = None
    samples: int = 1
    latent: str = "w+"
    noise: str = "trainable"
    trainable_noise: int = 5
    optimiser: str = "adam"
    learning_rate: float = 0.4
    schedule: str = "linear1cycledrop"
    iterations: int = 100
    fidelity: float = 100.0
    absolute: float = 0.0
    geocross: float = 0.05
    epsilon: float = 2e-3
    stop: str = "iterations"
    label: int | None = None
    statistics_samples: int = SAMPLES
    truncation: float = 1.0

    def __post_init__(self) -> None:
        for name, choices in _CHOICES.items():
            require_choice(self, name, choices)
        require_whole(self, "samples", "iterations")
        require_whole(self, "trainable_noise", least=0)
        require_whole(self, "statistics_samples", least=2)
        require_number(self, "learning_rate", "fidelity", "absolute", "geocross", "epsilon")
        require_positive(self, "truncation")
        if self.learning_rate == 0 or self.fidelity + self.absolute == 0:
            raise ValueError("learning_rate, and fidelity or absolute, must be above 0")

    def supports(self, problem: Problem) -> str | None:
        """None where the generator has a mapping network and makes images of the size asked for."""
        network = generator_for(self.weights, self.mapping)
        if network.w_dim is None:
            return f"PULSE needs a generator with a mapping network, and {network.architecture} has none"
        if not network.has_mapping:
            return "the file holds no mapping network; give the other file as mapping=…"
        return label_misfit(network, self.label) or misfit(network, problem)

    def start(self, problem: Problem, generator: torch.Generator) -> PulseRun:
        """Begin with random latents on the sphere."""
        return PulseRun(self, problem, generator)


class PulseRun(LatentRun):
    """The optimiser's steps on the latents of all samples at once."""

    state = (*LatentRun.state, "fixed_noise", "radii", "best", "best_arrays", "best_loss", "best_error")

    def __init__(self, prior: Pulse, problem: Problem, generator: torch.Generator) -> None:
        super().__init__(problem, generator_for(prior.weights, prior.mapping))
        self._prior = prior
        network = self.network
        beside = statistics_file(prior.weights)
        statistics = latent_statistics(network, prior.statistics_samples, beside, prior.label)
        self._statistics: LatentStatistics = statistics.to(self.device).truncated(prior.truncation)
        layers = network.num_latents if prior.latent == "w+" else 1
        draw = torch.randn(prior.samples, layers, network.w_dim or 0, generator=generator)
        self.tensors["latent"] = draw.to(self.device)
        self.fixed_noise: list[torch.Tensor] = []
        for index, shape in enumerate(network.noise_shapes):
            noise = torch.randn(prior.samples, *shape[1:], generator=generator).to(self.device)
            # The last noise input only roughens the result.
            if prior.noise == "none" or index == len(network.noise_shapes) - 1:
                noise = torch.zeros_like(noise)
            elif prior.noise == "trainable" and index < prior.trainable_noise:
                self.tensors[f"noise{index}"] = noise
            self.fixed_noise.append(noise)
        self.radii = {name: radius_of(tensor) for name, tensor in self.tensors.items()}
        self.optimiser = _OPTIMISERS[prior.optimiser](self.tensors.values(), lr=prior.learning_rate)
        self.best_loss = self.best_error = float("inf")
        self.best = torch.empty(0)
        self.best_arrays: dict[str, torch.Tensor] = {}
        self._images = torch.empty(0)
        self._errors: list[float] = []

    def image(self) -> torch.Tensor:
        """All samples' images, (samples, channels, H, W)."""
        w = self._statistics.to_w(self.tensors["latent"])
        w = w.expand(-1, self.network.num_latents, -1)
        noise = [self.tensors.get(f"noise{index}", fixed) for index, fixed in enumerate(self.fixed_noise)]
        return self.network.synthesis(w, noise)

    def objective(self, image: torch.Tensor) -> torch.Tensor:
        """The sum over the samples; each sample's gradient is its own."""
        prior, problem = self._prior, self.problem
        errors = torch.stack([2 * problem.loss(one[None]) for one in image])
        losses = prior.fidelity * errors.clamp(min=prior.epsilon)
        if prior.absolute:
            distances = [(problem.operator(one[None]) - problem.y).abs().mean() for one in image]
            losses = losses + prior.absolute * 10 * torch.stack(distances).clamp(min=prior.epsilon)
        if prior.geocross:
            losses = losses + prior.geocross * geodesic_cross(self._statistics.to_w(self.tensors["latent"]))
        self._seen = image.detach(), losses.detach(), errors.detach()
        return losses.sum()

    def after_fit(self) -> None:
        """Keep the best image of all samples so far."""
        self._remember(*self._seen)

    def _remember(self, images: torch.Tensor, losses: torch.Tensor, errors: torch.Tensor) -> None:
        self._images = images.clamp(0, 1)
        of_samples, self._errors = torch.stack([losses, errors]).tolist()
        smallest = min(of_samples)
        if smallest < self.best_loss:
            index = of_samples.index(smallest)
            self.best_loss, self.best_error = smallest, self._errors[index]
            self.best = self._images[index : index + 1].clone()
            self.best_arrays = {
                name: array[index : index + 1].clone() for name, array in self._latents().items()
            }

    def learning_rate_factor(self, iteration: int) -> float:
        """The schedule's factor."""
        return learning_rate_factor(
            self._prior.schedule, min(iteration, self._prior.iterations - 1), self._prior.iterations
        )

    def after_step(self) -> None:
        """Back to the spheres."""
        for name, tensor in self.tensors.items():
            project_(tensor, self.radii[name])

    def step(self) -> Estimate:
        """Make one step; the estimate is the best image of all samples so far."""
        _, loss = self.descend()
        return Estimate(self.best, loss / self._prior.samples, self.iteration, iterate=self._images[:1])

    @property
    def finished(self) -> bool:
        """Whether ε is reached and that is all that was asked for."""
        return self._prior.stop == "epsilon" and self.best_error <= self._prior.epsilon

    def findings(self) -> dict[str, Any]:
        """Whether ε was reached, and the misfit of the best and of every last sample."""
        return {
            "epsilon_reached": self.best_error <= self._prior.epsilon,
            "misfit": self.best_error,
            "misfit_of_samples": self._errors,
        }

    def remark(self) -> str:
        """Whether ε was reached."""
        epsilon = self._prior.epsilon
        if self.best_error <= epsilon:
            return f"epsilon {epsilon:g} was reached (misfit {self.best_error:.3g})"
        return f"epsilon {epsilon:g} was not reached: this is the nearest image found (misfit {self.best_error:.3g})"

    def maps(self) -> dict[str, torch.Tensor]:
        """The last image of every sample, and their standard deviation."""
        if len(self._images) < 2:
            return {}
        several = {f"sample{index}": image[None] for index, image in enumerate(self._images)}
        return {"deviation": self._images.std(dim=0, keepdim=True), **several}

    @torch.no_grad()
    def _latents(self) -> dict[str, torch.Tensor]:
        """The latents of all samples as w, and their noise maps."""
        w = self._statistics.to_w(self.tensors["latent"]).expand(-1, self.network.num_latents, -1)
        noise = {
            f"noise{index}": self.tensors.get(f"noise{index}", fixed)
            for index, fixed in enumerate(self.fixed_noise)
        }
        return {"latent": w, **noise}

    def arrays(self) -> dict[str, torch.Tensor]:
        """The latent of the result as w, with its noise maps; after it, those of the last of every sample."""
        last = self._latents()
        return {name: torch.cat([best, last[name].detach()]) for name, best in self.best_arrays.items()}
