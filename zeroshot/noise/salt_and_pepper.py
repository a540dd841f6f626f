"""Salt and pepper: pixels that were set to the lowest or the highest value, strewn over the picture."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch.nn import functional

from zeroshot.sliding import sliding

#: How far it lies from its neighbours where it shows, as a share of the range, and in multiples of their deviation.
LEAST_HEIGHT, LEAST_DEVIATIONS = 0.15, 3.0
#: The share of clear pepper, or salt, among all pixels, and among those of its value that are strewn.
LEAST_SHARE, LEAST_CLEAR = 0.001, 0.3
#: Beside black and white there are hardly any clear values as near to them as that, where these are impulses.
MARGIN, MOST_BESIDE = 8 / 255, 0.1
#: In the dark, pepper shows less than salt does: it may be that many times rarer.
LEAST_OF_OTHER = 0.2
#: How many of its deviations the mean of what is left of clipped noise is away from black after the gamma, and before;
#: how many times the share of clipped noise impulses have at least; and how much the upper quartile of ratios of 24
#: values each exceeds their median by chance.
CLIPPED = (
    (2.55, 2.76, 3.07, 3.54, 4.2, 5.07, 6.12, 7.25, 8.41),
    (0.0, 0.5, 1.0, 1.5, 2.0, 2.5, 3.0, 3.5, 4.0),
)
MOST_CLIPPED, UPPER_OF_MIDDLE = 3.0, 1.18
#: Sides of the squares in which the neighbours' values, and those of the same value, are counted.
_NEAR, _AREA = 5, 9
#: Of the places, the share with the fewest black or white pixels tells how dense the impulses are.
_SPARSEST = 0.3
#: How many standard deviations more of a value there are within the area where they are black or white by nature.
_MOST_ALIKE = 4.0


def salt_and_pepper(plane: torch.Tensor) -> torch.Tensor | None:
    """Where a plane has values of black and white that are strewn over it, None where it has no such noise.

    A pixel of the lowest or the highest value is strewn where the 9 × 9 around it hold no more of its kind than
    chance has it, at the density that the emptier parts of the picture show; more are a shadow or a light. Those are
    impulses if most of them are far from the mean of the other values around, relative to the spread of these, and if
    there are hardly any of nearly that value that are as far away: the tails of noise and of texture have them.

    Parameters
    ----------
    plane : torch.Tensor
        (H, W).

    Returns
    -------
    torch.Tensor or None
        (H, W), boolean.
    """
    low, high = float(plane.amin()), float(plane.amax())
    if low == high or min(plane.shape) < _AREA:
        return None
    span = high - low
    others = ((plane > low) & (plane < high)).to(plane)
    # Relative to the middle, so that squares keep their digits; a pixel itself does not count.
    centred = (plane - (low + high) / 2) * others
    count = (_sums(others, _NEAR) - others).clamp(min=1e-6)
    mean = (_sums(centred, _NEAR) - centred) / count
    squares = (_sums(centred.square(), _NEAR) - centred.square()) / count
    deviation = (squares - mean.square()).clamp(min=0).sqrt()
    mean = mean + (low + high) / 2
    clear_of = (LEAST_DEVIATIONS * deviation).clamp(min=LEAST_HEIGHT * span)
    seen = count > 0.5
    # Few photons make few values.
    step = span / max(_values_of(plane) - 1, 1)
    strewn, clear, established = {}, {}, []
    for value in (low, high):
        extreme = plane == value
        strewn[value] = extreme & ~_by_nature(extreme)
        distance = (mean - value).abs()
        far, shows = seen & (distance > clear_of), seen & (distance > LEAST_HEIGHT * span)
        clear[value] = int((strewn[value] & far).sum())
        beside = int((((plane - value).abs() <= max(MARGIN * span, 1.5 * step)) & ~extreme & far).sum())
        if (
            clear[value] >= max(LEAST_SHARE * plane.numel(), 3)
            and clear[value] >= LEAST_CLEAR * int(strewn[value].sum())
            and beside <= MOST_BESIDE * clear[value]
            and _outnumbers_clipping(
                strewn[value][shows],
                distance[shows] / deviation[shows].clamp(min=1e-9),
                black=value == low,
            )
        ):
            established.append(value)
    if not established:
        return None
    most = max(clear[value] for value in established)
    return torch.stack([strewn[v] for v in (low, high) if clear[v] >= LEAST_OF_OTHER * most]).any(dim=0)


def _values_of(plane: torch.Tensor) -> int:
    """How many values a plane has, or, where they are more than matter here, those of a sample."""
    sample = plane.flatten()[:: 1 + plane.numel() // 4096]
    count = len(sample.unique())
    return count if count > 1 + 1.5 / MARGIN else len(plane.unique())


def _outnumbers_clipping(strewn: torch.Tensor, ratio: torch.Tensor, *, black: bool) -> bool:
    """Whether there are more than clipped noise has.

    Noise of the deviation 1 and the mean m, clipped at white, is white at the share Q(m) of the pixels, Q being the
    upper tail of the normal distribution. So it is with black in linear light; but what is left there is spread by the
    usual gamma, to a mean of so many of its deviations as `CLIPPED` says.

    Parameters
    ----------
    strewn : torch.Tensor
        Which pixels are of the extreme value, of those where it shows, (K,).
    ratio : torch.Tensor
        How many of their deviations the other values around are away from it, (K,).
    black : bool
        Whether the value is the lowest.
    """
    values = ratio[:: 1 + ratio.numel() // 100_000]
    middle, upper = values.quantile(torch.tensor([0.5, 0.75]).to(values)).tolist()
    typical = upper / UPPER_OF_MIDDLE
    mean = float(np.interp(typical, *CLIPPED)) if black and typical < CLIPPED[0][-1] else typical
    clipped = 0.5 * math.erfc(mean / math.sqrt(2))
    return float(strewn[ratio >= middle].float().mean()) > MOST_CLIPPED * clipped


def _by_nature(extreme: torch.Tensor) -> torch.Tensor:
    """Where there are more pixels of one value than chance would put there."""
    counted = _sums(extreme.float(), _AREA)
    places = counted.flatten()[:: 1 + counted.numel() // 100_000]
    area = _AREA**2
    density = float(places.quantile(_SPARSEST)) / area
    return counted > area * density + _MOST_ALIKE * (math.sqrt(area * density * (1 - density)) + 1)


def _sums(plane: torch.Tensor, side: int) -> torch.Tensor:
    """The sums over the squares around all pixels; beyond the border there is nothing."""
    reach = side // 2
    return sliding(functional.pad(plane[None, None], (reach,) * 4)[0, 0], side, torch.add)
