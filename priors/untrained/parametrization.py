"""x(θ) = network(z; θ): building the network for an image's size, and the fixed input z."""

from __future__ import annotations

import math

import torch
import torch.nn.functional as F

from zeroshot.priors.untrained.networks import Decoder, Network, ResNet, Skip, UNet
from zeroshot.priors.untrained.settings import DeepImageSettings
from zeroshot.problem import Problem


def scales_for(size: tuple[int, int], scales: int) -> int:
    """How many of `scales` halvings an image of this size (height, width) can use: at least one.

    The coarsest level must keep two pixels along the longer side, so that its normalisation has something to
    normalise over.
    """
    return max(1, min(scales, int(math.log2(max(size))) - 1))


def build_network(settings: DeepImageSettings, problem: Problem, generator: torch.Generator) -> Network:
    """The network of `settings` for the images of `problem`, with weights drawn from `generator`."""
    image_channels = problem.reference_shape[1]
    size = (problem.reference_shape[-2], problem.reference_shape[-1])
    scales = scales_for(size, len(settings.channels_per_scale))
    channels = settings.channels_per_scale[:scales]
    input_depth = settings.input_channels(image_channels)
    # On the meta device nothing is drawn from PyTorch's global generator.
    with torch.device("meta"):
        network: Network
        if settings.network == "skip":
            network = Skip(
                input_depth,
                image_channels,
                down=channels,
                up=channels,
                skip=(settings.skip_channels,) * scales,
                kernel_down=settings.kernel_down,
                padding=settings.padding,
                upsampling=settings.upsampling,
                downsampling=settings.downsampling,
                pointwise=settings.pointwise == "up",
            )
        elif settings.network == "unet":
            widths = channels if len(channels) > 1 else channels * 2
            network = UNet(
                input_depth,
                image_channels,
                channels=widths,
                padding=settings.padding,
                upsampling=settings.upsampling,
            )
        elif settings.network == "resnet":
            network = ResNet(
                input_depth,
                image_channels,
                channels=channels[0],
                blocks=settings.blocks,
                padding=settings.padding,
            )
        else:
            coarse_first = channels[::-1]
            network = Decoder(
                input_depth, image_channels, channels=coarse_first, upsampling=settings.upsampling
            )
    _allocate(network)
    network.initialise(generator)
    return network


def _allocate(network: Network) -> None:
    """Give the tensors of a network on the meta device memory on the CPU, with nothing in particular in it.

    `Module.to_empty` does the same, but first loads SymPy for a second.
    """
    for module in network.modules():
        for name, parameter in module.named_parameters(recurse=False):
            setattr(module, name, torch.nn.Parameter(torch.empty(parameter.shape, dtype=parameter.dtype)))
        for name, buffer in module.named_buffers(recurse=False):
            setattr(module, name, torch.empty(buffer.shape, dtype=buffer.dtype))


class Frame:
    """The image inside the network's output: outputs are multiples of some size, images are any size."""

    def __init__(self, size: tuple[int, int], multiple: int) -> None:
        self.size = size
        self.outer = tuple(math.ceil(length / multiple) * multiple for length in size)
        # A normalisation over a single pixel is undefined; two at the coarsest level will do.
        if multiple > 1 and max(self.outer) == multiple:
            longer = 0 if size[0] >= size[1] else 1
            self.outer = tuple(
                length * 2 if axis == longer else length for axis, length in enumerate(self.outer)
            )
        self.top = (self.outer[0] - size[0]) // 2
        self.left = (self.outer[1] - size[1]) // 2

    def crop(self, output: torch.Tensor) -> torch.Tensor:
        """The part of the network's output that is the image."""
        return output[..., self.top : self.top + self.size[0], self.left : self.left + self.size[1]]

    def pad(self, image: torch.Tensor) -> torch.Tensor:
        """An image on the network's canvas, its border pixels continued outwards."""
        right = self.outer[1] - self.size[1] - self.left
        bottom = self.outer[0] - self.size[0] - self.top
        return F.pad(image, (self.left, right, self.top, bottom), mode="replicate")


def fixed_input(
    kind: str, depth: int, size: tuple[int, int], scale: float, generator: torch.Generator
) -> torch.Tensor:
    """The input z: uniform noise in [0, scale], or a meshgrid of coordinates in [0, 1].

    Returns
    -------
    torch.Tensor
        (1, depth, height, width); a meshgrid has two channels, x and y.
    """
    if kind == "noise":
        return torch.rand((1, depth, *size), generator=generator) * scale
    y, x = torch.meshgrid(torch.linspace(0, 1, size[0]), torch.linspace(0, 1, size[1]), indexing="ij")
    return torch.stack([x, y])[None]


class Perturbation:
    """Gaussian noise for the input, new at each iteration.

    Drawing it is expensive on a CPU. There it is, with ``source="pool"``, cut at a random offset from a pool four
    times as large, drawn once; with ``source="fresh"``, and on a GPU, it is drawn each time, as published.

    Parameters
    ----------
    like : torch.Tensor
        The input, (1, C, H, W).
    channels : int
        Of the noise.
    sigma : float
        Its standard deviation.
    source : {"pool", "fresh"}
    generator : torch.Generator
        On the device of the input.
    """

    def __init__(
        self, like: torch.Tensor, channels: int, sigma: float, source: str, generator: torch.Generator
    ) -> None:
        self.sigma = sigma
        self.shape = (like.shape[0], like.shape[2], like.shape[3], channels)
        self.count = math.prod(self.shape)
        self.like = like
        self.generator = generator
        self.pool: torch.Tensor | None = None
        if source == "pool" and like.device.type == "cpu":
            pool = torch.randn(4 * self.count, generator=generator) * sigma
            self.pool = pool.to(device=like.device, dtype=like.dtype)

    def draw(self) -> torch.Tensor:
        """Noise of shape (1, channels, H, W), channels last, so that it was cheap to draw and is cheap to add."""
        if self.pool is None:
            noise = torch.randn(self.count, generator=self.generator, device=self.like.device)
            noise = noise.mul_(self.sigma).to(self.like.dtype)
        else:
            offset = int(torch.randint(3 * self.count, (), generator=self.generator))
            noise = self.pool[offset : offset + self.count]
        return noise.view(self.shape).permute(0, 3, 1, 2)
