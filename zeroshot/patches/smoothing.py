"""Images smoothed by a Gaussian."""

from __future__ import annotations

import math

import torch

from zeroshot.patches.borders import reflected


def gaussian_blur(image: torch.Tensor, deviation: float) -> torch.Tensor:
    """(…, H, W) convolved with a Gaussian of `deviation` pixels, continued by its mirror image."""
    radius = max(1, math.ceil(3 * deviation))
    places = torch.arange(-radius, radius + 1, dtype=torch.float64)
    kernel = torch.exp(-places.square() / (2 * deviation**2))
    weights: list[float] = (kernel / kernel.sum()).tolist()
    padded = reflected(image, radius)
    for axis in (-2, -1):
        size = padded.shape[axis] - 2 * radius
        result = padded.narrow(axis, radius, size) * weights[radius]
        for k in range(1, radius + 1):
            both = padded.narrow(axis, radius - k, size) + padded.narrow(axis, radius + k, size)
            result.add_(both, alpha=weights[radius + k])
        padded = result
    return padded
