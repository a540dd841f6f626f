"""The operators compute what their names mean elsewhere: MATLAB, the Deep Image Prior, SciPy, cameras."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import scipy.ndimage
import scipy.signal
import torch
from PIL import Image

from tests.pictures import read, uniform
from zeroshot.operators import Blur, Downsample, Grayscale, Mosaic, kernels


@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("name", ["baby", "bird", "butterfly", "head", "woman"])
def test_bicubic_makes_the_published_low_resolution_images(shared: Path, scale: int, name: str) -> None:
    folder = shared / "data" / "set5"
    if not folder.is_dir():
        pytest.skip("needs Set5 in the shared folder")
    small = Downsample(scale)(read(folder / f"hr_x{scale}" / f"{name}.png", "RGB"))
    levels = (small.clamp(0, 1) * 255).round()
    published = (read(folder / f"lr_x{scale}" / f"{name}.png", "RGB") * 255).round()
    assert ((levels - published).abs() <= 1).float().mean() >= 0.999


@pytest.fixture(scope="module")
def dip(shared: Path) -> dict[str, np.ndarray]:
    path = shared / "oracles" / "dip_downsampler.npz"
    if not path.is_file():
        pytest.skip("needs the oracle dip_downsampler.npz in the shared folder")
    with np.load(path, allow_pickle=False) as arrays:
        return dict(arrays)


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("lobes", [2, 3])
def test_lanczos_output_agrees_with_deep_image_prior(
    dip: dict[str, np.ndarray], scale: int, lobes: int
) -> None:
    small = Downsample(scale, f"lanczos{lobes}")(torch.from_numpy(dip["x"]))
    np.testing.assert_allclose(small.numpy(), dip[f"lanczos{lobes}_x{scale}"], rtol=0, atol=1e-5)


@pytest.mark.parametrize("scale", [2, 4, 8])
@pytest.mark.parametrize("lobes", [2, 3])
def test_lanczos_kernel_agrees_with_deep_image_prior(
    dip: dict[str, np.ndarray], scale: int, lobes: int
) -> None:
    weights = kernels.lanczos(scale, lobes)
    np.testing.assert_allclose(
        np.outer(weights, weights), dip[f"lanczos{lobes}_x{scale}_kernel"], rtol=0, atol=1e-7
    )


def test_box_is_the_mean_of_each_block(photograph: torch.Tensor) -> None:
    torch.testing.assert_close(
        Downsample(3, "box")(photograph), torch.nn.functional.avg_pool2d(photograph, 3), rtol=0, atol=1e-6
    )


@pytest.mark.parametrize(
    "operator",
    [
        Downsample(2),
        Downsample(3),
        Downsample(5, "lanczos3"),
        Downsample(4, "gaussian", sigma=1.6),
        Downsample(3, "gaussian", sigma=0.4),
    ],
    ids=lambda operator: operator.describe(),
)
def test_shrinking_keeps_a_ramp_in_place(operator: Downsample) -> None:
    scale = operator.scale
    columns = torch.arange(20.0 * scale).expand(1, 1, 20 * scale, -1)
    small = operator(columns)[0, 0, 10, 6:-6]
    centres = torch.arange(20.0)[6:-6] * scale + (scale - 1) / 2
    torch.testing.assert_close(small, centres, rtol=1e-5, atol=1e-4)


def test_gaussian_has_the_standard_deviation_asked_for() -> None:
    for scale in (1, 2, 3, 4):
        weights = kernels.gaussian(1.7, scale)
        position = np.arange(len(weights)) - (len(weights) - 1) / 2
        assert np.sqrt((weights * position**2).sum()) == pytest.approx(1.7, rel=5e-3)
        assert (len(weights) - scale) % 2 == 0


@pytest.mark.parametrize("size", [(4, 4), (5, 5), (9, 7), (12, 12)])
def test_own_kernel_is_a_true_convolution_then_decimation(
    size: tuple[int, int], photograph: torch.Tensor, generator: torch.Generator
) -> None:
    weights = torch.rand(size, generator=generator).numpy()
    scale = 4
    small = Downsample(scale, weights)(photograph)[0, 0].numpy()
    blurred = scipy.signal.convolve2d(photograph[0, 0].numpy(), weights / weights.sum(), mode="full")
    # The window that is centred on the block, or half a pixel before its centre where it cannot be.
    first = [scale - 1 + (taps - scale) // 2 for taps in size]
    expected = blurred[first[0] :: scale, first[1] :: scale][:24, :24]
    np.testing.assert_allclose(small[4:-4, 4:-4], expected[4:-4, 4:-4], atol=1e-5)


MODES = {"reflect": "mirror", "circular": "wrap", "replicate": "nearest"}  # scipy.ndimage's names


@pytest.mark.parametrize("boundary", MODES)
@pytest.mark.parametrize("size", [(3, 3), (1, 7), (9, 5), (15, 15)])
def test_blur_agrees_with_scipy(
    boundary: str, size: tuple[int, int], photograph: torch.Tensor, generator: torch.Generator
) -> None:
    weights = torch.rand(size, generator=generator).double().numpy()
    weights /= weights.sum()
    blurred = Blur(weights, boundary)(photograph)
    for channel, plane in zip(blurred[0], photograph[0], strict=True):
        expected = scipy.ndimage.convolve(plane.double().numpy(), weights, mode=MODES[boundary])
        np.testing.assert_allclose(channel.numpy(), expected, atol=2e-6)


@pytest.mark.parametrize("size", [(3, 3), (9, 5)])
def test_valid_blur_agrees_with_scipy(
    size: tuple[int, int], photograph: torch.Tensor, generator: torch.Generator
) -> None:
    weights = torch.rand(size, generator=generator).numpy()
    blurred = Blur(weights, "valid")(photograph)
    expected = scipy.signal.convolve2d(photograph[0, 1].numpy(), weights / weights.sum(), mode="valid")
    np.testing.assert_allclose(blurred[0, 1].numpy(), expected, atol=2e-6)


def test_a_point_becomes_the_kernel(generator: torch.Generator) -> None:
    weights = torch.rand((5, 7), generator=generator)
    blur = Blur(weights)
    point = torch.zeros(1, 1, 15, 17)
    point[..., 7, 8] = 1
    spread = blur(point)[0, 0, 5:10, 5:12]
    torch.testing.assert_close(spread, weights / weights.sum(), rtol=0, atol=1e-6)
    torch.testing.assert_close(blur.kernel, weights / weights.sum())


def test_published_kernels_reproduce_the_published_blur(shared: Path) -> None:
    folder = shared / "data" / "levin"
    if not (folder / "kernels_1-4_float.npz").is_file():
        pytest.skip("needs Levin's kernels in the shared folder")
    with np.load(folder / "kernels_1-4_float.npz", allow_pickle=False) as arrays:
        weights = next(iter(arrays.values()))
    sharp = uniform(1, 1, 60, 64, seed=1)
    blurred = Blur(weights, "valid")(sharp)[0, 0].numpy()
    np.testing.assert_allclose(
        blurred, scipy.signal.convolve2d(sharp[0, 0].numpy(), weights / weights.sum(), "valid"), atol=1e-5
    )


def test_motion_to_the_right_is_equal_weights() -> None:
    np.testing.assert_allclose(kernels.motion(9, 0), np.full((1, 9), 1 / 9), atol=1e-12)
    np.testing.assert_allclose(kernels.motion(5, 90), np.full((5, 1), 1 / 5), atol=1e-12)


def test_motion_turns_counter_clockwise() -> None:
    weights = kernels.motion(21, 30)
    height, width = weights.shape
    rows, columns = np.mgrid[:height, :width]
    upward = -(rows - height // 2) * (columns - width // 2)
    assert (weights * upward).sum() > 0
    angle = np.arctan2((weights * upward).sum(), (weights * (columns - width // 2) ** 2).sum())
    assert np.degrees(angle) == pytest.approx(30, abs=1)


def test_disk_has_the_second_moment_of_a_disk() -> None:
    radius = 4.3
    weights = kernels.disk(radius)
    offset = np.arange(len(weights)) - len(weights) // 2
    squared = offset[:, None] ** 2 + offset[None, :] ** 2 - 1 / 6  # what the pixels' own extent adds
    assert (weights * squared).sum() == pytest.approx(radius**2 / 2, rel=0.02)


def test_grayscale_agrees_with_pillow(photograph: torch.Tensor) -> None:
    levels = (photograph[0].permute(1, 2, 0) * 255).round().byte().numpy()
    expected = np.asarray(Image.fromarray(levels).convert("L"), dtype=np.float32)
    grey = Grayscale()(torch.from_numpy(levels).permute(2, 0, 1)[None].float())[0, 0].numpy()
    assert np.abs(grey - expected).max() <= 1


@pytest.mark.parametrize(
    ("pattern", "rows"),
    [
        ("RGGB", ["RGRG", "GBGB", "RGRG", "GBGB"]),
        ("BGGR", ["BGBG", "GRGR", "BGBG", "GRGR"]),
        ("GRBG", ["GRGR", "BGBG", "GRGR", "BGBG"]),
        ("gbrg", ["GBGB", "RGRG", "GBGB", "RGRG"]),
        ("quad-RGGB", ["RRGG", "RRGG", "GGBB", "GGBB"]),
        ("quad-gbrg", ["GGBB", "GGBB", "RRGG", "RRGG"]),
        (("RGB", "GBR"), ["RGBR", "GBRG", "RGBR", "GBRG"]),
    ],
)
def test_mosaic_measures_the_colour_that_the_pattern_names(pattern: str, rows: list[str]) -> None:
    colours = torch.tensor([1.0, 2.0, 3.0]).view(1, 3, 1, 1).expand(1, 3, 4, 4)
    expected = torch.tensor([[1.0 + "RGB".index(letter) for letter in row] for row in rows])
    assert torch.equal(Mosaic(pattern)(colours)[0, 0], expected)


def test_xtrans_has_twenty_green_and_eight_red_and_blue_and_every_colour_in_each_line() -> None:
    rows = Mosaic("xtrans").rows
    assert ["".join(rows).count(letter) for letter in "RGB"] == [8, 20, 8]
    for line in (*rows, *("".join(column) for column in zip(*rows, strict=True))):
        assert set(line) == set("RGB")
    # Its mark among the filter arrays: blocks of 2 × 2 greens, once per 3 × 3 pixels and nowhere more.
    tiled = np.array([list(row * 2) for row in rows * 2])[:7, :7] == "G"
    blocks = tiled[:-1, :-1] & tiled[1:, :-1] & tiled[:-1, 1:] & tiled[1:, 1:]
    assert blocks.sum() == 4


@pytest.mark.parametrize(("pattern", "period"), [("RGGB", 2), ("quad-rggb", 4), ("xtrans", 6)])
def test_mosaic_repeats_with_its_period(pattern: str, period: int) -> None:
    assert Mosaic(pattern).period == period


def test_float64_is_computed_in_float64(photograph: torch.Tensor) -> None:
    for operator in (Downsample(2), Blur.gaussian(1.2), Blur.disk(3)):
        assert operator(photograph.double()).dtype == torch.float64
