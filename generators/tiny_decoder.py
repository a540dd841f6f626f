"""The decoders of tiny autoencoders (TAESD and its relatives): small latents to images of any size.

The latent is an image itself, an eighth of the size on either side.
"""

from __future__ import annotations

from typing import Any

import torch
from torch import nn
from torch.nn import functional

from .generator import Features, Generator

#: Enlargements by two, and residual blocks before each.
LEVELS, BLOCKS = 3, 3


class ResidualBlock(nn.Module):
    """ReLU(x + three convolutions of x); before it, where `pooled`, a normalised pointwise branch is added."""

    def __init__(self, width: int, pooled: str) -> None:
        super().__init__()
        self.conv = nn.Sequential(
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
            nn.ReLU(),
            nn.Conv2d(width, width, 3, padding=1),
        )
        self.pool: nn.Sequential | None = None
        if pooled == "pooled":
            self.pool = nn.Sequential(
                nn.Conv2d(width, 4 * width, 1, bias=False),
                nn.GroupNorm(4, 4 * width),
                nn.ReLU(),
                nn.Conv2d(4 * width, width, 1, bias=False),
            )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        if self.pool is not None:
            x = x + self.pool(x)
        return functional.relu(x + self.conv(x))


class TinyDecoder(Generator):
    """Bounded latents → convolutions and residual blocks at one eighth to full size → image in [0, 1].

    Its z is (N, latent_channels, h, w) and its images 8 h × 8 w; `resolution` is 0: any.

    Parameters
    ----------
    latent_channels : int
        Channels of the latent: 4, 16 or 32 in the published ones.
    width : int
        Channels of the layers between.
    pooled : {"pooled", "plain"}
        Whether the blocks at one eighth of the size have the pointwise branch.
    channels : int
        Colour channels.

    References
    ----------
    O. Boer Bohan: Tiny AutoEncoder for Stable Diffusion (github.com/madebyollin/taesd).
    """

    architecture = "tiny_decoder"
    #: How many times larger than its latent the image is.
    factor = 2**LEVELS

    def __init__(
        self, latent_channels: int, width: int = 64, pooled: str = "plain", channels: int = 3
    ) -> None:
        super().__init__()
        if pooled not in ("pooled", "plain"):
            raise ValueError(f"pooled must be 'pooled' or 'plain', got {pooled!r}")
        self.settings: dict[str, Any] = {
            "latent_channels": latent_channels,
            "width": width,
            "pooled": pooled,
            "channels": channels,
        }
        self.z_dim, self.channels, self.resolution, self.noise_shapes = latent_channels, channels, 0, []
        stages = [nn.Sequential(nn.Conv2d(latent_channels, width, 3, padding=1), nn.ReLU())]
        for level in range(LEVELS):
            kind = pooled if level == 0 else "plain"
            stages += [nn.Sequential(ResidualBlock(width, kind)) for _ in range(BLOCKS)]
            enlarge = nn.Upsample(scale_factor=2, mode="nearest")
            stages.append(nn.Sequential(enlarge, nn.Conv2d(width, width, 3, padding=1, bias=False)))
        stages.append(nn.Sequential(ResidualBlock(width, "plain")))
        stages.append(nn.Sequential(nn.Conv2d(width, channels, 3, padding=1)))
        self.stages = nn.ModuleList(stages)
        self.num_layers = len(stages)

    def latent_shape(self, height: int, width: int) -> tuple[int, int, int]:
        """The shape of the latent whose image covers height × width pixels."""
        return self.z_dim, -(-height // self.factor), -(-width // self.factor)

    def as_latents(self, latent: torch.Tensor) -> torch.Tensor:
        if latent.ndim != 4 or latent.shape[1] != self.z_dim:
            raise ValueError(f"the latent must be (N, {self.z_dim}, h, w), got {tuple(latent.shape)}")
        return latent

    def _begin(self, latent: torch.Tensor) -> Features:
        return Features(3 * torch.tanh(latent / 3))

    def _layer(
        self, index: int, features: Features, latent: torch.Tensor, noise: list[torch.Tensor | None]
    ) -> Features:
        return Features(self.stages[index](features.maps))

    def _finish(self, features: Features, latent: torch.Tensor) -> torch.Tensor:
        return features.maps * 2 - 1
