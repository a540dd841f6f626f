"""Kernels and masks in files: the arrays of .npy files, or images."""

from __future__ import annotations

import math
import os
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from zeroshot import images
from zeroshot.files import require_file
from zeroshot.operators import kernels
from zeroshot.operators.mask_values import Known, known_in_picture, known_of


def kernel_file(path: str | os.PathLike) -> torch.Tensor:
    """The kernel in a file, (height, width): the array of a .npy file, in float64, or the brightness of an image.

    A .npy file may hold kernels on a grid, (rows, columns, height, width).

    Raises
    ------
    FileNotFoundError, ValueError
        In one line that names the file.
    """
    if _holds_array(path):
        array = read_array(path, "kernel", kernels.LARGEST_SIDE)
        if array.dtype.kind == "c":
            raise ValueError(f"the kernel file holds complex numbers, and the weights must be real: {path}")
        return torch.from_numpy(array.astype(np.float64))
    with images.largest_side(kernels.LARGEST_SIDE, "a kernel"):
        return images.load(path, subject="kernel").colours[0].mean(dim=0)


def mask_file(path: str | os.PathLike) -> Known:
    """The mask in a file, (H, W) or as the array of a .npy file is.

    Raises
    ------
    FileNotFoundError, ValueError
        In one line that names the file.
    """
    if _holds_array(path):
        return known_of(read_array(path, "mask"))
    return mask_image(path)


def mask_image(source: Any) -> Known:
    """The mask that an image shows, see :func:`zeroshot.operators.mask_values.known_in_picture`."""
    return known_in_picture(images.load(source, subject="mask"))


def _holds_array(path: str | os.PathLike) -> bool:
    return Path(path).suffix.lower() == ".npy"


def read_array(path: str | os.PathLike, subject: str, largest_side: int | None = None) -> np.ndarray:
    """The array of numbers in a .npy file, nothing else that NumPy would read, and no larger than the file.

    Raises
    ------
    FileNotFoundError, ValueError
        In one line that names the file.
    """
    wrong = f"the {subject} file is no .npy file, as numpy.save writes them: {path}"
    require_file(path)
    try:
        file = open(path, "rb")  # noqa: SIM115 - closed by the block below
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no such {subject} file: {path}") from None
    except OSError:
        raise ValueError(wrong) from None
    with file:
        try:
            shape, dtype = _head(file)
        except Exception:  # NumPy raises anything at all on bytes that are not its own
            raise ValueError(wrong) from None
        if dtype.kind not in "biufc":
            kind = "Python objects" if dtype.hasobject else f"values of type {dtype}"
            raise ValueError(f"the {subject} file holds {kind}, not numbers: {path}")
        size = " × ".join(map(str, shape))
        announced, held = math.prod(shape) * dtype.itemsize, os.fstat(file.fileno()).st_size - file.tell()
        if largest_side is not None and max(shape, default=0) > largest_side:
            limit = f"{largest_side} × {largest_side}"
            raise ValueError(f"the {subject} file is too large ({size}); the limit is {limit}: {path}")
        if announced > held:
            raise ValueError(f"the {subject} file is truncated: {size} values announced: {path}")
        file.seek(0)
        try:
            return np.lib.format.read_array(file, allow_pickle=False)
        except (OSError, ValueError):
            raise ValueError(wrong) from None


def _head(file: BinaryIO) -> tuple[tuple[int, ...], np.dtype]:
    """Shape and type of the array in a .npy file that is at its beginning."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, _, dtype = read(file)
    if any(length < 0 for length in shape):
        raise ValueError("a negative length")
    return shape, dtype
