"""A denoiser is a prior: alone for noise, and plugged in for every other damage."""

from __future__ import annotations

import dataclasses
import math
from typing import Any, ClassVar

import pytest
import torch
from torch.nn import functional

import zeroshot
from tests.pictures import SIGMA, decibels, seeded, with_noise
from zeroshot.colour import from_opponent, to_opponent
from zeroshot.data_terms import Poisson
from zeroshot.loop import Loop
from zeroshot.noise import add_gaussian, add_poisson, estimate_sigma, random_mask
from zeroshot.noise.stabilisation import forward, inverse
from zeroshot.operators import Blur, Downsample, Grayscale, Identity, Mosaic
from zeroshot.priors.denoising import DenoisingPrior, DenoisingRun
from zeroshot.priors.plug_and_play.run import PlugAndPlayRun
from zeroshot.problem import Problem


@dataclasses.dataclass(frozen=True)
class TwoPasses(DenoisingPrior):
    """The DCT of every 4 × 4 patch: hard thresholds, then Wiener factors from the first result."""

    name: ClassVar[str] = "two-passes"
    summary: ClassVar[str] = "for tests"

    factor: float = 2.5

    def passes(self, sigma: float) -> int:
        return 2

    def refine(self, noisy: torch.Tensor, estimate: torch.Tensor, sigma: float, index: int) -> torch.Tensor:
        assert sigma > 0
        coefficients = transformed(to_opponent(noisy))
        if index == 0:
            shrunk = functional.hardshrink(coefficients, self.factor * sigma)
        else:
            power = transformed(to_opponent(estimate)).square()
            shrunk = coefficients * power / (power + sigma**2)
        averaged = functional.conv_transpose2d(shrunk, PATCHES)[:, 0, 3:-3, 3:-3] / 16
        return from_opponent(averaged.reshape(noisy.shape))


def transformed(image: torch.Tensor) -> torch.Tensor:
    planes = functional.pad(image, (3, 3, 3, 3), mode="replicate").flatten(0, 1)[:, None]
    return functional.conv2d(planes, PATCHES)


def cosine_patches() -> torch.Tensor:
    basis = torch.cos(math.pi / 4 * (torch.arange(4) + 0.5) * torch.arange(4)[:, None])
    basis = basis / basis.norm(dim=1, keepdim=True)
    return torch.einsum("ij,kl->ikjl", basis, basis).reshape(16, 1, 4, 4)


PATCHES = cosine_patches()


def denoising(y: torch.Tensor, **changes: Any) -> Problem:
    return Problem(y, Identity(), **{"sigma": SIGMA, "task": "denoise", **changes})


def last(problem: Problem, prior: DenoisingPrior | None = None) -> torch.Tensor:
    run = (prior or TwoPasses()).start(problem, seeded())
    image = run.step().image
    while not run.finished:
        image = run.step().image
    return image


def test_each_step_is_one_pass_and_the_second_is_better(photograph: torch.Tensor) -> None:
    run = TwoPasses().start(denoising(with_noise(photograph)), seeded())
    assert isinstance(run, DenoisingRun)
    first = run.step()
    assert not run.finished
    second = run.step()
    assert run.finished
    assert (first.iteration, second.iteration) == (1, 2)
    assert decibels(second.image, photograph) > decibels(first.image, photograph)
    assert torch.equal(run.step().image, second.image)


def test_a_run_is_what_denoise_returns(photograph: torch.Tensor) -> None:
    y = with_noise(photograph)
    before = y.clone()
    assert torch.equal(last(denoising(y)), TwoPasses().denoise(y, SIGMA).clamp(0, 1))
    assert torch.equal(y, before)


def test_without_noise_the_image_comes_back_in_one_step(photograph: torch.Tensor) -> None:
    run = TwoPasses().start(denoising(photograph, sigma=0.0), seeded())
    estimate = run.step()
    assert run.finished
    assert torch.equal(estimate.image, photograph)
    assert torch.equal(TwoPasses().denoise(photograph, 0.0), photograph)
    restored = zeroshot.solve(photograph, "denoise", TwoPasses(), sigma=0.0, device="cpu", progress=False)
    assert torch.equal(restored.image, photograph)


def test_an_unknown_noise_level_is_estimated(photograph: torch.Tensor) -> None:
    y = with_noise(photograph)
    estimated = last(denoising(y, sigma=estimate_sigma(y)))
    assert torch.equal(last(denoising(y, sigma=None)), estimated)


def test_photon_noise_is_denoised_where_its_level_is_constant(photograph: torch.Tensor) -> None:
    y = add_gaussian(add_poisson(photograph, 30, seeded()), 0.01, seeded())
    problem = denoising(y, data_term=Poisson(1 / 30, 0.01), sigma=None)
    image = last(problem)
    noisy, sigma = forward(y, 1 / 30, 0.01)
    expected = inverse(TwoPasses().denoise(noisy, sigma), 1 / 30, 0.01).clamp(0, 1)
    torch.testing.assert_close(image, expected)
    assert decibels(image, photograph) > decibels(y.clamp(0, 1), photograph) + 4
    # Better than taking the noise for Gaussian, however well its level is known.
    level = (y / 30 + 1e-4).mean().sqrt().item()
    assert decibels(image, photograph) > decibels(last(denoising(y, sigma=level)), photograph)


def test_the_loop_ends_after_the_last_pass(photograph: torch.Tensor) -> None:
    y = with_noise(photograph).clamp(0, 1)
    for stopping in (None, zeroshot.stopping.MaxIterations(50)):
        restored = zeroshot.solve(
            y, "denoise", TwoPasses(), stopping=stopping, sigma=SIGMA, device="cpu", progress=False
        )
        assert restored.iterations == 2


def test_masks_and_held_out_pixels_go_through_plug_and_play(photograph: torch.Tensor) -> None:
    y = with_noise(photograph)
    for problem in (denoising(y, measured=torch.ones_like(y)), denoising(y).hold_out(0.1, seeded())):
        run = TwoPasses().suited(problem).begin(problem, seeded())
        assert isinstance(run, PlugAndPlayRun)
        run.step()
        assert run.findings()["denoiser"] == "two-passes"


def damages(x: torch.Tensor) -> dict[str, tuple[torch.Tensor, dict[str, Any]]]:
    mask = random_mask(x.shape, 0.5, seeded())
    drawn = random_mask(x.shape, 0.9, seeded())
    blur = Blur.gaussian(1.5)
    operator = Mosaic("RGGB") @ Blur.gaussian(1.0)
    return {
        "inpaint": (x * mask, {"mask": mask}),
        "sr": (Downsample(2)(x), {"scale": 2}),
        "deblur": (with_noise(blur(x), 2 / 255), {"kernel": blur.kernel, "sigma": 2 / 255}),
        "demosaic": (Mosaic("RGGB")(x), {"pattern": "RGGB"}),
        "colorize": (Grayscale()(x), {"hints": torch.cat([x * drawn, drawn], dim=1)}),
        "restore": (with_noise(operator(x), 2 / 255), {"operator": operator, "sigma": 2 / 255}),
    }


@pytest.mark.parametrize(
    "task",
    ["inpaint", "sr", "deblur", "demosaic", "colorize", pytest.param("restore", marks=pytest.mark.slow)],
)
def test_every_task_is_restored_better_than_the_first_estimate(task: str, photograph: torch.Tensor) -> None:
    y, options = damages(photograph)[task]
    estimates: list[torch.Tensor] = []
    restored = zeroshot.solve(
        y,
        task,
        TwoPasses(),
        device="cpu",
        progress=False,
        callbacks=[lambda estimate, run: estimates.append(run._problem.framed(run._problem.initial()))],
        **options,
    )
    # The hints, spread, are a better estimate than this crude denoiser: there the grey image is to be beaten.
    first = y.expand(-1, 3, -1, -1) if task == "colorize" else estimates[0]
    gain = decibels(restored.image, photograph) - decibels(first, photograph)
    assert gain > {"inpaint": 0.5, "sr": 0.3, "deblur": 1.0, "demosaic": 1.0, "colorize": 1.0}.get(task, 0.3)
    assert restored.stopped_by
    assert restored.iterations == len(estimates)


@dataclasses.dataclass(frozen=True)
class Thorough(TwoPasses):
    """One that is less thorough where it is repeated."""

    factor: float = 2.0

    def repeated(self) -> Thorough:
        return dataclasses.replace(self, factor=3.0)


def test_where_it_is_plugged_in_the_defaults_are_those_for_repeated_use(photograph: torch.Tensor) -> None:
    problem = denoising(photograph)
    blurred = Problem(photograph, Blur.gaussian(1.0), sigma=SIGMA, task="deblur")
    assert Thorough.for_problem(problem).factor == 2.0
    assert Thorough.for_problem(blurred).factor == 3.0
    assert Thorough.for_problem(blurred, factor=2.5).factor == 2.5


@pytest.mark.parametrize("name", ["bilateral", "domain_transform", "perona_malik"])
def test_denoisers_that_plug_and_play_makes_worse_are_refused(name: str, photograph: torch.Tensor) -> None:
    problem = Problem(Downsample(2)(photograph), Downsample(2), sigma=0.0, task="sr")
    family = zeroshot.registry.prior_class(name)
    assert f"{name} is a denoiser that makes holes" in (family().supports(problem) or "")
    assert family().supports(denoising(photograph)) is None


@pytest.mark.parametrize(
    ("noisy", "sigma", "words"),
    [
        (torch.zeros(1, 8, 8), 0.1, r"\(N, C, H, W\) and not empty, got the shape \(1, 8, 8\)"),
        (torch.zeros(1, 1, 0, 8), 0.1, "not empty"),
        (torch.zeros(1, 1, 8, 8, dtype=torch.uint8), 0.1, "floating-point tensor .* got torch.uint8"),
        ([[0.0]], 0.1, "floating-point tensor .* got list"),
        (torch.full((1, 1, 8, 8), math.nan), 0.1, "noisy must be finite"),
        (torch.zeros(1, 1, 8, 8), 25, r"sigma is on the \[0, 1\] scale: 25/255, got 25"),
        (torch.zeros(1, 1, 8, 8), -0.1, "sigma must be a number from 0 to 1, got -0.1"),
        (torch.zeros(1, 1, 8, 8), math.nan, "sigma must be a number from 0 to 1, got nan"),
    ],
)
def test_what_cannot_be_denoised_is_refused_in_one_line(noisy: Any, sigma: float, words: str) -> None:
    with pytest.raises(ValueError, match=words):
        TwoPasses().denoise(noisy, sigma)


def test_held_out_measurements_are_never_seen_by_a_denoiser(photograph: torch.Tensor) -> None:
    rule = zeroshot.HeldOut(fraction=0.1) | zeroshot.MaxIterations(1)
    loop = Loop(denoising(with_noise(photograph)), TwoPasses(), rule, generator=seeded())
    assert isinstance(loop.run, PlugAndPlayRun)
    loop.step()
    assert loop.problem.held_out is not None


def test_the_passes_alone_say_when_denoising_is_over(photograph: torch.Tensor) -> None:
    @dataclasses.dataclass(frozen=True)
    class OnceInside(TwoPasses):
        iterations: int = 1

    loop = Loop(denoising(with_noise(photograph)), OnceInside(), generator=seeded())
    assert loop.complete().iteration == 2
