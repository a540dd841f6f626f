"""What is made is found, and nothing is told of pictures that have nothing."""

from __future__ import annotations

import json
import re
from pathlib import Path

import numpy as np
import pytest
import tifffile
import torch
from PIL import Image

import zeroshot
from tests.pictures import as_image, noisy_pixels, sample, seeded
from zeroshot.inspection import describe, inspection
from zeroshot.inspection.blur import sharpness_of
from zeroshot.inspection.resampling import demosaicking_of, resampling_of
from zeroshot.noise import NoiseModel, add_salt_and_pepper
from zeroshot.noise.spectrum import smoothed_by
from zeroshot.operators import Blur, Mosaic

CAMERA = sample("camera")[100:292, 100:292]
ASTRONAUT = sample("astronaut")[:160, 150:310]


def test_noise_impulses_and_stripes_are_told_with_the_command() -> None:
    noisy = zeroshot.inspect(noisy_pixels(CAMERA, 15))
    assert noisy.noise.middle == pytest.approx(15, rel=0.15)
    assert "noise of 1" in str(noisy)
    assert noisy.commands == ["zeroshot denoise photo.png"]
    salted = zeroshot.inspect(add_salt_and_pepper(as_image(CAMERA), 0.05, seeded()))
    assert salted.impulses.share == pytest.approx(0.05, rel=0.1)
    assert salted.commands == ["zeroshot denoise photo.png"]
    offsets = np.random.default_rng(0).normal(0, 12, (1, 192))
    striped = zeroshot.inspect(np.clip(CAMERA + offsets, 0, 255).round().astype(np.uint8))
    assert striped.stripes.columns == pytest.approx(12, rel=0.25)
    assert striped.stripes.rows == 0
    assert striped.commands == ["zeroshot destripe photo.png --sigma 0"]


@pytest.mark.parametrize("name", ["camera", "cat", "moon"])
def test_of_a_good_picture_only_its_form_is_told(name: str) -> None:
    found = zeroshot.inspect(sample(name)[60:220, 60:220])
    assert not found.commands
    assert {one.topic for one in found.told} <= {"form", "noise", "sharpness"}
    assert "what to do: nothing" in str(found)


def test_the_line_of_a_noise_model() -> None:
    assert describe(NoiseModel.white(10 / 255)) == "noise of 10.0 grey levels, white"
    assert describe(NoiseModel.white(0.3 / 255)) == "no noise but that of rounding"
    photons = describe(NoiseModel.photon(1 / 100, 0.01))
    assert photons.startswith("noise of 8.5 grey levels in the dark, 18.2 in the middle, 24 in the bright")
    near = NoiseModel((0.0,), ((1e-3,),), spectra=smoothed_by(torch.tensor([0.1, 0.8, 0.1])))
    assert 1.05 < near.correlation_length < 1.3
    assert describe(near) == "noise of 8.1 grey levels, weakly correlated between neighbouring pixels"
    spectrum = torch.exp(-torch.linspace(0, 6, 8)[:, None] - torch.linspace(0, 6, 8))
    model = NoiseModel((0.0,), ((1e-3,),), spectra=spectrum[None], confidence=0.4, reason="all texture")
    assert "correlated over" in describe(model)
    assert describe(model).endswith("(not sure: all texture)")


@pytest.mark.parametrize("width", [1.5, 2.0, 3.0])
def test_the_width_of_a_blur(width: float) -> None:
    picture = as_image(sample("camera")[100:356, 100:356])
    found = sharpness_of(Blur.gaussian(width)(picture)[0], 0.0)
    assert found.width == pytest.approx(width, rel=0.25)
    assert found.is_blurred
    assert not sharpness_of(picture[0], 0.0).is_blurred


def test_a_blur_is_told_with_the_command() -> None:
    blurred = Blur.gaussian(2.0)(as_image(sample("camera")[100:356, 100:356]))
    (line,) = zeroshot.inspect((255 * blurred).round().to(torch.uint8)).commands
    assert (
        line == "zeroshot deblur photo.png"
    )  # which finds the kernel: edges do not tell a shake from a lens


@pytest.mark.parametrize("factor", [1.25, 1.5, 1.9])
def test_enlarging_leaves_traces(factor: float) -> None:
    small = Image.fromarray(sample("camera")[60:380, 60:380])
    large = small.resize((round(320 * factor),) * 2, Image.Resampling.BICUBIC)
    found = resampling_of(as_image(np.asarray(large))[0])
    assert min(abs(one - factor) for one in found.factors) < 0.02
    assert resampling_of(as_image(np.asarray(small))[0]).frequency is None


def test_demosaicking_leaves_traces() -> None:
    picture = as_image(ASTRONAUT)
    mosaic = Mosaic("RGGB")
    found = demosaicking_of(mosaic.initial(mosaic(picture))[0])
    assert found.first is False
    assert demosaicking_of(picture[0]).first is None


def test_the_form_is_what_the_picture_really_is() -> None:
    picture = CAMERA[:96, :96]
    deep = zeroshot.inspect(picture.astype(np.uint16) * 257)
    assert deep.form.bits_used == 8
    assert "of which 8 bits are used" in deep.form.sentence
    counts = (picture.astype(np.uint16) * 16 + np.arange(96, dtype=np.uint16) % 16).astype(np.uint16)
    assert zeroshot.inspect(counts).form.bits_used == 12
    grey = zeroshot.inspect(np.repeat(picture[..., None], 3, axis=2))
    assert grey.form.grey_in_colour
    clipped = zeroshot.inspect(np.clip(picture.astype(int) + 90, 0, 255).astype(np.uint8))
    assert clipped.form.white == pytest.approx(float((picture >= 165).mean()), abs=1e-6)
    assert f"{clipped.form.white:.1%} of the pixels are white" in clipped.form.sentence


def test_all_of_it_is_json() -> None:
    found = zeroshot.inspect(noisy_pixels(CAMERA, 8))
    told = json.loads(found.to_json())
    assert told["noise"]["middle"] == found.noise.middle
    assert told["commands"] == found.commands
    assert NoiseModel.from_dict(told["noise_model"]).sigma == pytest.approx(found.noise_model.sigma)


def test_a_jpeg_and_its_traces(tmp_path) -> None:
    file, copy = tmp_path / "photo.jpg", tmp_path / "copy.png"
    Image.fromarray(ASTRONAUT).save(file, quality=60, subsampling="4:2:0")
    Image.open(file).save(copy)
    found = zeroshot.inspect(file)
    assert found.compression.sentence == "a JPEG of quality 60, chroma 4:2:0"
    assert found.commands[0] == f"zeroshot jpeg {file}"
    traces = zeroshot.inspect(copy)
    assert traces.compression.quality == pytest.approx(60, abs=3)
    assert traces.commands[0] == f"zeroshot jpeg {copy} --quality auto"


def test_noise_from_before_a_jpeg_compression_is_told_beside_it(tmp_path) -> None:
    scene = sample("astronaut")[:256, 100:420]
    for name, sigma in (("clean.jpg", 0), ("noisy.jpg", 25)):
        pixels = noisy_pixels(scene, sigma) if sigma else scene
        Image.fromarray(pixels).save(tmp_path / name, quality=60)
    noisy, clean = (zeroshot.inspect(tmp_path / name) for name in ("noisy.jpg", "clean.jpg"))
    # 25 in each channel are 16.7 in the brightness.
    assert noisy.noise.before_jpeg == pytest.approx(17, rel=0.25)
    assert "grey levels in the brightness before the compression" in str(noisy)
    assert noisy.commands[0].startswith("zeroshot jpeg")
    assert clean.noise.before_jpeg is None


def test_batches_are_refused() -> None:
    with pytest.raises(ValueError, match="one picture at a time, got a batch of 2"):
        zeroshot.inspect(torch.rand(2, 1, 32, 32))


@pytest.mark.parametrize("shape", [(1, 1), (5, 9, 3), (40, 40, 4)])
def test_any_size(shape: tuple[int, ...]) -> None:
    assert str(zeroshot.inspect(np.random.default_rng(0).integers(0, 256, shape, dtype=np.uint8)))


def test_no_command_is_told_that_the_file_would_refuse(tmp_path: Path) -> None:
    picture = Image.fromarray(sample("astronaut")[:64, 150:214])
    for mode in ("RGB", "CMYK"):
        picture.convert(mode).save(tmp_path / f"{mode}.jpg", quality=30)
    told, cmyk = (zeroshot.inspect(tmp_path / f"{mode}.jpg") for mode in ("RGB", "CMYK"))
    assert told.commands[0].startswith("zeroshot jpeg")
    assert cmyk.compression.cmyk
    assert not any("zeroshot jpeg" in line for line in cmyk.commands)


def test_a_soft_picture_is_to_be_sharpened_and_a_blurred_one_deblurred() -> None:
    picture = as_image(CAMERA)
    soft, blurred = (
        zeroshot.inspect(Blur.gaussian(width)(picture)[0, 0].mul(255).round().byte().numpy())
        for width in (0.8, 2.0)
    )
    assert soft.sharpness.is_soft
    assert soft.sharpness.radius == pytest.approx(0.8, abs=0.25)
    assert soft.commands == ["zeroshot sharpen photo.png"]
    assert "a little soft" in str(soft)
    assert soft.to_dict()["sharpness"]["radius"] == soft.sharpness.radius
    assert not blurred.sharpness.is_soft
    assert blurred.commands[-1] == "zeroshot deblur photo.png"
    assert not zeroshot.inspect(CAMERA).sharpness.is_soft


def test_commands_that_follow_name_the_file_that_the_one_before_writes(tmp_path: Path) -> None:
    blurred = Blur.gaussian(2.0)(as_image(sample("camera")[100:356, 100:356]))
    noisy = blurred + 4 / 255 * torch.randn(blurred.shape, generator=torch.Generator().manual_seed(0))
    tifffile.imwrite(tmp_path / "a.tif", (255 * noisy.clamp(0, 1))[0, 0].round().byte().numpy())
    first, second = zeroshot.inspect(tmp_path / "a.tif").commands
    assert first.startswith(f"zeroshot denoise {tmp_path / 'a.tif'}")
    assert second.startswith(f"zeroshot deblur {tmp_path / 'a.denoised.tif'}")


def test_remedies_are_the_commands_as_data_and_each_goes_on_with_the_file_of_the_one_before() -> None:
    noisy = zeroshot.inspect(noisy_pixels(CAMERA, 15))
    assert [(remedy.task, remedy.options) for remedy in noisy.remedies] == [("denoise", {})]
    for task, outcome in inspection._OUTCOMES.items():
        assert zeroshot.tasks()[task].outcome == outcome


def test_counts_of_few_bits_in_16_are_measured_on_their_own_range() -> None:
    photons = np.random.default_rng(0).poisson(sample("camera")[40:232, 100:292] / 255 * 60)
    counts = (photons * 25).astype(np.uint16)
    found = zeroshot.inspect(counts)
    assert found.form.value_range == (0, 4095)
    assert found.noise.bright > found.noise.dark + 3
    assert found.commands == ["zeroshot denoise photo.png --range 0,4095"]
    with pytest.warns(
        UserWarning, match=r"none is above 4095, and white is 65535; say value_range=\(0, 4095\)"
    ):
        zeroshot.denoise(counts, prior="tv", sigma=0.01)
    # What fills its range is measured on it.
    assert zeroshot.inspect(CAMERA[:96, :96].astype(np.uint16) * 257).form.value_range == (0, 65535)


@pytest.mark.parametrize("dtype", [np.uint16, np.int16, np.float32])
def test_of_a_stack_the_plane_in_the_middle_is_looked_at(tmp_path: Path, dtype: type) -> None:
    clean = sample("camera")[:96, :96] * 10.0 - (300 if dtype is not np.uint16 else 0)
    planes = np.stack([clean + np.random.default_rng(seed).normal(0, 100, clean.shape) for seed in range(3)])
    planes[0] = planes[2] = 0
    if dtype is np.uint16:
        planes = planes.clip(0, 4095)
    planes = planes.astype(dtype)
    if dtype is np.float32:
        planes[1, 5, 5] = np.nan
    path = tmp_path / "stack.tif"
    tifffile.imwrite(path, planes, photometric="minisblack")
    with pytest.warns(UserWarning, match=r"3 planes \(.YX\), of which the one at . 1 is looked at"):
        found = zeroshot.inspect(path)
    white = 4095 if dtype is np.uint16 else np.nanmax(planes[1]) - np.nanmin(planes[1])
    assert found.noise.middle == pytest.approx(100 / white * 255, rel=0.25)
    assert found.commands == [f"zeroshot denoise {path}"]


@pytest.mark.parametrize(
    ("blur", "words"),
    [
        (Blur.motion(9, 30), r"a motion along a line \(motion=[89]\.?\d*, angle=(29|3[01])"),
        (Blur.disk(3), r"a blur out of focus \(disk=(2\.9|3)"),
    ],
)
def test_a_motion_and_a_lens_out_of_focus_are_told_by_the_spectrum(blur: Blur, words: str) -> None:
    moved = blur(as_image(sample("camera")[100:356, 100:356]))
    found = zeroshot.inspect((255 * moved).round().to(torch.uint8))
    assert re.search(words, found.sharpness.sentence)
    assert found.commands[-1] == "zeroshot deblur photo.png"
