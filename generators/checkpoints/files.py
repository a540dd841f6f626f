"""Files → generators: what a file is, is seen from what it holds."""

from __future__ import annotations

import json
import os
import secrets
import stat
import tempfile
import zipfile
import zlib
from pathlib import Path
from typing import Any

from ..generator import Generator
from ..pggan import ProgressiveGAN
from ..stylegan import StyleGAN
from ..stylegan2 import StyleGAN2
from ..stylegan3 import StyleGAN3
from ..tiny_decoder import TinyDecoder
from . import nvidia, state_dicts, tensorflow
from .assembly import assembled, outline
from .budget import UnsafePickleError, as_floats
from .torch_files import is_torch_file, load_tensors
from .unpickler import read_pickle

_ARCHITECTURES: dict[str, type[Generator]] = {
    kind.architecture: kind for kind in (ProgressiveGAN, StyleGAN, StyleGAN2, StyleGAN3, TinyDecoder)
}
_FORMAT = "zeroshot-generator-1"


#: What a file may raise that lies about what it holds.
_MISFITS = (
    KeyError,
    IndexError,
    AttributeError,
    TypeError,
    RuntimeError,
    ArithmeticError,
    EOFError,
    zipfile.BadZipFile,
    zlib.error,
)


def load(path: str | Path, mapping: str | Path | None = None) -> Generator:
    """The generator in a checkpoint, in evaluation mode, its weights not trained.

    Read are the pickles of NVIDIA (stylegan2-ada, stylegan3, and the older TensorFlow ones), the torch files of
    rosinality's StyleGAN2, genforce, mGANprior and PULSE, and our own ``.safetensors``. No weights are drawn
    meanwhile: torch's random state stays as it is.

    Parameters
    ----------
    path : str or Path
        The file; of PULSE the one with the synthesis network.
    mapping : str or Path, optional
        PULSE's file with the mapping network.

    Returns
    -------
    Generator
        On the CPU.

    Raises
    ------
    FileNotFoundError
        Where there is no such file.
    ValueError
        Where the file holds no generator of a known kind, is damaged, or describes more than its bytes can hold;
        or where `mapping` is given with another file than PULSE's.
    UnsafePickleError
        Where the file asks for anything but data to be read; the message names it.
    """
    path = Path(path)
    for one in (path, *([] if mapping is None else [Path(mapping)])):
        if not one.is_file():
            raise FileNotFoundError(f"there is no file of weights {one}")
    try:
        generator = _read(path, None if mapping is None else Path(mapping))
    except UnsafePickleError as error:
        raise UnsafePickleError(_named(path, error)) from None
    except MemoryError:
        raise ValueError(
            f"{path.name}: the file is hostile or damaged: it asks for too much memory"
        ) from None
    except _MISFITS as error:
        raise ValueError(f"{path.name}: the weights do not fit together: {_first_line(error)}") from None
    except ValueError as error:
        raise ValueError(_named(path, error)) from None
    return generator.eval().requires_grad_(False)


def _named(path: Path, error: Exception) -> str:
    """The first line of an error, with the file's name unless it has it."""
    first = _first_line(error)
    return first if path.name in first else f"{path.name}: {first}"


def _first_line(error: BaseException) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]


def _read(path: Path, mapping: Path | None) -> Generator:
    with open(path, "rb") as file:
        start = file.read(16)
    size = path.stat().st_size
    if is_torch_file(path):
        return _known(_read_state_dict(path, mapping), path)
    if mapping is not None:
        raise ValueError("mapping=… belongs to the synthesis network of PULSE, and this file holds another")
    if path.suffix == ".safetensors":
        return _read_own(path)
    if start[:1] == b"\x80" or path.suffix == ".pkl":
        content = read_pickle(path.read_bytes())
        read = nvidia.read if nvidia.is_network_file(content) else tensorflow.read
        return _known(read(content, size), path)
    raise ValueError(f"{path.name} is no checkpoint of a known format")


def _known(generator: Generator | None, path: Path) -> Generator:
    if generator is None:
        raise ValueError(f"{path.name} holds no generator of a known architecture")
    return generator


def _read_state_dict(path: Path, mapping: Path | None) -> Generator | None:
    content = _torch_content(path)
    if state_dicts.is_pulse_mapping(content):
        raise ValueError(
            f"{path.name} is the mapping network of PULSE; load the synthesis network, with mapping=…"
        )
    size, beside = path.stat().st_size, None
    if mapping is not None:
        size += mapping.stat().st_size
        beside = state_dicts.tensors_of(_torch_content(mapping), size)
        if not state_dicts.is_pulse_mapping(beside):
            raise ValueError(f"{mapping.name} holds no mapping network of PULSE")
    return state_dicts.from_state_dict(content, size, beside)


def _torch_content(path: Path) -> dict[str, Any]:
    content = load_tensors(path)
    if isinstance(content, dict):
        return {str(name): value for name, value in content.items()}
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
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path.name} is no whole .safetensors file: {_first_line(error)}") from None
    if metadata.get("format") != _FORMAT:
        raise ValueError(
            f"{path.name} was not written by zeroshot: it does not say which architecture it holds"
        )
    kind = _ARCHITECTURES.get(metadata.get("architecture", ""))
    if kind is None:
        raise ValueError(f"{path.name} holds an unknown architecture {metadata.get('architecture')!r}")
    settings = json.loads(metadata["settings"])
    return assembled(outline(lambda: kind(**settings)), as_floats(state, path.stat().st_size))


def check_output(path: Path, *, overwrite: bool) -> None:
    """Whether a generator can be written to `path` and may be, to be known before a large file is read.

    Raises
    ------
    ValueError
        Where the name does not end as our files do.
    FileExistsError, FileNotFoundError
        Where the file exists and `overwrite` is False, or its folder does not.
    """
    if path.suffix != ".safetensors":
        raise ValueError(f"generators are written as .safetensors, got {path.name}")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; choose another name or allow overwriting")
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"the folder of the output does not exist: {path.absolute().parent}")


def save(generator: Generator, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a generator as ``.safetensors``, with its architecture in the metadata.

    Parameters
    ----------
    generator : Generator
        Of one of the published architectures.
    path : str or Path
        The file; it is written beside and put into its place when whole.
    overwrite : bool
        Whether the file may be there already.

    Raises
    ------
    ValueError
        Where the name ends otherwise, or the generator is a wrapped module, which a file cannot describe.
    FileExistsError, FileNotFoundError
        Where the file exists and `overwrite` is False, or its folder does not.
    """
    path = Path(path)
    check_output(path, overwrite=overwrite)
    if generator.architecture not in _ARCHITECTURES:
        raise ValueError(
            f"a {generator.architecture} generator cannot be written: only its module knows its code"
        )
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
        os.chmod(temporary, _usual_mode(path))
        os.replace(temporary, path)
    finally:
        Path(temporary).unlink(missing_ok=True)


def _usual_mode(path: Path) -> int:
    """The permissions that the file has, or that a new one would get; temporary files are private."""
    if path.exists():
        return stat.S_IMODE(path.stat().st_mode)
    # The mask can be read only by setting it, so a file is made to see.
    probe = path.with_name(f".{path.name}.{secrets.token_hex(4)}.mode")
    try:
        os.close(os.open(probe, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
        return stat.S_IMODE(probe.stat().st_mode)
    finally:
        probe.unlink(missing_ok=True)


def describe(generator: Generator) -> dict[str, Any]:
    """What a generator is, by name, for a listing.

    Parameters
    ----------
    generator : Generator
        Any.

    Returns
    -------
    dict of str
        Architecture, resolution, image_size, channels, lengths, numbers of layers, noise inputs and parameters.
    """
    parameters = sum(parameter.numel() for parameter in generator.parameters())
    return {
        "architecture": generator.architecture,
        "resolution": generator.resolution,
        "image_size": generator.image_size,
        "channels": generator.channels,
        "z_dim": generator.z_dim,
        "w_dim": generator.w_dim,
        "label_dim": generator.label_dim,
        "latents": generator.num_latents,
        "layers": generator.num_layers,
        "noise_inputs": len(generator.noise_shapes),
        "parameters": parameters,
    }
