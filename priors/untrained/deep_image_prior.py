"""Deep Image Prior as a configured object: every hyper-parameter, its default and its checks."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, ClassVar, get_args

import torch

from zeroshot.checks import is_number
from zeroshot.memory import available_memory
from zeroshot.prior import Prior, require_known_settings
from zeroshot.priors.untrained.guide import CHEAPER
from zeroshot.priors.untrained.networks.layers import Downsampling, Padding, Upsampling
from zeroshot.priors.untrained.recipes import all_recipes, recipe_for
from zeroshot.priors.untrained.run import DeepImageRun, working_precision
from zeroshot.problem import Problem
from zeroshot.registry import prior_class
from zeroshot.stopping import HeldOut, MaxIterations, StoppingRule, WindowedMovingVariance

CHOICES: dict[str, tuple[str, ...]] = {
    "recipe": ("fast", "reference"),
    "network": ("skip", "unet", "resnet", "decoder"),
    "padding": get_args(Padding),
    "upsampling": get_args(Upsampling),
    "downsampling": get_args(Downsampling),
    "pointwise": ("up", "none"),
    "input": ("noise", "meshgrid"),
    "perturbation_noise": ("fresh", "pool"),
    "guide": ("none", "initial", *CHEAPER),
    "guide_role": ("input", "fallback"),
    "optimiser": ("adam", "muon"),
    "averaging_start": ("constant", "growing"),
    "stopping": ("iterations", "held_out", "variance"),
    "precision": ("auto", "float32", "bfloat16"),
    "known_pixels": ("keep", "predict"),
    "allocator": ("keep", "system"),
}

#: Settings that are whole numbers, with the least that makes sense.
_COUNTS = {
    "scales": 1,
    "skip_channels": 0,
    "kernel_down": 1,
    "blocks": 1,
    "input_depth": 1,
    "iterations": 1,
    "backtracking_interval": 1,
    "window": 2,
    "patience": 1,
}
_ANY_SIZE = (0.0, float("inf"), "of at least 0")
_POSITIVE = (0.0, float("inf"), "above 0")
_RANGES = {
    "input_scale": _ANY_SIZE,
    "perturbation": _ANY_SIZE,
    "backtracking": _ANY_SIZE,
    "learning_rate": _POSITIVE,
    "adam_learning_rate": _POSITIVE,
    "averaging": (0.0, 1.0, "of at least 0 and below 1"),
    "held_out": (0.0, 1.0, "above 0 and below 1"),
}


def _is_whole(value: object) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


@dataclass(frozen=True)
class DeepImagePrior(Prior):
    """min over θ of D(A(network(z; θ)), y), for an untrained network and a fixed random z.

    The structure of the network is the prior: it fits images before it fits noise, so it is stopped early.
    The defaults below are the published denoising settings, so ``DeepImagePrior()`` is not what the name "dip"
    means: that is the ``fast`` recipe for the task at hand, which `for_problem` looks up.

    Parameters
    ----------
    recipe : {"fast", "reference"}
        Which row of :mod:`zeroshot.priors.untrained.recipes` the settings come from; kept for the provenance.
    network : {"skip", "unet", "resnet", "decoder"}
        The hourglass with skip connections, U-Net, residual network, or decoder only.
    channels : int or tuple of int
        Channels of every scale, or one number per scale from the finest to the coarsest.
    scales : int
        Number of scales where `channels` is one number.
    skip_channels : int
        Channels of the skip connections of the hourglass; 0 leaves them out.
    kernel_down : int
        Odd kernel size of the hourglass's encoder.
    padding, upsampling, downsampling : str
        How the network extends borders, enlarges and halves.
    pointwise : {"up", "none"}
        Whether a 1 × 1 convolution follows each convolution of the hourglass's decoder.
    blocks : int
        Number of blocks of the residual network.
    input : {"noise", "meshgrid"}
        The fixed input z: uniform noise or the pixel coordinates.
    input_depth : int
        Channels of the noise input.
    input_scale : float
        The noise input is uniform in [0, input_scale].
    perturbation : float
        Standard deviation of the Gaussian noise that is added to z anew at each iteration.
    perturbation_noise : {"fresh", "pool"}
        Draw that noise each time (published), or cut it from a pool drawn once (fast).
    guide : {"none", "initial", "tv", "wavelet", "dct", "bm3d", "ncsr", "pnp", "gsr"}
        A cheaper estimate of the image: the operator's first one, or that of the prior of this name.
    guide_role : {"input", "fallback"}
        The network reads the guide beside its noise, or knows nothing of it: then it is only what the result begins
        with.
    guide_settings : dict, optional
        Settings of the guide's prior: ``{"iterations": 24}``.
    network_share : float or "all"
        With a guide: the most that the network's image weighs in the result, beside the guide (see
        :class:`zeroshot.priors.untrained.blending.Blend`); "all" leaves the guide out of it from the beginning.
    handover : tuple of int
        The iterations between which the result moves from the guide to that share, where no held-out pixels
        tell how much.
    budget : float, optional
        Seconds that the run may take: where they are few, the guide is a cheaper one. Set by ``seconds=``.
    optimiser : {"adam", "muon"}
        Adam on all weights (published), or Muon on the kernels and Adam on the rest.
    learning_rate : float
        Learning rate of Adam, or of Muon's kernels.
    adam_learning_rate : float
        With Muon: the learning rate of the rest.
    iterations : int
        The most iterations to make.
    averaging : float
        Weight of the past in the exponential average over iterates that is returned; 0 returns the iterate.
    averaging_start : {"constant", "growing"}
        The weight of the past from the first iterate on (published), or growing to it, so that the first
        iterates, which are no images yet, are forgotten: 1 − 9/(t + 8) at iteration t.
    backtracking : float
        Where the fit is worse by more than this many dB than at the last comparison, the weights of that
        comparison are taken back; 0 never does.
    backtracking_interval : int
        Iterations between two comparisons.
    stopping : {"iterations", "held_out", "variance"}
        The rule that ends a run, beside the limit of iterations: none, the loss at measurements that were held
        out, or the windowed moving variance.
    held_out : float
        The fraction of measured pixels that "held_out" keeps aside.
    window, patience : int
        The window of "variance", and for how many iterations either rule waits for a new minimum.
    known_pixels : {"keep", "predict"}
        In noise-free inpainting: keep measured pixels as they are, or return the network's own.
    precision : {"auto", "float32", "bfloat16"}
        Of the network's arithmetic; weights and the image stay in float32. "auto" takes bfloat16 where the
        device computes with it natively.
    allocator : {"keep", "system"}
        On a CPU under Linux: keep freed memory for reuse (see :mod:`zeroshot.memory`).

    References
    ----------
    D. Ulyanov, A. Vedaldi, V. Lempitsky: Deep Image Prior, CVPR 2018; IJCV 128 (2020).
    """

    name: ClassVar[str] = "dip"
    summary: ClassVar[str] = "Deep Image Prior: an untrained network fitted to the one image, stopped early"

    recipe: str = "reference"
    network: str = "skip"
    channels: int | tuple[int, ...] = 128
    scales: int = 5
    skip_channels: int = 4
    kernel_down: int = 3
    padding: Padding = "reflect"
    upsampling: Upsampling = "bilinear"
    downsampling: Downsampling = "stride"
    pointwise: str = "up"
    blocks: int = 8
    input: str = "noise"
    input_depth: int = 32
    input_scale: float = 0.1
    perturbation: float = 1 / 30
    perturbation_noise: str = "fresh"
    guide: str = "none"
    guide_role: str = "input"
    guide_settings: dict[str, Any] | None = None
    network_share: float | str = "all"
    handover: tuple[int, int] = (75, 300)
    budget: float | None = None
    optimiser: str = "adam"
    learning_rate: float = 0.01
    adam_learning_rate: float = 0.01
    iterations: int = 3000
    averaging: float = 0.99
    averaging_start: str = "constant"
    backtracking: float = 5.0
    backtracking_interval: int = 1
    stopping: str = "iterations"
    held_out: float = 0.03
    window: int = 100
    patience: int = 1000
    known_pixels: str = "predict"
    precision: str = "float32"
    allocator: str = "keep"

    def __post_init__(self) -> None:
        if isinstance(self.channels, list):
            object.__setattr__(self, "channels", tuple(self.channels))
        for name, choices in CHOICES.items():
            if getattr(self, name) not in choices:
                known = ", ".join(map(repr, choices))
                raise ValueError(f"{name} must be one of {known}, got {getattr(self, name)!r}")
        given: Any = (self.channels,) if _is_whole(self.channels) else self.channels
        if not isinstance(given, tuple) or not given or not all(_is_whole(c) and c >= 1 for c in given):
            raise ValueError(f"channels must be a positive whole number, or several, got {self.channels!r}")
        if isinstance(self.channels, tuple):
            object.__setattr__(self, "scales", len(self.channels))
        for name, least in _COUNTS.items():
            value = getattr(self, name)
            if not _is_whole(value) or value < least:
                raise ValueError(f"{name} must be a whole number of at least {least}, got {value!r}")
        if self.kernel_down % 2 == 0:
            raise ValueError(f"kernel_down must be odd, got {self.kernel_down}")
        for name, (low, high, form) in _RANGES.items():
            value = getattr(self, name)
            if not is_number(value) or not low <= value < high or (value == 0 and "above 0" in form):
                raise ValueError(f"{name} must be a number {form}, got {value!r}")

        self._check_guide()
        self._check_blending()
        if self.guide == "initial" and self.stopping == "held_out":
            raise ValueError("guide 'initial' shows the held-out pixels; use guide 'tv' or another stopping")

    def _check_guide(self) -> None:
        if self.guide_settings is None:
            return
        if self.guide not in CHEAPER or not isinstance(self.guide_settings, dict):
            raise ValueError(
                f"guide_settings is a dict of settings of the guide's prior, got {self.guide_settings!r} "
                f"with guide {self.guide!r}"
            )
        require_known_settings(prior_class(self.guide), self.guide_settings)

    def _check_blending(self) -> None:
        share = self.network_share
        if share != "all" and not (is_number(share) and 0 < float(share) <= 1):
            raise ValueError(f"network_share must be 'all' or a number above 0 and up to 1, got {share!r}")
        if isinstance(self.handover, list):
            object.__setattr__(self, "handover", tuple(self.handover))
        pair = self.handover
        whole = isinstance(pair, tuple) and len(pair) == 2 and all(_is_whole(count) for count in pair)
        if not whole or not 0 <= pair[0] <= pair[1]:
            raise ValueError(f"handover must be two iterations, the first not after the second, got {pair!r}")
        if self.budget is not None and not (is_number(self.budget) and self.budget > 0):
            raise ValueError(f"budget must be None or a positive number of seconds, got {self.budget!r}")

    @property
    def channels_per_scale(self) -> tuple[int, ...]:
        """One number of channels per scale, from the finest to the coarsest."""
        return (self.channels,) * self.scales if isinstance(self.channels, int) else self.channels

    @classmethod
    def for_problem(cls, problem: Problem, **settings: Any) -> DeepImagePrior:
        require_known_settings(cls, settings)
        name = settings.get("recipe", "fast")
        merged = {"recipe": name, **recipe_for(name, problem).settings, **settings}
        if "scales" in settings and isinstance(merged.get("channels"), tuple | list):
            raise ValueError("scales goes with one number of channels; several channels are one per scale")
        return cls(**merged)

    @classmethod
    def settings_help(cls) -> str:
        """The settings with their defaults, allowed values and, beside them, what the recipes set."""
        lines = [
            "settings; a task's recipe (recipe='fast' unless you say recipe='reference') sets its own:",
        ]
        for field in dataclasses.fields(cls):
            choices = CHOICES.get(field.name)
            allowed = f"   one of {', '.join(choices)}" if choices else ""
            lines.append(f"    {field.name} = {field.default!r}{allowed}")
        for name, row in all_recipes().items():
            lines.append(f"\n{name}: {row.source}")
            lines += [f"    {key} = {value!r}" for key, value in row.settings.items()]
        return "\n".join(lines)

    def supports(self, problem: Problem) -> str | None:
        if problem.reference_shape[0] != 1:
            return "Deep Image Prior fits one network to one image; give the images of a batch one by one"
        if max(problem.reference_shape[-2:]) < 4:
            height, width = problem.reference_shape[-2:]
            return f"the image is too small for a network: {height} × {width}, needs one side of at least 4"
        return self._lack_of_memory(problem)

    def memory(self, problem: Problem) -> int:
        height, width = problem.reference_shape[-2:]
        size = 2 if working_precision(self.precision, problem.y.device) == torch.bfloat16 else 4
        # Measured peaks of the hourglass, in bytes a pixel, for 16 to 128 channels in either precision.
        return height * width * (950 + 21 * max(self.channels_per_scale) * size)

    def _lack_of_memory(self, problem: Problem) -> str | None:
        """Why the image is too large for the CPU's memory, or None."""
        free = None if torch.cuda.is_available() else available_memory()
        if free is None:
            return None
        height, width = problem.reference_shape[-2:]
        needed = self.memory(problem)
        if needed <= free:
            return None
        return (
            f"{height} × {width} pixels need about {needed / 2**30:.0f} GiB of memory and {free / 2**30:.0f} GiB "
            "are free; use fewer channels, a smaller image, or the prior 'tv'"
        )

    def within(self, seconds: float) -> DeepImagePrior:
        return dataclasses.replace(self, budget=seconds)

    def start(self, problem: Problem, generator: torch.Generator) -> DeepImageRun:
        return DeepImageRun(self, problem, generator)

    def default_stopping(self, problem: Problem) -> StoppingRule:
        limit = MaxIterations(self.iterations)
        if self.stopping == "held_out":
            return HeldOut(fraction=self.held_out, patience=self.patience) | limit
        if self.stopping == "variance":
            return WindowedMovingVariance(window=self.window, patience=self.patience) | limit
        return limit
