"""Sums over evenly spaced values of a flat tensor, by doubling: boxes of images and volumes, an axis at a time."""

from __future__ import annotations

import torch


def running_sums(
    values: torch.Tensor,
    count: int,
    spacing: int,
    out: torch.Tensor,
    scratch: tuple[torch.Tensor, torch.Tensor],
) -> torch.Tensor:
    """Σ values[i + k · spacing] over k < count, odd, from sums of 2, 4, 8 … of them; at the front of `out`."""
    length = len(values) - (count - 1) * spacing
    result = out[:length]
    if count == 1:
        return result.copy_(values)
    total, covered = values[:length], 1
    power, powers = 1, values
    while 2 * power <= count:
        doubled = scratch[0] if powers.data_ptr() != scratch[0].data_ptr() else scratch[1]
        reach = power * spacing
        powers = torch.add(powers[:-reach], powers[reach:], out=doubled[: len(powers) - reach])
        power *= 2
        if count & power:
            part = powers[covered * spacing : covered * spacing + length]
            total = torch.add(total, part, out=result)
            covered += power
    return total
