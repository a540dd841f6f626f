"""The law of a sensor, variance = readout² + gain · x, from the planes of a raw mosaic.

Where a block of pixels is flat, the second differences within it are noise. Of the blocks of one brightness those that
vary least are taken, by a quantile whose bias for white noise is known, and a line is laid through the variances of all
brightnesses, in which each counts by its precision (after Foi et al. 2008, who segment instead).

References
----------
A. Foi, M. Trimeche, V. Katkovnik, K. Egiazarian: Practical Poissonian–Gaussian noise modeling and fitting for
single-image raw-data, IEEE TIP 17 (2008).
"""

from __future__ import annotations

import functools

import torch
from torch.nn import functional

#: Side of a block, the share of the blocks of one brightness that vary less than the one that is taken, and how many
#: brightnesses are told apart where there are blocks enough.
SIDE, QUANTILE, BRIGHTNESSES, LEAST_BLOCKS = 8, 0.25, 24, 24
#: Blocks in which more pixels than that share are at white say nothing.
_MOST_CLIPPED = 0.0
_ROUNDS = 8
_KERNEL = torch.tensor([[1.0, -2.0, 1.0], [-2.0, 4.0, -2.0], [1.0, -2.0, 1.0]]) / 6


def photon_line_of(planes: torch.Tensor, white: float = 1.0) -> tuple[float, float] | None:
    """Gain and readout noise (a standard deviation) of planes that are linear in the light.

    Parameters
    ----------
    planes : torch.Tensor
        (N, 1, H, W), with noise that is independent between pixels, not clipped at black.
    white : float
        The value of saturated pixels.

    Returns
    -------
    tuple of float, or None
        None where there are too few blocks, or the variance does not grow with the intensity.
    """
    variances, means = _blocks(planes)
    clipped = functional.max_pool2d((planes >= white).float(), SIDE)[
        ..., : means.shape[-2], : means.shape[-1]
    ]
    usable = clipped.flatten() <= _MOST_CLIPPED
    variances, means = variances.flatten()[usable].double(), means.flatten()[usable].double()
    count = min(BRIGHTNESSES, len(means) // LEAST_BLOCKS)
    if count < 3:
        return None
    groups = means.argsort().chunk(count)
    values = torch.stack([means[group].mean() for group in groups])
    levels = torch.stack([variances[group].quantile(QUANTILE) for group in groups]) / _bias()
    # Texture only adds: a brightness whose level lies above the line counts less and less.
    weights = torch.ones_like(levels)
    constant, gain = levels.amin(), values.new_zeros(())
    for _ in range(_ROUNDS):
        scale = weights / (constant + gain * values).clamp(min=1e-3 * levels.amax())
        design = torch.stack([torch.ones_like(values), values], dim=1) * scale[:, None]
        constant, gain = torch.linalg.lstsq(design, (levels * scale)[:, None]).solution.flatten()
        if gain <= 0:
            return None
        excess = levels / (constant + gain * values).clamp(min=1e-12)
        weights = 1 / (1 + (4 * (excess - 1).clamp(min=0)).square())
    return float(gain), float(constant.clamp(min=0).sqrt())


def _blocks(planes: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The variance of the noise in each block by its second differences, and its mean."""
    residual = functional.conv2d(planes, _KERNEL.to(planes)[None, None], padding=1)
    inside = residual[..., 1:-1, 1:-1]
    return (
        functional.avg_pool2d(inside.square(), SIDE),
        functional.avg_pool2d(planes[..., 1:-1, 1:-1], SIDE),
    )


@functools.cache
def _bias() -> float:
    """What the quantile over blocks is for white noise of variance 1."""
    noise = torch.randn(1, 1, 1026, 1026, generator=torch.Generator().manual_seed(0))
    return float(_blocks(noise)[0].flatten().quantile(QUANTILE))
