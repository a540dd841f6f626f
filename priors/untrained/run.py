"""One optimisation of a Deep Image Prior: perturb the input, fit the network, average what it shows."""

from __future__ import annotations

import math
import time
from typing import TYPE_CHECKING, Any

import torch

from zeroshot.data_terms import Gaussian
from zeroshot.estimate import Estimate
from zeroshot.memory import keep_large_allocations
from zeroshot.operators import Mask
from zeroshot.prior import Run
from zeroshot.priors.untrained.blending import Blend
from zeroshot.priors.untrained.guide import affordable, guide_image
from zeroshot.priors.untrained.parametrization import (
    Frame,
    Perturbation,
    build_network,
    fixed_input,
    input_channels,
    reads_guide,
)
from zeroshot.problem import Problem
from zeroshot.solvers.muon import Muon

if TYPE_CHECKING:
    from zeroshot.priors.untrained.deep_image_prior import DeepImagePrior


#: How much of a budget the guide may take.
_GUIDE_SHARE = 0.4
#: Side of the part of the image on which the network is timed.
_PROBE = 256


def working_precision(requested: str, device: torch.device) -> torch.dtype:
    """The arithmetic to use on `device`: bfloat16 where it is asked for, or native under "auto"."""
    if requested == "float32":
        return torch.float32
    if requested == "bfloat16" or _has_native_bfloat16(device):
        return torch.bfloat16
    return torch.float32


def _has_native_bfloat16(device: torch.device) -> bool:
    if device.type == "cuda":
        return torch.cuda.get_device_capability(device)[0] >= 8
    if device.type == "cpu":
        return bool(getattr(torch.cpu, "_is_avx512_bf16_supported", lambda: False)())
    return False


class DeepImageRun(Run):
    """A network being fitted to one measurement. See :class:`DeepImagePrior` for the settings."""

    def __init__(self, prior: DeepImagePrior, problem: Problem, generator: torch.Generator) -> None:
        self.prior = prior
        self.problem = problem
        self.generator = generator
        self.device = problem.y.device
        if self.device.type == "cpu" and prior.allocator == "keep":
            keep_large_allocations()
        self.dtype = working_precision(prior.precision, self.device)
        self.iteration = 0

        network = build_network(prior, problem, generator)
        # The stubs of torch know this keyword of Module.to only together with others.
        self.network = network.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        size = (problem.reference_shape[-2], problem.reference_shape[-1])
        self.frame = Frame(size, network.size_multiple)
        self.guide_kind = self._choose_guide(network.input_reduction)
        self.guide = None if prior.guide == "none" else self._make_guide()
        self.z = self._make_input(network.input_reduction, self.guide if reads_guide(prior) else None)
        self._blend = self._make_blend()
        self.perturbation = self._make_perturbation()
        self.optimiser = self._make_optimiser()
        self.average: torch.Tensor | None = None
        self._exact = self._exact_pixels()
        self._last_good: tuple[float, list[torch.Tensor]] | None = None

    def _choose_guide(self, reduction: int) -> str:
        """The prior's guide, or a cheaper one where the budget is short."""
        prior = self.prior
        if prior.guide == "none" or prior.budget is None:
            return prior.guide
        seconds = _GUIDE_SHARE * prior.budget
        return affordable(prior.guide, self.problem, seconds, self._seconds_of_a_step(reduction))

    def _make_guide(self) -> torch.Tensor:
        # Settings are those of the guide that was asked for, not of a cheaper one in its place.
        settings = self.prior.guide_settings if self.guide_kind == self.prior.guide else None
        return guide_image(self.guide_kind, self.problem, settings).to(self.device)

    def _seconds_of_a_step(self, reduction: int) -> float:
        """About how long this device takes for the network, forward and backward, from a part of the image.

        The weights stay as they are.
        """
        multiple = self.network.size_multiple
        height, width = (min(length, math.ceil(_PROBE / multiple) * multiple) for length in self.frame.outer)
        channels = input_channels(self.prior, self.problem.reference_shape[1])
        z = torch.zeros(1, channels, height // reduction, width // reduction)
        z = z.to(self.device, self.dtype).contiguous(memory_format=torch.channels_last)
        # The first call also pays for what later ones reuse.
        for _ in range(2):
            began = time.perf_counter()
            self.network(z).mean().backward()
            self.network.zero_grad(set_to_none=True)
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
        share = height * width / (self.frame.outer[0] * self.frame.outer[1])
        return (time.perf_counter() - began) / share

    def _make_input(self, reduction: int, guide: torch.Tensor | None) -> torch.Tensor:
        prior = self.prior
        size = (self.frame.outer[0] // reduction, self.frame.outer[1] // reduction)
        z = fixed_input(prior.input, prior.input_depth, size, prior.input_scale, self.generator)
        if guide is not None:
            guide = self.frame.pad(guide.cpu())
            if reduction > 1:
                guide = torch.nn.functional.interpolate(guide, size=size, mode="area")
            z = torch.cat([z, guide], dim=1)
        return z.to(self.device, self.dtype).contiguous(memory_format=torch.channels_last)

    def _make_blend(self) -> Blend | None:
        prior = self.prior
        if self.guide is None or prior.network_share == "all":
            return None
        return Blend(self.guide, self.problem, float(prior.network_share), prior.handover)

    def _make_perturbation(self) -> Perturbation | None:
        prior = self.prior
        if prior.perturbation == 0:
            return None
        channels = self.z.shape[1]
        return Perturbation(self.z, channels, prior.perturbation, prior.perturbation_noise, self.generator)

    def _make_optimiser(self) -> torch.optim.Optimizer:
        prior = self.prior
        if prior.optimiser == "adam":
            return torch.optim.Adam(self.network.parameters(), lr=prior.learning_rate)
        head = self.network.head.weight
        kernels = [p for p in self.network.parameters() if p.ndim == 4 and p is not head]
        others = [p for p in self.network.parameters() if p.ndim != 4 or p is head]
        return Muon(kernels, others, lr=prior.learning_rate, adam_lr=prior.adam_learning_rate)

    def step(self) -> Estimate:
        z = self.z if self.perturbation is None else self.z + self.perturbation.draw()
        output = self.frame.crop(self.network(z))
        loss = self.problem.loss(output)
        self.optimiser.zero_grad(set_to_none=True)
        loss.backward()
        self.iteration += 1
        value = float(loss.detach())
        if not self._fell_back(value):
            self.optimiser.step()
        iterate = output.detach().contiguous()
        self._update_average(iterate)
        assert self.average is not None
        return Estimate(self._returned(self.average), value, self.iteration, iterate=iterate)

    def _returned(self, average: torch.Tensor) -> torch.Tensor:
        image = average if self._blend is None else self._blend(average, self.iteration)
        return self._keep_known(image)

    def _update_average(self, iterate: torch.Tensor) -> None:
        if self.average is None or self.prior.averaging == 0:
            self.average = iterate.clone()
            return
        newest = 1 - self.prior.averaging
        if self.prior.averaging_start == "growing":
            # Polynomial decay (Shamir and Zhang 2013) until the window has its full length.
            newest = max(newest, 9 / (self.iteration + 8))
        self.average.lerp_(iterate, newest)

    def _exact_pixels(self) -> torch.Tensor | None:
        """1 at the pixels whose measurement is exact and is kept as it is; None: there are none."""
        problem = self.problem
        exact = isinstance(problem.operator, Mask) and isinstance(problem.data_term, Gaussian)
        if self.prior.known_pixels == "predict" or problem.sigma or not exact:
            return None
        assert problem.measured is not None
        known = problem.measured.expand_as(problem.y)
        # A held-out pixel that was pasted in would be predicted without error, and validate nothing.
        return known if problem.held_out is None else known * (1 - problem.held_out)

    def _keep_known(self, image: torch.Tensor) -> torch.Tensor:
        return image if self._exact is None else torch.lerp(image, self.problem.y, self._exact)

    def _fell_back(self, loss: float) -> bool:
        """Take the weights of the last checkpoint back where the fit has collapsed since."""
        if self.prior.backtracking == 0 or (self.iteration - 1) % self.prior.backtracking_interval:
            return False
        parameters = list(self.network.parameters())
        if self._last_good is not None:
            loss_then, weights = self._last_good
            drop = 10 * math.log10(max(loss, 1e-20) / max(loss_then, 1e-20))
            if drop > self.prior.backtracking:
                with torch.no_grad():
                    for parameter, weight in zip(parameters, weights, strict=True):
                        parameter.copy_(weight)
                return True
        self._last_good = (loss, [parameter.detach().clone() for parameter in parameters])
        return False

    def shrink_step(self, factor: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] *= factor

    def findings(self) -> dict[str, Any]:
        return {} if self.guide is None else {"guide": self.guide_kind}

    def state_dict(self) -> dict[str, Any]:
        state: dict[str, Any] = {
            "iteration": self.iteration,
            "network": {name: value.clone() for name, value in self.network.state_dict().items()},
            "optimiser": _copied(self.optimiser.state_dict()),
            "generator": self.generator.get_state(),
        }
        if self.average is not None:
            state["average"] = self.average.clone()
        if self._last_good is not None:
            state["last_good"] = {"loss": self._last_good[0], "weights": list(self._last_good[1])}
        return state

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.iteration = state["iteration"]
        self.network.load_state_dict(state["network"])
        self.optimiser.load_state_dict(_copied(state["optimiser"]))
        self.generator.set_state(state["generator"].cpu())
        self.average = state["average"].to(self.device).clone() if "average" in state else None
        self._last_good = None
        if "last_good" in state:
            last_good = state["last_good"]
            self._last_good = (last_good["loss"], [w.to(self.device) for w in last_good["weights"]])


def _copied(state: Any) -> Any:
    """A deep copy of a state: optimisers hand out their own tensors, which the next step overwrites."""
    if isinstance(state, torch.Tensor):
        return state.clone()
    if isinstance(state, dict):
        return {key: _copied(value) for key, value in state.items()}
    if isinstance(state, list | tuple):
        return [_copied(value) for value in state]
    return state
