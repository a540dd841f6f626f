"""Images of noise levels, for denoisers that know one level at a time: at which to denoise, and what each counts."""

from __future__ import annotations

import math

import torch

#: The ratio of neighbouring levels is at most this, and the lowest at least this share of the highest.
RATIO, LEAST_SHARE = 1.5, 1 / 32


def levels_of(sigma_map: torch.Tensor) -> list[float]:
    """The levels to denoise at, ascending in equal ratios; the weakest noise is none, and needs no run."""
    highest = float(sigma_map.max())
    if highest == 0:
        return []
    lowest = max(float(sigma_map.min()), LEAST_SHARE * highest)
    steps = math.ceil(math.log(highest / lowest) / math.log(RATIO) - 1e-6)
    if steps == 0:
        return [highest]
    return [lowest * (highest / lowest) ** (index / steps) for index in range(steps + 1)]


def level_weight(sigma_map: torch.Tensor, levels: list[float], index: int) -> torch.Tensor:
    """How much level number `index` of :func:`levels_of` counts at each pixel; -1 is the level 0."""
    knots = [0.0, *levels]
    place = index + 1
    weight = torch.ones_like(sigma_map)
    if place > 0:
        weight = torch.minimum(weight, (sigma_map - knots[place - 1]) / (knots[place] - knots[place - 1]))
    if place + 1 < len(knots):
        weight = torch.minimum(weight, (knots[place + 1] - sigma_map) / (knots[place + 1] - knots[place]))
    return weight.clamp(min=0)
