"""What the architectures share: equalised layers, pixel normalisation, the constants of the rectifier."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

#: Slope of the leaky rectifier for negative values, and the gain after it that keeps the variance.
SLOPE, GAIN = 0.2, math.sqrt(2)
_MOST_RESOLUTIONS = 12


def require_widths(resolution: int, widths: Sequence[int]) -> None:
    """ValueError unless there is one width for each of 4, 8, … `resolution` pixels, up to 8192."""
    if not 1 <= len(widths) <= _MOST_RESOLUTIONS:
        raise ValueError(f"there must be 1 to {_MOST_RESOLUTIONS} widths, got {len(widths)}")
    side = 4 * 2 ** (len(widths) - 1)
    if resolution != side:
        raise ValueError(f"{len(widths)} widths make images of {side}, not {resolution}")


def pixel_norm(x: torch.Tensor, epsilon: float = 1e-8) -> torch.Tensor:
    """X / √(mean over the channels of x² + ε), of vectors (N, C) or maps (N, C, H, W)."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + epsilon)


class EqualisedLinear(nn.Module):
    """x ↦ x (W · r / √fan-in)ᵀ + b · r, where r is the learning-rate factor of the training.

    Parameters
    ----------
    in_features, out_features : int
        Lengths of input and output.
    rate : float
        r.
    bias : float
        The bias before training.
    """

    def __init__(self, in_features: int, out_features: int, rate: float = 1.0, bias: float = 0.0) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_features, in_features) / rate)
        self.bias = nn.Parameter(torch.full((out_features,), float(bias)))
        self._scale, self._rate = rate / math.sqrt(in_features), rate

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.linear(x, self.weight * self._scale, self.bias * self._rate)


class EqualisedConvolution(nn.Module):
    """A convolution whose weights are scaled by gain / √fan-in at run time.

    Parameters
    ----------
    in_channels, out_channels, size : int
        Of the kernels.
    gain : float
        √2 before a rectifier, otherwise 1.
    padding : int or None
        By default what keeps the size.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        size: int,
        gain: float = math.sqrt(2),
        padding: int | None = None,
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, size, size))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self._scale = gain / math.sqrt(in_channels * size * size)
        self._padding = size // 2 if padding is None else padding

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return functional.conv2d(x, self.weight * self._scale, self.bias, padding=self._padding)
