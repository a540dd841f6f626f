"""The layers that all networks of the family are made of, and their seeded initialisation."""

from __future__ import annotations

import math
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from zeroshot.priors.untrained.settings import Downsampling, Padding, Upsampling


def convolve(
    x: torch.Tensor,
    weight: torch.Tensor,
    bias: torch.Tensor | None,
    padding: Padding,
    stride: int = 1,
    groups: int = 1,
) -> torch.Tensor:
    """A convolution that keeps the size (up to its stride), in the precision of `x`."""
    margin = weight.shape[-1] // 2
    if margin and padding != "zeros":
        # Reflection needs more pixels than the margin; the deepest levels of a thin image have fewer.
        mode = padding if min(x.shape[-2:]) > margin else "replicate"
        x = F.pad(x, (margin,) * 4, mode=mode)
        margin = 0
    bias = None if bias is None else bias.to(x.dtype)
    return F.conv2d(x, weight.to(x.dtype), bias, stride, margin, groups=groups)


class Convolution(nn.Module):
    """A convolution that keeps the size (up to its stride) and computes in the precision of its input.

    The weights stay in float32, so that the optimiser loses nothing, and are cast to the input's type on use.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        kernel_size: int,
        *,
        stride: int = 1,
        padding: Padding = "reflect",
        bias: bool = True,
    ) -> None:
        super().__init__()
        if kernel_size % 2 == 0:
            raise ValueError(f"kernel_size must be odd, got {kernel_size}")
        self.stride = stride
        self.padding = padding
        self.abreast = 1
        self.weight = nn.Parameter(torch.empty(out_channels, in_channels, kernel_size, kernel_size))
        self.bias = nn.Parameter(torch.empty(out_channels)) if bias else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return convolve(x, self.weight, self.bias, self.padding, self.stride, self.abreast)

    def initialise(self, generator: torch.Generator) -> None:
        """PyTorch's own initialisation, which the published networks use, drawn from `generator`."""
        bound = 1 / math.sqrt(self.weight[0].numel())
        for parameter in (self.weight, self.bias):
            if parameter is not None:
                values = torch.rand(parameter.shape, generator=generator) * (2 * bound) - bound
                parameter.data.copy_(values)


class BatchNorm(nn.Module):
    """Normalisation by the statistics of the one image at hand, then a learned scale and shift."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.empty(channels))
        self.bias = nn.Parameter(torch.empty(channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.batch_norm(x, None, None, self.weight, self.bias, training=True, eps=1e-5)

    def initialise(self, generator: torch.Generator) -> None:
        """Scale one and shift zero; nothing is drawn from `generator`."""
        self.weight.data.fill_(1)
        self.bias.data.fill_(0)


class Activation(nn.Module):
    """Leaky ReLU of slope 0.2, in place on the output of a normalisation."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.leaky_relu(x, 0.2, inplace=True)


class Enlarge(nn.Module):
    """Enlargement by two."""

    def __init__(self, mode: Upsampling) -> None:
        super().__init__()
        self.mode = mode

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.mode == "nearest":
            return F.interpolate(x, scale_factor=2, mode="nearest")
        return F.interpolate(x, scale_factor=2, mode="bilinear", align_corners=False)


class Shrink(nn.Module):
    """Pooling by two."""

    def __init__(self, mode: Downsampling) -> None:
        super().__init__()
        self.mode = mode

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return F.max_pool2d(x, 2) if self.mode == "max" else F.avg_pool2d(x, 2)


def block(
    in_channels: int,
    out_channels: int,
    kernel_size: int,
    *,
    padding: Padding,
    downsampling: Downsampling | None = None,
) -> nn.Sequential:
    """Convolution, normalisation, activation; with `downsampling` the output has half the size."""
    stride = 2 if downsampling == "stride" else 1
    layers: list[nn.Module] = [
        Convolution(in_channels, out_channels, kernel_size, stride=stride, padding=padding)
    ]
    if downsampling in ("average", "max"):
        layers.append(Shrink(downsampling))
    return nn.Sequential(*layers, BatchNorm(out_channels), Activation())


class Network(nn.Module):
    """A network that makes an image out of a fixed input.

    Attributes
    ----------
    size_multiple : int
        Height and width of the output must be multiples of this.
    input_reduction : int
        The input is smaller than the output by this factor (1 for networks that keep the size).
    """

    size_multiple: int = 1
    input_reduction: int = 1

    def initialise(self, generator: torch.Generator) -> None:
        """Draw all weights anew from `generator` (a CPU generator)."""
        for module in self.modules():
            initialise: Any = getattr(module, "initialise", None)
            if module is not self and initialise is not None:
                initialise(generator)

    def parameter_count(self) -> int:
        """The number of weights."""
        return sum(parameter.numel() for parameter in self.parameters())


def squash(x: torch.Tensor) -> torch.Tensor:
    """The sigmoid that ends every network, in float32: an image in [0, 1] is worth 24 bits of mantissa."""
    return torch.sigmoid(x.float())
