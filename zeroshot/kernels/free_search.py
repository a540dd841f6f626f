"""A free kernel of a picture, from coarse to fine.

Two estimates take turns: an image with few edges but strong ones, and the kernel that makes the measured image of it.
At the finest level the image is one of small total variation, whose edges keep their heights, so that the kernel
becomes as narrow as it is. What lies beyond the border, and what is saturated, is no evidence.

References
----------
L. Xu, S. Zheng, J. Jia: Unnatural L0 sparse representation for natural image deblurring, CVPR 2013.
J. Pan, Z. Hu, Z. Su, M.-H. Yang: Deblurring text images via L0-regularized intensity and gradient prior, CVPR 2014.
"""

from __future__ import annotations

import math
from collections.abc import Iterable

import torch
from torch.nn import functional

from zeroshot.kernels.kernel_fit import StrongEdges, fitted_kernel, impulse, mean_kernel, pruned
from zeroshot.kernels.periodic import Canvas, differences
from zeroshot.kernels.sharp_image import (
    VARIATION_WEIGHT,
    SmallVariation,
    few_edges,
    small_slopes,
    variation_weight,
)

#: One level of the pyramid is as large as the next times this; how often the estimates take turns in each.
_STEP, _TURNS = math.sqrt(0.5), 5
#: The weight of a gradient that is not zero, by which factor it falls from turn to turn, and how far.
_EDGE_WEIGHT, _EDGE_LOWERING, _LEAST_EDGE_WEIGHT = 4e-3, 1.03, 1e-4
#: Below which share of the largest a weight of the kernel is none after each of the last turns, with an image of small
#: total variation: three ways, of which the last keeps away a fringe of weak weights, which feeds itself, and costs
#: long thin kernels their ends.
_LAST_LEAST_WEIGHTS = (
    (0.02,) * 6,
    (0.05, 0.05, 0.05, 0.04, 0.04, 0.03),
    (0.1, 0.1, 0.08, 0.06, 0.05, 0.04),
)
#: By how much more small slopes than the least, as a share of these, a kernel counts 1/e as much in the mean of the
#: ways.
_AS_PLAUSIBLE = 0.003
#: The iterations for the image in the first of these turns and in the others.
_FIRST_ITERATIONS, _ITERATIONS = 25, 12
#: The weight of the square of the kernel in an image of so many pixels: of the coarse turns, and of the last ones.
_RIDGE, _LAST_RIDGE, _RIDGE_PIXELS = 20.0, 0.02, 255**2
#: The weight of the square of the kernel's gradient in the last turns, in an image of as many pixels, under noise of
#: level 1: without it noise breaks thin paths into dots.
_SMOOTHNESS = 2.2e5
_LEAST_WEIGHT, _SMALLEST_PART, _LAST_PART = 0.02, 0.03, 0.02
_FIT_STEPS, _LAST_FIT_STEPS = 60, 200


def free_kernel(plane: torch.Tensor, known: torch.Tensor, side: int, sigma: float) -> torch.Tensor:
    """The kernel (n, n) of a picture, not negative, of sum 1 and about its centre.

    Parameters
    ----------
    plane, known : torch.Tensor
        The picture (H, W), and 1 where it was measured.
    side : int
        n, odd, and less than half of the shorter side of the picture.
    sigma : float
        The level of the noise.
    """
    sides = [side]
    while sides[-1] > 3:
        smaller = round(sides[-1] * _STEP)
        sides.append(max(3, min(smaller - 1 + smaller % 2, sides[-1] - 2)))
    ridge = _RIDGE * plane.numel() / _RIDGE_PIXELS
    kernel, weight, strong = impulse(3), _EDGE_WEIGHT, StrongEdges()
    kernel[1, 1:] = 0.5
    for level in reversed(range(len(sides))):
        side = sides[level]
        canvas = _canvas(plane, known, _STEP**level, side)
        kernel = _enlarged(kernel, side)
        for _ in range(_TURNS):
            x, measurement = few_edges(canvas, kernel, weight)
            gradient = strong(differences(x), side)
            kernel = fitted_kernel(gradient, measurement, side, ridge, _FIT_STEPS)
            kernel = pruned(kernel, _LEAST_WEIGHT, _SMALLEST_PART)
            weight = max(weight / _EDGE_LOWERING, _LEAST_EDGE_WEIGHT)
    canvas = Canvas.around(plane, known, side // 2 + 1)
    share = plane.numel() / _RIDGE_PIXELS
    ridges = _LAST_RIDGE * share, _SMOOTHNESS * sigma**2 * share
    candidates = [_refined(canvas, kernel, ridges, shares) for shares in _LAST_LEAST_WEIGHTS]
    weight = variation_weight(sigma)
    slopes = [small_slopes(canvas, found, weight) for found in candidates]
    # What is all but as good errs differently, and the picture cannot tell which of them is right.
    least = min(slopes)
    width = _AS_PLAUSIBLE * max(least, 1e-9)
    return mean_kernel(candidates, [math.exp((least - one) / width) for one in slopes])


def _refined(
    canvas: Canvas, kernel: torch.Tensor, ridges: tuple[float, float], shares: Iterable[float]
) -> torch.Tensor:
    """The kernel at the finest level, from an image whose edges have their heights and that goes on beyond it.

    The ridges are the weights of the squares of the kernel and of its gradient.
    """
    side, image, iterations = len(kernel), SmallVariation(canvas, VARIATION_WEIGHT), _FIRST_ITERATIONS
    for least in shares:
        x, measurement = image(kernel, iterations)
        gradient = StrongEdges()(differences(x), side)
        kernel = fitted_kernel(gradient, measurement, side, ridges[0], _LAST_FIT_STEPS, ridges[1])
        kernel = pruned(kernel, least, _LAST_PART)
        iterations = _ITERATIONS
    return kernel


def _canvas(plane: torch.Tensor, known: torch.Tensor, scale: float, margin: int) -> Canvas:
    if scale == 1:
        return Canvas.around(plane, known, margin)
    size = [max(8, round(length * scale)) for length in plane.shape]
    small = functional.interpolate(plane[None, None], size=size, mode="bicubic", antialias=True)[0, 0]
    weight = functional.interpolate(known[None, None], size=size, mode="bilinear", antialias=True)[0, 0]
    return Canvas.around(small, (weight > 0.99).to(small), margin)


def _enlarged(kernel: torch.Tensor, side: int) -> torch.Tensor:
    if len(kernel) == side:
        return kernel
    larger = functional.interpolate(kernel[None, None], size=(side, side), mode="bicubic")[0, 0].clamp(min=0)
    return larger / larger.sum()


def extent(kernel: torch.Tensor) -> int:
    """The longer side of the smallest rectangle around the weights."""
    rows, columns = (kernel.amax(dim=1 - axis).nonzero()[:, 0] for axis in (0, 1))
    return int(max(rows.max() - rows.min(), columns.max() - columns.min())) + 1
