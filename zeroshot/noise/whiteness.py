"""Noise that is not white: grain, enlarged, demosaicked and compressed noise.

The estimate of one level looks at the finest frequencies, where such noise is weak. Here the level is looked for at
coarser ones.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import torch

from zeroshot.patches.cosine import cosine_matrix

_SIZE = 8
#: Sums of the orders of the cosines: waves of 5 to 8 pixels, and waves of 2 to 2.3.
_COARSE, _FINE = (2, 3), (7, 14)
#: Energies are compared at these shares of the patches.
_SHARES = (0.01, 0.05, 0.2)
#: How much stronger coarse noise is at least, and how it spreads at most: between its shares, relative to the law
#: of chance, the floor of noise rises by little and that of texture by much.
LEAST_EXCESS, MOST_RISE = 2.0, 1.3
#: The weakest coarse noise worth a word, on the [0, 1] scale.
LEAST_LEVEL = 8 / 255
_LEAST_PATCHES, _MAX_PATCHES = 200, 40_000


@dataclass(frozen=True)
class Levels:
    """The standard deviation of noise on the [0, 1] scale, as it is at single pixels and a few pixels apart."""

    fine: float
    coarse: float


def correlated_noise(image: torch.Tensor, known: torch.Tensor | None = None) -> Levels | None:
    """The levels of noise that is stronger at coarse scales than at fine ones, None where there is none.

    For either scale it is the level that no patch of 8 × 8 pixels goes below but by chance. Noise is everywhere
    alike, so that this floor hardly depends on the share of patches that may lie below it. Texture is not, and is
    told apart by that.

    Parameters
    ----------
    image : torch.Tensor
        (C, H, W), nominally in [0, 1].
    known : torch.Tensor, optional
        (H, W), boolean: the pixels that count.
    """
    plane = image.detach().mean(dim=0)
    usable = ((image > image.amin()) & (image < image.amax())).all(dim=0)
    if known is not None:
        usable &= known
    if min(plane.shape) < _SIZE:
        return None
    count = (plane.shape[0] - _SIZE + 1) * (plane.shape[1] - _SIZE + 1)
    step = max(1, round((count / _MAX_PATCHES) ** 0.5))
    patches, whole = (values.unfold(0, _SIZE, step).unfold(1, _SIZE, step) for values in (plane, usable))
    patches = patches[whole.all(dim=-1).all(dim=-1)]
    # What is constant is no noise: borders and fillings.
    patches = patches[patches.amax(dim=(1, 2)) - patches.amin(dim=(1, 2)) > 1.5 / 255]
    if len(patches) < _LEAST_PATCHES:
        return None
    transform = cosine_matrix(_SIZE).to(patches)
    spectrum = transform @ patches @ transform.T
    coarse, fine = _floors(spectrum, *_COARSE), _floors(spectrum, *_FINE)
    level = coarse[1]
    found = level >= LEAST_LEVEL and level >= LEAST_EXCESS * fine[1] and coarse[2] <= MOST_RISE * coarse[0]
    # The channels of grey noise are one, those of colour noise several whose mean is weaker.
    return Levels(fine[1], level) if found else None


def _floors(spectrum: torch.Tensor, first: int, last: int) -> list[float]:
    """The levels that the shares of the patches lie below, divided by what chance does to noise of level 1."""
    order = torch.arange(_SIZE, device=spectrum.device)
    frequency = order[:, None] + order
    band = spectrum[:, (frequency >= first) & (frequency <= last)]
    energies = band.square().mean(dim=1)
    spread = 2 / (9 * band.shape[1])
    # Wilson and Hilferty's quantiles of the mean of squares of normal values.
    expected = [(1 - spread + NormalDist().inv_cdf(share) * spread**0.5) ** 3 for share in _SHARES]
    quantiles = energies.quantile(torch.tensor(_SHARES).to(energies)).tolist()
    return [(value / chance) ** 0.5 for value, chance in zip(quantiles, expected, strict=True)]
