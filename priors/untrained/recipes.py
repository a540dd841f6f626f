"""The recipes of Deep Image Prior: hyper-parameters per task, each row with its source.

``reference`` is what was published. ``fast`` is what a laptop should run; its rows were chosen over the shared
test sets with ``python -m benchmarks.dip``.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import torch

from zeroshot.operators import Identity, Mask
from zeroshot.priors.untrained.guide import CHEAPER, can_guide
from zeroshot.problem import Problem

_NOTEBOOKS = "github.com/DmitryUlyanov/deep-image-prior (notebooks of the paper's authors)"


@dataclass(frozen=True)
class Recipe:
    """A row of the table: where the settings come from, and the settings."""

    source: str
    settings: dict[str, Any] = field(default_factory=dict)


_PUBLISHED_DENOISING = Recipe(
    f"denoising.ipynb, {_NOTEBOOKS}",
    {"iterations": 3000, "learning_rate": 0.01, "perturbation": 1 / 30, "averaging": 0.99},
)
_PUBLISHED_STRONG_DENOISING = Recipe(
    f"denoising.ipynb (its remark on sigma = 50), {_NOTEBOOKS}",
    {**_PUBLISHED_DENOISING.settings, "perturbation": 1 / 20},
)
_PUBLISHED_SR_4 = Recipe(
    f"super-resolution.ipynb, {_NOTEBOOKS}",
    {
        "iterations": 2000,
        "learning_rate": 0.01,
        "perturbation": 0.03,
        "averaging": 0.0,
        "backtracking": 0.0,
    },
)
_PUBLISHED_SR_8 = Recipe(
    f"super-resolution.ipynb, {_NOTEBOOKS}",
    {
        "iterations": 4000,
        "learning_rate": 0.01,
        "perturbation": 0.05,
        "averaging": 0.0,
        "backtracking": 0.0,
    },
)
_PUBLISHED_RANDOM_HOLES = Recipe(
    f"restoration.ipynb (barbara, half of the pixels), {_NOTEBOOKS}",
    {
        "iterations": 11000,
        "learning_rate": 0.001,
        "perturbation": 0.03,
        "averaging": 0.0,
        "backtracking_interval": 50,
    },
)
_PUBLISHED_FEW_PIXELS = Recipe(
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
_PUBLISHED_TEXT = Recipe(
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
_PUBLISHED_REGION = Recipe(
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

_FAST_DENOISING = Recipe(
    _MEASURED,
    {
        **_FAST,
        "guide": "bm3d",
        # Held-out pixels overrate the network: the guide, made of single patches, misses them more.
        "network_share": 0.5,
        "learning_rate": 0.02,
        "perturbation": 0.1,
        "averaging": 0.97,
        "iterations": 300,
        "stopping": "held_out",
        "patience": 100,
    },
)
_FAST_WEAK_NOISE = Recipe(
    # Strong perturbation costs detail that weak noise leaves.
    _MEASURED,
    {**_FAST_DENOISING.settings, "perturbation": 0.04},
)
_FAST_INDIRECT_WEAK_NOISE = Recipe(
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
_FAST_INDIRECT_NOISE = Recipe(
    # The network fits such noise through the operator after a hundred iterations.
    _MEASURED,
    {**_FAST_INDIRECT_WEAK_NOISE.settings, "handover": (25, 75), "iterations": 100},
)
_FAST_HOLES = Recipe(
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
_FAST_REGIONS = Recipe(
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
_FAST_MOSAIC = Recipe(
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
_FAST_SR = Recipe(
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
_FAST_LARGE_SR = Recipe(
    # Sparse and total-variation models have nothing right to show at such scales (see benchmarks/dip.md).
    _MEASURED,
    {
        **_FAST_SR.settings,
        "guide": "tv",
        "guide_role": "fallback",
        "handover": (200, 400),
        "iterations": 800,
    },
)
_FAST_NOISE_FREE = Recipe(_MEASURED, {**_FAST_SR.settings, "guide": "pnp"})
#: Radius in pixels of the largest hole that a guide is made for.
_SMALL_HOLE = 6.0


def all_recipes() -> dict[str, Recipe]:
    """Every row by what it is for."""
    return {
        "fast, denoise from about 12 grey levels": _FAST_DENOISING,
        "fast, denoise weaker noise": _FAST_WEAK_NOISE,
        "fast, other tasks with noise below 5 grey levels": _FAST_INDIRECT_WEAK_NOISE,
        "fast, other tasks with noise": _FAST_INDIRECT_NOISE,
        "fast, noise-free inpaint": _FAST_HOLES,
        "fast, noise-free inpaint of large holes, and colorize": _FAST_REGIONS,
        "fast, noise-free demosaic": _FAST_MOSAIC,
        "fast, noise-free sr below x6": _FAST_SR,
        "fast, noise-free sr from x6": _FAST_LARGE_SR,
        "fast, noise-free deblur and restore": _FAST_NOISE_FREE,
        "reference, denoise": _PUBLISHED_DENOISING,
        "reference, denoise at sigma 50": _PUBLISHED_STRONG_DENOISING,
        "reference, sr below x6": _PUBLISHED_SR_4,
        "reference, sr from x6": _PUBLISHED_SR_8,
        "reference, inpaint random pixels": _PUBLISHED_RANDOM_HOLES,
        "reference, inpaint more than 90 % missing": _PUBLISHED_FEW_PIXELS,
        "reference, inpaint small holes": _PUBLISHED_TEXT,
        "reference, inpaint a large hole": _PUBLISHED_REGION,
    }


def recipe_for(name: str, problem: Problem) -> Recipe:
    """The row of recipe `name` for this problem.

    Raises
    ------
    ValueError
        Where there is no recipe of that name.
    """
    if name == "reference":
        return _reference(problem)
    if name == "fast":
        return _fast(problem)
    raise ValueError(f"there is no recipe {name!r}; there are 'fast' and 'reference'")


def _reference(problem: Problem) -> Recipe:
    if problem.task == "sr":
        return _PUBLISHED_SR_8 if _enlargement(problem) >= 6 else _PUBLISHED_SR_4
    if problem.task == "demosaic":
        return _PUBLISHED_RANDOM_HOLES
    if problem.task in ("inpaint", "colorize"):
        return _published_inpainting(problem)
    if problem.task in ("deblur", "restore") and not _is_noisy(problem):
        return _PUBLISHED_SR_4
    strong = problem.sigma is not None and problem.sigma > 37 / 255
    return _PUBLISHED_STRONG_DENOISING if strong else _PUBLISHED_DENOISING


def _published_inpainting(problem: Problem) -> Recipe:
    missing, radius = hole_shape(problem)
    if missing > 0.9:
        return _PUBLISHED_FEW_PIXELS
    if radius > 0.06 * min(problem.reference_shape[-2:]):
        return _PUBLISHED_REGION
    return _PUBLISHED_RANDOM_HOLES if missing > 0.25 else _PUBLISHED_TEXT


def _fast(problem: Problem) -> Recipe:
    row = _fast_row(problem)
    guide = row.settings["guide"]
    while guide != "initial" and not can_guide(guide, problem):
        guide = CHEAPER[guide]
    if guide == "initial" and "guide_role" not in row.settings:
        # It shows the held-out pixels, and bakes its artefacts in.
        guide = "none"
    settings = {**row.settings, "guide": guide}
    if settings.get("stopping") == "held_out":
        settings["held_out"] = _share_to_hold_out(problem)
    return replace(row, settings=settings)


def _share_to_hold_out(problem: Problem) -> float:
    """A thousand pixels tell images apart; more than 3 % cost the image, and less than 1 % gain nothing."""
    pixels = problem.y.shape[-2] * problem.y.shape[-1]
    return min(0.03, max(0.01, round(1000 / pixels, 3)))


def _fast_row(problem: Problem) -> Recipe:
    if _is_noisy(problem):
        assert problem.sigma is not None
        if isinstance(problem.operator, Identity | Mask):
            return _FAST_DENOISING if problem.sigma > 12 / 255 else _FAST_WEAK_NOISE
        return _FAST_INDIRECT_NOISE if problem.sigma >= 5 / 255 else _FAST_INDIRECT_WEAK_NOISE
    if problem.task == "demosaic":
        return _FAST_MOSAIC
    if problem.task == "colorize":
        return _FAST_REGIONS
    if problem.task == "inpaint":
        return _FAST_HOLES if hole_shape(problem)[1] <= _SMALL_HOLE else _FAST_REGIONS
    if problem.task == "sr":
        return _FAST_LARGE_SR if _enlargement(problem) >= 6 else _FAST_SR
    return _FAST_NOISE_FREE


def _is_noisy(problem: Problem) -> bool:
    return problem.sigma is not None and problem.sigma > 0.5 / 255


def _enlargement(problem: Problem) -> float:
    return problem.reference_shape[-1] / problem.y.shape[-1]


def hole_shape(problem: Problem) -> tuple[float, float]:
    """The fraction of missing pixels, and the radius in pixels of the largest disc of missing pixels.

    Random holes of one half have a radius of two or three pixels, a scratch or a letter one of a few pixels,
    a removed object one of many.
    """
    if problem.measured is None:
        return 0.0, 0.0
    from scipy.ndimage import distance_transform_edt

    known = problem.measured.amin(dim=1)[0].cpu() > 0.5
    known = known.expand(problem.y.shape[-2:])
    missing = 1 - float(known.to(torch.float32).mean())
    # A border of known pixels would hide how far a hole at the edge of the image reaches inwards.
    return missing, float(distance_transform_edt(~known.numpy()).max())
