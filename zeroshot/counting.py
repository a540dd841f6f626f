"""How often numbers occur."""

from __future__ import annotations

import torch


def occurrences(numbers: torch.Tensor, count: int) -> torch.Tensor:
    """How often each of 0 … `count` − 1 is among the numbers (n,) int64; (`count`,) int64."""
    if numbers.device.type == "cpu":
        return torch.bincount(numbers, minlength=count)
    # That would look for the largest first, for which the host waits.
    return numbers.new_zeros(count).scatter_add_(0, numbers, torch.ones_like(numbers))
