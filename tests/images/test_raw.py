"""Raw photographs: a synthetic DNG, read by LibRaw, restored in linear light and rendered."""

from types import SimpleNamespace

import numpy as np
import pytest
import tifffile
from PIL import Image
from skimage.data import astronaut

import zeroshot
from tests.cli.commands import run
from zeroshot.images import ImageError, load
from zeroshot.images.raw import _matrix, read_raw

rawpy = pytest.importorskip("rawpy", reason="the extra raw is not installed")

NEUTRAL = (0.5, 1.0, 0.7)
BLACK, WHITE = 64, 4095
GAIN, READOUT = 0.01, 0.004
#: XYZ to linear sRGB: a camera with these filters, but for its white balance, sees in sRGB.
SRGB = np.array(
    [
        [3.2404542, -1.5371385, -0.4985314],
        [-0.9692660, 1.8760108, 0.0415560],
        [0.0556434, -0.2040259, 1.0572252],
    ]
)
XTRANS = ("GBGGRG", "RGRBGB", "GBGGRG", "GRGGBG", "BGBRGR", "GRGGBG")


def rationals(values):
    return [part for value in np.ravel(values) for part in (round(float(value) * 10000), 10000)]


def write_dng(path, counts, rows=("RG", "GB"), orientation=1):
    """A DNG of one mosaic, by the tags that DNG 1.4 asks for."""
    layout = bytes("RGB".index(letter) for row in rows for letter in row)
    tags = [
        (271, "s", 0, "Maker", True),
        (272, "s", 0, "Model 1", True),
        (274, "H", 1, orientation, True),
        (33421, "H", 2, (len(rows), len(rows[0])), True),  # CFARepeatPatternDim
        (33422, "B", len(layout), layout, True),  # CFAPattern
        (50706, "B", 4, (1, 4, 0, 0), True),  # DNGVersion
        (50708, "s", 0, "Model 1", True),  # UniqueCameraModel
        (50710, "B", 3, (0, 1, 2), True),  # CFAPlaneColor
        (50711, "H", 1, 1, True),  # CFALayout
        (50714, "I", 1, BLACK, True),  # BlackLevel
        (50717, "I", 1, WHITE, True),  # WhiteLevel
        (50721, "2i", 9, rationals(np.diag(NEUTRAL) @ SRGB), True),  # ColorMatrix1
        (50728, "2I", 3, rationals(NEUTRAL), True),  # AsShotNeutral
        (50778, "H", 1, 21, True),  # CalibrationIlluminant1: D65
    ]
    options = {"metadata": None, "software": False, "subfiletype": 0}
    tifffile.imwrite(path, counts.astype(np.uint16), photometric=32803, extratags=tags, **options)


def seen_by_sensor(linear, rows, noise=None):
    """Counts behind the filters."""
    camera = linear * NEUTRAL
    mosaic = np.empty(linear.shape[:2])
    for down, row in enumerate(rows):
        for right, letter in enumerate(row):
            place = (slice(down, None, len(rows)), slice(right, None, len(row)))
            mosaic[place] = camera[(*place, "RGB".index(letter))]
    if noise is not None:
        mosaic = noise.poisson(mosaic / GAIN) * GAIN + noise.normal(0, READOUT, mosaic.shape)
    return np.clip(np.rint(BLACK + mosaic * (WHITE - BLACK)), 0, WHITE)


def srgb(linear):
    return np.where(linear <= 0.0031308, 12.92 * linear, 1.055 * linear ** (1 / 2.4) - 0.055)


def decibels(pixels, truth):
    return -10 * np.log10(np.square(np.asarray(pixels) / 65535 - truth).mean())


@pytest.fixture
def scene():
    return (astronaut()[56:128, 186:258] / 255.0) ** 2.2


@pytest.fixture
def noisy_dng(scene, tmp_path):
    path = tmp_path / "night.dng"
    write_dng(path, seen_by_sensor(scene, ("RG", "GB"), np.random.default_rng(0)))
    return path


@pytest.mark.parametrize("rows", [("RG", "GB"), ("GB", "RG"), ("BG", "GR"), XTRANS])
def test_the_mosaic_is_what_the_sensor_measured(scene, tmp_path, rows):
    write_dng(tmp_path / "a.dng", seen_by_sensor(scene, rows), rows)
    photograph = read_raw(tmp_path / "a.dng")
    assert photograph.pattern == rows
    assert photograph.levels == (BLACK, WHITE)
    np.testing.assert_allclose(photograph.gains, [2, 1, 1 / 0.7], rtol=1e-3)
    np.testing.assert_allclose(photograph.matrix, np.eye(3), atol=2e-3)
    expected = (seen_by_sensor(scene, rows) - BLACK) / (WHITE - BLACK)
    np.testing.assert_allclose(photograph.mosaic, expected, atol=1e-6)
    with rawpy.imread(str(tmp_path / "a.dng")) as opened:
        assert opened.raw_image_visible.shape == scene.shape[:2]


def test_demosaicking_renders_the_scene(scene, tmp_path):
    write_dng(tmp_path / "a.dng", seen_by_sensor(scene, ("RG", "GB")))
    result = zeroshot.demosaic(tmp_path / "a.dng", prior="tv")
    assert result.image.dtype == np.uint16
    assert decibels(result.image, srgb(scene)) > decibels(result.before.as_given(), srgb(scene)) + 1
    np.testing.assert_allclose(result.image.mean((0, 1)) / 65535, srgb(scene).mean((0, 1)), atol=0.01)


def test_denoising_takes_the_noise_of_the_sensor_away(tmp_path, capsys):
    noisy_dng, scene = tmp_path / "a.dng", (astronaut()[300:400, 150:250] / 255.0) ** 2.2
    write_dng(noisy_dng, seen_by_sensor(scene, ("RG", "GB"), np.random.default_rng(0)))
    code, _, err = run(["denoise", noisy_dng, "-o", tmp_path / "out.tif"], capsys)
    assert code == 0, err
    plain = zeroshot.demosaic(noisy_dng, prior="tv")
    restored = load(tmp_path / "out.tif").as_given()
    assert restored.dtype == np.uint16
    assert decibels(restored, srgb(scene)) > decibels(plain.image, srgb(scene)) + 2
    told = zeroshot.images.read_provenance(tmp_path / "out.tif")["raw"]
    assert told["pattern"] == "RG/GB"
    # At the mean of the gains 2, 1, 1 and 1.43 of the white balance.
    assert told["noise"]["gain"] == pytest.approx(1.36 * GAIN, rel=0.35)
    with Image.open(tmp_path / "out.tif") as opened:
        assert opened.getexif()[272] == "Model 1"
        assert opened.info["icc_profile"][16:20] == b"RGB "


def test_fast_is_measured_by_noisy_mosaics(tmp_path):
    """Total variation is the best of the quick ones only without noise."""
    path, scene = tmp_path / "a.dng", (astronaut()[0:64, 150:214] / 255.0) ** 2.2
    write_dng(path, seen_by_sensor(scene, ("RG", "GB"), np.random.default_rng(0)))
    fast, blotchy = (zeroshot.denoise(path, prior=prior, progress=False) for prior in ("fast", "tv"))
    assert fast.provenance["prior"] == "dct"
    assert decibels(fast.image, srgb(scene)) > decibels(blotchy.image, srgb(scene)) + 0.4


def test_linear_is_the_light_itself(scene, tmp_path, capsys):
    write_dng(tmp_path / "a.dng", seen_by_sensor(scene, ("RG", "GB")))
    given = ["demosaic", tmp_path / "a.dng", "-o", tmp_path / "out.tif", "--prior", "tv", "--linear"]
    given += ["--set", "chroma=2"]  # which is not looked for then
    assert run(given, capsys)[0] == 0
    linear = load(tmp_path / "out.tif").as_given() / 65535
    np.testing.assert_allclose(linear.mean((0, 1)), scene.mean((0, 1)), atol=0.01)


def test_xtrans_is_restored_in_its_own_phase(scene, tmp_path):
    shifted = tuple(row[2:] + row[:2] for row in XTRANS)
    write_dng(tmp_path / "a.dng", seen_by_sensor(scene, shifted), shifted)
    result = zeroshot.demosaic(tmp_path / "a.dng", prior="tv", settings={"chroma": 2.0})
    assert decibels(result.image, srgb(scene)) > 24


def test_a_camera_held_upright_gives_an_upright_picture(scene, tmp_path):
    for name, orientation in (("flat.dng", 1), ("turned.dng", 6)):
        write_dng(tmp_path / name, seen_by_sensor(scene[:48], ("RG", "GB")), orientation=orientation)
    flat, turned = (
        zeroshot.demosaic(tmp_path / name, prior="tv", settings={"iterations": 5, "chroma": 2.0}).image
        for name in ("flat.dng", "turned.dng")
    )
    np.testing.assert_array_equal(turned, np.rot90(flat, -1))


@pytest.mark.parametrize(
    ("words", "reason"),
    [
        (["sr", "--scale", "2"], "restored by demosaic or denoise"),
        (["denoise", "--sigma", "10"], "--sigma does not go with a raw photograph"),
        (["demosaic", "--pattern", "BGGR"], "--pattern does not go with a raw photograph"),
    ],
)
def test_what_does_not_go_with_a_raw_photograph_is_one_line(noisy_dng, tmp_path, capsys, words, reason):
    code, _, err = run([words[0], noisy_dng, "-o", tmp_path / "o.tif", *words[1:]], capsys)
    assert code == 2
    assert reason in err
    assert len(err.splitlines()) == 1


def test_a_damaged_raw_file_is_one_line(noisy_dng, tmp_path):
    whole = noisy_dng.read_bytes()
    for kept in (200, len(whole) // 2):
        (tmp_path / "cut.dng").write_bytes(whole[:kept])
        with pytest.raises(
            ImageError, match=r"cut\.dng: is damaged or truncated, or of a camera that"
        ) as caught:
            read_raw(tmp_path / "cut.dng")
        assert "b'" not in str(caught.value)


def test_a_raw_photograph_is_no_picture_yet(noisy_dng):
    with pytest.raises(ImageError, match="'zeroshot demosaic' and 'zeroshot denoise' restore it"):
        load(noisy_dng)


def test_without_rawpy_the_extra_is_named(noisy_dng, monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "rawpy", None)
    with pytest.raises(ImageError, match=r'needs rawpy: pip install "zeroshot-restore\[raw\]"'):
        zeroshot.denoise(noisy_dng)


class Developed:
    """A photograph of a camera whose matrix LibRaw has but does not tell."""

    def __init__(self, matrix, colours):
        self.camera = np.random.default_rng(0).uniform(0.2, 0.6, (20, 30, colours))
        self.camera = np.broadcast_to(self.camera, (20, 30, 3))
        self.matrix = np.asarray(matrix)
        self.color_matrix, self.rgb_xyz_matrix = np.zeros((3, 4)), np.zeros((4, 3))

    def postprocess(self, output_color, **options):
        assert (options["gamma"], options["no_auto_bright"]) == ((1, 1), True)
        values = self.camera if output_color == "raw" else self.camera @ self.matrix.T
        return np.rint(65535 * values.clip(0, 1)).astype(np.uint16)


def test_a_matrix_that_is_not_told_is_found_in_a_development():
    rawpy = SimpleNamespace(ColorSpace=SimpleNamespace(raw="raw", sRGB="srgb"), LibRawError=RuntimeError)
    matrix = np.array([[1.8, -0.3, -0.5], [-0.4, 1.8, -0.4], [-0.6, -1.4, 3.0]])
    np.testing.assert_allclose(_matrix(Developed(matrix, 3), rawpy), matrix, atol=1e-3)
    # Nothing is found where there is none, nor in a picture of greys.
    for silent in (Developed(np.eye(3), 3), Developed(matrix, 1)):
        np.testing.assert_array_equal(_matrix(silent, rawpy), np.eye(3))
