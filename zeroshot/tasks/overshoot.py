"""What sharpening may make of a pixel: no halo beside an edge, and no more noise where there is none."""

from __future__ import annotations

from typing import Any

import torch
from torch.nn import functional

from zeroshot.precision import exact_sum

#: The side of the neighbourhoods whose darkest and brightest pixel bound an edge, and of those that tell flat parts.
_EDGE, _FLAT = 3, 5
#: How many variances of the noise a neighbourhood may have and be flat.
_NOISY = 2.0
#: A rounding to 8 bits, whose noise every picture has.
_ROUNDING = 0.29 / 255


class LocalRange:
    """The set of images within bounds about each pixel of a measurement y: a constraint on a sharpened one.

    Where y has an edge the bounds are the smallest and the largest value of 3 × 3 pixels, a share `overshoot` of
    their distance further out. Where y is flat they are y and the mean m of 5 × 5 pixels, so that noise may become less
    but not more. Between the two stands the weight ``(v − 2σ²) / (v + 2σ²)`` of the variance v about m.

    Parameters
    ----------
    y : torch.Tensor
        (N, C, H, W).
    sigma : float
        The level of its noise.
    overshoot : float
        From 0, for nothing beyond the neighbours' values.
    """

    def __init__(self, y: torch.Tensor, sigma: float, overshoot: float) -> None:
        darkest, brightest = -_largest(-y), _largest(y)
        room = overshoot * (brightest - darkest)
        mean = _mean(y)
        variance = (_mean(y.square()) - mean.square()).amax(dim=1, keepdim=True)
        noise = _NOISY * max(sigma, _ROUNDING) ** 2
        edge = ((variance - noise) / (variance + noise)).clamp(min=0)
        self.lower = torch.lerp(torch.minimum(y, mean), darkest - room, edge)
        self.upper = torch.lerp(torch.maximum(y, mean), brightest + room, edge)

    def nearest(self, image: torch.Tensor) -> torch.Tensor:
        """The image of the set that is nearest to (N, C, H, W) in [0, 1]."""
        return torch.maximum(torch.minimum(image, self.upper), self.lower).clamp(0, 1)

    def findings(self, image: torch.Tensor) -> dict[str, Any]:
        """The share of the values of an image that are at a bound."""
        held = (image <= self.lower) | (image >= self.upper)
        return {"share_held_back": round(exact_sum(held) / held.numel(), 4)}


def _largest(values: torch.Tensor) -> torch.Tensor:
    return functional.max_pool2d(values, _EDGE, 1, _EDGE // 2)


def _mean(values: torch.Tensor) -> torch.Tensor:
    return functional.avg_pool2d(values, _FLAT, 1, _FLAT // 2, count_include_pad=False)
