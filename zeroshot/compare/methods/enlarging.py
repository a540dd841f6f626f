"""Enlarging by interpolation onto the grid of the published tables, whose pixels cover the small ones' field."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch

from zeroshot.operators.kernels import keys_cubic


def _nearest(t: np.ndarray) -> np.ndarray:
    # Half open: at even scales no position lies on the border of two pixels, at odd ones only the centre does.
    return ((t >= -0.5) & (t < 0.5)).astype(np.float64)


def _linear(t: np.ndarray) -> np.ndarray:
    return np.clip(1 - np.abs(t), 0, None)


def _lanczos(t: np.ndarray) -> np.ndarray:
    return np.where(np.abs(t) < 3, np.sinc(t) * np.sinc(t / 3), 0.0)


#: Kernel and the number of small pixels that it reaches to either side.
_KERNELS: dict[str, tuple[Callable[[np.ndarray], np.ndarray], int]] = {
    "nearest": (_nearest, 1),
    "bilinear": (_linear, 1),
    "bicubic": (keys_cubic, 2),
    "lanczos": (_lanczos, 3),
}
INTERPOLATIONS = tuple(_KERNELS)


def enlarge(image: torch.Tensor, scale: int, kind: str = "bicubic") -> torch.Tensor:
    """``x[i] = Σⱼ k((i + ½)/s − ½ − j) y[j]`` along rows and columns.

    Parameters
    ----------
    image : torch.Tensor
        y, (N, C, H, W).
    scale : int
        s, at least 1.
    kind : str
        "nearest", "bilinear", "bicubic" (Keys, a = −1/2, as MATLAB's imresize) or "lanczos" (three lobes).

    Returns
    -------
    torch.Tensor
        (N, C, s·H, s·W); beyond the edge the outermost pixel is repeated. Not clipped.
    """
    if kind not in _KERNELS:
        raise ValueError(f"kind must be one of {', '.join(_KERNELS)}, got {kind!r}")
    if scale < 1:
        raise ValueError(f"scale must be a whole number of at least 1, got {scale!r}")
    rows = _enlarge_rows(image, scale, kind)
    return _enlarge_rows(rows.transpose(-1, -2), scale, kind).transpose(-1, -2).contiguous()


def _enlarge_rows(image: torch.Tensor, scale: int, kind: str) -> torch.Tensor:
    kernel, reach = _KERNELS[kind]
    taps = np.arange(-reach, reach + 1)
    phase = (np.arange(scale) + 0.5) / scale - 0.5
    weights = kernel(phase[None, :] - taps[:, None])
    matrix = torch.from_numpy(weights / weights.sum(axis=0)).to(image)
    first, last = image[..., :1], image[..., -1:]
    padded = torch.cat((*[first] * reach, image, *[last] * reach), dim=-1)
    return (padded.unfold(-1, len(taps), 1) @ matrix).flatten(-2)
