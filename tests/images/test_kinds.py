"""Which files are images: AVIF where Pillow reads it, the strangers that are told by their names, several in one."""

from __future__ import annotations

import sys

import numpy as np
import pytest
from PIL import Image, features

from zeroshot.cli.files import images_among
from zeroshot.images import ImageError, load, read_provenance
from zeroshot.images.boxed import depth_of_avif
from zeroshot.images.stack import stack_of


def scene() -> np.ndarray:
    ramp = np.linspace(0, 255, 48 * 32).reshape(32, 48)
    return np.stack([ramp, ramp[::-1], np.full_like(ramp, 90)], axis=2).astype(np.uint8)


@pytest.mark.skipif(not features.check("avif"), reason="this Pillow reads no AVIF")
def test_avif_is_read_upright_and_is_lossy(tmp_path):
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(scene()).save(tmp_path / "a.avif", quality=95, subsampling="4:4:4", exif=exif)
    picture = load(tmp_path / "a.avif")
    assert picture.lossy
    assert np.abs(picture.as_given().astype(int) - np.rot90(scene(), -1)).mean() < 3
    assert read_provenance(tmp_path / "a.avif") is None


@pytest.mark.parametrize(("flags", "depth"), [(0x0C, 8), (0x4C, 10), (0x6C, 12)])
def test_the_depth_of_avif_is_found_in_its_configuration(flags, depth):
    assert depth_of_avif(b"....av1C\x81\x04" + bytes([flags, 0])) == depth


def test_avif_without_a_decoder_names_what_is_needed(tmp_path, monkeypatch):
    (tmp_path / "a.avif").write_bytes(b"\0\0\0\x1cftypavif" + bytes(40))
    monkeypatch.setattr(features, "check", lambda name: False)
    with pytest.raises(ImageError, match=r"install Pillow 11\.3 or later"):
        load(tmp_path / "a.avif")


@pytest.mark.parametrize("brand", [b"heic", b"mif1"])
def test_heic_without_a_plug_in_names_what_is_needed(tmp_path, brand, monkeypatch):
    monkeypatch.setitem(sys.modules, "pillow_heif", None)
    (tmp_path / "a.png").write_bytes(b"\0\0\0\x1cftyp" + brand + bytes(40))
    with pytest.raises(
        ImageError, match=r'HEIC image needs pillow-heif: pip install "zeroshot-restore\[formats\]"'
    ):
        load(tmp_path / "a.png")


@pytest.mark.parametrize(
    ("head", "name"),
    [
        (b"GIF89a", "a GIF"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n", "PostScript"),
        (b"%PDF-1.7", "a PDF"),
        (b"8BPS\0\1", "Photoshop"),
        (b"\x93NUMPY\1\0", "a NumPy array"),
        (b"PK\3\4", "an archive"),
        (b"<!DOCTYPE html>", "a web page"),
        (b"version https://git-lfs", "Git LFS"),
    ],
)
def test_strangers_are_told_by_their_names(tmp_path, head, name):
    (tmp_path / "a.png").write_bytes(head + bytes(30))
    with pytest.raises(
        ImageError, match=f"is .*{name}.*, not a PNG, JPEG, TIFF, WebP or BMP image: "
    ) as caught:
        load(tmp_path / "a.png")
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("a.fits", "a FITS file"),
        ("a.HEIC", "a HEIC image"),
        ("a.avif", "an AVIF image"),
        ("a.jxl", "a JPEG XL image"),
        ("a.nef", r"a raw photograph \(\.nef\)"),
        ("a.czi", r"a microscope file \(\.czi\)"),
        ("a.zarr", "a Zarr store"),
    ],
)
@pytest.mark.parametrize(
    ("content", "wrong"),
    [
        (b"", "is empty, not {}"),
        (b"SIM", "is named as {}.*, but ends after 3 bytes: it was cut off"),
        (bytes(40), "is named as {}.*, but begins with zeros"),
        (b"it worked yesterday", "is named as {}.*, but does not begin as one"),
        (b"GIF89a" + bytes(30), "is a GIF, not {}"),
    ],
)
def test_what_is_broken_is_told_by_what_its_name_says(tmp_path, name, called, content, wrong):
    path = tmp_path / name
    path.write_bytes(content)
    for read in (load, stack_or_picture):
        with pytest.raises(ImageError, match=wrong.format(called)) as caught:
            read(path)
        assert str(caught.value).startswith(f"{path}: ")


def stack_or_picture(path):
    return stack_of(path) or load(path)


@pytest.mark.parametrize(
    ("head", "wrong"),
    [
        (b"\x1f\x8b\x08", "compressed by gzip, .*: unpack it"),
        (b"\0\0\0\x1cftypisom", "is of the brand 'isom', such as videos have"),
    ],
)
def test_first_bytes_tell_what_a_file_is(tmp_path, head, wrong):
    (tmp_path / "a").write_bytes(head + bytes(30))
    with pytest.raises(ImageError, match=wrong):
        load(tmp_path / "a")


def test_a_fits_file_cut_within_its_header_is_told(tmp_path):
    pytest.importorskip("astropy", reason="the extra fits is not installed")
    (tmp_path / "a.fits").write_bytes(b"SIMPLE  =                    T".ljust(200))
    for read in (load, stack_of):
        with pytest.raises(
            ImageError, match=r"a FITS file that was cut off within its header, after 200 bytes"
        ):
            read(tmp_path / "a.fits")


def test_further_pictures_behind_a_jpeg_are_mentioned(tmp_path):
    first = Image.fromarray(scene())
    first.save(tmp_path / "a.jpg", format="MPO", save_all=True, append_images=[first.resize((8, 8))])
    with pytest.warns(UserWarning, match="holds 2 pictures; the first is taken"):
        load(tmp_path / "a.jpg")


def test_hidden_files_of_a_folder_are_no_images(tmp_path):
    for name in ("a.png", ".DS_Store.png", "._a.png", ".zeroshot-x.png"):
        (tmp_path / name).write_bytes(b"")
    assert images_among([tmp_path]) == [tmp_path / "a.png"]
