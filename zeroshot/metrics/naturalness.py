"""NIQE: how far an image is from the statistics of undamaged photographs, without a reference.

The model of undamaged photographs is data of the authors; ``data/README.md`` says where it comes from.
"""

from __future__ import annotations

import math
from functools import lru_cache
from importlib import resources
from typing import NamedTuple

import numpy as np
import torch
from scipy.special import gamma
from torch.nn import functional

from zeroshot.metrics.comparable import Image, alone
from zeroshot.metrics.filtering import filtered, gaussian_window
from zeroshot.metrics.luminance import grey_full_range
from zeroshot.operators.kernels import bicubic

_BLOCK = 96
_WINDOW_SIZE, _WINDOW_SIGMA = 7, 7 / 6
#: Directions in which neighbouring coefficients are multiplied, in rows and columns.
_NEIGHBOURS = ((0, 1), (1, 0), (1, 1), (1, -1))
#: A coefficient below this is the rounding error of a flat place, whose sign says nothing.
_ROUNDING = 1e-9


class _Model(NamedTuple):
    """A Gaussian law of 36 features of blocks of 96 × 96 pixels."""

    mean: np.ndarray
    covariance: np.ndarray


def niqe(image: Image, *, border: int = 0, data_range: float = 1.0) -> float:
    """Natural image quality evaluator, ``√((ν − ν₀)ᵀ (½(Σ + Σ₀))⁻¹ (ν − ν₀))``.

    ν and Σ are mean and covariance of 36 features over the blocks of 96 × 96 pixels of the image, ν₀ and Σ₀
    those over sharp blocks of 125 undamaged photographs. The features are the parameters of generalised
    Gaussian laws fitted to the normalised luminance ``(I − μ) / (σ + 1)`` and to the products of its
    neighbours, at full and at half size. The image is rounded to 8 bits and to the luminance of MATLAB's
    rgb2gray, and blocks that it does not fill are left out, as in the authors' code. Unlike there, places of
    one flat colour count as exactly 0 instead of as their rounding error, whose sign depends on the order of
    additions: on images with flat areas (saturated skies, black backgrounds) implementations that follow the
    authors' code differ by that from one another, mostly in the second decimal and by up to 0.4.

    Parameters
    ----------
    image : torch.Tensor or numpy.ndarray
        A tensor of (N, C, H, W) or (C, H, W), an array of H × W or H × W × C, with 1 or 3 channels; two blocks
        must fit: 96 × 192 or 192 × 96 pixels. Of a batch, the mean over its images.
    border : int
        Rows and columns left out at every side.
    data_range : float
        The value of white: 255 for 8-bit integers.

    Returns
    -------
    float
        About 2 to 6 for photographs; larger is worse. Not a number where a pixel is none.

    Raises
    ------
    ValueError
        If fewer than two blocks fit, or fewer than two have any structure.

    References
    ----------
    A. Mittal, R. Soundararajan, A. C. Bovik: Making a "Completely Blind" Image Quality Analyzer, IEEE Signal
    Processing Letters 20 (2013).
    """
    levels = grey_full_range(alone(image, border, data_range, "8-bit")).mul(255).round_()
    height, width = levels.shape[-2:]
    if (height // _BLOCK) * (width // _BLOCK) < 2:
        raise ValueError(
            f"niqe needs at least two blocks of {_BLOCK} × {_BLOCK} pixels, such as {_BLOCK} × {2 * _BLOCK} "
            f"pixels within the border, got {height} × {width}"
        )
    if not bool(levels.isfinite().all()):
        return math.nan
    scores = [_distance(block_features(plane), _pristine()) for plane in levels[:, 0]]
    return sum(scores) / len(scores)


def _distance(features: np.ndarray, model: _Model) -> float:
    whole = features[~np.isnan(features).any(axis=1)]
    if len(whole) < 2:
        raise ValueError("niqe needs at least two blocks that are not of one flat colour")
    difference = np.nanmean(features, axis=0) - model.mean
    covariance = (np.cov(whole, rowvar=False) + model.covariance) / 2
    return math.sqrt(difference @ np.linalg.pinv(covariance) @ difference)


def block_features(plane: torch.Tensor) -> np.ndarray:
    """The 36 features of every whole block of 96 × 96 pixels; a block without structure has NaN among them.

    Parameters
    ----------
    plane : torch.Tensor
        H × W grey levels from 0 to 255, in double precision.

    Returns
    -------
    numpy.ndarray
        (blocks, 36): 18 at full size, 18 at half size.
    """
    height, width = (size // _BLOCK * _BLOCK for size in plane.shape)
    full = plane[:height, :width]
    scales = [(full, _BLOCK), (_half_size(full), _BLOCK // 2)]
    return np.concatenate([_scale_features(_normalised(image), block) for image, block in scales], axis=1)


@lru_cache(maxsize=1)
def _pristine() -> _Model:
    data = resources.files("zeroshot.metrics") / "data" / "niqe_pristine.npz"
    with data.open("rb") as file:
        stored = np.load(file, allow_pickle=False)
        return _Model(stored["mean"], stored["covariance"])


# --- normalised luminance --------------------------------------------------------------------------------


def _normalised(plane: torch.Tensor) -> torch.Tensor:
    """``(I − μ) / (σ + 1)`` with mean and deviation under a Gaussian window; the edge pixels go on outside."""
    mean = _window_mean(plane)
    deviation = (_window_mean(plane * plane) - mean * mean).abs_().sqrt_()
    normalised = (plane - mean).div_(deviation.add_(1))
    return normalised.masked_fill_(normalised.abs() < _ROUNDING, 0.0)


def _window_mean(plane: torch.Tensor) -> torch.Tensor:
    weights = gaussian_window(_WINDOW_SIZE, _WINDOW_SIGMA)
    padded = functional.pad(plane[None, None], (_WINDOW_SIZE // 2,) * 4, mode="replicate")[0, 0]
    return filtered(filtered(padded, weights, axis=0), weights, axis=1)


def _half_size(plane: torch.Tensor) -> torch.Tensor:
    """Half the size by antialiased bicubic interpolation, as MATLAB's imresize does; even sizes only."""
    weights = bicubic(2).tolist()
    for axis in (0, 1):
        size = plane.shape[axis]
        start, end = plane.narrow(axis, 0, 3).flip(axis), plane.narrow(axis, size - 3, 3).flip(axis)
        mirrored = torch.cat([start, plane, end], dim=axis)
        plane = filtered(mirrored, weights, axis)
        plane = plane[::2] if axis == 0 else plane[:, ::2]
    return plane


# --- features of blocks ----------------------------------------------------------------------------------


def _scale_features(normalised: torch.Tensor, block: int) -> np.ndarray:
    """(blocks, 18) features at one scale, one row of blocks after the other so that memory is bounded."""
    rows = [_features(_cut(strip, block)) for strip in normalised.split(block)]
    return np.concatenate(rows)


def _cut(strip: torch.Tensor, block: int) -> torch.Tensor:
    """(blocks, block, block) of a strip as high as a block."""
    return strip.unflatten(1, (-1, block)).transpose(0, 1).contiguous()


def _features(blocks: torch.Tensor) -> np.ndarray:
    shape, left, right, _ = _fitted_law(blocks)
    features = [shape, (left + right) / 2]
    for shift in _NEIGHBOURS:
        # Within the block and around its edge, as the model was fitted.
        shape, left, right, mean = _fitted_law(blocks * blocks.roll(shift, dims=(1, 2)))
        features += [shape, mean, left, right]
    return np.stack(features, axis=1)


def _fitted_law(blocks: torch.Tensor) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Shape, left scale, right scale and mean of an asymmetric generalised Gaussian law for every block.

    The moments of each block are matched: the shape is that of the table whose ratio of squared mean magnitude
    to mean square is nearest.
    """
    values = blocks.flatten(1)
    left, right = (_root_mean_square(values, values < 0), _root_mean_square(values, values > 0))
    with np.errstate(divide="ignore", invalid="ignore"):
        asymmetry = left / right
        ratio = (values.abs().mean(dim=1) ** 2 / values.square().mean(dim=1)).numpy(force=True)
        ratio = ratio * (asymmetry**3 + 1) * (asymmetry + 1) / (asymmetry**2 + 1) ** 2
    table = _shape_table()
    index = _nearest(table.ratio, ratio)
    left, right = left * table.scale[index], right * table.scale[index]
    return table.shape[index], left, right, (right - left) * table.mean[index]


def _root_mean_square(values: torch.Tensor, chosen: torch.Tensor) -> np.ndarray:
    """Over the chosen values of every row; NaN where there are none."""
    total, count = (values * chosen).square_().sum(dim=1), chosen.sum(dim=1)
    return (total / count).sqrt_().numpy(force=True)


class _ShapeTable(NamedTuple):
    """For shapes α from 0.2 to 10: Γ(2/α)²/(Γ(1/α)Γ(3/α)), √(Γ(1/α)/Γ(3/α)) and Γ(2/α)/Γ(1/α)."""

    shape: np.ndarray
    ratio: np.ndarray
    scale: np.ndarray
    mean: np.ndarray


@lru_cache(maxsize=1)
def _shape_table() -> _ShapeTable:
    shape = np.linspace(0.2, 10, 9801)
    first, second, third = (gamma(order / shape) for order in (1, 2, 3))
    return _ShapeTable(shape, second**2 / (first * third), np.sqrt(first / third), second / first)


def _nearest(rising: np.ndarray, values: np.ndarray) -> np.ndarray:
    """The index of the entry nearest to each value; the first for NaN."""
    above = np.clip(np.searchsorted(rising, values), 1, len(rising) - 1)
    nearest = np.where(values - rising[above - 1] <= rising[above] - values, above - 1, above)
    return np.where(np.isnan(values), 0, nearest)
