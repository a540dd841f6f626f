"""Properties of collaborative filtering, from its small matrices to whole images."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np
import pytest
import scipy.fft
import torch

from tests.pictures import SIGMA, decibels, read, with_noise
from zeroshot.patches.cosine import cosine_matrix
from zeroshot.priors.denoiser import Repetition
from zeroshot.priors.self_similarity.bm3d import collaborative
from zeroshot.priors.self_similarity.bm3d.bm3d import BlockMatching3D
from zeroshot.priors.self_similarity.bm3d.collaborative import Grouping, filter_planes
from zeroshot.priors.self_similarity.bm3d.profiles import Stage, stages
from zeroshot.priors.self_similarity.bm3d.shrinkage import HardThreshold, Wiener
from zeroshot.priors.self_similarity.bm3d.transforms import (
    haar_transform,
    kaiser_window,
    of_patches,
    spline_wavelet_transform,
)

FAST = BlockMatching3D(profile="fast")


# --- the small matrices ------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 2, 4, 8, 16, 32])
def test_haar_is_orthonormal_and_starts_with_the_mean(size: int) -> None:
    matrix = haar_transform(size)
    torch.testing.assert_close(matrix @ matrix.T, torch.eye(size, dtype=torch.float64))
    torch.testing.assert_close(matrix[0], torch.full((size,), size**-0.5, dtype=torch.float64))


def test_the_cosine_transform_is_scipys() -> None:
    patch = np.random.default_rng(0).normal(size=(11, 11))
    basis = of_patches(cosine_matrix(11)).numpy()
    np.testing.assert_allclose(
        (basis @ patch.ravel()).reshape(11, 11), scipy.fft.dctn(patch, norm="ortho"), atol=1e-12
    )
    np.testing.assert_allclose(basis @ basis.T, np.eye(121), atol=1e-12)


@pytest.mark.parametrize("size", [1, 2, 4, 8, 16])
def test_spline_wavelets_reconstruct_and_have_unit_length(size: int) -> None:
    matrix = of_patches(spline_wavelet_transform(size)).float()
    inverse = of_patches(torch.linalg.inv(spline_wavelet_transform(size))).float()
    torch.testing.assert_close(inverse @ matrix, torch.eye(size * size), atol=1e-5, rtol=0)
    torch.testing.assert_close(torch.linalg.vector_norm(matrix, dim=1), torch.ones(size * size))


def test_spline_wavelets_are_those_of_pywavelets() -> None:
    pywt = pytest.importorskip("pywt")
    line = np.random.default_rng(0).normal(size=16)
    coarse, fine = pywt.dwt(line, "bior1.5", mode="periodization")
    ours = spline_wavelet_transform(16).numpy()
    # The eight finest wavelets come last, and are scaled to unit length as Haar's already are.
    np.testing.assert_allclose(np.abs(ours[8:] @ line), np.abs(fine), atol=1e-12)
    two, one = pywt.dwt(coarse, "bior1.5", mode="periodization")
    for level, wavelets in (
        (one, ours[4:8] @ line),
        (pywt.dwt(two, "bior1.5", "periodization")[1], ours[2:4] @ line),
    ):
        ratio = np.abs(level / wavelets)
        np.testing.assert_allclose(ratio, ratio[0], rtol=1e-10)


def test_the_kaiser_window_is_numpys() -> None:
    line = np.kaiser(8, 2.0)
    np.testing.assert_allclose(kaiser_window(8, 2.0).numpy(), np.outer(line, line), rtol=1e-6)


# --- a literal transcription -------------------------------------------------------------------------------


def haar_pyramid(group: np.ndarray) -> np.ndarray:
    """Haar's transform along the first axis by repeated means and differences."""
    fine = []
    while len(group) > 1:
        fine.insert(0, (group[0::2] - group[1::2]) / np.sqrt(2))
        group = (group[0::2] + group[1::2]) / np.sqrt(2)
    return np.concatenate([group, *fine])


def window_start(place: int, count: int, radius: int) -> tuple[int, int]:
    reach = min(2 * radius + 1, count)
    return min(max(place - radius, 0), count - reach), reach


def literal_grouping(
    guide: np.ndarray, place: tuple[int, int], stage: Stage, limit: float
) -> list[tuple[int, int]]:
    """The corners of one group, nearest first, cut to a power of two."""
    p, (height, width) = stage.patch, guide.shape
    own = guide[place[0] : place[0] + p, place[1] : place[1] + p]
    found = []
    top, down = window_start(place[0], height - p + 1, stage.radius)
    left, across = window_start(place[1], width - p + 1, stage.radius)
    for i in range(top, top + down):
        for j in range(left, left + across):
            distance = np.mean((guide[i : i + p, j : j + p] - own) ** 2)
            if distance <= limit:
                found.append((distance, i, j))
    found = sorted(found)[: stage.group]
    return [(i, j) for _, i, j in found[: 2 ** int(np.log2(len(found)))]]


def literal_filter(
    noisy: np.ndarray, pilot: np.ndarray | None, stage: Stage, limit: float, basis: np.ndarray, level: float
) -> np.ndarray:
    """One pass over a grey image: a loop over the reference patches, in double precision."""
    p, inverse = stage.patch, np.linalg.inv(basis)
    guide = noisy if pilot is None else pilot
    sums, weights = np.zeros_like(noisy), np.zeros_like(noisy)
    kaiser = np.outer(np.kaiser(p, stage.beta), np.kaiser(p, stage.beta))

    def group_of(image: np.ndarray, corners: list[tuple[int, int]]) -> np.ndarray:
        return haar_pyramid(np.stack([basis @ image[i : i + p, j : j + p] @ basis.T for i, j in corners]))

    grids = [sorted({*range(0, count - p + 1, stage.stride), count - p}) for count in noisy.shape]
    for place in ((i, j) for i in grids[0] for j in grids[1]):
        corners = literal_grouping(guide, place, stage, limit)
        spectrum = group_of(noisy, corners)
        if pilot is None:
            factor = (np.abs(spectrum) > level).astype(float)
        else:
            power = group_of(pilot, corners) ** 2
            factor = power / (power + level**2)
        # The mean of a group stays.
        factor[0, 0, 0] = 1
        weight = 1 / (factor**2).sum()
        across = haar_pyramid(np.eye(len(corners)))
        estimates = np.einsum("ki,kab->iab", across, factor * spectrum)
        for (i, j), estimate in zip(corners, estimates, strict=True):
            sums[i : i + p, j : j + p] += weight * kaiser * (inverse @ estimate @ inverse.T)
            weights[i : i + p, j : j + p] += weight * kaiser
    return sums / weights


@pytest.mark.parametrize("stage", [Stage(8, 3, 8, 5, 3000), Stage(4, 2, 16, 19, 600, beta=1.0)], ids=str)
def test_both_passes_are_the_literal_loop(stage: Stage, grey: torch.Tensor) -> None:
    noisy = with_noise(grey[..., 40:63, 30:50])[0].double()
    limit = stage.difference / 255**2 + 2 * SIGMA**2
    wavelets, cosines = spline_wavelet_transform(stage.patch), cosine_matrix(stage.patch)
    shrinkage = HardThreshold(2.7 * SIGMA)
    hard = filter_planes(noisy, None, stage, Grouping(noisy, limit), spline_wavelet_transform, shrinkage)
    expected = literal_filter(noisy[0].numpy(), None, stage, limit, wavelets.numpy(), 2.7 * SIGMA)
    np.testing.assert_allclose(hard[0].numpy(), expected, atol=1e-7)
    limit = stage.difference / 255**2
    wiener = filter_planes(noisy, hard, stage, Grouping(hard, limit), cosine_matrix, Wiener(SIGMA**2))
    expected = literal_filter(noisy[0].numpy(), hard[0].numpy(), stage, limit, cosines.numpy(), SIGMA)
    np.testing.assert_allclose(wiener[0].numpy(), expected, atol=1e-7)


# --- whole images ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("profile", ["fast", "normal", "high"])
def test_a_noisy_photograph_gains(profile: str, grey: torch.Tensor) -> None:
    noisy = with_noise(grey)
    denoised = BlockMatching3D(profile=profile).denoise(noisy, SIGMA)
    assert decibels(denoised, grey) > decibels(noisy, grey) + (8 if profile == "fast" else 8.25)


def test_the_second_pass_gains_on_the_first(grey: torch.Tensor) -> None:
    noisy = with_noise(grey)
    first = dataclasses.replace(FAST, refinement="none").denoise(noisy, SIGMA)
    assert decibels(FAST.denoise(noisy, SIGMA), grey) > decibels(first, grey) + 0.2


def test_colour_gains_more_in_opponent_space(photograph: torch.Tensor) -> None:
    noisy = with_noise(photograph)
    together, separate = (
        dataclasses.replace(FAST, colour=colour).denoise(noisy, SIGMA) for colour in ("opponent", "separate")
    )
    assert decibels(separate, photograph) > decibels(noisy, photograph) + 7.75
    assert decibels(together, photograph) > decibels(separate, photograph) + 1


def test_a_grey_image_in_three_channels_is_denoised_as_grey(grey: torch.Tensor) -> None:
    sigma = 15 / 255
    noisy = with_noise(grey[..., :48, :56], sigma).double()
    # Equal noise in all channels has √3 of its level in the brightness, and none elsewhere.
    colour = FAST.denoise(noisy.expand(-1, 3, -1, -1), sigma * math.sqrt(3))
    torch.testing.assert_close(colour, FAST.denoise(noisy, sigma).expand_as(colour), atol=1e-6, rtol=0)


def test_channels_in_other_numbers_are_denoised_each_alone(photograph: torch.Tensor) -> None:
    noisy = with_noise(photograph[:, :2, :40, :40])
    single = [FAST.denoise(noisy[:, channel : channel + 1], SIGMA) for channel in range(2)]
    assert torch.equal(FAST.denoise(noisy, SIGMA), torch.cat(single, dim=1))


def test_a_constant_image_is_a_fixed_point() -> None:
    image = torch.full((1, 3, 30, 40), 0.4)
    for prior in (FAST, BlockMatching3D(threshold=3.0, prefilter=2.0)):
        torch.testing.assert_close(prior.denoise(image, SIGMA), image, atol=1e-3, rtol=0)


def test_little_noise_leaves_the_image_nearly_as_it_is(grey: torch.Tensor) -> None:
    image = grey[..., :40, :40]
    assert (FAST.denoise(image, 1e-5) - image).abs().max() < 5e-5
    assert torch.equal(FAST.denoise(image, 0.0), image)


def test_brightness_and_contrast_commute_with_denoising(grey: torch.Tensor) -> None:
    noisy = with_noise(grey[..., :40, :40])
    prior = dataclasses.replace(FAST, refinement="none", threshold=2.0)
    # Flipping the signs of grey values changes no distance and no magnitude.
    torch.testing.assert_close(-prior.denoise(-noisy, SIGMA), prior.denoise(noisy, SIGMA), atol=1e-5, rtol=0)


@pytest.mark.parametrize("prefilter", [0.0, 2.0])
def test_strips_leave_no_seam(prefilter: float, grey: torch.Tensor, monkeypatch: pytest.MonkeyPatch) -> None:
    # In single precision rounding decides between patches that are equally far.
    noisy = with_noise(grey[..., :90, :33]).double()
    prior = dataclasses.replace(FAST, prefilter=prefilter)
    whole = prior.denoise(noisy, SIGMA)
    monkeypatch.setattr(collaborative, "STRIP", 1)
    monkeypatch.setattr(collaborative, "CHUNK", {"cpu": 64})
    torch.testing.assert_close(prior.denoise(noisy, SIGMA), whole, atol=1e-9, rtol=0)


@pytest.mark.parametrize("settings", [{}, {"prefilter": 2.0}], ids=["as it is", "prefilter"])
def test_calls_that_share_their_groups_go_on_as_they_would_have(
    settings: dict[str, Any], grey: torch.Tensor
) -> None:
    noisy, one = with_noise(grey[..., :40, :33]), torch.ones(1, 1, 1, 1)
    prior = dataclasses.replace(FAST, **settings)

    def called(repetition: Repetition, sigma: float, *, afresh: bool = False) -> torch.Tensor:
        return repetition.denoise(noisy, sigma, one, afresh=afresh)

    whole, continued = prior.repetition(), prior.repetition()
    called(whole, 50 / 255, afresh=True)
    continued.load_state_dict(whole.state_dict())
    # Below 40 the groups are smaller.
    assert torch.equal(called(whole, 30 / 255), called(continued, 30 / 255))


def test_shared_groups_are_told_apart_in_narrow_strips(
    grey: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    noisy, one = with_noise(grey[..., :48, :24]).double(), torch.ones(1, 1, 1, 1).double()

    def calls() -> list[torch.Tensor]:
        shared = BlockMatching3D(refinement="none").repetition()
        return [shared.denoise(noisy, SIGMA, one, afresh=index == 0) for index in range(2)]

    whole = calls()
    monkeypatch.setattr(collaborative, "STRIP", 1)
    for strips, expected in zip(calls(), whole, strict=True):
        torch.testing.assert_close(strips, expected, atol=1e-9, rtol=0)


@pytest.mark.parametrize(
    "shape", [(1, 1, 37, 23), (1, 3, 9, 41), (1, 1, 8, 8), (2, 3, 5, 30), (1, 1, 1, 1)], ids=str
)
@pytest.mark.parametrize("sigma", [SIGMA, 60 / 255])
def test_sizes_odd_and_smaller_than_window_or_patch(shape: tuple[int, ...], sigma: float) -> None:
    image = torch.full(shape, 0.5)
    noisy = with_noise(image, sigma)
    denoised = BlockMatching3D().denoise(noisy, sigma)
    assert denoised.shape == shape
    assert denoised.isfinite().all()
    if min(shape[-2:]) >= 8:
        assert decibels(denoised, image) > decibels(noisy, image) + 5


@pytest.mark.parametrize("side", range(1, 9))
@pytest.mark.parametrize("profile", ["fast", "normal", "high"])
def test_patches_of_small_images_leave_no_gap(profile: str, side: int) -> None:
    prior = BlockMatching3D(profile=profile)
    for shape in ((side, side), (side, 31)):
        noisy = with_noise(torch.full((1, 1, *shape), 0.5))
        assert prior.denoise(noisy, SIGMA).isfinite().all()


def test_strong_noise_takes_larger_groups() -> None:
    assert stages("normal", 50 / 255)[0].group == 2 * stages("normal", 25 / 255)[0].group


# --- settings and runs -------------------------------------------------------------------------------------


def test_repeated_use_takes_the_fast_profile() -> None:
    assert BlockMatching3D(threshold=3.0).repeated() == BlockMatching3D(threshold=3.0, profile="fast")


@pytest.mark.slow
@pytest.mark.parametrize(("sigma", "least"), [(15, 32.2), (25, 29.85), (50, 26.55)])
def test_set12_is_denoised_at_the_published_quality(sigma: int, least: float, shared) -> None:

    scores = []
    for file in sorted((shared / "data" / "set12").glob("*.png")):
        image = read(file, "L")
        denoised = BlockMatching3D().denoise(with_noise(image, sigma / 255), sigma / 255)
        scores.append(decibels(denoised, image))
    assert np.mean(scores) > least


def test_a_level_whose_square_is_nothing_keeps_empty_patches() -> None:
    image = torch.zeros(1, 1, 32, 32)
    image[..., 16, 16] = 1
    torch.testing.assert_close(BlockMatching3D().denoise(image, 1e-25), image, rtol=0, atol=1e-4)
