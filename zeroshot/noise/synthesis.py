"""Synthetic noise and random masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

import torch

from zeroshot.checks import is_number, require_number


def add_gaussian(x: torch.Tensor, sigma: float, generator: torch.Generator) -> torch.Tensor:
    """``x + sigma·n`` with n standard normal, not clipped; sigma is on the [0, 1] scale."""
    require_number({"sigma": sigma}, "sigma")
    noise = torch.randn(x.shape, generator=generator, device=generator.device)
    return x + float(sigma) * noise.to(x)


def add_poisson(x: torch.Tensor, peak: float, generator: torch.Generator) -> torch.Tensor:
    """``Poisson(peak·x) / peak``: photon noise where white is `peak` photons. Values below 0 count as 0."""
    if not (is_number(peak) and peak > 0):
        raise ValueError(f"peak must be a positive number of photons, got {peak!r}")
    photons = (x.clamp(min=0) * float(peak)).to(generator.device)
    return (torch.poisson(photons, generator=generator) / float(peak)).to(x)


def add_salt_and_pepper(x: torch.Tensor, fraction: float, generator: torch.Generator) -> torch.Tensor:
    """`x` with a random `fraction` of its pixels set to 0 or 1 in all channels, each as likely."""
    require_number({"fraction": fraction}, "fraction", most=1)
    shape = (x.shape[0], 1, *x.shape[-2:])
    draw = torch.rand(shape, generator=generator, device=generator.device).to(x.device)
    pepper, salt = draw < fraction / 2, (draw >= fraction / 2) & (draw < fraction)
    return x.masked_fill(pepper, 0.0).masked_fill(salt, 1.0)


def stripes(
    shape: Sequence[int],
    level: float,
    direction: Literal["rows", "columns", "both"],
    generator: torch.Generator,
) -> torch.Tensor:
    """Gaussian offsets of rows, columns or both, of the standard deviation `level` each, broadcastable to `shape`."""
    require_number({"level": level}, "level")
    count, channels, height, width = shape
    total = torch.zeros(count, channels, 1, 1, device=generator.device)
    sizes = {"rows": (height, 1), "columns": (1, width)}
    for name, size in sizes.items():
        if direction in (name, "both"):
            offsets = torch.randn(count, channels, *size, generator=generator, device=generator.device)
            total = total + float(level) * offsets
    return total


def random_mask(shape: Sequence[int], fraction_missing: float, generator: torch.Generator) -> torch.Tensor:
    """A mask of (N, 1, H, W), 0 at a random `fraction_missing` of the pixels and 1 at the others.

    Parameters
    ----------
    shape : sequence of int
        The shape (N, C, H, W) of the image, or (H, W).
    fraction_missing : float
        The fraction of missing pixels, met exactly up to rounding.
    generator : torch.Generator
        Its device is the mask's.
    """
    require_number({"fraction_missing": fraction_missing}, "fraction_missing", most=1)
    if len(shape) not in (2, 4):
        raise ValueError(f"shape must be (N, C, H, W) or (H, W), got {tuple(shape)}")
    batch, pixels = (shape[0] if len(shape) == 4 else 1), shape[-2] * shape[-1]
    draw = torch.rand(batch, pixels, generator=generator, device=generator.device)
    mask = torch.ones_like(draw)
    mask.scatter_(1, draw.argsort(dim=1)[:, : round(fraction_missing * pixels)], 0.0)
    return mask.reshape(batch, 1, *shape[-2:])
