"""VGG16 and VGG19 as feature extractors, reading the published state dicts."""

from __future__ import annotations

import importlib
import re
from collections.abc import Sequence
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional

#: Convolutions per block, and channels of the blocks.
_CONVOLUTIONS = {16: (2, 2, 3, 3, 3), 19: (2, 2, 4, 4, 4)}
_WIDTHS = (64, 128, 256, 512, 512)
#: Mean and standard deviation of ImageNet's colours, which the networks were trained with.
_MEAN, _DEVIATION = (0.485, 0.456, 0.406), (0.229, 0.224, 0.225)


def layer_names(depth: int) -> list[str]:
    """The names of the layers in their order: conv1_1, relu1_1, … pool1, conv2_1 …"""
    names = []
    for block, count in enumerate(_CONVOLUTIONS[depth], start=1):
        for index in range(1, count + 1):
            names += [f"conv{block}_{index}", f"relu{block}_{index}"]
        names.append(f"pool{block}")
    return names


def _colours(values: tuple[float, ...]) -> torch.Tensor:
    """One number per colour, (1, 3, 1, 1)."""
    return torch.tensor(values).view(1, 3, 1, 1)


class FeatureExtractor(nn.Module):
    """The convolutional part of VGG16 or VGG19, for images in [0, 1].

    Parameters
    ----------
    depth : {16, 19}
        Which network.

    Raises
    ------
    ValueError
        Where `depth` is neither.

    References
    ----------
    K. Simonyan, A. Zisserman: Very deep convolutional networks for large-scale image recognition, ICLR 2015.
    """

    mean: torch.Tensor
    deviation: torch.Tensor

    def __init__(self, depth: int = 16) -> None:
        super().__init__()
        if depth not in _CONVOLUTIONS:
            raise ValueError(f"depth must be 16 or 19, got {depth!r}")
        self.depth = depth
        self.names = layer_names(depth)
        layers: list[nn.Module] = []
        before = 3
        for name in self.names:
            if name.startswith("conv"):
                width = _WIDTHS[int(name[4]) - 1]
                layers.append(nn.Conv2d(before, width, 3, padding=1))
                before = width
            else:
                layers.append(nn.MaxPool2d(2) if name.startswith("pool") else nn.ReLU())
        self.features = nn.ModuleList(layers)
        self.register_buffer("mean", _colours(_MEAN), persistent=False)
        self.register_buffer("deviation", _colours(_DEVIATION), persistent=False)
        self.eval().requires_grad_(False)

    @classmethod
    def load(cls, path: str | Path) -> FeatureExtractor:
        """The network in a file as torchvision publishes it; which of the two is seen from its layers.

        Raises
        ------
        FileNotFoundError, ValueError
            Where there is no such file, or it holds something else.
        """
        # By name, as the core does not import the generators; their reader runs nothing from a file.
        load_tensors = importlib.import_module("zeroshot.generators.checkpoints").load_tensors

        path = Path(path)
        state = load_tensors(path)
        if not isinstance(state, dict):
            raise ValueError(f"{path.name} holds a {type(state).__name__}, not a state dict")
        state = {name: value for name, value in state.items() if isinstance(value, torch.Tensor)}
        found = [name for name in state if re.fullmatch(r"features\.\d+\.weight", str(name))]
        depth = {sum(counts): depth for depth, counts in _CONVOLUTIONS.items()}.get(len(found))
        if depth is None:
            raise ValueError(
                f"{path.name} holds no VGG16 or VGG19: {len(found)} convolutions, wanted 13 or 16"
            )
        # Without memory for weights that are replaced at once, and without drawing them.
        with torch.device("meta"):
            network = cls(depth)
        wanted = network.state_dict()
        for name, tensor in wanted.items():
            if name not in state or state[name].shape != tensor.shape:
                got = tuple(state[name].shape) if name in state else "nothing"
                raise ValueError(
                    f"{path.name}: {name} should have the shape {tuple(tensor.shape)}, got {got}"
                )
        network.load_state_dict({name: state[name].float() for name in wanted}, assign=True)
        network.mean, network.deviation = _colours(_MEAN), _colours(_DEVIATION)
        return network.requires_grad_(False)

    def index(self, layer: str) -> int:
        """The place of a layer; ValueError where there is none of that name."""
        if layer not in self.names:
            raise ValueError(f"VGG{self.depth} has no layer {layer!r}; it has: {', '.join(self.names)}")
        return self.names.index(layer)

    def forward(self, x: torch.Tensor, layers: Sequence[str]) -> list[torch.Tensor]:
        """The features of `x`, (N, 3, H, W) or (N, 1, H, W) in [0, 1], after each of `layers`, in their order.

        Raises
        ------
        ValueError
            Where a layer is unknown, or the image is too small to reach it.
        """
        wanted = {self.index(layer): layer for layer in layers}
        smallest = 2 ** sum(name.startswith("pool") for name in self.names[: max(wanted, default=0) + 1])
        if min(x.shape[-2:]) < smallest:
            raise ValueError(
                f"the image is too small for {wanted[max(wanted)]}: {x.shape[-2]} × {x.shape[-1]}, needs {smallest}"
            )
        x = (x.expand(-1, 3, -1, -1) - self.mean) / self.deviation
        found = {}
        for index in range(max(wanted, default=-1) + 1):
            layer = self.features[index]
            # Not in place: what was handed out before the rectifier stays what it was.
            x = functional.relu(x) if isinstance(layer, nn.ReLU) else layer(x)
            if index in wanted:
                found[wanted[index]] = x
        return [found[layer] for layer in layers]


def extractor_for(weights: FeatureExtractor | str | Path) -> FeatureExtractor:
    """The network that `weights` stand for: itself, a file, or "vgg16" or "vgg19", fetched when first used.

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is no such file, or it holds something else.
    """
    if isinstance(weights, FeatureExtractor):
        return weights
    path = Path(weights).expanduser()
    if not path.is_file() and str(weights) in ("vgg16", "vgg19"):
        path = importlib.import_module("zeroshot.generators.zoo").fetch(str(weights))
    return FeatureExtractor.load(path)
