"""AVIF, HEIC and JPEG XL: in and out with what they carry; without their plug-ins one line that names the extra."""

import sys

import numpy as np
import pytest
from PIL import Image
from skimage.data import astronaut

import zeroshot
from tests.cli.commands import run
from zeroshot.images import ImageError, load, read_provenance, save

PLUG_INS = {"avif": "PIL", "heic": "pillow_heif", "jxl": "pillow_jxl"}
SCENE = astronaut()[40:104, 170:242]


@pytest.fixture(params=["avif", "heic", "jxl"])
def suffix(request):
    pytest.importorskip(PLUG_INS[request.param], reason="the extra formats is not installed")
    if request.param == "avif":
        from PIL import features

        if not features.check("avif"):
            pytest.skip("this Pillow has no AVIF")
    return request.param


def with_exif(tmp_path, orientation=1):
    exif = Image.Exif()
    exif[0x0112], exif[271] = orientation, "Maker"
    Image.fromarray(SCENE).save(tmp_path / "in.png", exif=exif)
    return load(tmp_path / "in.png")


def test_a_picture_goes_out_and_comes_back_with_its_exif_and_provenance(tmp_path, suffix):
    path = tmp_path / f"a.{suffix}"
    save(with_exif(tmp_path), path, provenance={"task": "denoise", "text": 'ä "quoted" <&>'})
    picture = load(path)
    assert np.abs(picture.as_given().astype(float) - SCENE).mean() < (0.01 if suffix == "jxl" else 4)
    assert read_provenance(path) == {"task": "denoise", "text": 'ä "quoted" <&>'}
    exif = Image.Exif()
    exif.load(b"Exif\0\0" + picture.form.metadata.exif)
    assert exif[271] == "Maker"


def test_alpha_and_grey_are_kept(tmp_path, suffix):
    grey = SCENE[..., 0]
    save(load(grey), tmp_path / f"g.{suffix}")
    assert (
        np.abs(np.atleast_3d(load(tmp_path / f"g.{suffix}").as_given())[..., 0].astype(float) - grey).mean()
        < 4
    )
    alpha = np.where(np.arange(72)[None, :, None] < 30, 0, 255).astype(np.uint8).repeat(64, 0)
    save(load(np.concatenate([SCENE, alpha], axis=2)), tmp_path / f"t.{suffix}")
    assert np.abs(load(tmp_path / f"t.{suffix}").as_given()[..., 3].astype(float) - alpha[..., 0]).mean() < 2


def test_a_picture_that_lies_on_its_side_is_turned_upright_once(tmp_path, suffix):
    if suffix == "heic":
        import pillow_heif

        pillow_heif.register_heif_opener()
    if suffix == "jxl":
        pytest.skip("the orientation in the EXIF of a JPEG XL does not count")
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(SCENE).save(tmp_path / f"a.{suffix}", exif=exif.tobytes())
    given = load(tmp_path / f"a.{suffix}").as_given().astype(float)
    assert given.shape == (72, 64, 3)
    assert np.abs(given - np.rot90(SCENE, -1)).mean() < 6


def test_ten_bits_of_heic_stay_more_than_eight(tmp_path):
    heif = pytest.importorskip("pillow_heif", reason="the extra formats is not installed")
    deep = np.linspace(0, 65535, 64 * 64).reshape(64, 64).astype(np.uint16)[..., None].repeat(3, 2)
    heif.from_bytes("RGB;16", (64, 64), deep.tobytes()).save(tmp_path / "a.heic", quality=95)
    pixels = load(tmp_path / "a.heic").as_given()
    assert pixels.dtype == np.uint16
    assert len(np.unique(pixels)) > 300
    assert np.abs(pixels.astype(float) - deep).mean() < 800


def test_a_command_reads_and_writes_them(tmp_path, suffix, capsys):
    save(load(SCENE), tmp_path / f"a.{suffix}")
    given = [
        "denoise",
        tmp_path / f"a.{suffix}",
        "-o",
        tmp_path / f"b.{suffix}",
        "--prior",
        "dct",
        "--sigma",
        "5",
    ]
    code, _, err = run(given, capsys)
    assert code == 0, err
    assert read_provenance(tmp_path / f"b.{suffix}")["prior"] == "dct"


@pytest.mark.parametrize(
    ("name", "module", "head"),
    [("a.heic", "pillow_heif", b"\0\0\0\x1cftypheic"), ("a.jxl", "pillow_jxl", b"\xff\x0a")],
)
def test_without_a_plug_in_the_extra_is_named(tmp_path, monkeypatch, name, module, head):
    monkeypatch.setitem(sys.modules, module, None)
    (tmp_path / name).write_bytes(head + bytes(60))
    package = module.replace("_", "-")
    with pytest.raises(ImageError, match=rf'needs {package}: pip install "zeroshot-restore\[formats\]"'):
        zeroshot.denoise(tmp_path / name)
    with pytest.raises(ImageError, match=rf"needs {package}"):
        save(load(SCENE), tmp_path / f"out{tmp_path.joinpath(name).suffix}")


@pytest.mark.parametrize("head", [b"\0\0\0\x1cftypheic", b"\xff\x0a", b"\0\0\0\x0cJXL \r\n\x87\n"])
def test_a_damaged_file_is_one_line(tmp_path, head):
    pytest.importorskip("pillow_heif", reason="the extra formats is not installed")
    (tmp_path / "a.bin").write_bytes(head + bytes(80))
    with pytest.raises(ImageError, match=r"a\.bin: .*damaged") as caught:
        load(tmp_path / "a.bin")
    assert "\n" not in str(caught.value)
