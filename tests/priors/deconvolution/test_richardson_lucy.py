"""Richardson–Lucy: the plain update, its fixed points, its stop at the noise, and what each addition brings."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.pictures import as_image, decibels, sample, seeded, with_noise
from zeroshot.data_terms import Poisson
from zeroshot.loop import Loop
from zeroshot.operators import Blur, Identity
from zeroshot.operators.window import Window
from zeroshot.priors.deconvolution.richardson_lucy import RichardsonLucy
from zeroshot.problem import Problem
from zeroshot.stopping import MaxIterations

SIGMA = 2 / 255


def picture() -> torch.Tensor:
    return as_image(sample("camera")[94:170, 94:170])


def blurred(truth: torch.Tensor, boundary: str = "reflect") -> Problem:
    blur = Blur.gaussian(1.5, boundary)
    return Problem(with_noise(blur(truth), SIGMA), blur, sigma=SIGMA, task="deblur")


def test_a_plain_step_is_the_formula_that_keeps_the_light() -> None:
    truth = picture()
    blur = Blur.gaussian(1.5, "circular")
    y = blur(truth)
    run = RichardsonLucy(tv=0.0, acceleration="none").start(Problem(y, blur, sigma=SIGMA), seeded())
    image = run.step().image
    torch.testing.assert_close(image, (y * blur.adjoint(y / blur(y))).clamp(0, 1))
    assert image.sum().item() == pytest.approx(y.sum().item(), rel=1e-3)


def test_the_extrapolation_gets_further_in_as_many_steps() -> None:
    blur = Blur.gaussian(1.5)
    problem = Problem(blur(picture()), blur, sigma=1e-3)
    residuals = {}
    for acceleration in ("none", "vector"):
        run = RichardsonLucy(tv=0.0, acceleration=acceleration).start(problem, seeded())
        for _ in range(20):
            residuals[acceleration] = run.step().residual
    assert residuals["vector"] < 0.8 * residuals["none"]


@pytest.mark.parametrize("boundary", ["reflect", "valid"])
def test_it_stops_at_the_noise_and_gains(boundary: str) -> None:
    truth = picture()
    problem = blurred(truth, boundary)
    loop = Loop(problem, RichardsonLucy(tv=0.0), generator=seeded()).complete()
    assert "noise level" in loop.reason
    inner = Window(12, 12, 52, 52)
    before = decibels(inner.of(problem.initial()), inner.of(truth))
    assert decibels(inner.of(loop.result()), inner.of(truth)) > before + 2


def test_total_variation_helps_with_noise() -> None:
    truth = picture()
    problem = blurred(truth)
    plain, regularised = (
        Loop(problem, RichardsonLucy(tv=tv), MaxIterations(60), generator=seeded()).complete().result()
        for tv in (0.0, 0.004)
    )
    assert decibels(regularised, truth) > decibels(plain, truth) + 0.5


def test_a_clipped_light_is_restored_brighter_than_white() -> None:
    truth = 0.2 * torch.ones(1, 1, 48, 48)
    truth[..., 22:26, 22:26] = 4.0
    blur = Blur.gaussian(1.5)
    full = blur(truth)
    white = (full >= 1).float()
    problem = Problem(full.clamp(max=1), blur, sigma=1e-3, task="deblur")
    told = replace(problem, measured=1 - white, clipped=white)
    errors = []
    for one in (problem, told):
        run = RichardsonLucy(tv=0.0).start(one, seeded())
        for _ in range(100):
            estimate = run.step()
        errors.append((estimate.image - truth.clamp(max=1)).square().mean())
    assert estimate.image.max() <= 1
    assert run.image.max() > 1.5  # type: ignore[attr-defined]
    assert errors[1] < errors[0] / 2


def test_readout_noise_is_light_on_both_sides() -> None:
    truth = picture()
    blur = Blur.gaussian(1.5)
    noisy = with_noise(blur(truth), 0.02)
    problem = Problem(noisy, blur, Poisson(1e-3, 0.02), sigma=0.03, task="deblur")
    image = Loop(problem, RichardsonLucy(), generator=seeded()).complete().result()
    assert decibels(image, truth) > decibels(noisy.clamp(0, 1), truth) + 0.5


def test_what_is_no_blur_is_refused() -> None:
    with pytest.raises(ValueError, match=r"richardson_lucy undoes a blur, and .* is none; take tv or pnp"):
        RichardsonLucy().begin(Problem(torch.rand(1, 1, 16, 16), Identity(), sigma=0.1), seeded())
