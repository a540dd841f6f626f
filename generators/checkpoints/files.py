"""Files → generators: what a file is, is seen from what it holds."""

from __future__ import annotations

import json
import os
import pickle
import tempfile
import zipfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from ..generator import Generator
from ..pggan import ProgressiveGAN
from ..stylegan import StyleGAN
from ..stylegan2 import StyleGAN2
from ..stylegan3 import StyleGAN3
from ..tiny_decoder import TinyDecoder
from . import nvidia, state_dicts, tensorflow
from .unpickler import UnsafePickleError, read_pickle

_ARCHITECTURES: dict[str, type[Generator]] = {
    kind.architecture: kind for kind in (ProgressiveGAN, StyleGAN, StyleGAN2, StyleGAN3, TinyDecoder)
}
_FORMAT = "zeroshot-generator-1"


def load(path: str | Path, mapping: str | Path | None = None) -> Generator:
    """The generator in a checkpoint, in evaluation mode, its weights not trained.

    Read are the pickles of NVIDIA (stylegan2-ada, stylegan3, and the older TensorFlow ones), the torch files of
    rosinality's StyleGAN2, genforce, mGANprior and PULSE, and our own ``.safetensors``.

    Parameters
    ----------
    path : str or Path
        The file; of PULSE the one with the synthesis network.
    mapping : str or Path, optional
        PULSE's file with the mapping network.

    Raises
    ------
    FileNotFoundError, ValueError
        Where there is no such file, or it holds no generator of a known kind.
    UnsafePickleError
        Where the file asks for anything but data to be read; the message names it.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file of weights {path}")
    try:
        generator = _read(path, mapping)
    except UnsafePickleError as error:
        raise UnsafePickleError(f"{path.name}: {error}") from None
    except (KeyError, IndexError, AttributeError, TypeError, RuntimeError) as error:
        first = (str(error).splitlines() or [""])[0]
        raise ValueError(f"{path.name}: the weights do not fit together: {first}") from error
    except ValueError as error:
        raise error if path.name in str(error) else ValueError(f"{path.name}: {error}") from None
    return generator.eval().requires_grad_(False)


def _read(path: Path, mapping: str | Path | None) -> Generator:
    with open(path, "rb") as file:
        start = file.read(16)
    if path.suffix == ".safetensors":
        return _read_own(path)
    if zipfile.is_zipfile(path) or _is_legacy_torch(path):
        content = _torch_content(path)
        if state_dicts.is_pulse_mapping(content):
            raise ValueError(
                f"{path.name} is the mapping network of PULSE; load the synthesis network, with mapping=…"
            )
        beside = None if mapping is None else _torch_content(Path(mapping))
        if beside is not None and not state_dicts.is_pulse_mapping(beside):
            raise ValueError(f"{Path(mapping or '').name} holds no mapping network of PULSE")
        generator = state_dicts.from_state_dict(content, beside)
    elif start[:1] == b"\x80" or path.suffix == ".pkl":
        content = read_pickle(path.read_bytes())
        read = nvidia.read if nvidia.is_network_file(content) else tensorflow.read
        generator = read(content)
    else:
        raise ValueError(f"{path.name} is no checkpoint of a known format")
    if generator is None:
        raise ValueError(f"{path.name} holds no generator of a known architecture")
    return generator


def _is_legacy_torch(path: Path) -> bool:
    """Whether the file is in torch's format before 1.6: several pickles one after another, the first a number."""
    with open(path, "rb") as file:
        return b"\x8a\nl\xfc\x9cF\xf9 j\xa8P\x19" in file.read(32)


def _torch_content(path: Path) -> dict[str, Any]:
    try:
        content = torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        first = str(error).splitlines()[0] if str(error) else "it is no file of tensors"
        raise UnsafePickleError(f"{path.name} holds more than tensors and is not read: {first}") from None
    if isinstance(content, Mapping):
        return dict(content)
    raise ValueError(f"{path.name} holds a {type(content).__name__}, not a state dict")


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise ImportError(
            "reading .safetensors needs safetensors: pip install 'zeroshot[generators]'"
        ) from error
    return safetensors


def _read_own(path: Path) -> Generator:
    safetensors = _safetensors()
    with safetensors.safe_open(path, "pt") as file:
        metadata = file.metadata() or {}
        state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    if metadata.get("format") != _FORMAT:
        raise ValueError(
            f"{path.name} was not written by zeroshot: it does not say which architecture it holds"
        )
    kind = _ARCHITECTURES.get(metadata.get("architecture", ""))
    if kind is None:
        raise ValueError(f"{path.name} holds an unknown architecture {metadata.get('architecture')!r}")
    generator = kind(**json.loads(metadata["settings"]))
    generator.load_state_dict(state)
    return generator


def save(generator: Generator, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a generator as ``.safetensors``, with its architecture in the metadata.

    Raises
    ------
    ValueError
        Where the name ends otherwise, or the generator is a wrapped module, which a file cannot describe.
    FileExistsError
        Where the file exists and `overwrite` is False.
    """
    path = Path(path)
    if path.suffix != ".safetensors":
        raise ValueError(f"generators are written as .safetensors, got {path.name}")
    if generator.architecture not in _ARCHITECTURES:
        raise ValueError(
            f"a {generator.architecture} generator cannot be written: only its module knows its code"
        )
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; choose another name or allow overwriting")
    safetensors = _safetensors()
    state = {
        name: tensor.detach().cpu().contiguous().clone() for name, tensor in generator.state_dict().items()
    }
    metadata = {
        "format": _FORMAT,
        "architecture": generator.architecture,
        "settings": json.dumps(generator.settings),  # type: ignore[attr-defined]
    }
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.", suffix=".part")
    os.close(handle)
    try:
        safetensors.torch.save_file(state, temporary, metadata)
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def describe(generator: Generator) -> dict[str, Any]:
    """What a generator is, by name, for a listing."""
    parameters = sum(parameter.numel() for parameter in generator.parameters())
    return {
        "architecture": generator.architecture,
        "resolution": generator.resolution,
        "channels": generator.channels,
        "z_dim": generator.z_dim,
        "w_dim": generator.w_dim,
        "label_dim": generator.label_dim,
        "latents": generator.num_latents,
        "layers": generator.num_layers,
        "noise_inputs": len(generator.noise_shapes),
        "parameters": parameters,
    }
