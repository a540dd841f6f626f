"""Options and settings as JSON can hold them, so that a result can say how it was made."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from zeroshot.operators.operator import Operator
from zeroshot.prior import Prior


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
        is_file = len(str(value)) < 4096 and Path(value).is_file()
        return f"{value} sha256 {_digest(Path(value).read_bytes())}" if is_file else str(value)
    if isinstance(value, Operator):
        pixels = [_pixels_digest(buffer) for buffer in value.buffers()]
        return " ".join([value.describe(), *(f"sha256 {digest}" for digest in pixels)])
    if isinstance(value, torch.Tensor | np.ndarray | Image.Image):
        size = value.size if isinstance(value, Image.Image) else value.shape
        shape = "×".join(map(str, size))
        return f"{type(value).__name__} {shape} sha256 {_pixels_digest(value)}"
    if isinstance(value, torch.nn.Module):
        return type(value).__name__
    if callable(value):
        return getattr(value, "__qualname__", type(value).__name__)
    return repr(value)


def _pixels_digest(value: Any) -> str:
    array = value.detach().cpu().float().numpy() if isinstance(value, torch.Tensor) else np.asarray(value)
    return _digest(np.ascontiguousarray(array).tobytes())


def _digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()[:16]
