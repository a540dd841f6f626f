"""StyleGAN2: styles modulate the kernels; the image is summed over resolutions (skip) or made at the end."""

from __future__ import annotations

import math
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from .generator import Features, Generator
from .layers import GAIN, SLOPE, EqualisedLinear, require_widths
from .mapping import Mapping
from .resampling import filtered_resample

_TAPS = (1.0, 3.0, 3.0, 1.0)


def resample_filter() -> torch.Tensor:
    """The (4, 4) binomial filter that images and maps are enlarged with."""
    taps = torch.tensor(_TAPS)
    return taps.outer(taps) / taps.sum() ** 2


def default_filters(network: nn.Module) -> dict[str, torch.Tensor]:
    """The resampling filters of a network by their names, for files that leave them out."""
    return {name: resample_filter() for name in network.state_dict() if name.endswith("resample_filter")}


def enlarged(x: torch.Tensor, kernel: torch.Tensor) -> torch.Tensor:
    """Images or maps (N, C, H, W) of twice the size, filtered by `kernel`, (4, 4)."""
    return filtered_resample(x, kernel, up=2, padding=(2, 1, 2, 1), gain=4)


def modulated_convolution(
    x: torch.Tensor,
    weight: torch.Tensor,
    styles: torch.Tensor,
    demodulate: str = "demodulate",
    enlarge: str = "none",
    padding: int = 0,
) -> torch.Tensor:
    """Convolution with the kernel of each image scaled by its styles per input channel.

    Demodulated, the kernel of every output channel has norm one. The scaling is applied to the maps before
    and after the convolution, which is equivalent and needs no kernel per image.

    Parameters
    ----------
    x : torch.Tensor
        (N, C, H, W).
    weight : torch.Tensor
        (K, C, k, k).
    styles : torch.Tensor
        (N, C).
    demodulate : {"demodulate", "none"}
        Whether to normalise.
    enlarge : {"none", "transposed"}
        "transposed" inserts zeros for an enlargement by two: 2 H + 1 rows come out of a 3 × 3 kernel.
    padding : int
        Of the convolution.
    """
    out = x * styles[:, :, None, None]
    if enlarge == "transposed":
        out = functional.conv_transpose2d(out, weight.transpose(0, 1), stride=2)
    else:
        out = functional.conv2d(out, weight, padding=padding)
    if demodulate == "none":
        return out
    energy = weight.square().sum(dim=(2, 3))
    return out * torch.rsqrt(styles.square() @ energy.T + 1e-8)[:, :, None, None]


class SynthesisLayer(nn.Module):
    """Modulated 3 × 3 convolution, noise, bias, leaky rectifier.

    Parameters
    ----------
    in_channels, out_channels, w_dim, size : int
        Channels, length of w, side of the result.
    up : int
        2 enlarges, 1 does not.
    clamp : float or None
        Largest absolute value that passes.
    """

    resample_filter: torch.Tensor

    def __init__(
        self, in_channels: int, out_channels: int, w_dim: int, size: int, up: int, clamp: float | None
    ) -> None:
        super().__init__()
        self.affine = EqualisedLinear(w_dim, in_channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 3, 3))
        self.register_buffer("noise_const", torch.randn(size, size))
        self.noise_strength = nn.Parameter(torch.zeros(()))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self.register_buffer("resample_filter", resample_filter())
        self._up, self._clamp = up, clamp

    def forward(
        self, x: torch.Tensor, w: torch.Tensor, noise: torch.Tensor | None, gain: float = 1.0
    ) -> torch.Tensor:
        styles = self.affine(w)
        if self._up == 2:
            x = modulated_convolution(x, self.weight, styles, enlarge="transposed")
            x = filtered_resample(x, self.resample_filter, padding=(1, 1, 1, 1), gain=4)
        else:
            x = modulated_convolution(x, self.weight, styles, padding=1)
        if noise is not None:
            x = x + noise * self.noise_strength
        x = functional.leaky_relu(x + self.bias[:, None, None], SLOPE) * (GAIN * gain)
        return x if self._clamp is None else x.clamp(-self._clamp * gain, self._clamp * gain)


class ToRGB(nn.Module):
    """Modulated 1 × 1 convolution to colours."""

    def __init__(self, in_channels: int, out_channels: int, w_dim: int, clamp: float | None) -> None:
        super().__init__()
        self.affine = EqualisedLinear(w_dim, in_channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.bias = nn.Parameter(torch.zeros(out_channels))
        self._scale, self._clamp = 1 / math.sqrt(in_channels), clamp

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        x = modulated_convolution(x, self.weight, self.affine(w) * self._scale, demodulate="none")
        x = x + self.bias[:, None, None]
        return x if self._clamp is None else x.clamp(-self._clamp, self._clamp)


class Shortcut(nn.Module):
    """1 × 1 convolution and enlargement beside a block of the residual architecture."""

    resample_filter: torch.Tensor

    def __init__(self, in_channels: int, out_channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(out_channels, in_channels, 1, 1))
        self.register_buffer("resample_filter", resample_filter())
        self._scale = 1 / math.sqrt(in_channels)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = functional.conv2d(x, self.weight * (self._scale * math.sqrt(0.5)))
        return enlarged(x, self.resample_filter)


class SynthesisBlock(nn.Module):
    """The layers of one resolution."""

    resample_filter: torch.Tensor

    def __init__(
        self,
        in_channels: int,
        width: int,
        w_dim: int,
        size: int,
        channels: int,
        architecture: str,
        is_last: bool,
        clamp: float | None,
    ) -> None:
        super().__init__()
        self.register_buffer("resample_filter", resample_filter())
        self.is_first = in_channels == 0
        if self.is_first:
            self.const = nn.Parameter(torch.randn(width, size, size))
        else:
            self.conv0 = SynthesisLayer(in_channels, width, w_dim, size, 2, clamp)
        self.conv1 = SynthesisLayer(width, width, w_dim, size, 1, clamp)
        self.has_colours = is_last or architecture == "skip"
        if self.has_colours:
            self.torgb = ToRGB(width, channels, w_dim, clamp)
        self.has_shortcut = architecture == "resnet" and not self.is_first
        if self.has_shortcut:
            self.skip = Shortcut(in_channels, width)

    @property
    def layers(self) -> int:
        return 1 if self.is_first else 2


class StyleGAN2(Generator):
    """Skip and residual architectures, with and without classes.

    The layers at which it can be divided are those between convolutions; in the residual architecture the
    two convolutions of a resolution are one, as the shortcut spans both.

    Parameters
    ----------
    resolution : int
        Side of the images, a power of two of at least 8.
    z_dim, w_dim, label_dim : int
        Lengths of z, w and the class label.
    widths : sequence of int
        Channels at 4, 8, 16 … pixels.
    mapping_widths : sequence of int
        Outputs of the layers of the mapping network; empty: there is none, and only w is known.
    channels : int
        Colour channels.
    synthesis_architecture : {"skip", "resnet", "orig"}
        Images summed over the resolutions; residual blocks; neither.
    clamp : float or None
        Largest absolute value in the maps, for networks that were trained with one.
    embedding : int or None
        Length of the embedded label.
    label_normalisation : {"apart", "together"}
        Of z and the embedded label, see :class:`~zeroshot.generators.mapping.Mapping`.

    References
    ----------
    T. Karras, S. Laine, M. Aittala, J. Hellsten, J. Lehtinen, T. Aila: Analyzing and improving the image
    quality of StyleGAN, CVPR 2020.
    """

    architecture = "stylegan2"

    def __init__(
        self,
        resolution: int,
        z_dim: int,
        w_dim: int,
        widths: list[int],
        mapping_widths: list[int],
        label_dim: int = 0,
        channels: int = 3,
        synthesis_architecture: str = "skip",
        clamp: float | None = None,
        embedding: int | None = None,
        label_normalisation: str = "apart",
    ) -> None:
        super().__init__()
        require_widths(resolution, widths)
        if synthesis_architecture not in ("skip", "resnet", "orig"):
            raise ValueError(
                f"synthesis_architecture must be 'skip', 'resnet' or 'orig', got {synthesis_architecture!r}"
            )
        self.settings: dict[str, Any] = {
            "resolution": resolution,
            "z_dim": z_dim,
            "w_dim": w_dim,
            "widths": list(widths),
            "mapping_widths": list(mapping_widths),
            "label_dim": label_dim,
            "channels": channels,
            "synthesis_architecture": synthesis_architecture,
            "clamp": clamp,
            "embedding": embedding,
            "label_normalisation": label_normalisation,
        }
        self.resolution, self.z_dim, self.w_dim, self.channels = resolution, z_dim, w_dim, channels
        self.label_dim = label_dim
        self.num_latents = 2 * len(widths)
        self.mapping_network = Mapping(
            z_dim,
            w_dim,
            self.num_latents,
            list(mapping_widths),
            label_dim,
            embedding,
            label_normalisation,
        )
        blocks = []
        for index, width in enumerate(widths):
            blocks.append(
                SynthesisBlock(
                    widths[index - 1] if index else 0,
                    width,
                    w_dim,
                    4 * 2**index,
                    channels,
                    synthesis_architecture,
                    index == len(widths) - 1,
                    clamp,
                )
            )
        self.blocks = nn.ModuleList(blocks)
        self._is_residual = synthesis_architecture == "resnet"
        self.num_layers = len(widths) if self._is_residual else 2 * len(widths) - 1
        self.noise_shapes = [(1, 1, 4, 4)]
        for index in range(1, len(widths)):
            self.noise_shapes += [(1, 1, 4 * 2**index, 4 * 2**index)] * 2

    def stored_noise(self) -> list[torch.Tensor]:
        return [layer.noise_const[None, None] for layer in self._convolutions()]

    def _convolutions(self) -> list[Any]:
        layers = []
        for block in self.blocks:
            layers += [block.conv1] if block.is_first else [block.conv0, block.conv1]
        return layers

    def _begin(self, latent: torch.Tensor) -> Features:
        constant: Any = self.blocks[0].const
        return Features(constant[None].expand(len(latent), -1, -1, -1))

    def _layer(
        self, index: int, features: Features, latent: torch.Tensor, noise: list[torch.Tensor | None]
    ) -> Features:
        if self._is_residual:
            return self._residual_block(index, features, latent, noise)
        # Convolution number i takes w number i and noise number i.
        block: Any = self.blocks[(index + 1) // 2]
        is_second = block.is_first or index % 2 == 0
        layer = block.conv1 if is_second else block.conv0
        maps = layer(features.maps, latent[:, index], noise[index])
        image = features.image
        if is_second and block.has_colours:
            colours = block.torgb(maps, latent[:, index + 1])
            image = colours if image is None else enlarged(image, block.resample_filter) + colours
        return Features(maps, image)

    def _residual_block(
        self, index: int, features: Features, latent: torch.Tensor, noise: list[torch.Tensor | None]
    ) -> Features:
        block: Any = self.blocks[index]
        first = max(2 * index - 1, 0)
        if block.is_first:
            return Features(block.conv1(features.maps, latent[:, 0], noise[0]))
        shortcut = block.skip(features.maps)
        maps = block.conv0(features.maps, latent[:, first], noise[first])
        maps = block.conv1(maps, latent[:, first + 1], noise[first + 1], gain=math.sqrt(0.5))
        maps = shortcut + maps
        if block.has_colours:
            return Features(maps, block.torgb(maps, latent[:, first + 2]))
        return Features(maps)

    def _finish(self, features: Features, latent: torch.Tensor) -> torch.Tensor:
        assert features.image is not None
        return features.image
