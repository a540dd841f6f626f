"""The layers of a mapping network, in the names that a file gives them and in ours."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping

import torch

#: StyleGAN's gain of √2 acts before the bias, in ours after it, so that a bias is divided by it.
STYLEGAN_BIAS_DIVISOR = math.sqrt(2)


def mapping_widths(state: Mapping[str, torch.Tensor], pattern: str) -> list[int]:
    """The outputs of the mapping's layers, in order; `pattern` has one group for the number of the layer."""
    found = {}
    for name, tensor in state.items():
        match = re.fullmatch(pattern, name)
        if match:
            found[int(match[1])] = tensor.shape[0]
    return [found[index] for index in sorted(found)]


def mapping_weights(
    state: Mapping[str, torch.Tensor], pattern: str, depth: int, first: int = 0, bias_divisor: float = 1.0
) -> dict[str, torch.Tensor]:
    """The mapping's layers in our names.

    Parameters
    ----------
    state : mapping of str to torch.Tensor
        A state dict in the names of the file.
    pattern : str
        The name of a layer, with {} for its number.
    depth, first : int
        How many layers there are, and the number of the first.
    bias_divisor : float
        What the biases are divided by.
    """
    ours = {}
    for index in range(depth):
        name = pattern.format(first + index)
        ours[f"mapping_network.fc{index}.weight"] = state[f"{name}.weight"]
        ours[f"mapping_network.fc{index}.bias"] = state[f"{name}.bias"] / bias_divisor
    return ours
