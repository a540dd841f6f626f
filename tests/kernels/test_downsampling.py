"""Kernels of downsampling, found from the small picture."""

import math

import numpy as np
import pytest
import skimage.data
import torch

from zeroshot.images import load
from zeroshot.kernels import KernelEstimate, downsampling, downsampling_kernel
from zeroshot.kernels.downsampling import gaussian_kernel
from zeroshot.metrics import psnr
from zeroshot.operators import Downsample, kernels


def scene(size: int = 256) -> torch.Tensor:
    """A photograph's centre with detail at all scales."""
    return load(skimage.data.astronaut()[:size, 60 : 60 + size]).colours


def shrunk(scale: int, kernel: str | np.ndarray, sigma: float | None = None) -> torch.Tensor:
    return (Downsample(scale, kernel, sigma=sigma)(scene()) * 255).round().clamp(0, 255) / 255


def gaussian_shrunk(scale: int, sigma: float) -> torch.Tensor:
    return shrunk(scale, "gaussian", sigma)


def widths(found: KernelEstimate) -> tuple[float, float]:
    return found.evidence["across"], found.evidence["along"]


@pytest.mark.parametrize(("scale", "sigma"), [(2, 1.2), (2, 2.0), (4, 3.0)])
def test_the_width_of_a_gaussian_is_found(scale, sigma):
    found = downsampling_kernel(gaussian_shrunk(scale, sigma), scale)
    assert found.kind != "none"
    assert math.sqrt(math.prod(widths(found))) == pytest.approx(sigma, rel=0.2)
    assert found.confidence > 0.5


def elongated(scale: int, along: float, across: float, degrees: float) -> np.ndarray:
    """A Gaussian whose long axis rises to the right by that angle."""
    turn = math.radians(degrees)
    axes = np.array([[math.cos(turn), math.sin(turn)], [-math.sin(turn), math.cos(turn)]])  # (across, down)
    return gaussian_kernel(axes * np.square([along, across]) @ axes.T, scale)


@pytest.mark.parametrize("degrees", [30.0, 120.0])
def test_the_axes_of_a_long_gaussian_with_noisy_weights_are_found(degrees):
    weights = elongated(2, 2.1, 0.9, degrees)
    weights = weights * np.random.default_rng(0).uniform(0.75, 1.25, weights.shape)
    found = downsampling_kernel(shrunk(2, weights), 2)
    assert found.kind == "free"
    across, along = widths(found)
    assert along == pytest.approx(2.1, rel=0.25)
    assert across == pytest.approx(0.9, rel=0.3)
    assert abs((found.evidence["angle"] - degrees + 90) % 180 - 90) < 12


def test_the_kernel_lies_as_the_operator_takes_it():
    for scale in (2, 3, 4):
        weights = elongated(scale, 2.0, 1.0, 30.0)
        assert weights.shape[0] % 2 == scale % 2
        assert Downsample(scale, weights).shift == (0.0, 0.0)
        assert weights == pytest.approx(weights[::-1, ::-1])
    # The long axis rises to the right: more weight up and right of the centre than up and left.
    half = len(weights) // 2
    assert weights[:half, half:].sum() > 2 * weights[:half, :half].sum()
    round_one = gaussian_kernel(np.diag([2.25, 2.25]), 4)
    expected = kernels.gaussian(1.5, 4)
    assert round_one == pytest.approx(np.outer(expected, expected))


def test_the_estimate_is_worth_decibels():
    weights, truth = elongated(2, 2.0, 1.2, 60.0), scene()
    small = shrunk(2, weights)
    found = downsampling_kernel(small, 2)

    def restored(kernel):
        operator = Downsample(2, kernel)
        image, step = operator.initial(small), 1.5 / operator.norm(small.shape) ** 2
        for _ in range(60):
            image = image + step * operator.adjoint(small - operator(image))
        return psnr(image.clamp(0, 1), truth, border=4)

    wrong, estimated, known = (restored(kernel) for kernel in ("bicubic", found.kernel, weights))
    assert estimated - wrong > 0.75 * (known - wrong) > 0.5


@pytest.mark.parametrize("scale", [2, 4])
def test_bicubic_is_left_alone(scale):
    found = downsampling_kernel(shrunk(scale, "bicubic"), scale)
    assert found.kind == "none"
    assert found.kernel == pytest.approx(np.outer(kernels.bicubic(scale), kernels.bicubic(scale)))


def test_a_gaussian_that_may_be_bicubic_is_taken_narrower(monkeypatch):
    small = gaussian_shrunk(4, 2.0)
    cautious = downsampling_kernel(small, 4)
    monkeypatch.setattr(downsampling, "CAUTION", 0.0)
    bold = downsampling_kernel(small, 4)
    assert cautious.kind != "none"
    assert cautious.evidence["gain"] == bold.evidence["gain"]
    for narrower, width in zip(widths(cautious), widths(bold), strict=True):
        assert 0.85 <= narrower / width <= 0.97


def test_a_search_that_ends_in_a_line_begins_again(monkeypatch):
    # From a point the gradient leads nowhere.
    monkeypatch.setattr(downsampling, "_START", 0.0)
    found = downsampling_kernel(gaussian_shrunk(4, 3.0), 4)
    assert math.sqrt(math.prod(widths(found))) == pytest.approx(3.0, rel=0.2)


@pytest.mark.parametrize("kind", ["tiny", "narrow", "flat", "noise"])
def test_what_tells_nothing_of_a_kernel_is_bicubic(kind):
    noise = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(0))
    small = {
        "tiny": noise[..., :6, :6] * 0.1 + 0.5,
        "narrow": shrunk(2, "bicubic")[..., :20],
        "flat": torch.full((1, 1, 64, 64), 0.5),
        "noise": 0.5 + 0.1 * noise,
    }[kind]
    found = downsampling_kernel(small, 4, None)
    assert found.kind == "none"
    assert found.confidence < 0.5


def test_a_picture_of_32_pixels_and_a_noisy_one_give_a_usable_kernel():
    small = gaussian_shrunk(2, 1.8)
    noise = torch.randn(small.shape, generator=torch.Generator().manual_seed(0))
    for damaged in (small[..., 40:72, 40:72], (small + 0.04 * noise).clamp(0, 1)):
        found = downsampling_kernel(damaged, 2)
        assert np.isfinite(found.kernel).all()
        assert found.kernel.sum() == pytest.approx(1)
        assert max(widths(found)) <= 4 if found.evidence.get("along") else found.kind == "none"


def test_the_same_picture_gives_the_same_kernel():
    small = gaussian_shrunk(4, 2.5)
    first, second = (downsampling_kernel(small, 4) for _ in range(2))
    assert (first.kernel == second.kernel).all()
