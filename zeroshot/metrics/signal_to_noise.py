"""Peak signal-to-noise ratios."""

from __future__ import annotations

import math

import torch

from zeroshot.metrics.comparable import Image, Quantise, comparable
from zeroshot.metrics.luminance import luma_16_235


def psnr(
    image: Image,
    reference: Image,
    *,
    border: int = 0,
    data_range: float = 1.0,
    quantise: Quantise = "none",
) -> float:
    """Peak signal-to-noise ratio, ``10 log10(range² / MSE)`` in dB, with one MSE over all channels.

    This is the convention of the tables of colour denoising (CBM3D and after), and the CPSNR of the tables of
    demosaicking.

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
        In dB; infinite for equal images, not a number where a pixel is none.

    Raises
    ------
    ValueError
        If the shapes differ, the border leaves nothing, or integers come without their `data_range`.
    """
    x, y = comparable(image, reference, border, data_range, quantise)
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
    x, y = comparable(image, reference, border, data_range, quantise)
    return _decibels(luma_16_235(x), luma_16_235(y))


def _decibels(x: torch.Tensor, y: torch.Tensor) -> float:
    error = float((x - y).square_().mean())
    return math.inf if error == 0 else -10 * math.log10(error)
