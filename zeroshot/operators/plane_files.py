"""Kernels and masks in files: the arrays of .npy files, or images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zeroshot import images


def kernel_file(path: str | os.PathLike) -> torch.Tensor:
    """The kernel in a file, (height, width): the array of a .npy file, in float64, or the brightness of an image.

    Raises
    ------
    FileNotFoundError, ValueError
        In one line that names the file.
    """
    if _holds_array(path):
        return torch.from_numpy(_array(path, "kernel", np.float64))
    return images.load(path, subject="kernel").colours[0].mean(dim=0)


def mask_file(path: str | os.PathLike) -> np.ndarray | torch.Tensor:
    """The mask in a file, as :class:`zeroshot.operators.Mask` takes it.

    Raises
    ------
    FileNotFoundError, ValueError
        In one line that names the file.
    """
    if _holds_array(path):
        return _array(path, "mask", None)
    return mask_image(path)


def mask_image(source: Any) -> torch.Tensor:
    """The mask that an image shows, (N, 1, H, W): 1 where it is not dark."""
    return (images.load(source, subject="mask").colours.mean(dim=1, keepdim=True) >= 0.5).float()


def _holds_array(path: str | os.PathLike) -> bool:
    return Path(path).suffix.lower() == ".npy"


def _array(path: str | os.PathLike, subject: str, dtype: type | None) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
        return array if dtype is None else array.astype(dtype)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no such {subject} file: {path}") from None
    except (OSError, ValueError, EOFError) as error:
        raise ValueError(f"the {subject} file holds no array: {path}") from error
