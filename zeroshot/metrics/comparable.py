"""Preparation of images for the measures: double precision, white at 1, the border left out."""

from __future__ import annotations

from typing import Literal, TypeAlias

import numpy as np
import torch

from zeroshot.checks import require_choice, require_positive, require_whole

Image: TypeAlias = torch.Tensor | np.ndarray
Quantise: TypeAlias = Literal["none", "8-bit"]


def comparable(
    image: Image, reference: Image, border: int, data_range: float, quantise: Quantise
) -> tuple[torch.Tensor, torch.Tensor]:
    """Both as double-precision batches with white at 1, without the border.

    Raises
    ------
    ValueError
        If the shapes differ, the border leaves nothing, or integers come without their `data_range`.
    TypeError
        If one is neither a tensor nor an array.
    """
    x, y = as_batch(image, data_range), as_batch(reference, data_range)
    if x.shape != y.shape:
        raise ValueError(
            f"image and reference must have the same shape, got {tuple(image.shape)} "
            f"and {tuple(reference.shape)}"
        )
    inside = _inside(x, border)
    return _unit(x[inside], data_range, quantise), _unit(y[inside].to(x.device), data_range, quantise)


def alone(image: Image, border: int, data_range: float, quantise: Quantise) -> torch.Tensor:
    """One image, as :func:`comparable` gives two."""
    x = as_batch(image, data_range)
    return _unit(x[_inside(x, border)], data_range, quantise)


def as_batch(image: Image, data_range: float) -> torch.Tensor:
    """The image as (N, C, H, W), in its own type."""
    if not isinstance(image, torch.Tensor | np.ndarray):
        raise TypeError(f"an image must be a torch tensor or a numpy array, got {type(image).__name__}")
    values = image if isinstance(image, torch.Tensor) else _as_tensor(image)
    if not values.is_floating_point() and data_range == 1.0:
        raise ValueError(f"an image of {image.dtype} needs data_range=…, the value of white (255 for 8 bits)")
    if isinstance(image, torch.Tensor):
        if image.ndim not in (3, 4):
            raise ValueError(f"a tensor must be (N, C, H, W) or (C, H, W), got shape {tuple(image.shape)}")
        return values.detach().reshape(-1, *image.shape[-3:])
    if image.ndim not in (2, 3):
        raise ValueError(f"an array must be H × W or H × W × C, got shape {image.shape}")
    return (values[..., None] if values.ndim == 2 else values).permute(2, 0, 1)[None]


def _as_tensor(array: np.ndarray) -> torch.Tensor:
    # Arrays of PIL images are read-only, which PyTorch warns of: "W" copies those.
    return torch.from_numpy(np.require(array, requirements=["C", "W"]))


def require_size(name: str, image: torch.Tensor, least: int) -> None:
    """Refuse an image of which less than `least` × `least` pixels are left."""
    height, width = image.shape[-2:]
    if min(height, width) < least:
        raise ValueError(
            f"{name} needs at least {least} × {least} pixels within the border, got {height} × {width}"
        )


def _inside(image: torch.Tensor, border: int) -> tuple:
    height, width = image.shape[-2:]
    require_whole({"border": border}, "border", least=0)
    if 2 * border >= min(height, width):
        raise ValueError(
            f"a border of {border} pixels leaves nothing of an image of {height} × {width} pixels"
        )
    return (..., slice(border, height - border), slice(border, width - border))


def _unit(image: torch.Tensor, data_range: float, quantise: Quantise) -> torch.Tensor:
    require_positive({"data_range": data_range}, "data_range")
    require_choice({"quantise": quantise}, "quantise", ("none", "8-bit"))
    unit = image.double() / float(data_range)
    # In place: an image of 12 megapixels in colour is 288 MB in double precision.
    return unit.clamp_(0, 1).mul_(255).round_().div_(255) if quantise == "8-bit" else unit
