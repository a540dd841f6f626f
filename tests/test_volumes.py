"""Stacks restored as volumes: what is gained, what stays as it was, chunks that are as the whole, and refusals."""

import math

import numpy as np
import pytest
import tifffile
import torch

import zeroshot
from tests.cli.commands import run as run_command
from zeroshot import volumes
from zeroshot.depth import depth_spacing
from zeroshot.images.stack import ArrayStack, StackMetadata, stack_of
from zeroshot.tiling import chunks
from zeroshot.tiling.planning import allowed_memory

DEPTH, SIZE, SIGMA = 10, 32, 12
QUICK = {"tolerance": 1e-2}
#: Looking for impulses and stripes takes longer than small planes do.
PLAIN = {"outliers": "none", "stripes": "none"}


def balls(depth=DEPTH, size=SIZE):
    """Balls of different brightness on dark ground, between 40 and 200."""
    at = np.meshgrid(np.arange(depth), np.arange(size), np.arange(size), indexing="ij")
    volume = np.full((depth, size, size), 40.0)
    for seed in range(6):
        chance = np.random.default_rng(seed)
        centre, radius = chance.uniform(0, 1, 3) * volume.shape, chance.uniform(5, 12)
        distance = sum((axis - middle) ** 2 for axis, middle in zip(at, centre, strict=True))
        volume[distance < radius**2] = chance.uniform(80, 200)
    return volume


def noisy_bytes(clean, sigma=SIGMA, seed=0):
    noise = np.random.default_rng(seed).normal(0, sigma, clean.shape)
    return np.clip(np.rint(clean + noise), 0, 255).astype(np.uint8)


def error(values, clean):
    return float(np.sqrt(np.square(np.asarray(values, float) - clean).mean()))


def as_volume(noisy, axes="ZYX", prior="tv", sigma=SIGMA / 255, **told):
    told = {"volume": "Z", "progress": False, **told}
    return zeroshot.denoise(noisy, sigma, axes=axes, prior=prior, **told)


@pytest.mark.parametrize("prior", ["bm3d", pytest.param("nlm", marks=pytest.mark.slow), "tv", "wavelet"])
def test_volumes_are_nearer_to_the_truth_than_planes(prior):
    clean = balls()
    noisy = noisy_bytes(clean)
    volume, planes = as_volume(noisy, prior=prior), as_volume(noisy, prior=prior, volume=None)
    assert volume.image.dtype == np.uint8
    assert error(volume.image, clean) < 0.97 * error(planes.image, clean) < 0.6 * SIGMA
    told = volume.provenance["volume"]
    assert (told["axis"], told["spacing"]) == ("Z", 1.0)
    assert "volume" not in planes.provenance


def test_noise_of_photons_is_made_even_first():
    clean = balls()
    photons = np.random.default_rng(1).poisson(clean / 4).astype(np.uint16)
    told = as_volume(photons, sigma=None, data_term="poisson", peak=1, settings=QUICK)
    found = as_volume(photons, sigma=None, settings=QUICK)
    for result in (told, found):
        assert error(result.image, clean / 4) < 0.5 * error(photons, clean / 4)
        assert abs(result.image.mean() - photons.mean()) < 0.02 * photons.mean()
    assert found.provenance["stack"]["channels"][0]["noise"]


@pytest.mark.parametrize("prior", ["nlm", "tv", "wavelet"])
def test_chunks_and_tiles_are_as_the_whole(prior, monkeypatch):
    clean = balls(44, 44)[:, :18]
    noisy = noisy_bytes(clean)
    settings = {"tv": {"weight": 6.0, "tolerance": 1e-4, "iterations": 150}, "wavelet": {"levels": 2}}
    told = {"prior": prior, "settings": settings.get(prior), **PLAIN}
    whole = as_volume(noisy, tile=None, **told)
    assert "chunk" not in whole.provenance["volume"]
    for_36_planes = {"nlm": 1_500_000 + 2**26, "tv": 2_200_000, "wavelet": 11_500_000}
    monkeypatch.setattr("zeroshot.volumes.memory_for_chunks", lambda device: for_36_planes[prior])
    cut = as_volume(noisy, tile=40, **told)
    planes, rows, columns = cut.provenance["volume"]["chunk"]
    assert planes < 44
    assert (rows, columns) == (18, 40)
    assert error(cut.image, np.asarray(whole.image, float)) < 0.05 * error(whole.image, clean)


def test_channels_and_times_are_volumes_of_their_own():
    clean = np.stack([balls(), balls()[::-1] / 2])  # C, Z
    noisy = noisy_bytes(clean)
    told = {"settings": QUICK, **PLAIN}
    together = as_volume(np.moveaxis(noisy, 0, 1), "ZCYX", **told)
    assert together.axes == "ZCYX"
    for channel in range(2):
        alone = as_volume(noisy[channel], **told).image
        np.testing.assert_array_equal(together.image[:, channel], alone)
    in_time = as_volume(noisy, "TZYX", **told)
    np.testing.assert_array_equal(in_time.image[1], together.image[:, 1])
    frames = as_volume(noisy[:1], "ZTYX", volume="t", **told)
    np.testing.assert_array_equal(frames.image[0], together.image[:, 0])


def test_colours_of_samples_are_denoised_together_and_alpha_is_carried():
    clean = np.stack([balls(6), balls(6) * 0.8, balls(6) * 0.9], axis=-1)
    noisy = noisy_bytes(clean)
    alpha = np.random.default_rng(3).integers(0, 256, (*clean.shape[:3], 1), dtype=np.uint8)
    restored = as_volume(np.concatenate([noisy, alpha], axis=-1), "ZYXS", settings=QUICK).image
    np.testing.assert_array_equal(restored[..., 3:], alpha)
    assert error(restored[..., :3], clean) < 0.6 * SIGMA


@pytest.mark.parametrize("dtype", [np.int16, np.float32])
def test_type_range_and_what_is_nan_stay(dtype):
    clean = 20 * balls() - 2500
    noisy = (clean + np.random.default_rng(1).normal(0, 240, clean.shape)).astype(dtype)
    if dtype == np.float32:
        noisy[2:5, 10:20, 30:34] = np.nan
    restored = as_volume(noisy, sigma=240, settings=QUICK).image
    assert restored.dtype == dtype
    np.testing.assert_array_equal(np.isnan(restored), np.isnan(noisy))
    known = ~np.isnan(noisy)
    assert np.nanmin(restored) < -1500
    assert error(restored[known], clean[known]) < 0.6 * error(noisy[known], clean[known])


@pytest.mark.parametrize("prior", ["tv", "wavelet"])
def test_what_is_constant_or_without_noise_stays(prior):
    constant = np.full((4, 12, 10), 77, np.uint8)
    np.testing.assert_array_equal(as_volume(constant, prior=prior).image, constant)
    noisy = noisy_bytes(balls(4, 12))
    np.testing.assert_array_equal(as_volume(noisy, prior=prior, sigma=0).image, noisy)


@pytest.mark.parametrize("prior", ["tv", "wavelet"])
def test_a_volume_of_one_plane_is_a_plane(prior):
    noisy = noisy_bytes(balls(1))
    volume, plane = as_volume(noisy, prior=prior), as_volume(noisy, prior=prior, volume=None)
    np.testing.assert_array_equal(volume.image, plane.image)


def test_levels_that_differ_from_voxel_to_voxel_are_heeded():
    clean = balls()
    levels = np.where(np.arange(DEPTH) < DEPTH // 2, 4.0, 30.0)[:, None, None] * np.ones_like(clean)
    noisy = clean + np.random.default_rng(0).normal(0, 1, clean.shape) * levels
    noisy = (noisy / 255).astype(np.float32)
    told = {"prior": "wavelet", "value_range": (0, 1)}
    mapped = as_volume(noisy, sigma=(levels / 255).astype(np.float32), **told)
    even = as_volume(noisy, sigma=float(np.sqrt(np.square(levels).mean())) / 255, **told)
    assert error(mapped.image, clean / 255) < 0.8 * error(even.image, clean / 255)


def test_from_file_to_file_it_is_the_same_and_the_file_tells_how(tmp_path, capsys):
    path, noisy = tmp_path / "in.ome.tif", noisy_bytes(balls())
    metadata = {"axes": "ZYX", "PhysicalSizeX": 0.2, "PhysicalSizeZ": 0.5}
    tifffile.imwrite(path, noisy, photometric="minisblack", metadata=metadata)
    words = ("--volume", "Z", "--prior", "tv", "--set", "tolerance=1e-2", "--sigma", "12")
    assert run_command(["denoise", path, "-o", tmp_path / "out.ome.tif", *words], capsys)[0] == 0
    written = tifffile.imread(tmp_path / "out.ome.tif")
    held = zeroshot.denoise(path, 12 / 255, prior="tv", volume="Z", settings=QUICK)
    np.testing.assert_array_equal(held.image, written)
    told = zeroshot.images.read_provenance(tmp_path / "out.ome.tif")["volume"]
    assert told["spacing"] == 2.5
    assert told["weight"] > 0
    assert held.provenance["volume"] == told
    given = zeroshot.denoise(path, 12 / 255, prior="tv", volume="Z", spacing=1, settings=QUICK)
    assert (given.image != held.image).any()


def test_the_spacing_is_that_of_the_file(tmp_path):
    image = np.zeros((3, 8, 8), np.uint16)
    path = tmp_path / "imagej.tif"
    tifffile.imwrite(path, image, imagej=True, resolution=(5, 5), metadata={"axes": "ZYX", "spacing": 0.6})
    assert depth_spacing(stack_of(path)) == pytest.approx(3)
    lengths = {"Z": 2.0, "X": 0.5}
    assert depth_spacing(ArrayStack(image, "ZYX", None, StackMetadata(scale=lengths))) == 4
    units = '<Pixels PhysicalSizeXUnit="nm" PhysicalSizeZUnit="µm"/>'
    assert depth_spacing(ArrayStack(image, "ZYX", None, StackMetadata(ome=units, scale=lengths))) is None
    assert depth_spacing(ArrayStack(image, "ZYX")) is None


def test_the_memory_of_a_chunk_is_asked_for_before_any_work(monkeypatch):
    noisy = noisy_bytes(balls())
    monkeypatch.setattr("zeroshot.volumes.memory_for_chunks", lambda device: 10_000)
    with pytest.raises(ValueError, match="GiB are allowed; take a part of the stack"):
        as_volume(noisy, prior="tv")
    assert allowed_memory.__module__ == "zeroshot.tiling.planning"
    assert math.prod((DEPTH, SIZE, SIZE)) < chunks.LARGEST_BOX


@pytest.mark.parametrize(
    ("event", "reason"), [(KeyboardInterrupt, "interrupted"), (None, "the time was up before its turn")]
)
def test_what_is_done_is_kept_and_the_rest_is_as_it_was(event, reason, monkeypatch):
    from zeroshot.priors.total_variation.volume import VolumeTotalVariation

    noisy = noisy_bytes(balls(64, 12))
    monkeypatch.setattr("zeroshot.volumes.memory_for_chunks", lambda device: 100 * 12 * 12 * 40)
    calls, original = [], VolumeTotalVariation.__call__

    def second_time_never(self, volume, sigma):
        calls.append(volume.shape)
        if len(calls) == 2:
            if event is not None:
                raise event
            monkeypatch.setattr("zeroshot.volumes.seconds_left", lambda: 0.0)
            raise zeroshot.volumes.OutOfTime
        return original(self, volume, sigma)

    monkeypatch.setattr(VolumeTotalVariation, "__call__", second_time_never)
    result = as_volume(noisy, settings=QUICK, **PLAIN)
    assert reason in result.stopped_by
    assert result.interrupted == (event is KeyboardInterrupt) or event is None
    assert len(calls) == 2
    changed = (result.image != noisy).any(axis=(1, 2))
    assert changed[: calls[0][1] // 4].all()
    assert not changed[calls[0][1] :].any()


@pytest.mark.parametrize(
    ("told", "reason"),
    [
        ({"volume": "T"}, r"volume must be the axis of the stack \(ZCYX\) that is its depth, 'Z', got 'T'"),
        ({"volume": "C"}, "'Z', got 'C'"),
        ({"volume": 3}, "'Z', got 3"),
        ({"volume": "Z", "spacing": 0}, "spacing must be a positive number of pixels, got 0"),
        ({"spacing": 2}, "goes with volume=…"),
        ({"volume": "Z", "prior": "dct"}, r"prior 'dct' restores planes, not volumes: .* take one of .*tv, wavelet"),
        ({"volume": "Z", "data_term": "l1"}, "goes with data_term='gaussian' and 'poisson'"),
        ({"volume": "Z", "peak": "auto"}, "leave out peak='auto'"),
        ({"volume": "Z", "samples": 2}, "leave out samples=…"),
        ({"volume": "Z", "callbacks": [print]}, "leave out stopping=… and callbacks=…"),
        ({"volume": "Z", "settings": {"curvature": 1.0}}, "settings for planes"),
        ({"volume": "Z", "settings": {"coupling": "channels"}}, "'channels' is for planes"),
    ],
)  # fmt: skip
def test_what_is_not_done_in_volumes_is_one_line(told, reason):
    noisy = noisy_bytes(balls(3, 12))[:, None]
    with pytest.raises(ValueError, match=reason) as raised:
        zeroshot.denoise(noisy, **{"axes": "ZCYX", "prior": "tv", **told})
    assert "\n" not in str(raised.value)


def test_other_tasks_and_single_pictures_are_refused():
    noisy = noisy_bytes(balls(3, 12))
    with pytest.raises(ValueError, match="goes with task 'denoise', not 'sr'"):
        zeroshot.sr(noisy, 2, axes="ZYX", prior="tv", volume="Z")
    with pytest.raises(ValueError, match="goes with a stack"):
        zeroshot.denoise(noisy[0], prior="tv", volume="Z")


def test_channels_of_unlike_noise_have_the_same_chunks(monkeypatch):
    draws = np.random.default_rng(0)
    clean = np.linspace(0, 1, 30)[:, None, None] + np.zeros((30, 24, 24))
    channels = [clean + draws.normal(0, level, clean.shape) for level in (0.01, 0.3)]
    stack = np.stack(channels, axis=1).astype(np.float32)
    monkeypatch.setattr("zeroshot.volumes.memory_for_chunks", lambda device: 2**26 + 1080 * 2**10)
    result = zeroshot.denoise(stack, prior="nlm", axes="ZCYX", volume="Z", progress=False)
    assert result.provenance["volume"]["chunk"][0] < 30
    for channel, level in enumerate((0.01, 0.3)):
        assert np.std(result.image[:, channel] - clean) < 0.9 * level


def test_the_memory_of_chunks_is_a_power_of_two(monkeypatch):
    monkeypatch.setattr("zeroshot.volumes.allowed_memory", lambda device: 5 * 2**30)
    assert volumes.memory_for_chunks(torch.device("cpu")) == 2**32


def test_a_file_that_does_not_name_its_planes_is_to_be_told(tmp_path):
    tifffile.imwrite(
        tmp_path / "plain.tif", noisy_bytes(balls(3, 16)), photometric="minisblack", metadata=None
    )
    with pytest.raises(ValueError, match="volume needs axes='ZYX': the file does not say"):
        zeroshot.denoise(tmp_path / "plain.tif", prior="tv", volume="Z", progress=False)
