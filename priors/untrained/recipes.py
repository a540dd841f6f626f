"""The recipes of Deep Image Prior: hyper-parameters per task, each row with its source.

``reference`` is what was published. ``fast`` is what a laptop should run; its rows were chosen over the shared
test sets with ``python -m benchmarks.dip``. Which row a problem gets is decided in
:mod:`zeroshot.priors.untrained.recipe_choice`. Nothing here needs torch, so that the command line can list the
rows without waiting for it.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

_NOTEBOOKS = "github.com/DmitryUlyanov/deep-image-prior (notebooks of the paper's authors)"


@dataclass(frozen=True)
class Recipe:
    """A row of the table: where the settings come from, and the settings."""

    source: str
    settings: dict[str, Any] = field(default_factory=dict)


PUBLISHED_DENOISING = Recipe(
    f"denoising.ipynb, {_NOTEBOOKS}",
    {"iterations": 3000, "learning_rate": 0.01, "perturbation": 1 / 30, "averaging": 0.99},
)
PUBLISHED_STRONG_DENOISING = Recipe(
    f"denoising.ipynb (its remark on sigma = 50), {_NOTEBOOKS}",
    {**PUBLISHED_DENOISING.settings, "perturbation": 1 / 20},
)
PUBLISHED_SR_4 = Recipe(
    f"super-resolution.ipynb, {_NOTEBOOKS}",
    {
        "iterations": 2000,
        "learning_rate": 0.01,
        "perturbation": 0.03,
        "averaging": 0.0,
        "backtracking": 0.0,
    },
)
PUBLISHED_SR_8 = Recipe(
    f"super-resolution.ipynb, {_NOTEBOOKS}",
    {
        "iterations": 4000,
        "learning_rate": 0.01,
        "perturbation": 0.05,
        "averaging": 0.0,
        "backtracking": 0.0,
    },
)
PUBLISHED_RANDOM_HOLES = Recipe(
    f"restoration.ipynb (barbara, half of the pixels), {_NOTEBOOKS}",
    {
        "iterations": 11000,
        "learning_rate": 0.001,
        "perturbation": 0.03,
        "averaging": 0.0,
        "backtracking_interval": 50,
    },
)
PUBLISHED_FEW_PIXELS = Recipe(
    f"restoration.ipynb (kate, 2 % of the pixels), {_NOTEBOOKS}",
    {
        "iterations": 1000,
        "learning_rate": 0.01,
        "perturbation": 0.0,
        "averaging": 0.0,
        "channels": (16, 32, 64, 128, 128),
        "skip_channels": 0,
        "downsampling": "average",
        "backtracking_interval": 50,
    },
)
PUBLISHED_TEXT = Recipe(
    f"inpainting.ipynb (kate, text), {_NOTEBOOKS}",
    {
        "iterations": 6001,
        "learning_rate": 0.01,
        "perturbation": 0.03,
        "averaging": 0.0,
        "skip_channels": 128,
        "upsampling": "nearest",
        "backtracking": 0.0,
    },
)
PUBLISHED_REGION = Recipe(
    # The notebook also means to perturb the weights, but rebinds a local name: the weights stay as they are.
    f"inpainting.ipynb (library, a large hole), {_NOTEBOOKS}",
    {
        "iterations": 3001,
        "learning_rate": 0.01,
        "perturbation": 0.0,
        "averaging": 0.0,
        "input_depth": 1,
        "channels": (16, 32, 64, 128, 128, 128),
        "skip_channels": 0,
        "kernel_down": 5,
        "upsampling": "nearest",
        "pointwise": "none",
        "backtracking": 0.0,
    },
)

_FAST = {
    "precision": "auto",
    "channels": 32,
    "perturbation_noise": "pool",
    "optimiser": "muon",
    "averaging_start": "growing",
    "backtracking": 0.0,
}
_MEASURED = "python -m benchmarks.dip, means over crops of the shared sets"

FAST_DENOISING = Recipe(
    _MEASURED,
    {
        **_FAST,
        "guide": "bm3d",
        # Held-out pixels overrate the network: the guide, made of single patches, misses them more.
        "network_share": 0.5,
        "learning_rate": 0.02,
        "perturbation": 0.1,
        "averaging": 0.97,
        "iterations": 400,
        "stopping": "gain",
        "patience": 75,
        "refit": 20,
    },
)
FAST_WEAK_NOISE = Recipe(
    # Strong perturbation costs detail that weak noise leaves.
    _MEASURED,
    {**FAST_DENOISING.settings, "perturbation": 0.04},
)
FAST_INDIRECT_WEAK_NOISE = Recipe(
    # Behind an operator held-out measurements prefer the closest fit, so that only the iterations end a run.
    _MEASURED,
    {
        **_FAST,
        "guide": "pnp",
        "network_share": 0.7,
        "handover": (50, 200),
        "learning_rate": 0.02,
        "perturbation": 0.04,
        "averaging": 0.97,
        "iterations": 300,
    },
)
FAST_INDIRECT_NOISE = Recipe(
    # The network fits such noise through the operator after a hundred iterations.
    _MEASURED,
    {**FAST_INDIRECT_WEAK_NOISE.settings, "handover": (25, 75), "iterations": 100},
)
FAST_HOLES = Recipe(
    _MEASURED,
    {
        **_FAST,
        "guide": "pnp",
        "network_share": 0.6,
        "handover": (50, 250),
        "learning_rate": 0.01,
        "perturbation": 0.02,
        "averaging": 0.98,
        "iterations": 300,
        "known_pixels": "keep",
    },
)
FAST_COLOURS = Recipe(
    # What is missing is out of a patch's reach, so that a guide would be of no use to the network.
    _MEASURED,
    {
        **_FAST,
        "guide": "initial",
        "guide_role": "fallback",
        "network_share": 1.0,
        "handover": (100, 300),
        "learning_rate": 0.01,
        "perturbation": 0.02,
        "averaging": 0.98,
        "iterations": 700,
        "known_pixels": "keep",
    },
)
FAST_REGIONS = Recipe(
    # A smooth filling, and the network's texture as far as it is right about the rims. Inside, it is right less often.
    _MEASURED,
    {**FAST_COLOURS.settings, "network_share": 0.5, "stopping": "rim", "patience": 120, "refit": 40},
)
FAST_MOSAIC = Recipe(
    # Without the guide the colours alias.
    _MEASURED,
    {
        **_FAST,
        "guide": "wavelet",
        "network_share": 0.5,
        "handover": (50, 200),
        "learning_rate": 0.01,
        "adam_learning_rate": 0.005,
        "perturbation": 0.04,
        "averaging": 0.98,
        "iterations": 250,
    },
)
FAST_SR = Recipe(
    _MEASURED,
    {
        **_FAST,
        "guide": "ncsr",
        "network_share": 1.0,
        "handover": (75, 300),
        "learning_rate": 0.01,
        "perturbation": 0.06,
        "averaging": 0.98,
        "iterations": 600,
    },
)
FAST_LARGE_SR = Recipe(
    # Sparse and total-variation models have nothing right to show at such scales (see benchmarks/dip.md).
    _MEASURED,
    {
        **FAST_SR.settings,
        "guide": "tv",
        "guide_role": "fallback",
        "handover": (200, 400),
        "iterations": 800,
    },
)
FAST_NOISE_FREE = Recipe(_MEASURED, {**FAST_SR.settings, "guide": "pnp"})


def all_recipes() -> dict[str, Recipe]:
    """Every row by what it is for."""
    return {
        "fast, denoise from about 12 grey levels": FAST_DENOISING,
        "fast, denoise weaker noise": FAST_WEAK_NOISE,
        "fast, other tasks with noise below 5 grey levels": FAST_INDIRECT_WEAK_NOISE,
        "fast, other tasks with noise": FAST_INDIRECT_NOISE,
        "fast, noise-free inpaint": FAST_HOLES,
        "fast, noise-free inpaint of large holes": FAST_REGIONS,
        "fast, noise-free colorize": FAST_COLOURS,
        "fast, noise-free demosaic": FAST_MOSAIC,
        "fast, noise-free sr below x6": FAST_SR,
        "fast, noise-free sr from x6": FAST_LARGE_SR,
        "fast, noise-free deblur and restore": FAST_NOISE_FREE,
        "reference, denoise": PUBLISHED_DENOISING,
        "reference, denoise at sigma 50": PUBLISHED_STRONG_DENOISING,
        "reference, sr below x6": PUBLISHED_SR_4,
        "reference, sr from x6": PUBLISHED_SR_8,
        "reference, inpaint random pixels": PUBLISHED_RANDOM_HOLES,
        "reference, inpaint more than 90 % missing": PUBLISHED_FEW_PIXELS,
        "reference, inpaint small holes": PUBLISHED_TEXT,
        "reference, inpaint a large hole": PUBLISHED_REGION,
    }
