"""Kernels compared up to their shift, and restorations by the ratio of their errors."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch
from scipy import signal

from tests.pictures import seeded
from zeroshot.metrics import error_ratio, kernel_similarity
from zeroshot.operators import Blur, kernels


def random_kernel(height: int, width: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).random((height, width))


def placed(kernel: np.ndarray, size: int, down: int, right: int) -> np.ndarray:
    canvas = np.zeros((size, size))
    canvas[down : down + kernel.shape[0], right : right + kernel.shape[1]] = kernel
    return canvas


def test_equal_kernels_are_alike_whatever_their_sum() -> None:
    kernel = random_kernel(5, 7)
    value, shift = kernel_similarity(torch.from_numpy(3 * kernel), kernel)
    assert value == pytest.approx(1, abs=1e-12)
    assert shift == (0, 0)


@pytest.mark.parametrize(("down", "right"), [(0, 0), (2, -3), (-4, 1)])
def test_a_shift_does_not_count_and_is_told(down: int, right: int) -> None:
    kernel = random_kernel(5, 5)
    there, here = placed(kernel, 15, 5 + down, 5 + right), placed(kernel, 15, 5, 5)
    value, shift = kernel_similarity(there, here)
    assert value == pytest.approx(1)
    assert shift == (down, right)
    # Without its margin the estimate is about its own centre.
    assert kernel_similarity(kernel, here).shift == (0, 0)
    assert kernel_similarity(there, kernel).shift == (down, right)


def test_sizes_that_differ_by_an_odd_number_are_half_a_pixel_apart() -> None:
    kernel = random_kernel(3, 3)
    value, shift = kernel_similarity(placed(kernel, 4, 0, 0), kernel)
    assert value == pytest.approx(1)
    assert shift == (-0.5, -0.5)


def test_it_is_the_largest_value_of_the_normalised_correlation() -> None:
    one, other = random_kernel(6, 3, 1), random_kernel(4, 7, 2)
    correlation = signal.correlate(one, other, mode="full")
    expected = correlation.max() / np.linalg.norm(one) / np.linalg.norm(other)
    assert kernel_similarity(one, other).value == pytest.approx(expected)
    assert kernel_similarity(other, one).value == pytest.approx(expected)


def test_a_worse_estimate_is_less_alike() -> None:
    truth = kernels.motion(15, 30)
    values = [kernel_similarity(kernels.motion(15, angle), truth).value for angle in (30, 33, 40, 70, 120)]
    assert values == sorted(values, reverse=True)
    assert values[0] > 0.999
    assert values[-1] < 0.4


def test_what_is_no_kernel_is_refused() -> None:
    with pytest.raises(ValueError, match="sums to zero"):
        kernel_similarity(np.zeros((3, 3)), np.ones((3, 3)))


def test_the_ratio_is_that_of_the_squared_errors() -> None:
    truth = torch.rand((1, 3, 20, 24), generator=seeded())
    error = torch.randn(truth.shape, generator=seeded(1)) / 20
    assert error_ratio(truth + 2 * error, truth + error, truth) == pytest.approx(4, rel=1e-4)
    white = [image.mul(255) for image in (truth + 2 * error, truth + error, truth)]
    assert error_ratio(*white, data_range=255) == pytest.approx(4, rel=1e-4)
    assert error_ratio(truth, truth, truth) == 1
    assert error_ratio(truth + error, truth, truth) == math.inf


def test_the_border_is_left_out() -> None:
    truth = torch.rand((1, 1, 20, 24), generator=seeded())
    error = torch.full_like(truth, 0.1)
    torn = truth + error
    torn[..., :3, :] = 7
    assert error_ratio(torn, truth + error, truth) > 100
    assert error_ratio(torn, truth + error, truth, border=3) == pytest.approx(1)


def test_a_restoration_is_compared_where_it_fits_best(photograph: torch.Tensor) -> None:
    noise = torch.randn(photograph.shape, generator=seeded(1)) / 50
    known = photograph + noise
    moved = known.roll((2, -3), dims=(-2, -1))
    assert error_ratio(moved, known, photograph) > 10
    assert error_ratio(moved, known, photograph, largest_shift=3) == pytest.approx(1, rel=0.05)


def test_a_restoration_with_a_shifted_kernel_is_as_good(photograph: torch.Tensor) -> None:
    truth = photograph[:, :1]
    kernel = placed(kernels.disk(2), 11, 3, 3)
    moved = placed(kernels.disk(2), 11, 4, 5)
    blurred = Blur(kernel, "circular")(truth)

    def wiener(known: np.ndarray) -> torch.Tensor:
        canvas = torch.zeros(truth.shape[-2:])
        canvas[:11, :11] = torch.from_numpy(known)
        transfer = torch.fft.fft2(canvas.roll((-5, -5), (0, 1)))
        gain = transfer.conj() / (transfer.abs().square() + 1e-3)
        return torch.fft.ifft2(gain * torch.fft.fft2(blurred)).real

    down, right = kernel_similarity(moved, kernel).shift
    assert (down, right) == (1, 2)
    assert error_ratio(wiener(moved), wiener(kernel), truth, largest_shift=2, border=2) == pytest.approx(
        1, rel=1e-3
    )


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"largest_shift": 10}, "shifts of up to 10 pixels leave nothing of 20 × 20 pixels"),
        ({"border": 10}, "a border of 10 pixels leaves nothing"),
        ({"largest_shift": -1}, "largest_shift must be a whole number of at least 0"),
    ],
)
def test_errors_say_what_is_wrong(options: dict[str, int], message: str) -> None:
    image = torch.rand((1, 1, 20, 20), generator=seeded())
    with pytest.raises(ValueError, match=message):
        error_ratio(image, image, image, **options)
