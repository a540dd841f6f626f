"""The state dicts of PULSE: StyleGAN in two files, the synthesis and the mapping network."""

from __future__ import annotations

import torch

from ..stylegan import StyleGAN
from .mapping_layers import STYLEGAN_BIAS_DIVISOR, mapping_weights, mapping_widths
from .network_weights import on_meta_device, with_weights, zero_noise

State = dict[str, torch.Tensor]


def is_synthesis(state: State) -> bool:
    """Whether a state dict has the names of PULSE's synthesis network."""
    return "blocks.4x4.const" in state


def is_mapping(state: State) -> bool:
    """Whether a state dict has the names of PULSE's mapping network."""
    return "dense0.weight" in state and not any(name.startswith("blocks.") for name in state)


def stylegan(synthesis: State, mapping: State | None) -> StyleGAN:
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
    generator = on_meta_device(
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
    ours = mapping_weights(of_mapping, "dense{}", len(widths_of_mapping), bias_divisor=STYLEGAN_BIAS_DIVISOR)
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
            ours[f"{there}.epilogue.noise"] = zero_noise(1, 1, size, size)
            for part in ("weight", "bias"):
                ours[f"{there}.epilogue.style.{part}"] = state[f"{block}.{epilogue}.style_mod.lin.{part}"]
    ours |= {"output.weight": state["torgb.weight"], "output.bias": state["torgb.bias"]}
    return with_weights(generator, ours)
