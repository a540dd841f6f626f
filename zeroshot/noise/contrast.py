"""How far apart the dark and the bright parts of an image are, whatever its scale and its noise.

The constants of denoisers (tables by noise level, thresholds, first noise levels) are those of photographs that use
their range from 0 to 1. The same picture at a sixteenth of the scale, as 12-bit counts in 16 bits have it, is to be
restored to a sixteenth of the same result: so these constants count in units of the contrast.
"""

from __future__ import annotations

import math

import torch
from torch.nn import functional

from zeroshot.precision import widened

#: Side of the squares whose means are compared.
WINDOW = 5
#: Levels of noise that are taken off the range of the means, which is what the noise adds to it.
NOISE_LEVELS = 6.0
#: The least contrast that is told from none: that of 8-bit counts in 20 bits.
LEAST = 2.0**-12
#: By how much a range may exceed a power of two that it still counts as.
SLACK = 1.05


@torch.no_grad()
def contrasts(images: torch.Tensor, sigma: float = 0.0) -> torch.Tensor:
    """The contrast of each image, as the power of two next above it: 1 for whole photographs, which fill [0, 1].

    It is the range of the means over 5 × 5 pixels, less what the noise adds to it, or twice the standard deviation
    without the noise where fine texture makes that larger, in the widest of the channels. A
    power of two loses no digit in scaling and leaves the constants of ordinary photographs as they are.

    Parameters
    ----------
    images : torch.Tensor
        (N, C, H, W).
    sigma : float
        Standard deviation of their noise. An image of no other contrast has that of its noise.

    Returns
    -------
    torch.Tensor
        (N, 1, 1, 1), at least 2⁻¹²; 1 where nothing differs and there is no noise.
    """
    window = [min(WINDOW, size) for size in images.shape[-2:]]
    means = functional.avg_pool2d(images, window, stride=1)
    spread = (means.amax(dim=(2, 3)) - means.amin(dim=(2, 3))).amax(dim=1)
    noise = NOISE_LEVELS * sigma / math.sqrt(window[0] * window[1])
    variance = widened(images).var(dim=(2, 3), correction=0).amax(dim=1) - sigma**2
    texture = 2 * variance.clamp(min=0).sqrt()
    pairs = zip(spread.tolist(), texture.tolist(), strict=True)
    found = [max(width - noise, fine, sigma) / SLACK for width, fine in pairs]
    # Rounding errors of a constant image are no contrast.
    rounding = 1e-6 * float(images.abs().max())
    powers = [max(2.0 ** math.ceil(math.log2(value)), LEAST) if value > rounding else 1.0 for value in found]
    return images.new_tensor(powers).view(-1, 1, 1, 1)
