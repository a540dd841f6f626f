"""The contract of a generator: from latents to images in [0, 1], divisible at every layer.

    w = mapping(z),   image = synthesis(w),   image = tail(head(w, l), l, w)  for every layer l.

Multi-code inversion composes the features of several heads before one tail.
"""

from __future__ import annotations

import copy
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import torch
from torch import nn

from .mapping import Mapping

#: Noise inputs: one map (N or 1, 1, H, W) per entry of `noise_shapes`; or "stored", those saved with the weights;
#: "random", new ones; "none".
Noise = Sequence[torch.Tensor] | str
_NOISE_MODES = ("stored", "random", "none")


class Features(NamedTuple):
    """What a head hands to a tail.

    Attributes
    ----------
    maps : torch.Tensor
        (N, C, H, W), the feature maps.
    image : torch.Tensor or None
        (N, channels, H, W): the image so far, in generators that add up an image from all resolutions.
    """

    maps: torch.Tensor
    image: torch.Tensor | None = None


class Generator(nn.Module, ABC):
    """A network that makes images from latents.

    Attributes
    ----------
    architecture : str
        The name of the architecture.
    z_dim : int
        Length of z.
    w_dim : int or None
        Length of one w; None where there is no mapping network, and z itself is the latent.
    label_dim : int
        Length of the one-hot class label; 0 where there are no classes.
    num_latents : int
        How many latents a W+ latent has.
    num_layers : int
        How many layers `head` and `tail` can be divided at: l is 0 to num_layers.
    resolution : int
        Side of the images, the longer one where they are not square; 0 where they may have any size.
    image_size : tuple of int
        (height, width) of the images; (0, 0) where they may have any size.
    latent_distribution : str
        The distribution of z: "normal", or "uniform" in [−1, 1].
    is_copyable : bool
        Whether `copy.deepcopy` gives a generator whose weights are its own.
    channels : int
        Colour channels of the images.
    noise_shapes : list of tuple of int
        (1, 1, H, W) of every noise input; empty where there are none.
    """

    #: From z to w; absent in architectures without styles.
    mapping_network: Mapping
    architecture: str = ""
    z_dim: int
    w_dim: int | None = None
    label_dim: int = 0
    num_latents: int = 1
    num_layers: int
    resolution: int
    channels: int = 3
    noise_shapes: list[tuple[int, ...]]
    latent_distribution: str = "normal"
    is_copyable: bool = True

    @property
    def image_size(self) -> tuple[int, int]:
        """(height, width) of the images; (0, 0) where they may have any size."""
        return self.resolution, self.resolution

    @property
    def has_mapping(self) -> bool:
        """Whether there is a mapping network from z to w."""
        return "mapping_network" in self._modules and self.mapping_network.depth > 0

    def mapping(
        self,
        z: torch.Tensor,
        label: torch.Tensor | None = None,
        truncation: float = 1.0,
        truncation_layers: int | None = None,
    ) -> torch.Tensor:
        """The latent that `synthesis` takes.

        Parameters
        ----------
        z : torch.Tensor
            (N, z_dim), drawn from `latent_distribution`.
        label : torch.Tensor, optional
            (N, label_dim), one-hot; needed where label_dim is not 0.
        truncation : float
            ψ in w ← w̄ + ψ (w − w̄), w̄ the mean over the training's latents; 1 leaves w as it is.
        truncation_layers : int, optional
            How many latents are truncated, from the first on; by default all.

        Returns
        -------
        torch.Tensor
            (N, num_latents, w_dim); z itself where there is no mapping.
        """
        if self.has_mapping:
            return self.mapping_network(z, label, truncation, truncation_layers)
        if self.w_dim is not None:
            raise ValueError("this file holds no mapping network; give w to synthesis")
        if truncation != 1:
            raise ValueError(f"{self.architecture} has no mapping network, and nothing to truncate")
        return z

    def synthesis(self, latent: torch.Tensor, noise: Noise = "stored") -> torch.Tensor:
        """The image (N, channels, H, W), nominally in [0, 1], not clipped.

        Parameters
        ----------
        latent : torch.Tensor
            (N, num_latents, w_dim) or one w for all layers, (N, w_dim); (N, z_dim) without a mapping.
        noise : list of torch.Tensor, "stored", "random" or "none"
            The noise inputs.
        """
        return self.tail(self.head(latent, 0, noise), 0, latent, noise)

    def forward(self, z: torch.Tensor, label: torch.Tensor | None = None) -> torch.Tensor:
        """The image of z."""
        return self.synthesis(self.mapping(z, label))

    def head(self, latent: torch.Tensor, layer: int, noise: Noise = "stored") -> Features:
        """The features after the first `layer` layers; after none of them, the input of the first."""
        self._check_layer(layer)
        latent = self.as_latents(latent)
        maps = self._noise_maps(noise, latent)
        features = self._begin(latent)
        for index in range(layer):
            features = self._layer(index, features, latent, maps)
        return features

    def tail(
        self, features: Features, layer: int, latent: torch.Tensor | None = None, noise: Noise = "stored"
    ) -> torch.Tensor:
        """The image that the layers from `layer` on make of `features`.

        Parameters
        ----------
        features : Features
            From `head`, or composed of several heads'.
        layer : int
            Where the head ended.
        latent : torch.Tensor, optional
            The latent of the remaining layers; generators without styles need none.
        noise : list of torch.Tensor, "stored", "random" or "none"
            As for `synthesis`.
        """
        self._check_layer(layer)
        if latent is not None:
            latent = self.as_latents(latent)
        elif self.w_dim is None:
            latent = features.maps.new_zeros(len(features.maps), self.z_dim)
        else:
            raise ValueError(f"the tail of {self.architecture} needs latent=…: its layers have styles")
        maps = self._noise_maps(noise, latent)
        for index in range(layer, self.num_layers):
            features = self._layer(index, features, latent, maps)
        return (self._finish(features, latent) + 1) / 2

    @staticmethod
    def wrap(
        module: nn.Module,
        latent_shape: Sequence[int],
        stages: Sequence[Callable[[torch.Tensor], torch.Tensor]] | None = None,
        output_range: tuple[float, float] = (-1.0, 1.0),
        latent_distribution: str = "normal",
    ) -> WrappedGenerator:
        """Any module that turns latents into images, as a generator.

        Parameters
        ----------
        module : torch.nn.Module
            Called with latents (N, *latent_shape), returns images (N, C, H, W). It is put into evaluation mode and
            stays in it, since otherwise every synthesis would change the statistics of its batch normalisation.
        latent_shape : sequence of int
            Shape of one latent; z is handed over flat, (N, ∏ latent_shape), and reshaped.
        stages : sequence of callable, optional
            The module as a chain, so that it can be divided: head(z, l) runs the first l of them. By default the
            children of a `torch.nn.Sequential`, else the module as one stage. With functions among them the
            generator cannot be copied, as a copied function would still use the weights of the original.
        output_range : tuple of float
            The values of black and white in the module's images.
        latent_distribution : {"normal", "uniform"}
            What the module was trained with: standard normal, or uniform in [−1, 1].

        Returns
        -------
        WrappedGenerator
            The generator; it holds the module itself, not a copy.

        Raises
        ------
        ValueError
            Where the range or the distribution is invalid, or the module returns no images.
        """
        return WrappedGenerator(module, latent_shape, stages, output_range, latent_distribution)

    def as_latents(self, latent: torch.Tensor) -> torch.Tensor:
        """`latent` in the shape that the layers index: (N, num_latents, w_dim), or (N, z_dim).

        Raises
        ------
        ValueError
            Where the shape fits neither; the message names the right ones.
        """
        if self.w_dim is None:
            if latent.ndim != 2 or latent.shape[1] != self.z_dim:
                raise ValueError(f"the latent must be (N, {self.z_dim}), got {tuple(latent.shape)}")
            return latent
        if latent.ndim == 2 and latent.shape[1] == self.w_dim:
            return latent[:, None].expand(-1, self.num_latents, -1)
        if latent.ndim != 3 or latent.shape[1:] != (self.num_latents, self.w_dim):
            raise ValueError(
                f"the latent must be (N, {self.w_dim}) or (N, {self.num_latents}, {self.w_dim}), "
                f"got {tuple(latent.shape)}"
            )
        return latent

    def stored_noise(self) -> list[torch.Tensor]:
        """The noise maps stored with the weights, one per entry of `noise_shapes`."""
        return []

    @abstractmethod
    def _begin(self, latent: torch.Tensor) -> Features:
        """The input of the first layer."""

    @abstractmethod
    def _layer(
        self, index: int, features: Features, latent: torch.Tensor, noise: list[torch.Tensor | None]
    ) -> Features:
        """Layer number `index`, counted from 0."""

    @abstractmethod
    def _finish(self, features: Features, latent: torch.Tensor) -> torch.Tensor:
        """The image in [−1, 1] from the features after the last layer."""

    def _check_layer(self, layer: int) -> None:
        if not 0 <= layer <= self.num_layers:
            raise ValueError(f"layer must be a whole number from 0 to {self.num_layers}, got {layer}")

    def _noise_maps(self, noise: Noise, latent: torch.Tensor) -> list[torch.Tensor | None]:
        """One map, or None, per noise input."""
        count = len(self.noise_shapes)
        if isinstance(noise, str):
            if noise not in _NOISE_MODES:
                raise ValueError(f"noise must be one of {', '.join(_NOISE_MODES)}, or maps, got {noise!r}")
            if noise == "none":
                return [None] * count
            if noise == "stored":
                return list(self.stored_noise())
            sizes = [(len(latent), *shape[1:]) for shape in self.noise_shapes]
            return [torch.randn(size, device=latent.device, dtype=latent.dtype) for size in sizes]
        shapes = [tuple(one.shape[1:]) for one in noise]
        wanted = [tuple(shape[1:]) for shape in self.noise_shapes]
        if shapes != wanted:
            raise ValueError(f"noise must be maps of the shapes {self.noise_shapes}, got {shapes}")
        return list(noise)


class WrappedGenerator(Generator):
    """Any module that turns latents into images, in the contract of a generator.

    Parameters
    ----------
    module, latent_shape, stages, output_range, latent_distribution
        See :meth:`Generator.wrap`.
    """

    architecture = "wrapped"

    def __init__(
        self,
        module: nn.Module,
        latent_shape: Sequence[int],
        stages: Sequence[Callable[[torch.Tensor], torch.Tensor]] | None = None,
        output_range: tuple[float, float] = (-1.0, 1.0),
        latent_distribution: str = "normal",
    ) -> None:
        super().__init__()
        if not output_range[0] < output_range[1]:
            raise ValueError(
                f"output_range must be (black, white) with black below white, got {output_range}"
            )
        if latent_distribution not in ("normal", "uniform"):
            raise ValueError(
                f"latent_distribution must be 'normal' or 'uniform', got {latent_distribution!r}"
            )
        self.module = module.eval()
        self.latent_shape, self.latent_distribution = tuple(latent_shape), latent_distribution
        if stages is None:
            stages = list(module.children()) if isinstance(module, nn.Sequential) else [module]
        self._stages = nn.ModuleList(
            stage if isinstance(stage, nn.Module) else _FunctionStage(stage) for stage in stages
        ).eval()
        self.is_copyable = not any(isinstance(stage, _FunctionStage) for stage in self._stages)
        self._black, self._white = output_range
        self.z_dim = int(torch.Size(self.latent_shape).numel())
        self.num_layers = len(self._stages)
        self.noise_shapes = []
        with torch.no_grad():
            image = self.synthesis(torch.zeros(1, self.z_dim, device=self._device()))
        if image.ndim != 4:
            raise ValueError(f"the module must return images (N, C, H, W), got {tuple(image.shape)}")
        self.channels, self.resolution = image.shape[1], max(image.shape[-2:])
        self._image_size = (image.shape[-2], image.shape[-1])

    @property
    def image_size(self) -> tuple[int, int]:
        return self._image_size

    def __deepcopy__(self, memo: dict[int, Any]) -> WrappedGenerator:
        if not self.is_copyable:
            raise TypeError(
                "this generator has functions as stages, which go on using the weights of the original when "
                "copied; give modules as stages"
            )
        # Modules among the stages that are parts of `module` stay so.
        copied = type(self).__new__(type(self))
        memo[id(self)] = copied
        copied.__dict__.update(copy.deepcopy(self.__dict__, memo))
        return copied

    def _device(self) -> torch.device:
        parameter = next(self.module.parameters(), None)
        return torch.device("cpu") if parameter is None else parameter.device

    def _begin(self, latent: torch.Tensor) -> Features:
        return Features(latent.reshape(len(latent), *self.latent_shape))

    def _layer(
        self, index: int, features: Features, latent: torch.Tensor, noise: list[torch.Tensor | None]
    ) -> Features:
        return Features(self._stages[index](features.maps))

    def _finish(self, features: Features, latent: torch.Tensor) -> torch.Tensor:
        return 2 * (features.maps - self._black) / (self._white - self._black) - 1


class _FunctionStage(nn.Module):
    """A stage that is a function, in the place of a module."""

    def __init__(self, function: Callable[[torch.Tensor], torch.Tensor]) -> None:
        super().__init__()
        self._function = function

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self._function(x)


def describe(generator: Generator) -> dict[str, Any]:
    """Properties of a generator by name, for a listing.

    Parameters
    ----------
    generator : Generator
        The generator.

    Returns
    -------
    dict of str
        Architecture, resolution, image_size, channels, lengths, numbers of layers, noise inputs and parameters.
    """
    parameters = sum(parameter.numel() for parameter in generator.parameters())
    return {
        "architecture": generator.architecture,
        "resolution": generator.resolution,
        "image_size": generator.image_size,
        "channels": generator.channels,
        "z_dim": generator.z_dim,
        "w_dim": generator.w_dim,
        "label_dim": generator.label_dim,
        "latents": generator.num_latents,
        "layers": generator.num_layers,
        "noise_inputs": len(generator.noise_shapes),
        "parameters": parameters,
    }
