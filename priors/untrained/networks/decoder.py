"""The decoder-only network: no encoder, pixelwise convolutions, so few weights that it cannot fit noise."""

from __future__ import annotations

import itertools
from collections.abc import Sequence

import torch
from torch import nn

from zeroshot.priors.untrained.networks.layers import BatchNorm, Convolution, Enlarge, Network, squash
from zeroshot.priors.untrained.settings import Upsampling


class Decoder(Network):
    """The deep decoder: 1 × 1 convolution, enlargement by two, ReLU and normalisation, several times over.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the fixed input, at the coarsest resolution, and of the image.
    channels : sequence of int
        Channels after each layer but the last, from the coarsest to the finest; each enlarges by two.
    upsampling : {"bilinear", "nearest"}

    References
    ----------
    R. Heckel, P. Hand: Deep Decoder: Concise image representations from untrained non-convolutional
    networks, ICLR 2019.
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        channels: Sequence[int] = (128,) * 5,
        upsampling: Upsampling = "bilinear",
    ) -> None:
        super().__init__()
        widths = [in_channels, *channels]
        layers: list[nn.Module] = []
        for inside, outside in itertools.pairwise(widths):
            layers += [
                Convolution(inside, outside, 1, bias=False),
                Enlarge(upsampling),
                nn.ReLU(inplace=True),
                BatchNorm(outside),
            ]
        # One more layer at full resolution, as in the paper, then the colours.
        layers += [
            Convolution(widths[-1], widths[-1], 1, bias=False),
            nn.ReLU(inplace=True),
            BatchNorm(widths[-1]),
        ]
        self.body = nn.Sequential(*layers)
        self.head = Convolution(widths[-1], out_channels, 1)
        self.size_multiple = 2 ** len(channels)
        self.input_reduction = self.size_multiple

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return squash(self.head(self.body(z)))
