"""StyleGAN: a learned constant, styled by adaptive instance normalisation at every layer."""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional

from .generator import Features, Generator
from .layers import SLOPE, EqualisedConvolution, EqualisedLinear, require_widths
from .mapping import Mapping

#: From this resolution up the enlargement is part of the convolution.
FUSED_FROM = 128


class Epilogue(nn.Module):
    """What follows every convolution: noise, bias, rectifier, instance normalisation, style.

    Parameters
    ----------
    width, w_dim, size : int
        Channels, length of w, side of the maps.
    epsilon : float
        Of the instance normalisation.
    """

    def __init__(self, width: int, w_dim: int, size: int, epsilon: float) -> None:
        super().__init__()
        self.bias = nn.Parameter(torch.zeros(width))
        self.noise_weight = nn.Parameter(torch.zeros(width))
        self.register_buffer("noise", torch.randn(1, 1, size, size))
        self.style = EqualisedLinear(w_dim, 2 * width)
        self._epsilon = epsilon

    def forward(self, x: torch.Tensor, w: torch.Tensor, noise: torch.Tensor | None) -> torch.Tensor:
        x = x + self.bias[:, None, None]
        if noise is not None:
            x = x + self.noise_weight[:, None, None] * noise
        x = functional.leaky_relu(x, SLOPE)
        x = x - x.mean(dim=(2, 3), keepdim=True)
        x = x * torch.rsqrt(x.square().mean(dim=(2, 3), keepdim=True) + self._epsilon)
        scale, shift = self.style(w)[:, :, None, None].chunk(2, dim=1)
        return x * (scale + 1) + shift


class StyledConvolution(nn.Module):
    """Convolution, with enlargement by two and a blur where `enlarge` says so, and its epilogue."""

    blur_kernel: torch.Tensor

    def __init__(
        self, in_channels: int, width: int, w_dim: int, size: int, enlarge: str, epsilon: float
    ) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(width, in_channels, 3, 3))
        self._scale = math.sqrt(2) / math.sqrt(in_channels * 9)
        self._enlarge = enlarge
        self.epilogue = Epilogue(width, w_dim, size, epsilon)
        for name, buffer in self.fixed_buffers().items():
            self.register_buffer(name, buffer, persistent=False)

    @staticmethod
    def fixed_buffers() -> dict[str, torch.Tensor]:
        """What is the same in every network, and not saved."""
        tent = torch.tensor([1.0, 2.0, 1.0]) / 4
        return {"blur_kernel": tent.outer(tent)}

    def forward(self, x: torch.Tensor, w: torch.Tensor, noise: torch.Tensor | None) -> torch.Tensor:
        weight = self.weight * self._scale
        if self._enlarge == "fused":
            # Nearest enlargement and convolution as one: a 4 × 4 kernel made of four shifted copies.
            padded = functional.pad(weight, (1, 1, 1, 1))
            kernel = padded[..., 1:, 1:] + padded[..., :-1, 1:] + padded[..., 1:, :-1] + padded[..., :-1, :-1]
            x = functional.conv_transpose2d(x, kernel.transpose(0, 1), stride=2, padding=1)
        else:
            if self._enlarge == "nearest":
                x = functional.interpolate(x, scale_factor=2, mode="nearest")
            x = functional.conv2d(x, weight, padding=1)
        if self._enlarge != "none":
            x = functional.conv2d(
                x, self.blur_kernel.expand(x.shape[1], 1, 3, 3), padding=1, groups=x.shape[1]
            )
        return self.epilogue(x, w, noise)


class ConstantInput(nn.Module):
    """The learned constant with its epilogue."""

    def __init__(self, width: int, w_dim: int, epsilon: float) -> None:
        super().__init__()
        self.const = nn.Parameter(torch.ones(1, width, 4, 4))
        self.epilogue = Epilogue(width, w_dim, 4, epsilon)


class StyleGAN(Generator):
    """One w a layer, two layers a resolution.

    Parameters
    ----------
    resolution : int
        Side of the images, a power of two of at least 8.
    z_dim, w_dim : int
        Lengths of z and w.
    widths : sequence of int
        Channels at 4, 8, 16 … pixels.
    mapping_widths : sequence of int
        Outputs of the layers of the mapping network; empty: there is none, and only w is known.
    channels : int
        Colour channels.
    epsilon : float
        Of the instance normalisation: 1e-8 in the original, 1e-5 in some conversions.
    label_dim : int
        Length of the class label, which is normalised together with z.

    References
    ----------
    T. Karras, S. Laine, T. Aila: A style-based generator architecture for generative adversarial networks,
    CVPR 2019.
    """

    architecture = "stylegan"

    def __init__(
        self,
        resolution: int,
        z_dim: int,
        w_dim: int,
        widths: list[int],
        mapping_widths: list[int],
        channels: int = 3,
        epsilon: float = 1e-8,
        label_dim: int = 0,
    ) -> None:
        super().__init__()
        require_widths(resolution, widths)
        self.settings = {
            "resolution": resolution,
            "z_dim": z_dim,
            "w_dim": w_dim,
            "widths": list(widths),
            "mapping_widths": list(mapping_widths),
            "channels": channels,
            "epsilon": epsilon,
            "label_dim": label_dim,
        }
        self.label_dim = label_dim
        self.resolution, self.z_dim, self.w_dim, self.channels = resolution, z_dim, w_dim, channels
        self.num_layers = self.num_latents = 2 * len(widths)
        self.mapping_network = Mapping(
            z_dim, w_dim, self.num_latents, list(mapping_widths), label_dim, z_dim, "together"
        )
        layers: list[nn.Module] = [ConstantInput(widths[0], w_dim, epsilon)]
        self.noise_shapes = []
        for index, width in enumerate(widths):
            size = 4 * 2**index
            self.noise_shapes += [(1, 1, size, size)] * 2
            if index:
                enlarge = "fused" if size >= FUSED_FROM else "nearest"
                layers.append(StyledConvolution(widths[index - 1], width, w_dim, size, enlarge, epsilon))
            layers.append(StyledConvolution(width, width, w_dim, size, "none", epsilon))
        self.layers = nn.ModuleList(layers)
        self.output = EqualisedConvolution(widths[-1], channels, 1, gain=1.0)

    def stored_noise(self) -> list[torch.Tensor]:
        return [layer.epilogue.noise for layer in self.layers]  # type: ignore[union-attr, misc]

    def _begin(self, latent: torch.Tensor) -> Features:
        return Features(self.layers[0].const.expand(len(latent), -1, -1, -1))  # type: ignore[union-attr, operator]

    def _layer(
        self, index: int, features: Features, latent: torch.Tensor, noise: list[torch.Tensor | None]
    ) -> Features:
        layer, w = self.layers[index], latent[:, index]
        if index == 0:
            return Features(layer.epilogue(features.maps, w, noise[0]))  # type: ignore[union-attr, operator]
        return Features(layer(features.maps, w, noise[index]))

    def _finish(self, features: Features, latent: torch.Tensor) -> torch.Tensor:
        return self.output(features.maps)
