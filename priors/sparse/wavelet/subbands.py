"""How far to shrink the coefficients of a subband: thresholds from the noise and from the coefficients."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch.nn import functional

from zeroshot.precision import wide_sum, widest
from zeroshot.solvers.thresholds import firm, hard, soft

Penalty = Literal["soft", "hard", "firm"]
Choice = Literal["local", "bayes", "sure", "universal"]

#: Of the noise variance, what is added to the energy of coefficients that carry no noise any more.
_LEAST_ENERGY = 0.1


def shrunk(band: torch.Tensor, threshold: torch.Tensor, penalty: Penalty, step: float = 1.0) -> torch.Tensor:
    """The proximal map of `step` times the penalty at the coefficients, the step at most 1."""
    if penalty == "hard":
        return hard(band, math.sqrt(step) * threshold)
    if penalty == "firm":
        # From where on the penalty is constant does not depend on the step.
        threshold = threshold.clamp(min=1e-12)
        return firm(band, step * threshold, 2 * threshold)
    return soft(band, step * threshold)


def penalty_value(band: torch.Tensor, threshold: torch.Tensor, penalty: Penalty) -> torch.Tensor:
    """Σ ρ(c), a number on its device, ρ being the function whose proximal map is `shrunk`."""
    if penalty == "hard":
        values = 0.5 * threshold.square() * (band != 0)
    elif penalty == "firm":
        # The minimax concave penalty whose slope falls from t at 0 to none at 2t.
        size = torch.minimum(band.abs(), 2 * threshold)
        values = threshold * size - size.square() / 4
    else:
        values = threshold * band.abs()
    return wide_sum(values)


def noisy_threshold(
    band: torch.Tensor, noise: float, choice: Choice, radius: int, axes: int = 2
) -> torch.Tensor:
    """The threshold for a band of coefficients that carry noise, of shape (N, C, 1, 1) or (N, C, h, w).

    Bands of volumes have three `axes`, (N, C, d, h, w).

    "bayes" and "local": σ²/σₓ, where σₓ² is the mean of c² − σ², over the whole band (BayesShrink) or over a
    window round each coefficient. "sure": the minimiser of Stein's unbiased estimate of the risk.
    "universal": σ √(2 log n).
    """
    if choice == "universal":
        return _universal(band, noise, axes)
    if choice == "sure":
        return _sure(band, noise, axes)
    energy = window_mean(band.square(), radius if choice == "local" else None, axes)
    return noise**2 / (energy - noise**2).clamp(min=1e-12 + 1e-6 * noise**2).sqrt()


def clean_threshold(band: torch.Tensor, noise: float, choice: Choice, radius: int) -> torch.Tensor:
    """The same for an iterate that has been shrunk before, of shape (N, 1, …) where the channels share it.

    Its energy is that of the signal already. It is taken jointly over the channels: a colour that has been
    shrunk away can come back where there is structure in brightness.
    """
    if choice in ("universal", "sure"):
        return _universal(band, noise)
    joint = band.square().mean(dim=1, keepdim=True)
    energy = window_mean(joint, radius if choice == "local" else None)
    return noise**2 / (energy + _LEAST_ENERGY * noise**2).sqrt()


def wiener(band: torch.Tensor, pilot: torch.Tensor, noise: float, radius: int, axes: int = 2) -> torch.Tensor:
    """The coefficients times E/(E + σ²), with E the local energy of the pilot's."""
    energy = window_mean(pilot.square(), radius, axes)
    return band * (energy / (energy + noise**2))


def window_mean(values: torch.Tensor, radius: int | None, axes: int = 2) -> torch.Tensor:
    """The mean over a window of `radius` along the last `axes`, less at the edge; None: over all of them."""
    dims = tuple(range(-axes, 0))
    if radius is None:
        return values.mean(dim=dims, keepdim=True)
    for dim in dims:
        size = values.shape[dim]
        reach = min(radius, size - 1)
        place = torch.arange(size, device=values.device)
        inside = (place + reach).clamp(max=size - 1) - (place - reach).clamp(min=0) + 1
        shape = (-1, *(1,) * (-1 - dim))
        values = _window_sum(values, reach, dim) / inside.to(values).view(shape)
    return values


def _window_sum(values: torch.Tensor, radius: int, dim: int) -> torch.Tensor:
    """Sums of 2·radius + 1 neighbours along an axis, zeros beyond its ends, from sums of 1, 2, 4, 8 … of them."""
    size, taps = values.shape[dim], 2 * radius + 1
    margin = [0, 0] * (-1 - dim) + [radius, radius]
    run = functional.pad(values, margin)
    total, length, offset = None, 1, 0
    while length <= taps:
        if taps & length:
            part = run.narrow(dim, offset, size)
            total = part.clone() if total is None else total.add_(part)
            offset += length
        rest = run.shape[dim] - length
        if 2 * length <= taps:
            run = run.narrow(dim, 0, rest) + run.narrow(dim, length, rest)
        length *= 2
    assert total is not None
    return total


def _universal(band: torch.Tensor, noise: float, axes: int = 2) -> torch.Tensor:
    count = math.prod(band.shape[-axes:])
    return band.new_full((1,) * (2 + axes), noise * math.sqrt(2 * math.log(max(count, 2))))


def _sure(band: torch.Tensor, noise: float, axes: int = 2) -> torch.Tensor:
    """The t that minimises n σ² − 2σ² #{|c| ≤ t} + Σ min(c², t²), at most the universal threshold."""
    squares = band.square().flatten(-axes).sort(dim=-1).values
    count = squares.shape[-1]
    number = torch.arange(1, count + 1, device=band.device, dtype=squares.dtype)
    below = squares.cumsum(dim=-1, dtype=widest(band.device)).to(squares)
    risk = below + squares * (count - number) - 2 * noise**2 * number
    best = (
        squares.gather(-1, risk.argmin(dim=-1, keepdim=True)).sqrt().view(*band.shape[:-axes], *(1,) * axes)
    )
    # No threshold at all has the risk n σ², which is 0 in the units above.
    best = torch.where(risk.amin(dim=-1).view(best.shape) < 0, best, 0.0)
    return torch.minimum(best, _universal(band, noise, axes))
