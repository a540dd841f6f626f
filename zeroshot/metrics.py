"""How close an image is to its reference, in the conventions of the published tables."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Literal, TypeAlias

import numpy as np
import torch
from torch.nn import functional

Image: TypeAlias = torch.Tensor | np.ndarray
Quantise: TypeAlias = Literal["none", "8-bit"]

#: Luma of ITU-R BT.601 in the 16–235 range, for R, G, B in [0, 1], as MATLAB's rgb2ycbcr computes it.
_LUMA_WEIGHTS = (65.481 / 255, 128.553 / 255, 24.966 / 255)
_LUMA_OFFSET = 16 / 255


def psnr(
    image: Image,
    reference: Image,
    *,
    border: int = 0,
    data_range: float = 1.0,
    quantise: Quantise = "none",
) -> float:
    """Peak signal-to-noise ratio, ``10 log10(range² / MSE)`` in dB, with one MSE over all channels.

    This is the convention of the tables of colour denoising (CBM3D and after).

    Parameters
    ----------
    image, reference : torch.Tensor or numpy.ndarray
        Tensors of (N, C, H, W) or (C, H, W), arrays of H × W or H × W × C, of equal shape. Of a batch, the
        MSE is over all its images.
    border : int
        Rows and columns left out at every side.
    data_range : float
        The value of white: 255 for 8-bit integers.
    quantise : {"none", "8-bit"}
        "8-bit" clips both to [0, white] and rounds them to 256 levels, as tables are computed from saved
        images.

    Returns
    -------
    float
        In dB; infinite for equal images.

    Raises
    ------
    ValueError
        If the shapes differ, the border leaves nothing, or integers come without their `data_range`.
    """
    x, y = _comparable(image, reference, border, data_range, quantise)
    return _decibels(x, y)


def psnr_y(
    image: Image,
    reference: Image,
    border: int = 0,
    *,
    data_range: float = 1.0,
    quantise: Quantise = "none",
) -> float:
    """PSNR of the luma Y of ITU-R BT.601 in the 16–235 range, as in the tables of super-resolution.

    The peak remains `data_range`. A grey image is taken for an R = G = B image, as the tables do.

    Parameters
    ----------
    image, reference, data_range, quantise
        As for :func:`psnr`; the colours are quantised, Y is not.
    border : int
        Rows and columns left out at every side; in the tables the scale factor.
    """
    x, y = _comparable(image, reference, border, data_range, quantise)
    return _decibels(luma(x), luma(y))


def luma(image: torch.Tensor) -> torch.Tensor:
    """Y of ITU-R BT.601 in the 16–235 range, (N, 1, H, W) in [16/255, 235/255], of an image in [0, 1].

    ``Y = 16/255 + (65.481 R + 128.553 G + 24.966 B) / 255``; a single channel counts as R = G = B.
    """
    if image.shape[1] not in (1, 3):
        raise ValueError(f"luma needs an image of 1 or 3 channels, got {image.shape[1]}")
    weights = torch.tensor(_LUMA_WEIGHTS, dtype=image.dtype, device=image.device).view(1, 3, 1, 1)
    return (image * weights).sum(dim=1, keepdim=True) + _LUMA_OFFSET


def ssim(
    image: Image,
    reference: Image,
    *,
    border: int = 0,
    data_range: float = 1.0,
    quantise: Quantise = "none",
) -> float:
    """Structural similarity with a Gaussian window of 11 × 11 pixels and standard deviation 1.5.

    ``(2 μx μy + c₁)(2 σxy + c₂) / ((μx² + μy² + c₁)(σx² + σy² + c₂))`` with c₁ = (0.01·white)² and
    c₂ = (0.03·white)², averaged over every place where the window fits, and over the channels.

    Parameters
    ----------
    image, reference, border, data_range, quantise
        As for :func:`psnr`; at least 11 × 11 pixels must be left within the border.

    References
    ----------
    Z. Wang, A. C. Bovik, H. R. Sheikh, E. P. Simoncelli: Image Quality Assessment: From Error Visibility to
    Structural Similarity, IEEE Transactions on Image Processing 13 (2004).
    """
    x, y = _comparable(image, reference, border, data_range, quantise)
    if min(x.shape[-2:]) < _WINDOW_SIZE:
        raise ValueError(
            f"ssim needs at least {_WINDOW_SIZE} × {_WINDOW_SIZE} pixels within the border, "
            f"got {x.shape[-2]} × {x.shape[-1]}"
        )
    mean_x, mean_y = _window_mean(x), _window_mean(y)
    variance_x = _window_mean(x * x) - mean_x**2
    variance_y = _window_mean(y * y) - mean_y**2
    covariance = _window_mean(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float((similarity / ((mean_x**2 + mean_y**2 + c1) * (variance_x + variance_y + c2))).mean())


#: The measures of published tables by name.
CONVENTIONS: dict[str, Callable[[Image, Image], float]] = {
    "psnr": psnr,
    "psnr_8bit": partial(psnr, quantise="8-bit"),
    **{f"psnr_y_border{n}": partial(psnr_y, border=n, quantise="8-bit") for n in (2, 3, 4, 8)},
    "ssim": ssim,
    "ssim_8bit": partial(ssim, quantise="8-bit"),
}

_WINDOW_SIZE = 11
_WINDOW_SIGMA = 1.5


def _window_mean(x: torch.Tensor) -> torch.Tensor:
    """The Gaussian-weighted mean around every pixel where the window fits."""
    offsets = torch.arange(_WINDOW_SIZE, dtype=x.dtype, device=x.device) - _WINDOW_SIZE // 2
    weights = torch.exp(-0.5 * (offsets / _WINDOW_SIGMA) ** 2)
    weights = weights / weights.sum()
    planes = x.flatten(0, 1)[:, None]
    planes = functional.conv2d(planes, weights.view(1, 1, -1, 1))
    planes = functional.conv2d(planes, weights.view(1, 1, 1, -1))
    return planes.reshape(*x.shape[:2], *planes.shape[-2:])


def _decibels(x: torch.Tensor, y: torch.Tensor) -> float:
    error = float((x - y).square().mean())
    return -10 * math.log10(error) if error > 0 else math.inf


def _comparable(
    image: Image, reference: Image, border: int, data_range: float, quantise: Quantise
) -> tuple[torch.Tensor, torch.Tensor]:
    """Both as double-precision batches with white at 1, without the border."""
    x, y = _as_batch(image, data_range), _as_batch(reference, data_range)
    if x.shape != y.shape:
        raise ValueError(
            f"image and reference must have the same shape, got {tuple(image.shape)} "
            f"and {tuple(reference.shape)}"
        )
    if not 0 < data_range < math.inf:
        raise ValueError(f"data_range must be a positive number, got {data_range}")
    if quantise not in ("none", "8-bit"):
        raise ValueError(f"quantise must be 'none' or '8-bit', got {quantise!r}")
    height, width = x.shape[-2:]
    if border < 0 or 2 * border >= min(height, width):
        raise ValueError(
            f"a border of {border} pixels leaves nothing of an image of {height} × {width} pixels"
            if border > 0
            else f"border must be at least 0 pixels, got {border}"
        )
    inside = (..., slice(border, height - border), slice(border, width - border))
    x, y = x[inside] / data_range, y.to(x.device)[inside] / data_range
    return _quantised(x, quantise), _quantised(y, quantise)


def _as_batch(image: Image, data_range: float) -> torch.Tensor:
    """(N, C, H, W), double precision."""
    if not isinstance(image, torch.Tensor | np.ndarray):
        raise TypeError(f"an image must be a torch tensor or a numpy array, got {type(image).__name__}")
    values = torch.from_numpy(np.ascontiguousarray(image)) if isinstance(image, np.ndarray) else image
    if not values.is_floating_point() and data_range == 1.0:
        raise ValueError(f"an image of {image.dtype} needs data_range=…, the value of white (255 for 8 bits)")
    values = values.detach().double()
    if isinstance(image, torch.Tensor):
        if image.ndim not in (3, 4):
            raise ValueError(f"a tensor must be (N, C, H, W) or (C, H, W), got shape {tuple(image.shape)}")
        return values.reshape(-1, *image.shape[-3:])
    if image.ndim not in (2, 3):
        raise ValueError(f"an array must be H × W or H × W × C, got shape {image.shape}")
    return (values[..., None] if values.ndim == 2 else values).permute(2, 0, 1)[None]


def _quantised(x: torch.Tensor, quantise: Quantise) -> torch.Tensor:
    return (x.clamp(0, 1) * 255).round() / 255 if quantise == "8-bit" else x
