"""Pixels that stand out of their neighbourhood: salt and pepper, dead and hot pixels.

Noise of a sensor or of a transmission that replaces a value instead of adding to it. No denoiser for Gaussian noise
removes it, and whoever knows where it is can fill it in from the rest.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from zeroshot.noise.salt_and_pepper import salt_and_pepper
from zeroshot.sliding import sliding

#: How many times the mean of its surroundings the rank-ordered difference of an outlier is.
LEAST_RATIO = 6.0
#: Side of these surroundings.
SURROUNDINGS = 7
#: The share of its height above the neighbours by which these may be above theirs: a star is wider than a pixel.
MOST_SPREAD = 0.15
#: How many times the range of its neighbours an outlier is away from them; photographs have a few such pixels by
#: themselves.
LEAST_CONTRAST = 2.5
#: How far it is away at least, as a share of the range of the image but for its tails.
LEAST_HEIGHT = 0.08
#: How many times that a pixel in a cluster is.
CLUSTER_FACTOR = 2.5
#: Outliers of that contrast that are that many pixels, and that share of all, are no accident of the picture.
CLEAR_CONTRAST, CLEAR_COUNT, CLEAR_SHARE = 5.0, 10, 3e-4
#: From that share on, impulses lie beside each other and hide one another.
DENSE_SHARE = 0.004
#: Where no pixel stands alone: the least share of impulses, and of those the least that are twice as far from their
#: neighbours as they must be. Among values of the whole range that are as far, those of impulses have the mean rank
#: one half, and a quarter of them is in the first quarter.
DENSEST_CLEAR, LEAST_FAR, MOST_RANK, LEAST_QUARTER = 0.12, 0.6, 0.55, 0.2
#: Rounding makes differences of a few steps that tell nothing, on the [0, 1] scale relative to the range.
LEAST_DIFFERENCE = 4 * 4 / 255
#: Dense impulses are looked for that many times, with the ones that were found left out.
_ROUNDS = 4
#: What is added to the usual difference to the neighbours, on the [0, 1] scale.
_LEAST_DIFFERENCE = 1.5 / 255
_EULER = 0.5772
_CAUTION = 0.4
#: Channels that have that share of their outliers in common are hit together.
_TOGETHER = 0.5
_ROWS_AT_ONCE = 256
#: Side of the part of a picture that is looked at first.
_SAMPLE = 128

_RING = tuple((down, right) for down in (-1, 0, 1) for right in (-1, 0, 1) if (down, right) != (0, 0))
_OUTER_RING = tuple(
    (down, right) for down in range(-2, 3) for right in range(-2, 3) if max(abs(down), abs(right)) == 2
)


def outliers(image: torch.Tensor, *, clear: bool = False) -> torch.Tensor:
    """Where single pixels, or clusters of a few, stand out of their neighbourhood.

    Where values of black and white are strewn over the picture they are salt and pepper,
    see :func:`zeroshot.noise.salt_and_pepper.salt_and_pepper`. Else the statistic is ROAD, the sum of the four
    smallest of the differences to the eight neighbours: small on edges, lines and corners, where some neighbour is
    alike, and large for what is like none. A pixel is an outlier where it is six times the mean of its surroundings
    and the neighbours do not rise with it, as they do around a star or a highlight, which the optics have blurred.
    Where many are found they are impulses that hide one another: then every pixel is held against those that are none,
    in several rounds; and so where hardly any pixel has neighbours alike, if the values that differ are as far from
    their neighbours as chance would have it.

    Parameters
    ----------
    image : torch.Tensor
        (N, C, H, W).
    clear : bool
        Whether an image has outliers only where they are too many, and stand out too far, to be of the picture.

    Returns
    -------
    torch.Tensor
        (N, C, H, W), boolean. Where the channels are hit together they have the same outliers.

    References
    ----------
    R. Garnett, T. Huegerich, C. Chui, W. He: A universal noise removal algorithm with an impulse detector, IEEE
    TIP 14 (2005), for ROAD.
    """
    found = all_and_clear_outliers(image)
    return found[1] if clear else found[0]


def all_and_clear_outliers(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The outliers of an image (N, C, H, W), and those that are clear, from one look; see :func:`outliers`."""
    image = image.detach()
    found = torch.zeros_like(image, dtype=torch.bool)
    clear = torch.zeros_like(found)
    if min(image.shape[-2:]) >= SURROUNDINGS:
        for index, channels in enumerate(image):
            planes = [_outliers_of_plane(plane) for plane in channels]
            found[index] = _hit_together(torch.stack([outlying for outlying, _ in planes]))
            clear[index] = _hit_together(torch.stack([outlying & is_clear for outlying, is_clear in planes]))
    return found, clear


def _hit_together(found: torch.Tensor) -> torch.Tensor:
    """The outliers (C, H, W) of the channels, or those of any where most are of all."""
    anywhere, everywhere = found.any(dim=0), found.all(dim=0)
    together = int(everywhere.sum()) >= _TOGETHER * int(anywhere.sum())
    return anywhere.expand_as(found) if together else found


def _outliers_of_plane(plane: torch.Tensor) -> tuple[torch.Tensor, bool]:
    """The outliers of a plane (H, W), and whether they are clear."""
    low, high = float(plane.amin()), float(plane.amax())
    nothing = torch.zeros_like(plane, dtype=torch.bool)
    if low == high:
        return nothing, False
    extremes = salt_and_pepper(plane)
    if extremes is not None:
        return extremes, True
    road = _road(plane)
    typical = float(road.median())
    # A frame of a few hot pixels has a wide range and fine steps: what counts is the noise.
    floor = LEAST_DIFFERENCE * (high - low) if typical == 0 else 4 * typical
    around = _local_mean(road.clamp(max=max(4 * typical, floor / 4)))
    stands_out = (road > LEAST_RATIO * around) & (road > floor)
    if not bool(stands_out.any()):
        return _if_dense(plane, nothing)
    rows, columns = stands_out.nonzero(as_tuple=True)
    framed = functional.pad(plane[None, None], (2, 2, 2, 2), mode="replicate")[0, 0]
    height_above, contrast = _height_above_neighbours(framed, rows + 2, columns + 2, around[rows, columns])
    values = plane.flatten()[:: 1 + plane.numel() // 100_000]
    spread = values.quantile(torch.tensor([0.005, 0.995]).to(values)).diff()
    contrast = torch.where(height_above >= LEAST_HEIGHT * spread, contrast, 0.0)
    count = int((contrast >= CLEAR_CONTRAST).sum())
    is_clear = count >= max(CLEAR_COUNT, CLEAR_SHARE * plane.numel())
    lone = nothing.clone()
    lone[rows, columns] = contrast >= LEAST_CONTRAST
    if is_clear and int(lone.sum()) >= DENSE_SHARE * plane.numel():
        return lone | _dense(plane, lone).found, True
    return (lone, True) if is_clear else _if_dense(plane, lone)


def _road(plane: torch.Tensor) -> torch.Tensor:
    height, width = plane.shape
    framed = functional.pad(plane[None, None], (1, 1, 1, 1), mode="replicate")[0, 0]
    return _sum_of_smallest(
        [
            (framed[1 + down : 1 + down + height, 1 + right : 1 + right + width] - plane).abs_()
            for down, right in _RING
        ]
    )


def _local_mean(plane: torch.Tensor) -> torch.Tensor:
    reach = SURROUNDINGS // 2
    framed = functional.pad(plane[None, None], (reach,) * 4, mode="replicate")[0, 0]
    return sliding(framed, SURROUNDINGS, torch.add) / SURROUNDINGS**2


@dataclass(frozen=True, eq=False)
class _Dense:
    """Dense impulses: where, by what differences to their neighbours, and from which on, in units of the range."""

    found: torch.Tensor
    difference: torch.Tensor
    threshold: torch.Tensor

    def are_impulses(self, plane: torch.Tensor) -> bool:
        """Whether they are no noise and no texture.

        Of a value drawn from the whole range nothing is known but that it is farther from the neighbours than the
        threshold: then the share of the range that is farther still is uniform. The tails of noise and of texture lie
        near the threshold, and what is far from the neighbours is rare.
        """
        count = int(self.found.sum())
        if count < DENSEST_CLEAR * plane.numel():
            return False
        far = self.difference[self.found] > 2 * self.threshold[self.found]
        if float(far.float().mean()) < LEAST_FAR:
            return False
        low = plane.amin()
        values = (plane - low) / (plane.amax() - low)
        sound = (~self.found).to(plane)
        around = _local_mean(values * sound) / _local_mean(sound).clamp(min=1 / SURROUNDINGS**2)
        mean, away = around[self.found], (values - around)[self.found].abs()
        possible = _farther(mean, torch.minimum(self.threshold[self.found], away)).clamp(min=1e-6)
        rank = _farther(mean, away) / possible
        return float(rank.mean()) <= MOST_RANK and float((rank < 0.25).float().mean()) >= LEAST_QUARTER


def _farther(mean: torch.Tensor, distance: torch.Tensor) -> torch.Tensor:
    """The share of the values from 0 to 1 that are farther from a mean than that."""
    return (mean - distance).clamp(min=0) + (1 - mean - distance).clamp(min=0)


def _if_dense(plane: torch.Tensor, lone: torch.Tensor) -> tuple[torch.Tensor, bool]:
    """Impulses so dense that none stands alone, and whether there are; else the lone ones that were found."""
    top, left = ((size - min(size, _SAMPLE)) // 2 for size in plane.shape)
    sample = plane[top : top + _SAMPLE, left : left + _SAMPLE]
    if float(sample.amin()) < float(sample.amax()):
        for part in (sample, plane):
            dense = _dense(part, torch.zeros_like(part, dtype=torch.bool))
            if not dense.are_impulses(part):
                return lone, False
        return dense.found, True
    return lone, False


def _dense(plane: torch.Tensor, found: torch.Tensor) -> _Dense:
    """Impulses of any value that lie beside each other, from those that were found first.

    The statistic is the third smallest difference d to the 24 neighbours that are no impulses. Its law is taken for
    exponential, with the mean b of the 7 × 7 around, and that of impulses of a share p for uniform over the range:
    what is likelier an impulse has ``d > b log((1 − p) / (p b))``. The mean is that of the logarithms, which impulses
    that are not found yet hardly raise: log b less Euler's constant.
    """
    span = plane.amax() - plane.amin()
    for _ in range(_ROUNDS):
        share = float(found.float().mean()) + 1e-3
        difference = _difference_to_others(plane, found) / span + _LEAST_DIFFERENCE
        sound = (~found).to(plane)
        logarithm = _local_mean(difference.log() * sound) / _local_mean(sound).clamp(min=1 / SURROUNDINGS**2)
        usual = (logarithm + _EULER).exp()
        threshold = _CAUTION * usual * ((1 - share) / (share * usual)).log().clamp(min=1)
        found = difference > threshold
    return _Dense(found, difference, threshold)


def _difference_to_others(plane: torch.Tensor, left_out: torch.Tensor) -> torch.Tensor:
    """The third smallest difference to the neighbours that are not left out; 0 where there are fewer.

    An edge or a line has three of the 24 that are as near in value.
    """
    framed = functional.pad(plane.masked_fill(left_out, torch.inf)[None, None], (2,) * 4, mode="replicate")[
        0, 0
    ]
    height, width = plane.shape
    parts = []
    for top in range(0, height, _ROWS_AT_ONCE):
        rows = plane[top : top + _ROWS_AT_ONCE]
        ring = [
            (framed[2 + top + down : 2 + top + down + len(rows), 2 + right : 2 + right + width] - rows).abs_()
            for down, right in (*_RING, *_OUTER_RING)
        ]
        parts.append(_third_smallest(ring))
    difference = torch.cat(parts)
    return difference.masked_fill_(difference.isinf(), 0.0)


def _height_above_neighbours(
    framed: torch.Tensor, rows: torch.Tensor, columns: torch.Tensor, usual: torch.Tensor
) -> tuple[torch.Tensor, torch.Tensor]:
    """How far pixels lie from the median of their neighbours, and in multiples of the range of these.

    The range counts as `usual` at least, where noise is clipped; the contrast is 0 where the neighbours know of it.
    """

    def values_of(ring: tuple[tuple[int, int], ...]) -> torch.Tensor:
        return torch.stack([framed[rows + down, columns + right] for down, right in ring]).sort(dim=0).values

    def median_of(values: torch.Tensor) -> torch.Tensor:
        return (values[len(values) // 2 - 1] + values[len(values) // 2]) / 2

    inner, outer = values_of(_RING), values_of(_OUTER_RING)
    height = (framed[rows, columns] - median_of(inner)).abs()
    rises = (median_of(inner) - median_of(outer)).abs()
    # Another outlier or two may be among the neighbours; in a cluster there are three, on the same side.
    range_of_others = torch.maximum(inner[-2] - inner[1], outer[-3] - outer[2])
    above = framed[rows, columns] > median_of(inner)
    beside_cluster = torch.where(
        above,
        torch.maximum(inner[-4] - inner[1], outer[-4] - outer[2]),
        torch.maximum(inner[-2] - inner[3], outer[-3] - outer[3]),
    )
    least = usual.clamp(min=1e-9)
    alone, clustered = torch.maximum(range_of_others, least), torch.maximum(beside_cluster, least)
    contrast = torch.maximum(height / alone, height / clustered / CLUSTER_FACTOR)
    return height, torch.where(rises <= MOST_SPREAD * height, contrast, 0.0)


def _third_smallest(planes: list[torch.Tensor]) -> torch.Tensor:
    """The third smallest of planes, kept in order beside the two before it: no sorting of columns of few values."""
    first, second, third = (torch.full_like(planes[0], torch.inf) for _ in range(3))
    for plane in planes:
        torch.minimum(third, torch.maximum(second, plane), out=third)
        torch.minimum(second, torch.maximum(first, plane), out=second)
        torch.minimum(first, plane, out=first)
    return third


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
