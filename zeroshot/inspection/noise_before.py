"""Noise that a picture had before it was compressed as JPEG, which took its fine part.

Quantisation sets the fine coefficients of blocks to zero, by which noise is otherwise known. The coarse ones have
smaller steps, and of noise they keep something in every block: where even the flattest blocks have as much of it as
others, it is noise. In a clean picture some blocks have none, or texture has much more in some than in others.
"""

from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import torch

from zeroshot.colour import full_range_luma
from zeroshot.compression.pixels import block_transform

_ORDER = np.add.outer(np.arange(8), np.arange(8))
#: Slower ones are those of gradients, and finer ones are quantised to zero.
_COARSE = (_ORDER >= 2) & (_ORDER <= 4)
#: The shares of the blocks that are compared, and how many there must be.
_FLATTEST, _TYPICAL, _FEWEST = 0.02, 0.3, 200
#: The weakest noise that is told, in grey levels, and how much more of it the blocks at the second share have than
#: those at the first, 1 for noise alone. Of 132 clean JPEG pictures with qualities from 50 to 90 none comes near, the
#: first of them at 1.65 (benchmarks/jpeg_noise.py).
LEAST, MOST_RISE = 5.0, 1.5
#: Values nearer to black and white than that are clipped.
_MARGIN = 4 / 255
#: Height and width of the part that is looked at.
_PART = 1536


def noise_before_jpeg(image: torch.Tensor, grid: tuple[int, int]) -> float | None:
    """The level of the noise in the brightness before the compression, in 8-bit grey levels; None: there was none.

    The mean squares of a block's k coarse coefficients have, for noise of the level σ, the quantile
    σ² (1 − 2/(9k) + z √(2/(9k)))³ (Wilson and Hilferty).

    Parameters
    ----------
    image : torch.Tensor
        (C, H, W), in [0, 1].
    grid : tuple of int
        Row and column within a block of 8 × 8 at which the picture begins.
    """
    plane = (full_range_luma(image[None])[0, 0] if len(image) == 3 else image[0]).cpu().numpy()
    for axis in (0, 1):
        length = plane.shape[axis]
        first = max(0, (length - _PART) // 2)
        first += -(first + grid[axis]) % 8
        kept = min(length - first, _PART) // 8 * 8
        plane = plane.take(range(first, first + max(kept, 0)), axis=axis)
    if plane.size < 64 * _FEWEST:
        return None
    blocks = plane.reshape(plane.shape[0] // 8, 8, -1, 8).swapaxes(1, 2).reshape(-1, 64)
    inside = (blocks.min(axis=1) > _MARGIN) & (blocks.max(axis=1) < 1 - _MARGIN)
    if inside.sum() < _FEWEST:
        return None
    energies = np.square(255 * block_transform(plane).reshape(-1, 8, 8)[inside][:, _COARSE]).mean(axis=1)
    flattest, typical = (
        math.sqrt(float(np.quantile(energies, share)) / _expected(share)) for share in (_FLATTEST, _TYPICAL)
    )
    return flattest if flattest >= LEAST and typical <= MOST_RISE * flattest else None


def _expected(share: float) -> float:
    """The quantile for noise of level 1."""
    spread = 2 / (9 * int(_COARSE.sum()))
    return float((1 - spread + NormalDist().inv_cdf(share) * math.sqrt(spread)) ** 3)
