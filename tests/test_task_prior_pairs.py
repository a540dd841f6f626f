"""Every task with every prior that supports it restores a real crop better than the operator's first estimate."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import zeroshot
from zeroshot.images import load
from zeroshot.metrics import psnr
from zeroshot.noise import add_gaussian, random_mask
from zeroshot.operators import Blur, Downsample, Grayscale, Mosaic
from zeroshot.registry import prior_class
from zeroshot.tasks import make_problem

Damaged = tuple[torch.Tensor, dict[str, Any]]


def seed(number: int = 0) -> torch.Generator:
    return torch.Generator().manual_seed(number)


def denoise(clean: torch.Tensor) -> Damaged:
    return add_gaussian(clean, 25 / 255, seed()), {"sigma": 25 / 255}


def inpaint(clean: torch.Tensor) -> Damaged:
    mask = random_mask(tuple(clean.shape), 0.5, seed())
    return clean * mask, {"mask": mask}


def inpaint_noisy(clean: torch.Tensor) -> Damaged:
    # Without noise total variation does no better at random holes than the smooth filling it starts from.
    mask = random_mask(tuple(clean.shape), 0.5, seed())
    return add_gaussian(clean, 15 / 255, seed()) * mask, {"mask": mask, "sigma": 15 / 255}


def super_resolve(clean: torch.Tensor) -> Damaged:
    return Downsample(2)(clean), {"scale": 2}


def colorize(clean: torch.Tensor) -> Damaged:
    drawn = random_mask(tuple(clean.shape), 0.95, seed())
    hints = torch.cat([clean * drawn, drawn], dim=1)
    return Grayscale()(clean), {"hints": hints}


def demosaic(clean: torch.Tensor) -> Damaged:
    return Mosaic("RGGB")(clean), {"pattern": "RGGB"}


def deblur(clean: torch.Tensor) -> Damaged:
    blur = Blur.gaussian(1.5)
    return add_gaussian(blur(clean), 2 / 255, seed()), {"kernel": blur.kernel, "sigma": 2 / 255}


def restore(clean: torch.Tensor) -> Damaged:
    operator = Mosaic("RGGB") @ Downsample(2)
    return add_gaussian(operator(clean), 10 / 255, seed()), {"operator": operator, "sigma": 10 / 255}


# The gain in dB that is asked for: well below what is measured, well above chance.
PAIRS: list[tuple[str, str, Callable[[torch.Tensor], Damaged], float]] = [
    ("denoise", "tv", denoise, 6.0),
    ("inpaint", "tv", inpaint_noisy, 1.0),
    ("sr", "tv", super_resolve, 0.5),
    ("colorize", "tv", colorize, 5.0),
    ("demosaic", "tv", demosaic, 0.5),
    ("deblur", "tv", deblur, 1.5),
    ("restore", "tv", restore, 0.5),
    ("denoise", "dip", denoise, 6.0),
    ("inpaint", "dip", inpaint, 0.5),
    ("sr", "dip", super_resolve, 0.5),
    ("colorize", "dip", colorize, 5.0),
    ("demosaic", "dip", demosaic, 0.5),
    ("deblur", "dip", deblur, 1.0),
    ("restore", "dip", restore, 0.5),
]


@pytest.mark.parametrize(
    ("task", "prior", "damage", "gain"), PAIRS, ids=lambda v: v if isinstance(v, str) else ""
)
def test_the_restored_image_beats_the_first_estimate(
    task: str, prior: str, damage: Callable[[torch.Tensor], Damaged], gain: float, photograph: torch.Tensor
) -> None:
    damaged, options = damage(photograph)
    problem, _, _ = make_problem(task, load(damaged), dict(options))
    before = psnr(problem.initial(), photograph)
    settings = {"precision": "float32"} if prior == "dip" else {}
    result = zeroshot.solve(damaged, task, prior, settings=settings, **options)
    after = psnr(result.image.clamp(0, 1), photograph)
    print(
        f"{task} {prior}: {before:.2f} → {after:.2f} dB, {result.iterations} iterations, {result.seconds:.1f} s"
    )
    assert result.image.shape == photograph.shape
    assert after > before + gain


def test_every_pair_that_is_supported_is_tested(photograph: torch.Tensor) -> None:
    tested = {(task, prior) for task, prior, _, _ in PAIRS}
    damages = {task: damage for task, _, damage, _ in PAIRS}
    for task in zeroshot.tasks():
        damaged, options = damages[task](photograph)
        problem, _, _ = make_problem(task, load(damaged), dict(options))
        for prior in zeroshot.prior_names():
            if prior_class(prior).for_problem(problem).supports(problem) is None:
                assert (task, prior) in tested


@pytest.mark.parametrize("prior", ["dip", "tv"])
def test_colours_without_hints_are_a_guess_that_agrees_with_the_grey(
    prior: str, photograph: torch.Tensor
) -> None:
    grey = Grayscale()(photograph)[..., :48, :48]
    settings = {"iterations": 150, "channels": 16} if prior == "dip" else {}
    with pytest.warns(UserWarning, match="can only guess"):
        result = zeroshot.solve(grey, "colorize", prior, settings=settings)
    assert result.image.shape == (1, 3, 48, 48)
    assert psnr(Grayscale()(result.image), grey) > 20


@pytest.mark.parametrize("term", ["poisson", "l1", "huber"])
@pytest.mark.parametrize("prior", ["dip", "tv"])
def test_every_data_term_restores(term: str, prior: str, photograph: torch.Tensor) -> None:
    clean = photograph[..., :64, :64]
    noisy = add_gaussian(clean, 25 / 255, seed())
    settings = {"iterations": 100, "channels": 16} if prior == "dip" else {}
    result = zeroshot.solve(
        noisy, "denoise", prior, sigma=25 / 255, data_term=term, peak=100.0, settings=settings
    )
    assert psnr(result.image.clamp(0, 1), clean) > psnr(noisy, clean) + 2
