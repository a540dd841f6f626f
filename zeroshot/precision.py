"""Sums and matrices with as many digits as a device has: Apple's GPUs compute in single precision alone."""

from __future__ import annotations

import torch


def widest(device: torch.device) -> torch.dtype:
    """float64, or float32 on a device that has no double precision."""
    return torch.float32 if device.type == "mps" else torch.float64


def wide_sum(values: torch.Tensor) -> torch.Tensor:
    """The sum of all values, added up in the widest precision of their device, where it stays."""
    return values.sum(dtype=widest(values.device))


def exact_sum(values: torch.Tensor) -> float:
    """:func:`wide_sum`, read."""
    return float(wide_sum(values))


def read_together(*numbers: torch.Tensor) -> list[float]:
    """Numbers of one type on one device, read at once: each time that it reads the host waits for the device."""
    return torch.stack(numbers).tolist()


def widened(values: torch.Tensor) -> torch.Tensor:
    """The same values in the widest precision of their device."""
    return values.to(widest(values.device))


def where_exact(values: torch.Tensor) -> torch.Tensor:
    """The same values where there is double precision: on their own device, or on the host."""
    return values if widest(values.device) == torch.float64 else values.cpu()
