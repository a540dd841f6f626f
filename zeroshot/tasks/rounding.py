"""Rounding of a measurement to 256 levels, as the published test images were rounded."""

from __future__ import annotations

from typing import Literal

import torch

from zeroshot.operators import Downsample, Operator, kernels

Quantise = Literal["8-bit", "none"]


def rounded(image: torch.Tensor) -> torch.Tensor:
    """The image clipped to [0, 1] and rounded to multiples of 1/255, halves upwards."""
    return _levels(image.double() * 255).div(255).to(image.dtype)


def measured(operator: Operator, image: torch.Tensor, quantise: Quantise) -> torch.Tensor:
    """A x, before noise.

    Bicubic shrinking in 8 bits rounds the columns before it shrinks the rows, as MATLAB's imresize does with
    8-bit images: that gives the published small images of super-resolution value by value.
    """
    if quantise == "8-bit" and isinstance(operator, Downsample) and operator.kernel == "bicubic":
        levels = image.double() * 255
        for axis in (-2, -1):
            levels = _levels(_shrunk(levels, operator.scale, axis))
        return levels.div(255).to(image.dtype)
    return operator(image)


def _levels(levels: torch.Tensor) -> torch.Tensor:
    """Rounded to whole numbers from 0 to 255. Halves, which shrinking by 2 makes many of, go upwards."""
    # An 8-bit image that went through single precision is off by up to 1e-5 of a level.
    return (levels + (0.5 + 1e-4)).floor().clamp(0, 255)


def _shrunk(image: torch.Tensor, scale: int, axis: int) -> torch.Tensor:
    """Bicubic shrinking along one axis in double precision, which ties of rounding need."""
    weights = torch.from_numpy(kernels.bicubic(scale)).to(image)
    surplus = len(weights) - scale
    before = (surplus + 1) // 2
    along = image.movedim(axis, -1)
    size = along.shape[-1]
    index = torch.arange(-before, size + surplus - before, device=image.device).clamp(0, size - 1)
    return (along[..., index].unfold(-1, len(weights), scale) @ weights).movedim(-1, axis)
