"""StyleGAN3-T and -R: alias-free layers, every nonlinearity between an ideal enlargement and reduction."""

from __future__ import annotations

import itertools
import math
from dataclasses import astuple
from typing import Any

import torch
from torch import nn
from torch.nn import functional

from .alias_free import LayerPlan, layer_plans, low_pass_filter
from .generator import Features, Generator
from .layers import GAIN, SLOPE, EqualisedLinear
from .mapping import Mapping
from .resampling import filtered_resample

_MOST_LAYERS, _LARGEST_SIDE, _LARGEST_FACTOR, _LARGEST_FILTER = 64, 8192, 16, 64


def _require_bounds(plans: list[LayerPlan], filter_size: int, lrelu_upsampling: int) -> None:
    """ValueError where filters or maps would be larger than those of any alias-free network."""
    if not 1 <= len(plans) <= _MOST_LAYERS:
        raise ValueError(f"there must be 1 to {_MOST_LAYERS} layers, got {len(plans)}")
    if not 1 <= filter_size <= _LARGEST_FILTER:
        raise ValueError(f"filter_size must be 1 to {_LARGEST_FILTER}, got {filter_size}")
    for plan in plans:
        if not 1 <= plan.size <= _LARGEST_SIDE or not 1 <= plan.rate <= _LARGEST_SIDE:
            raise ValueError(
                f"sizes and rates must be 1 to {_LARGEST_SIDE}, got a size of {plan.size} at the rate {plan.rate}"
            )
        if not (math.isfinite(plan.cutoff) and math.isfinite(plan.half_width) and plan.cutoff > 0):
            raise ValueError(f"the cut-off must be a positive number, got {plan.cutoff}")
    rates = [plans[0].rate, *(plan.rate for plan in plans)]
    for before, after in itertools.pairwise(rates):
        factor = max(before, after) * lrelu_upsampling // min(before, after)
        if not 1 <= factor <= _LARGEST_FACTOR:
            raise ValueError(f"a layer may change the rate by up to {_LARGEST_FACTOR}, got {factor}")


class FourierInput(nn.Module):
    """Sinusoids of fixed random frequencies, turned and shifted as w says, then mixed.

    Parameters
    ----------
    w_dim, channels, size : int
        Length of w, number of sinusoids, side of the maps.
    rate, bandwidth : float
        Sampling rate, and the frequencies drawn from the disk of this radius.
    """

    transform: torch.Tensor
    freqs: torch.Tensor
    phases: torch.Tensor

    def __init__(self, w_dim: int, channels: int, size: int, rate: float, bandwidth: float) -> None:
        super().__init__()
        self._channels, self._size, self._rate, self._bandwidth = channels, size, rate, bandwidth
        frequencies = torch.randn(channels, 2)
        radii = frequencies.norm(dim=1, keepdim=True)
        frequencies = frequencies / (radii * radii.square().exp().pow(0.25)) * bandwidth
        self.weight = nn.Parameter(torch.randn(channels, channels))
        self.affine = EqualisedLinear(w_dim, 4)
        with torch.no_grad():
            self.affine.weight.zero_()
            self.affine.bias.copy_(torch.tensor([1.0, 0.0, 0.0, 0.0]))
        self.register_buffer("transform", torch.eye(3))
        self.register_buffer("freqs", frequencies)
        self.register_buffer("phases", torch.rand(channels) - 0.5)

    def forward(self, w: torch.Tensor) -> torch.Tensor:
        motion = self.affine(w)
        motion = motion / motion[:, :2].norm(dim=1, keepdim=True)
        cosine, sine, right, down = motion.unbind(1)
        zero, one = torch.zeros_like(cosine), torch.ones_like(cosine)
        rotation = torch.stack([cosine, -sine, zero, sine, cosine, zero, zero, zero, one], 1).view(-1, 3, 3)
        shift = torch.stack([one, zero, -right, zero, one, -down, zero, zero, one], 1).view(-1, 3, 3)
        transform = rotation @ shift @ self.transform
        phases = self.phases + (self.freqs @ transform[:, :2, 2:]).squeeze(2)
        frequencies = self.freqs @ transform[:, :2, :2]
        fading = (frequencies.norm(dim=2) - self._bandwidth) / (self._rate / 2 - self._bandwidth)
        amplitudes = (1 - fading).clamp(0, 1)
        theta = torch.zeros(1, 2, 3, device=w.device, dtype=w.dtype)
        theta[0, 0, 0] = theta[0, 1, 1] = 0.5 * self._size / self._rate
        grid = functional.affine_grid(theta, [1, 1, self._size, self._size], align_corners=False)
        angles = torch.einsum("hwd,ncd->nhwc", grid[0], frequencies) + phases[:, None, None]
        waves = torch.sin(angles * (2 * math.pi)) * amplitudes[:, None, None]
        return (waves @ (self.weight / math.sqrt(self._channels)).T).permute(0, 3, 1, 2)


class AliasFreeLayer(nn.Module):
    """Modulated convolution, then bias and rectifier at a higher sampling rate.

    Parameters
    ----------
    w_dim : int
        Length of w.
    before, after : LayerPlan
        The signals before and after the layer.
    is_output : bool
        Whether this is the 1 × 1 convolution to colours, without rectifier and demodulation.
    kernel : int
        Side of the convolution: 3 in T, 1 in R.
    filter_size : int
        Taps of a filter per unit of its factor.
    lrelu_upsampling : int
        How much higher the sampling rate of the rectifier is.
    radial : str
        "radial" makes the reducing filter the same in all directions (R), "separable" does not (T).
    clamp : float or None
        Largest absolute value that passes.
    """

    up_filter: torch.Tensor | None
    down_filter: torch.Tensor | None
    magnitude_ema: torch.Tensor

    def __init__(
        self,
        w_dim: int,
        before: LayerPlan,
        after: LayerPlan,
        is_output: bool,
        kernel: int,
        filter_size: int,
        lrelu_upsampling: int,
        radial: str,
        clamp: float | None,
    ) -> None:
        super().__init__()
        self._is_output, self._clamp = is_output, clamp
        self._kernel = 1 if is_output else kernel
        inner = max(before.rate, after.rate) * (1 if is_output else lrelu_upsampling)
        self._up, self._down = inner // before.rate, inner // after.rate
        up_taps = filter_size * self._up if self._up > 1 and not is_output else 1
        down_taps = filter_size * self._down if self._down > 1 and not is_output else 1
        self.affine = EqualisedLinear(w_dim, before.channels, bias=1.0)
        self.weight = nn.Parameter(torch.randn(after.channels, before.channels, self._kernel, self._kernel))
        self.bias = nn.Parameter(torch.zeros(after.channels))
        self.register_buffer("magnitude_ema", torch.ones(()))
        up_filter = low_pass_filter(up_taps, before.cutoff, before.half_width * 2, inner)
        down_filter = low_pass_filter(
            down_taps, after.cutoff, after.half_width * 2, inner, is_radial=radial == "radial"
        )
        self.register_buffer("up_filter", up_filter)
        self.register_buffer("down_filter", down_filter)
        total = (after.size - 1) * self._down + 1
        total -= (before.size + self._kernel - 1) * self._up
        total += up_taps + down_taps - 2
        low = (total + self._up) // 2
        self._padding = (low, total - low, low, total - low)

    def forward(self, x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
        styles = self.affine(w)
        weight: torch.Tensor = self.weight
        if self._is_output:
            styles = styles / math.sqrt(weight.shape[1])
        else:
            weight = weight * weight.square().mean(dim=(1, 2, 3), keepdim=True).rsqrt()
            styles = styles * styles.square().mean(dim=1, keepdim=True).rsqrt()
        x = functional.conv2d(x * styles[:, :, None, None], weight, padding=self._kernel - 1)
        scale = self.magnitude_ema.rsqrt()
        if self._is_output:
            x = x * scale
        else:
            energy = styles.square() @ weight.square().sum(dim=(2, 3)).T
            x = x * (torch.rsqrt(energy + 1e-8) * scale)[:, :, None, None]
        return self._rectified(x + self.bias[:, None, None])

    def _rectified(self, x: torch.Tensor) -> torch.Tensor:
        one = x.new_ones(1)
        up_filter = one if self.up_filter is None else self.up_filter
        x = filtered_resample(x, up_filter, up=self._up, padding=self._padding, gain=self._up**2)
        if not self._is_output:
            x = functional.leaky_relu(x, SLOPE) * GAIN
        if self._clamp is not None:
            x = x.clamp(-self._clamp, self._clamp)
        return filtered_resample(x, one if self.down_filter is None else self.down_filter, down=self._down)


class StyleGAN3(Generator):
    """Configurations T (translation) and R (rotation), with and without classes.

    Parameters
    ----------
    resolution : int
        Side of the images.
    z_dim, w_dim, label_dim : int
        Lengths of z, w and the class label.
    mapping_widths : sequence of int
        Outputs of the layers of the mapping network.
    plans : sequence of LayerPlan
        The signals between the layers; :func:`layer_plans` computes them as the paper does.
    kinds : sequence of str
        Per layer, "radial" or "separable": the filter that reduces the sampling rate.
    channels : int
        Colour channels.
    output_scale : float
        Factor of the image.
    conv_kernel : int
        Side of the convolutions: 3 in T, 1 in R.
    filter_size, lrelu_upsampling : int
        Taps of a filter per unit of its factor; how much higher the sampling rate of the rectifiers is.
    clamp : float or None
        Largest absolute value in the maps.
    embedding : int or None
        Length of the embedded label.

    References
    ----------
    T. Karras, M. Aittala, S. Laine, E. Härkönen, J. Hellsten, J. Lehtinen, T. Aila: Alias-free generative
    adversarial networks, NeurIPS 2021.
    """

    architecture = "stylegan3"

    def __init__(
        self,
        resolution: int,
        z_dim: int,
        w_dim: int,
        mapping_widths: list[int],
        plans: list[LayerPlan],
        kinds: list[str],
        label_dim: int = 0,
        channels: int = 3,
        output_scale: float = 0.25,
        conv_kernel: int = 3,
        filter_size: int = 6,
        lrelu_upsampling: int = 2,
        clamp: float | None = 256.0,
        embedding: int | None = None,
    ) -> None:
        super().__init__()
        plans = [plan if isinstance(plan, LayerPlan) else LayerPlan(*plan) for plan in plans]
        _require_bounds(plans, filter_size, lrelu_upsampling)
        if len(kinds) != len(plans) or not set(kinds) <= {"radial", "separable"}:
            raise ValueError(f"kinds must say 'radial' or 'separable' for {len(plans)} layers, got {kinds}")
        self.settings: dict[str, Any] = {
            "resolution": resolution,
            "z_dim": z_dim,
            "w_dim": w_dim,
            "mapping_widths": list(mapping_widths),
            "plans": [list(astuple(plan)) for plan in plans],
            "kinds": list(kinds),
            "label_dim": label_dim,
            "channels": channels,
            "output_scale": output_scale,
            "conv_kernel": conv_kernel,
            "filter_size": filter_size,
            "lrelu_upsampling": lrelu_upsampling,
            "clamp": clamp,
            "embedding": embedding,
        }
        self.resolution, self.z_dim, self.w_dim, self.channels = resolution, z_dim, w_dim, channels
        self.label_dim = label_dim
        self.num_layers, self.num_latents = len(plans), len(plans) + 1
        self.noise_shapes = []
        self.mapping_network = Mapping(
            z_dim, w_dim, self.num_latents, list(mapping_widths), label_dim, embedding
        )
        first = plans[0]
        self.input = FourierInput(w_dim, first.channels, first.size, first.rate, first.cutoff)
        layers = []
        for index, after in enumerate(plans):
            before, is_output = plans[max(index - 1, 0)], index == len(plans) - 1
            layers.append(
                AliasFreeLayer(
                    w_dim,
                    before,
                    after,
                    is_output,
                    conv_kernel,
                    filter_size,
                    lrelu_upsampling,
                    kinds[index],
                    clamp,
                )
            )
        self.layers = nn.ModuleList(layers)
        self._output_scale = output_scale

    @classmethod
    def designed(
        cls,
        resolution: int,
        configuration: str = "T",
        z_dim: int = 512,
        w_dim: int = 512,
        mapping_layers: int = 2,
        num_layers: int = 14,
        num_critical: int = 2,
        channel_base: float = 32768,
        channel_max: int = 512,
        channels: int = 3,
    ) -> StyleGAN3:
        """The published configuration T or R, with random weights.

        Parameters
        ----------
        resolution : int
            Side of the images.
        configuration : {"T", "R"}
            3 × 3 kernels and separable filters, or 1 × 1 kernels, radial filters and twice the channels.
        z_dim, w_dim, mapping_layers : int
            Of the mapping network.
        num_layers, num_critical : int
            Layers, the one to colours not counted, and how many at the end are critically sampled.
        channel_base, channel_max : int
            Channels at a cut-off c are channel_base / (2 c), at most channel_max; doubled for R.
        channels : int
            Colour channels.
        """
        if configuration not in ("T", "R"):
            raise ValueError(f"configuration must be 'T' or 'R', got {configuration!r}")
        factor = 2 if configuration == "R" else 1
        plans = layer_plans(
            resolution, channels, num_layers, num_critical, channel_base * factor, channel_max * factor
        )
        free = num_layers - num_critical
        first = "radial" if configuration == "R" else "separable"
        kinds = [first if index < free else "separable" for index in range(num_layers + 1)]
        widths = [w_dim] * mapping_layers
        kernel = 1 if configuration == "R" else 3
        return cls(resolution, z_dim, w_dim, widths, plans, kinds, channels=channels, conv_kernel=kernel)

    def _begin(self, latent: torch.Tensor) -> Features:
        return Features(self.input(latent[:, 0]))

    def _layer(
        self, index: int, features: Features, latent: torch.Tensor, noise: list[torch.Tensor | None]
    ) -> Features:
        return Features(self.layers[index](features.maps, latent[:, index + 1]))

    def _finish(self, features: Features, latent: torch.Tensor) -> torch.Tensor:
        return features.maps * self._output_scale
