"""The columns of the tables: methods as :mod:`zeroshot.compare` writes them, run on one damaged image."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from zeroshot.compare.method import Case, Method
from zeroshot.images import load
from zeroshot.tasks import make_problem


def restored(
    method: Method,
    damaged: torch.Tensor,
    task: str,
    options: Mapping[str, Any],
    seconds: float | None = None,
) -> torch.Tensor:
    """The image (1, C, H, W) in [0, 1] that a method makes of a damaged one (1, C, h, w).

    Raises
    ------
    ValueError
        Where the method cannot do this task.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        problem, _, complete = make_problem(task, load(damaged), dict(options))
    case = Case(task, complete, problem, seconds)
    reason = method.supports(case)
    if reason is not None:
        raise ValueError(f"{method.name} cannot do this: {reason}")
    pixels = method.restore(_array(damaged), case)
    return _tensor(np.clip(np.nan_to_num(pixels), 0, 1))


def _array(image: torch.Tensor) -> np.ndarray:
    """H × W for grey, H × W × C for colour, float32."""
    pixels = image[0].float().permute(1, 2, 0).contiguous().numpy()
    return pixels[..., 0] if pixels.shape[2] == 1 else pixels


def _tensor(pixels: np.ndarray) -> torch.Tensor:
    planes = pixels[..., None] if pixels.ndim == 2 else pixels
    return torch.from_numpy(np.ascontiguousarray(planes, dtype=np.float32)).permute(2, 0, 1)[None]
