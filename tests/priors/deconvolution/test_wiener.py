"""Wiener's filter: the closed form, the spectrum that it finds, holes and margins, and what coloured noise changes."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

from tests.pictures import as_image, decibels, sample, seeded, with_noise
from zeroshot.loop import Loop
from zeroshot.noise import NoiseModel
from zeroshot.operators import Blur, Identity
from zeroshot.operators.window import Window
from zeroshot.priors.deconvolution.power_law import fitted_power_law
from zeroshot.priors.deconvolution.wiener import UnsupervisedWiener, Wiener
from zeroshot.problem import Problem

SIGMA = 2 / 255
FREQUENCIES = 33


def picture(side: int = 96) -> torch.Tensor:
    return as_image(sample("camera")[94 : 94 + side, 94 : 94 + side])


def blurred(truth: torch.Tensor, boundary: str = "reflect") -> Problem:
    blur = Blur.gaussian(1.5, boundary)
    return Problem(with_noise(blur(truth), SIGMA), blur, sigma=SIGMA, task="deblur")


def solved(problem: Problem, prior: Wiener | None = None) -> torch.Tensor:
    return Loop(problem, prior or Wiener(), generator=seeded()).complete().result()


def power_law_planes(exponent: float, side: int = 256) -> torch.Tensor:
    frequency = torch.hypot(torch.fft.fftfreq(side)[:, None], torch.fft.rfftfreq(side)[None])
    frequency[0, 0] = torch.inf
    white = torch.fft.rfft2(torch.randn(2, side, side, generator=seeded()))
    return torch.fft.irfft2(white * 0.01 * frequency ** (-exponent / 2), s=(side, side))


@pytest.mark.parametrize("exponent", [1.5, 2.5])
def test_the_power_law_and_the_noise_are_found_behind_a_blur(exponent: float) -> None:
    blur = Blur.gaussian(1.0, "circular")
    noisy = blur(power_law_planes(exponent)[None])[0]
    noisy = noisy + 0.02 * torch.randn(noisy.shape, generator=seeded(1))
    law = fitted_power_law(noisy, blur.kernel, None)
    assert law.exponent.tolist() == pytest.approx([exponent] * 2, abs=0.2)
    assert law.noise.sqrt().tolist() == pytest.approx([0.02] * 2, rel=0.05)
    assert law.level.tolist() == pytest.approx([1e-4] * 2, rel=0.4)


def test_inside_it_is_the_filter_in_closed_form() -> None:
    truth = picture()
    blur = Blur.gaussian(1.2, "circular")
    y = with_noise(blur(truth), SIGMA)
    problem = Problem(y, blur, sigma=SIGMA, task="deblur")
    run = Wiener(iterations=200, tolerance=1e-6).start(problem, seeded())
    found = run.step().image
    law = run._laws[0]  # type: ignore[attr-defined]
    impulse = torch.zeros_like(y)
    impulse[..., 0, 0] = 1
    kernel = torch.fft.rfft2(blur(impulse))
    ratio = law.noise_to_signal(*y.shape[-2:]).float()
    closed = torch.fft.irfft2(
        kernel.conj() * torch.fft.rfft2(y - y.mean()) / (kernel.abs().square() + ratio), s=y.shape[-2:]
    )
    inner = Window(20, 20, 56, 56)
    torch.testing.assert_close(inner.of(found), inner.of((closed + y.mean()).clamp(0, 1)), atol=2e-3, rtol=0)


@pytest.mark.parametrize("prior", [Wiener(), UnsupervisedWiener()])
@pytest.mark.parametrize("boundary", ["reflect", "valid"])
def test_it_gains_up_to_the_edge(prior: Wiener, boundary: str) -> None:
    truth = picture()
    problem = blurred(truth, boundary)
    image = solved(problem, prior)
    margin = 6 if boundary == "valid" else 0
    seen = Window(margin, margin, 96 - 2 * margin, 96 - 2 * margin)
    assert decibels(seen.of(image), seen.of(truth)) > decibels(seen.of(problem.initial()), seen.of(truth)) + 2


def test_what_was_not_measured_does_not_matter() -> None:
    truth = picture()
    problem = blurred(truth)
    measured = torch.ones_like(problem.y)
    measured[..., 40:44, 40:44] = 0
    spoiled = problem.y.clone()
    spoiled[..., 40:44, 40:44] = 1
    masked = replace(problem, y=spoiled, measured=measured)
    assert decibels(solved(masked), truth) > decibels(solved(replace(problem, y=spoiled)), truth) + 3
    assert decibels(solved(masked), truth) > decibels(solved(problem), truth) - 1


def test_a_known_spectrum_of_the_noise_helps() -> None:
    truth = picture()
    blur = Blur.gaussian(1.0)
    band = torch.linspace(0, 1, FREQUENCIES)
    ring = torch.hypot(band[:, None], band) - 0.45
    spectrum = torch.exp(-200 * ring.square()) + 0.01
    model = NoiseModel((0.0,), ((0.03**2,),), spectra=spectrum[None])
    y = model.sample(blur(truth), seeded())
    told = Problem(y, blur, sigma=0.03, noise=model, task="deblur")
    assert decibels(solved(told), truth) > decibels(solved(replace(told, noise=None)), truth) + 0.5


def test_it_finds_the_noise_that_it_is_not_told() -> None:
    problem = replace(blurred(picture()), sigma=20 / 255)
    right = solved(replace(problem, sigma=SIGMA))
    assert decibels(solved(problem, UnsupervisedWiener()), right) > decibels(solved(problem), right) + 3


def test_what_is_no_blur_is_refused() -> None:
    with pytest.raises(ValueError, match=r"wiener undoes a blur, and .* is none; take tv or pnp"):
        Wiener().begin(Problem(torch.rand(1, 1, 16, 16), Identity(), sigma=0.1), seeded())
