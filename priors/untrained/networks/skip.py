"""The hourglass with skip connections of the Deep Image Prior paper."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
import torch.nn.functional as F
from torch import nn

from zeroshot.priors.untrained.networks.fused import concatenate, convolve_normalised_enlarged
from zeroshot.priors.untrained.networks.layers import (
    BatchNorm,
    Convolution,
    Enlarge,
    Network,
    block,
    convolve,
    squash,
)
from zeroshot.priors.untrained.settings import Downsampling, Padding, Upsampling

#: Below this many coarse values the fixed costs of the cheaper arithmetic are more than it saves.
_LEAST_VALUES_TO_FUSE = 32 * 96 * 96


class Level(nn.Module):
    """One scale of the hourglass: down, everything below, up, and the skip connection across."""

    def __init__(
        self,
        in_channels: int,
        below: Level | None,
        *,
        down: int,
        up: int,
        skip: int,
        kernel_down: int,
        kernel_up: int,
        padding: Padding,
        upsampling: Upsampling,
        downsampling: Downsampling,
        pointwise: bool,
    ) -> None:
        super().__init__()
        self.out_channels = up
        self.abreast = 1
        self.skip = block(in_channels, skip, 1, padding=padding) if skip else None
        self.down = nn.Sequential(
            block(in_channels, down, kernel_down, padding=padding, downsampling=downsampling),
            block(down, down, kernel_down, padding=padding),
        )
        self.below = below
        self.enlarge = Enlarge(upsampling)
        merged = skip + (below.out_channels if below is not None else down)
        self.normalise = BatchNorm(merged)
        self.up = block(merged, up, kernel_up, padding=padding)
        self.pointwise = block(up, up, 1, padding=padding) if pointwise else None

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        deep = self.down(x)
        if self.below is not None:
            deep = self.below(deep)
        across = None if self.skip is None else self.skip(x)
        if self._can_fuse(deep):
            out = self.up[1:](self._first_of_up(across, deep))
        else:
            merged = self.enlarge(deep)
            out = self.up(
                self.normalise(merged if across is None else concatenate(across, merged, self.abreast))
            )
        return out if self.pointwise is None else self.pointwise(out)

    def _can_fuse(self, deep: torch.Tensor) -> bool:
        """Whether the cheaper arithmetic of :mod:`.fused` is meant for this level and pays off at its size."""
        first: Any = self.up[0]
        return (
            deep.device.type == "cpu"
            and self.abreast == 1
            and self.enlarge.mode == "bilinear"
            and first.padding != "zeros"
            and first.weight.shape[-1] == 3
            and deep.numel() >= _LEAST_VALUES_TO_FUSE
        )

    def _first_of_up(self, across: torch.Tensor | None, deep: torch.Tensor) -> torch.Tensor:
        """The first convolution of `up` on the normalised [across, enlarged deep], as a sum of two."""
        first: Any = self.up[0]
        normalise = self.normalise
        thin = 0 if across is None else across.shape[1]
        out, constant = convolve_normalised_enlarged(
            deep, first.weight[:, thin:], normalise.weight[thin:], normalise.bias[thin:], first.padding
        )
        bias = first.bias + constant
        if across is None:
            return out + bias.to(out.dtype).view(-1, 1, 1)
        narrow = F.batch_norm(
            across, None, None, normalise.weight[:thin], normalise.bias[:thin], training=True, eps=1e-5
        )
        return out.add_(convolve(narrow, first.weight[:, :thin], bias, first.padding))


class Skip(Network):
    """The encoder–decoder with skip connections ("hourglass") of Deep Image Prior.

    Parameters
    ----------
    in_channels, out_channels : int
        Channels of the fixed input and of the image.
    down, up, skip : sequence of int
        Channels per scale, from the finest to the coarsest, of the encoder, the decoder and the skip
        connections; 0 in `skip` leaves that connection out. The paper's denoising network has 128, 128 and 4
        at each of five scales: 2 217 831 parameters for 32 input channels and a colour image.
    kernel_down, kernel_up : int
        Odd kernel sizes of encoder and decoder.
    padding : {"reflect", "replicate", "zeros"}
    upsampling : {"bilinear", "nearest"}
    downsampling : {"stride", "average", "max"}
    pointwise : bool
        Whether a 1 × 1 convolution follows each convolution of the decoder.

    References
    ----------
    D. Ulyanov, A. Vedaldi, V. Lempitsky: Deep Image Prior, CVPR 2018; IJCV 128 (2020).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        *,
        down: Sequence[int] = (128,) * 5,
        up: Sequence[int] = (128,) * 5,
        skip: Sequence[int] = (4,) * 5,
        kernel_down: int = 3,
        kernel_up: int = 3,
        padding: Padding = "reflect",
        upsampling: Upsampling = "bilinear",
        downsampling: Downsampling = "stride",
        pointwise: bool = True,
    ) -> None:
        super().__init__()
        if not len(down) == len(up) == len(skip) or not down:
            raise ValueError(
                f"down, up and skip need one number of channels per scale, "
                f"got {len(down)}, {len(up)} and {len(skip)}"
            )
        level: Level | None = None
        for scale in reversed(range(len(down))):
            level = Level(
                in_channels if scale == 0 else down[scale - 1],
                level,
                down=down[scale],
                up=up[scale],
                skip=skip[scale],
                kernel_down=kernel_down,
                kernel_up=kernel_up,
                padding=padding,
                upsampling=upsampling,
                downsampling=downsampling,
                pointwise=pointwise,
            )
        assert level is not None
        self.hourglass = level
        self.head = Convolution(up[0], out_channels, 1, padding=padding)
        self.size_multiple = 2 ** len(down)

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        return squash(self.head(self.hourglass(z)))
