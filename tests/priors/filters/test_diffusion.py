"""Properties of nonlinear diffusion."""

from __future__ import annotations

import math

import pytest
import torch

from tests.pictures import SIGMA, seeded, uniform, with_noise
from zeroshot.priors.filters.diffusion import (
    DISCREPANCY,
    TIME_STEP,
    CoherenceDiffusion,
    Diffusion,
    PeronaMalik,
    anisotropic_divergence,
)

KINDS: list[Diffusion] = [
    PeronaMalik(),
    PeronaMalik(conductance="exponential"),
    PeronaMalik(presmoothing=0.7, strength=0.5),
    CoherenceDiffusion(),
    CoherenceDiffusion(kind="coherence"),
]
every_kind = pytest.mark.parametrize("prior", KINDS, ids=repr)


@every_kind
@pytest.mark.parametrize("channels", [1, 3])
def test_keeps_the_mean_and_stays_within_the_range(
    prior: Diffusion, channels: int, photograph: torch.Tensor
) -> None:
    y = with_noise(photograph[:, :channels, :61, :80])
    x = prior.denoise(y, SIGMA)
    torch.testing.assert_close(x.mean((2, 3)), y.mean((2, 3)), atol=1e-5, rtol=0)
    assert (x >= y.amin((2, 3), keepdim=True) - 1e-6).all()
    assert (x <= y.amax((2, 3), keepdim=True) + 1e-6).all()


@every_kind
def test_turning_the_image_turns_the_velocity(prior: Diffusion, photograph: torch.Tensor) -> None:
    y = with_noise(photograph[0, :, :31, :44])
    flow = prior.velocity(SIGMA)
    for turn in (lambda x: x.rot90(1, (-2, -1)), lambda x: x.mT, lambda x: x.flip(-1)):
        turned = flow(turn(y).contiguous())
        torch.testing.assert_close(turned, turn(flow(y)), atol=1e-5, rtol=0)


@pytest.mark.parametrize("level", [15, 50])
@pytest.mark.parametrize("prior", [PeronaMalik(), CoherenceDiffusion(), KINDS[-1]], ids=repr)
def test_removes_the_variance_of_the_noise(prior: Diffusion, level: int, photograph: torch.Tensor) -> None:
    sigma = level / 255
    y = with_noise(photograph, sigma)
    removed = (prior.denoise(y, sigma) - y).square().mean().sqrt().item()
    assert removed == pytest.approx((DISCREPANCY[0] + DISCREPANCY[1] * sigma) * sigma, rel=1e-3)


@every_kind
def test_an_image_with_less_variance_than_the_noise_comes_to_rest(prior: Diffusion) -> None:
    y = 0.5 + 0.001 * torch.randn(1, 1, 12, 9, generator=seeded())
    x = prior.denoise(y, SIGMA)
    assert torch.isfinite(x).all()
    assert x.std() < y.std()


@every_kind
def test_one_step_keeps_order(prior: Diffusion) -> None:
    """No value leaves the range of the image even where neighbours are black and white."""
    y = (uniform(3, 24, 24) > 0.5).float()
    x = y + TIME_STEP * prior.velocity(1.0)(y)
    assert x.amin() >= -1e-6
    assert x.amax() <= 1 + 1e-6


@pytest.mark.parametrize("presmoothing", [0.0, 0.7])
def test_perona_malik_with_full_conductance_is_the_heat_equation(presmoothing: float) -> None:
    y = uniform(1, 13, 10)
    velocity = PeronaMalik(presmoothing=presmoothing, strength=1e4).velocity(1.0)(y)
    torch.testing.assert_close(velocity, laplacian(y), atol=1e-5, rtol=0)


def laplacian(x: torch.Tensor) -> torch.Tensor:
    p = torch.nn.functional.pad(x, (1, 1, 1, 1), mode="replicate")
    return p[:, 2:, 1:-1] + p[:, :-2, 1:-1] + p[:, 1:-1, 2:] + p[:, 1:-1, :-2] - 4 * x


@pytest.mark.parametrize("conductance", ["exponential", "rational"])
def test_perona_malik_agrees_with_its_definition(conductance: str) -> None:
    y = uniform(3, 6, 7)
    scale = 0.3
    expected = torch.zeros_like(y)
    for i in range(6):
        for j in range(7):
            for k, m in ((i - 1, j), (i + 1, j), (i, j - 1), (i, j + 1)):
                if not (0 <= k < 6 and 0 <= m < 7):
                    continue
                difference = y[:, k, m] - y[:, i, j]
                ratio = difference.square().mean().item() / scale**2
                g = math.exp(-ratio) if conductance == "exponential" else 1 / (1 + ratio)
                expected[:, i, j] += g * difference
    prior = PeronaMalik(3.0, conductance, presmoothing=0)  # type: ignore[arg-type]
    torch.testing.assert_close(prior.velocity(0.1)(y), expected, atol=1e-6, rtol=0)


def test_the_identity_as_diffusion_tensor_gives_the_heat_equation() -> None:
    y = uniform(2, 9, 14)
    one, zero = torch.ones(10, 15), torch.zeros(10, 15)
    torch.testing.assert_close(anisotropic_divergence(y, one, zero, one), laplacian(y), atol=1e-5, rtol=0)


def test_a_constant_diffusion_tensor_gives_its_quadratic_form() -> None:
    """Div(D ∇u) of a quadratic is tr(D H), with H its matrix of second derivatives."""
    rows, columns = torch.meshgrid(torch.arange(12.0), torch.arange(15.0), indexing="ij")
    u = (0.5 * columns**2 + 0.7 * rows * columns - 0.3 * rows**2)[None]
    a, b, c = 0.9, -0.2, 0.4
    tensor = (torch.full((13, 16), value) for value in (a, b, c))
    result = anisotropic_divergence(u, *tensor)[0, 2:-2, 2:-2]
    torch.testing.assert_close(result, torch.full_like(result, a + 2 * 0.7 * b - 0.6 * c), atol=1e-4, rtol=0)


def test_a_checkerboard_is_damped() -> None:
    rows, columns = torch.meshgrid(torch.arange(16), torch.arange(16), indexing="ij")
    board = 0.5 + 0.1 * (-1.0) ** (rows + columns)[None]
    x = CoherenceDiffusion().denoise(board[None], SIGMA)
    assert (x - 0.5).abs()[..., 2:-2, 2:-2].amax() < 0.2 * 0.1


def test_edges_are_smoothed_along_and_not_across() -> None:
    edge = (torch.arange(40)[None, :] > 19).float().expand(40, 40)
    for x in (edge, torch.triu(torch.ones(40, 40))):
        y = with_noise(x[None, None])
        result = CoherenceDiffusion().denoise(y, SIGMA)
        assert (result - x).square().mean() < 0.25 * (y - x).square().mean()
        assert (result - x).abs()[..., 5:-5, 5:-5].mean() < 0.05
