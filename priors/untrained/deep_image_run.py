"""The run of Deep Image Prior: the network, what it is shown and compared with, and a step of the fit."""

from __future__ import annotations

import dataclasses
import math
import time
import weakref
from collections.abc import Sequence
from typing import Any, ClassVar

import torch

from zeroshot.cuda_graphs import Replayed
from zeroshot.data_terms import Gaussian
from zeroshot.deadline import seconds_left
from zeroshot.estimate import Estimate
from zeroshot.memory import keep_large_allocations
from zeroshot.operators import Mask
from zeroshot.prior import Run, copied, overwrite, tensors_in
from zeroshot.priors.untrained.blending import Blend, HoleBlend
from zeroshot.priors.untrained.guide import affordable, guide_in_time
from zeroshot.priors.untrained.joint_fit import JointFit, alike
from zeroshot.priors.untrained.parametrization import Frame, Perturbation, build_network, fixed_input
from zeroshot.priors.untrained.settings import DeepImageSettings
from zeroshot.problem import Problem
from zeroshot.randomness import generator_on
from zeroshot.solvers.muon import Muon
from zeroshot.solvers.optimiser import Adam, Optimiser

#: How much of a budget the guide may take.
_GUIDE_SHARE = 0.4
#: How much of what is left of it then the guide has used when it is taken as it is.
_GUIDE_LIMIT = 0.7
#: How many steps on all measurements are worth it where the time is short.
_FEW_STEPS = 3
#: Side of the part of the image on which the network is timed, and that under a budget of a few seconds.
_PROBE, _SMALL_PROBE, _FEW_SECONDS = 256, 128, 10.0


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
    """A network being fitted to one measurement: perturb the input, fit, average what it shows."""

    state = (
        "iteration",
        "network",
        "optimiser",
        "generator",
        "noise_generator",
        "average",
        "last_good",
        "weight",
        "kept",
        "left",
        "trusted",
    )
    #: Kinds of devices on which runs may be fitted by one call. On a CPU it is slower from 128 × 128 pixels on.
    joins_on: ClassVar[tuple[str, ...]] = ("cuda",)

    def __init__(self, prior: DeepImageSettings, problem: Problem, generator: torch.Generator) -> None:
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
        began = time.monotonic()
        self.guide = None if prior.guide == "none" else self._make_guide()
        self._guide_seconds, self._step_seconds = time.monotonic() - began, 0.0
        self.z = self._make_input(network.input_reduction, self.guide if prior.reads_guide else None)
        self._blend = self._make_blend()
        # After all that is drawn on the CPU, so that every device begins with the same network.
        self.noise_generator = generator_on(self.device, generator)
        self.perturbation = self._make_perturbation()
        self.optimiser = self._make_optimiser()
        self.average: torch.Tensor | None = None
        self._exact = self._exact_pixels()
        self.last_good: tuple[float, list[torch.Tensor]] | None = None
        #: What the network's image weighs beside the guide: in the newest estimate, and in the one that is returned,
        #: with the weights of the network and the average over iterates at that time.
        self.weight: Any = None
        self.kept: dict[str, Any] = {"weight": None}
        #: Whether the network has once made the image clearly better than the guide.
        self.trusted = False
        #: How many iterations on all measurements are left; None while some are held out.
        self.left: int | None = None
        drawn_from = [self.noise_generator] if self.perturbation is not None else []
        # Without a cycle of references: a tile is to be forgotten before the next begins.
        itself = weakref.proxy(self)
        self._fitting = Replayed(lambda: itself._fit(), self.device, drawn_from)
        self._updating = Replayed(self.optimiser.step, self.device)
        self._joint: JointFit | None = None
        #: The tensors of `kept` that are copies, and those that they are copies of; none while nothing is kept.
        self._kept_tensors: list[torch.Tensor] = []
        self._live: list[torch.Tensor] = []

    def _choose_guide(self, reduction: int) -> str:
        """The prior's guide, or a cheaper one where the budget is short."""
        prior = self.prior
        budget = min(math.inf if prior.budget is None else prior.budget, seconds_left())
        if prior.guide == "none" or budget == math.inf:
            return prior.guide
        probe = _SMALL_PROBE if budget < _FEW_SECONDS else _PROBE
        step = self._seconds_of_a_step(reduction, probe)
        return affordable(prior.guide, self.problem, _GUIDE_SHARE * budget, step)

    def _make_guide(self) -> torch.Tensor:
        """The guide that was chosen or, where it makes no step in its time, a cheaper one."""
        # Settings are those of the guide that was asked for, not of a cheaper one in its place.
        settings = self.prior.guide_settings if self.guide_kind == self.prior.guide else None
        guide, self.guide_kind = guide_in_time(self.guide_kind, self.problem, settings, _GUIDE_LIMIT)
        return guide

    def beginning(self) -> tuple[torch.Tensor, str] | None:
        """The guide."""
        if self.guide is None or self.guide_kind == "initial":
            return None
        return self._keep_known(self.guide), f"the {self.guide_kind} guide"

    def _seconds_of_a_step(self, reduction: int, probe: int) -> float:
        """About how long this device takes for the network, forward and backward, from a part of the image.

        The weights stay as they are.
        """
        multiple = self.network.size_multiple
        height, width = (min(length, math.ceil(probe / multiple) * multiple) for length in self.frame.outer)
        channels = self.prior.input_channels(self.problem.reference_shape[1])
        z = torch.zeros(1, channels, height // reduction, width // reduction)
        z = z.to(self.device, self.dtype).contiguous(memory_format=torch.channels_last)
        # The first call also pays for what later ones reuse.
        for _ in range(2):
            began = time.perf_counter()
            self.network(z).mean().backward()
            self.network.zero_grad()
            if self.device.type == "cuda":
                torch.cuda.synchronize(self.device)
        share = height * width / (self.frame.outer[0] * self.frame.outer[1])
        return (time.perf_counter() - began) / share

    def _make_input(self, reduction: int, guide: torch.Tensor | None) -> torch.Tensor:
        prior = self.prior
        size = (self.frame.outer[0] // reduction, self.frame.outer[1] // reduction)
        z = fixed_input(prior.input, prior.input_depth, size, prior.input_scale, self.generator)
        z = z.to(self.device, self.dtype)
        if guide is not None:
            z = self._with_guide(z, guide)
        return z.contiguous(memory_format=torch.channels_last)

    def _with_guide(self, fixed: torch.Tensor, guide: torch.Tensor) -> torch.Tensor:
        """The fixed part of the input with the guide after it."""
        guide = self.frame.pad(guide)
        if guide.shape[-2:] != fixed.shape[-2:]:
            guide = torch.nn.functional.interpolate(guide, size=fixed.shape[-2:], mode="area")
        z = torch.cat([fixed, guide.to(fixed)], dim=1)
        return z.contiguous(memory_format=torch.channels_last)

    def _make_blend(self) -> Blend | HoleBlend | None:
        prior = self.prior
        if self.guide is None or prior.network_share == "all":
            return None
        holed = isinstance(self.problem.operator, Mask) and self.problem.held_out is not None
        if prior.stopping == "rim" and holed:
            return HoleBlend(self.guide, self.problem, float(prior.network_share))
        return Blend(self.guide, self.problem, float(prior.network_share), prior.handover)

    def _make_perturbation(self) -> Perturbation | None:
        prior = self.prior
        if prior.perturbation == 0:
            return None
        channels = self.z.shape[1]
        return Perturbation(
            self.z, channels, prior.perturbation, prior.perturbation_noise, self.noise_generator
        )

    def _make_optimiser(self) -> Optimiser:
        prior = self.prior
        if prior.optimiser == "adam":
            return Adam(self.network.parameters(), lr=prior.learning_rate)
        head = self.network.head.weight
        kernels = [p for p in self.network.parameters() if p.ndim == 4 and p is not head]
        others = [p for p in self.network.parameters() if p.ndim != 4 or p is head]
        return Muon(kernels, others, lr=prior.learning_rate, adam_lr=prior.adam_learning_rate)

    def step(self) -> Estimate:
        began = time.monotonic()
        joint = self._joint
        iterate, loss = self._fitting() if joint is None else joint.of(self)
        is_recorded = self._fitting.is_recorded if joint is None else joint.is_recorded
        self.iteration += 1
        if not self._fell_back(loss):
            # A recorded update reads the gradients where a recorded fit leaves them.
            (self._updating if is_recorded else self.optimiser.step)()
        self._update_average(iterate)
        assert self.average is not None
        image = self._returned(self.average)
        # Last of all, since it waits for a GPU.
        estimate = Estimate(image, float(loss), self.iteration, iterate=iterate)
        self._step_seconds = time.monotonic() - began
        return estimate

    def _fit(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The network's image with the perturbed input, and its loss, whose gradients are left with the weights."""
        self.optimiser.zero_grad()
        output = self.frame.crop(self.network(self.shown_input()))
        loss = self.problem.loss(output)
        loss.backward()
        return output.detach().contiguous(), loss.detach()

    def shown_input(self) -> torch.Tensor:
        """What the network is shown in a step: z, with noise drawn for this step."""
        return self.z if self.perturbation is None else self.z + self.perturbation.draw()

    def join(self, others: Sequence[Run]) -> bool:
        """Have the networks of all called as one."""
        runs = [self, *(run for run in others if isinstance(run, DeepImageRun))]
        if len(runs) != 1 + len(others):
            return False
        if self._joint and self._joint.is_of(runs) and all(run._joint is self._joint for run in runs):
            return True
        if self.device.type not in self.joins_on or not alike(runs):
            return False
        joint = JointFit(runs)
        for run in runs:
            run._forget_recordings()
            run._joint = joint
        return True

    def leave(self) -> None:
        """Call the network alone."""
        if self._joint is not None:
            self._forget_recordings()

    def _forget_recordings(self) -> None:
        """Record the step anew and alone, since tensors that it works on are replaced."""
        self._joint = None
        self._fitting.forget()
        self._updating.forget()
        self._live = []

    def load_state_dict(self, state: dict[str, Any]) -> None:
        super().load_state_dict(state)
        self._forget_recordings()

    def _returned(self, average: torch.Tensor) -> torch.Tensor:
        if self.left is not None:
            self.left -= 1
        if self._blend is None:
            return self._keep_known(average)
        if self.left is None:
            self.weight = self._blend.weight(average, self.iteration)
            if isinstance(self._blend, Blend) and not self.trusted:
                self.trusted = self._blend.is_clearly_better(average, self.weight)
                self.weight = self.weight if self.trusted else 0.0
        return self._keep_known(self._blend.mixed(average, self.weight))

    def keep_with_best(self, best: torch.Tensor | None, estimate: Estimate) -> None:
        """Keep what made the image that is returned, to say what it is and to go on from it."""
        if best is not None and not torch.equal(best, estimate.image):
            return
        if best is None or not self.prior.refit_iterations:
            self.kept, self._live = {"weight": self.weight}, []
            return
        self.kept["weight"] = self.weight
        if self._live:
            overwrite(self._kept_tensors, self._live)
            return
        parts = {"network": self.network, "average": self.average, "optimiser": self.optimiser}
        self.kept |= copied(parts, self.kept)
        if self.device.type == "cuda" and self.prior.averaging:
            # There every number of theirs is a tensor, which stays where it is.
            self._live = list(tensors_in(parts))
            self._kept_tensors = list(tensors_in({name: self.kept[name] for name in parts}))

    @property
    def finished(self) -> bool:
        """Whether all iterations on all measurements have been made."""
        return self.left is not None and self.left <= 0

    @property
    def refit_seconds(self) -> float:
        """The time for another guide and a few steps."""
        possible = self.prior.refit_iterations > 0 and self.problem.held_out is not None
        return 2 * self._guide_seconds + _FEW_STEPS * self._step_seconds if possible else 0.0

    def refit(self, problem: Problem) -> bool:
        """Go on from the best so far with nothing held out, and with a guide that has seen everything."""
        too_late = seconds_left() < self._guide_seconds
        if self.prior.refit_iterations == 0 or self.problem.held_out is None or too_late:
            return False
        self.problem, self.left = problem, self.prior.refit_iterations
        self._exact = self._exact_pixels()
        self._forget_recordings()
        if "network" in self.kept:
            kept = copied(self.kept)
            self.network.load_state_dict(kept["network"])
            self.optimiser.load_state_dict(kept["optimiser"])
            self.average, self.weight = kept["average"], kept["weight"]
        if self.guide is not None:
            self._renew_guide()
        if self._blend is not None and self.share == 0:
            # The network has no part in the image.
            self.left = 1
        return True

    def _renew_guide(self) -> None:
        """Make the guide from all measurements."""
        settings = self.prior.guide_settings if self.guide_kind == self.prior.guide else None
        self.guide, self.guide_kind = guide_in_time(self.guide_kind, self.problem, settings, _GUIDE_LIMIT)
        if self.prior.reads_guide:
            self.z = self._with_guide(self.z[:, : -self.guide.shape[1]], self.guide)
        if self._blend is not None:
            self._blend = dataclasses.replace(self._blend, guide=self.guide, problem=self.problem)

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

    @torch.no_grad()
    def _fell_back(self, loss: torch.Tensor) -> bool:
        """Take the weights of the last comparison back where the fit has collapsed since."""
        if self.prior.backtracking == 0 or (self.iteration - 1) % self.prior.backtracking_interval:
            return False
        parameters, now = list(self.network.parameters()), float(loss)
        if self.last_good is None:
            self.last_good = (now, [parameter.clone() for parameter in parameters])
            return False
        loss_then, weights = self.last_good
        if 10 * math.log10(max(now, 1e-20) / max(loss_then, 1e-20)) > self.prior.backtracking:
            torch._foreach_copy_(parameters, weights)
            return True
        torch._foreach_copy_(weights, parameters)
        self.last_good = (now, weights)
        return False

    def shrink_step(self, factor: float) -> None:
        for group in self.optimiser.param_groups:
            group["lr"] *= factor
        self._forget_recordings()

    @property
    def share(self) -> float:
        """What the network's own image weighs beside the guide in the image that is returned."""
        if self._blend is None:
            return 0.0 if self.guide is not None and self.iteration == 0 else 1.0
        weight = self.kept["weight"] if self.left is None else self.weight
        return 0.0 if weight is None else self._blend.share(weight)

    def findings(self) -> dict[str, Any]:
        """The guide, and what the network's own image weighs beside it in the result."""
        return {"guide": self.guide_kind, "network_share": round(self.share, 4)}

    def remark(self) -> str:
        """How much of the result is the guide's."""
        if self.guide is None:
            return ""
        guide, network = f"{self.guide_kind} guide", round(100 * self.share)
        if self._blend is None:
            return f"a network that reads the {guide}" if self.iteration else f"nothing but the {guide}"
        return f"{100 - network} % {guide}, {network} % network"
