"""A large picture is seen through tiles and bands, which tell what all of it would."""

from __future__ import annotations

import numpy as np
import pytest
import torch

import zeroshot
from tests.pictures import noisy_pixels, sample
from zeroshot.inspection import sample as sampling
from zeroshot.inspection.form import _values
from zeroshot.inspection.sample import lines_of, sample_of, stripes_of_sample


@pytest.fixture
def small_samples(monkeypatch: pytest.MonkeyPatch) -> None:
    """Pictures of more than 160 × 160 pixels count as large."""
    monkeypatch.setattr(sampling, "LARGEST", 160 * 160)
    monkeypatch.setattr(sampling, "SIDE", 64)
    monkeypatch.setattr(sampling, "_BAND", 32)


@pytest.mark.parametrize("shape", [(300, 420), (90, 900), (1000, 60), (161, 161)])
def test_tiles_are_parts_of_the_picture_at_even_places(small_samples: None, shape: tuple[int, int]) -> None:
    picture = torch.arange(shape[0] * shape[1]).view(1, 1, *shape).float()
    found = sample_of(picture, picture[0, 0] > 7)
    assert found is not None
    assert torch.equal(found.colours[0, 0], picture[0, 0][found.rows][:, found.columns])
    assert torch.equal(found.seen, found.colours[0, 0] > 7)
    tiles = found.tiles(found.colours[0])
    assert len(tiles) == found.grid[0] * found.grid[1] <= sampling.TILES
    assert found.share == tiles.numel() / picture.numel() <= 1
    for tile in tiles[:, 0]:
        assert (tile[1:] - tile[:-1] == shape[1]).all()
        assert (tile[:, 1:] - tile[:, :-1] == 1).all()
        assert tile[0, 0] // shape[1] % 2 == tile[0, 0] % shape[1] % 2 == 0
    assert len(set(found.rows.tolist())) == len(found.rows)


def test_a_picture_that_is_small_is_looked_at_as_a_whole(small_samples: None) -> None:
    assert sample_of(torch.zeros(1, 1, 160, 160), None) is None


def test_stripes_are_found_in_bands_of_whole_lines(small_samples: None) -> None:
    draw = np.random.default_rng(0)
    rows, columns = draw.normal(0, 12, (512, 1)), draw.normal(0, 9, (1, 512))
    scene = sample("camera").astype(float)
    picture = torch.from_numpy((scene / 2 + 60 + rows + columns) / 255)[None].float()
    found = sample_of(picture[None], None)
    assert found is not None
    stripes = stripes_of_sample(found, picture, None)
    for told, made, place in (
        (stripes.rows[0, :, 0], rows[:, 0], found.rows),
        (stripes.columns[0, 0], columns[0], found.columns),
    ):
        assert np.corrcoef(told.numpy(), made[place])[0, 1] > 0.95
    assert 255 * stripes.level_of_rows == pytest.approx(12, rel=0.2)


@pytest.mark.parametrize(("sigma", "columns"), [(15, 0), pytest.param(0, 0, marks=pytest.mark.slow), (5, 10)])
def test_what_is_told_is_that_of_all_pixels(
    small_samples: None, monkeypatch: pytest.MonkeyPatch, sigma: int, columns: int
) -> None:
    pixels = noisy_pixels(sample("camera"), sigma) if sigma else sample("camera")
    offsets = np.random.default_rng(1).normal(0, columns, (1, 512))
    pixels = np.clip(pixels + offsets, 0, 255).round().astype(np.uint8)
    told = zeroshot.inspect(pixels)
    monkeypatch.setattr(sampling, "LARGEST", 1 << 30)
    whole = zeroshot.inspect(pixels)
    assert told.remedies == whole.remedies
    # So small a sample has too few edges.
    topics = [{one.topic for one in found.told} - {"sharpness"} for found in (told, whole)]
    assert topics[0] == topics[1]
    assert told.noise.middle == pytest.approx(whole.noise.middle, rel=0.15, abs=0.6)
    assert told.stripes.columns == pytest.approx(whole.stripes.columns, rel=0.1)


def test_impulses_are_counted_from_the_sample(small_samples: None) -> None:
    pixels = sample("camera").copy()
    hit = np.random.default_rng(0).random(pixels.shape) < 0.02
    pixels[hit] = 255
    found = zeroshot.inspect(pixels).impulses
    assert found.count == pytest.approx(hit.sum(), rel=0.15)
    assert found.sentence.startswith("about ")


def test_lines_and_values_are_those_of_the_picture() -> None:
    picture = torch.rand(3, 1100, 40)
    rows, columns = lines_of(picture)
    assert rows.shape == (3, 1024, 40)
    assert torch.equal(columns, picture)
    counts = torch.tensor([[0, 7, 4095], [7, 65535, 300]])
    assert _values(counts / 65535, 0.0, 65535.0).tolist() == [0, 7, 300, 4095, 65535]
    assert _values((counts - 9) / 1000, 9.0, 1009.0).tolist() == [0, 7, 300, 4095, 65535]
