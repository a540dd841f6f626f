"""State dicts of rosinality's StyleGAN2."""

from __future__ import annotations

import math
import re

import torch

from ..stylegan2 import StyleGAN2, default_filters
from .mapping_layers import mapping_weights, mapping_widths
from .network_weights import on_meta_device, with_weights, zero_noise

State = dict[str, torch.Tensor]


def is_stylegan2(state: State) -> bool:
    """Whether a state dict has the names of rosinality's StyleGAN2."""
    return "to_rgb1.conv.weight" in state


def stylegan2(state: State, mean: torch.Tensor | None) -> StyleGAN2:
    """From the state dict of `g_ema`, with the mean latent stored beside it.

    Parameters
    ----------
    state : dict of str to torch.Tensor
        The state dict.
    mean : torch.Tensor or None
        The mean latent; zero where the file has none.

    Raises
    ------
    KeyError, ValueError
        Where weights are missing or do not fit together.
    """
    widths_of_mapping = mapping_widths(state, r"style\.(\d+)\.weight")
    pairs = len({name.split(".")[1] for name in state if re.match(r"to_rgbs\.\d+\.", name)})
    widths = [state["conv1.activate.bias"].shape[0]]
    widths += [len(state[f"convs.{2 * index + 1}.activate.bias"]) for index in range(pairs)]
    generator = on_meta_device(
        lambda: StyleGAN2(
            resolution=4 * 2**pairs,
            z_dim=state["style.1.weight"].shape[1],
            w_dim=widths_of_mapping[-1],
            widths=widths,
            mapping_widths=widths_of_mapping,
            channels=state["to_rgb1.bias"].numel(),
        )
    )
    ours = mapping_weights(state, "style.{}", len(widths_of_mapping), first=1)
    ours["blocks.0.const"] = state["input.input"][0]
    average = torch.zeros(widths_of_mapping[-1]) if mean is None else mean.reshape(-1)
    ours["mapping_network.w_avg"] = average
    for index in range(2 * pairs + 1):
        here = "conv1" if index == 0 else f"convs.{index - 1}"
        there = f"blocks.{(index + 1) // 2}.conv{0 if index % 2 else 1}"
        ours |= _layer(state, here, there, index)
    for block in range(pairs + 1):
        here, there = "to_rgb1" if block == 0 else f"to_rgbs.{block - 1}", f"blocks.{block}.torgb"
        ours[f"{there}.weight"] = state[f"{here}.conv.weight"][0]
        ours[f"{there}.bias"] = state[f"{here}.bias"].reshape(-1)
        for part in ("weight", "bias"):
            ours[f"{there}.affine.{part}"] = state[f"{here}.conv.modulation.{part}"]
    return with_weights(generator, {**ours, **default_filters(generator)})


def _layer(state: State, here: str, there: str, index: int) -> State:
    weight = state[f"{here}.conv.weight"][0]
    size = 4 * 2 ** ((index + 1) // 2)
    noise = state.get(f"noises.noise_{index}", zero_noise(1, 1, size, size))
    return {
        f"{there}.weight": weight / math.sqrt(weight[0].numel()),
        f"{there}.bias": state[f"{here}.activate.bias"],
        f"{there}.noise_strength": state[f"{here}.noise.weight"].reshape(()),
        f"{there}.noise_const": noise[0, 0],
        f"{there}.affine.weight": state[f"{here}.conv.modulation.weight"],
        f"{there}.affine.bias": state[f"{here}.conv.modulation.bias"],
    }
