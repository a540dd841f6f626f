"""Wiener's filter is the solution of its linear system, in closed form or not, and finds its levels by itself."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import zeroshot
from tests.pictures import as_image, decibels, sample, seeded, with_noise
from zeroshot.loop import Loop
from zeroshot.noise import NoiseModel
from zeroshot.operators import Blur, Downsample
from zeroshot.operators.window import Window
from zeroshot.priors.deconvolution.spectrum import Cosine, Fourier, fitted_spectrum
from zeroshot.priors.deconvolution.wiener import Wiener, WienerRun
from zeroshot.problem import Problem

SIGMA = 2 / 255


def picture() -> torch.Tensor:
    return as_image(sample("camera")[100:164, 100:164])


def blurred(truth: torch.Tensor, boundary: str = "circular") -> Problem:
    blur = Blur.gaussian(1.5, boundary)
    return Problem(with_noise(blur(truth), SIGMA), blur, sigma=SIGMA, task="deblur")


def restored(problem: Problem, **settings: object) -> torch.Tensor:
    return Loop(problem, Wiener(**settings), generator=seeded()).complete().result()  # type: ignore[arg-type]


@pytest.mark.parametrize("boundary", ["reflect", "valid", "circular"])
def test_the_covariance_is_symmetric_and_known_where_the_blur_is_circular(boundary: str) -> None:
    problem = blurred(picture(), boundary)
    run = Wiener(iterations=300, tolerance=1e-6).start(problem, seeded())
    assert isinstance(run, WienerRun)
    run.step()
    u = torch.randn(problem.y.shape, generator=seeded(1))
    other = torch.randn(problem.y.shape, generator=seeded(2))
    forward, backward = (run._covariance(u) * other).sum(), (u * run._covariance(other)).sum()
    torch.testing.assert_close(forward, backward, rtol=1e-3, atol=1e-4)
    if boundary == "circular":
        torch.testing.assert_close(run._precondition(run._covariance(u)), u, rtol=0, atol=1e-3)


def test_circular_blurs_have_a_closed_form_that_the_iterations_agree_with() -> None:
    problem = blurred(picture())
    left_out = torch.ones_like(problem.y)
    left_out[..., 0, 0] = 0
    exact, iterated = restored(problem), restored(replace(problem, measured=left_out), tolerance=1e-6)
    assert (exact - iterated).abs().max() < 0.05
    assert (exact - iterated).square().mean().sqrt() < 2e-3


@pytest.mark.parametrize("noise", ["told", "found"])
@pytest.mark.parametrize("boundary", ["reflect", "valid"])
def test_it_gains_where_the_level_is_told_and_where_it_is_found(noise: str, boundary: str) -> None:
    truth = as_image(sample("camera")[94:170, 94:170])
    problem = blurred(truth, boundary)
    image = restored(problem, noise=noise)
    inner = Window(12, 12, 52, 52)
    before = decibels(inner.of(problem.initial()), inner.of(truth))
    assert decibels(inner.of(image), inner.of(truth)) > before + 2


def test_the_spectrum_that_made_a_picture_is_found() -> None:
    transform, noise = Cosine(), torch.full((96, 96), 1e-4, dtype=torch.float64)
    gain = transform.gain(Blur.gaussian(1.0).kernel, 96, 96)
    signal = 1e-3 * transform.power(96, 96, 2.5)
    draws = torch.randn(96, 96, generator=seeded(), dtype=torch.float64).square()
    found = fitted_spectrum(draws * (gain * signal + noise), gain, noise / 1e-4, transform, noise_known=False)
    assert abs(found.slope - 2.5) <= 0.25
    assert found.noise == pytest.approx(1e-4, rel=0.05)


def test_the_gain_of_a_kernel_is_its_fourier_transform() -> None:
    kernel = torch.rand(5, 3, generator=seeded())
    expected = torch.fft.fft2(kernel.double(), s=(16, 12)).abs().square()
    torch.testing.assert_close(Fourier().gain(kernel, 16, 12), expected)


def test_more_strength_is_smoother() -> None:
    problem = blurred(picture(), "reflect")
    sharp, smooth = restored(problem, strength=0.3), restored(problem, strength=10.0)
    assert sharp.diff(dim=-1).square().mean() > 1.2 * smooth.diff(dim=-1).square().mean()


def test_noise_of_a_spectrum_is_told_from_the_picture() -> None:
    truth = picture()
    blur = Blur.gaussian(1.2)
    spectra = torch.linspace(4, 0.05, 33, dtype=torch.float64)
    spectra = (spectra[:, None] * spectra)[None]
    noise = NoiseModel((0.0,), ((0.03**2,),), spectra=spectra)
    y = noise.sample(blur(truth), seeded())
    with_model = restored(Problem(y, blur, noise=noise, task="deblur"))
    as_white = restored(Problem(y, blur, sigma=0.03, task="deblur"))
    assert decibels(with_model, truth) > decibels(as_white, truth) + 0.3


def test_what_is_no_blur_is_refused() -> None:
    small = torch.rand(1, 1, 16, 16, generator=seeded())
    with pytest.raises(ValueError, match=r"wiener undoes a blur, and .* is none; take tv or pnp"):
        Wiener().begin(Problem(small, Downsample(2), sigma=0.0, task="sr"), seeded())
    with pytest.raises(ValueError, match="wiener is for Gaussian and Poisson noise"):
        zeroshot.solve(small, "deblur", "wiener", kernel="gaussian=1", sigma=0.01, data_term="l1")
