"""Stacks restored plane by plane: what all planes share, what comes back, and from file to file."""

import json
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from skimage.data import camera

import zeroshot
from tests.cli.commands import run as run_command
from zeroshot.images.stack import ArrayStack
from zeroshot.planes import restored_planes
from zeroshot.request import Request
from zeroshot.stacks import restore_stack
from zeroshot.survey import surveyed
from zeroshot.tiling.planning import Tiling
from zeroshot.watch import Watch

SIZE = 64


@pytest.fixture
def run(capsys):
    def ran(*words):
        return run_command([*words], capsys)

    return ran


def scenes(count):
    """Planes of one scene that moves."""
    scene = camera()[100 : 100 + SIZE, 180 : 180 + SIZE].astype(float)
    return np.stack([np.roll(scene, 3 * shift, axis=0) for shift in range(count)])


def noisy_counts(clean, sigma, seed=0):
    noise = np.random.default_rng(seed).normal(0, sigma, clean.shape)
    return np.clip(np.rint(clean + noise), 0, 65535).astype(np.uint16)


def error(values, clean):
    return float(np.sqrt(np.square(np.asarray(values, float) - clean).mean()))


@pytest.fixture
def pages(tmp_path):
    clean = 500 + 6 * scenes(4)
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, noisy_counts(clean, 90), photometric="minisblack", metadata=None)
    return path, clean


@pytest.fixture
def ome(tmp_path):
    clean = scenes(5) * np.array([8, 4, 2, 1, 0.5])[:, None, None] + 300
    noisy = np.stack(
        [noisy_counts(one, 12 * gain, 7) for one, gain in zip(clean, (8, 4, 2, 1, 0.5), strict=True)]
    )
    path = tmp_path / "cells.ome.tif"
    metadata = {"axes": "CYX", "PhysicalSizeX": 0.2, "Channel": {"Name": ["a", "b", "c", "d", "e"]}}
    tifffile.imwrite(path, noisy, photometric="minisblack", metadata=metadata)
    return path, clean


def test_pages_of_counts_are_denoised_from_file_to_file(pages, tmp_path, run):
    path, clean = pages
    code, out, err = run("denoise", path, "-o", tmp_path / "out.tif", "--prior", "dct")
    assert code == 0
    assert "sigma" in out
    assert "4 planes" in err
    with tifffile.TiffFile(tmp_path / "out.tif") as written:
        assert len(written.pages) == 4
        restored = written.asarray()
    assert restored.dtype == np.uint16
    assert error(restored, clean) < 0.6 * error(tifffile.imread(path), clean)
    assert abs(restored.mean() - clean.mean()) < 10


def test_channels_of_ome_have_a_range_and_a_noise_of_their_own(ome, tmp_path, run):
    path, clean = ome
    assert run("denoise", path, "-o", tmp_path / "out.ome.tif", "--prior", "dct")[0] == 0
    with tifffile.TiffFile(tmp_path / "out.ome.tif") as written:
        assert written.series[0].axes == "CYX"
        assert 'Name="e"' in written.ome_metadata
        assert 'PhysicalSizeX="0.2"' in written.ome_metadata
        restored = written.asarray()
    for plane, noisy, truth in zip(restored, tifffile.imread(path), clean, strict=True):
        assert error(plane, truth) < 0.7 * error(noisy, truth)
    told = zeroshot.images.read_provenance(tmp_path / "out.ome.tif")["stack"]["channels"]
    for channel, gain in zip(told, (8, 4, 2, 1, 0.5), strict=True):
        assert channel["sigma"] == pytest.approx(12 * gain, rel=0.25)
        assert channel["value_range"][1] < 8 * 300 * gain + 600


def test_a_stack_in_memory_is_that_of_the_file(pages, tmp_path):
    path, _ = pages
    held = zeroshot.denoise(path, prior="dct")
    written = restore_stack(path, "denoise", tmp_path / "out.tif", "dct", progress=False)
    np.testing.assert_array_equal(held.image, tifffile.imread(tmp_path / "out.tif"))
    assert written.shape == held.image.shape == (4, SIZE, SIZE)
    held.save(tmp_path / "held.tif")
    np.testing.assert_array_equal(held.image, tifffile.imread(tmp_path / "held.tif"))
    assert zeroshot.images.read_provenance(tmp_path / "held.tif")["stack"]["axes"] == held.axes
    assert "4 × 64 × 64" in repr(held)


def test_the_noise_is_estimated_once_for_all_planes(pages):
    path, _ = pages
    told = zeroshot.denoise(path, prior="dct").provenance["stack"]["channels"]
    assert len(told) == 1
    assert told[0]["sigma"] == pytest.approx(90, rel=0.1)


@pytest.mark.parametrize("dtype", [np.int16, np.int32, np.float32, np.float64])
def test_values_keep_their_range_and_type(dtype):
    """Signed counts and differences from a background."""
    clean = 20 * scenes(3) - 1500
    noisy = (clean + np.random.default_rng(1).normal(0, 240, clean.shape)).astype(dtype)
    result = zeroshot.denoise(noisy, axes="TYX", prior="dct")
    assert result.image.dtype == dtype
    assert result.image.min() < -1000
    assert error(result.image, clean) < 0.7 * error(noisy, clean)
    assert result.sigma == pytest.approx(240, rel=0.15)


def test_sigma_is_in_the_units_of_the_stack_where_its_range_was_found():
    noisy = noisy_counts(500 + 6 * scenes(2), 90)
    told = zeroshot.denoise(noisy, 90, axes="ZYX", prior="dct").image
    found = zeroshot.denoise(noisy, axes="ZYX", prior="dct").image
    assert error(told.astype(float), found.astype(float)) < 10


def test_a_stack_of_masks_is_freed_of_stray_pixels():
    """Noise of impulses alone has no level, by which nothing may be divided."""
    clean = scenes(2) > 128
    spoiled = clean ^ (np.random.default_rng(0).random(clean.shape) < 0.02)
    restored = zeroshot.denoise(spoiled, axes="ZYX", prior="dct")
    assert restored.image.dtype == bool
    assert "not finite" not in restored.stopped_by
    assert (restored.image != clean).sum() < 0.6 * (spoiled != clean).sum()


def test_axes_come_back_as_they_were_given():
    noisy = np.moveaxis(noisy_counts(500 + 6 * scenes(4), 90).reshape(2, 2, SIZE, SIZE), (0, 1), (3, 2))
    result = zeroshot.denoise(noisy, axes="YXCZ", prior="dct")
    assert result.image.shape == noisy.shape
    assert result.axes == "YXCZ"
    assert len(result.provenance["stack"]["channels"]) == 2
    tensor = torch.from_numpy(noisy.astype(np.float32))
    assert zeroshot.denoise(tensor, axes="YXCZ", prior="dct").image.dtype == np.float32


def test_what_is_nan_stays_nan_and_spoils_nothing():
    clean = 500 + 6 * scenes(2)
    noisy = (clean + np.random.default_rng(2).normal(0, 90, clean.shape)).astype(np.float32)
    noisy[0, 10:20, 30:34] = np.nan
    restored = zeroshot.denoise(noisy, axes="ZYX", prior="dct").image
    np.testing.assert_array_equal(np.isnan(restored), np.isnan(noisy))
    known = ~np.isnan(noisy)
    assert error(restored[known], clean[known]) < 0.6 * error(noisy[known], clean[known])


def test_planes_without_any_value_are_passed_through(tmp_path, run):
    clean = 500 + 6 * scenes(4)
    noisy = (
        (clean + np.random.default_rng(2).normal(0, 90, clean.shape))
        .astype(np.float32)
        .reshape(2, 2, SIZE, SIZE)
    )
    noisy[0, 0] = noisy[1, 1] = np.nan
    with pytest.warns(
        UserWarning, match=r"2 planes without any known value stay as they are: \(0, 0\), \(1, 1\)"
    ):
        restored = zeroshot.denoise(noisy, axes="ZTYX", prior="dct").image
    assert np.isnan(restored[0, 0]).all()
    assert np.isnan(restored[1, 1]).all()
    alone = zeroshot.denoise(noisy[[0, 1], [1, 0]], axes="ZYX", prior="dct").image
    np.testing.assert_array_equal(restored[[0, 1], [1, 0]], alone)
    # A whole channel; the file, and what is larger, too.
    noisy[0] = np.nan
    tifffile.imwrite(
        tmp_path / "in.tif", noisy, photometric="minisblack", metadata={"axes": "CZYX"}, ome=True
    )
    words = ["--scale", "2", "--prior", "tv", "--set", "iterations=3"]
    code, _, err = run("sr", tmp_path / "in.tif", "-o", tmp_path / "out.tif", *words)
    assert code == 0, err
    written = tifffile.imread(tmp_path / "out.tif")
    assert written.shape == (2, 2, 2 * SIZE, 2 * SIZE)
    assert np.isnan(written[0]).all()
    assert np.isfinite(written[1, 0]).all()
    with pytest.raises(ValueError, match="no value that is a number in any plane"):
        zeroshot.denoise(np.full((2, 16, 16), np.nan), axes="ZYX")


def test_planes_that_their_mask_hides_are_passed_through():
    clean = 1000 + scenes(2)
    mask = np.random.default_rng(4).random(clean.shape) > 0.3
    mask[0] = False
    damaged = np.where(mask, clean, 7).astype(np.uint16)
    with pytest.warns(UserWarning, match="1 plane without any known value"):
        filled = zeroshot.inpaint(damaged, mask, axes="ZYX", prior="tv", settings={"iterations": 100}).image
    np.testing.assert_array_equal(filled[0], damaged[0])
    assert error(filled[1], clean[1]) < 25


def test_json_tells_the_prior_and_the_level_of_each_channel(ome, tmp_path, run):
    path, _ = ome
    code, out, _ = run("denoise", path, "-o", tmp_path / "o.ome.tif", "--prior", "dct", "--json")
    told = json.loads(out)
    assert (code, told["prior"], told["axes"]) == (0, "dct", "CYX")
    for level, gain in zip(told["sigma"], (8, 4, 2, 1, 0.5), strict=True):
        assert level == pytest.approx(12 * gain, rel=0.25)


def test_samples_of_colour_are_restored_together_and_alpha_is_carried():
    rng = np.random.default_rng(3)
    clean = np.stack([scenes(2)] * 3, axis=-1)
    noisy = np.clip(np.rint(clean + rng.normal(0, 15, clean.shape)), 0, 255).astype(np.uint8)
    alpha = rng.integers(0, 256, (2, SIZE, SIZE, 1), dtype=np.uint8)
    restored = zeroshot.denoise(np.concatenate([noisy, alpha], axis=-1), axes="ZYXS", prior="dct").image
    np.testing.assert_array_equal(restored[..., 3:], alpha)
    assert error(restored[..., :3], clean) < 0.6 * error(noisy, clean)


def test_an_enlarged_stack_has_smaller_pixels(ome, tmp_path):
    path, _ = ome
    restore_stack(
        path, "sr", tmp_path / "large.ome.tif", "tv", scale=2, settings={"iterations": 5}, progress=False
    )
    with tifffile.TiffFile(tmp_path / "large.ome.tif") as written:
        assert written.series[0].shape == (5, 2 * SIZE, 2 * SIZE)
        assert 'PhysicalSizeX="0.1"' in written.ome_metadata


def test_a_mask_with_the_shape_of_the_stack_has_a_part_for_each_plane():
    clean = 1000 + scenes(2)
    mask = np.random.default_rng(4).random(clean.shape) > 0.3
    damaged = np.where(mask, clean, 0).astype(np.uint16)
    filled = zeroshot.inpaint(damaged, mask, axes="ZYX", prior="tv", settings={"iterations": 100}).image
    assert error(filled, clean) < 25
    np.testing.assert_array_equal(filled[mask], damaged[mask])


def test_planes_are_given_away_before_the_next_is_read():
    class Counted(ArrayStack):
        reads = 0

        def plane(self, index):
            type(self).reads += 1
            return super().plane(index)

    stack = Counted(noisy_counts(500 + 6 * scenes(4), 90), "ZYX")
    survey = surveyed(stack, "denoise", {}, None)
    request = Request(
        "denoise", "dct", None, None, None, 0, torch.device("cpu"), Watch(progress=False), Tiling()
    )
    restored = restored_planes(stack, request, {}, survey, hidden=True)
    before = Counted.reads
    next(restored)
    assert Counted.reads == before + 1


def test_without_time_the_planes_that_are_left_are_as_they_were(pages):
    path, _ = pages
    result = zeroshot.denoise(path, prior="dip", seconds=0.6)
    assert "time was up" in result.stopped_by or "time budget" in result.stopped_by
    assert result.image.shape == (4, SIZE, SIZE)


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (("-o", "out.png"), "a stack is written as one of .tif, .tiff"),
        (("--axes", "CYXS", "-o", "out.tif"), "--axes 'CYXS' names 4 axes, but the image has 3"),
        (("--preview", "p.png", "-o", "out.tif"), "--preview goes with one picture"),
    ],
)
def test_what_does_not_go_with_a_stack_is_one_line(pages, tmp_path, monkeypatch, run, words, reason):
    monkeypatch.chdir(tmp_path)
    code, _, err = run("denoise", pages[0], *words)
    assert code == 2
    assert reason in err
    assert len(err.splitlines()) == 1
    assert not (tmp_path / "out.tif").exists()


def test_axes_of_one_picture_are_refused(tmp_path):
    zeroshot.images.save(zeroshot.images.load(np.zeros((16, 16), np.uint8)), tmp_path / "one.png")
    with pytest.raises(ValueError, match="is one picture, no stack"):
        zeroshot.denoise(tmp_path / "one.png", axes="YX")


def test_info_tells_how_a_stack_was_made(pages, tmp_path, run):
    run("denoise", pages[0], "-o", tmp_path / "out.tif", "--prior", "dct", "--quiet")
    told = json.loads(run("info", tmp_path / "out.tif")[1])
    assert told["stack"]["shape"] == [4, SIZE, SIZE]
    assert "noise" not in told["options"]


def test_what_the_documentation_shows_of_stacks_runs(tmp_path, monkeypatch):
    page = Path(__file__).parent.parent / "docs" / "files.md"
    monkeypatch.chdir(tmp_path)
    blocks = re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    for block in blocks:
        exec(block, {})
    assert blocks
    assert (tmp_path / "cells.tif").exists()
