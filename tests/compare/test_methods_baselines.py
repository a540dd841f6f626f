"""The baselines: interpolation as in the published tables, the first estimate, the damaged image."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from zeroshot.compare.method import Case
from zeroshot.compare.methods.arrays import from_luma_and_chroma, to_array, to_luma_and_chroma, to_tensor
from zeroshot.compare.methods.baselines import BASELINES
from zeroshot.compare.methods.enlarging import INTERPOLATIONS, enlarge
from zeroshot.compare.specification import method_from
from zeroshot.images import load
from zeroshot.metrics import psnr_y


def case_of(task: str, image: np.ndarray, **options) -> Case:
    return Case.of(image, task, options)


@pytest.fixture
def colours() -> np.ndarray:
    return np.random.default_rng(0).random((12, 18, 3), dtype=np.float32)


@pytest.mark.parametrize("kind", INTERPOLATIONS)
@pytest.mark.parametrize("scale", [2, 3, 4])
@pytest.mark.parametrize("is_grey", [True, False])
def test_interpolation_enlarges_by_the_task_s_scale(kind, scale, is_grey, colours):
    small = colours[..., 0] if is_grey else colours
    large = method_from(kind).restore(small, case_of("sr", small, scale=scale))
    assert large.shape == (12 * scale, 18 * scale, *small.shape[2:])
    assert large.min() >= 0
    assert large.max() <= 1


@pytest.mark.parametrize("kind", INTERPOLATIONS)
def test_interpolation_keeps_what_is_flat_and_the_centre_of_gravity(kind):
    flat = torch.full((1, 1, 7, 9), 0.3)
    torch.testing.assert_close(enlarge(flat, 3, kind), torch.full((1, 1, 21, 27), 0.3))
    spot = torch.zeros(1, 1, 15, 15)
    spot[..., 7, 7] = 1
    for scale in (2, 3, 4):
        large = enlarge(spot, scale, kind)[0, 0].double()
        position = torch.arange(15 * scale, dtype=torch.float64) + 0.5
        assert float(large.sum(0) @ position / large.sum()) == pytest.approx(7.5 * scale, abs=1e-4)
        torch.testing.assert_close(large, large.T)


def test_bilinear_and_nearest_are_those_of_pillow(colours):
    for kind, filter_ in (("bilinear", Image.Resampling.BILINEAR), ("nearest", Image.Resampling.NEAREST)):
        plane = Image.fromarray(colours[..., 0], mode="F").resize((18 * 3, 12 * 3), filter_)
        ours = enlarge(to_tensor(colours[..., 0]), 3, kind)
        np.testing.assert_allclose(to_array(ours), np.asarray(plane), atol=1e-5)


def test_interpolation_is_for_super_resolution(colours):
    assert "task 'sr' only" in str(method_from("bicubic").supports(case_of("denoise", colours, sigma=0.1)))


def test_an_unknown_kernel_is_refused():
    with pytest.raises(ValueError, match="nearest, bilinear, bicubic, lanczos"):
        enlarge(torch.zeros(1, 1, 4, 4), 2, "spline")


@pytest.mark.parametrize(
    ("task", "shape", "options"),
    [
        ("denoise", (12, 18, 3), {"sigma": 0.1}),
        ("denoise", (12, 18), {"sigma": 0.1}),
        ("inpaint", (12, 18, 3), {"mask": np.eye(12, 18)}),
        ("sr", (12, 18, 3), {"scale": 3}),
        ("demosaic", (12, 18), {"pattern": "RGGB"}),
        ("colorize", (12, 18), {"hints": np.ones((12, 18, 4), np.float32)}),
        ("deblur", (12, 18, 3), {"kernel": "gaussian=1.2", "sigma": 0.0}),
        ("restore", (12, 18), {"operator": "mosaic(RGGB) @ downsample(2)", "sigma": 0.0}),
    ],
)
@pytest.mark.parametrize("name", ["none", "first"])
def test_every_task_can_be_shown_untouched_and_estimated(name, task, shape, options):
    image = np.random.default_rng(1).random(shape, dtype=np.float32)
    case = case_of(task, image, **options)
    method = method_from(name)
    assert method.supports(case) is None
    _, channels, height, width = case.problem.framed_shape
    restored = method.restore(image, case)
    assert restored.shape == ((height, width) if channels == 1 else (height, width, channels))
    assert np.isfinite(restored).all()


def test_the_damaged_image_is_untouched(colours):
    case = case_of("denoise", colours, sigma=0.1)
    np.testing.assert_array_equal(method_from("none").restore(colours, case), colours)


def test_a_size_that_cannot_be_shown_is_refused(colours):
    case = case_of("deblur", colours, kernel=np.ones((5, 5)), boundary="valid", sigma=0.0)
    assert "cannot be shown" in str(method_from("none").supports(case))


def test_luma_and_chroma_are_undone(colours):
    image = to_tensor(colours)
    luma, chroma = to_luma_and_chroma(image)
    torch.testing.assert_close(from_luma_and_chroma(luma, chroma), image, atol=1e-5, rtol=0)
    grey = torch.full((1, 3, 2, 2), 0.7)
    torch.testing.assert_close(to_luma_and_chroma(grey)[1], torch.full((1, 2, 2, 2), 128 / 255))


def test_arrays_and_tensors_agree(colours):
    np.testing.assert_array_equal(to_array(to_tensor(colours)), colours)
    np.testing.assert_array_equal(to_array(to_tensor(colours[..., 0])), colours[..., 0])
    assert to_tensor(colours).shape == (1, 3, *colours.shape[:2])
    with pytest.raises(ValueError, match="H × W or H × W × C"):
        to_tensor(colours[None])


@pytest.mark.parametrize(("scale", "figure"), [(2, 33.68), (3, 30.41), (4, 28.43)])
def test_bicubic_has_the_published_figure_on_set5(shared, scale, figure):
    method = BASELINES["bicubic"](None)
    values = []
    for file in sorted((shared / f"data/set5/hr_x{scale}").glob("*.png")):
        small = load(file.parents[1] / f"lr_x{scale}" / file.name).colours
        restored = method.restore(to_array(small), case_of("sr", to_array(small), scale=scale))
        truth = load(file).colours
        values.append(psnr_y(to_tensor(restored), truth, scale, quantise="8-bit"))
    assert len(values) == 5
    assert np.mean(values) == pytest.approx(figure, abs=0.02)
