"""Collaborative filtering of correlated noise: its variances, its matching, and what it gains."""

from __future__ import annotations

import pytest
import torch

from tests.pictures import decibels
from zeroshot.noise import NoiseModel
from zeroshot.noise.spectrum import at_frequencies, smoothed_by
from zeroshot.patches import match_blocks, pixel_rows
from zeroshot.patches.cosine import cosine_matrix
from zeroshot.priors.self_similarity.bm3d.bm3d import BlockMatching3D
from zeroshot.priors.self_similarity.bm3d.correlation import (
    PERIOD,
    GroupVariances,
    excess_distances,
    patch_covariances,
)
from zeroshot.priors.self_similarity.bm3d.transforms import (
    haar_transform,
    of_patches,
    spline_wavelet_transform,
)

FAST = BlockMatching3D(profile="fast")
REACH = 10


def smoothed(width: float, sigma: float = 0.1, **more: float) -> NoiseModel:
    """White noise after a Gaussian of this standard deviation, of level `sigma`."""
    taps = torch.exp(-torch.arange(-6, 7).double().square() / (2 * width**2))
    return NoiseModel((0.0,), ((sigma**2,),), spectra=smoothed_by(taps / taps.sum()), **more)


@pytest.fixture
def part(grey: torch.Tensor) -> torch.Tensor:
    return grey[..., 16:80, 16:80]


def denoised(prior: BlockMatching3D, noisy: torch.Tensor, noise: NoiseModel) -> torch.Tensor:
    estimate = noisy
    for index in range(prior.coloured_passes(noise)):
        estimate = prior.refine_coloured(noisy, estimate, noise, index)
    return estimate


# --- variances ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("transform", [cosine_matrix(4), spline_wavelet_transform(4)])
def test_variances_of_a_group_are_those_of_the_whole_covariance_matrix(transform: torch.Tensor) -> None:
    noise = smoothed(0.9, rows=0.03, columns=0.05)
    columns, size = 11, 8
    corners = torch.tensor(
        [13, 13 + columns, 15, 17 + 2 * columns, 14 + 6 * columns, 20, 13 + 9 * columns, 14]
    )
    covariances = patch_covariances(noise, transform, REACH)
    found = GroupVariances(covariances, REACH).of_groups(corners[:, None], columns)[:, 0]

    frequencies = 2 * torch.fft.fftfreq(PERIOD)
    shared = 0.01 * torch.fft.ifft2(at_frequencies(noise.spectra, frequencies, frequencies)[0]).real
    within = torch.arange(4)
    rows = (corners // columns)[:, None, None] + within[:, None]
    lines = (corners % columns)[:, None, None] + within
    rows, lines = (places.expand(-1, 4, 4).reshape(-1) for places in (rows, lines))
    down, along = rows[:, None] - rows, lines[:, None] - lines
    pixels = shared[down, along] + 0.03**2 * (down == 0) + 0.05**2 * (along == 0)
    whole = torch.kron(haar_transform(size), of_patches(transform))
    expected = (whole @ pixels @ whole.T).diagonal().view(size, -1)
    torch.testing.assert_close(found, expected)


def test_white_noise_has_its_variance_in_every_coefficient_of_patches_apart() -> None:
    covariances = patch_covariances(NoiseModel.white(0.1), cosine_matrix(4), REACH)
    corners = torch.tensor([[0], [4], [8], [4 * 13]])
    found = GroupVariances(covariances, REACH).of_groups(corners, 13)
    torch.testing.assert_close(found, torch.full_like(found, 0.01))


def test_the_mean_of_patches_that_overlap_keeps_more_noise_than_their_differences() -> None:
    variances = GroupVariances(patch_covariances(NoiseModel.white(0.1), cosine_matrix(4), REACH), REACH)
    mean, difference = variances.of_groups(torch.tensor([[0], [1]]), 13)[:, 0, 0]
    assert float(mean) == pytest.approx(0.0175)
    assert float(difference) == pytest.approx(0.0025)


# --- matching ----------------------------------------------------------------------------------------------


def test_patches_that_share_noise_differ_less() -> None:
    excess = excess_distances(smoothed(1.0), 8, 20)
    assert float(excess[20, 20]) == 0
    assert float(excess[0, 0]) == pytest.approx(0.02, rel=1e-3)
    assert 0 < float(excess[20, 21]) < float(excess[20, 23]) < float(excess[20, 30])


def test_the_distance_that_noise_makes_is_taken_off(generator: torch.Generator) -> None:
    rows = pixel_rows(torch.rand(1, 20, 20, generator=generator), 4)
    plain = match_blocks(rows, 17, 4, stride=3, radius=5)
    none = match_blocks(rows, 17, 4, stride=3, radius=5, correction=torch.zeros(21, 21))
    assert torch.equal(plain.corners, none.corners)
    torch.testing.assert_close(plain.distances, none.distances)
    correction = torch.zeros(21, 21)
    correction[10 + 2, 10 - 1] = 100
    preferred = match_blocks(rows, 17, 4, stride=3, radius=5, correction=correction).corners
    inside = (preferred[:, 0] // 17 <= 14) & (preferred[:, 0] % 17 >= 1)
    assert torch.equal(preferred[inside, 1], preferred[inside, 0] + 2 * 17 - 1)


# --- images ------------------------------------------------------------------------------------------------


def test_knowing_the_spectrum_gains_on_the_best_white_level(
    part: torch.Tensor, generator: torch.Generator
) -> None:
    noise = smoothed(1.0)
    noisy = noise.sample(part, generator)
    white = max(decibels(FAST.denoise(noisy, sigma), part) for sigma in (0.1, 0.2, 0.3))
    told = decibels(denoised(FAST, noisy, noise), part)
    assert told > white + 0.4
    assert told > decibels(noisy, part) + 3


def test_a_spectrum_that_is_somewhat_wrong_costs_little(
    part: torch.Tensor, generator: torch.Generator
) -> None:
    noise = smoothed(0.8)
    noisy = noise.sample(part, generator)
    factors = 0.7 + 0.6 * torch.rand(1, 33, 33, generator=generator)
    wrong = NoiseModel((0.0,), noise.variances, spectra=noise.spectra * factors, confidence=0.9)
    right, guessed = (decibels(denoised(FAST, noisy, model), part) for model in (noise, wrong))
    assert guessed > right - 0.6


def test_a_flat_image_comes_out_flat(generator: torch.Generator) -> None:
    flat = torch.full((1, 1, 48, 48), 0.5)
    noise = smoothed(0.8)
    noisy = noise.sample(flat, generator)
    result = denoised(FAST, noisy, noise)
    assert float(result.std()) < 0.35 * float(noisy.std())
    assert float(result.mean()) == pytest.approx(float(noisy.mean()), abs=0.005)


def test_stripes_are_removed(part: torch.Tensor, generator: torch.Generator) -> None:
    noise = NoiseModel((0.0,), ((0.0,),), columns=0.1)
    noisy = noise.sample(part, generator)
    assert decibels(denoised(FAST, noisy, noise), part) > decibels(noisy, part) + 4


def test_white_noise_told_as_a_spectrum_is_removed_as_well(
    part: torch.Tensor, generator: torch.Generator
) -> None:
    noisy = NoiseModel.white(0.1).sample(part, generator)
    as_white = decibels(FAST.denoise(noisy, 0.1), part)
    as_spectrum = decibels(denoised(FAST, noisy, NoiseModel.white(0.1)), part)
    assert as_spectrum > as_white - 0.05


def test_strong_colour_noise_is_removed_from_the_colours_only(
    photograph: torch.Tensor, generator: torch.Generator
) -> None:
    axes = torch.tensor([[3**-0.5] * 3, [2**-0.5, 0, -(2**-0.5)], [6**-0.5, -2 * 6**-0.5, 6**-0.5]])
    noise = NoiseModel((0.0,), ((0.01,),), axes=axes, powers=torch.tensor([0.01, 1.5, 1.49]))
    photograph = photograph[..., 24:72, 24:72]
    noisy = noise.sample(photograph, generator)
    white = max(decibels(FAST.denoise(noisy, sigma), photograph) for sigma in (0.05, 0.1))
    assert decibels(denoised(FAST, noisy, noise), photograph) > white + 1


@pytest.mark.parametrize("shape", [(1, 1, 1, 1), (1, 3, 5, 7), (2, 2, 17, 9), (1, 3, 40, 33)])
def test_any_shape_and_the_same_twice(shape: tuple[int, ...], generator: torch.Generator) -> None:
    noise = smoothed(1.0)
    noisy = noise.sample(torch.rand(shape, generator=generator), generator)
    before = noisy.clone()
    first, second = (denoised(FAST, noisy, noise) for _ in range(2))
    assert first.shape == noisy.shape
    assert bool(first.isfinite().all())
    assert torch.equal(first, second)
    assert torch.equal(noisy, before)
