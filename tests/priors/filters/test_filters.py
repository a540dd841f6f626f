"""Properties of the bilateral filter, the domain transform and the Fourier low-pass."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
import scipy.fft
import torch
from skimage.restoration import denoise_bilateral

from tests.pictures import SIGMA, decibels, seeded, uniform, with_noise
from zeroshot.priors.denoising import DenoisingPrior
from zeroshot.priors.filters import pixel_pairs
from zeroshot.priors.filters.bilateral import REACH, Bilateral
from zeroshot.priors.filters.diffusion import CoherenceDiffusion, PeronaMalik
from zeroshot.priors.filters.domain_transform import (
    DomainTransform,
    normalized_convolution,
    recursive_filter,
    standard_deviations,
)
from zeroshot.priors.filters.fourier import (
    FourierLowPass,
    cosine_transform,
    falling_means,
    inverse_cosine_transform,
)

FILTERS: list[DenoisingPrior] = [
    Bilateral(),
    PeronaMalik(),
    CoherenceDiffusion(),
    DomainTransform(),
    DomainTransform(method="normalized"),
    FourierLowPass(),
    FourierLowPass(response="gaussian"),
]
every_filter = pytest.mark.parametrize(
    "prior", FILTERS, ids=lambda p: p.name + getattr(p, "method", "") + getattr(p, "response", "")
)


# --- what every filter does --------------------------------------------------------------------------------


@every_filter
@pytest.mark.parametrize("channels", [1, 3])
def test_gains_at_every_level_of_noise(
    prior: DenoisingPrior, channels: int, photograph: torch.Tensor
) -> None:
    x = photograph[:, :channels]
    for level, least in ((10, 0.4), (25, 4.0), (50, 6.5)):
        y = with_noise(x, level / 255)
        gain = decibels(prior.denoise(y, level / 255), x) - decibels(y, x)
        assert gain > least, level


@every_filter
@pytest.mark.parametrize("channels", [1, 3])
def test_constants_are_fixed_points(prior: DenoisingPrior, channels: int) -> None:
    x = torch.full((1, channels, 21, 34), 0.6)
    torch.testing.assert_close(prior.denoise(x, SIGMA), x, atol=1e-5, rtol=0)


@every_filter
def test_turning_the_image_turns_the_result(prior: DenoisingPrior, photograph: torch.Tensor) -> None:
    y = with_noise(photograph[..., :31, :44])
    x = prior.denoise(y, SIGMA)
    if isinstance(prior, DomainTransform):
        # The recursion runs there before it runs back.
        turned = prior.denoise(y.rot90(1, (-2, -1)).contiguous(), SIGMA)
        assert (turned - x.rot90(1, (-2, -1))).square().mean().sqrt() < 0.1 * SIGMA
        torch.testing.assert_close(prior.denoise(y.mT.contiguous(), SIGMA), x.mT, atol=2e-5, rtol=0)
        return
    turned = prior.denoise(y.rot90(1, (-2, -1)).contiguous(), SIGMA)
    torch.testing.assert_close(turned, x.rot90(1, (-2, -1)), atol=2e-5, rtol=0)
    torch.testing.assert_close(prior.denoise(y.mT.contiguous(), SIGMA), x.mT, atol=2e-5, rtol=0)


@every_filter
def test_without_noise_the_image_stays(prior: DenoisingPrior, photograph: torch.Tensor) -> None:
    y = with_noise(photograph)
    assert torch.equal(prior.denoise(y, 0.0), y)
    torch.testing.assert_close(prior.denoise(y, 1e-5), y, atol=2e-4, rtol=0)


@every_filter
@pytest.mark.parametrize("shape", [(1, 1), (1, 7), (2, 3), (5, 4)])
def test_tiny_images(prior: DenoisingPrior, shape: tuple[int, int]) -> None:
    y = uniform(2, 3, *shape)
    x = prior.denoise(y, SIGMA)
    assert x.shape == y.shape
    assert torch.isfinite(x).all()
    if shape == (1, 1):
        torch.testing.assert_close(x, y, atol=1e-5, rtol=0)


# --- bilateral ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("channels", [1, 3])
def test_bilateral_agrees_with_its_definition(
    channels: int, photograph: torch.Tensor, monkeypatch: pytest.MonkeyPatch
) -> None:
    y = with_noise(photograph[:, :channels, 40:53, 30:41])
    prior = Bilateral(spatial=1.3, strength=1.7)
    values, radius = y[0].double().permute(1, 2, 0), math.ceil(REACH * prior.spatial)
    expected = torch.zeros_like(values)
    for i in range(13):
        for j in range(11):
            rows = torch.arange(max(0, i - radius), min(13, i + radius + 1))
            columns = torch.arange(max(0, j - radius), min(11, j + radius + 1))
            window = values[rows][:, columns]
            space = ((rows - i)[:, None] ** 2 + (columns - j) ** 2) / (2 * prior.spatial**2)
            colour = (window - values[i, j]).square().mean(-1) / (2 * (1.7 * SIGMA) ** 2)
            weights = torch.exp(-space - colour)[..., None]
            expected[i, j] = (weights * window).sum((0, 1)) / weights.sum()
    for rows_of_a_strip in (100, 3):
        monkeypatch.setattr(pixel_pairs, "STRIP_PIXELS", rows_of_a_strip * 11)
        result = prior.denoise(y, SIGMA)[0].permute(1, 2, 0)
        torch.testing.assert_close(result, expected.float(), atol=1e-6, rtol=0)


def test_bilateral_stays_within_the_range(photograph: torch.Tensor) -> None:
    y = with_noise(photograph)
    x = Bilateral().denoise(y, SIGMA)
    assert (x >= y.amin((2, 3), keepdim=True) - 1e-6).all()
    assert (x <= y.amax((2, 3), keepdim=True) + 1e-6).all()


def test_bilateral_is_at_least_as_good_as_scikit_image(photograph: torch.Tensor) -> None:
    x = photograph[:, :1, 16:80, 16:80]
    y = with_noise(x)
    peer = denoise_bilateral(y[0, 0].numpy(), sigma_color=2.6 * SIGMA, sigma_spatial=1.5)
    peer = torch.from_numpy(np.array(peer))[None, None]
    assert decibels(Bilateral().denoise(y, SIGMA), x) > decibels(peer, x) - 0.05


# --- domain transform --------------------------------------------------------------------------------------


def coordinates(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    generator = seeded(seed)
    return torch.rand(2, 17, 5, generator=generator), 1 + 4 * torch.rand(16, 5, generator=generator)


def test_recursive_filter_agrees_with_its_definition() -> None:
    image, distances = coordinates()
    expected = image.double()
    feedback = math.exp(-math.sqrt(2) / 2.5)
    for order in (range(1, 17), range(15, -1, -1)):
        step = order.step
        for n in order:
            for column in range(5):
                weight = feedback ** distances[min(n, n - step), column].item()
                expected[:, n, column] = (1 - weight) * expected[:, n, column] + weight * expected[
                    :, n - step, column
                ]
    result = recursive_filter(image.clone(), distances, 2.5)
    torch.testing.assert_close(result, expected.float(), atol=1e-6, rtol=0)


def test_normalized_convolution_agrees_with_its_definition() -> None:
    image, distances = coordinates()
    expected = torch.zeros_like(image)
    for column in range(5):
        place = torch.cat([torch.zeros(1), distances[:, column].cumsum(0)])
        for n in range(17):
            near = (place - place[n]).abs() <= math.sqrt(3) * 2.5
            expected[:, n, column] = image[:, near, column].mean(-1)
    result = normalized_convolution(image, distances, 2.5)
    torch.testing.assert_close(result, expected, atol=1e-6, rtol=0)


@pytest.mark.parametrize("smooth", [recursive_filter, normalized_convolution])
def test_nothing_passes_an_edge(smooth: type) -> None:
    image, distances = coordinates()
    distances[8] = 1e4
    changed = image.clone()
    changed[:, :9] += 5
    difference = smooth(changed, distances, 3.0) - smooth(image.clone(), distances, 3.0)
    torch.testing.assert_close(difference[:, 9:], torch.zeros(2, 8, 5), atol=1e-5, rtol=0)
    torch.testing.assert_close(difference[:, :9], torch.full((2, 9, 5), 5.0), atol=1e-5, rtol=0)


@pytest.mark.parametrize("iterations", [1, 3, 5])
def test_the_variances_of_the_iterations_add_up(iterations: int) -> None:
    deviations = standard_deviations(7.0, iterations)
    assert sum(d * d for d in deviations) == pytest.approx(49)
    assert all(d == pytest.approx(2 * e) for d, e in itertools.pairwise(deviations))


@pytest.mark.parametrize("method", ["recursive", "normalized"])
def test_domain_transform_stays_within_the_range(method: str, photograph: torch.Tensor) -> None:
    y = with_noise(photograph)
    x = DomainTransform(method=method).denoise(y, SIGMA)  # type: ignore[arg-type]
    assert (x >= y.amin((2, 3), keepdim=True) - 1e-6).all()
    assert (x <= y.amax((2, 3), keepdim=True) + 1e-6).all()


# --- Fourier -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(8, 6), (7, 9), (1, 5), (2, 1)])
def test_cosine_transform_agrees_with_scipy_and_has_an_inverse(shape: tuple[int, int]) -> None:
    x = torch.rand(2, 3, *shape, dtype=torch.float64, generator=seeded())
    transformed = cosine_transform(x)
    expected = scipy.fft.dctn(x.numpy(), axes=(2, 3), norm="ortho")
    torch.testing.assert_close(transformed, torch.from_numpy(expected))
    torch.testing.assert_close(inverse_cosine_transform(transformed), x)


def test_falling_means_are_the_isotonic_regression() -> None:
    values = torch.tensor([5.0, 1.0, 3.0, 9.0, 2.0, 2.5], dtype=torch.float64)
    counts = torch.tensor([1.0, 1.0, 2.0, 0.0, 1.0, 1.0], dtype=torch.float64)
    expected = torch.tensor([5.0, 7 / 3, 7 / 3, 7 / 3, 2.25, 2.25], dtype=torch.float64)
    torch.testing.assert_close(falling_means(values * counts, counts), expected)


@pytest.mark.parametrize("response", ["wiener", "gaussian"])
def test_low_pass_keeps_the_mean_and_adds_no_energy(response: str, photograph: torch.Tensor) -> None:
    y = with_noise(photograph[..., :61, :80])
    x = FourierLowPass(response=response).denoise(y, SIGMA)  # type: ignore[arg-type]
    torch.testing.assert_close(x.mean((2, 3)), y.mean((2, 3)), atol=1e-5, rtol=0)
    assert x.square().sum() < y.square().sum()


def test_opposite_borders_do_not_ring_into_each_other() -> None:
    ramp = torch.linspace(0, 1, 96).expand(1, 1, 64, 96)
    y = with_noise(ramp, 10 / 255)
    error = (FourierLowPass().denoise(y, 10 / 255) - ramp).abs()
    assert error[..., :4].mean() < 0.03
    assert error[..., -4:].mean() < 0.03
