"""The residual network that Deep Image Prior compares with its hourglass."""

from __future__ import annotations

import torch
from torch import nn

from zeroshot.priors.untrained.networks.layers import BatchNorm, Convolution, Network, block, squash
from zeroshot.priors.untrained.settings import Padding


class ResidualBlock(nn.Module):
    """x + (convolution, normalisation, activation, convolution, normalisation)(x)."""

    def __init__(self, channels: int, padding: Padding) -> None:
        super().__init__()
        self.body = nn.Sequential(
            block(channels, channels, 3, padding=padding),
            Convolution(channels, channels, 3, padding=padding),
            BatchNorm(channels),
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x + self.body(x)


class ResNet(Network):
    """Residual blocks at full resolution: no hourglass, so its prior is short-ranged.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the fixed input and of the image.
    channels : int
        Width of the blocks (32 in the paper).
    blocks : int
        Number of residual blocks (8 in the paper).
    padding : {"reflect", "replicate", "zeros"}

    References
    ----------
    K. He, X. Zhang, S. Ren, J. Sun: Deep residual learning for image recognition, CVPR 2016.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: int = 32,
        blocks: int = 8,
        padding: Padding = "reflect",
    ) -> None:
        super().__init__()
        self.body = nn.Sequential(
            block(in_channels, channels, 3, padding=padding),
            *(ResidualBlock(channels, padding) for _ in range(blocks)),
        )
        self.head = Convolution(channels, out_channels, 3, padding=padding)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return squash(self.head(self.body(z)))
