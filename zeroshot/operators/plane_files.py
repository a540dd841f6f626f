"""Kernels and masks in files: the arrays of .npy files, or images."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zeroshot import images
from zeroshot.operators.mask_values import Known, known_in_picture, known_of


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


def mask_file(path: str | os.PathLike) -> Known:
    """The mask in a file, (H, W) or as the array of a .npy file is.

    Raises
    ------
    FileNotFoundError, ValueError
        In one line that names the file.
    """
    if _holds_array(path):
        return known_of(_array(path, "mask", None))
    return mask_image(path)


def mask_image(source: Any) -> Known:
    """The mask that an image shows, see :func:`zeroshot.operators.mask_values.known_in_picture`."""
    return known_in_picture(images.load(source, subject="mask"))


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
