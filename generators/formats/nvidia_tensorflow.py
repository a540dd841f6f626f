"""The TensorFlow pickles of stylegan and stylegan2: recorded networks with their variables → generators."""

from __future__ import annotations

import math
import re
from typing import Any

import numpy as np
import torch

from ..generator import Generator
from ..stylegan import StyleGAN
from ..stylegan2 import StyleGAN2, default_filters
from .mapping_layers import STYLEGAN_BIAS_DIVISOR, mapping_widths
from .memory_budget import MemoryBudget
from .network_pickles import TENSORFLOW_NETWORK
from .network_weights import on_meta_device, with_weights, zero_noise
from .pickled_arrays import Recorded

State = dict[str, torch.Tensor]
_PREFIX = "synthesis/{0}x{0}/"
#: Where class labels are embedded: by StyleGAN and StyleGAN2, and by StyleGAN2-ADA.
_CONCATENATED, _EMBEDDED = "mapping/LabelConcat/weight", "mapping/LabelEmbed/weight"


def read(content: Any, file_size: int) -> Generator | None:
    """The last network in a file of `file_size` bytes, which has averaged weights; None where there is no generator."""
    networks = content if isinstance(content, tuple | list) else [content]
    recorded = [one for one in networks if isinstance(one, Recorded) and one.name == TENSORFLOW_NETWORK]
    if not recorded:
        return None
    variables = _variables(recorded[-1], MemoryBudget(file_size), set())
    if "synthesis/4x4/Const/Noise/weight" in variables:
        return _stylegan(variables)
    if "synthesis/4x4/Conv/mod_weight" in variables:
        return _stylegan2(variables, _constants(recorded[-1]))
    return None


def _variables(network: Recorded, budget: MemoryBudget, met: set[int]) -> State:
    """The variables of a network and of its components, by `component/name`."""
    if id(network) in met:
        raise ValueError("the file uses one network twice, as no known network does")
    met.add(id(network))
    found: State = {}
    for name, value in network.state["variables"]:
        # Several names may share an array, and each gets a copy of its own.
        budget.charge(4 * np.size(value))
        found[str(name)] = torch.from_numpy(np.array(value, np.float32))
    components = network.state.get("components") or {}
    for name, component in dict(components).items():
        if isinstance(component, Recorded):
            inner = _variables(component, budget, met)
            found |= {f"{name}/{key}": value for key, value in inner.items()}
    return found


def _constants(network: Recorded) -> dict[str, Any]:
    """The arguments that the network was built with."""
    return dict(network.state.get("static_kwargs") or {})


def _sizes(variables: State) -> list[int]:
    """The sides of the maps, from 4 up."""
    return sorted({int(match[1]) for name in variables if (match := re.match(r"synthesis/(\d+)x\d+/", name))})


def _settings(variables: State) -> dict[str, Any]:
    """What StyleGAN and StyleGAN2 are built with, but for the colours."""
    sizes = _sizes(variables)
    # TensorFlow keeps dense layers as (in, out).
    dense = {name: value.T for name, value in variables.items() if value.ndim == 2}
    widths_of_mapping = mapping_widths(dense, r"mapping/Dense(\d+)/weight")
    embedded = _labels(variables)
    return {
        "resolution": sizes[-1],
        "label_dim": 0 if embedded is None else embedded.shape[0],
        "z_dim": variables["mapping/Dense0/weight"].shape[0] - (0 if embedded is None else embedded.shape[1]),
        "w_dim": widths_of_mapping[-1],
        "widths": [
            variables[f"{_PREFIX.format(size)}{'Conv1' if size > 4 else 'Conv'}/bias"].numel()
            for size in sizes
        ],
        "mapping_widths": widths_of_mapping,
    }


def _labels(variables: State) -> torch.Tensor | None:
    """The matrix that embeds class labels, (classes, length); None where there are no classes."""
    return variables.get(_CONCATENATED, variables.get(_EMBEDDED))


def _dense(variables: State, here: str, there: str, bias_divisor: float = 1.0, offset: float = 0.0) -> State:
    """A fully connected layer; TensorFlow keeps (in, out)."""
    return {
        f"{there}.weight": variables[f"{here}weight"].T,
        f"{there}.bias": variables[f"{here}bias"] / bias_divisor + offset,
    }


def _mapping(variables: State, settings: dict[str, Any], bias_divisor: float = 1.0) -> State:
    """The mapping network and the mean of w."""
    ours = {"mapping_network.w_avg": variables["dlatent_avg"].reshape(-1)}
    for index in range(len(settings["mapping_widths"])):
        ours |= _dense(variables, f"mapping/Dense{index}/", f"mapping_network.fc{index}", bias_divisor)
    embedded = _labels(variables)
    if embedded is not None:
        # What is concatenated is a plain matrix, without the scale that ours applies and without a bias.
        plain = _CONCATENATED in variables
        scale = math.sqrt(len(embedded)) if plain else 1.0
        ours["mapping_network.embed.weight"] = scale * embedded.T
        ours["mapping_network.embed.bias"] = (
            torch.zeros(embedded.shape[1]) if plain else variables["mapping/LabelEmbed/bias"]
        )
    return ours


def _noise(variables: State, index: int, size: int) -> torch.Tensor:
    return variables.get(f"synthesis/noise{index}", zero_noise(1, 1, size, size))


def _stylegan(variables: State) -> StyleGAN:
    settings = _settings(variables)
    channels = variables["synthesis/ToRGB_lod0/bias"].numel()
    generator = on_meta_device(lambda: StyleGAN(channels=channels, **settings))
    ours = _mapping(variables, settings, STYLEGAN_BIAS_DIVISOR)
    ours["layers.0.const"] = variables["synthesis/4x4/Const/const"]
    for number, size in enumerate(_sizes(variables)):
        for second in (0, 1):
            index = 2 * number + second
            name = ("Conv" if second else "Const") if size == 4 else ("Conv1" if second else "Conv0_up")
            here, there = f"{_PREFIX.format(size)}{name}/", f"layers.{index}"
            if index:
                ours[f"{there}.weight"] = variables[f"{here}weight"].permute(3, 2, 0, 1)
            ours[f"{there}.epilogue.bias"] = variables[f"{here}bias"]
            ours[f"{there}.epilogue.noise_weight"] = variables[f"{here}Noise/weight"]
            ours[f"{there}.epilogue.noise"] = _noise(variables, index, size)
            ours |= _dense(variables, f"{here}StyleMod/", f"{there}.epilogue.style")
    ours["output.weight"] = variables["synthesis/ToRGB_lod0/weight"].permute(3, 2, 0, 1)
    ours["output.bias"] = variables["synthesis/ToRGB_lod0/bias"]
    return with_weights(generator, ours)


def _stylegan2(variables: State, constants: dict[str, Any]) -> StyleGAN2:
    settings, sizes = _settings(variables), _sizes(variables)
    architecture = "resnet" if f"{_PREFIX.format(8)}Skip/weight" in variables else "skip"
    generator = on_meta_device(
        lambda: StyleGAN2(
            channels=variables[f"{_PREFIX.format(sizes[-1])}ToRGB/bias"].numel(),
            synthesis_architecture=str(constants.get("architecture", architecture)),
            embedding=None if (embedded := _labels(variables)) is None else embedded.shape[1],
            label_normalisation="together" if _CONCATENATED in variables else "apart",
            **settings,
        )
    )
    ours = _mapping(variables, settings)
    ours["blocks.0.const"] = variables["synthesis/4x4/Const/const"][0]
    for number, size in enumerate(sizes):
        block = _PREFIX.format(size)
        for name, part in (("Conv", "conv1"),) if size == 4 else (("Conv0_up", "conv0"), ("Conv1", "conv1")):
            index = 0 if size == 4 else 2 * number - (1 if part == "conv0" else 0)
            ours |= _convolution(variables, f"{block}{name}/", f"blocks.{number}.{part}", index, size)
        if f"{block}ToRGB/weight" in variables:
            ours |= _colours(variables, f"{block}ToRGB/", f"blocks.{number}.torgb")
        if f"{block}Skip/weight" in variables:
            # A 1 × 1 kernel has no orientation.
            ours[f"blocks.{number}.skip.weight"] = variables[f"{block}Skip/weight"].permute(3, 2, 0, 1)
    return with_weights(generator, {**ours, **default_filters(generator)})


def _convolution(variables: State, here: str, there: str, index: int, size: int) -> State:
    weight = variables[f"{here}weight"].permute(3, 2, 0, 1)
    if "Conv0_up" in here:
        # TensorFlow's enlarging convolution turns the kernel round, torch's transposed one does not.
        weight = weight.flip((2, 3))
    return {
        # Demodulation cancels the scale of the weights, except beside its epsilon.
        f"{there}.weight": weight / math.sqrt(weight[0].numel()),
        f"{there}.bias": variables[f"{here}bias"],
        f"{there}.noise_strength": variables[f"{here}noise_strength"].reshape(()),
        f"{there}.noise_const": _noise(variables, index, size)[0, 0],
        **_dense(variables, f"{here}mod_", f"{there}.affine", offset=1.0),
    }


def _colours(variables: State, here: str, there: str) -> State:
    return {
        f"{there}.weight": variables[f"{here}weight"].permute(3, 2, 0, 1),
        f"{there}.bias": variables[f"{here}bias"],
        **_dense(variables, f"{here}mod_", f"{there}.affine", offset=1.0),
    }
