"""TensorFlow's pickles: networks with their variables, written here as the original tool writes them."""

from __future__ import annotations

import math
import pickle
import sys
import types

import numpy as np
import pytest
import torch

from zeroshot.generators import StyleGAN, StyleGAN2, load
from zeroshot.generators.formats import UnsafePickleError

#: Settings of StyleGAN2 with class labels, as in its own files and in those of StyleGAN2-ADA.
TOGETHER = {"label_dim": 5, "embedding": 12, "label_normalisation": "together"}
APART = {"label_dim": 5, "embedding": 6}


@pytest.fixture
def network_class(monkeypatch):
    """A class of the name that the files refer to; it is gone again when they are read."""
    network = types.ModuleType("dnnlib.tflib.network")
    easy = types.ModuleType("dnnlib.util")

    class Network:
        def __init__(self, state):
            self.state = state

        def __getstate__(self):
            return self.state

        def __setstate__(self, state):
            raise AssertionError("the class of the file was used")

    class EasyDict(dict):
        pass

    for cls, module in ((Network, network), (EasyDict, easy)):
        cls.__module__, cls.__qualname__ = module.__name__, cls.__name__
        setattr(module, cls.__name__, cls)
    for name, module in (
        ("dnnlib", types.ModuleType("dnnlib")),
        ("dnnlib.tflib", types.ModuleType("dnnlib.tflib")),
        ("dnnlib.tflib.network", network),
        ("dnnlib.util", easy),
    ):
        monkeypatch.setitem(sys.modules, name, module)
    return Network


def network(network_class, name="Gs", variables=None, components=None, **constants):
    """A network with its variables by name, and the networks that it is composed of."""
    easy = sys.modules["dnnlib.util"].EasyDict
    return network_class(
        {
            "version": 4,
            "name": name,
            "static_kwargs": easy(constants),
            "components": easy(components or {}),
            "build_module_src": "raise SystemExit('this must not run')",
            "build_func_name": "G_main",
            "variables": [(key, np.asarray(value)) for key, value in (variables or {}).items()],
        }
    )


def pickled(path, averaged):
    """The three networks of a file, of which the last is read, after their classes are gone."""
    path.write_bytes(pickle.dumps((None, None, averaged), 4))
    for name in ("dnnlib", "dnnlib.tflib", "dnnlib.tflib.network", "dnnlib.util"):
        del sys.modules[name]
    return path


def written(path, network_class, variables, mapping, synthesis, **constants):
    parts = {
        "mapping": network(network_class, "G_mapping", mapping, **constants),
        "synthesis": network(network_class, "G_synthesis", synthesis, **constants),
    }
    return pickled(path, network(network_class, "Gs", variables, parts, **constants))


def kernels(weight: torch.Tensor) -> torch.Tensor:
    """(out, in, k, k) as TensorFlow keeps them."""
    return weight.permute(2, 3, 1, 0).contiguous()


def concatenated(state):
    """The matrix of the class labels as StyleGAN and StyleGAN2 keep it: its products are not scaled."""
    if "mapping_network.embed.weight" not in state:
        return {}
    embedded = state["mapping_network.embed.weight"]
    return {"LabelConcat/weight": embedded.T / math.sqrt(embedded.shape[1])}


@pytest.mark.parametrize("kind", ["style", "style_with_classes"])
def test_stylegan(tmp_path, network_class, make_generator, kind):
    ours: StyleGAN = make_generator(kind)
    if ours.label_dim:
        ours.mapping_network.embed.bias.zero_()
    state = ours.state_dict()
    mapping, synthesis = concatenated(state), {}
    for index in range(2):
        mapping[f"Dense{index}/weight"] = state[f"mapping_network.fc{index}.weight"].T
        mapping[f"Dense{index}/bias"] = state[f"mapping_network.fc{index}.bias"] * math.sqrt(2)
    names = ["4x4/Const", "4x4/Conv", "8x8/Conv0_up", "8x8/Conv1", "16x16/Conv0_up", "16x16/Conv1"]
    synthesis["4x4/Const/const"] = state["layers.0.const"]
    for index, name in enumerate(names):
        here = f"layers.{index}"
        if index:
            synthesis[f"{name}/weight"] = kernels(state[f"{here}.weight"])
        synthesis[f"{name}/bias"] = state[f"{here}.epilogue.bias"]
        synthesis[f"{name}/Noise/weight"] = state[f"{here}.epilogue.noise_weight"]
        synthesis[f"{name}/StyleMod/weight"] = state[f"{here}.epilogue.style.weight"].T
        synthesis[f"{name}/StyleMod/bias"] = state[f"{here}.epilogue.style.bias"]
        synthesis[f"noise{index}"] = state[f"{here}.epilogue.noise"]
    synthesis["ToRGB_lod0/weight"] = kernels(state["output.weight"])
    synthesis["ToRGB_lod0/bias"] = state["output.bias"]
    average = {"dlatent_avg": state["mapping_network.w_avg"]}
    read = load(written(tmp_path / "karras.pkl", network_class, average, mapping, synthesis))
    same_images(read, ours)


@pytest.mark.parametrize(
    ("architecture", "labels"), [("skip", {}), ("resnet", {}), ("skip", TOGETHER), ("resnet", APART)]
)
def test_stylegan2(tmp_path, network_class, architecture, labels):
    with torch.random.fork_rng():
        torch.manual_seed(3)
        settings = {"synthesis_architecture": architecture, **labels}
        ours = StyleGAN2(16, 12, 10, [24, 16, 8], [14, 10], **settings).eval()
        for parameter in ours.parameters():
            if parameter.ndim < 2:
                parameter.data += 0.5 * torch.randn_like(parameter)
        ours.mapping_network.w_avg.normal_()
        if labels == TOGETHER:
            ours.mapping_network.embed.bias.data.zero_()
    ours.requires_grad_(False)
    state = ours.state_dict()
    mapping, synthesis = {}, {"4x4/Const/const": state["blocks.0.const"][None]}
    if labels == TOGETHER:
        mapping |= concatenated(state)
    elif labels == APART:
        mapping["LabelEmbed/weight"] = state["mapping_network.embed.weight"].T
        mapping["LabelEmbed/bias"] = state["mapping_network.embed.bias"]
    for index in range(2):
        mapping[f"Dense{index}/weight"] = state[f"mapping_network.fc{index}.weight"].T
        mapping[f"Dense{index}/bias"] = state[f"mapping_network.fc{index}.bias"]
    convolutions = [("4x4/Conv", "blocks.0.conv1")]
    for block, size in ((1, 8), (2, 16)):
        convolutions += [(f"{size}x{size}/Conv0_up", f"blocks.{block}.conv0")]
        convolutions += [(f"{size}x{size}/Conv1", f"blocks.{block}.conv1")]
        if architecture == "resnet":
            synthesis[f"{size}x{size}/Skip/weight"] = kernels(state[f"blocks.{block}.skip.weight"])
    for index, (there, here) in enumerate(convolutions):
        weight = state[f"{here}.weight"]
        weight = weight.flip((2, 3)) if "Conv0_up" in there else weight
        synthesis[f"{there}/weight"] = kernels(weight)
        synthesis[f"{there}/bias"] = state[f"{here}.bias"]
        synthesis[f"{there}/noise_strength"] = state[f"{here}.noise_strength"]
        synthesis[f"{there}/mod_weight"] = state[f"{here}.affine.weight"].T
        synthesis[f"{there}/mod_bias"] = state[f"{here}.affine.bias"] - 1
        synthesis[f"noise{index}"] = state[f"{here}.noise_const"][None, None]
    for block, size in enumerate((4, 8, 16)):
        here, there = f"blocks.{block}.torgb", f"{size}x{size}/ToRGB"
        if f"{here}.weight" in state:
            synthesis[f"{there}/weight"] = kernels(state[f"{here}.weight"])
            synthesis[f"{there}/bias"] = state[f"{here}.bias"]
            synthesis[f"{there}/mod_weight"] = state[f"{here}.affine.weight"].T
            synthesis[f"{there}/mod_bias"] = state[f"{here}.affine.bias"] - 1
    average = {"dlatent_avg": state["mapping_network.w_avg"]}
    path = written(
        tmp_path / "two.pkl", network_class, average, mapping, synthesis, architecture=architecture
    )
    same_images(load(path), ours)


def same_images(read, ours):
    assert type(read) is type(ours)
    z = torch.randn(2, 12, generator=torch.Generator().manual_seed(1))
    assert read.label_dim == ours.label_dim
    label = torch.eye(ours.label_dim)[[0, -1]] if ours.label_dim else None
    latents = ours.mapping(z, label, truncation=0.7)
    torch.testing.assert_close(read.mapping(z, label, truncation=0.7), latents, atol=1e-5, rtol=1e-5)
    torch.testing.assert_close(read.synthesis(latents), ours.synthesis(latents), atol=2e-4, rtol=1e-4)


def test_a_network_of_another_kind_is_refused(tmp_path, network_class):
    path = written(
        tmp_path / "other.pkl", network_class, {"lod": torch.zeros(())}, {}, {"x": torch.zeros(np.int64(1))}
    )
    with pytest.raises(ValueError, match="no generator of a known architecture"):
        load(path)


def test_networks_that_share_their_parts_are_refused(tmp_path, network_class):
    shared = network(network_class)
    for _ in range(60):
        shared = network(network_class, components={"a": shared, "b": shared})
    with pytest.raises(ValueError, match="uses one network twice"):
        load(pickled(tmp_path / "shared.pkl", shared))


def test_names_that_share_an_array_are_bounded(tmp_path, network_class):
    shared = np.zeros(250_000, np.float32)
    many = network(network_class, variables={str(index): shared for index in range(100)})
    path = pickled(tmp_path / "shared.pkl", many)
    assert path.stat().st_size < 2 * shared.nbytes
    with pytest.raises(UnsafePickleError, match="describe more than"):
        load(path)
