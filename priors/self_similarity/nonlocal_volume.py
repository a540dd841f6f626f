"""Non-local means of volumes: every voxel becomes the average of the voxels whose neighbourhoods look like its own.

As in images (:mod:`~zeroshot.priors.self_similarity.nonlocal_means`), the sum over the search window is a loop over
half of its offsets; each costs a few elementwise operations on a block of the volume that stays in the cache of a core.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import torch

from zeroshot.patches.cubes import Triple
from zeroshot.patches.running_sums import running_sums
from zeroshot.priors.self_similarity.nonlocal_means import (
    COLOUR_SETTINGS,
    GREY_SETTINGS,
    LEAST_EXPONENT,
    LEAST_OWN_WEIGHT,
    Aggregation,
    add_weights,
    patches_over,
)

#: (largest σ of 255, sides of a cube, side of the window, h/σ), see ``benchmarks/volume_filters.py``.
SETTINGS: tuple[tuple[float, Triple, int, float], ...] = (
    (15, (1, 5, 5), 7, 0.60),
    (35, (3, 5, 5), 7, 0.50),
    (math.inf, (3, 7, 7), 7, 0.40),
)
#: Voxels of a block.
BLOCK_VOXELS = {"cpu": 1 << 17}
LARGE_BLOCK_VOXELS = 1 << 24

#: Peak of memory per value, beside the volume and the result, and whatever its size.
BYTES_PER_VALUE, LEAST_BYTES = 32, 64 * 2**20
#: The result is that of the whole volume wherever a part of it begins.
STEP = 1

#: So many make no difference to the settings.
MANY_PLANES = 1000

Box = tuple[slice, slice, slice]


@torch.no_grad()
def average_volume(
    noisy: torch.Tensor,
    sigma: float | torch.Tensor,
    *,
    patch: int | None = None,
    window: int | None = None,
    strength: float | None = None,
    aggregation: Aggregation = "patchwise",
) -> torch.Tensor:
    """x(i) = Σⱼ w(i, j) y(j) / Σⱼ w(i, j) with w(i, j) = exp(−max(d²(i, j) − σᵢ² − σⱼ², 0) / h²), j in a window.

    d² is the mean squared difference of the cubes about i and j over their voxels and channels, σᵢ² + σⱼ² what the
    noise alone makes of it. A cube gets for its own weight the largest of its others. Cubes at the border are completed
    by reflection; the window ends there.

    Parameters
    ----------
    noisy : torch.Tensor
        (C, D, H, W), left unchanged.
    sigma : float or torch.Tensor
        Standard deviation of the noise, above 0; or that of each voxel, to be broadcast to (1, D, H, W), which takes
        about twice as long for strengths that follow it.
    patch, window : int, optional
        Sides of the cubes that are compared and searched, odd; less along an axis that is shorter.
    strength : float, optional
        h/σ; where σ differs from voxel to voxel h² = strength² (σᵢ² + σⱼ²)/2.
    aggregation : {"patchwise", "pixelwise"}
        Whether whole cubes are averaged, or their centres only.

    Returns
    -------
    torch.Tensor
        (C, D, H, W).
    """
    levels = sigma if isinstance(sigma, torch.Tensor) else torch.tensor(sigma)
    variance = levels.to(noisy).square()
    mean = float(variance.mean().sqrt())
    chosen = _settings_at(mean, noisy.shape[1], len(noisy)).with_(patch, window, strength)
    radius, margin = (
        tuple(min(side // 2, length - 1) for side, length in zip(sides, noisy.shape[1:], strict=True))
        for sides in (chosen.window, chosen.cube)
    )
    pairs = _CubePairs(noisy, margin, radius, variance, chosen.strength)
    return _average_cubes(pairs) if aggregation == "patchwise" else _average_voxels(pairs)


def reach(
    sigma: float,
    *,
    patch: int | None = None,
    window: int | None = None,
    strength: float | None = None,
    aggregation: Aggregation = "patchwise",
    depth: int = MANY_PLANES,
) -> tuple[int, int]:
    """How far a value reaches in planes, and in rows and columns of a volume of `depth` planes; it is felt no further.

    The others are those of :func:`average_volume`.
    """
    chosen = _settings_at(sigma, depth, 1).with_(patch, window, strength)
    planes, rows, _ = (
        side // 2 + 2 * (part // 2) for side, part in zip(chosen.window, chosen.cube, strict=True)
    )
    return planes, rows


@dataclass(frozen=True)
class _Settings:
    """Sides of a cube and of the window along planes, rows and columns, and h/σ."""

    cube: Triple
    window: Triple
    strength: float

    def with_(self, patch: int | None, window: int | None, strength: float | None) -> _Settings:
        """The same with what is given put in place of it."""
        return _Settings(
            self.cube if patch is None else (patch, patch, patch),
            self.window if window is None else (window, window, window),
            self.strength if strength is None else strength,
        )


def _settings_at(sigma: float, depth: int, channels: int) -> _Settings:
    """What suits a noise level; the fewer planes there are the wider the window, of a single one that of an image."""
    if depth == 1:
        table = GREY_SETTINGS if channels == 1 else COLOUR_SETTINGS
        _, side, across, strength = next(row for row in table if 255 * sigma <= row[0] * (1 + 1e-6))
        return _Settings((1, side, side), (1, across, across), strength)
    _, cube, window, strength = next(row for row in SETTINGS if 255 * sigma <= row[0] * (1 + 1e-6))
    across = math.isqrt(window**3 // min(window, depth)) // 2 * 2 + 1
    return _Settings(cube, (window, across, across), strength)


@dataclass(frozen=True)
class _BoxPair:
    """The voxels of a block and the voxels one offset away."""

    here: Box
    there: Box

    @property
    def shape(self) -> Triple:
        planes, rows, columns = (part.stop - part.start for part in self.here)
        return planes, rows, columns


def _pairs_within(shape: Triple, radius: Triple, block: Triple) -> Iterator[_BoxPair]:
    """Every pair of different voxels within each other's window, each once: all of a block, then of the next."""
    starts = [range(0, length, step) for length, step in zip(shape, block, strict=True)]
    offsets = [
        offset
        for offset in product(range(radius[0] + 1), *(range(-reach, reach + 1) for reach in radius[1:]))
        if offset > (0, 0, 0)
    ]
    for corner in product(*starts):
        for offset in offsets:
            here = [
                slice(max(first, -shift), min(first + step, length - max(shift, 0)))
                for first, step, length, shift in zip(corner, block, shape, offset, strict=True)
            ]
            if all(part.start < part.stop for part in here):
                there = [
                    slice(part.start + shift, part.stop + shift)
                    for part, shift in zip(here, offset, strict=True)
                ]
                yield _BoxPair((here[0], here[1], here[2]), (there[0], there[1], there[2]))


def _grown(places: Box, margin: Triple) -> tuple[slice, slice, slice, slice]:
    """Places grown by the margin to every side, in a volume (C, D, H, W) that is padded by as much."""
    planes, rows, columns = (
        slice(part.start, part.stop + 2 * more) for part, more in zip(places, margin, strict=True)
    )
    return slice(None), planes, rows, columns


class _CubePairs:
    """All pairs of cubes within each other's window, each once, and their weights.

    Parameters
    ----------
    volume : torch.Tensor
        (C, D, H, W).
    margin, radius : tuple of int
        Half the sides of a cube and of the window.
    variance : torch.Tensor
        Of the noise: one number, or to be broadcast to (1, D, H, W).
    strength : float
        h/σ.
    """

    def __init__(
        self,
        volume: torch.Tensor,
        margin: tuple[int, ...],
        radius: tuple[int, ...],
        variance: torch.Tensor,
        strength: float,
    ) -> None:
        self.margin: Triple = (margin[0], margin[1], margin[2])
        self._radius: Triple = (radius[0], radius[1], radius[2])
        self._strength = strength
        self.patch: Triple = (2 * margin[0] + 1, 2 * margin[1] + 1, 2 * margin[2] + 1)
        self.channels = volume.shape[0]
        self.shape: Triple = (volume.shape[1], volume.shape[2], volume.shape[3])
        self.padded = _reflected(volume, self.margin)
        self.block = _block(self.shape, volume.device)
        frame = [side + 4 * more for side, more in zip(self.block, margin, strict=True)]
        self._scratch = list(volume.new_empty(6, math.prod(frame)))
        voxels = self.channels * math.prod(self.patch)
        self._local: torch.Tensor | None = None
        if variance.numel() == 1:
            bandwidth = strength * float(variance.sqrt())
            self._scaled = self.padded / (bandwidth * math.sqrt(voxels))
            self._offset = volume.new_full((), 2 / strength**2)
        else:
            self._scaled = self.padded / math.sqrt(voxels)
            self._local = self._mean_over_cubes(variance.expand(1, *self.shape))

    def __iter__(self) -> Iterator[_BoxPair]:
        return _pairs_within(self.shape, self._radius, self.block)

    def _mean_over_cubes(self, variance: torch.Tensor) -> torch.Tensor:
        """Of the cubes about each voxel, (D, H, W)."""
        padded = _reflected(variance, self.margin)[0]
        for axis, side in enumerate(self.patch):
            padded = padded.unfold(axis, side, 1).mean(dim=-1)
        return padded

    def weights(self, pair: _BoxPair) -> torch.Tensor:
        """The weights of the pairs, of their shape; valid until the next call."""
        here, there = (self._scaled[_grown(places, self.margin)] for places in (pair.here, pair.there))
        shape: Triple = (here.shape[1], here.shape[2], here.shape[3])
        count = math.prod(shape)
        difference, squares = (buffer[:count].view(shape) for buffer in self._scratch[:2])
        for channel in range(self.channels):
            torch.sub(here[channel], there[channel], out=difference)
            if channel == 0:
                torch.mul(difference, difference, out=squares)
            else:
                squares.addcmul_(difference, difference)
        sums = self._box_sum(squares, self._scratch[4])
        if self._local is None:
            torch.sub(self._offset, sums, out=sums).clamp_(LEAST_EXPONENT, 0).exp_()
            return _as_volume(sums, pair.shape, shape)
        weights = _as_volume(sums, pair.shape, shape)
        noise = self._local[pair.here] + self._local[pair.there]
        torch.sub(noise, weights, out=weights).div_(noise.mul_(self._strength**2 / 2))
        return weights.clamp_(LEAST_EXPONENT, 0).exp_()

    def spread(self, weights: torch.Tensor, shares: torch.Tensor) -> torch.Tensor:
        """For each voxel the sum of the weights of the cubes that hold it, times their `shares`.

        Returns
        -------
        torch.Tensor
            Larger than `weights` by twice the margin along each axis; valid until the next call.
        """
        shape: Triple = tuple(  # type: ignore[assignment]  # of three
            side + 4 * more for side, more in zip(weights.shape, self.margin, strict=True)
        )
        framed = self._scratch[1][: math.prod(shape)].view(shape).zero_()
        inside = tuple(
            slice(2 * more, side - 2 * more) for side, more in zip(shape, self.margin, strict=True)
        )
        torch.mul(weights, shares, out=framed[inside])
        sums = self._box_sum(framed, self._scratch[5])
        result: Triple = tuple(  # type: ignore[assignment]
            side - 2 * more for side, more in zip(shape, self.margin, strict=True)
        )
        return _as_volume(sums, result, shape)

    def _box_sum(self, values: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        """Sums over the cubes that begin at each voxel, flat, with rows and planes as long as before.

        The last columns of a row run on into the next one; they mean nothing.
        """
        spare, more, along = self._scratch[0], self._scratch[2], self._scratch[3]
        sums, buffers = values.view(-1), [along, out]
        spacings = (values.shape[1] * values.shape[2], values.shape[2], 1)
        steps = [(side, step) for side, step in zip(self.patch, spacings, strict=True) if side > 1][::-1]
        # The last of the sums is to end up in `out`.
        if len(steps) % 2:
            buffers.reverse()
        for side, step in steps:
            sums = running_sums(sums, side, step, buffers[0], (spare, more))
            buffers.reverse()
        return sums if steps else out[: len(sums)].copy_(sums)


def _block(shape: Triple, device: torch.device) -> Triple:
    """Planes, rows and columns of a block: about as many planes as rows, and whole rows."""
    most = max(1, BLOCK_VOXELS.get(device.type, LARGE_BLOCK_VOXELS) // shape[2])
    rows = min(shape[1], max(math.isqrt(most), most // shape[0]))
    return min(shape[0], max(1, most // rows)), rows, shape[2]


def _reflected(volume: torch.Tensor, margin: Triple) -> torch.Tensor:
    """The volume (C, D, H, W) continued on every side by its mirror image."""
    for axis, more in enumerate(margin, start=1):
        if more:
            size = volume.shape[axis]
            places = torch.arange(-more, size + more, device=volume.device) % (2 * size)
            volume = volume.index_select(axis, torch.minimum(places, 2 * size - 1 - places))
    return volume.contiguous()


def _as_volume(values: torch.Tensor, shape: Triple, stored: Triple) -> torch.Tensor:
    """The flat `values` as a volume of `shape` whose rows and planes are as far apart as in one `stored` as told."""
    return values.as_strided(shape, (stored[1] * stored[2], stored[2], 1))


def _average_voxels(pairs: _CubePairs) -> torch.Tensor:
    """Σⱼ w(i, j) y(j) / Σⱼ w(i, j)."""
    planes, rows, columns = (
        slice(more, more + side) for more, side in zip(pairs.margin, pairs.shape, strict=True)
    )
    values = pairs.padded[:, planes, rows, columns].contiguous()
    total, largest = torch.zeros_like(values[0]), torch.zeros_like(values[0])
    sums = torch.zeros_like(values)
    for pair in pairs:
        weights = pairs.weights(pair)
        for mine, other in ((pair.here, pair.there), (pair.there, pair.here)):
            add_weights(total, largest, mine, weights)
            at, seen = (slice(None), *mine), (slice(None), *other)
            sums[at].addcmul_(weights, values[seen])
    own = largest.clamp_(min=LEAST_OWN_WEIGHT)
    return sums.addcmul_(own, values).div_(total.add_(own))


def _average_cubes(pairs: _CubePairs) -> torch.Tensor:
    """The mean at each voxel over the cubes P that hold it of Σ_Q w(P, Q) Q / Σ_Q w(P, Q).

    The sum over the cubes that hold a voxel is taken of the weights, for all of them meet the same voxel of y at one
    offset.
    """
    total, largest = (pairs.padded.new_zeros(pairs.shape) for _ in range(2))
    for pair in pairs:
        weights = pairs.weights(pair)
        add_weights(total, largest, pair.here, weights)
        add_weights(total, largest, pair.there, weights)
    own = largest.clamp_(min=LEAST_OWN_WEIGHT)
    shares = total.add_(own).reciprocal_()
    sums = torch.zeros_like(pairs.padded)
    for corner in product(
        *(range(0, side, step) for side, step in zip(pairs.shape, pairs.block, strict=True))
    ):
        places: Box = tuple(  # type: ignore[assignment]  # of three
            slice(first, min(first + step, side))
            for first, step, side in zip(corner, pairs.block, pairs.shape, strict=True)
        )
        grown = _grown(places, pairs.margin)
        sums[grown].addcmul_(pairs.spread(own[places], shares[places]), pairs.padded[grown])
    for pair in pairs:
        weights = pairs.weights(pair)
        here, there = _grown(pair.here, pairs.margin), _grown(pair.there, pairs.margin)
        sums[here].addcmul_(pairs.spread(weights, shares[pair.here]), pairs.padded[there])
        sums[there].addcmul_(pairs.spread(weights, shares[pair.there]), pairs.padded[here])
    planes, rows, columns = (
        slice(more, more + side) for more, side in zip(pairs.margin, pairs.shape, strict=True)
    )
    deep, down, along = (
        patches_over(side, more, sums) for side, more in zip(pairs.shape, pairs.margin, strict=True)
    )
    return sums[:, planes, rows, columns] / (deep[:, None, None] * down[:, None] * along)
