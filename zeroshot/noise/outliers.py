"""Pixels that stand out of their neighbourhood: salt and pepper, dead and hot pixels.

Noise of a sensor or of a transmission that replaces a value instead of adding to it. No denoiser for Gaussian noise
removes it, and whoever knows where it is can fill it in from the rest.
"""

from __future__ import annotations

import torch
from torch.nn import functional

from zeroshot.patches.sliding import sliding

#: How many times the mean of its surroundings the rank-ordered difference of an outlier is.
LEAST_RATIO = 6.0
#: Side of these surroundings.
SURROUNDINGS = 7
#: The share of its height above the neighbours by which these may be above theirs: a star is wider than a pixel.
MOST_SPREAD = 0.15
#: How many times the range of its neighbours an outlier is away from them.
LEAST_CONTRAST = 2.5
#: How far it is away at least, as a share of the range of the image but for its tails.
LEAST_HEIGHT = 0.08
#: How far salt and pepper lies from its neighbours where it shows, as a share of the range.
LEAST_SALT_HEIGHT = 0.15
#: Beside black and white there are hardly any values as near to them as that, where these are impulses.
MARGIN = 8 / 255
#: The share of isolated black pixels from which on they are pepper, and of white ones, salt.
LEAST_SALT_OR_PEPPER = 0.001
#: How many of the 8 neighbours of salt or pepper may have its value.
MOST_ALIKE = 3
#: Rounding makes differences of a few steps that tell nothing, on the [0, 1] scale relative to the range.
LEAST_DIFFERENCE = 4 * 4 / 255

_RING = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if (down, right) != (0, 0))
_OUTER_RING = tuple(
    (down, right) for down in range(-2, 3) for right in range(-2, 3) if max(abs(down), abs(right)) == 2
)


def outliers(image: torch.Tensor, contrast: float = LEAST_CONTRAST) -> torch.Tensor:
    """Where single pixels stand out of their neighbourhood.

    The statistic is ROAD, the sum of the four smallest of the differences to the eight neighbours: small on edges,
    lines and corners, where some neighbour is alike, and large for what is like none. A pixel is an outlier
    where it is six times the mean of its surroundings and the neighbours do not rise with it, as they do around a
    star or a highlight, which the optics have blurred. Where isolated pixels of the lowest and highest value
    abound, all of them are outliers that have at most three of their kind beside them.

    Parameters
    ----------
    image : torch.Tensor
        (N, C, H, W).
    contrast : float
        How many times the range of its neighbours an outlier is away from them; that of noise is about 3 σ.

    Returns
    -------
    torch.Tensor
        (N, 1, H, W), boolean: outliers in any channel.

    References
    ----------
    R. Garnett, T. Huegerich, C. Chui, W. He: A universal noise removal algorithm with an impulse detector, IEEE
    TIP 14 (2005), for ROAD.
    """
    if min(image.shape[-2:]) < SURROUNDINGS:
        return torch.zeros_like(image[:, :1], dtype=torch.bool)
    planes = [_outliers_of_plane(plane, contrast) for plane in image.detach().flatten(0, 1)]
    return torch.stack(planes).view(image.shape).any(dim=1, keepdim=True)


def _outliers_of_plane(plane: torch.Tensor, contrast: float) -> torch.Tensor:
    low, high = float(plane.amin()), float(plane.amax())
    nothing = torch.zeros_like(plane, dtype=torch.bool)
    if low == high:
        return nothing
    framed = functional.pad(plane[None, None], (2, 2, 2, 2), mode="replicate")[0, 0]
    height, width = plane.shape

    def neighbour(down: int, right: int) -> torch.Tensor:
        return framed[2 + down : 2 + down + height, 2 + right : 2 + right + width]

    road = _sum_of_smallest([(neighbour(*step) - plane).abs_() for step in _RING])
    typical = float(road.median())
    # A frame of a few hot pixels has a wide range and fine steps: what counts is the noise.
    floor = LEAST_DIFFERENCE * (high - low) if typical == 0 else 4 * typical
    around = road.clamp(max=max(4 * typical, floor / 4))
    reach = SURROUNDINGS // 2
    mean = sliding(
        functional.pad(around[None, None], (reach,) * 4, mode="replicate")[0, 0], SURROUNDINGS, torch.add
    )
    mean /= SURROUNDINGS**2
    stands_out = (road > LEAST_RATIO * mean) & (road > floor)
    if not bool(stands_out.any()):
        return nothing
    clear = stands_out & (road > 4 * LEAST_SALT_HEIGHT * (high - low))
    isolated, scattered, established = {}, {}, set()
    for value in (low, high):
        extreme = plane == value
        isolated[value] = int((clear & extreme).sum())
        if isolated[value] < LEAST_SALT_OR_PEPPER * plane.numel():
            continue
        alike = torch.stack([neighbour(*step) == value for step in _RING]).sum(dim=0, dtype=torch.uint8)
        scattered[value] = extreme & (alike <= MOST_ALIKE)
        beside = ((plane - value).abs() <= MARGIN * (high - low)) & ~extreme
        count = int(scattered[value].sum())
        if isolated[value] >= 0.5 * count or int(beside.sum()) < 0.25 * count:
            established.add(value)
    if established:
        # In the dark, pepper shows less than salt does.
        most = max(isolated[value] for value in established)
        return torch.stack([scattered[v] for v in scattered if 5 * isolated[v] >= most]).any(dim=0)
    rows, columns = stands_out.nonzero(as_tuple=True)
    height_above, lone = _height_above_neighbours(framed, rows + 2, columns + 2, contrast)
    values = plane.flatten()[:: 1 + plane.numel() // 100_000]
    spread = values.quantile(torch.tensor([0.005, 0.995]).to(values)).diff()
    lone &= height_above >= LEAST_HEIGHT * spread
    nothing[rows[lone], columns[lone]] = True
    return nothing


def _height_above_neighbours(
    framed: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, contrast: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """How far pixels lie from the median of their neighbours, and whether these know nothing of it."""

    def values_of(ring: tuple[tuple[int, int], ...]) -> torch.Tensor:
        return torch.stack([framed[rows + down, columns + right] for down, right in ring]).sort(dim=0).values

    def median_of(values: torch.Tensor) -> torch.Tensor:
        return (values[len(values) // 2 - 1] + values[len(values) // 2]) / 2

    inner, outer = values_of(_RING), values_of(_OUTER_RING)
    height = (framed[rows, columns] - median_of(inner)).abs()
    rises = (median_of(inner) - median_of(outer)).abs()
    # Another outlier or two may be among the neighbours.
    range_of_others = torch.maximum(inner[-2] - inner[1], outer[-3] - outer[2])
    lone = (rises <= MOST_SPREAD * height) & (height >= contrast * range_of_others)
    return height, lone


def _sum_of_smallest(eight: list[torch.Tensor]) -> torch.Tensor:
    """The sum of the four smallest of eight planes, by a network of comparisons."""
    first, second = _sorted(eight[:4]), _sorted(eight[4:])
    total = torch.minimum(first[0], second[3])
    for index in (1, 2, 3):
        total = total + torch.minimum(first[index], second[3 - index])
    return total


def _sorted(four: list[torch.Tensor]) -> list[torch.Tensor]:
    planes = list(four)
    for low, high in ((0, 1), (2, 3), (0, 2), (1, 3), (1, 2)):
        planes[low], planes[high] = (
            torch.minimum(planes[low], planes[high]),
            torch.maximum(planes[low], planes[high]),
        )
    return planes
