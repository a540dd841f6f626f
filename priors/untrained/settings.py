"""The hyper-parameters of Deep Image Prior: their defaults, their checks, and the text that lists them.

Nothing here needs torch, so that the command line can list the settings without waiting for it.
"""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import Any, Literal, get_args

from zeroshot.checks import (
    is_number,
    is_whole,
    require_choice,
    require_fraction,
    require_number,
    require_positive,
    require_whole,
)
from zeroshot.priors.untrained.recipes import all_recipes

Padding = Literal["reflect", "replicate", "zeros"]
Upsampling = Literal["bilinear", "nearest"]
Downsampling = Literal["stride", "average", "max"]

#: The priors that can make a guide, each with the cheaper one to take where a budget is too short for it.
#: The operator's first estimate, "initial", costs nothing.
CHEAPER = {
    "gsr": "pnp",
    "pnp": "dct",
    "ncsr": "tv",
    "bm3d": "wavelet",
    "wavelet": "tv",
    "dct": "tv",
    "tv": "initial",
}

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
    "stopping": ("iterations", "held_out", "gain", "rim", "variance"),
    "precision": ("auto", "float32", "bfloat16"),
    "known_pixels": ("keep", "predict"),
    "allocator": ("keep", "system"),
}


@dataclass(frozen=True)
class DeepImageSettings:
    """The hyper-parameters; the defaults are the published ones for denoising.

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
        A cheaper estimate of the image: the operator's first one, or that of the prior of this name. Without one
        ("none", or None) the network stands for itself, as in the papers that compare with it.
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
    stopping : {"iterations", "held_out", "gain", "rim", "variance"}
        The rule that ends a run, beside the limit of iterations: none, the loss at measurements that were held
        out when it has passed its minimum, or when it gains nothing that is clear beside its standard error (see
        :class:`zeroshot.stopping.HeldOutGain`), that with the rims of large holes held out, or the windowed moving
        variance.
    held_out : float
        The fraction of measured pixels that "held_out" and "gain" keep aside, and "rim" where there is no large hole.
    rim : int
        The width in pixels of the rims that "rim" keeps aside.
    refit : int
        Iterations on all measurements, from the best so far and with a guide that is made of all of them, after
        "held_out", "gain" or "rim" has ended the run; 0: none, as published. They are among `iterations`, and at most
        a quarter of them.
    window, patience : int
        The window of "variance", and for how many iterations a rule waits for a new minimum or a clear gain.
    known_pixels : {"keep", "predict"}
        In noise-free inpainting: keep measured pixels as they are, or return the network's own.
    precision : {"auto", "float32", "bfloat16"}
        Of the network's arithmetic; weights and the image stay in float32. "auto" takes bfloat16 where the
        device computes with it natively.
    allocator : {"keep", "system"}
        On a CPU under Linux: keep freed memory for reuse (see :mod:`zeroshot.memory`).

    Raises
    ------
    ValueError
        Where one is out of range.
    """

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
    rim: int = 8
    refit: int = 0
    window: int = 100
    patience: int = 1000
    known_pixels: str = "predict"
    precision: str = "float32"
    allocator: str = "keep"

    def __post_init__(self) -> None:
        if self.guide is None:
            object.__setattr__(self, "guide", "none")
        for name, choices in CHOICES.items():
            require_choice(self, name, choices)
        self._check_channels()
        require_whole(self, "scales", "kernel_down", "blocks", "input_depth", "iterations")
        require_whole(self, "backtracking_interval", "patience")
        require_whole(self, "rim")
        require_whole(self, "skip_channels", "refit", least=0)
        require_whole(self, "window", least=2)
        if self.kernel_down % 2 == 0:
            raise ValueError(f"kernel_down must be odd, got {self.kernel_down}")
        require_number(self, "input_scale", "perturbation", "backtracking")
        require_number(self, "averaging", below=1)
        require_positive(self, "learning_rate", "adam_learning_rate")
        require_fraction(self, "held_out")
        require_positive(self, "budget", none="allowed")
        self._check_blending()
        if self.guide == "initial" and self.stopping in ("held_out", "gain"):
            raise ValueError("guide 'initial' shows the held-out pixels; use guide 'tv' or another stopping")

    def _check_channels(self) -> None:
        several = isinstance(self.channels, list | tuple)
        given: Any = tuple(self.channels) if several else (self.channels,)  # type: ignore[arg-type]
        if not given or not all(is_whole(one) and one >= 1 for one in given):
            raise ValueError(f"channels must be a positive whole number, or several, got {self.channels!r}")
        counts = tuple(int(one) for one in given)
        object.__setattr__(self, "channels", counts if several else counts[0])
        if several:
            object.__setattr__(self, "scales", len(counts))

    def _check_blending(self) -> None:
        share = self.network_share
        if share != "all" and not (is_number(share) and 0 < share <= 1):
            raise ValueError(f"network_share must be 'all' or a number above 0 and up to 1, got {share!r}")
        if isinstance(self.handover, list):
            object.__setattr__(self, "handover", tuple(self.handover))
        pair = self.handover
        whole = isinstance(pair, tuple) and len(pair) == 2 and all(is_whole(count) for count in pair)
        if not whole or not 0 <= pair[0] <= pair[1]:
            raise ValueError(f"handover must be two iterations, the first not after the second, got {pair!r}")

    @property
    def channels_per_scale(self) -> tuple[int, ...]:
        """One number of channels per scale, from the finest to the coarsest."""
        return (self.channels,) * self.scales if isinstance(self.channels, int) else self.channels

    @property
    def refit_iterations(self) -> int:
        """The iterations on all measurements that a run ends with: `refit`, at most a quarter of all."""
        return min(self.refit, self.iterations // 4)

    @property
    def reads_guide(self) -> bool:
        """Whether the guide is among the input channels."""
        return self.guide != "none" and self.guide_role == "input"

    def input_channels(self, image_channels: int) -> int:
        """The channels of the network's input: the fixed input z and, where the network reads one, the guide."""
        fixed = 2 if self.input == "meshgrid" else self.input_depth
        return fixed + image_channels if self.reads_guide else fixed


def settings_help() -> str:
    """The settings with their defaults, allowed values and, beside them, what the recipes set."""
    lines = [
        "settings; a task's recipe (recipe='fast' unless you say recipe='reference') sets its own:",
    ]
    for field in dataclasses.fields(DeepImageSettings):
        choices = CHOICES.get(field.name)
        allowed = f"   one of {', '.join(choices)}" if choices else ""
        lines.append(f"    {field.name} = {field.default!r}{allowed}")
    for name, row in all_recipes().items():
        lines.append(f"\n{name}: {row.source}")
        lines += [f"    {key} = {value!r}" for key, value in row.settings.items()]
    return "\n".join(lines)
