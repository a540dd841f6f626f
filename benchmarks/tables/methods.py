"""The columns of the tables: methods as :mod:`zeroshot.compare` writes them, run on one damaged image."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import numpy as np
import torch

from zeroshot.compare.method import Case, Method
from zeroshot.compare.methods.arrays import to_array, to_tensor


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
        Where the method cannot do this task, or makes no image of it.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)
        case = Case.of(damaged, task, options, seconds=seconds)
    reason = method.supports(case)
    if reason is not None:
        raise ValueError(f"{method.name} cannot do this: {reason}")
    pixels = method.restore(to_array(damaged), case)
    if not np.isfinite(pixels).all():
        raise ValueError(f"{method.name} made values that are not finite")
    return to_tensor(np.clip(pixels, 0, 1))
