"""Properties of half-size images and of recomposition."""

from __future__ import annotations

import math

import pytest
import scipy.fft
import torch

from tests.pictures import decibels
from zeroshot.noise import NoiseModel
from zeroshot.noise.spectrum import smoothed_by
from zeroshot.priors.scales import LEAST_SIDE, halved, outlives_patches, over_scales, with_low_band


@pytest.mark.parametrize("size", [(16, 16), (15, 22), (1, 7), (2, 3)])
def test_half_the_size_is_the_lower_half_of_the_cosine_transform(size: tuple[int, int]) -> None:
    image = torch.rand(2, *size, dtype=torch.float64)
    height, width = ((side + 1) // 2 for side in size)
    kept = scipy.fft.dctn(image.numpy(), axes=(1, 2), norm="ortho")[:, :height, :width]
    scale = math.sqrt(height * width / (size[0] * size[1]))
    expected = torch.from_numpy(scipy.fft.idctn(kept, axes=(1, 2), norm="ortho") * scale)
    torch.testing.assert_close(halved(image), expected)


@pytest.mark.parametrize("size", [(32, 32), (33, 21), (3, 2)])
def test_its_own_low_band_changes_nothing(size: tuple[int, int], generator: torch.Generator) -> None:
    image = torch.rand(3, *size, generator=generator)
    torch.testing.assert_close(with_low_band(image, halved(image)), image)


def test_a_brighter_coarse_image_makes_a_brighter_one_without_ringing(generator: torch.Generator) -> None:
    image = (torch.arange(64) >= 32).float().expand(1, 64, 64).clone()
    brighter = with_low_band(image, halved(image) + 0.1)
    torch.testing.assert_close(brighter, image + 0.1)


def test_low_frequencies_come_from_the_coarse_image_and_high_ones_stay(generator: torch.Generator) -> None:
    place = (torch.arange(64) + 0.5) * math.pi / 64
    low, high = torch.cos(3 * place).expand(1, 64, 64), torch.cos(40 * place).expand(1, 64, 64)
    mixed = with_low_band(low + high, torch.zeros(1, 32, 32))
    torch.testing.assert_close(mixed, high, atol=1e-5, rtol=0)


def _low_noise(width: float) -> NoiseModel:
    taps = torch.exp(-torch.arange(-12, 13).double().square() / (2 * width**2))
    return NoiseModel((0.0,), ((0.01,),), spectra=smoothed_by(taps / taps.sum()))


def test_only_low_noise_of_large_images_has_coarser_scales() -> None:
    large = (2 * LEAST_SIDE, 2 * LEAST_SIDE)
    assert outlives_patches(_low_noise(3.0), large)
    assert not outlives_patches(_low_noise(3.0), (2 * LEAST_SIDE - 1, 1000))
    assert not outlives_patches(_low_noise(0.5), large)
    assert not outlives_patches(NoiseModel.white(0.1), large)


def test_planes_without_low_noise_are_left_to_the_fine_scale(generator: torch.Generator) -> None:
    noise = [NoiseModel.white(0.1), _low_noise(3.0)]
    image = torch.rand(2, 2 * LEAST_SIDE, 2 * LEAST_SIDE, generator=generator)
    seen: list[tuple[int, ...]] = []

    def mean(y: torch.Tensor, x: torch.Tensor, models: object) -> torch.Tensor:
        seen.append(tuple(y.shape[1:]))
        # The fine scale leaves all, a coarse one nothing but the mean.
        return y.clone() if len(seen) == 1 else y.mean(dim=(1, 2), keepdim=True).expand_as(y).clone()

    result = over_scales(mean, image, image, noise)
    assert seen[:2] == [image.shape[1:], (LEAST_SIDE, LEAST_SIDE)]
    assert torch.equal(result[0], image[0])
    assert float(halved(halved(halved(result[1:]))).std()) < 0.3 * float(
        halved(halved(halved(image[1:]))).std()
    )


def test_recomposition_of_a_picture_is_close_where_the_coarse_one_is(photograph: torch.Tensor) -> None:
    plane = photograph[0, :1, :63, :62]
    coarse = halved(plane) + 0.01 * torch.randn(1, 32, 31, generator=torch.Generator().manual_seed(0))
    assert decibels(with_low_band(plane, coarse), plane) > 46
