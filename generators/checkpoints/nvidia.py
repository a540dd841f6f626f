"""The pickles of stylegan2-ada-pytorch and stylegan3: recorded networks → generators."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import torch

from ..alias_free import LayerPlan
from ..generator import Generator
from ..stylegan2 import StyleGAN2
from ..stylegan3 import StyleGAN3
from .unpickler import Recorded

_PERSISTENT = "torch_utils.persistence._reconstruct_persistent_obj"


class Network:
    """A recorded module: its class's name, its plain attributes, and its parts."""

    def __init__(self, recorded: Any) -> None:
        if not isinstance(recorded, Recorded) or recorded.name != _PERSISTENT:
            raise ValueError("the file holds no network where one is expected")
        (meta,) = recorded.arguments
        self.class_name = str(meta["class_name"])
        self.attributes: dict[str, Any] = meta["state"]
        self.parts = {name: Network(part) for name, part in self.attributes["_modules"].items()}

    def tensors(self, prefix: str = "") -> dict[str, torch.Tensor]:
        """Every parameter and buffer by its dotted name."""
        found: dict[str, torch.Tensor] = {}
        for kind in ("_parameters", "_buffers"):
            for name, tensor in self.attributes[kind].items():
                if isinstance(tensor, torch.Tensor):
                    found[prefix + name] = tensor.detach().float()
        for name, part in self.parts.items():
            found.update(part.tensors(f"{prefix}{name}."))
        return found

    def get(self, name: str, default: Any) -> Any:
        """A plain attribute; one that older versions do not store has its default."""
        return self.attributes.get(name, self.attributes.get("_init_kwargs", {}).get(name, default))


def is_network_file(content: Any) -> bool:
    """Whether an unpickled file is a snapshot of networks."""
    return isinstance(content, dict) and isinstance(content.get("G_ema"), Recorded)


def read(content: Any) -> Generator:
    """The generator with averaged weights of a snapshot."""
    network = Network(content["G_ema"])
    if "synthesis" not in network.parts or "mapping" not in network.parts:
        raise ValueError(f"the file's network {network.class_name} is no StyleGAN")
    if "input" in network.parts["synthesis"].parts:
        return _stylegan3(network)
    return _stylegan2(network)


def mapping_widths(state: dict[str, torch.Tensor], pattern: str) -> list[int]:
    """The outputs of the mapping's layers, in order; `pattern` has one group for the number of the layer."""
    found = {}
    for name, tensor in state.items():
        match = re.fullmatch(pattern, name)
        if match:
            found[int(match[1])] = tensor.shape[0]
    return [found[index] for index in sorted(found)]


def _mapping_settings(network: Network, state: dict[str, torch.Tensor]) -> dict[str, Any]:
    widths = mapping_widths(state, r"mapping\.fc(\d+)\.weight")
    embedding = state.get("mapping.embed.weight")
    first = state["mapping.fc0.weight"].shape[1]
    return {
        "mapping_widths": widths,
        "w_dim": widths[-1],
        "z_dim": first - (0 if embedding is None else embedding.shape[0]),
        "label_dim": 0 if embedding is None else embedding.shape[1],
        "embedding": None if embedding is None else embedding.shape[0],
    }


def _stylegan2(network: Network) -> StyleGAN2:
    state = network.tensors()
    synthesis = network.parts["synthesis"]
    sizes = sorted(int(name[1:]) for name in synthesis.parts)
    widths = [state[f"synthesis.b{size}.conv1.weight"].shape[0] for size in sizes]
    last = synthesis.parts[f"b{sizes[-1]}"]
    generator = StyleGAN2(
        resolution=sizes[-1],
        widths=widths,
        channels=state[f"synthesis.b{sizes[-1]}.torgb.weight"].shape[0],
        synthesis_architecture=last.get("architecture", "skip"),
        clamp=last.parts["conv1"].get("conv_clamp", None),
        **_mapping_settings(network, state),
    )
    renamed = {}
    for name, tensor in state.items():
        name = re.sub(r"^synthesis\.b(\d+)\.", lambda match: f"blocks.{sizes.index(int(match[1]))}.", name)
        renamed[re.sub(r"^mapping\.", "mapping_network.", name)] = tensor
    generator.load_state_dict(renamed)
    return generator


def _stylegan3(network: Network) -> StyleGAN3:
    state = network.tensors()
    synthesis = network.parts["synthesis"]
    names = sorted((name for name in synthesis.parts if name != "input"), key=_layer_number)
    layers = [synthesis.parts[name] for name in names]
    plans, kinds = [], []
    for name, layer in zip(names, layers, strict=True):
        plans.append(
            LayerPlan(
                int(layer.get("out_sampling_rate", 0)),
                float(layer.get("out_cutoff", 0)),
                float(layer.get("out_half_width", 0)),
                int(np.ravel(layer.get("out_size", 0))[0]),
                state[f"synthesis.{name}.weight"].shape[0],
            )
        )
        down = state.get(f"synthesis.{name}.down_filter")
        kinds.append("radial" if down is not None and down.ndim == 2 else "separable")
    clamp = layers[0].get("conv_clamp", 256)
    generator = StyleGAN3(
        resolution=plans[-1].size,
        plans=plans,
        kinds=kinds,
        channels=plans[-1].channels,
        output_scale=float(synthesis.get("output_scale", 0.25)),
        conv_kernel=state[f"synthesis.{names[0]}.weight"].shape[-1],
        filter_size=int(layers[0].get("filter_size", 6)),
        lrelu_upsampling=int(layers[0].get("lrelu_upsampling", 2)),
        clamp=None if clamp is None else float(clamp),
        **_mapping_settings(network, state),
    )
    renamed = {}
    for name, tensor in state.items():
        name = re.sub(r"^synthesis\.L(\d+)_[^.]*\.", r"layers.\1.", name)
        name = re.sub(r"^synthesis\.input\.", "input.", name)
        renamed[re.sub(r"^mapping\.", "mapping_network.", name)] = tensor
    generator.load_state_dict(renamed)
    return generator


def _layer_number(name: str) -> int:
    match = re.match(r"L(\d+)_", name)
    if match is None:
        raise ValueError(f"the file's StyleGAN3 has a layer of unknown name: {name}")
    return int(match[1])
