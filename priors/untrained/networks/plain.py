"""A plain stack of convolutions without normalisation: the small denoiser that is trained on pairs of images."""

from __future__ import annotations

import itertools

import torch
import torch.nn.functional as F
from torch import nn

from zeroshot.priors.untrained.networks.layers import Convolution, Network


class Plain(Network):
    """3 × 3 convolutions with leaky ReLUs of slope 0.2, then a 1 × 1 convolution; no normalisation, no sigmoid.

    At `reduction` r each group of r × r pixels is a pixel of r² times the channels inside (sub-pixel shuffling, as in
    FFDNet): a convolution then costs r² times less and sees r times as far.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the images that go in and come out.
    channels : int
        Channels of the layers between.
    depth : int
        Number of 3 × 3 convolutions.
    reduction : int
        1 works on the pixels as they are. Height and width must be multiples of it.
    """

    def __init__(
        self, in_channels: int, out_channels: int, *, channels: int, depth: int, reduction: int = 1
    ) -> None:
        super().__init__()
        widths = [in_channels * reduction**2, *[channels] * depth]
        self.body = nn.ModuleList(Convolution(a, b, 3) for a, b in itertools.pairwise(widths))
        self.head = Convolution(channels, out_channels * reduction**2, 1)
        self.size_multiple = reduction

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.size_multiple > 1:
            x = F.pixel_unshuffle(x, self.size_multiple)
        for layer in self.body:
            x = F.leaky_relu(layer(x), 0.2)
        x = self.head(x).float()
        return F.pixel_shuffle(x, self.size_multiple) if self.size_multiple > 1 else x
