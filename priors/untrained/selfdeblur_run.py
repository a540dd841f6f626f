"""The run of SelfDeblur: a step of the two networks, when they have settled, and the picture of both."""

from __future__ import annotations

import dataclasses
from typing import TYPE_CHECKING, Any

import torch

from zeroshot.colour import full_range_luma
from zeroshot.deadline import seconds_left
from zeroshot.estimate import Estimate
from zeroshot.kernels import KernelEstimate
from zeroshot.kernels.kernel_fit import displacement, mean_kernel, off_centre, pruned, trimmed
from zeroshot.kernels.periodic import Canvas
from zeroshot.kernels.region import telling_region
from zeroshot.kernels.sharp_image import VARIATION_WEIGHT, restored_sparsity, small_variation
from zeroshot.memory import keep_large_allocations
from zeroshot.metrics import kernel_similarity
from zeroshot.noise import estimate_sigma, noise_behind_blur
from zeroshot.operators import Blur
from zeroshot.operators.window import Window
from zeroshot.prior import Run
from zeroshot.priors.untrained.guide import guide_in_time
from zeroshot.priors.untrained.networks import KernelNetwork
from zeroshot.priors.untrained.parametrization import Frame, Perturbation, build_network, fixed_input
from zeroshot.priors.untrained.settings import DeepImageSettings
from zeroshot.problem import Problem
from zeroshot.randomness import generator_on
from zeroshot.registry import prior_class
from zeroshot.solvers.conjugate_gradients import conjugate_gradients
from zeroshot.solvers.muon import Muon
from zeroshot.solvers.optimiser import Adam

if TYPE_CHECKING:
    from zeroshot.priors.untrained.selfdeblur import SelfDeblur

#: The share of the steps after which no noise is added any more, and between which the kernel is compared.
_QUIET, _INTERVAL = 0.7, 25
#: What weights of the first kernel are raised to, as a share of the largest.
_LEAST_WEIGHT = 1e-3
#: Weights below this share of the largest, and parts with less of the sum than this, are none in the end.
_PRUNED, _SMALLEST_PART = 0.02, 0.02
#: Above what share of the sparsity with the first kernel the new one is not believed: its image is blurred or rings.
_CLEARLY_MORE = 1.1
#: Of how many steps the network's image is the mean, at least, and what it then counts for beside the restored one.
_FEWEST_DRAWN, _SHARE_OF_NETWORK = 20, 0.5
#: The weight that ties what is corrected to what the network drew, at least, and the steps of the correction.
_LEAST_TIE, _CORRECTION_STEPS = 0.03, 30
#: How much of the time that is left the picture with the first kernel may take, and that with the new one.
_BEGINNING_SHARE, _END_SHARE = 0.3, 0.9


class SelfDeblurRun(Run):
    """Two networks being fitted to one measurement, between two restorations of it."""

    state = (
        "iteration",
        "network",
        "kernel_network",
        "optimiser",
        "kernel_optimiser",
        "generator",
        "noise_generator",
        "average",
        "earlier",
        "drawn",
        "steps_drawn",
        "image",
        "found",
        "done",
    )

    def __init__(self, prior: SelfDeblur, problem: Problem, generator: torch.Generator) -> None:
        assert isinstance(problem.operator, Blur)
        self.prior, self.problem, self.generator = prior, problem, generator
        self.device = problem.y.device
        if self.device.type == "cpu":
            keep_large_allocations()
        self.blur = problem.operator
        plane, known = _plane(problem)
        region = telling_region(plane, known, prior.part)
        self.plane, self.known = plane[region].contiguous(), known[region].contiguous()
        start = _squared(self.blur.kernel.cpu(), prior.margin, min(self.plane.shape))
        self.start = start / start.sum()

        side = len(start)
        size = (self.plane.shape[0] + side - 1, self.plane.shape[1] + side - 1)
        settings = DeepImageSettings(channels=prior.channels, guide="initial")
        canvas = dataclasses.replace(
            problem,
            y=self.plane[None, None],
            operator=Blur(self.start, "valid").to(self.device),
            reference_shape=(1, 1, *size),
            measured=None,
            held_out=None,
            clipped=None,
            sigma_map=None,
            noise=None,
            frame=None,
        )
        network = build_network(settings, canvas, generator)
        # The stubs of torch know this keyword of Module.to only together with others.
        self.network = network.to(self.device).to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        self.kernel_network = KernelNetwork(side, prior.hidden)
        self.kernel_network.initialise(self.start, _LEAST_WEIGHT, generator)
        self.kernel_network.to(self.device)
        self.frame = Frame(size, network.size_multiple)
        outer = (self.frame.outer[0], self.frame.outer[1])
        z = fixed_input(settings.input, settings.input_depth, outer, settings.input_scale, generator)
        z = torch.cat([z, self.frame.pad(self._guide(size)[None, None])], dim=1)
        self.z = z.to(self.device).contiguous(memory_format=torch.channels_last)
        self.noise_generator = generator_on(self.device, generator)
        self.perturbation = (
            Perturbation(self.z, self.z.shape[1], prior.perturbation, "pool", self.noise_generator)
            if prior.perturbation
            else None
        )
        self.optimiser = self._make_optimiser()
        self.kernel_optimiser = Adam(self.kernel_network.parameters(), lr=prior.kernel_learning_rate)

        self.iteration, self.done = 0, False
        #: The mean of what the hourglass drew since no noise is added, and of how many steps.
        self.drawn, self.steps_drawn = torch.zeros(size, device=self.device), 0
        self.average = self.start.to(self.device)
        #: The average kernel when it was last compared.
        self.earlier = self.average.clone()
        #: The kernel of the result and what speaks for it.
        self.found: dict[str, Any] = {}
        self.image, self.finish_kind = guide_in_time(
            prior.finish, problem, _own_settings(prior.finish, problem), _BEGINNING_SHARE
        )

    def _guide(self, size: tuple[int, int]) -> torch.Tensor:
        """The image of small total variation (H, W) with the first kernel, on the canvas of the network's."""
        side = len(self.start)
        canvas = Canvas.around(self.plane.cpu(), self.known.cpu(), side // 2)
        x, _ = small_variation(canvas, self.start, VARIATION_WEIGHT)
        x = x.roll((side // 2, side // 2), (0, 1))
        return x[: size[0], : size[1]].clamp(0, 1)

    def _make_optimiser(self) -> Muon:
        head = self.network.head.weight
        kernels = [one for one in self.network.parameters() if one.ndim == 4 and one is not head]
        others = [one for one in self.network.parameters() if one.ndim != 4 or one is head]
        return Muon(kernels, others, lr=self.prior.learning_rate, adam_lr=self.prior.learning_rate)

    def beginning(self) -> tuple[torch.Tensor, str]:
        """The picture restored with the first kernel."""
        return self.image, f"the picture restored by {self.finish_kind} with the first kernel"

    @property
    def finished(self) -> bool:
        """Whether the picture has been restored with the kernel of the networks."""
        return self.done

    def step(self) -> Estimate:
        loss = self._fit()
        self.iteration += 1
        if not self.done and self._has_settled():
            self._finish()
        return Estimate(self.image, loss, self.iteration)

    def _fit(self) -> float:
        """A step of both networks; the loss before it."""
        joint = self.iteration >= self.prior.warm_up
        self.optimiser.zero_grad()
        self.kernel_optimiser.zero_grad()
        z = self.z if self.perturbation is None else self.z + self.perturbation.draw()
        x = self.frame.crop(self.network(z)).float()[0, 0]
        kernel = self.kernel_network()
        residual = convolved(x, kernel if joint else kernel.detach()) - self._measurement()
        loss = (self.known * residual.square()).sum() / self.known.sum().clamp(min=1)
        loss.backward()
        self.optimiser.step()
        if self._is_quiet():
            self.steps_drawn += 1
            self.drawn = self.drawn.lerp(x.detach(), 1 / self.steps_drawn)
        if joint:
            self.kernel_optimiser.step()
            self.average = torch.lerp(kernel.detach(), self.average, self.prior.averaging)
        return float(loss.detach())

    def _is_quiet(self) -> bool:
        """Whether no noise is added any more."""
        return self.iteration >= _QUIET * self.prior.iterations

    def _measurement(self) -> torch.Tensor:
        """The measurement with the noise of the present step."""
        level = self.prior.noise * max(0.0, 1 - self.iteration / (_QUIET * self.prior.iterations))
        if level == 0:
            return self.plane
        noise = torch.randn(self.plane.shape, generator=self.noise_generator, device=self.device)
        return self.plane + level * noise

    def _has_settled(self) -> bool:
        """Whether the kernel changes no more, or the steps or the time are over."""
        if self.iteration >= self.prior.iterations or self._is_late():
            return True
        quiet = max(_QUIET * self.prior.iterations, self.prior.warm_up + _INTERVAL)
        if self.iteration % _INTERVAL:
            return False
        change = 1 - float(_correlation(self.average, self.earlier))
        self.earlier = self.average.clone()
        enough = self.iteration > quiet and self.steps_drawn >= _FEWEST_DRAWN
        return enough and change <= self.prior.settled

    def _is_late(self) -> bool:
        """Whether the rest of the time is for the picture; it is asked for after steps only."""
        budget = self.prior.budget
        return budget is not None and seconds_left() < (1 - _BEGINNING_SHARE) / 2 * budget

    def _finish(self) -> None:
        """Restore the picture with the new kernel, if that is believed, and lay the network's image over it.

        Where that image shows a part, or is of few steps, the kernel errs in other places than the first does as well.
        A kernel that was told may lie off the middle, and so does the new one then: the picture stays where it was.
        """
        self.done = True
        fitted, place = self.average.cpu().float(), off_centre(self.start)
        new = pruned(fitted, _PRUNED, _SMALLEST_PART).roll(place, (0, 1))
        plane, known = self.plane.cpu(), self.known.cpu()
        before, after = (restored_sparsity(plane, known, kernel, len(new)) for kernel in (self.start, new))
        likeness = float(kernel_similarity(new.numpy(), self.start.numpy()).value)
        evidence = {"sparsity": round(after / before, 4), "likeness": round(likeness, 4)}
        kept, drawn, believed = self.start, False, after < _CLEARLY_MORE * before
        if believed and not torch.equal(fitted, self.start):
            drawn = self._shows_all() and self.steps_drawn >= _FEWEST_DRAWN
            told = new if drawn else mean_kernel([new, self.start], [1.0, 1.0]).roll(place, (0, 1))
            image = self._restored(told)
            if image is not None:
                kept = told
                if drawn:
                    down, right = displacement(fitted, new)
                    x = corrected(self.drawn.roll((-down, -right), (0, 1)).cpu(), new, plane, known)
                    image = self._laid_over(image, x.to(image))
                self.image = image
        self.found = {
            "fitted": kept is not self.start,
            "drawn": drawn,
            "believed": believed,
            "kernel": trimmed(kept),
            "confidence": likeness,
            "evidence": evidence,
        }

    def _shows_all(self) -> bool:
        """Whether the hourglass draws the whole picture."""
        return self.plane.shape == self.problem.y.shape[-2:]

    @staticmethod
    def _laid_over(image: torch.Tensor, drawn: torch.Tensor) -> torch.Tensor:
        """The mean of an image and of a luma (H, W) that reaches beyond it at all sides."""
        own = _centre(drawn[None, None], tuple(image.shape[-2:]))
        return (image + _SHARE_OF_NETWORK * (own - _luma(image))).clamp(0, 1)

    def _restored(self, kernel: torch.Tensor) -> torch.Tensor | None:
        """The picture restored with a kernel; None where the time was too short."""
        problem = _with_kernel(self.problem, kernel.to(self.device))
        image, kind = guide_in_time(
            self.finish_kind, problem, _own_settings(self.finish_kind, problem), _END_SHARE
        )
        if kind != self.finish_kind:
            return None
        return _centre(image, tuple(self.problem.reference_shape[-2:])).contiguous()

    def shrink_step(self, factor: float) -> None:
        for group in (*self.optimiser.param_groups, *self.kernel_optimiser.param_groups):
            group["lr"] *= factor

    def kernel(self) -> KernelEstimate | None:
        """The kernel that the picture was restored with at the end of the run; None before."""
        if not self.found:
            return None
        found = self.found
        weights = found["kernel"].double().cpu().numpy()
        return KernelEstimate(weights, "free", {}, max(0.0, found["confidence"]), found["evidence"])

    def findings(self) -> dict[str, Any]:
        """Whether the kernel is the networks', and then what it is and what speaks for it."""
        estimate = self.kernel()
        if estimate is None:
            return {}
        if not self.found["fitted"]:  # what is known of the first one stands
            return {"kernel_fitted": False, "kernel_likeness": round(self.found["confidence"], 4)}
        weights = [[round(float(one), 6) for one in row] for row in estimate.kernel]
        return {"kernel_fitted": True, "kernel": {**estimate.to_dict(), "weights": weights}}

    def arrays(self) -> dict[str, torch.Tensor]:
        """The kernel."""
        return {"kernel": self.found["kernel"].to(self.device)} if self.found else {}

    def remark(self) -> str:
        """Which kernel the picture was restored with."""
        if not self.found:
            return f"{self.finish_kind} with the first kernel"
        if not self.found["fitted"]:
            is_worse = not self.found["believed"]
            why = "that of the networks is worse" if is_worse else "no steps or time were left for another"
            return f"{self.finish_kind} with the first kernel, since {why}"
        if self.found["drawn"]:
            return f"{self.finish_kind} with the kernel of the networks, averaged with their image"
        return f"{self.finish_kind} with the mean of the first kernel and that of the networks"


def convolved(x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """``k ∗ x`` where all of the kernel (n, n) lies on the image (H, W): (H − n + 1, W − n + 1)."""
    size, lost = x.shape, len(kernel) - 1
    product = torch.fft.rfft2(x) * torch.fft.rfft2(kernel, s=size)
    return torch.fft.irfft2(product, s=size)[lost:, lost:]


def corrected(x: torch.Tensor, kernel: torch.Tensor, y: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """``x + argmin over d of ‖m (k ∗ (x + d) − y)‖² + ε ‖d‖²``: what a network has left out of the measurement.

    A network draws fine structure late or never, although the measurement tells it where the kernel lets it through.
    Were its error white, of the power that the residual has beyond the noise, ``r² − σ² = Σ k² τ²``, the best weight
    would be ``ε = σ² / τ²``. It is less in coarse structure, so that ε is never below 0.03; and nothing is done where
    the residual is noise.

    Parameters
    ----------
    x : torch.Tensor
        (H + n − 1, W + n − 1).
    kernel : torch.Tensor
        k, (n, n).
    y, known : torch.Tensor
        The measurement (H, W) and m, 1 where it is known.
    """
    size = tuple(x.shape)
    transfer = torch.fft.rfft2(kernel, s=size)
    lost = len(kernel) - 1

    def spread(residual: torch.Tensor) -> torch.Tensor:
        padded = torch.nn.functional.pad(known * residual, (lost, 0, lost, 0))
        return torch.fft.irfft2(torch.fft.rfft2(padded) * transfer.conj(), s=size)

    residual = y - convolved(x, kernel)
    noise = estimate_sigma(y[None, None]) ** 2
    beyond = float((known * residual.square()).sum() / known.sum().clamp(min=1)) - noise
    if beyond <= 0:
        return x
    weight = max(_LEAST_TIE, noise * float(kernel.square().sum()) / beyond)
    change = conjugate_gradients(
        lambda d: spread(convolved(d[0, 0], kernel))[None, None] + weight * d,
        spread(residual)[None, None],
        iterations=_CORRECTION_STEPS,
    )
    return x + change[0, 0]


def _plane(problem: Problem) -> tuple[torch.Tensor, torch.Tensor]:
    """The grey values of the measurement (H, W), and 1 where all channels are known and not kept aside."""
    y = problem.y
    plane = _luma(y)[0, 0]
    known = problem.known_pixels()
    shown = torch.ones_like(plane) if known is None else known.expand_as(y)[0].amin(dim=0)
    return plane.float(), shown.to(plane)


def _luma(image: torch.Tensor) -> torch.Tensor:
    """The grey values of an image, (N, 1, H, W)."""
    return full_range_luma(image) if image.shape[1] == 3 else image.mean(dim=1, keepdim=True)


def _squared(kernel: torch.Tensor, margin: int, side: int) -> torch.Tensor:
    """The kernel in the middle of a square with `margin` more pixels, or as many as the side of the picture leaves."""
    longest = max(kernel.shape)
    margin = max(0, min(margin, (side // 2 - longest) // 2))
    square = kernel.new_zeros(longest + 2 * margin, longest + 2 * margin)
    _centre(square, tuple(kernel.shape)).copy_(kernel.clamp(min=0))
    return square


def _centre(image: torch.Tensor, size: tuple[int, ...]) -> torch.Tensor:
    """The part (…, height, width) in the middle."""
    top, left = ((whole - part) // 2 for whole, part in zip(image.shape[-2:], size, strict=True))
    return image[..., top : top + size[0], left : left + size[1]]


def _own_settings(kind: str, problem: Problem) -> dict[str, Any]:
    """Those with which the prior restores by itself, which are finer than those of a guide."""
    return {} if kind == "initial" else prior_class(kind).for_problem(problem).settings()


def _correlation(one: torch.Tensor, other: torch.Tensor) -> torch.Tensor:
    return (one * other).sum() / (one.norm() * other.norm())


def _with_kernel(problem: Problem, kernel: torch.Tensor) -> Problem:
    """The problem with another kernel, and with the level of what that gets wrong where this was part of the noise."""
    assert isinstance(problem.operator, Blur)
    operator = Blur(kernel, problem.operator.boundary).to(problem.y.device)
    frame = problem.frame
    if frame is not None:
        frame = Window(*operator.radius, frame.height, frame.width)
    posed = dataclasses.replace(problem, operator=operator, reference_shape=(), frame=frame)
    clipped = None if problem.clipped is None else problem.clipped > 0
    found = None
    if problem.equivalent_sigma is not None and problem.sigma is not None:
        found = noise_behind_blur(problem.y, kernel, clipped)
    if found is None:
        return posed
    assert problem.sigma is not None
    level = min(problem.sigma, max(found.sigma, estimate_sigma(problem.y)))
    return dataclasses.replace(posed, sigma=level, equivalent_sigma=max(level, found.strongest))
