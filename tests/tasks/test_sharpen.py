"""Sharpening: the radius that is found, what it gains, and that edges, flat parts and sharp pictures take no harm."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import torch

import zeroshot
from tests.pictures import as_image, decibels, sample, seeded
from zeroshot.images import load
from zeroshot.operators import Blur
from zeroshot.spelling import OptionError
from zeroshot.tasks import make_problem
from zeroshot.tasks.degrade import degrade
from zeroshot.tasks.overshoot import LocalRange


def sharpened(image: torch.Tensor, **options: object) -> torch.Tensor:
    return zeroshot.sharpen(image, progress=False, **options).picture.colours  # type: ignore[arg-type]


def step_edge(noise: float = 0.0) -> torch.Tensor:
    truth = torch.full((1, 1, 64, 64), 0.2)
    truth[..., 32:] = 0.8
    soft = Blur.gaussian(1.2)(truth)
    return soft + noise * torch.randn(soft.shape, generator=seeded())


def test_a_soft_picture_gains_and_is_told_its_radius() -> None:
    soft = degrade(as_image(sample("camera")[64:224, 64:224]), "sharpen", radius=1.2, sigma=2 / 255)
    with pytest.warns(UserWarning, match=r"the edges tell of radius=(0\.[89]|1\.[0-4])"):
        image = sharpened(soft.measurement)
    assert decibels(image, soft.truth) > decibels(soft.measurement, soft.truth) + 1


def test_a_sharp_picture_stays_as_it_is() -> None:
    sharp = torch.zeros(1, 1, 96, 96)
    for top in range(0, 96, 16):
        sharp[..., top : top + 8, :] = 0.3 + top / 200
    sharp = sharp + 0.004 * torch.randn(sharp.shape, generator=seeded()) + 0.1
    with pytest.warns(UserWarning, match="no blur found: the picture stays as it is"):
        assert torch.equal(sharpened(sharp), sharp)


def test_without_edges_it_says_that_nobody_can_tell() -> None:
    flat = torch.full((1, 3, 64, 64), 0.4)
    with pytest.warns(UserWarning, match="no blur found, as there are too few edges"):
        assert torch.equal(sharpened(flat), flat)


@pytest.mark.parametrize("prior", ["wiener", "richardson_lucy"])
def test_an_edge_does_not_ring(prior: str) -> None:
    soft = step_edge()
    image = sharpened(soft, radius=1.2, prior=prior, sigma=0.5 / 255)
    assert float(image.max()) < 0.8 + 0.03
    assert float(image.min()) > 0.2 - 0.03
    assert float((image[..., 32] - image[..., 31]).mean()) > 1.3 * float(
        (soft[..., 32] - soft[..., 31]).mean()
    )


def test_the_noise_of_flat_parts_does_not_grow() -> None:
    soft = step_edge(3 / 255)
    image = sharpened(soft, radius=1.2)
    for part in (slice(4, 24), slice(40, 60)):
        assert float(image[..., part].std()) < 1.05 * float(soft[..., part].std())


def test_strength_is_the_share_of_the_variance_that_is_undone() -> None:
    picture = load(torch.rand(1, 64, 64, generator=seeded()))
    half, _, _ = make_problem("sharpen", picture, {"radius": 1.6, "strength": 0.25})
    torch.testing.assert_close(half.operator.kernel, Blur.gaussian(0.8).kernel)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        none = sharpened(picture.colours, radius=1.6, strength=0)
    assert torch.equal(none, picture.colours)


def test_the_bounds_are_those_of_the_neighbours_and_of_the_mean() -> None:
    ramp = torch.from_numpy(np.tile(np.linspace(0.2, 0.8, 16, dtype=np.float32), (16, 1)))[None, None]
    bounds = LocalRange(ramp, 0.0, 0.0)
    inner = (..., slice(4, 12), slice(4, 12))
    torch.testing.assert_close(bounds.upper[inner], ramp[..., 4:12, 5:13], atol=3e-4, rtol=0)
    noise = 0.5 + 0.01 * torch.randn(1, 1, 64, 64, generator=seeded())
    wild = noise + torch.randn(noise.shape, generator=seeded(1))
    kept = LocalRange(noise, 0.01, 0.1).nearest(wild)
    assert float(kept.std()) < 1.05 * float(noise.std())
    assert torch.equal(LocalRange(noise, 0.01, 0.1).nearest(noise), noise)


@pytest.mark.parametrize("radius", [9, 0, "wide"])
def test_a_radius_that_is_none_is_refused(radius: object) -> None:
    with pytest.raises(
        OptionError, match=r"radius must be a positive number of pixels, at most 5, or 'auto'"
    ):
        zeroshot.sharpen(torch.rand(1, 32, 32), radius=radius)
