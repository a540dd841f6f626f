"""Properties of cutting out, matching and averaging patches."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional

from tests.pictures import seeded, uniform
from zeroshot.patches import (
    PatchAverage,
    corner_grid,
    corners_shape,
    grid_steps,
    match_blocks,
    matching,
    overlap_add,
    patch_coefficients,
    patch_sums,
    patches_at,
    pixel_rows,
    sum_of_patches,
    sum_of_windows,
)


def brute_force(
    features: torch.Tensor, columns: int, stride: int, radius: int, spacing: int
) -> list[tuple[int, torch.Tensor, torch.Tensor]]:
    """For each reference: its corner, the corners of its window and their distances, by the definition."""
    rows = len(features) // columns
    found = []
    for row in grid_steps(rows, stride).tolist():
        for column in grid_steps(columns, stride).tolist():
            windows = []
            for place, count in ((row, rows), (column, columns)):
                reach = min(2 * radius + 1, count)
                start = min(max(place - radius, 0), count - reach)
                windows.append(torch.arange(start, start + reach, spacing))
            corners = (windows[0][:, None] * columns + windows[1]).flatten()
            own = row * columns + column
            distances = (features[corners].double() - features[own].double()).square().mean(dim=1)
            found.append((own, corners, distances))
    return found


# --- cutting out -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("size", [1, 3, 8])
def test_pixel_rows_are_the_patches_in_the_order_of_their_corners(size: int) -> None:
    image = uniform(2, 11, 9)
    rows, columns = corners_shape(11, 9, size)
    literal = [image[:, i : i + size, j : j + size].flatten() for i in range(rows) for j in range(columns)]
    assert torch.equal(pixel_rows(image, size), torch.stack(literal))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_coefficients_are_the_patches_times_the_transform_and_summed_by_its_adjoint(
    dtype: torch.dtype,
) -> None:
    # In single precision they are convolutions, else matrix products.
    plane, transform = uniform(13, 11).to(dtype), torch.randn(5, 16, generator=seeded()).to(dtype)
    found = patch_coefficients(plane, transform)
    torch.testing.assert_close(found, pixel_rows(plane[None], 4) @ transform.T, atol=1e-5, rtol=1e-5)
    weights, window = torch.randn(found.shape, generator=seeded()).to(dtype), uniform(4, 4).to(dtype)
    patches = (weights @ transform).T.unflatten(0, (4, 4))
    summed = sum_of_patches(weights, 13, 11, transform, window)
    torch.testing.assert_close(summed, overlap_add(patches, 13, 11, window), atol=1e-5, rtol=1e-5)


def test_patches_at_corners_are_those_rows() -> None:
    image = uniform(3, 12, 10)
    corners = torch.tensor([[0, 5], [13, 34]])
    cut = patches_at(image, corners, 4)
    assert cut.shape == (2, 2, 3, 4, 4)
    assert torch.equal(cut.flatten(2), pixel_rows(image, 4)[corners])


@pytest.mark.parametrize("stride", [2, 3, 5, 40])
def test_pixel_rows_of_a_grid_are_those_at_its_corners(stride: int) -> None:
    for height, width in ((4, 4), (4, 9), (12, 11), (14, 13)):
        image = uniform(2, height, width)
        corners = corner_grid(height, width, 4, stride)
        assert torch.equal(pixel_rows(image, 4, stride), pixel_rows(image, 4)[corners])


def test_a_grid_reaches_the_far_edges() -> None:
    corners = corner_grid(20, 17, 8, 3)
    assert (corners // 10).unique().tolist() == [0, 3, 6, 9, 12]
    assert (corners % 10).unique().tolist() == [0, 3, 6, 9]
    assert corner_grid(21, 17, 8, 3).max() == 14 * 10 - 1


def test_an_image_smaller_than_a_patch_is_refused() -> None:
    with pytest.raises(ValueError, match="smaller than a patch of 8 × 8"):
        pixel_rows(uniform(1, 7, 20), 8)


# --- averaging ---------------------------------------------------------------------------------------------


def test_overlap_add_is_the_adjoint_of_cutting_out() -> None:
    image, planes = uniform(1, 9, 12), uniform(3, 3, 70, seed=1)
    cut = pixel_rows(image, 3).T.view(3, 3, 70)
    left = (cut * planes).sum()
    right = (image[0] * overlap_add(planes, 9, 12)).sum()
    assert left.item() == pytest.approx(right.item(), rel=1e-5)


def test_patch_average_is_the_literal_loop() -> None:
    height, width, size, channels = 10, 13, 4, 2
    columns = width - size + 1
    generator = seeded()
    corners = torch.randint(0, (height - size + 1) * columns, (5, 6), generator=generator)
    patches, weights, window = (
        uniform(5, 6, channels, size, size),
        uniform(5, 1, seed=1),
        uniform(size, size, seed=2),
    )
    sums, total = torch.zeros(channels, height, width), torch.zeros(height, width)
    for group in range(5):
        for member in range(6):
            i, j = divmod(int(corners[group, member]), columns)
            where = (slice(i, i + size), slice(j, j + size))
            sums[(slice(None), *where)] += weights[group] * window * patches[group, member]
            total[where] += weights[group, 0] * window
    average = PatchAverage(channels, height, width, size, window=window)
    for group in range(5):
        average.add(patches[group], corners[group], weights[group])
    background = torch.full((channels, height, width), 7.0)
    expected = torch.where(total > 0, sums / total, background)
    torch.testing.assert_close(average.image(where_none=background), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(average.totals()[1][0], total)
    at_once = PatchAverage(channels, height, width, size, window=window)
    at_once.add(patches.flatten(2), corners, weights)
    torch.testing.assert_close(at_once.image(), average.image(), rtol=1e-4, atol=1e-5)


def test_coefficients_are_averaged_as_the_patches_they_stand_for() -> None:
    synthesis = uniform(6, 16)
    coefficients, corners = uniform(9, 2, 6, seed=1), corner_grid(8, 8, 4, 2)
    from_coefficients = PatchAverage(2, 8, 8, 4, synthesis=synthesis)
    from_coefficients.add(coefficients.flatten(1), corners)
    from_pixels = PatchAverage(2, 8, 8, 4)
    from_pixels.add(coefficients @ synthesis, corners)
    torch.testing.assert_close(from_coefficients.image(), from_pixels.image())


@pytest.mark.parametrize(
    "window",
    [torch.outer(uniform(5), uniform(5, seed=3)), uniform(5, 5), torch.eye(5).flip(0)],
    ids=["outer product", "any", "0 at the corner"],
)
def test_windows_are_summed_as_equal_patches_are(window: torch.Tensor) -> None:
    """Also where a window is no outer product of two lines, or is 0 at its corner."""
    weights = uniform(11 * 7, seed=1)
    found = sum_of_windows(weights, 15, 11, window)
    torch.testing.assert_close(found, overlap_add(weights.expand(5, 5, -1), 15, 11, window))


def test_averaging_an_image_s_own_patches_gives_it_back() -> None:
    image = uniform(3, 15, 11)
    corners = corner_grid(15, 11, 5, 4)
    average = PatchAverage(3, 15, 11, 5)
    average.add(patches_at(image, corners, 5), corners, uniform(len(corners), seed=1))
    torch.testing.assert_close(average.image(), image)


# --- matching ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("height", "width", "count", "stride", "radius", "spacing"),
    [
        (40, 46, 16, 3, 12, 1),
        (30, 52, 32, 3, 19, 1),
        (20, 60, 24, 4, 10, 2),
        (20, 12, 8, 2, 9, 3),
        (9, 9, 16, 3, 19, 1),
        (30, 30, 5, 7, 0, 1),
        (60, 30, 4, 1, 2, 1),
        (8, 40, 4, 5, 6, 3),
    ],
)
def test_matches_are_those_of_brute_force(
    height: int, width: int, count: int, stride: int, radius: int, spacing: int
) -> None:
    features, columns = pixel_rows(uniform(1, height, width), 8), width - 7
    matches = match_blocks(features, columns, count, stride, radius, spacing)
    literal = brute_force(features, columns, stride, radius, spacing)
    assert len(literal) == len(matches.corners)
    for (own, candidates, distances), corners, found in zip(
        literal, matches.corners, matches.distances, strict=True
    ):
        finite = min(count, len(candidates))
        assert corners[0] == own
        assert found[0] == 0
        assert len(corners[:finite].unique()) == finite
        assert set(corners[1:finite].tolist()) <= set(candidates.tolist())
        others = distances[candidates != own].sort().values[: finite - 1].float()
        torch.testing.assert_close(found[1:finite], others, atol=1e-6, rtol=1e-5)
        own_distances = (features[corners[1:finite]] - features[own]).square().mean(dim=1)
        torch.testing.assert_close(found[1:finite], own_distances, atol=1e-6, rtol=1e-5)
        assert found[finite:].isinf().all()
        assert (corners[finite:] == own).all()


def test_tiles_worked_on_together_match_as_one_by_one(monkeypatch: pytest.MonkeyPatch) -> None:
    features = pixel_rows(uniform(1, 40, 90), 8)
    together = match_blocks(features, 83, 8, 6, 5)
    monkeypatch.setitem(matching.TOGETHER, "cpu", 1)
    alone = match_blocks(features, 83, 8, 6, 5)
    assert torch.equal(together.corners, alone.corners)
    torch.testing.assert_close(together.distances, alone.distances, atol=1e-6, rtol=1e-5)


def test_identical_patches_still_put_the_reference_first() -> None:
    features = torch.ones(20 * 20, 9)
    matches = match_blocks(features, 20, 16, 3, 6)
    grid = grid_steps(20, 3)
    assert torch.equal(matches.corners[:, 0], (grid[:, None] * 20 + grid).flatten())
    assert matches.distances.max() < 1e-6


def test_a_strip_with_its_surroundings_matches_as_the_whole_image() -> None:
    columns = 30
    features = uniform(41 * columns, 12)
    whole = match_blocks(features, columns, 8, 3, 6)
    rows = grid_steps(41, 3)
    parts = []
    for references in rows.split(4):
        first = min(max(int(references[0]) - 6, 0), 41 - 13)
        last = max(min(int(references[-1]) + 7, 41), 13)
        part = match_blocks(
            features[first * columns : last * columns], columns, 8, 3, 6, reference_rows=references - first
        )
        parts.append(part.corners + first * columns)
    assert torch.equal(torch.cat(parts), whole.corners)


def test_a_common_offset_changes_nothing() -> None:
    features = uniform(25 * 25, 16)
    near, far = match_blocks(features, 25, 8, 3, 5), match_blocks(features + 50, 25, 8, 3, 5)
    torch.testing.assert_close(near.distances, far.distances, atol=1e-4, rtol=1e-3)


@pytest.mark.parametrize(
    "settings",
    [{"count": 0}, {"stride": 0}, {"radius": -1}, {"radius": 5, "spacing": 2}, {"spacing": 0}],
    ids=str,
)
def test_numbers_that_do_not_fit_are_refused(settings: dict) -> None:
    with pytest.raises(ValueError, match="must be at least 1 and spacing divide radius"):
        match_blocks(uniform(100, 4), 10, **{"count": 4, **settings})


def test_features_must_fill_whole_rows() -> None:
    with pytest.raises(ValueError, match="99 patches do not fill rows of 10"):
        match_blocks(uniform(99, 4), 10, 4)


@pytest.mark.parametrize("stride", [1, 2, 3])
@pytest.mark.parametrize("at_once", [1, 1 << 20])
def test_patches_add_up_as_pytorch_folds_them(
    stride: int, at_once: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("zeroshot.patches.blocks._NUMBERS_AT_ONCE", at_once)
    height, width, size, channels = 13, 18, 4, 2
    corners = corner_grid(height, width, size, stride)
    patches = torch.randn(len(corners), channels * size**2, generator=torch.Generator().manual_seed(0))
    everywhere = torch.zeros((height - size + 1) * (width - size + 1), patches.shape[1])
    everywhere[corners] = patches
    folded = functional.fold(everywhere.T[None], (height, width), size)[0]
    assert torch.equal(patch_sums(patches, height, width, size, stride), folded)


@pytest.mark.parametrize("stride", [1, 3])
def test_the_only_patch_of_an_image_is_a_copy(stride: int) -> None:
    image = uniform(1, 5, 5)
    before = image.clone()
    rows = pixel_rows(image, 5, stride)
    rows += 1
    assert torch.equal(image, before)
