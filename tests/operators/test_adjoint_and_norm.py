"""Every operator: the adjoint is exact, gradients go through it, and the norm is safe for step sizes."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from zeroshot.operators import (
    Blur,
    Downsample,
    Mosaic,
    Operator,
)


def weights(height: int, width: int, positive: bool = False) -> np.ndarray:
    """A kernel without symmetry that is not separable."""
    values = np.random.default_rng(height * 31 + width).standard_normal((height, width))
    return np.abs(values) if positive else values + 0.5


@pytest.mark.parametrize(
    ("operator", "channels"),
    [
        (Blur(weights(5, 5)), 3),
        (Blur(weights(5, 5), "circular"), 3),
        (Blur(weights(3, 3), "valid"), 3),
        (Blur.gaussian(1.5), 3),
        (Downsample(4), 3),
        (Downsample(2, weights(7, 7)), 3),
        (Mosaic("RGGB") @ Downsample(2), 1),
    ],
    ids=lambda value: value.describe() if isinstance(value, Operator) else "",
)
def test_norm_without_a_shape_holds_for_larger_images(operator: Operator, channels: int) -> None:
    assert operator.norm() >= operator.norm((1, channels, 150, 110)) * (1 - 2e-3)


def test_norm_of_a_large_image_holds_for_the_whole_image(generator: torch.Generator) -> None:
    operator = Blur(weights(5, 5))  # gains most at a frequency that a small image cannot show exactly
    from zeroshot.operators.linear import largest_singular_value

    truth = largest_singular_value(operator, (1, 1, 300, 300), iterations=300, tolerance=1e-5)
    assert truth * (1 - 1e-3) <= operator.norm((1, 1, 300, 300)) <= truth * 1.02
