"""VGG16 and VGG19 as feature extractors, with the weights of published state dicts."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

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
    def from_state_dict(cls, state: Mapping[str, Any], name: str = "the state dict") -> FeatureExtractor:
        """The network with the weights that torchvision publishes; the number of layers tells which of the two.

        Parameters
        ----------
        state : mapping of str to torch.Tensor
            In torchvision's names, ``features.0.weight`` and so on; other entries, such as the classifier's, are
            left out.
        name : str
            What errors call `state`, such as the name of its file.

        Raises
        ------
        ValueError
            Where it is that of another network.
        """
        state = {key: value for key, value in state.items() if isinstance(value, torch.Tensor)}
        found = [key for key in state if re.fullmatch(r"features\.\d+\.weight", key)]
        depth = {sum(counts): depth for depth, counts in _CONVOLUTIONS.items()}.get(len(found))
        if depth is None:
            raise ValueError(f"{name} holds no VGG16 or VGG19: {len(found)} convolutions, wanted 13 or 16")
        # Without memory for weights that are replaced at once, and without drawing them.
        with torch.device("meta"):
            network = cls(depth)
        wanted = network.state_dict()
        for key, tensor in wanted.items():
            if key not in state or state[key].shape != tensor.shape:
                got = tuple(state[key].shape) if key in state else "nothing"
                raise ValueError(f"{name}: {key} should have the shape {tuple(tensor.shape)}, got {got}")
        network.load_state_dict({key: state[key].float() for key in wanted}, assign=True)
        network.mean, network.deviation = _colours(_MEAN), _colours(_DEVIATION)
        return network.requires_grad_(False)

    def index(self, layer: str) -> int:
        """The index of a layer; ValueError where there is none of that name."""
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
