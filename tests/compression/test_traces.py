"""Traces of JPEG in decoded pixels are found, with tables and grid, and none in pictures that never were one."""

from __future__ import annotations

import numpy as np
import pytest
from skimage import data

from tests.jpegs import decoded, encoded, photograph
from zeroshot.compression.tables import tables_of_quality
from zeroshot.compression.traces import traces_of


@pytest.mark.parametrize("quality", [30, 90])
@pytest.mark.parametrize("subsampling", [0, 2])
def test_quality_and_subsampling_are_found(quality: int, subsampling: int) -> None:
    traces = traces_of(
        decoded(encoded(photograph(128, 160), quality=quality, subsampling=subsampling)).astype(float)
    )
    assert traces is not None
    assert (traces.quality, traces.offset) == (quality, (0, 0))
    assert traces.sampling == ((1, 1), *[(1, 1) if subsampling == 0 else (2, 2)] * 2)
    np.testing.assert_array_equal(traces.tables[0], tables_of_quality(quality)[0])


@pytest.mark.parametrize("start", [(0, 0), (3, 0), (13, 6)])
def test_the_grid_of_a_cropped_picture_is_found(start: tuple[int, int]) -> None:
    pixels = decoded(encoded(photograph(144, 160, "L"), quality=40))[start[0] :, start[1] :].astype(float)
    traces = traces_of(pixels)
    assert traces is not None
    assert traces.quality == 40
    assert traces.offset == (start[0] % 8, start[1] % 8)


def test_tables_of_no_quality_are_found_where_coefficients_tell_them() -> None:
    table = np.full((8, 8), 12)
    pixels = decoded(encoded(photograph(144, 160, "L"), qtables=[table.ravel().tolist()])).astype(float)
    traces = traces_of(pixels)
    assert traces is not None
    assert (traces.tables[0][:3, :3] == 12).all()


@pytest.mark.parametrize("name", ["camera", "coffee", "chelsea", "page", "moon", "brick"])
def test_pictures_that_never_were_a_jpeg_have_none(name: str) -> None:
    # Those of scikit-image may have been one; halving the size takes its traces away.
    pixels = getattr(data, name)()[:300, :300].astype(float)
    height, width = (length // 2 * 2 for length in pixels.shape[:2])
    halved = (
        pixels[:height, :width].reshape(height // 2, 2, width // 2, 2, *pixels.shape[2:]).mean(axis=(1, 3))
    )
    assert traces_of(halved.round()) is None


def test_noise_and_flat_pictures_have_none() -> None:
    generator = np.random.default_rng(0)
    assert traces_of(generator.integers(0, 256, (96, 96)).astype(float)) is None
    assert traces_of(np.full((96, 96, 3), 128.0)) is None
    assert traces_of(np.zeros((8, 8))) is None
