"""One-dimensional filters along an axis, in double precision."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch


def gaussian_window(size: int, sigma: float) -> list[float]:
    """An odd number of weights ``exp(−½ (t/σ)²)`` around the middle, which add up to 1."""
    reach = size // 2
    weights = [math.exp(-0.5 * (offset / sigma) ** 2) for offset in range(-reach, reach + 1)]
    total = sum(weights)
    return [weight / total for weight in weights]


def filtered(image: torch.Tensor, weights: Sequence[float], axis: int) -> torch.Tensor:
    """``Σₜ wₜ image[i + t]`` along an axis, where the whole window fits: shorter by ``len(weights) − 1``."""
    length = image.shape[axis] - len(weights) + 1
    # Sums of shifted views: ten times as fast as conv2d in double precision on a CPU.
    sums = image.narrow(axis, 0, length) * weights[0]
    for start, weight in enumerate(weights[1:], start=1):
        sums.add_(image.narrow(axis, start, length), alpha=weight)
    return sums
