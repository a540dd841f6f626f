"""Kernels on a grid: what a pixel sees, parts of a picture, and what is won beside one kernel for all."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import zeroshot
from tests.pictures import uniform
from zeroshot.metrics import psnr
from zeroshot.operators import Blur, SpaceVaryingBlur, Window, kernels
from zeroshot.tasks.degrade import degrade


def lens(rows: int, columns: int, centre: float, corner: float, taps: int = 13) -> np.ndarray:
    """Gaussians that widen from the centre to the corners."""
    axis = np.arange(taps) - taps // 2
    squared = axis[:, None] ** 2 + axis**2

    def kernel(row: float, column: float) -> np.ndarray:
        sigma = centre + (corner - centre) * (row**2 + column**2) / 2
        return np.exp(-squared / (2 * sigma**2))

    return np.array([[kernel(r, c) for c in np.linspace(-1, 1, columns)] for r in np.linspace(-1, 1, rows)])


@pytest.mark.parametrize("boundary", ["reflect", "replicate", "circular", "valid"])
def test_equal_kernels_are_one_blur(boundary):
    kernel = np.random.default_rng(0).random((5, 7))
    image = uniform(2, 3, 24, 31)
    varying = SpaceVaryingBlur(np.tile(kernel, (3, 4, 1, 1)), boundary)
    torch.testing.assert_close(varying(image), Blur(kernel, boundary)(image), rtol=0, atol=2e-6)
    measured = varying(image)
    torch.testing.assert_close(
        varying.adjoint(measured), Blur(kernel, boundary).adjoint(measured), rtol=0, atol=2e-6
    )


def test_every_place_sees_through_its_own_kernel():
    grid = np.random.default_rng(1).random((2, 2, 3, 3))
    operator = SpaceVaryingBlur(grid, "replicate")
    image = uniform(1, 1, 11, 21)
    blurred = operator(image)
    corners = {(0, 0): (0, 0), (0, 1): (0, 20), (1, 0): (10, 0), (1, 1): (10, 20)}
    for (row, column), (y, x) in corners.items():
        of_one = Blur(grid[row, column], "replicate")(image)
        torch.testing.assert_close(blurred[..., y, x], of_one[..., y, x], rtol=0, atol=1e-6)
    # Half-way between all of them the kernel is their mean.
    mean = np.mean([kernel / kernel.sum() for row in grid for kernel in row], axis=0)
    middle = Blur(mean, "replicate")(image)
    torch.testing.assert_close(blurred[..., 5, 10], middle[..., 5, 10], rtol=0, atol=1e-6)


def test_flat_areas_stay_flat():
    flat = torch.full((1, 3, 20, 30), 0.3)
    torch.testing.assert_close(SpaceVaryingBlur(lens(3, 3, 0.5, 2.0))(flat), flat, rtol=0, atol=1e-6)


@pytest.mark.parametrize("boundary", ["reflect", "valid"])
def test_a_part_is_blurred_as_in_the_whole(boundary):
    margin = 6 if boundary == "valid" else 0
    image = uniform(1, 1, 60 + 2 * margin, 70 + 2 * margin)
    whole = SpaceVaryingBlur(lens(3, 4, 0.6, 2.0), boundary).spanning(60, 70)
    window = Window(16, 24, 40, 40)
    part, measured = whole.crop(window)
    of_part, of_whole = part(window.of(image)), measured.of(whole(image))
    reach = 0 if boundary == "valid" else whole.locality().reach
    inside = Window(reach, reach, measured.height - 2 * reach, measured.width - 2 * reach)
    torch.testing.assert_close(inside.of(of_part), inside.of(of_whole), rtol=0, atol=1e-6)
    again, _ = part.crop(Window(4, 4, 30, 30))
    assert again.part_of == ((60, 70), (20, 28))


def test_parts_share_the_kernels_of_the_whole_and_know_their_own_place():
    blur = SpaceVaryingBlur(lens(3, 3, 0.6, 2.0, taps=5)).spanning(40, 40)
    part, _ = blur.crop(Window(0, 20, 20, 20))
    assert part.correlations[0] is blur.correlations[0]
    assert part.part_of != blur.part_of
    inner, _ = part.crop(Window(4, 4, 12, 12))
    assert inner.part_of[0] == (40, 40)
    assert blur.part_of == ((40, 40), (0, 0))


def test_what_cannot_be_a_grid_is_refused():
    with pytest.raises(ValueError, match=r"\(rows, columns, height, width\), got shape \(3, 3\)"):
        SpaceVaryingBlur(np.ones((3, 3)))
    with pytest.raises(ValueError, match="at most 1024 kernels, got 40 × 40"):
        SpaceVaryingBlur(np.ones((40, 40, 3, 3)))
    with pytest.raises(ValueError, match="odd height and width"):
        SpaceVaryingBlur(np.ones((2, 2, 4, 3)))
    with pytest.raises(ValueError, match="use spanning"):
        SpaceVaryingBlur(np.ones((2, 2, 3, 3))).crop(Window(0, 0, 8, 8))
    with pytest.raises(ValueError, match="spans 10 × 10 pixels, got 12 × 10"):
        SpaceVaryingBlur(np.ones((2, 2, 3, 3))).spanning(10, 10)(torch.zeros(1, 1, 12, 10))


@pytest.mark.parametrize("prior", ["richardson_lucy", pytest.param("tv", marks=pytest.mark.slow)])
def test_kernels_on_a_grid_restore_more_than_one_for_all(photograph, tmp_path, prior):
    grid = lens(3, 3, 0.4, 2.4)
    path = tmp_path / "lens.npy"
    np.save(path, grid)
    damaged = degrade(photograph, "deblur", kernel=str(path), sigma=1 / 255, seed=0)
    own = zeroshot.solve(
        damaged.measurement, "deblur", prior, kernel=str(path), sigma=1 / 255, boundary="reflect"
    )
    one = kernels.as_kernel(grid.mean(axis=(0, 1)))
    alike = zeroshot.solve(
        damaged.measurement, "deblur", prior, kernel=one, sigma=1 / 255, boundary="reflect"
    )
    assert psnr(own.image, photograph) > psnr(alike.image, photograph) + 0.5
    assert psnr(own.image, photograph) > psnr(damaged.measurement, photograph) + 1
    assert "3 × 3" in own.provenance["operator"]


def test_a_picture_with_kernels_on_a_grid_is_restored_in_tiles_as_a_whole(photograph):
    grid = lens(3, 3, 0.5, 1.0, taps=5)
    damaged = degrade(photograph, "deblur", kernel=grid, boundary="reflect", sigma=0.0, seed=0)
    given = {"kernel": grid, "sigma": 1 / 255, "progress": False, "settings": {"iterations": 20}}
    whole = zeroshot.solve(damaged.measurement, "deblur", "richardson_lucy", **given)
    tiled = zeroshot.solve(damaged.measurement, "deblur", "richardson_lucy", tile=64, **given)
    assert psnr(tiled.image, whole.image) > 45
