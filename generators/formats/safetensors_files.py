"""Our own files: the weights of a generator as ``.safetensors``, with its architecture and settings as metadata."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from zeroshot.files import write_atomically
from zeroshot.spelling import CHOOSE_ANOTHER, OutputExistsError

from ..generator import Generator
from ..pggan import ProgressiveGAN
from ..stylegan import StyleGAN
from ..stylegan2 import StyleGAN2
from ..stylegan3 import StyleGAN3
from ..tiny_decoder import TinyDecoder
from .errors import first_line
from .memory_budget import as_floats
from .network_weights import on_meta_device, with_weights

_ARCHITECTURES: dict[str, type[Generator]] = {
    kind.architecture: kind for kind in (ProgressiveGAN, StyleGAN, StyleGAN2, StyleGAN3, TinyDecoder)
}
_FORMAT = "zeroshot-generator-1"


def _safetensors() -> Any:
    try:
        import safetensors.torch
    except ImportError as error:
        raise ImportError(
            'reading .safetensors needs safetensors: pip install "zeroshot-restore[generators]"'
        ) from error
    return safetensors


def read_safetensors(path: Path) -> Generator:
    """The generator in a file that :func:`save` wrote.

    Raises
    ------
    ValueError
        Where something else wrote the file, or it is damaged.
    """
    safetensors = _safetensors()
    try:
        with safetensors.safe_open(path, "pt") as file:
            metadata = file.metadata() or {}
            state = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path.name} is no whole .safetensors file: {first_line(error)}") from None
    if metadata.get("format") != _FORMAT:
        raise ValueError(
            f"{path.name} was not written by zeroshot: it does not say which architecture it holds"
        )
    kind = _ARCHITECTURES.get(metadata.get("architecture", ""))
    if kind is None:
        raise ValueError(f"{path.name} holds an unknown architecture {metadata.get('architecture')!r}")
    settings = json.loads(metadata["settings"])
    return with_weights(on_meta_device(lambda: kind(**settings)), as_floats(state, path.stat().st_size))


def check_output(path: Path, *, overwrite: bool) -> None:
    """Make sure that a generator can and may be written to `path`, before a large file is read.

    Raises
    ------
    ValueError
        Where the name does not end in ``.safetensors``.
    FileExistsError, FileNotFoundError
        Where the file exists and `overwrite` is False, or its folder does not.
    """
    if path.suffix != ".safetensors":
        raise ValueError(f"generators are written as .safetensors, got {path.name}")
    if path.exists() and not overwrite:
        raise OutputExistsError(f"{path} exists", CHOOSE_ANOTHER)
    if not path.absolute().parent.is_dir():
        raise FileNotFoundError(f"the folder of the output does not exist: {path.absolute().parent}")


def save(generator: Generator, path: str | Path, *, overwrite: bool = False) -> None:
    """Write a generator as ``.safetensors``, with its architecture in the metadata.

    Parameters
    ----------
    generator : Generator
        Of one of the published architectures.
    path : str or Path
        The file, which appears when it is whole.
    overwrite : bool
        Whether an existing file is replaced.

    Raises
    ------
    ValueError
        Where the name does not end in ``.safetensors``, or the generator is a wrapped module, which a file cannot
        describe.
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
    write_atomically(path, safetensors.torch.save(state, metadata), overwrite=overwrite)
