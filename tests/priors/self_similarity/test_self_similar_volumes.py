"""Properties of collaborative filtering and non-local means of volumes."""

from __future__ import annotations

import pytest
import torch

from tests.pictures import decibels
from zeroshot.priors.self_similarity import nonlocal_volume
from zeroshot.priors.self_similarity.bm3d import collaborative_volume, volume
from zeroshot.priors.self_similarity.bm3d.bm3d import BlockMatching3D
from zeroshot.priors.self_similarity.bm3d.volume import filter_volume
from zeroshot.priors.self_similarity.nonlocal_means import NonlocalMeans
from zeroshot.priors.self_similarity.nonlocal_volume import average_volume

SIGMA = 25 / 255
FILTERS = pytest.mark.parametrize("denoise", [filter_volume, average_volume])


def balls(depth: int, side: int) -> torch.Tensor:
    """Balls of different brightness on a ramp, (1, D, H, W)."""
    z, y, x = torch.meshgrid(torch.arange(depth), torch.arange(side), torch.arange(side), indexing="ij")
    volume = 0.2 + 0.3 * x / side
    generator = torch.Generator().manual_seed(3)
    for _ in range(12):
        centre = torch.rand(3, generator=generator) * torch.tensor([depth, side, side])
        radius = 3 + 5 * torch.rand(1, generator=generator)
        inside = (z - centre[0]) ** 2 + (y - centre[1]) ** 2 + (x - centre[2]) ** 2 < radius**2
        volume[inside] = torch.rand(1, generator=generator)
    return volume[None]


def noisy_of(volume: torch.Tensor, sigma: float = SIGMA) -> torch.Tensor:
    return volume + sigma * torch.randn(volume.shape, generator=torch.Generator().manual_seed(5))


def distance(one: torch.Tensor, other: torch.Tensor) -> float:
    """Root mean square: a rounded last digit may put single coefficients on the other side of a threshold."""
    return (one - other).square().mean().sqrt().item()


@FILTERS
@pytest.mark.parametrize(
    "shape", [(1, 9, 20, 20), (3, 2, 12, 9), (1, 1, 16, 16), (1, 20, 3, 5), (2, 1, 1, 1)]
)
def test_a_constant_stays_and_so_does_the_shape(denoise, shape: tuple[int, ...]) -> None:
    volume = torch.full(shape, 0.3)
    assert torch.allclose(denoise(volume, SIGMA), volume, atol=1e-5)


@FILTERS
def test_without_noise_the_volume_comes_back(denoise) -> None:
    noisy = noisy_of(balls(10, 24))
    before = noisy.clone()
    assert torch.allclose(denoise(noisy, 1e-6), noisy, atol=1e-4)
    assert torch.equal(noisy, before)


@pytest.mark.parametrize(
    ("denoise", "planewise", "gain"),
    [(filter_volume, BlockMatching3D(), 1.5), (average_volume, NonlocalMeans(), 1.0)],
)
def test_a_volume_gains_on_its_planes(denoise, planewise, gain: float) -> None:
    clean = balls(10, 32)
    noisy = noisy_of(clean)
    planes = planewise.denoise(noisy[0][:, None], SIGMA)[:, 0]
    assert decibels(denoise(noisy, SIGMA)[0], clean[0]) > decibels(planes, clean[0]) + gain


@pytest.mark.parametrize(
    ("denoise", "planewise"), [(filter_volume, BlockMatching3D()), (average_volume, NonlocalMeans())]
)
def test_a_single_plane_is_an_image(denoise, planewise) -> None:
    noisy = noisy_of(balls(9, 40)[:, 4:5])
    image = planewise.denoise(noisy, SIGMA, torch.ones(1, 1, 1, 1))
    assert distance(denoise(noisy, SIGMA), image) < 2e-4


@pytest.mark.parametrize(("module", "most"), [(volume, 0.004), (nonlocal_volume, 1e-6)])
def test_a_cut_is_not_felt_beyond_the_reach(module, most: float) -> None:
    denoise = filter_volume if module is volume else average_volume
    noisy = noisy_of(balls(36, 20))
    part, whole = denoise(noisy[:, 12:], SIGMA), denoise(noisy, SIGMA)[:, 12:]
    planes, _ = module.reach(SIGMA)
    assert 12 % module.STEP == 0
    assert distance(part[:, :1], whole[:, :1]) > most
    assert distance(part[:, planes:], whole[:, planes:]) < most


@FILTERS
def test_one_sigma_is_the_same_as_a_map_of_it(denoise) -> None:
    noisy = noisy_of(balls(8, 24))
    levels = torch.full((1, 8, 24, 24), SIGMA)
    assert distance(denoise(noisy, levels), denoise(noisy, SIGMA)) < 2e-4


@FILTERS
def test_a_map_of_sigma_gains_where_the_noise_differs(denoise) -> None:
    clean = balls(8, 32)
    levels = (10 + 50 * torch.arange(32) / 31).expand(1, 8, 32, 32) / 255
    noisy = clean + levels * noisy_of(torch.zeros_like(clean), 1.0)
    mean = float(levels.square().mean().sqrt())
    assert decibels(denoise(noisy, levels), clean) > decibels(denoise(noisy, mean), clean) + 0.3


@FILTERS
def test_parts_of_bounded_size_give_the_whole(denoise, monkeypatch: pytest.MonkeyPatch) -> None:
    noisy = noisy_of(balls(12, 24))
    whole = denoise(noisy, SIGMA)
    monkeypatch.setattr(collaborative_volume, "BLOCK", 100_000)
    monkeypatch.setitem(nonlocal_volume.BLOCK_VOXELS, "cpu", 3000)
    assert distance(denoise(noisy, SIGMA), whole) < 2e-4


@FILTERS
def test_channels_that_are_alike_come_back_alike(denoise) -> None:
    noisy = noisy_of(balls(6, 20))
    result = denoise(noisy.expand(3, -1, -1, -1), SIGMA)
    assert torch.allclose(result[0], result[2], atol=1e-6)


@FILTERS
def test_a_volume_turned_round_comes_back_turned_round(denoise) -> None:
    noisy = noisy_of(balls(12, 24))
    turned = denoise(noisy.flip(1, 2, 3), SIGMA).flip(1, 2, 3)
    clean = balls(12, 24)
    assert abs(decibels(turned, clean) - decibels(denoise(noisy, SIGMA), clean)) < 0.2


def test_a_level_whose_square_is_nothing_keeps_empty_cubes() -> None:
    point = torch.zeros(1, 4, 16, 16)
    point[:, :, 8, 8] = 1
    torch.testing.assert_close(filter_volume(point, 1e-25), point, rtol=0, atol=1e-5)
