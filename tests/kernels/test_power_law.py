"""What the spectrum of a picture says of the kernel that blurred it."""

from __future__ import annotations

import math

import numpy as np
import pytest
import skimage.data
import torch

from zeroshot.colour import full_range_luma
from zeroshot.images import load
from zeroshot.kernels import blind, blur_kernel
from zeroshot.kernels.kernel_fit import impulse
from zeroshot.kernels.power_law import PowerLaw
from zeroshot.kernels.shape_search import gaussian_shape, probable_shapes
from zeroshot.kernels.shapes import Shape
from zeroshot.metrics import kernel_similarity
from zeroshot.operators import Blur, kernels

NOISE = 0.006
SHAPES = {
    "line": kernels.motion(9, 30),
    "disk": kernels.disk(3),
    "gaussian": np.outer(kernels.gaussian(2.0), kernels.gaussian(2.0)),
}


def fur(kernel: np.ndarray, side: int = 160) -> torch.Tensor:
    """The eye of a cat, which has few hard edges, blurred, with noise."""
    height, width = (length - 1 for length in kernel.shape)
    image = load(skimage.data.chelsea()).colours[..., 56 : 56 + side + height, 116 : 116 + side + width]
    y = Blur(kernel, "valid")(image)
    return (y + NOISE * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)


def law(kernel: np.ndarray, known: torch.Tensor | None = None) -> PowerLaw:
    return PowerLaw(full_range_luma(fur(kernel))[0, 0], NOISE * 0.75, known)


@pytest.mark.parametrize("name", SHAPES)
def test_the_kernel_that_blurred_is_more_probable_than_others(name):
    found = law(SHAPES[name])
    own = found.loss(torch.from_numpy(SHAPES[name]))
    assert 0.42 < own < 0.52
    assert own < found.loss(impulse(1)) - 0.03
    for other in (kernels.motion(9, 120), kernels.motion(14, 30), kernels.disk(5)):
        assert own < found.loss(torch.from_numpy(other)) - 0.01


def test_a_kernel_and_its_mirror_image_are_alike():
    kernel = torch.from_numpy(np.pad(kernels.motion(9, 30), 3)[:, :-4]).clone()
    kernel[2, 2] += 0.4
    found = law(SHAPES["disk"])
    assert found.loss(kernel) == pytest.approx(found.loss(kernel.flip((0, 1))), abs=1e-5)


def test_what_may_be_wrong_in_a_kernel_fills_its_zeros():
    found = law(SHAPES["line"])
    wrong = torch.from_numpy(kernels.motion(14, 120))
    assert found.loss(wrong, 0.1) < found.loss(wrong)


def test_the_window_closes_where_nothing_is_known():
    known = torch.ones(160, 160)
    known[60:100, 50:90] = 0
    kernel = torch.from_numpy(SHAPES["line"])
    plane = full_range_luma(fur(SHAPES["line"]))[0, 0]
    losses = [
        PowerLaw(torch.where(known > 0, plane, value), NOISE * 0.75, known).loss(kernel)
        for value in (0.0, 1.0)
    ]
    assert losses[0] == pytest.approx(losses[1])
    assert losses[0] < PowerLaw(torch.where(known > 0, plane, 0.0), NOISE * 0.75).loss(kernel) - 0.1


@pytest.mark.parametrize("name", SHAPES)
def test_the_most_probable_shapes_are_as_wide_as_the_blur(name):
    found = law(SHAPES[name])
    best = min(probable_shapes(found), key=lambda shape: found.loss(torch.from_numpy(shape.kernel)))
    assert kernel_similarity(best.kernel, SHAPES[name]).value > 0.97
    assert [shape.kind for shape in probable_shapes(found, "motion")] == ["motion"]


def test_a_gaussian_that_is_nearly_round_is_round():
    assert gaussian_shape(np.diag([4.0, 4.4])).kind == "gaussian"
    long = gaussian_shape(np.diag([1.0, 9.0]))
    assert long.kind == "free"
    across = long.kernel.sum(axis=0)
    places = np.arange(len(across)) - len(across) // 2
    assert math.sqrt(across @ places**2) == pytest.approx(3, abs=0.05)


@pytest.mark.parametrize("name", SHAPES)
def test_a_small_picture_with_few_edges_tells_its_blur(name):
    found = blur_kernel(fur(SHAPES[name]))
    assert kernel_similarity(found.kernel, SHAPES[name]).value > 0.95
    assert found.confidence > 0.8
    assert found.evidence["gain"] > 0.1


def test_what_would_go_far_beyond_black_and_white_is_no_kernel():
    kernel = kernels.motion(5, 30)
    plane = Blur(kernel, "valid")(load(skimage.data.camera()).colours[..., 100:230, 150:280])[0, 0].clamp(
        0, 1
    )
    judge = blind._Judge(PowerLaw(plane, 0.0), plane, torch.ones_like(plane), 0.0)
    right, wide = (
        judge.ranked([one])[0] for one in (Shape(kernel, "motion"), gaussian_shape(np.diag([9.0, 9.0])))
    )
    assert judge.is_possible(right)
    assert not judge.is_possible(wide)


def test_values_beyond_black_and_white_do_not_hide_a_blur():
    y = fur(SHAPES["line"])
    for values in (2 * y, (y - 0.3) / 0.7):
        assert blur_kernel(values).kind == "motion"


def test_a_lens_is_found_where_noise_leaves_no_edges_and_where_its_kind_is_told():
    y = Blur.gaussian(3)(load(skimage.data.camera()).colours)[..., 100:260, 100:260]
    y = (y + 0.02 * torch.randn(y.shape, generator=torch.Generator().manual_seed(0))).clamp(0, 1)
    found = blur_kernel(y, "lens")
    assert "edge_width" not in found.evidence
    assert found.parameters["gaussian"] == pytest.approx(3, abs=0.3)


def test_a_picture_that_was_never_rounded_has_a_lower_floor():
    y = Blur(SHAPES["line"], "valid")(load(skimage.data.camera()).colours[..., 100:240, 100:240])[0, 0]
    kernel = torch.from_numpy(SHAPES["line"])
    rounded = (255 * y).round() / 255
    assert PowerLaw(y, 0.0).loss(kernel) < PowerLaw(rounded, 0.0).loss(kernel) + 0.15
    assert PowerLaw(0.01 * y, 0.0).gain(PowerLaw(0.01 * y, 0.0).loss(kernel)) > 0.3


def test_no_blur_is_not_sure_where_the_spectrum_is_that_of_no_photograph():
    y = fur(SHAPES["line"])
    known = torch.zeros(1, 1, *y.shape[-2:], dtype=torch.bool)
    known[..., ::2, ::2] = True
    found = blur_kernel(y, known=known)
    assert found.kind == "none"
    assert found.confidence < 0.2
