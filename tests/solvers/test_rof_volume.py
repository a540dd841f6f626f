"""Total variation of volumes: the adjoint of its differences, its certificate, and images as volumes of one plane."""

import pytest
import torch

from zeroshot.solvers.finite_differences import TotalVariationNorm
from zeroshot.solvers.rof import RudinOsherFatemi
from zeroshot.solvers.rof_volume import VolumeRudinOsherFatemi, volume_divergence, volume_gradient


def random(*shape, dtype=torch.float32):
    return torch.rand(shape, generator=torch.Generator().manual_seed(sum(shape)), dtype=dtype)


@pytest.mark.parametrize("shape", [(2, 3, 4, 5, 6), (1, 1, 1, 5, 7), (1, 1, 6, 1, 1)])
def test_the_divergence_is_the_negative_adjoint_of_the_gradient(shape):
    x, p = random(*shape, dtype=torch.float64), random(3, *shape, dtype=torch.float64)
    ahead = (volume_gradient(x, 0.4) * p).sum()
    back = (x * volume_divergence(p, 0.4)).sum()
    torch.testing.assert_close(ahead, -back)


def objective(x, y, weight, sigma, depth_weight):
    variation = volume_gradient(x, depth_weight).square().sum(dim=(0, 2)).sqrt().sum()
    return (x - y).square().sum() / (2 * sigma**2) + weight * variation


def test_the_objective_is_that_of_the_volume_and_the_bound_lies_below_it():
    y = random(2, 1, 5, 12, 10)
    solver = VolumeRudinOsherFatemi(y, 4.0, 0.2, depth_weight=0.5)
    solver.advance(400)
    value, bound = solver.evaluate()
    assert value == pytest.approx(float(objective(solver.volume, y, 4.0, 0.2, 0.5)), rel=1e-4)
    assert bound <= value <= bound * 1.001
    moved = solver.volume + 0.01 * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))
    assert float(objective(moved, y, 4.0, 0.2, 0.5)) > value
    assert y.min() <= solver.volume.min() + 1e-4
    assert solver.volume.max() <= y.max() + 1e-4


@pytest.mark.parametrize("kind", ["isotropic", "anisotropic"])
def test_a_volume_of_one_plane_is_an_image(kind):
    y = random(1, 1, 1, 20, 24)
    volume, image = (
        VolumeRudinOsherFatemi(y, 5.0, 0.1, kind=kind),
        RudinOsherFatemi(y[:, :, 0], TotalVariationNorm(kind), 5.0, 0.1),
    )
    volume.advance(60)
    image.advance(60)
    torch.testing.assert_close(volume.volume[:, :, 0], image.unclipped, atol=1e-5, rtol=0)


def test_slabs_make_no_difference(monkeypatch):
    y = random(1, 3, 7, 9, 8)
    whole = VolumeRudinOsherFatemi(y, 3.0, 0.2, depth_weight=0.7, channels=(1, 3, 3))
    monkeypatch.setattr("zeroshot.solvers.rof_volume._CACHED", 2 * 3 * 9 * 8)
    slabs = VolumeRudinOsherFatemi(y, 3.0, 0.2, depth_weight=0.7, channels=(1, 3, 3))
    for solver in (whole, slabs):
        solver.advance(30)
    torch.testing.assert_close(whole.volume, slabs.volume, atol=1e-6, rtol=0)
    assert whole.evaluate() == pytest.approx(slabs.evaluate(), rel=1e-6)


def test_the_weight_follows_the_residual_that_is_wanted():
    noise = 0.1 * torch.randn((1, 1, 8, 24, 24), generator=torch.Generator().manual_seed(1))
    y = 0.5 + noise
    y[..., 12:] += 0.3
    solver = VolumeRudinOsherFatemi(y, 1.0, 0.1)
    for _ in range(20):
        solver.advance(10, residual=0.092)
    solver.evaluate()
    assert solver.residual == pytest.approx(0.092, rel=0.02)
