"""What the benchmark of Deep Image Prior runs on, and how it runs the fast recipe."""

from __future__ import annotations

import argparse
import ast
import hashlib
from typing import Any

import torch

import zeroshot
from benchmarks.sets import SHARED, damaged, picture
from zeroshot.images import load
from zeroshot.priors.untrained.deep_image_prior import DeepImagePrior
from zeroshot.problem import Problem
from zeroshot.restoration import Restoration
from zeroshot.tasks import make_problem
from zeroshot.tasks.degrade import Degraded

COLOUR = ("colour9", ["f16", "peppers", "kodim03", "baboon", "house"])
#: A key of :data:`benchmarks.sets.DAMAGES` → the set and the images that it is tried on.
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


def crop(task: str, name: str, size: int) -> Degraded:
    """The damaged centre crop of one image of a task's set."""
    return damaged(task, picture(SHARED / SETS[task][0] / f"{name}.png", size))


def crops(task: str, arguments: argparse.Namespace) -> dict[str, Degraded]:
    """The first images of a task's set by name."""
    return {name: crop(task, name, arguments.size) for name in SETS[task][1][: arguments.images]}


def heading(task: str, arguments: argparse.Namespace) -> str:
    """The title of a table over those crops."""
    return f"{task}, {SETS[task][0]}, centre crops of {arguments.size}, seed {arguments.seed}"


def problem_of(one: Degraded) -> Problem:
    """The problem as the engine poses it."""
    return make_problem(one.task, load(one.measurement), dict(one.options))[0]


def solved(one: Degraded, arguments: argparse.Namespace, **more: Any) -> Restoration:
    """The result of a whole call of solve(), with the settings of the fast recipe unless `more` has others.

    Raises
    ------
    KeyboardInterrupt
        Where the user ended it: its figures are not those of a whole run.
    """
    given = {"settings": fast_settings(problem_of(one), arguments)} | more
    result = zeroshot.solve(
        one.measurement,
        one.task,
        "dip",
        seed=arguments.seed,
        device=arguments.device,
        progress=False,
        **given,
        **one.options,
    )
    if result.interrupted:
        raise KeyboardInterrupt
    return result


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


def fingerprint(prior: DeepImagePrior, problem: Problem, *more: object) -> str:
    """Eight digits that change with the settings, so that figures of other settings are not taken for these."""
    return hashlib.sha256(repr((prior, prior.default_stopping(problem), *more)).encode()).hexdigest()[:8]


def psnr_of(image: torch.Tensor, one: Degraded) -> float:
    """PSNR of an image, on whatever device, within [0, 1]."""
    return zeroshot.metrics.psnr(image.cpu().clamp(0, 1), one.truth)


def setting(text: str) -> tuple[str, Any]:
    """``name=value`` as a pair."""
    name, equals, value = text.partition("=")
    if not name or not equals:
        raise argparse.ArgumentTypeError(f"a setting is written name=value, got {text!r}")
    try:
        return name, ast.literal_eval(value)
    except (ValueError, SyntaxError):
        return name, value
