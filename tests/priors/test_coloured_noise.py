"""Every denoiser on noise that is not white."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch

import zeroshot
from tests.pictures import decibels
from zeroshot.noise import NoiseModel
from zeroshot.noise.spectrum import smoothed_by
from zeroshot.operators import Identity
from zeroshot.priors.denoising import DenoisingPrior, DenoisingRun
from zeroshot.problem import Problem
from zeroshot.registry import prior_class, prior_names

DENOISERS = [name for name in prior_names() if issubclass(prior_class(name), DenoisingPrior)]
QUICK = ["bm3d", "dct", "wavelet", "nlm"]


def _smoothed(width: float, sigma: float = 0.1, **more: object) -> NoiseModel:
    taps = torch.exp(-torch.arange(-6, 7).double().square() / (2 * width**2))
    return NoiseModel((0.0,), ((sigma**2,),), spectra=smoothed_by(taps / taps.sum()), **more)  # type: ignore[arg-type]


def _denoised(name: str, noisy: torch.Tensor, noise: NoiseModel) -> torch.Tensor:
    prior = prior_class(name)()
    assert isinstance(prior, DenoisingPrior)
    estimate = noisy
    for index in range(prior.coloured_passes(noise)):
        estimate = prior.refine_coloured(noisy, estimate, noise, index)
    return estimate


def _run(name: str, noisy: torch.Tensor, noise: NoiseModel) -> torch.Tensor:
    problem = Problem(noisy, Identity(), noise=noise)
    run = prior_class(name)().begin(problem, torch.Generator())
    assert isinstance(run, DenoisingRun)
    while not run.finished:
        run.step()
    return run.estimate


@pytest.mark.parametrize("name", QUICK)
def test_a_white_model_gives_the_very_pixels_of_its_sigma(name: str, photograph: torch.Tensor) -> None:
    noisy = NoiseModel.white(0.1).sample(photograph, torch.Generator().manual_seed(0))[..., :32, :32]
    options = {"prior": name, "progress": False}
    told = zeroshot.denoise(noisy[0], noise=NoiseModel.white(0.1), **options).image
    assert torch.equal(
        torch.as_tensor(told), torch.as_tensor(zeroshot.denoise(noisy[0], sigma=0.1, **options).image)
    )


@pytest.mark.parametrize(("name", "gain"), [("dct", 0.5), ("wavelet", 0.5)])
def test_knowing_the_spectrum_gains_on_any_white_level(name: str, gain: float, grey: torch.Tensor) -> None:
    noise = _smoothed(1.0)
    noisy = noise.sample(grey, torch.Generator().manual_seed(0))
    white = max(decibels(prior_class(name)().denoise(noisy, level), grey) for level in (0.1, 0.2, 0.3))  # type: ignore[attr-defined]
    assert decibels(_denoised(name, noisy, noise), grey) > white + gain


@pytest.mark.parametrize("name", ["dct", "wavelet"])
def test_noise_of_the_colours_is_told_from_that_of_the_brightness(
    name: str, photograph: torch.Tensor
) -> None:
    photograph = photograph[..., 16:80, 16:80]
    axes = torch.tensor([[3**-0.5] * 3, [2**-0.5, 0, -(2**-0.5)], [6**-0.5, -2 * 6**-0.5, 6**-0.5]])
    noise = NoiseModel((0.0,), ((0.01,),), axes=axes, powers=torch.tensor([0.06, 1.5, 1.44]))
    noisy = noise.sample(photograph, torch.Generator().manual_seed(0))
    white = max(
        decibels(prior_class(name)().denoise(noisy, level), photograph) for level in (0.04, 0.07, 0.1)
    )  # type: ignore[attr-defined]
    assert decibels(_denoised(name, noisy, noise), photograph) > white + 0.7


@pytest.mark.parametrize(
    "name", [name for name in DENOISERS if name not in ("wnnm", "nnm", "gsr", "ksvd", "ncsr")]
)
@pytest.mark.parametrize("shape", [(1, 3, 5, 7), (2, 2, 17, 20), (1, 1, 1, 1)])
def test_shapes(name: str, shape: tuple[int, ...]) -> None:
    generator = torch.Generator().manual_seed(0)
    noise = _smoothed(0.8)
    noisy = noise.sample(torch.rand(shape, generator=generator), generator)
    result = _denoised(name, noisy, noise)
    assert result.shape == noisy.shape
    assert bool(result.isfinite().all())


@pytest.mark.parametrize("name", [pytest.param("wnnm", marks=pytest.mark.slow), "ksvd"])
def test_the_slow_ones_take_away_noise_that_is_not_white(name: str, grey: torch.Tensor) -> None:
    noise = _smoothed(0.6)
    image = grey[..., 20:52, 20:52]
    noisy = noise.sample(image, torch.Generator().manual_seed(0))
    assert decibels(_denoised(name, noisy, noise), image) > decibels(noisy, image) + 1


def test_an_estimate_is_taken_with_a_margin_and_what_was_told_is_not() -> None:
    told = _smoothed(1.0)
    assert told.cautious() is told
    assert NoiseModel.white(0.1, confidence=0.5).cautious().is_white
    estimate = _smoothed(1.0, confidence=0.9).cautious()
    assert estimate.sigma > told.sigma
    assert estimate.spectra is not None
    assert float(estimate.spectra[0, -1, -1]) > 0.1


@pytest.mark.parametrize("name", [*QUICK, "nnm"])
def test_a_sixteenth_of_the_picture_gives_a_sixteenth_of_the_result(name: str, grey: torch.Tensor) -> None:
    image, noise = grey[..., 8:40, 8:40], _smoothed(1.0)
    noisy = noise.sample(image, torch.Generator().manual_seed(0))
    whole, dim = (
        _run(name, noisy * scale, replace(noise.scaled(scale), confidence=0.9)) for scale in (1.0, 1 / 16)
    )
    torch.testing.assert_close(16 * dim, whole, rtol=0, atol=1e-4)


def test_the_whole_of_it_through_the_face(photograph: torch.Tensor) -> None:
    noise = NoiseModel((0.0, 1.0), ((0.002, 0.02),), spectra=_smoothed(0.8).spectra)
    image = photograph[..., 20:60, 20:60]
    noisy = noise.sample(image, torch.Generator().manual_seed(0))
    result = zeroshot.denoise(noisy[0], noise=noise, prior="bm3d", progress=False).image
    again = zeroshot.denoise(noisy[0], noise=noise, prior="bm3d", progress=False).image
    assert torch.equal(torch.as_tensor(result), torch.as_tensor(again))
    assert decibels(torch.as_tensor(result)[None], image) > decibels(noisy.clamp(0, 1), image) + 2
