"""Images beyond [0, 1] through whole runs: restored in their own units, nothing measured cut."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import tifffile
import torch
from skimage.data import camera

import zeroshot
from zeroshot.cli.main import main
from zeroshot.data_terms import Huber, Poisson
from zeroshot.tasks.degrade import degrade

CLEAN = (camera()[100:164, 100:164] / 255).astype(np.float32)
NOISE = np.random.default_rng(0).normal(0, 0.05, CLEAN.shape).astype(np.float32)
#: What holds after every iteration need not wait for the last.
SHORT = {"iterations": 20}


def quietly(*arguments, **options):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return zeroshot.solve(*arguments, progress=False, **options)


@pytest.mark.parametrize("prior", ["tv", "bm3d", "wavelet"])
@pytest.mark.parametrize(("factor", "offset"), [(5, 0), (1 / 0.2, -2.5), (1, -0.7), (40000, -1000)])
def test_denoising_is_the_same_on_any_scale(prior, factor, offset):
    expected = np.asarray(quietly(CLEAN + NOISE, task="denoise", prior=prior, sigma=0.05))
    image = ((CLEAN + NOISE) * factor + offset).astype(np.float32)
    with pytest.warns(UserWarning, match="taken as black"):
        result = zeroshot.solve(image, task="denoise", prior=prior, sigma=0.05 * factor, progress=False)
    assert result.sigma == pytest.approx(0.05 * factor, rel=1e-6)
    assert result.image.dtype == np.float32
    back = (result.image - offset) / factor
    assert np.sqrt(np.mean((back - expected) ** 2)) < 0.006
    assert np.sqrt(np.mean((back - CLEAN) ** 2)) < 1.05 * np.sqrt(np.mean((expected - CLEAN) ** 2))


def test_noise_is_estimated_in_the_units_of_the_image():
    assert quietly(5 * (CLEAN + NOISE), task="denoise", prior="tv").sigma == pytest.approx(0.25, rel=0.25)


@pytest.mark.parametrize(
    "prior",
    ["tv", "wavelet", *(pytest.param(name, marks=pytest.mark.slow) for name in ("tgv", "bm3d", "nltv"))],
)
@pytest.mark.parametrize(
    "image",
    [CLEAN * 5, CLEAN - 0.7, CLEAN.astype(np.float64) * 3e5, (CLEAN * 4000).astype(np.uint16), CLEAN + NOISE],
    ids=["HDR", "negative", "float64", "uint16", "noisy"],
)
def test_known_pixels_come_back_bit_for_bit(image, prior):
    known = np.ones(CLEAN.shape, bool)
    known[20:30, 20:34] = False
    settings = {} if prior == "bm3d" else SHORT
    result = quietly(image, task="inpaint", prior=prior, mask=known, settings=settings)
    assert result.image.dtype == image.dtype
    np.testing.assert_array_equal(result.image[known], image[known])


@pytest.mark.parametrize("marker", [-9999, 1e6, -1])
def test_what_stands_in_a_hole_says_nothing_about_the_range(marker):
    known = np.ones(CLEAN.shape, bool)
    known[20:30, 20:34] = False
    image = np.where(known, CLEAN, marker).astype(np.float32)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        result = zeroshot.solve(image, task="inpaint", prior="tv", mask=known, settings=SHORT, progress=False)
    plain = quietly(
        np.where(known, CLEAN, 0).astype(np.float32), task="inpaint", prior="tv", mask=known, settings=SHORT
    )
    np.testing.assert_array_equal(result.image, plain.image)


def test_counts_beyond_a_given_range_are_not_cut():
    counts = (CLEAN * 12000 + 1000).astype(np.uint16)
    with pytest.warns(UserWarning, match="value_range leaves out measured values"):
        result = zeroshot.solve(
            counts, task="denoise", prior="tv", sigma=1e-4, value_range=(2000, 10500), progress=False
        )
    assert np.abs(result.image.astype(int) - counts).max() < 100
    assert result.sigma == pytest.approx(1e-4)
    assert result.provenance["value_range_origin"] == "widened"


def test_a_batch_has_one_range():
    batch = torch.from_numpy(np.stack([CLEAN, 5 * CLEAN]))[:, None]
    result = quietly(batch, task="denoise", prior="tv", sigma=0.01)
    assert {part.before.form.value_range for part in result.parts} == {(0.0, float(batch.max()))}
    assert float((result.image - batch).abs().max()) < 0.3


def test_sigma_in_units_of_the_image_may_exceed_1():
    bytes_ = ((CLEAN + NOISE) * 255).astype(np.float32)
    result = quietly(bytes_, task="denoise", prior="tv", sigma=0.05 * 255)
    expected = quietly(CLEAN + NOISE, task="denoise", prior="tv", sigma=0.05)
    np.testing.assert_allclose(result.image / 255, expected.image, atol=2e-3)
    with pytest.raises(ValueError, match=r"sigma must lie on the \[0, 1\] scale, got 25; .* sigma=25/255"):
        zeroshot.solve(CLEAN, task="denoise", prior="tv", sigma=25)
    with pytest.raises(ValueError, match="sigma is larger than the range of the values"):
        quietly(bytes_ * 3, task="denoise", prior="tv", sigma=5000)


def test_photons_and_data_terms_keep_their_units():
    counts = np.random.default_rng(0).poisson(CLEAN * 200).astype(np.float32)
    result = quietly(counts, task="denoise", prior="tv", data_term="poisson", peak=1)
    plain = quietly(counts / 200, task="denoise", prior="tv", data_term="poisson", peak=200)
    assert np.abs(result.image / 200 - plain.image).max() < 0.05
    for term in (Poisson(gain=1.0, readout=2.0), Huber(delta=10.0)):
        told = quietly(counts, task="denoise", prior="tv", data_term=term, sigma=10.0).provenance
        width = told["value_range"][1] - told["value_range"][0]
        changed = term.gain / width if isinstance(term, Poisson) else term.delta / width
        assert f"={changed:.4f}"[:7] in told["data_term"]


def test_grey_levels_of_the_command_line_are_shares_of_the_range(tmp_path, capsys):
    tifffile.imwrite(tmp_path / "a.tif", (5 * CLEAN).astype(np.float32))
    line = [
        "denoise",
        str(tmp_path / "a.tif"),
        "-o",
        str(tmp_path / "b.tif"),
        "--sigma",
        "25",
        "--prior",
        "tv",
    ]
    assert main(line) == 0
    out, err = capsys.readouterr()
    assert "sigma 25.0" in out
    assert "taken as black 0, white" in err
    assert "--range LOW,HIGH" in err
    assert tifffile.imread(tmp_path / "b.tif").max() > 3


def test_damage_of_floats_beyond_the_unit_range_stays_in_their_units(tmp_path, capsys):
    tifffile.imwrite(tmp_path / "a.tif", (5 * CLEAN - 1).astype(np.float32))
    line = [
        "degrade",
        str(tmp_path / "a.tif"),
        "-o",
        str(tmp_path / "d.tif"),
        "--task",
        "denoise",
        "--sigma",
        "25",
    ]
    assert main([*line, "--truth", str(tmp_path / "t.tif")]) == 0
    out, _ = capsys.readouterr()
    np.testing.assert_allclose(tifffile.imread(tmp_path / "t.tif"), 5 * CLEAN - 1, atol=1e-6)
    difference = tifffile.imread(tmp_path / "d.tif") - (5 * CLEAN - 1)
    assert difference.std() == pytest.approx(25 / 255 * (5 * np.ptp(CLEAN)), rel=0.05)
    command = out.splitlines()[-1].removeprefix("restore it with: zeroshot ").split()
    assert main([*command, "--prior", "tv"]) == 0
    assert (
        main(["metrics", str(tmp_path / "t.tif"), str(tmp_path / "d-restored.tif"), "--metrics", "psnr"]) == 0
    )
    assert float(capsys.readouterr().out.split()[-1]) > 25


def test_degrade_works_between_black_and_white():
    with pytest.warns(UserWarning, match="taken as black"):
        made = degrade(5 * CLEAN - 1, "denoise", sigma=0.1)
    assert 0 <= float(made.truth.min()) <= float(made.truth.max()) <= 1
    assert quietly(made.measurement, task="denoise", prior="tv", **made.options).before.form.origin == "type"


@pytest.mark.parametrize("prior", ["tv", "bm3d", "wavelet"])
@pytest.mark.parametrize(("factor", "offset"), [(1e-6, 0), (1e-9, 5e-9)])
def test_denoising_is_the_same_on_the_faintest_scale(prior, factor, offset):
    expected = np.asarray(quietly(CLEAN + NOISE, task="denoise", prior=prior, sigma=0.05))
    image = (CLEAN + NOISE).astype(np.float64) * factor + offset
    result = quietly(image, task="denoise", prior=prior, sigma=0.05 * factor)
    assert result.sigma == pytest.approx(0.05 * factor, rel=1e-6)
    assert np.sqrt(np.mean(((result.image - offset) / factor - expected) ** 2)) < 0.006


@pytest.mark.parametrize("of", [np.asarray, torch.from_numpy], ids=["array", "tensor"])
@pytest.mark.parametrize("factor", [1, 1e-6, 300])
def test_nan_may_stand_where_the_mask_says_that_pixels_are_missing(of, factor):
    known = np.random.default_rng(1).random(CLEAN.shape) < 0.7
    damaged = np.where(known, CLEAN * factor, np.nan).astype(np.float32)
    damaged[~known & (np.arange(64) < 20)] = np.inf
    options = {"task": "inpaint", "prior": "tv", "mask": known, "settings": SHORT}
    restored = np.asarray(quietly(of(damaged), **options))
    np.testing.assert_array_equal(restored[known], damaged[known])
    np.testing.assert_array_equal(restored, np.asarray(quietly(np.where(known, damaged, 0), **options)))


def test_nan_where_the_mask_knows_pixels_is_refused():
    damaged = CLEAN.copy()
    damaged[3, 4:6] = np.nan
    known = np.ones(CLEAN.shape, bool)
    known[3, 4] = False
    with pytest.raises(ValueError, match="2 of 4096 values are NaN"):
        quietly(damaged, task="inpaint", prior="tv", mask=known)


@pytest.mark.parametrize("prior", ["nlm", "perona_malik", "tv"])
@pytest.mark.parametrize("sigma", [1e-300, 1e-40])
def test_a_noise_level_whose_variance_is_no_number_is_none(prior, sigma):
    result = quietly(CLEAN, task="denoise", prior=prior, sigma=sigma)
    assert result.sigma == 0
    np.testing.assert_allclose(result.image, CLEAN, atol=2e-3)


def test_a_given_range_that_values_leave_is_told_also_where_it_is_that_of_the_type():
    with pytest.warns(UserWarning, match="leaves out measured values"):
        zeroshot.solve(CLEAN * 5, task="denoise", prior="tv", sigma=0.01, value_range=(0, 1), progress=False)
