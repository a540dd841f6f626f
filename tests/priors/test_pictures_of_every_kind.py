"""What every prior makes of ordinary and of odd pictures: plain noise, saturated areas, few pixels, many channels.

The settings are the defaults, except where a prior would take minutes.
"""

from __future__ import annotations

import functools
from typing import Any

import numpy as np
import pytest
import torch

import zeroshot
from tests.pictures import SIGMA, as_image, decibels, denoising, grey, sample, seeded, with_noise
from zeroshot.loop import Loop
from zeroshot.operators import Blur, Downsample, Identity, Mask
from zeroshot.problem import Problem
from zeroshot.registry import prior_class, prior_names

#: Those that denoise by weights of a network that is given, and those that only fill in or only undo a blur.
WITHOUT = {
    "inversion", "latent", "mgan", "pulse", "completion", "richardson_lucy", "selfdeblur", "unsupervised_wiener",
    "wiener",
}  # fmt: skip
#: Those that train a network on the picture: they take long, and what is small or has holes they refuse.
LEARNERS = {"zsn2n", "idr", "pixel2pixel"}
DENOISERS = sorted(set(prior_names()) - WITHOUT - LEARNERS)
#: What makes slow ones quick enough for these tests.
QUICK: dict[str, dict[str, Any]] = {
    "auto": {"candidates": ("dct", "fourier")},
    "dip": {"iterations": 150, "channels": 32, "scales": 4},
    "ksvd": {"sweeps": 4, "training": 8000},
    "gsr": {"iterations": 10},
    "tgv": {"iterations": 400},
}
#: Those whose time goes with the number of channels.
OF_PATCHES = ("gsr", "ksvd", "ncsr", "nnm", "red", "wnnm")
#: What gains as much in tests of its own.
SLOWEST = ("dip", "gsr", "wnnm", "nnm")
CLASSIC = sorted(set(DENOISERS) - {"auto", "dip"})
#: Grey levels by which an area of 24 × 16 pixels may lose contrast, where it is more than rounding: a convex penalty
#: of jumps takes λ times the perimeter over the area from each.
LOSS = {"tv": 14.0, "huber_tv": 7.0, "nltv": 7.0, "tgv": 4.0}


def solved(problem: Problem, name: str) -> torch.Tensor:
    prior = prior_class(name).for_problem(problem, **QUICK.get(name, {}))
    return Loop(problem, prior, generator=seeded()).complete().result()


@functools.cache
def crop(name: str) -> torch.Tensor:
    if name == "camera":
        return as_image(sample("camera")[100:196, 100:196])
    return as_image(sample("astronaut")[20:116, 180:276])


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=pytest.mark.slow) if name in SLOWEST else name for name in DENOISERS],
)
@pytest.mark.parametrize("picture", ["camera", pytest.param("astronaut", marks=pytest.mark.slow)])
def test_a_plain_noisy_photograph_gains_five_decibels(name: str, picture: str) -> None:
    truth = crop(picture)
    problem = denoising(truth)
    assert decibels(solved(problem, name), truth) >= decibels(problem.y.clamp(0, 1), truth) + 5


@pytest.mark.parametrize("name", CLASSIC)
def test_white_and_black_stay(name: str) -> None:
    truth = torch.ones(1, 1, 48, 48)
    truth[..., 24:, :] = 0
    truth[..., 12:36, 16:32] = 0.5
    noisy = with_noise(truth).clamp(0, 1)
    image = solved(Problem(noisy, Identity(), sigma=SIGMA, task="denoise"), name)
    for place in (np.s_[..., :9, :13], np.s_[..., 39:, :13]):
        change = image[place].mean() - noisy[place].mean()
        assert change.abs() <= LOSS.get(name, 2.0) / 255
        lines = image[place][0, 0]
        assert (lines.mean(0) - lines.mean()).abs().max() <= 6 / 255
        assert (lines.mean(1) - lines.mean()).abs().max() <= 6 / 255


@pytest.mark.parametrize("name", CLASSIC)
@pytest.mark.parametrize(
    "size",
    [
        (1, 9),
        (5, 5),
        *(pytest.param(size, marks=pytest.mark.slow) for size in ((1, 1), (9, 1), (2, 2), (3, 17))),
    ],
    ids=str,
)
@pytest.mark.parametrize(
    "sigma", [SIGMA, pytest.param(None, marks=pytest.mark.slow)], ids=["given", "estimated"]
)
def test_images_smaller_than_a_patch(name: str, size: tuple[int, int], sigma: float | None) -> None:
    noisy = with_noise(torch.full((1, 3, *size), 0.5))
    image = solved(Problem(noisy, Identity(), sigma=sigma, task="denoise"), name)
    assert image.shape == noisy.shape
    assert image.isfinite().all()
    assert (image - 0.5).square().mean() <= (noisy - 0.5).square().mean() + 1e-6


@pytest.mark.parametrize(
    ("name", "kind"),
    [
        pytest.param(
            name, kind, marks=pytest.mark.slow if name == "tgv" and kind in ("outlier", "rank one") else ()
        )
        for name in CLASSIC
        for kind in ("near", "outlier", "rank one", "stripe")
    ],
)
def test_pictures_with_next_to_nothing_in_them(name: str, kind: str) -> None:
    image = torch.full((1, 1, 24, 24), 0.5)
    if kind == "near":
        image = image + 1e-7 * torch.randn(image.shape, generator=seeded())
    elif kind == "outlier":
        image[..., 12, 12] = 1.0
    elif kind == "rank one":
        image = torch.linspace(0, 1, 24).expand(1, 1, 24, 24).contiguous()
    else:
        image[..., 7, :] = 0.8
    result = solved(Problem(image, Identity(), sigma=0.02, task="denoise"), name)
    assert result.isfinite().all()
    assert (result - image).square().mean().sqrt() <= 0.03


@pytest.mark.parametrize(
    ("name", "channels"),
    [
        pytest.param(
            name, channels, marks=pytest.mark.slow if channels > (2 if name in OF_PATCHES else 4) else ()
        )
        for name in CLASSIC
        for channels in (2, 4, 5)
    ],
)
def test_every_channel_is_restored_or_the_image_refused(name: str, channels: int) -> None:
    planes = [crop("camera")[..., :40, :40], grey(crop("astronaut"))[..., :40, :40]]
    truth = torch.cat([planes[k % 2] if k < 2 else planes[k % 2].flip(-1) for k in range(channels)], dim=1)
    problem = denoising(truth)
    prior = prior_class(name).for_problem(problem)
    if prior.suited(problem).supports(problem) is not None:
        return
    image = solved(problem, name)
    for channel in range(channels):
        before = decibels(problem.y[:, channel], truth[:, channel])
        assert decibels(image[:, channel], truth[:, channel]) >= before + 2


@pytest.mark.parametrize("channels", [2, 4])
def test_arrays_of_two_or_four_channels_are_restored_in_what_is_measured(channels: int) -> None:
    # The last is alpha, which is no measurement of light and is carried through.
    truth = sample("astronaut")[20:68, 180:228]
    colours = truth[..., :1] if channels == 2 else truth
    noise = np.random.default_rng(0).normal(0, 25, colours.shape)
    noisy = np.clip(colours + noise, 0, 255).round().astype(np.uint8)
    alpha = np.full((48, 48, 1), 255, np.uint8)
    alpha[:, :5] = 200
    given = np.concatenate([noisy, alpha], axis=-1)
    image = np.asarray(zeroshot.solve(given, task="denoise", prior="dct", sigma=SIGMA, progress=False).image)
    assert image.shape == given.shape
    assert np.array_equal(image[..., -1:], alpha)
    for channel in range(channels - 1):
        errors = [
            np.square(np.float64(one[..., channel]) - colours[..., channel]).mean() for one in (given, image)
        ]
        assert errors[1] < errors[0] / 3


@pytest.mark.parametrize(
    "name",
    [
        "bm3d",
        "wavelet",
        *(pytest.param(name, marks=pytest.mark.slow) for name in ("tv", "ncsr", "gsr", "wnnm", "red")),
    ],
)
@pytest.mark.parametrize("scale", [2, *(pytest.param(scale, marks=pytest.mark.slow) for scale in (3, 4))])
@pytest.mark.parametrize(
    "level", [1.0, *(pytest.param(level, marks=pytest.mark.slow) for level in (0.8, 0.1))]
)
def test_flat_areas_stay_flat_when_enlarged(name: str, scale: int, level: float) -> None:
    picture = torch.full((1, 1, 30, 30), level)
    picture[..., 4:12, 4:12] = 0.4
    picture[..., :4, :] = 0
    problem = Problem(picture, Downsample(scale), sigma=0.0, task="sr")
    flat = solved(problem, name)[..., 24 * scale :, 24 * scale :]
    # The wavelets ring a little, as wide as they are.
    assert (flat - level).abs().max() <= (2.5 if name == "wavelet" else 1.0) / 255


@pytest.mark.slow
def test_red_reaches_the_quality_of_its_denoiser() -> None:
    truth = crop("camera")
    problem = denoising(truth, 20 / 255)
    red, bm3d = (decibels(solved(problem, name), truth) for name in ("red", "bm3d"))
    assert red >= bm3d - 0.6
    long = prior_class("red").for_problem(problem, iterations=48)
    image = Loop(problem, long, generator=seeded()).complete().result()
    assert decibels(image, truth) >= red - 0.7


@pytest.mark.parametrize("name", ["red", "pnp"])
def test_noise_on_known_pixels_goes_as_well(name: str) -> None:
    truth = crop("camera")[..., :64, :64]
    mask = (torch.rand(truth.shape, generator=seeded(1)) > 0.2).float()
    noisy = with_noise(truth) * mask
    problem = Problem(noisy, Mask(mask), sigma=SIGMA, task="inpaint", measured=mask)
    image = solved(problem, name)
    known = mask > 0
    before = (noisy - truth)[known].square().mean().sqrt()
    assert (image - truth)[known].square().mean().sqrt() <= 0.6 * before


def test_red_sharpens_as_before() -> None:
    truth = crop("camera")[..., :48, :48]
    blurred = with_noise(Blur.gaussian(1.5)(truth), 2 / 255)
    problem = Problem(blurred, Blur.gaussian(1.5), sigma=2 / 255, task="deblur")
    assert decibels(solved(problem, "red"), truth) >= decibels(problem.initial(), truth) + 2


@pytest.mark.parametrize(
    "name",
    [
        *sorted(
            {*CLASSIC, "completion"}
            - {"bilateral", "coherence", "domain_transform", "fourier", "perona_malik"}
        ),
        "dip",
    ],
)
@pytest.mark.parametrize("channels", [pytest.param(1, marks=pytest.mark.slow), 3])
def test_known_pixels_of_inpainting_come_back_to_the_bit(name: str, channels: int) -> None:
    random = np.random.default_rng(0)
    image = random.random((16, 18, channels)).astype(np.float32)
    known = random.random(image.shape[:2]) < 0.6
    # What is known is kept by the first iteration, or lost.
    few = {"nlm": {"window": 7}}.get(name, {})
    few |= {"iterations": 5} if "iterations" in prior_class(name)().settings() else {}
    settings = {**QUICK.get(name, {}), **few}
    result = zeroshot.solve(image, "inpaint", name, mask=known, settings=settings, progress=False)
    np.testing.assert_array_equal(np.asarray(result)[known], image[known])
