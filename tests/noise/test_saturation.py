"""Clipped values: those at white that lie together, where no value lies beyond."""

from __future__ import annotations

import torch

from tests.pictures import uniform
from zeroshot.noise import saturated


def test_a_stroke_at_white_is_clipped_and_a_single_pixel_is_noise() -> None:
    image = 0.9 * uniform(1, 1, 16, 16)
    image[..., 4, 4:8] = 1
    image[..., 12, 12] = 1
    clipped = saturated(image)
    assert clipped is not None
    assert clipped[0, 0, 4, 5:7].all()
    assert not clipped[0, 0, 12, 12]
    assert int(clipped.sum()) <= 4


def test_values_beyond_white_say_that_nothing_was_clipped() -> None:
    image = torch.ones(1, 3, 8, 8)
    image[..., 0, 0] = 1.1
    assert saturated(image) is None
    assert saturated(0.9 * image.clamp(max=1)) is None
