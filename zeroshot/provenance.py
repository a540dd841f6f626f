"""Options and settings in a form that JSON can hold, so that a result records how it was made."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from zeroshot.operators.operator import Operator
from zeroshot.prior import Prior

#: An operator that holds more tensors than this is given one checksum for them all.
_MOST_DIGESTS = 4


def described(value: Any) -> Any:
    """An option or setting as JSON can hold it: what holds pixels by its size and checksum."""
    if value is None or isinstance(value, bool | int | float):
        return value
    if isinstance(value, np.number):
        return value.item()
    if isinstance(value, tuple | list):
        return [described(item) for item in value]
    if isinstance(value, dict):
        return {str(name): described(item) for name, item in value.items()}
    if isinstance(value, Prior):
        return {"prior": value.name, **described(value.settings())}
    if isinstance(value, str | Path):
        path = Path(value).expanduser() if len(str(value)) < 4096 else None
        is_file = path is not None and path.is_file()
        name = value.as_posix() if isinstance(value, Path) else value
        return f"{name} sha256 {_file_digest(path)}" if is_file and path is not None else name
    if isinstance(value, Operator):
        pixels = [_pixels_digest(buffer) for buffer in value.buffers()]
        if len(pixels) > _MOST_DIGESTS:
            pixels = [_digest(" ".join(pixels).encode())]
        return " ".join([value.describe(), *(f"sha256 {digest}" for digest in pixels)])
    if isinstance(value, torch.Tensor | np.ndarray | Image.Image):
        size = value.size if isinstance(value, Image.Image) else value.shape
        shape = "×".join(map(str, size))
        return f"{type(value).__name__} {shape} sha256 {_pixels_digest(value)}"
    if isinstance(value, torch.nn.Module):
        weights = hashlib.sha256()
        for name, tensor in value.state_dict().items():
            weights.update(f"{name} {_pixels_digest(tensor)}".encode())
        return f"{type(value).__name__} sha256 {weights.hexdigest()[:16]}"
    if callable(value):
        return getattr(value, "__qualname__", type(value).__name__)
    return repr(value)


def _pixels_digest(value: Any) -> str:
    array = value.detach().cpu().float().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    return _digest(np.ascontiguousarray(array).tobytes())


def _file_digest(path: Path) -> str:
    digest = hashlib.sha256()
    with open(path, "rb") as file:
        while piece := file.read(1 << 20):
            digest.update(piece)
    return digest.hexdigest()[:16]


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
