"""What every adapter of a learned model does: interfaces of colour, range, layout, size, tiles, noise level."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
from torch.nn import functional

from zeroshot.compare.method import Case, Method
from zeroshot.compare.methods.learned import LearnedMethod
from zeroshot.compare.methods.model_interface import Declared, ModelInterface, by_colours
from zeroshot.compare.methods.tiles import run_in_tiles, starts
from zeroshot.compare.specification import method_from


class Network:
    """A function as a loaded model; it remembers the inputs that it was given."""

    def __init__(self, function: Callable, declared: list[Declared]) -> None:
        self.function, self.declared = function, declared
        self.seen: list[torch.Tensor] = []
        self.levels: list[torch.Tensor | None] = []

    def __call__(self, image: torch.Tensor, sigma: torch.Tensor | None) -> torch.Tensor:
        self.seen.append(image)
        self.levels.append(sigma)
        return self.function(image)


class FunctionMethod(LearnedMethod):
    """A learned method whose file is never read."""

    def __init__(self, file: Path, function: Callable, declared: list[Declared] | None = None, **options):
        super().__init__(file, **options)
        self.network = Network(function, declared or [None])

    def require_library(self) -> None: ...

    def load(self) -> Network:
        return self.network


@pytest.fixture
def file(tmp_path) -> Path:
    path = tmp_path / "model.bin"
    path.write_bytes(b"weights")
    return path


@pytest.fixture
def image() -> np.ndarray:
    return np.random.default_rng(0).random((24, 36, 3), dtype=np.float32)


def case_of(task: str, image: np.ndarray, **given) -> Case:
    options = {"sigma": 0.1} if task == "denoise" else given
    return Case.of(image, task, options)


def same(image: torch.Tensor) -> torch.Tensor:
    return image


def repeated(image: torch.Tensor) -> torch.Tensor:
    return functional.interpolate(image, scale_factor=2, mode="nearest")


@pytest.mark.parametrize("channels", ["rgb", "bgr", "grey", "y", "y-full"])
@pytest.mark.parametrize("is_grey", [True, False])
@pytest.mark.parametrize("limits", [(0, 1), (-1, 1), 255])
def test_a_model_that_changes_nothing_changes_nothing(channels, is_grey, limits, file, image):
    given = image[..., 0] if is_grey else image
    method = FunctionMethod(file, same, channels=channels, range=limits)
    assert isinstance(method, Method)
    restored = method.restore(given, case_of("denoise", given))
    np.testing.assert_allclose(restored, given, atol=2e-6)
    assert {seen.shape[1] for seen in method.network.seen} == {3 if channels in ("rgb", "bgr") else 1}


def test_values_are_given_in_the_model_s_range(file, image):
    method = FunctionMethod(file, same, range=(-1, 1))
    method.restore(image, case_of("denoise", image))
    torch.testing.assert_close(method.network.seen[0][0, 2], torch.from_numpy(2 * image[..., 2] - 1))


def test_bgr_puts_blue_first(file, image):
    method = FunctionMethod(file, lambda x: x * torch.tensor([1.0, 0, 0]).view(1, 3, 1, 1), channels="bgr")
    restored = method.restore(image, case_of("denoise", image))
    np.testing.assert_allclose(restored[..., 2], image[..., 2], atol=1e-6)
    assert np.abs(restored[..., :2]).max() == 0


def test_a_luma_model_sees_the_luma_of_the_tables_and_leaves_chroma(file, image):
    from zeroshot.metrics import grey_full_range, luma_16_235

    tensor = torch.from_numpy(image).permute(2, 0, 1)[None]
    for channels, expected in (("y", luma_16_235(tensor)), ("y-full", grey_full_range(tensor))):
        method = FunctionMethod(file, lambda x: x + 0.05, channels=channels)
        restored = method.restore(image, case_of("denoise", image))
        torch.testing.assert_close(method.network.seen[0], expected, atol=2e-4, rtol=0)
        added = torch.from_numpy(restored) - torch.from_numpy(image)
        assert float(added.std()) < 1e-5  # the same grey added everywhere
        assert float(added.mean()) == pytest.approx(0.05 * (255 / 219 if channels == "y" else 1), abs=1e-5)


def test_a_grey_model_restores_each_channel(file, image):
    method = FunctionMethod(file, lambda x: 0.5 * x, channels="grey")
    np.testing.assert_allclose(method.restore(image, case_of("denoise", image)), 0.5 * image, atol=1e-6)
    assert len(method.network.seen) == 3


@pytest.mark.parametrize(("output", "sign"), [("residual", 1), ("noise", -1)])
def test_what_a_model_returns_is_added_or_subtracted(output, sign, file, image):
    method = FunctionMethod(file, lambda x: torch.full_like(x, 51.0), output=output, range=255)
    restored = method.restore(image, case_of("denoise", image))
    np.testing.assert_allclose(restored, image + sign * 0.2, atol=1e-6)


def test_the_noise_level_is_a_plane_or_a_second_input(file, image):
    plane = FunctionMethod(file, lambda x: x[:, :3], [(None, 4, None, None)], range=255)
    plane.restore(image, case_of("denoise", image))
    assert plane.network.seen[0].shape == (1, 4, 24, 36)
    torch.testing.assert_close(plane.network.seen[0][:, 3], torch.full((1, 24, 36), 25.5))
    second = FunctionMethod(file, same, [(None, 3, None, None), (None, 1, 1, 1)])
    np.testing.assert_allclose(second.restore(image, case_of("denoise", image)), image, atol=1e-6)
    torch.testing.assert_close(second.network.levels[0], torch.full((1, 1, 1, 1), 0.1))


def test_the_channels_last_layout_is_seen_from_the_declared_shape(file, image):
    method = FunctionMethod(file, same, [(None, None, None, 3)])
    np.testing.assert_allclose(method.restore(image, case_of("denoise", image)), image, atol=1e-6)
    assert method.network.seen[0].shape == (1, 24, 36, 3)


@pytest.mark.parametrize(
    ("declared", "channels", "sigma"),
    [
        ([(1, 1, None, None)], "grey", "none"),
        ([(None, 3, 64, 64)], "rgb", "none"),
        ([(None, 2, None, None)], "grey", "channel"),
        ([(None, 4, None, None)], "rgb", "channel"),
        ([(None, 1, None, None), (None, 1)], "grey", "input"),
        ([None], "rgb", "none"),
    ],
)
def test_conventions_are_found_in_the_declared_shapes(declared, channels, sigma):
    found = ModelInterface().resolved(declared)
    assert (found.channels, found.sigma, found.layout) == (channels, sigma, "nchw")
    assert ModelInterface(channels="y", sigma="none").resolved(declared).channels == "y"


def test_an_enlarging_model_gets_the_small_image_or_the_enlarged_one(file, image):
    case = case_of("sr", image, scale=2)
    small = FunctionMethod(file, repeated)
    assert small.restore(image, case).shape == (48, 72, 3)
    assert small.network.seen[0].shape == (1, 3, 24, 36)
    bicubic = method_from("bicubic").restore(image, case)
    for option in ("enlarged", "first"):
        large = FunctionMethod(file, same, input=option)
        np.testing.assert_allclose(np.clip(large.restore(image, case), 0, 1), bicubic, atol=1e-5)
    chroma = FunctionMethod(file, repeated, channels="y")
    assert chroma.restore(image, case).shape == (48, 72, 3)


@pytest.mark.parametrize("option", ["damaged", "enlarged", "first"])
def test_a_model_for_deblurring_gets_the_picture_without_the_margin(file, image, option):
    case = case_of("deblur", image, kernel="gaussian=1", sigma=0.0)
    assert case.problem.reference_shape[-2:] != image.shape[:2]
    np.testing.assert_allclose(
        FunctionMethod(file, same, input=option).restore(image, case), image, atol=1e-6
    )


def test_another_kind_of_measurement_needs_the_first_estimate(file):
    raw = np.random.default_rng(0).random((24, 24), dtype=np.float32)
    case = case_of("demosaic", raw, pattern="RGGB")
    method = FunctionMethod(file, same, input="first")
    assert method.restore(raw, case).shape == (24, 24, 3)


def test_sizes_are_brought_to_a_multiple_and_back(file, image):
    given = image[:21, :33]
    method = FunctionMethod(file, repeated, multiple=8)
    restored = method.restore(given, case_of("sr", given, scale=2))
    assert method.network.seen[0].shape[-2:] == (24, 40)
    np.testing.assert_allclose(restored[::2, ::2], given, atol=1e-6)
    # What lies beyond the edge is the mirrored image.
    torch.testing.assert_close(method.network.seen[0][..., 21, :33], method.network.seen[0][..., 19, :33])


def blurred_and_doubled(image: torch.Tensor) -> torch.Tensor:
    weights = torch.linspace(0.1, 1, 25).view(1, 1, 5, 5).expand(image.shape[1], -1, -1, -1)
    return repeated(functional.conv2d(image, weights, padding=2, groups=image.shape[1]))


@pytest.mark.parametrize("tile", [(16, 16), (12, 30), (64, 20), (33, 47)])
@pytest.mark.parametrize("overlap", [4, 7])
def test_tiles_give_the_whole_image_s_result(tile, overlap, generator):
    image = torch.rand(1, 2, 33, 47, generator=generator)
    whole = blurred_and_doubled(image)
    tiled = run_in_tiles(blurred_and_doubled, image, tile, overlap, 2)
    if tile[0] > 33:  # the continued margin is no part of the image, but its blur is
        whole, tiled = whole[..., :60, :], tiled[..., :60, :]
    torch.testing.assert_close(tiled, whole)


def test_tiles_cover_every_pixel_with_their_overlap():
    for size in range(1, 70):
        begins = starts(size, 16, 5)
        assert begins[0] == 0
        assert size <= 16 or begins[-1] + 16 == size
        assert all(0 < after - before <= 11 for before, after in pairwise(begins))


def test_large_images_are_tiled_where_asked_and_where_the_model_has_one_size(file, image):
    method = FunctionMethod(file, repeated, tile=16, overlap=4)
    expected = FunctionMethod(file, repeated).restore(image, case_of("sr", image, scale=2))
    np.testing.assert_array_equal(method.restore(image, case_of("sr", image, scale=2)), expected)
    assert {seen.shape[-2:] for seen in method.network.seen} == {(16, 16)}
    fixed = FunctionMethod(file, repeated, [(1, 3, 32, 32)])
    np.testing.assert_array_equal(fixed.restore(image, case_of("sr", image, scale=2)), expected)
    assert {seen.shape[-2:] for seen in fixed.network.seen} == {(32, 32)}


@pytest.mark.parametrize(
    ("function", "declared", "options", "said"),
    [
        (repeated, [None], {}, "made 1 × 3 × 48 × 72 of 1 × 3 × 24 × 36, but 1 × 3 × 24 × 36 is wanted"),
        (
            same,
            [(None, 1, None, None)],
            {"channels": "rgb"},
            "takes images of any × 1 × any × any, got 1 × 3 × 24",
        ),
        (
            lambda x: x[:, :1],
            [None],
            {"channels": "rgb"},
            "made an image of 1 × 1 × 24 × 36, but 1 × 3 × 24 × 36",
        ),
        (lambda x: x.mean(), [None], {}, "made a single number"),
    ],
)
def test_a_wrong_shape_names_both(function, declared, options, said, file, image):
    with pytest.raises(ValueError, match=said) as error:
        FunctionMethod(file, function, declared, **options).restore(image, case_of("denoise", image))
    assert "model.bin" in str(error.value)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"channels": "cmyk"}, "channels must be 'auto', 'rgb'"),
        ({"range": (1, 0)}, "range must be"),
        ({"range": "wide"}, "range must be"),
        ({"multiple": 0}, "multiple must be a whole number"),
        ({"tile": 16, "overlap": 16}, "overlap must be below tile=16"),
        ({"padding": 3}, "has no option 'padding'; it has: channels, range"),
    ],
)
def test_a_wrong_option_is_said_before_anything_is_loaded(options, said, file):
    with pytest.raises(ValueError, match=said) as error:
        FunctionMethod(file, same, **options)
    assert str(error.value).startswith("model.bin")


def test_weights_are_loaded_once_and_noted(file, image):
    notes: dict = {}
    method = FunctionMethod(file, same)
    loads = []
    original = method.load
    method.load = lambda: (loads.append(1), original())[1]  # type: ignore[method-assign]
    case = Case("denoise", {}, case_of("denoise", image).problem, note=notes.__setitem__)
    method.prepare()
    method.restore(image, case)
    method.restore(image, case)
    assert len(loads) == 1
    assert notes["weights"].startswith("model.bin sha256 ")


def test_colours_that_a_network_makes_of_grey_are_kept(image):
    grey = torch.from_numpy(image[..., 0])[None, None]
    assert by_colours(lambda x: x.expand(-1, 3, -1, -1), grey, "grey").shape == (1, 3, 24, 36)
