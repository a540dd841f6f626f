"""Inversion: the latent of one image, in z, W or W+; its noise and the generator itself can be optimised too."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch

from zeroshot.checks import require_choice, require_positive, require_whole
from zeroshot.estimate import Estimate
from zeroshot.prior import Prior
from zeroshot.priors.latent.codes import LatentSpace
from zeroshot.priors.latent.fitting import DAMAGED, FOR_DAMAGED, FittingSettings, distance_of
from zeroshot.priors.latent.perceptual import perceptual_misfit, with_features
from zeroshot.priors.latent.run import LatentRun
from zeroshot.priors.latent.weights import generator_for, label_misfit, misfit, statistics_file
from zeroshot.problem import Problem
from zeroshot.solvers.optimiser import Adam
from zeroshot.stopping import MaxIterations, StoppingRule

_SPACES = ("z", "w", "w+")
_NOISE = ("stored", "none", "optimised")


@dataclass(frozen=True)
class Inversion(FittingSettings, Prior):
    """min over the latent of D(A G(latent), y) + `distance` · ‖v‖² / length; then, with it fixed, over G.

    v are the latents in coordinates in which they are standard normal. Where the picture is damaged beyond noise,
    the distance is that of the most probable latent, and what the measurements say beyond the generator's image is
    added smoothly (see `misfit` and `remainder`). After `iterations` steps on the latent
    the pivot is found; `tuning_iterations` more steps change the generator's own weights so that the pivot
    makes the image (pivotal tuning). The generator that was given is not changed.

    Parameters
    ----------
    space : {"z", "w", "w+"}
        What is optimised: z through the mapping network, one w for all layers, or one for each.
    noise : {"stored", "none", "optimised"}
        The noise inputs.
    iterations : int
        Steps on the latent.
    learning_rate : float
        Of Adam, on the latent.
    starts : int
        Random latents beside the middle of the space, of which the best by the objective is begun with.
    tuning_iterations : int
        Steps on the generator's weights afterwards.
    tuning_learning_rate : float
        Of Adam, on the weights.
    **settings
        As for :class:`~zeroshot.priors.latent.fitting.FittingSettings`.

    References
    ----------
    R. Abdal, Y. Qin, P. Wonka: Image2StyleGAN, ICCV 2019, for W+. D. Roich, R. Mokady, A. H. Bermano,
    D. Cohen-Or: Pivotal tuning for latent-based editing of real images, TOG 2022, for the tuning.
    """

    name: ClassVar[str] = "inversion"
    summary: ClassVar[str] = (
        "the latent of one image in a pretrained generator, and its tuning (needs weights=…)"
    )
    finds_latent: ClassVar[bool] = True
    TASK_DEFAULTS: ClassVar[Mapping[str, Mapping[str, Any]]] = dict.fromkeys(DAMAGED, FOR_DAMAGED)

    space: str = "w+"
    noise: str = "stored"
    iterations: int = 400
    learning_rate: float = 0.05
    starts: int = 0
    tuning_iterations: int = 0
    tuning_learning_rate: float = 3e-4

    def __post_init__(self) -> None:
        super().__post_init__()
        require_choice(self, "space", _SPACES)
        require_choice(self, "noise", _NOISE)
        require_whole(self, "iterations")
        require_whole(self, "tuning_iterations", least=0)
        require_positive(self, "learning_rate", "tuning_learning_rate")
        require_whole(self, "starts", least=0)

    def supports(self, problem: Problem) -> str | None:
        """None where the generator makes images of the size asked for, and has what `space` needs."""
        network = generator_for(self.weights, self.mapping)
        if self.space == "z" and network.w_dim is not None and not network.has_mapping:
            return "the file holds no mapping network, so that space='z' cannot be searched; use 'w' or 'w+'"
        if (reason := label_misfit(network, self.label)) is not None:
            return reason
        if self.tuning_iterations and not network.is_copyable:
            return (
                "this generator cannot be copied, and tuning must not change it; give its stages as modules"
            )
        if self.noise == "optimised" and not network.noise_shapes:
            return f"noise='optimised' needs noise inputs, and this {network.architecture} has none"
        return misfit(network, problem) or perceptual_misfit(problem, self.features, self.perceptual)

    def start(self, problem: Problem, generator: torch.Generator) -> InversionRun:
        """Begin in the middle of the latent space."""
        return InversionRun(self, problem, generator)

    def default_stopping(self, problem: Problem) -> StoppingRule:
        """After all iterations of both parts."""
        return MaxIterations(self.iterations + self.tuning_iterations)


class InversionRun(LatentRun):
    """Adam on the latent, then on the weights."""

    def __init__(self, prior: Inversion, problem: Problem, generator: torch.Generator) -> None:
        seen = with_features(problem, prior.features, prior.perceptual)
        completed = problem if prior.remainder == "smooth" else None
        super().__init__(seen, generator_for(prior.weights, prior.mapping), completed, prior.detail)
        self._prior = prior
        self.schedule = (prior.schedule, prior.iterations)
        if prior.tuning_iterations:
            self.network = copy.deepcopy(self.network)
        beside = statistics_file(prior.weights)
        self._space = LatentSpace(self.network, beside=beside, label=prior.label, truncation=prior.truncation)
        self._label: torch.Tensor | None = None
        if self.network.label_dim:
            chosen = torch.tensor([prior.label], device=self.device)
            self._label = torch.nn.functional.one_hot(chosen, self.network.label_dim).float()
        uses_z = prior.space == "z" or self.network.w_dim is None
        self._through_mapping = uses_z and self.network.w_dim is not None
        length = self.network.z_dim if uses_z else self._space.length
        layers = self._space.layers if prior.space == "w+" and not uses_z else 1
        # Normalisation makes the middle of z a place without a direction: begin anywhere else.
        start = torch.zeros(1, layers, length)
        if uses_z:
            start = 0.1 * torch.randn(1, layers, length, generator=generator)
        self.tensors["latent"] = start.to(self.device)
        self._distance = distance_of(prior, problem, layers * length)
        if prior.noise == "optimised":
            for index, noise in enumerate(self.network.stored_noise()):
                self.tensors[f"noise{index}"] = noise.detach().clone().to(self.device)
        self._weights: dict[str, torch.Tensor] = {}
        self._best: dict[str, torch.Tensor] = {}
        self._shown: dict[str, torch.Tensor] = {}
        self._begin_with_best(generator)
        self._optimise_latent()

    @torch.no_grad()
    def _begin_with_best(self, generator: torch.Generator) -> None:
        """The start, or the random latent that the objective prefers."""
        if not self._prior.starts:
            return
        middle = self.tensors["latent"].clone()
        found, smallest = middle, self.objective(self.as_asked(self.image())).item()
        for _ in range(self._prior.starts):
            drawn = torch.randn(middle.shape[0], 1, middle.shape[2], generator=generator).to(self.device)
            candidate = drawn.expand_as(middle).clone()
            self.tensors["latent"].copy_(candidate)
            objective = self.objective(self.as_asked(self.image())).item()
            if objective < smallest:
                found, smallest = candidate, objective
        self.tensors["latent"].copy_(found)

    @property
    def is_tuning(self) -> bool:
        """Whether the pivot is found and the weights are being changed."""
        return bool(self._weights)

    def latents(self, latent: torch.Tensor) -> torch.Tensor:
        """The latent that the synthesis takes."""
        if not self._through_mapping:
            return self._space.latents(latent)
        return self.network.mapping(latent[:, 0], self._label, self._prior.truncation)

    def image(self) -> torch.Tensor:
        """G of the latent."""
        noise: Any = self._prior.noise
        if noise == "optimised":
            noise = [self.tensors[f"noise{index}"] for index in range(len(self.network.noise_shapes))]
        return self.network.synthesis(self.latents(self.tensors["latent"]), noise)

    @torch.no_grad()
    def before_fit(self) -> None:
        """Keep the latent and the noise."""
        self._shown = {name: tensor.clone() for name, tensor in self.tensors.items()}

    def objective(self, image: torch.Tensor) -> torch.Tensor:
        """The data term, and how far the latent is from the middle."""
        loss = self.problem.loss(image)
        if self._distance and not self.is_tuning:
            loss = loss + self._distance * self.tensors["latent"].square().mean()
        return loss

    def learning_rate_factor(self, iteration: int) -> float:
        """The schedule's factor, of the latent; that of the weights is fixed."""
        return 1.0 if self.is_tuning else super().learning_rate_factor(iteration)

    def remember(self) -> None:
        """The latent and the noise that the image was made of."""
        self._best = self._shown

    def step(self) -> Estimate:
        """Make one step on the latent and the noise or, once the pivot is found, on the weights."""
        if self.iteration == self._prior.iterations and self._prior.tuning_iterations:
            self._optimise_weights()
        if self.is_tuning:
            # What is kept beside the image are the newest weights, so that the newest image is the one to return.
            self.forget_best()
        return super().step()

    def _optimise_latent(self) -> None:
        self.tensors.requires_grad_()
        self.optimiser = Adam(self.tensors.values(), lr=self._prior.learning_rate)
        self._fitting.forget()

    def _optimise_weights(self) -> None:
        self.tensors.requires_grad_(False)
        self._weights = {
            name: parameter.requires_grad_()
            for name, parameter in self.network.named_parameters()
            if not name.startswith("mapping_network.")
        }
        self.optimiser = Adam(self._weights.values(), lr=self._prior.tuning_learning_rate)
        self._fitting.forget()
        # The pivot is the latent that was shown, not the last one.
        with torch.no_grad():
            for name, tensor in self._best.items():
                self.tensors[name].copy_(tensor)
        self.forget_best()

    def _leave_tuning(self) -> None:
        """Back before the pivot: the weights as they were given, and the latent free again."""
        original = generator_for(self._prior.weights, self._prior.mapping).state_dict()
        with torch.no_grad():
            for name, parameter in self._weights.items():
                parameter.requires_grad_(False).copy_(original[name])
        self._weights = {}
        self._optimise_latent()

    def findings(self) -> dict[str, Any]:
        """The norm of the latent in standard normal coordinates, per layer; 1 is usual."""
        latent = self.tensors["latent"].detach()
        return {"latent_rms": latent.square().mean(dim=-1).sqrt().flatten().tolist()}

    @torch.no_grad()
    def arrays(self) -> dict[str, torch.Tensor]:
        """The latent of the best image, its noise, and the tuned weights: what can be edited."""
        if not self._best:
            return {}
        latent = self.latents(self._best["latent"])
        noise = {name: tensor for name, tensor in self._best.items() if name.startswith("noise")}
        if self._prior.noise == "none":
            noise = {f"noise{i}": torch.zeros(shape) for i, shape in enumerate(self.network.noise_shapes)}
        tuned = {f"tuned.{name}": weight.clone() for name, weight in self._weights.items()}
        return {"latent": latent.clone(), **noise, **tuned}

    def state_dict(self) -> dict[str, Any]:
        """What `state` names, and the weights as far as they have been tuned, not the whole generator."""
        weights = {name: parameter.detach().clone() for name, parameter in self._weights.items()}
        return {**super().state_dict(), "weights": weights, "best": dict(self._best)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue exactly where `state` was taken, on either side of the pivot."""
        if not state["weights"]:
            self._leave_tuning()
        else:
            self._optimise_weights()
            with torch.no_grad():
                for name, parameter in self._weights.items():
                    parameter.copy_(state["weights"][name])
        super().load_state_dict(state)
        self._best = {name: tensor.to(self.device, copy=True) for name, tensor in state["best"].items()}
