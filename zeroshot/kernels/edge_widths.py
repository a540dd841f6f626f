"""How wide the edges of a picture are, in every direction: what a lens has made of them.

The slope in the middle of a step edge under a Gaussian of width s is 1/s of its height, and 1/√(s² + t²) after another
one of width t. At the steepest places the ratio R of the two gives ``s = t / √(R² − 1)``.

References
----------
S. Zhuo, T. Sim: Defocus map estimation from a single image, Pattern Recognition 44 (2011).
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
import torch
from torch.nn import functional

from zeroshot.operators import Blur

#: Edges are the places of slopes that are this many times what noise makes of them.
ABOVE_NOISE = 8.0
#: The weakest slope of an edge, between one pixel and the next but one.
LEAST_SLOPE = 4 / 255
_DIRECTIONS = 6
#: The Gaussians that the picture is blurred with once more, the next one where edges are this much wider.
_REBLURS, _WIDE = (1.0, 2.0, 4.0), 1.1
#: Of how many of the steepest places in a direction the median is taken, at least, and as a share of the pixels.
_FEWEST, _SHARE = 20, 5e-4
#: The width of edges that nothing has blurred, by the width of the pixels.
_PIXEL = 0.45
#: Lines and texture have narrower slopes than steps: the wider the blur, the more it is underrated.
_UNDERRATED = 0.2
#: Edges are wider than sharp ones above one of these, in the median of the directions or in the widest.
_BLURRED_MEDIAN, _BLURRED_WIDEST = 0.62, 0.78
#: Where edges of so many directions are wider than these, in the median and in the narrowest, a lens is likely.
_WIDE_MEDIAN, _WIDE_NARROWEST, _WIDE_DIRECTIONS = 0.58, 0.5, 4
#: By how much the variance of a Gaussian may differ between its axes, as a share of their mean.
_LARGEST_ANISOTROPY = 0.85


class Edges(NamedTuple):
    """The steepest places of a picture: one value for each.

    Attributes
    ----------
    slopes : torch.Tensor
        By central differences.
    widths : torch.Tensor
        s, in pixels.
    angles : torch.Tensor
        Of the gradient, in radians, rows counted downwards.
    """

    slopes: torch.Tensor
    widths: torch.Tensor
    angles: torch.Tensor


def edges(plane: torch.Tensor, again: float, sigma: float, known: torch.Tensor | None = None) -> Edges:
    """The edges of a plane (1, 1, H, W) with noise of level `sigma`, by another blur of `again` pixels.

    Where `known`, of the plane's shape, is 0 within the reach of that blur, there are none.
    """
    before, angle = _slopes(plane)
    after, _ = _slopes(Blur.gaussian(again)(plane))
    margin = round(3 * again) + 2
    inner = (..., slice(margin, -margin), slice(margin, -margin))
    # Central differences of white noise have the standard deviation σ/√2 in either direction.
    least = max(ABOVE_NOISE * sigma / math.sqrt(2), LEAST_SLOPE)
    steepest = (before == functional.max_pool2d(before, 3, 1, padding=1)) & (before > least)
    if known is not None:
        steepest &= functional.max_pool2d(1 - known, 2 * margin + 1, 1, padding=margin) == 0
    edge = steepest[inner]
    slopes = before[inner][edge]
    return Edges(slopes, width_of_step(slopes, after[inner][edge], again), angle[inner][edge])


def width_of_step(before: torch.Tensor, after: torch.Tensor, again: float) -> torch.Tensor:
    """The width s of steps whose slopes are `before`, and `after` where a Gaussian of `again` pixels blurred them."""
    ratio = before / after.clamp(min=1e-9)
    return again / (ratio.clamp(min=1 + 1e-4).square() - 1).sqrt()


def _slopes(plane: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Magnitude and direction of the gradient by central differences."""
    framed = functional.pad(plane, (1, 1, 1, 1), mode="replicate")
    across = (framed[..., 1:-1, 2:] - framed[..., 1:-1, :-2]) / 2
    down = (framed[..., 2:, 1:-1] - framed[..., :-2, 1:-1]) / 2
    return (across.square() + down.square()).sqrt(), torch.atan2(down, across)


class DirectionalWidths(NamedTuple):
    """The width of edges whose gradient has one of six directions, from 0° on; NaN where there are too few."""

    widths: tuple[float, ...]

    @property
    def found(self) -> list[float]:
        """Those that there are."""
        return [width for width in self.widths if math.isfinite(width)]

    @property
    def is_blurred(self) -> bool:
        """Whether something has made the edges wider than pixels do."""
        return bool(self.found) and (
            float(np.median(self.found)) > _BLURRED_MEDIAN or max(self.found) > _BLURRED_WIDEST
        )

    @property
    def is_wide(self) -> bool:
        """Whether edges of all directions are wider than those of sharp pictures, as a lens makes them."""
        return (
            len(self.found) >= _WIDE_DIRECTIONS
            and float(np.median(self.found)) > _WIDE_MEDIAN
            and min(self.found) > _WIDE_NARROWEST
        )

    def gaussian(self) -> np.ndarray:
        """The covariance of the Gaussian that makes the edges so wide, (2, 2), rows counted downwards first.

        ``nᵀ Σ n`` is the variance along the normal n of an edge; Σ is the least-squares fit over the directions.

        Raises
        ------
        ValueError
            Where no direction has edges.
        """
        if not self.found:
            raise ValueError("the picture has no edges whose width could be measured")
        angles = np.arange(_DIRECTIONS) * math.pi / _DIRECTIONS
        widths = np.array(self.widths)
        told = np.isfinite(widths)
        plain = np.sqrt(np.maximum(widths[told] ** 2 - _PIXEL**2, 0.04))
        variances = (plain * (1 + _UNDERRATED * plain)) ** 2
        mean, cosine, sine = float(variances.mean()), 0.0, 0.0
        if told.sum() > 3:
            waves = np.stack(
                [np.ones(told.sum()), np.cos(2 * angles[told]), np.sin(2 * angles[told])], axis=1
            )
            ridge = np.diag([0.0, 1.0, 1.0])
            mean, cosine, sine = np.linalg.solve(waves.T @ waves + ridge, waves.T @ variances)
        mean = max(mean, 0.1)
        most = _LARGEST_ANISOTROPY * mean
        shrunk = min(1.0, most / max(math.hypot(cosine, sine), 1e-9))
        cosine, sine = cosine * shrunk, sine * shrunk
        return np.array([[mean - cosine, sine], [sine, mean + cosine]])


def directional_widths(
    plane: torch.Tensor, sigma: float, known: torch.Tensor | None = None
) -> DirectionalWidths:
    """The width of the steepest edges of a plane (1, 1, H, W) in six directions, see :func:`edges`."""
    widths = [math.nan] * _DIRECTIONS
    fewest = max(_FEWEST, int(_SHARE * plane.numel()))
    for again in _REBLURS:
        if min(plane.shape[-2:]) <= 2 * (round(3 * again) + 2):
            break
        found = edges(plane, again, sigma, known)
        which = ((found.angles / math.pi).remainder(1) * _DIRECTIONS + 0.5).long() % _DIRECTIONS
        for index in range(_DIRECTIONS):
            if again > _REBLURS[0] and not widths[index] > _WIDE * again:
                continue
            own, slopes = found.widths[which == index], found.slopes[which == index]
            if len(own) >= _FEWEST:
                widths[index] = float(own[slopes.topk(min(fewest, len(own))).indices].median())
    return DirectionalWidths(tuple(widths))


def gaussian_of(covariance: np.ndarray) -> np.ndarray:
    """The Gaussian of a covariance (2, 2), rows first, as a kernel of odd side that reaches four deviations."""
    radius = max(1, math.ceil(4 * math.sqrt(float(np.linalg.eigvalsh(covariance)[-1]))))
    place = np.moveaxis(np.mgrid[-radius : radius + 1, -radius : radius + 1], 0, -1).astype(float)
    weights = np.exp(-0.5 * np.einsum("hwi,ij,hwj->hw", place, np.linalg.inv(covariance), place))
    return weights / weights.sum()
