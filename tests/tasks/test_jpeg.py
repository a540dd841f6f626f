"""The task jpeg: where its tables come from, what it gains, and what is said where it cannot help."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image

import zeroshot
from tests.jpegs import cmyk, decoded, encoded, photograph, psnr
from zeroshot.compression.tables import tables_of_quality
from zeroshot.images import load
from zeroshot.operators import JpegTransform
from zeroshot.tasks import make_problem
from zeroshot.tasks.degrade import degrade


def written(folder: Path, pixels: np.ndarray, **options) -> Path:
    path = folder / "photo.jpg"
    path.write_bytes(encoded(pixels, **options))
    return path


@pytest.mark.parametrize(
    ("prior", "settings", "gain"),
    [
        ("bm3d", {}, 0.5),
        ("dct", {}, 0.5),
        ("tv", {"iterations": 200}, 0.1),
        pytest.param("tgv", {"iterations": 200}, 0.1, marks=pytest.mark.slow),
    ],
)
def test_priors_gain_on_the_decoder(prior: str, settings: dict, gain: float, tmp_path: Path) -> None:
    clean = photograph(64, 80, "L")
    path = written(tmp_path, clean, quality=10)
    result = zeroshot.jpeg(path, prior=prior, settings=settings)
    assert psnr(result.image, clean) > psnr(decoded(path.read_bytes()), clean) + gain
    assert result.findings["coefficients_kept"] > 0.9999
    assert result.findings["coefficients_kept_in_8_bits"] > 0.999


def test_colours_gain_in_brightness_and_in_chroma(tmp_path: Path) -> None:
    clean = photograph(64, 80)
    path = written(tmp_path, clean, quality=15)
    image, before = zeroshot.jpeg(path, prior="dct").image, decoded(path.read_bytes())
    matrix = np.array([[0.299, 0.587, 0.114], [-0.169, -0.331, 0.5], [0.5, -0.419, -0.081]])
    ours, theirs, true = (pixels @ matrix.T for pixels in (image, before, clean))
    assert psnr(ours[..., 0], true[..., 0]) > psnr(theirs[..., 0], true[..., 0]) + 0.5
    assert psnr(ours[..., 1:], true[..., 1:]) > psnr(theirs[..., 1:], true[..., 1:]) + 0.3
    # No cast beyond that of the decoder.
    casts = [np.abs(one.mean(axis=(0, 1)) - clean.mean(axis=(0, 1))).max() for one in (image, before)]
    assert casts[0] < casts[1] + 0.7


def problems_y(image, **options) -> torch.Tensor:
    return make_problem("jpeg", load(image), options)[0].y


def test_an_array_is_told_or_tells_what_the_file_holds(tmp_path: Path) -> None:
    path = written(tmp_path, photograph(128, 160, "L"), quality=30)
    true, pixels = problems_y(path), decoded(path.read_bytes())
    tables = tables_of_quality(30)[0]
    for options in ({}, {"quality": 30}, {"jpeg_tables": tables}):
        assert float((problems_y(pixels, **options) - true).abs().gt(1e-4).float().mean()) < 0.01, options


def test_progressive_files_are_those_of_the_sequential_ones(tmp_path: Path) -> None:
    pixels = photograph(48, 64)
    first = problems_y(written(tmp_path, pixels, quality=40))
    second = problems_y(written(tmp_path, pixels, quality=40, progressive=True))
    assert torch.equal(first, second)


def test_a_cropped_jpeg_is_restored_on_its_own_grid() -> None:
    pixels = decoded(encoded(photograph(136, 160, "L"), quality=20))[3:, 5:]
    problem, _, _ = make_problem("jpeg", load(pixels), {})
    assert isinstance(problem.operator, JpegTransform)
    assert problem.operator.offset == (3, 5)
    image = problem.constraint.nearest(problem.initial())
    assert float((image - load(pixels).colours).abs().mean()) < 1.5 / 255


def test_orientation_is_applied(tmp_path: Path) -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    clean = photograph(48, 64, "L")
    path = written(tmp_path, clean, quality=20, exif=exif)
    problem, picture, _ = make_problem("jpeg", load(path), {})
    assert problem.reference_shape == (1, 1, 64, 48)
    assert float((problem.initial() - picture.colours).abs().max()) < 4 / 255


def test_tables_come_from_a_file_too(tmp_path: Path) -> None:
    np.save(tmp_path / "tables.npy", np.stack(tables_of_quality(30)))
    pixels = decoded(encoded(photograph(32, 32), quality=30))
    found = problems_y(pixels, jpeg_tables=str(tmp_path / "tables.npy"))
    assert torch.equal(found, problems_y(pixels, quality=30))


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"quality": 0}, "from 1 to 100"),
        ({"quality": "good"}, "from 1 to 100"),
        ({"subsampling": "4:2:1"}, "subsampling must be"),
        ({"quality": 10, "jpeg_tables": np.ones((8, 8))}, "takes the place of"),
        ({"jpeg_tables": np.zeros((8, 8))}, "8 × 8 whole steps"),
        ({"jpeg_tables": np.ones((4, 4))}, "8 × 8 whole steps"),
        ({"jpeg_tables": "missing.npy"}, "cannot read 'missing.npy'"),
        ({}, "no traces of JPEG"),
        ({"peak": 5}, "has no option 'peak'"),
    ],
)
def test_bad_options_are_said_in_one_line(options: dict, reason: str) -> None:
    generator = np.random.default_rng(0)
    picture = generator.integers(0, 256, (64, 64), dtype=np.uint8)
    with pytest.raises((ValueError, TypeError), match=reason) as caught:
        zeroshot.jpeg(picture, prior="tv", **options)
    assert "\n" not in str(caught.value)


def test_files_that_cannot_be_restored_are_said(tmp_path: Path) -> None:
    path = tmp_path / "a.jpg"
    path.write_bytes(cmyk())
    with pytest.warns(UserWarning, match="CMYK"), pytest.raises(ValueError, match="is a CMYK JPEG"):
        zeroshot.jpeg(path, prior="tv")
    path.write_bytes(encoded(photograph(16, 16)))
    with pytest.raises(ValueError, match="told by the JPEG file itself"):
        zeroshot.jpeg(path, prior="tv", subsampling="4:4:4")


def test_noise_under_the_jpeg_widens_the_boxes(tmp_path: Path) -> None:
    path = written(tmp_path, photograph(32, 32, "L"), quality=50)
    plain, noisy = (make_problem("jpeg", load(path), {"sigma": level})[0] for level in (0.0, 20 / 255))
    assert noisy.constraint is None
    assert noisy.sigma > plain.sigma
    assert bool((noisy.data_term.step > plain.data_term.step).all())


def test_it_composes_with_enlarging(tmp_path: Path) -> None:
    clean = photograph(64, 64, "L")
    small = np.asarray(Image.fromarray(clean).resize((32, 32), Image.Resampling.BICUBIC))
    path = written(tmp_path, small, quality=40)
    result = zeroshot.restore(path, "jpeg @ downsample(2)", prior="dct")
    bicubic = np.asarray(
        Image.fromarray(decoded(path.read_bytes())).resize((64, 64), Image.Resampling.BICUBIC)
    )
    assert psnr(result.image, clean) > psnr(bicubic, clean) + 0.1


def test_the_damage_is_what_an_encoder_does() -> None:
    clean = photograph(48, 64)
    made = degrade(clean, "jpeg", quality=25)
    assert made.options == {"quality": 25, "subsampling": "4:2:0", "sigma": 0.0}
    pixels = (255 * made.measurement).round()[0].permute(1, 2, 0).byte().numpy()
    np.testing.assert_array_equal(pixels, decoded(encoded(clean, quality=25)))
    problem, _, _ = make_problem("jpeg", load(made.measurement), made.options)
    assert problem.constraint.share_kept(made.truth) > 0.98


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({}, "needs quality"),
        ({"quality": 10, "sigma": 0.1}, "damage twice"),
        ({"quality": 10, "subsampling": "4:1:1"}, "makes chroma of"),
    ],
)
def test_damage_that_cannot_be_made_is_said(options: dict, reason: str) -> None:
    with pytest.raises(ValueError, match=reason):
        degrade(photograph(16, 16), "jpeg", **options)


def test_large_pictures_are_cut_along_their_units(tmp_path: Path) -> None:
    clean = photograph(64, 96, "L")
    path = written(tmp_path, clean, quality=20)
    whole = zeroshot.jpeg(path, prior="dct")
    tiled = zeroshot.jpeg(path, prior="dct", tile=64, overlap=32)
    assert psnr(tiled.image, clean) > psnr(whole.image, clean) - 0.15
    assert tiled.findings["coefficients_kept"] > 0.9999
