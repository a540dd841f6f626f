"""Progressive GAN: convolutions from 4 × 4 up, with pixel normalisation."""

from __future__ import annotations

import itertools

import torch
from torch import nn
from torch.nn import functional

from .generator import Features, Generator
from .layers import SLOPE, EqualisedConvolution, pixel_norm, require_widths


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
        return Features(pixel_norm(functional.leaky_relu(self.layers[index](maps), SLOPE)))

    def _finish(self, features: Features, latent: torch.Tensor) -> torch.Tensor:
        return self.output(features.maps)
