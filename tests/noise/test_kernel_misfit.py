"""The level behind a blur: that of the noise where the kernel is right, and more where it is not."""

from __future__ import annotations

import pytest
import torch
from scipy import ndimage

from tests.pictures import as_image, grey, sample, seeded
from zeroshot.noise import noise_behind_blur
from zeroshot.operators import Blur, kernels


def bent(turned: float = 0.0) -> torch.Tensor:
    """The kernel of a hand that moved along a bend, turned by some degrees."""
    weights = torch.zeros(15, 15)
    for step in range(120):
        along = step / 119
        weights[round(2 + 10 * along), round(3 + 9 * along**2)] += 1 + along
    rotated = ndimage.rotate(weights.numpy(), turned, reshape=False, order=1).clip(min=0)
    return torch.from_numpy(rotated / rotated.sum())


def blurred(sigma: float, kernel: torch.Tensor, *, size: int = 128) -> torch.Tensor:
    photograph = grey(as_image(sample("astronaut")[20 : 34 + size, 150 : 164 + size]))
    y = Blur(kernel, "valid")(photograph)
    return y + sigma * torch.randn(y.shape, generator=seeded())


@pytest.mark.parametrize("sigma", [0.5, 2, 8])
def test_the_level_is_that_of_the_noise_where_the_kernel_is_right(sigma) -> None:
    found = noise_behind_blur(blurred(sigma / 255, bent()), bent())
    assert found is not None
    assert 255 * found.sigma == pytest.approx(sigma, rel=0.15)
    assert 255 * found.strongest == pytest.approx(sigma, rel=0.3)


def test_what_the_kernel_gets_wrong_counts_and_most_of_all_where_it_is_strongest() -> None:
    y = blurred(0.3 / 255, bent())
    right, wrong = (noise_behind_blur(y, kernel) for kernel in (bent(), bent(turned=12)))
    assert right is not None
    assert wrong is not None
    assert wrong.misfit > 2 * right.misfit
    assert wrong.sigma > 1.5 * right.sigma
    assert wrong.strongest > 1.5 * wrong.sigma


def test_a_line_that_is_turned_does_not_make_noise_of_the_picture() -> None:
    line, turned = (torch.from_numpy(kernels.motion(21, angle)).float() for angle in (0, 8))
    found = noise_behind_blur(blurred(1 / 255, line), turned)
    assert found is not None
    # Two kernels without overlap differ by √2 ‖k‖ in the root mean square over the frequencies.
    assert found.misfit <= 1.001 * float(2**0.5 * turned.norm())
    assert 1 < 255 * found.sigma < 8


def test_it_does_not_depend_on_the_scale_of_the_values() -> None:
    y = blurred(2 / 255, bent())
    found, half = noise_behind_blur(y, bent()), noise_behind_blur(0.5 * y + 0.25, bent())
    assert found is not None
    assert half is not None
    assert half.sigma == pytest.approx(0.5 * found.sigma, rel=0.03)


def test_parts_that_hold_clipped_values_are_left_out() -> None:
    y = blurred(1 / 255, bent())
    clean = noise_behind_blur(y, bent())
    assert clean is not None
    spoilt, clipped = y.clone(), torch.zeros_like(y, dtype=torch.bool)
    spoilt[..., 4:8, 4:60], clipped[..., 4:8, 4:60] = 1, True
    found = noise_behind_blur(spoilt, bent(), clipped)
    assert found is not None
    assert found.sigma == pytest.approx(clean.sigma, rel=0.3)
    assert noise_behind_blur(spoilt, bent(), torch.ones_like(clipped)) is None


@pytest.mark.parametrize("height", [1, 3, 40])
def test_a_narrow_picture_that_is_clipped_all_over_gives_nothing(height) -> None:
    y = torch.ones(1, 1, height, 64)
    assert noise_behind_blur(y, bent(), y > 0) is None


@pytest.mark.parametrize(
    "y", [torch.full((1, 1, 64, 64), 0.5), torch.rand(1, 1, 20, 64)], ids=["flat", "small"]
)
def test_a_picture_that_tells_nothing_gives_nothing(y) -> None:
    assert noise_behind_blur(y, bent()) is None
