"""What the benchmark of Deep Image Prior runs on: crops and whole images of the shared sets, damaged with seed 0."""

from __future__ import annotations

import argparse
import ast
import hashlib
from pathlib import Path
from typing import Any

import torch
from damages import SHARED, Case, case, centre_crop

from zeroshot.images import load
from zeroshot.noise import add_gaussian, add_poisson, add_salt_and_pepper, random_mask
from zeroshot.operators import Blur, Downsample, Mosaic
from zeroshot.priors.untrained.deep_image_prior import DeepImagePrior
from zeroshot.problem import Problem
from zeroshot.tasks import make_problem

COLOUR = ("colour9", ["f16", "peppers", "kodim03", "baboon", "house"])
SETS = {
    "denoise": COLOUR,
    "denoise10": COLOUR,
    "denoise50": COLOUR,
    "poisson": COLOUR,
    "salt_pepper": COLOUR,
    "inpaint": ("inpaint11", ["barbara", "boat", "house", "montage", "man"]),
    "sr": ("set5/hr_x4", ["baby", "bird", "butterfly", "head", "woman"]),
    "demosaic": ("kodak_500", ["kodim05", "kodim07", "kodim13", "kodim19", "kodim23"]),
    "deblur": ("set12", ["cameraman", "house", "monarch", "parrot", "starfish"]),
}
#: Standard deviation in 8-bit grey levels.
NOISE = {"denoise": 25.0, "denoise10": 10.0, "denoise50": 50.0}
Damaged = tuple[str, torch.Tensor, dict[str, Any]]


def damage(task: str, clean: torch.Tensor, sigma: float) -> Damaged:
    """The task's name in the engine, the damaged image, and the task's options.

    Parameters
    ----------
    task : str
        A key of `SETS`.
    clean : torch.Tensor
        (1, C, H, W) in [0, 1].
    sigma : float
        Noise of the denoising tasks on the [0, 1] scale; not used elsewhere.
    """
    generator = torch.Generator().manual_seed(0)
    if task in NOISE:
        return "denoise", add_gaussian(clean, sigma, generator), {"sigma": sigma}
    if task == "poisson":
        return "denoise", add_poisson(clean, 60.0, generator), {"data_term": "poisson", "peak": 60.0}
    if task == "salt_pepper":
        return "denoise", add_salt_and_pepper(clean, 0.1, generator), {"data_term": "l1"}
    if task == "inpaint":
        mask = random_mask(tuple(clean.shape), 0.5, generator)
        return task, clean * mask, {"mask": mask}
    if task == "sr":
        return task, eight_bit(Downsample(4)(clean)), {"scale": 4}
    if task == "demosaic":
        return task, Mosaic("RGGB")(clean), {"pattern": "RGGB"}
    blur = Blur.gaussian(1.6)
    return "deblur", add_gaussian(blur(clean), 2 / 255, generator), {"kernel": blur.kernel, "sigma": 2 / 255}


def eight_bit(image: torch.Tensor) -> torch.Tensor:
    return image.mul(255).round().clamp(0, 255) / 255


def crop(task: str, name: str, size: int) -> Case:
    """The damaged centre crop of one image of a task's set."""
    clean = centre_crop(load(SHARED / SETS[task][0] / f"{name}.png").colours, size)
    engine_task, damaged, options = damage(task, clean, NOISE.get(task, 0.0) / 255)
    return Case(name, clean, damaged, engine_task, options)


def crops(task: str, arguments: argparse.Namespace) -> list[Case]:
    """The first images of a task's set."""
    return [crop(task, name, arguments.size) for name in SETS[task][1][: arguments.images]]


def whole(task: str, path: Path, scale: int = 4) -> Case:
    """A whole image, damaged as the published tables have it."""
    if task != "sr" or scale == 4:
        return case(task, path, NOISE.get(task, 0.0))
    clean = load(path).colours
    height, width = (side // scale * scale for side in clean.shape[-2:])
    clean = clean[..., :height, :width].contiguous()
    return Case(path.stem, clean, eight_bit(Downsample(scale)(clean)), "sr", {"scale": scale})


def problem_of(one: Case) -> Problem:
    """The problem as the engine poses it."""
    return make_problem(one.task, load(one.damaged), dict(one.options))[0]


def fast_settings(problem: Problem, arguments: argparse.Namespace) -> dict[str, Any]:
    """The settings that were given, for the default recipe, with its limit cut to `--iterations`."""
    settings = dict(arguments.settings)
    if arguments.iterations is not None:
        limit = DeepImagePrior.for_problem(problem, **settings).iterations
        settings["iterations"] = min(limit, arguments.iterations)
    return settings


def fast_prior(problem: Problem, arguments: argparse.Namespace) -> DeepImagePrior:
    """What :func:`zeroshot.solve` makes of them."""
    return DeepImagePrior.for_problem(problem, **fast_settings(problem, arguments))


def fingerprint(*parts: object) -> str:
    """Eight digits that change with the settings, so that figures of other settings are not taken for these."""
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:8]


def setting(text: str) -> tuple[str, Any]:
    """``name=value`` as a pair."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"a setting is written name=value, got {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value
