"""The grid of tiles: every pixel once in all, cuts out of sight, starts where the damage wants them."""

from __future__ import annotations

import pytest
import torch

from zeroshot.operators import Locality
from zeroshot.tiling.grid import Grid

_CASES = [
    ((100, 100), 64, 16, Locality()),
    ((65, 200), 64, 32, Locality()),
    ((70, 64), 64, 16, Locality()),
    ((129, 131), 64, 20, Locality(align=2, reach=3)),
    ((240, 96), 64, 24, Locality(align=12, reach=5)),
    ((40, 50), 64, 16, Locality()),
    ((3000, 4000), 512, 64, Locality(align=4, reach=6)),
]


@pytest.mark.parametrize(("size", "tile", "overlap", "locality"), _CASES)
def test_the_weights_are_a_partition_of_unity(
    size: tuple[int, int], tile: int, overlap: int, locality: Locality
) -> None:
    grid = Grid.covering(size, tile, overlap, locality)
    total = torch.zeros(size)
    for index, window in enumerate(grid.windows):
        weight = grid.weight(index)
        assert weight.shape == (window.height, window.width)
        assert float(weight.min()) >= 0
        window.of(total).add_(weight)
    assert float((total - 1).abs().max()) < 1e-6


@pytest.mark.parametrize(("size", "tile", "overlap", "locality"), _CASES)
def test_tiles_lie_as_asked(size: tuple[int, int], tile: int, overlap: int, locality: Locality) -> None:
    grid = Grid.covering(size, tile, overlap, locality)
    for axis, total in zip((grid.rows, grid.columns), size, strict=True):
        assert axis.starts[0] == 0
        assert axis.starts[-1] + axis.length == total
        assert axis.length <= max(tile, locality.align)
        for before, after in zip(axis.starts, axis.starts[1:], strict=False):
            assert after % locality.align == 0
            assert (after + axis.length - total) % locality.align == 0
            assert before < after <= before + axis.length - overlap


@pytest.mark.parametrize(("size", "tile", "overlap", "locality"), _CASES)
def test_pixels_that_feel_a_cut_have_no_weight(
    size: tuple[int, int], tile: int, overlap: int, locality: Locality
) -> None:
    grid = Grid.covering(size, tile, overlap, locality)
    reach = locality.reach
    for index, window in enumerate(grid.windows):
        weight = grid.weight(index)
        if window.top > 0:
            assert not weight[:reach].any()
        if window.left + window.width < size[1]:
            assert not weight[:, window.width - reach :].any()


def test_an_overlap_within_the_reach_of_the_damage_is_refused() -> None:
    with pytest.raises(ValueError, match="overlap must be at least 48 pixels here, 20 on either side"):
        Grid.covering((200, 200), 64, 40, Locality(reach=20))


def test_an_overlap_as_large_as_the_tile_is_refused() -> None:
    with pytest.raises(ValueError, match="do not advance"):
        Grid.covering((200, 200), 64, 64, Locality())
