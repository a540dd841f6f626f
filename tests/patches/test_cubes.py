"""Properties of cubes that are cut out of a volume, matched and put back."""

from __future__ import annotations

from itertools import product

import pytest
import torch

from zeroshot.patches.cube_matching import match_cubes
from zeroshot.patches.cubes import CubeAverage, overlap_add_cubes, voxel_rows


def test_cubes_put_back_are_the_volume() -> None:
    volume = torch.rand(5, 6, 7, generator=torch.Generator().manual_seed(0))
    size = (2, 3, 4)
    rows = voxel_rows(volume, size)
    average = CubeAverage((5, 6, 7), torch.rand(size) + 0.5, torch.eye(24), volume)
    average.add(rows, torch.arange(len(rows)), torch.rand(len(rows)) + 0.5)
    sums, weights = average.totals()
    assert torch.allclose(sums / weights, volume, atol=1e-6)


def test_adding_cubes_is_the_adjoint_of_cutting_them_out() -> None:
    generator = torch.Generator().manual_seed(1)
    volume = torch.rand(4, 5, 6, generator=generator, dtype=torch.float64)
    rows = torch.rand(3 * 3 * 4, 2 * 3 * 3, generator=generator, dtype=torch.float64)
    one = (voxel_rows(volume, (2, 3, 3)) * rows).sum()
    assert torch.isclose(one, (volume * overlap_add_cubes(rows.T, (4, 5, 6), (2, 3, 3))).sum())


def test_a_volume_smaller_than_a_cube_is_refused() -> None:
    with pytest.raises(ValueError, match=r"the volume \(2 × 5 × 5\) is smaller than a cube of 4 × 4 × 4"):
        CubeAverage((2, 5, 5), torch.ones(4, 4, 4), torch.eye(64), torch.zeros(1))


@pytest.mark.parametrize("corners", [(5, 9, 14), (1, 8, 8), (12, 3, 2)])
def test_matches_are_the_nearest_cubes_of_the_window(corners: tuple[int, int, int]) -> None:
    features = torch.rand(corners[0] * corners[1] * corners[2], 6, generator=torch.Generator().manual_seed(2))
    stride, radius, count = (3, 2, 3), (2, 3, 2), 6
    references = tuple(
        torch.tensor(sorted({*range(0, n, s), n - 1})) for n, s in zip(corners, stride, strict=True)
    )
    found = match_cubes(features, corners, count, stride, radius, references)  # type: ignore[arg-type]
    grid = features.unflatten(0, corners)
    for number, place in enumerate(product(*(axis.tolist() for axis in references))):
        windows = []
        for centre, reach, length in zip(place, radius, corners, strict=True):
            first = min(max(centre - reach, 0), max(0, length - (2 * reach + 1)))
            windows.append(slice(first, min(first + 2 * reach + 1, length)))
        expected = (grid[tuple(windows)] - grid[place]).square().mean(-1).flatten().sort().values[:count]
        assert int(found.corners[number, 0]) == (place[0] * corners[1] + place[1]) * corners[2] + place[2]
        assert torch.allclose(found.distances[number, : len(expected)], expected, atol=1e-5)
        chosen = features[found.corners[number, : len(expected)]]
        own = (chosen - grid[place]).square().mean(-1)
        assert torch.allclose(own, found.distances[number, : len(expected)], atol=1e-5)
