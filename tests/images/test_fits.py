"""FITS in and out: counts, scales, NaN and BLANK, headers."""

import numpy as np
import pytest
from skimage.data import camera

import zeroshot
from tests.cli.commands import run
from zeroshot.images import ImageError, load, read_provenance
from zeroshot.images.stack import stack_of
from zeroshot.stacks import restore_stack

fits = pytest.importorskip("astropy.io.fits", reason="the extra fits is not installed")
SIGMA = 20.0


@pytest.fixture
def sky():
    """A scene around 0, such as is left when the background is subtracted."""
    clean = 3.0 * camera()[100:164, 180:244] - 300
    noise = np.random.default_rng(0).normal(0, SIGMA, clean.shape)
    return clean, (clean + noise).astype(np.float32)


def error(values, clean):
    return float(np.sqrt(np.square(np.asarray(values, float) - clean).mean()))


def header():
    told = fits.Header()
    told["OBJECT"] = ("M 51", "what was looked at")
    told["EXPTIME"] = 120.0
    told["CRPIX1"], told["CDELT1"], told["CTYPE1"] = 10.5, 0.4, "RA---TAN"
    told["HISTORY"] = "flat fielded"
    return told


def test_a_picture_with_nan_and_negative_values_keeps_both_and_its_header(sky, tmp_path, capsys):
    clean, noisy = sky
    noisy[5:9, 20:30] = np.nan
    fits.writeto(tmp_path / "in.fits", noisy, header())
    code, _, err = run(
        ["denoise", tmp_path / "in.fits", "-o", tmp_path / "out.fits", "--prior", "dct"], capsys
    )
    assert code == 0, err
    with fits.open(tmp_path / "out.fits", checksum=True) as written:
        written.verify("exception")
        restored, told = written[0].data, written[0].header
    assert restored.dtype == np.dtype(">f4")
    np.testing.assert_array_equal(np.isnan(restored), np.isnan(noisy))
    known = ~np.isnan(noisy)
    assert restored[known].min() < -100
    assert error(restored[known], clean[known]) < 0.75 * error(noisy[known], clean[known])
    assert (told["OBJECT"], told["EXPTIME"], told["CRPIX1"]) == ("M 51", 120.0, 10.5)
    assert told.comments["OBJECT"] == "what was looked at"
    assert "flat fielded" in str(told["HISTORY"])
    provenance = read_provenance(tmp_path / "out.fits")
    assert provenance["prior"] == "dct"
    assert provenance["stack"]["channels"][0]["sigma"] == pytest.approx(SIGMA, rel=0.2)


def test_nan_are_the_holes_of_inpainting_that_is_told_so(sky, tmp_path):
    clean, _ = sky
    damaged = clean.astype(np.float32)
    damaged[np.random.default_rng(1).random(clean.shape) < 0.3] = np.nan
    fits.writeto(tmp_path / "in.fits", damaged)
    filled = zeroshot.inpaint(tmp_path / "in.fits", "alpha", prior="tv").image
    assert np.isfinite(filled).all()
    known = np.isfinite(damaged)
    np.testing.assert_array_equal(filled[known], damaged[known])
    assert error(filled[~known], clean[~known]) < 60


@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.uint16, np.int32, np.float64])
def test_types_come_back(tmp_path, dtype):
    counts = (3 * camera()[100:132, 180:212].astype(float) / (3 if dtype == np.uint8 else 1)).astype(dtype)
    fits.writeto(tmp_path / "in.fits", counts)
    restore_stack(tmp_path / "in.fits", "denoise", tmp_path / "out.fits", "dct", sigma=0.0, progress=False)
    with fits.open(tmp_path / "out.fits") as written:
        assert written[0].data.dtype.newbyteorder("=") == dtype
        np.testing.assert_array_equal(written[0].data, counts)


def test_scaled_integers_with_blank_stay_so(sky, tmp_path):
    _, noisy = sky
    hdu = fits.PrimaryHDU(np.where(np.eye(64, dtype=bool), -32768, np.rint(noisy / 0.5)).astype(np.int16))
    hdu.header["BSCALE"], hdu.header["BZERO"], hdu.header["BLANK"] = 0.5, 100.0, -32768
    hdu.writeto(tmp_path / "in.fits")
    # Changing a header after the fact does not scale the data in the file.
    with fits.open(tmp_path / "in.fits") as opened:
        given = opened[0].data
    restore_stack(tmp_path / "in.fits", "denoise", tmp_path / "out.fits", "dct", sigma=0.0, progress=False)
    with fits.open(tmp_path / "out.fits", do_not_scale_image_data=True) as written:
        told = written[0].header
        assert (told["BITPIX"], told["BSCALE"], told["BZERO"]) == (16, 0.5, 100)
    with fits.open(tmp_path / "out.fits") as written:
        np.testing.assert_array_equal(np.isnan(written[0].data), np.isnan(given))
        np.testing.assert_allclose(written[0].data, given, atol=0.26)


def test_a_cube_is_a_stack(tmp_path):
    cube = np.stack([camera()[100:132, 180:212]] * 3).astype(np.float32) * 10
    fits.writeto(tmp_path / "in.fits", cube, header())
    stack = stack_of(tmp_path / "in.fits")
    assert (stack.axes, stack.count) == ("ZYX", 3)
    restore_stack(tmp_path / "in.fits", "sr", tmp_path / "out.fits", "tv", scale=2, progress=False)
    with fits.open(tmp_path / "out.fits") as written:
        assert written[0].data.shape == (3, 64, 64)
        assert written[0].header["CDELT1"] == pytest.approx(0.2)
        assert written[0].header["CRPIX1"] == pytest.approx(20.5)


def test_a_picture_in_colours_is_written_as_three_planes(tmp_path):
    colours = np.random.default_rng(0).integers(0, 256, (8, 9, 3), dtype=np.uint8)
    zeroshot.images.save(load(colours), tmp_path / "a.fits", provenance={"task": "denoise"})
    with fits.open(tmp_path / "a.fits") as written:
        np.testing.assert_array_equal(written[0].data, np.moveaxis(colours, 2, 0))
    assert read_provenance(tmp_path / "a.fits") == {"task": "denoise"}


def test_an_image_in_an_extension_is_found(tmp_path):
    fits.HDUList([fits.PrimaryHDU(), fits.ImageHDU(np.ones((4, 5), np.float32), name="SCI")]).writeto(
        tmp_path / "a.fits"
    )
    assert load(tmp_path / "a.fits").colours.shape == (1, 1, 4, 5)


@pytest.mark.parametrize(
    ("make", "reason"),
    [
        (lambda path: fits.PrimaryHDU().writeto(path), "holds no image"),
        (lambda path: path.write_bytes(b"SIMPLE  =                    T" + bytes(100)), "FITS|damaged"),
        (
            lambda path: fits.writeto(path, np.full((8, 8), np.nan, np.float32)),
            "no value that is a number|NaN",
        ),
    ],
)
def test_what_cannot_be_restored_is_one_line(tmp_path, make, reason):
    make(tmp_path / "a.fits")
    with pytest.raises(ImageError, match=reason) as caught:
        zeroshot.denoise(tmp_path / "a.fits", prior="dct")
    assert "\n" not in str(caught.value)


def test_without_astropy_the_extra_is_named(sky, tmp_path, monkeypatch):
    fits.writeto(tmp_path / "a.fits", sky[1])
    monkeypatch.setitem(__import__("sys").modules, "astropy.io.fits", None)
    with pytest.raises(ImageError, match=r'FITS needs astropy: pip install "zeroshot-restore\[fits\]"'):
        zeroshot.denoise(tmp_path / "a.fits", prior="dct")
