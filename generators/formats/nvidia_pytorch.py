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
from .mapping_layers import mapping_widths
from .memory_budget import as_floats
from .network_pickles import PYTORCH_NETWORK
from .network_weights import on_meta_device, with_weights
from .pickled_arrays import Recorded


class RecordedModule:
    """A recorded module: its class's name, its plain attributes, and its parts.

    Parameters
    ----------
    recorded : Recorded
        What the unpickler kept of the module.
    met : set of int, optional
        Identities of the modules and attributes met so far.

    Attributes
    ----------
    class_name : str
        The name of the module's class.
    attributes : dict
        Its attributes by name.
    parts : dict of str to RecordedModule
        The modules that are part of it.

    Raises
    ------
    ValueError
        Where it is no module, or one of its parts occurs twice, as such a network could be far larger than its file.
    """

    def __init__(self, recorded: Any, met: set[int] | None = None) -> None:
        if not isinstance(recorded, Recorded) or recorded.name != PYTORCH_NETWORK:
            raise ValueError("the file holds no network where one is expected")
        (meta,) = recorded.arguments
        self.class_name = str(meta["class_name"])
        self.attributes: dict[str, Any] = meta["state"]
        met = set() if met is None else met
        for one in (recorded, self.attributes):
            if id(one) in met:
                raise ValueError(f"the file uses one {self.class_name} twice, as no known network does")
            met.add(id(one))
        self.parts = {name: RecordedModule(part, met) for name, part in self.attributes["_modules"].items()}

    def tensors(self, prefix: str = "") -> dict[str, torch.Tensor]:
        """Every parameter and buffer by its dotted name, as stored.

        Parameters
        ----------
        prefix : str
            What the names begin with.
        """
        found: dict[str, torch.Tensor] = {}
        for kind in ("_parameters", "_buffers"):
            for name, tensor in self.attributes[kind].items():
                if isinstance(tensor, torch.Tensor):
                    found[prefix + name] = tensor
        for name, part in self.parts.items():
            found.update(part.tensors(f"{prefix}{name}."))
        return found

    def get(self, name: str, default: Any) -> Any:
        """A plain attribute, or its default where an older version did not store it."""
        return self.attributes.get(name, self.attributes.get("_init_kwargs", {}).get(name, default))


def is_network_file(content: Any) -> bool:
    """Whether an unpickled file is a snapshot of networks."""
    return isinstance(content, dict) and isinstance(content.get("G_ema"), Recorded)


def read(content: Any, file_size: int) -> Generator:
    """The generator with averaged weights of a snapshot, from a file of `file_size` bytes."""
    network = RecordedModule(content["G_ema"])
    if "synthesis" not in network.parts or "mapping" not in network.parts:
        raise ValueError(f"the file's network {network.class_name} is no StyleGAN")
    state = as_floats(network.tensors(), file_size)
    if "input" in network.parts["synthesis"].parts:
        return _stylegan3(network, state)
    return _stylegan2(network, state)


def _mapping_settings(state: dict[str, torch.Tensor]) -> dict[str, Any]:
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


def _stylegan2(network: RecordedModule, state: dict[str, torch.Tensor]) -> StyleGAN2:
    synthesis = network.parts["synthesis"]
    sizes = sorted(int(name[1:]) for name in synthesis.parts)
    widths = [state[f"synthesis.b{size}.conv1.weight"].shape[0] for size in sizes]
    last = synthesis.parts[f"b{sizes[-1]}"]
    generator = on_meta_device(
        lambda: StyleGAN2(
            resolution=sizes[-1],
            widths=widths,
            channels=state[f"synthesis.b{sizes[-1]}.torgb.weight"].shape[0],
            synthesis_architecture=last.get("architecture", "skip"),
            clamp=last.parts["conv1"].get("conv_clamp", None),
            **_mapping_settings(state),
        )
    )
    renamed = {}
    for name, tensor in state.items():
        name = re.sub(r"^synthesis\.b(\d+)\.", lambda match: f"blocks.{sizes.index(int(match[1]))}.", name)
        renamed[re.sub(r"^mapping\.", "mapping_network.", name)] = tensor
    return with_weights(generator, renamed)


def _stylegan3(network: RecordedModule, state: dict[str, torch.Tensor]) -> StyleGAN3:
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
    generator = on_meta_device(
        lambda: StyleGAN3(
            resolution=plans[-1].size,
            plans=plans,
            kinds=kinds,
            channels=plans[-1].channels,
            output_scale=float(synthesis.get("output_scale", 0.25)),
            conv_kernel=state[f"synthesis.{names[0]}.weight"].shape[-1],
            filter_size=int(layers[0].get("filter_size", 6)),
            lrelu_upsampling=int(layers[0].get("lrelu_upsampling", 2)),
            clamp=None if clamp is None else float(clamp),
            **_mapping_settings(state),
        )
    )
    renamed = {}
    for name, tensor in state.items():
        name = re.sub(r"^synthesis\.L(\d+)_[^.]*\.", r"layers.\1.", name)
        name = re.sub(r"^synthesis\.input\.", "input.", name)
        renamed[re.sub(r"^mapping\.", "mapping_network.", name)] = tensor
    return with_weights(generator, renamed)


def _layer_number(name: str) -> int:
    match = re.match(r"L(\d+)_", name)
    if match is None:
        raise ValueError(f"the file's StyleGAN3 has a layer of unknown name: {name}")
    return int(match[1])
