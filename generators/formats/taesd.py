"""State dicts of the decoders of tiny autoencoders (TAESD and its relatives), which name weights by their place."""

from __future__ import annotations

import re
from typing import Any

import torch

from ..tiny_decoder import BLOCKS, LEVELS, TinyDecoder
from .network_weights import on_meta_device, with_weights

State = dict[str, torch.Tensor]


def is_decoder(state: State) -> bool:
    """Whether a state dict has the names of a decoder in the repository of the tiny autoencoders."""
    return "3.conv.0.weight" in state and "19.weight" in state and "1.weight" in state


def decoder(state: State) -> TinyDecoder:
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
    settings = _settings(state)
    return with_weights(
        on_meta_device(lambda: TinyDecoder(**settings)), {_our_name(name): one for name, one in state.items()}
    )


def _settings(state: State) -> dict[str, Any]:
    """The settings of the decoder that a state dict is of."""
    width, latent_channels = state["1.weight"].shape[:2]
    return {
        "latent_channels": latent_channels,
        "width": width,
        "pooled": "pooled" if "3.pool.0.weight" in state else "plain",
        "channels": state["19.weight"].shape[0],
    }


def _our_name(name: str) -> str:
    """Our name for a weight of the published decoders, whose names are places in one long chain of layers.

    Raises
    ------
    ValueError
        Where no layer has that place.
    """
    match = re.fullmatch(r"(\d+)\.(.+)", name)
    place = None if match is None else _places().get(int(match[1]))
    if match is None or place is None:
        raise ValueError(f"the decoder has a layer of unknown name: {name}")
    return f"stages.{place}.{match[2]}"


def _places() -> dict[int, str]:
    """Of the layers with weights in the chain, which counts bounds, rectifiers and enlargements too."""
    last = 1 + LEVELS * (BLOCKS + 1)
    places = {1: "0.0", 18: f"{last}.0", 19: f"{last + 1}.0"}
    for level in range(LEVELS):
        first, stage = 3 + 5 * level, 1 + 4 * level
        places |= {first + block: f"{stage + block}.0" for block in range(BLOCKS)}
        places[first + 4] = f"{stage + 3}.1"
    return places
