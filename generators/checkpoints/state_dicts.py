"""Plain state dicts of other implementations → generators: genforce and mGANprior, rosinality, PULSE.

Each is renamed into ours; what differs in more than names is noted where it is converted.
"""

from __future__ import annotations

import math
import re

import torch

from ..generator import Generator
from ..pggan import ProgressiveGAN
from ..stylegan import StyleGAN
from ..stylegan2 import StyleGAN2, default_filters
from ..tiny_decoder import TinyDecoder, is_tiny_decoder, place_of, settings_of
from .assembly import assembled, no_noise, outline
from .budget import as_floats
from .nvidia import mapping_widths

State = dict[str, torch.Tensor]
#: Under which names files with more than weights keep them, and how deep.
_HOLDERS = ("generator_smooth", "g_ema", "generator", "state_dict")
_MOST_HOLDERS = 3
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
    """From a modernised state dict.

    Parameters
    ----------
    state : dict of str to torch.Tensor
        From :func:`modernised`.

    Raises
    ------
    KeyError, ValueError
        Where weights are missing or do not fit together.
    """
    _require_grown(state.get("lod"))
    depth = sum(bool(re.fullmatch(r"layer\d+\.weight", name)) for name in state)
    widths = [state[f"layer{index}.weight"].shape[0] for index in range(0, depth, 2)]
    last = f"output{depth // 2 - 1}"
    generator = outline(
        lambda: ProgressiveGAN(
            4 * 2 ** (depth // 2 - 1), state["layer0.weight"].shape[1], widths, len(state[f"{last}.bias"])
        )
    )
    ours = {
        f"layers.{i}.{part}": state[f"layer{i}.{part}"] for i in range(depth) for part in ("weight", "bias")
    }
    ours |= {f"output.{part}": state[f"{last}.{part}"] for part in ("weight", "bias")}
    return assembled(generator, ours)


def _require_grown(level: torch.Tensor | None) -> None:
    if level is not None and float(level) != 0:
        raise ValueError(
            f"the file holds a network that has not grown to its full size (lod {float(level):g})"
        )


def is_genforce_stylegan(state: State) -> bool:
    """Whether a state dict has the names of genforce's StyleGAN, modernised."""
    return "synthesis.layer0.const" in state


def genforce_stylegan(state: State) -> StyleGAN:
    """From a modernised state dict.

    Parameters
    ----------
    state : dict of str to torch.Tensor
        From :func:`modernised`.

    Raises
    ------
    KeyError, ValueError
        Where weights are missing or do not fit together.
    """
    _require_grown(state.get("synthesis.lod"))
    widths_of_mapping = mapping_widths(state, r"mapping\.dense(\d+)\.weight")
    depth = 1 + sum(bool(re.fullmatch(r"synthesis\.layer\d+\.weight", name)) for name in state)
    widths = [len(state[f"synthesis.layer{index}.bias"]) for index in range(0, depth, 2)]
    last = f"synthesis.output{depth // 2 - 1}"
    generator = outline(
        lambda: StyleGAN(
            resolution=4 * 2 ** (depth // 2 - 1),
            z_dim=state["mapping.dense0.weight"].shape[1],
            w_dim=widths_of_mapping[-1],
            widths=widths,
            mapping_widths=widths_of_mapping,
            channels=len(state[f"{last}.bias"]),
        )
    )
    ours = _mapping(state, r"mapping.dense{}", len(widths_of_mapping))
    ours["mapping_network.w_avg"] = state["truncation.w_avg"].reshape(-1)
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
    return assembled(generator, ours)


def _mapping(state: State, pattern: str, depth: int, bias_divisor: float = math.sqrt(2)) -> State:
    """The mapping's layers. StyleGAN's gain of √2 acts before the bias, in ours after it."""
    ours = {}
    for index in range(depth):
        name = pattern.format(index)
        ours[f"mapping_network.fc{index}.weight"] = state[f"{name}.weight"]
        ours[f"mapping_network.fc{index}.bias"] = state[f"{name}.bias"] / bias_divisor
    return ours


def is_genforce_stylegan2(state: State) -> bool:
    """Whether a state dict has the names of genforce's StyleGAN2, modernised."""
    return "synthesis.early_layer.const" in state


def genforce_stylegan2(state: State) -> StyleGAN2:
    """From a modernised state dict.

    Parameters
    ----------
    state : dict of str to torch.Tensor
        From :func:`modernised`.

    Raises
    ------
    KeyError, ValueError
        Where weights are missing or do not fit together.
    """
    widths_of_mapping = mapping_widths(state, r"mapping\.dense(\d+)\.weight")
    depth = sum(bool(re.fullmatch(r"synthesis\.layer\d+\.weight", name)) for name in state)
    widths = [len(state[f"synthesis.layer{index}.bias"]) for index in range(0, depth, 2)]
    generator = outline(
        lambda: StyleGAN2(
            resolution=4 * 2 ** (len(widths) - 1),
            z_dim=state["mapping.dense0.weight"].shape[1],
            w_dim=widths_of_mapping[-1],
            widths=widths,
            mapping_widths=widths_of_mapping,
            channels=len(state["synthesis.output0.bias"]),
        )
    )
    ours = _mapping(state, r"mapping.dense{}", len(widths_of_mapping), bias_divisor=1)
    ours["mapping_network.w_avg"] = state["truncation.w_avg"].reshape(-1)
    ours["blocks.0.const"] = state["synthesis.early_layer.const"][0]
    for index in range(depth):
        block = (index + 1) // 2
        layer = f"blocks.{block}.conv{0 if index % 2 else 1}"
        ours |= _genforce_layer(state, f"synthesis.layer{index}", layer, enlarges=bool(index % 2))
    for block in range(len(widths)):
        here, there = f"synthesis.output{block}", f"blocks.{block}.torgb"
        for part in ("weight", "bias"):
            ours[f"{there}.{part}"] = state[f"{here}.{part}"]
            ours[f"{there}.affine.{part}"] = state[f"{here}.style.{part}"]
        ours[f"{there}.affine.bias"] = ours[f"{there}.affine.bias"] + 1
    return assembled(generator, {**ours, **default_filters(generator)})


def _genforce_layer(state: State, here: str, there: str, enlarges: bool) -> State:
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


def is_rosinality(state: State) -> bool:
    """Whether a state dict has the names of rosinality's StyleGAN2."""
    return "to_rgb1.conv.weight" in state


def rosinality(state: State, mean: torch.Tensor | None) -> StyleGAN2:
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
    generator = outline(
        lambda: StyleGAN2(
            resolution=4 * 2**pairs,
            z_dim=state["style.1.weight"].shape[1],
            w_dim=widths_of_mapping[-1],
            widths=widths,
            mapping_widths=widths_of_mapping,
            channels=state["to_rgb1.bias"].numel(),
        )
    )
    ours = {"blocks.0.const": state["input.input"][0]}
    for index in range(len(widths_of_mapping)):
        for part in ("weight", "bias"):
            ours[f"mapping_network.fc{index}.{part}"] = state[f"style.{index + 1}.{part}"]
    average = torch.zeros(widths_of_mapping[-1]) if mean is None else mean.reshape(-1)
    ours["mapping_network.w_avg"] = average
    for index in range(2 * pairs + 1):
        here = "conv1" if index == 0 else f"convs.{index - 1}"
        there = f"blocks.{(index + 1) // 2}.conv{0 if index % 2 else 1}"
        ours |= _rosinality_layer(state, here, there, index)
    for block in range(pairs + 1):
        here, there = "to_rgb1" if block == 0 else f"to_rgbs.{block - 1}", f"blocks.{block}.torgb"
        ours[f"{there}.weight"] = state[f"{here}.conv.weight"][0]
        ours[f"{there}.bias"] = state[f"{here}.bias"].reshape(-1)
        for part in ("weight", "bias"):
            ours[f"{there}.affine.{part}"] = state[f"{here}.conv.modulation.{part}"]
    return assembled(generator, {**ours, **default_filters(generator)})


def _rosinality_layer(state: State, here: str, there: str, index: int) -> State:
    weight = state[f"{here}.conv.weight"][0]
    size = 4 * 2 ** ((index + 1) // 2)
    noise = state.get(f"noises.noise_{index}", no_noise(1, 1, size, size))
    return {
        f"{there}.weight": weight / math.sqrt(weight[0].numel()),
        f"{there}.bias": state[f"{here}.activate.bias"],
        f"{there}.noise_strength": state[f"{here}.noise.weight"].reshape(()),
        f"{there}.noise_const": noise[0, 0],
        f"{there}.affine.weight": state[f"{here}.conv.modulation.weight"],
        f"{there}.affine.bias": state[f"{here}.conv.modulation.bias"],
    }


def is_pulse_synthesis(state: State) -> bool:
    """Whether a state dict has the names of PULSE's synthesis network."""
    return "blocks.4x4.const" in state


def is_pulse_mapping(state: State) -> bool:
    """Whether a state dict has the names of PULSE's mapping network."""
    return "dense0.weight" in state and not any(name.startswith("blocks.") for name in state)


def pulse(synthesis: State, mapping: State | None) -> StyleGAN:
    """From the two files that PULSE loads; without the mapping only w is known.

    Parameters
    ----------
    synthesis : dict of str to torch.Tensor
        The state dict of the synthesis network.
    mapping : dict of str to torch.Tensor or None
        The state dict of the mapping network.

    Raises
    ------
    KeyError, ValueError
        Where weights are missing or do not fit together.
    """
    state = synthesis
    sizes = sorted(
        int(name.split("x")[0]) for name in {key.split(".")[1] for key in state if "blocks." in key}
    )
    widths = [len(state[f"blocks.{size}x{size}.epi2.noise.weight"]) for size in sizes]
    w_dim = state["blocks.4x4.epi1.style_mod.lin.weight"].shape[1]
    of_mapping = mapping or {}
    widths_of_mapping = mapping_widths(of_mapping, r"dense(\d+)\.weight")
    generator = outline(
        lambda: StyleGAN(
            resolution=sizes[-1],
            z_dim=of_mapping["dense0.weight"].shape[1] if widths_of_mapping else w_dim,
            w_dim=w_dim,
            widths=widths,
            mapping_widths=widths_of_mapping,
            channels=len(state["torgb.bias"]),
            epsilon=1e-5,
        )
    )
    ours = _mapping(of_mapping, "dense{}", len(widths_of_mapping))
    ours["mapping_network.w_avg"] = torch.zeros(w_dim)
    ours["layers.0.const"] = state["blocks.4x4.const"]
    for number, size in enumerate(sizes):
        block = f"blocks.{size}x{size}"
        first, second = ("", "conv") if number == 0 else ("conv0_up", "conv1")
        for index, convolution, epilogue in ((2 * number, first, "epi1"), (2 * number + 1, second, "epi2")):
            there = f"layers.{index}"
            bias = f"{block}.{convolution}.bias" if convolution else f"{block}.bias"
            ours[f"{there}.epilogue.bias"] = state[bias]
            if convolution:
                ours[f"{there}.weight"] = state[f"{block}.{convolution}.weight"]
            ours[f"{there}.epilogue.noise_weight"] = state[f"{block}.{epilogue}.noise.weight"]
            # PULSE draws its noise; none is stored.
            ours[f"{there}.epilogue.noise"] = no_noise(1, 1, size, size)
            for part in ("weight", "bias"):
                ours[f"{there}.epilogue.style.{part}"] = state[f"{block}.{epilogue}.style_mod.lin.{part}"]
    ours |= {"output.weight": state["torgb.weight"], "output.bias": state["torgb.bias"]}
    return assembled(generator, ours)


def tiny(state: State) -> TinyDecoder:
    """From a state dict whose names are places in one long chain of layers.

    Parameters
    ----------
    state : dict of str to torch.Tensor
        As the repository of the tiny autoencoders publishes it.

    Raises
    ------
    KeyError, ValueError
        Where weights are missing or do not fit together.
    """
    settings = settings_of(state)
    return assembled(
        outline(lambda: TinyDecoder(**settings)), {place_of(name): one for name, one in state.items()}
    )


def tensors_of(content: object, file_size: int) -> State:
    """The tensors of a state dict in 32 bits, all else left out; bounded by the size of the file.

    Parameters
    ----------
    content : object
        What a file holds; nothing is found in what is no dict.
    file_size : int
        Bytes of the file.

    Raises
    ------
    UnsafePickleError
        Where they together are many times larger than the file.
    """
    if not isinstance(content, dict):
        return {}
    return as_floats({k: v for k, v in content.items() if isinstance(v, torch.Tensor)}, file_size)


def from_state_dict(
    content: dict[str, object], file_size: int, mapping: State | None = None
) -> Generator | None:
    """A generator from the content of a torch file, or None where the names are of no known kind.

    Parameters
    ----------
    content : dict
        What the file holds: a state dict, or one or more of them by name.
    file_size : int
        Bytes of the file, and of the one that `mapping` is from.
    mapping : dict of str to torch.Tensor, optional
        PULSE's mapping network.

    Raises
    ------
    ValueError
        Where the weights do not fit together, or `mapping` belongs to no network of PULSE.
    """
    mean = None
    for _ in range(_MOST_HOLDERS):
        holder = next((name for name in _HOLDERS if isinstance(content.get(name), dict)), None)
        if holder is None:
            break
        mean = tensors_of(content, file_size).get("latent_avg")
        content = content[holder]  # type: ignore[assignment]
    state = tensors_of(content, file_size)
    if is_pulse_synthesis(state):
        return pulse(state, mapping)
    if mapping is not None:
        raise ValueError("mapping=… belongs to the synthesis network of PULSE, and this file holds another")
    if is_rosinality(state):
        return rosinality(state, mean)
    if is_tiny_decoder(state):
        return tiny(state)
    state = modernised(state)
    for is_kind, read in (
        (is_pggan, pggan),
        (is_genforce_stylegan, genforce_stylegan),
        (is_genforce_stylegan2, genforce_stylegan2),
    ):
        if is_kind(state):
            return read(state)
    return None
