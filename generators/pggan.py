"""Progressive GAN: convolutions from 4 × 4 up, with pixel normalisation."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence

import torch
from torch import nn
from torch.nn import functional

from .generator import Features, Generator

_MOST_RESOLUTIONS = 12


def pixel_norm(x: torch.Tensor, epsilon: float = 1e-8) -> torch.Tensor:
    """X / √(mean over the channels of x² + ε)."""
    return x * torch.rsqrt(x.square().mean(dim=1, keepdim=True) + epsilon)


def require_widths(resolution: int, widths: Sequence[int]) -> None:
    """ValueError unless there is one width for each of 4, 8, … `resolution` pixels, up to 8192."""
    if not 1 <= len(widths) <= _MOST_RESOLUTIONS:
        raise ValueError(f"there must be 1 to {_MOST_RESOLUTIONS} widths, got {len(widths)}")
    side = 4 * 2 ** (len(widths) - 1)
    if resolution != side:
        raise ValueError(f"{len(widths)} widths make images of {side}, not {resolution}")


class EqualisedConvolution(nn.Module):
    """A convolution whose weights are scaled by gain / √fan-in at run time.

    Parameters
    ----------
    in_channels, out_channels, size : int
        Of the kernels.
    gain : float
        √2 before a rectifier, 1 else.
    padding : int or None
        None keeps the size.
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


class ProgressiveGAN(Generator):
    """z, normalised → 4 × 4 → two convolutions a resolution → image.

    Parameters
    ----------
    resolution : int
        Side of the images, a power of two of at least 4.
    z_dim : int
        Length of z.
    widths : sequence of int
        Channels at 4, 8, 16 … pixels.
    channels : int
        Colour channels.

    References
    ----------
    T. Karras, T. Aila, S. Laine, J. Lehtinen: Progressive growing of GANs for improved quality, stability,
    and variation, ICLR 2018.
    """

    architecture = "pggan"

    def __init__(self, resolution: int, z_dim: int, widths: list[int], channels: int = 3) -> None:
        super().__init__()
        require_widths(resolution, widths)
        self.settings = {
            "resolution": resolution,
            "z_dim": z_dim,
            "widths": list(widths),
            "channels": channels,
        }
        self.resolution, self.z_dim, self.channels = resolution, z_dim, channels
        self.noise_shapes = []
        layers = [EqualisedConvolution(z_dim, widths[0], 4, padding=3)]
        layers.append(EqualisedConvolution(widths[0], widths[0], 3))
        for before, width in itertools.pairwise(widths):
            layers += [EqualisedConvolution(before, width, 3), EqualisedConvolution(width, width, 3)]
        self.layers = nn.ModuleList(layers)
        self.output = EqualisedConvolution(widths[-1], channels, 1, gain=1.0)
        self.num_layers = len(layers)

    def _begin(self, latent: torch.Tensor) -> Features:
        return Features(pixel_norm(latent)[:, :, None, None])

    def _layer(
        self, index: int, features: Features, latent: torch.Tensor, noise: list[torch.Tensor | None]
    ) -> Features:
        maps = features.maps
        if index >= 2 and index % 2 == 0:
            maps = functional.interpolate(maps, scale_factor=2, mode="nearest")
        return Features(pixel_norm(functional.leaky_relu(self.layers[index](maps), 0.2)))

    def _finish(self, features: Features, latent: torch.Tensor) -> torch.Tensor:
        return self.output(features.maps)
