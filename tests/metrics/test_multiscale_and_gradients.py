"""MS-SSIM, SSIM of Y and GMSD agree with independent implementations and keep to their definitions.

Reference numbers: MS-SSIM of piq 0.8.0 (`multi_scale_ssim`) on sizes that halve evenly; GMSD of the formula of
the authors' code written out with two-dimensional convolutions in SciPy, on even and on odd sizes.
"""

from __future__ import annotations

import numpy as np
import pytest
import torch
from skimage import color
from skimage.metrics import structural_similarity

from tests.pictures import noisy_pixels, sample
from zeroshot.metrics import gmsd, ms_ssim, ssim_y


@pytest.mark.parametrize(("name", "expected"), [("astronaut", 0.91324684), ("camera", 0.85413244)])
def test_ms_ssim_is_that_of_an_independent_implementation(name: str, expected: float) -> None:
    image = sample(name)
    assert ms_ssim(noisy_pixels(image, 15), image, data_range=255) == pytest.approx(expected, abs=1e-7)


@pytest.mark.parametrize(
    ("name", "end", "expected"),
    [
        ("astronaut", 512, 0.05781914785447186),
        ("astronaut", 511, 0.05783568017322661),
        ("chelsea", 450, None),
        ("camera", 512, 0.13779063154691654),
        ("camera", 511, 0.13772010346919844),
    ],
)
def test_gmsd_is_that_of_the_formula_written_out(name: str, end: int, expected: float | None) -> None:
    image = sample(name)
    damaged = noisy_pixels(image, 15)
    pair = [x[:end, :end] for x in (damaged, image)]
    if expected is None:
        expected = written_out(*pair)
    assert gmsd(*pair, data_range=255) == pytest.approx(expected, abs=1e-12)


def written_out(image: np.ndarray, reference: np.ndarray) -> float:
    """GMSD by two-dimensional convolutions, as in the paper's listing."""
    from scipy.signal import convolve2d

    prewitt = np.array([[1, 0, -1]] * 3) / 3
    magnitudes = []
    for picture in (image, reference):
        levels = picture @ np.array([0.298936021293775, 0.587043074451121, 0.114020904255103])
        # The full convolution from its second entry on is MATLAB's 'same' for a kernel of two.
        half = convolve2d(levels, np.full((2, 2), 0.25))[1::2, 1::2]
        gradients = [convolve2d(half, kernel, "same") for kernel in (prewitt, prewitt.T)]
        magnitudes.append(np.hypot(*gradients))
    x, y = magnitudes
    return ((2 * x * y + 170) / (x**2 + y**2 + 170)).std(ddof=1)


def test_ssim_of_y_is_scikit_image_s_on_y() -> None:
    image = sample("astronaut")[:96, :128]
    damaged = noisy_pixels(image, 15)
    luma = [color.rgb2ycbcr(x)[4:-4, 4:-4, 0] for x in (damaged, image)]
    expected = structural_similarity(
        *luma, data_range=255, gaussian_weights=True, sigma=1.5, use_sample_covariance=False
    )
    assert ssim_y(damaged, image, border=4, data_range=255) == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("size", [(161, 200), (163, 162), (176, 193)])
def test_ms_ssim_of_odd_sizes_is_close_to_that_of_the_even_part(size: tuple[int, int]) -> None:
    image = sample("astronaut")[: size[0], : size[1]]
    other = sample("astronaut")[:176, :192]
    odd, even = (ms_ssim(noisy_pixels(x, 15), x, data_range=255) for x in (image, other))
    assert odd == pytest.approx(even, abs=0.02)


def test_strips_do_not_change_the_result(generator: torch.Generator) -> None:
    # 40 rows of 9000 pixels are cut into strips, 9000 rows of 40 are not: turning an image changes nothing else.
    reference = torch.rand(1, 1, 40, 9000, generator=generator)
    image = (reference + 0.1 * torch.randn(reference.shape, generator=generator)).clamp(0, 1)
    lying, standing = ssim_y(image, reference), ssim_y(image.mT, reference.mT)
    assert lying == pytest.approx(standing, abs=1e-12)


def test_equal_images_are_perfect(generator: torch.Generator) -> None:
    image = torch.rand(2, 3, 170, 165, generator=generator)
    assert ms_ssim(image, image) == pytest.approx(1, abs=1e-12)
    assert gmsd(image, image) == pytest.approx(0, abs=1e-9)


def test_an_inverted_image_has_an_ms_ssim_of_zero_not_of_nan(generator: torch.Generator) -> None:
    image = torch.rand(1, 1, 170, 170, generator=generator)
    assert ms_ssim(1 - image, image) == 0


def test_of_a_batch_the_mean_is_given(generator: torch.Generator) -> None:
    reference = torch.rand(2, 3, 164, 164, generator=generator)
    image = (reference + 0.2 * torch.randn(reference.shape, generator=generator)).clamp(0, 1)
    for measure in (ms_ssim, gmsd, ssim_y):
        alone = [measure(image[i : i + 1], reference[i : i + 1]) for i in range(2)]
        assert measure(image, reference) == pytest.approx(sum(alone) / 2, abs=1e-12)


@pytest.mark.parametrize(
    ("measure", "size", "border", "message"),
    [
        (ms_ssim, 160, 0, "ms_ssim needs at least 161 × 161 pixels within the border, got 160 × 160"),
        (ms_ssim, 168, 4, "ms_ssim needs at least 161 × 161 pixels within the border, got 160 × 160"),
        (ssim_y, 10, 0, "ssim_y needs at least 11 × 11 pixels within the border, got 10 × 10"),
        (gmsd, 5, 0, "gmsd needs at least 6 × 6 pixels within the border, got 5 × 5"),
        (gmsd, 8, 4, "a border of 4 pixels leaves nothing of an image of 8 × 8 pixels"),
    ],
)
def test_too_small_images_are_refused(measure, size: int, border: int, message: str) -> None:
    image = torch.zeros(1, 3, size, size)
    with pytest.raises(ValueError, match=message):
        measure(image, image, border=border)
