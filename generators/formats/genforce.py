"""State dicts of genforce and of mGANprior: progressive GANs, StyleGAN and StyleGAN2.

mGANprior has older names for the same networks, which are first replaced by those of genforce.
"""

from __future__ import annotations

import math
import re
from typing import Any

import torch

from ..pggan import ProgressiveGAN
from ..stylegan import StyleGAN
from ..stylegan2 import StyleGAN2, default_filters
from .mapping_layers import STYLEGAN_BIAS_DIVISOR, mapping_weights, mapping_widths
from .network_weights import on_meta_device, with_weights

State = dict[str, torch.Tensor]
#: Spellings of mGANprior → those of genforce.
_OLDER_NAMES = (
    (r"\.conv\.weight$", ".weight"),
    (r"\.fc\.weight$", ".weight"),
    (r"\.wscale\.bias$", ".bias"),
    (r"\.epilogue\.style_mod\.dense\.", ".style."),
    (r"\.epilogue\.", "."),
)


def modernised(state: State) -> State:
    """A state dict of genforce or mGANprior in the names of genforce, kernels as (out, in, k, k).

    Parameters
    ----------
    state : dict of str to torch.Tensor
        In 32 bits.
    """
    renamed = {}
    for name, tensor in state.items():
        for pattern, replacement in _OLDER_NAMES:
            name = re.sub(pattern, replacement, name)
        renamed[name] = tensor
    for name, tensor in renamed.items():
        if tensor.ndim == 4 and name.endswith(".weight"):
            renamed[name] = _kernel(tensor, renamed.get(name.replace(".weight", ".bias")))
    return renamed


def _kernel(weight: torch.Tensor, bias: torch.Tensor | None) -> torch.Tensor:
    """A kernel as (out, in, k, k), whichever order it is stored in; the bias tells how many outputs it has."""
    outputs = weight.shape[0] if bias is None else len(bias)
    if (
        weight.shape[0] == weight.shape[1]
        and weight.shape[-1] == outputs
        and weight.shape[2:] != weight.shape[:2]
    ):
        return weight.permute(3, 2, 0, 1)
    if weight.shape[0] != outputs and weight.shape[1] == outputs:
        return weight.transpose(0, 1)
    return weight


def is_pggan(state: State) -> bool:
    """Whether a state dict has the names of a progressive GAN, modernised."""
    return "layer0.weight" in state and "output0.weight" in state


def pggan(state: State) -> ProgressiveGAN:
    """From a state dict of :func:`modernised`; KeyError or ValueError where weights are missing or do not fit."""
    _require_grown(state.get("lod"))
    depth = sum(bool(re.fullmatch(r"layer\d+\.weight", name)) for name in state)
    widths = [state[f"layer{index}.weight"].shape[0] for index in range(0, depth, 2)]
    last = f"output{depth // 2 - 1}"
    generator = on_meta_device(
        lambda: ProgressiveGAN(
            4 * 2 ** (depth // 2 - 1), state["layer0.weight"].shape[1], widths, len(state[f"{last}.bias"])
        )
    )
    ours = {
        f"layers.{i}.{part}": state[f"layer{i}.{part}"] for i in range(depth) for part in ("weight", "bias")
    }
    ours |= {f"output.{part}": state[f"{last}.{part}"] for part in ("weight", "bias")}
    return with_weights(generator, ours)


def _require_grown(level: torch.Tensor | None) -> None:
    if level is not None and float(level) != 0:
        raise ValueError(
            f"the file holds a network that has not grown to its full size (lod {float(level):g})"
        )


def _depth(state: State) -> int:
    """How many layers of the synthesis network have a weight."""
    return sum(bool(re.fullmatch(r"synthesis\.layer\d+\.weight", name)) for name in state)


def _settings(state: State, depth: int) -> dict[str, Any]:
    """What StyleGAN and StyleGAN2 of `depth` layers are built with, but for the colours."""
    widths_of_mapping = mapping_widths(state, r"mapping\.dense(\d+)\.weight")
    widths = [len(state[f"synthesis.layer{index}.bias"]) for index in range(0, depth, 2)]
    return {
        "resolution": 4 * 2 ** (len(widths) - 1),
        "z_dim": state["mapping.dense0.weight"].shape[1],
        "w_dim": widths_of_mapping[-1],
        "widths": widths,
        "mapping_widths": widths_of_mapping,
    }


def _mapping(state: State, settings: dict[str, Any], bias_divisor: float = 1.0) -> State:
    """The mapping network and the mean of w."""
    depth = len(settings["mapping_widths"])
    return {
        **mapping_weights(state, "mapping.dense{}", depth, bias_divisor=bias_divisor),
        "mapping_network.w_avg": state["truncation.w_avg"].reshape(-1),
    }


def is_stylegan(state: State) -> bool:
    """Whether a state dict has the names of genforce's StyleGAN, modernised."""
    return "synthesis.layer0.const" in state


def stylegan(state: State) -> StyleGAN:
    """From a state dict of :func:`modernised`; KeyError or ValueError where weights are missing or do not fit."""
    _require_grown(state.get("synthesis.lod"))
    # The constant of the first layer has no weight.
    depth = 1 + _depth(state)
    settings, last = _settings(state, depth), f"synthesis.output{depth // 2 - 1}"
    generator = on_meta_device(lambda: StyleGAN(channels=len(state[f"{last}.bias"]), **settings))
    ours = _mapping(state, settings, bias_divisor=STYLEGAN_BIAS_DIVISOR)
    ours["layers.0.const"] = state["synthesis.layer0.const"]
    for index in range(depth):
        here, there = f"synthesis.layer{index}", f"layers.{index}"
        if index:
            ours[f"{there}.weight"] = state[f"{here}.weight"]
        ours[f"{there}.epilogue.bias"] = state[f"{here}.bias"]
        ours[f"{there}.epilogue.noise_weight"] = state[f"{here}.apply_noise.weight"].reshape(-1)
        ours[f"{there}.epilogue.noise"] = state[f"{here}.apply_noise.noise"]
        for part in ("weight", "bias"):
            ours[f"{there}.epilogue.style.{part}"] = state[f"{here}.style.{part}"]
    ours |= {f"output.{part}": state[f"{last}.{part}"] for part in ("weight", "bias")}
    return with_weights(generator, ours)


def is_stylegan2(state: State) -> bool:
    """Whether a state dict has the names of genforce's StyleGAN2, modernised."""
    return "synthesis.early_layer.const" in state


def stylegan2(state: State) -> StyleGAN2:
    """From a state dict of :func:`modernised`; KeyError or ValueError where weights are missing or do not fit."""
    depth = _depth(state)
    settings = _settings(state, depth)
    channels = len(state["synthesis.output0.bias"])
    generator = on_meta_device(lambda: StyleGAN2(channels=channels, **settings))
    ours = _mapping(state, settings)
    ours["blocks.0.const"] = state["synthesis.early_layer.const"][0]
    for index in range(depth):
        block = (index + 1) // 2
        layer = f"blocks.{block}.conv{0 if index % 2 else 1}"
        ours |= _layer(state, f"synthesis.layer{index}", layer, enlarges=bool(index % 2))
    for block in range(len(settings["widths"])):
        here, there = f"synthesis.output{block}", f"blocks.{block}.torgb"
        for part in ("weight", "bias"):
            ours[f"{there}.{part}"] = state[f"{here}.{part}"]
            ours[f"{there}.affine.{part}"] = state[f"{here}.style.{part}"]
        ours[f"{there}.affine.bias"] = ours[f"{there}.affine.bias"] + 1
    return with_weights(generator, {**ours, **default_filters(generator)})


def _layer(state: State, here: str, there: str, enlarges: bool) -> State:
    """One convolution; genforce adds the style's bias of one when it runs."""
    weight = state[f"{here}.weight"]
    # Kernels that enlarge are kept as in TensorFlow, which turns them round.
    weight = weight.flip((2, 3)) if enlarges else weight
    return {
        f"{there}.weight": weight / math.sqrt(weight[0].numel()),
        f"{there}.bias": state[f"{here}.bias"],
        f"{there}.noise_strength": state[f"{here}.noise_strength"].reshape(()),
        f"{there}.noise_const": state[f"{here}.noise"][0, 0],
        f"{there}.affine.weight": state[f"{here}.style.weight"],
        f"{there}.affine.bias": state[f"{here}.style.bias"] + 1,
    }
