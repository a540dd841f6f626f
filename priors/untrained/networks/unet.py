"""The U-Net that Deep Image Prior compares with its hourglass."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn

from zeroshot.priors.untrained.networks.fused import concatenate
from zeroshot.priors.untrained.networks.layers import Convolution, Enlarge, Network, Shrink, block, squash
from zeroshot.priors.untrained.settings import Padding, Upsampling


class UNet(Network):
    """U-Net: two convolutions per scale, pooling by two, and full-width concatenation on the way up.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the fixed input and of the image.
    channels : sequence of int
        Channels per scale, the finest first; the last is the bottom. At least two.
    padding : {"reflect", "replicate", "zeros"}
    upsampling : {"bilinear", "nearest"}

    References
    ----------
    O. Ronneberger, P. Fischer, T. Brox: U-Net, MICCAI 2015.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: Sequence[int] = (32, 64, 128, 128, 128),
        padding: Padding = "reflect",
        upsampling: Upsampling = "bilinear",
    ) -> None:
        super().__init__()
        if len(channels) < 2:
            raise ValueError(f"a U-Net needs at least two scales, got {len(channels)}")

        def double(inside: int, outside: int) -> nn.Sequential:
            return nn.Sequential(
                block(inside, outside, 3, padding=padding), block(outside, outside, 3, padding=padding)
            )

        widths = [in_channels, *channels]
        self.down = nn.ModuleList(double(a, b) for a, b in itertools.pairwise(widths))
        self.up = nn.ModuleList(double(coarse + fine, fine) for fine, coarse in itertools.pairwise(channels))
        self.shrink = Shrink("max")
        self.enlarge = Enlarge(upsampling)
        self.head = Convolution(channels[0], out_channels, 1, padding=padding)
        self.abreast = 1
        self.size_multiple = 2 ** (len(channels) - 1)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        across = []
        x = z
        for index, stage in enumerate(self.down):
            x = stage(x if index == 0 else self.shrink(x))
            across.append(x)
        for scale in reversed(range(len(self.up))):
            x = self.up[scale](concatenate(across[scale], self.enlarge(x), self.abreast))
        return squash(self.head(x))
