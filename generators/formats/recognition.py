"""Files → generators; the format is recognised by what a file holds."""

from __future__ import annotations

import zipfile
import zlib
from pathlib import Path

from ..generator import Generator
from . import nvidia_pytorch, nvidia_tensorflow, pulse, state_dicts
from .errors import UnsafePickleError, first_line
from .network_pickles import read_pickle
from .safetensors_files import read_safetensors
from .torch_files import is_torch_file, load_state_dict

#: What reading a file may raise whose parts contradict each other.
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
    """The generator in a file of weights, in evaluation mode, its weights not trainable.

    The formats are NVIDIA's pickles (stylegan2-ada, stylegan3, and the older ones of TensorFlow), the torch files of
    rosinality's StyleGAN2, genforce, mGANprior, PULSE and TAESD, and our own ``.safetensors``. No weights are drawn
    on the way, so torch's random state stays as it is.

    Parameters
    ----------
    path : str or Path
        The file; for PULSE, the one with the synthesis network.
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
        raise ValueError(f"{path.name}: the weights do not fit together: {first_line(error)}") from None
    except ValueError as error:
        raise ValueError(_named(path, error)) from None
    return generator.eval().requires_grad_(False)


def _named(path: Path, error: Exception) -> str:
    """The first line of an error, with the file's name in front unless the line has it."""
    first = first_line(error)
    return first if path.name in first else f"{path.name}: {first}"


def _read(path: Path, mapping: Path | None) -> Generator:
    with open(path, "rb") as file:
        start = file.read(16)
    size = path.stat().st_size
    if is_torch_file(path):
        generator = _read_state_dict(path, mapping)
        if generator is None:
            raise ValueError(
                f"{path.name} holds no generator of a known architecture, and weights alone do not tell the network: "
                "build its module, load them into it (zeroshot.generators.formats.load_state_dict), and pass "
                "Generator.wrap(module, latent_shape=(…,)); on the command line, give --weights "
                "python:FILE.py:FUNCTION, a function that returns it"
            )
        return generator
    if mapping is not None:
        raise ValueError("mapping=… belongs to the synthesis network of PULSE, and this file holds another")
    if path.suffix == ".safetensors":
        return read_safetensors(path)
    if start[:1] == b"\x80" or path.suffix == ".pkl":
        content = read_pickle(path.read_bytes())
        read = nvidia_pytorch.read if nvidia_pytorch.is_network_file(content) else nvidia_tensorflow.read
        return _known(read(content, size), path)
    raise ValueError(f"{path.name} is no checkpoint of a known format")


def _known(generator: Generator | None, path: Path) -> Generator:
    if generator is None:
        raise ValueError(f"{path.name} holds no generator of a known architecture")
    return generator


def _read_state_dict(path: Path, mapping: Path | None) -> Generator | None:
    content = load_state_dict(path)
    if pulse.is_mapping(content):
        raise ValueError(
            f"{path.name} is the mapping network of PULSE; load the synthesis network, with mapping=…"
        )
    size, beside = path.stat().st_size, None
    if mapping is not None:
        size += mapping.stat().st_size
        beside = state_dicts.tensors_of(load_state_dict(mapping), size)
        if not pulse.is_mapping(beside):
            raise ValueError(f"{mapping.name} holds no mapping network of PULSE")
    return state_dicts.from_state_dict(content, size, beside)
