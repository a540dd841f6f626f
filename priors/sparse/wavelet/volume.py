"""Wavelet sparsity of volumes: the filter banks of images along a third axis.

Each level splits the low-pass band of the one before along every axis that is long enough for its filters, so that a
volume of few planes has fewer levels in depth, and one of a single plane is an image.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable
from dataclasses import dataclass

import torch

from zeroshot.priors.sparse.wavelet.subbands import Choice, Penalty, noisy_threshold, shrunk, wiener
from zeroshot.priors.sparse.wavelet.transforms import Filters, merged_along, most_levels, split_along
from zeroshot.volume_denoiser import Reach, VolumeDenoiser

#: What is done to the coefficients of one subband at a level: the same shape.
Rule = Callable[[torch.Tensor, int, float], torch.Tensor]

#: Radius of the window of local energies, undecimated and decimated, and that for the energies of the first result.
RADIUS = {"undecimated": 4, "cycle_spun": 2, "orthogonal": 2}
PILOT_RADIUS = {"undecimated": 2, "cycle_spun": 1, "orthogonal": 1}
#: Planes, rows and columns put round a volume by reflection.
MARGIN = 8


class VolumeTransform:
    """A pyramid of separable filter banks over three axes as a Parseval frame: Wᵀ W x = x, ‖W x‖ = ‖x‖, periodic.

    Parameters
    ----------
    filters : Filters
    levels : tuple of int
        In planes, rows and columns; at a level beyond one of them that axis is not split.
    is_decimated : bool
        Whether it is orthogonal, of sizes that are multiples of 2^levels; else it commutes with shifts.
    """

    def __init__(self, filters: Filters, levels: tuple[int, int, int], is_decimated: bool) -> None:
        self.filters, self.levels, self.is_decimated = filters, levels, is_decimated

    def axes(self, level: int) -> tuple[int, ...]:
        """The axes that are split at a level."""
        return tuple(axis - 3 for axis in range(3) if level < self.levels[axis])

    def gain(self, level: int) -> float:
        """Standard deviation of a detail coefficient of white noise of standard deviation 1."""
        if self.is_decimated:
            return 1.0
        return 0.5 ** (0.5 * sum(len(self.axes(one)) for one in range(level + 1)))

    def shrink(self, x: torch.Tensor, rule: Rule) -> torch.Tensor:
        """Wᵀ T(W x), with T the `rule` on every detail band; a band is dropped as soon as it is used."""
        return self._shrink(x, rule, 0)

    def _shrink(self, x: torch.Tensor, rule: Rule, level: int) -> torch.Tensor:
        axes = self.axes(level)
        if not axes:
            return x
        return self._split_shrink(x, rule, level, axes, is_low=True)

    def _split_shrink(
        self, x: torch.Tensor, rule: Rule, level: int, axes: tuple[int, ...], is_low: bool
    ) -> torch.Tensor:
        """Split along the axes that are left, shrink what comes of it, and merge."""
        if not axes:
            return self._shrink(x, rule, level + 1) if is_low else rule(x, level, self.gain(level))
        spacing, stride = (1, 2) if self.is_decimated else (2**level, 1)
        low, high = split_along(x, axes[0], self.filters, spacing, stride)
        low = self._split_shrink(low, rule, level, axes[1:], is_low)
        high = self._split_shrink(high, rule, level, axes[1:], False)
        return merged_along(low, high, axes[0], self.filters, spacing, stride)


@dataclass(frozen=True)
class VolumeWavelet(VolumeDenoiser):
    """Shrinkage of the wavelet coefficients of a volume, and a second one with Wiener factors from the first result.

    Attributes
    ----------
    transform, wavelet, levels, penalty, choice, strength, chroma, refinement, shifts
        As for :class:`~zeroshot.priors.sparse.wavelet.shrinkage.Wavelet`.
    """

    transform: str
    wavelet: str
    levels: int
    penalty: Penalty
    choice: Choice
    strength: float
    chroma: float
    refinement: str
    shifts: int

    bytes_per_value = 400

    def reach(self, sigma: float) -> Reach:
        """Half the filters of the levels that matter; the coarsest ones carry little noise."""
        return Reach(MARGIN, MARGIN)

    def __call__(self, noisy: torch.Tensor, sigma: float) -> torch.Tensor:
        """The one or two passes, channel by channel."""
        size = noisy.shape[-3:]
        transform, frame = self._framed(size)
        result = torch.empty_like(noisy)
        for channel, volume in enumerate(noisy):
            factor = self.strength * (self.chroma if channel else 1.0)
            extended = _extended(volume[None, None], frame)
            shrunk_volume = self._spun(
                transform, lambda t, x, f=factor: self._thresholded(t, x, sigma, f), extended
            )
            if self.refinement == "wiener":
                guide = _extended(_cropped(shrunk_volume, frame, size), frame)
                shrunk_volume = self._spun(
                    transform, lambda t, x, g: self._wiener_filtered(t, x, g, sigma), extended, guide
                )
            result[channel] = _cropped(shrunk_volume, frame, size)[0, 0]
        return result

    def _framed(self, size: torch.Size) -> tuple[VolumeTransform, list[tuple[int, int]]]:
        """The transform for volumes of this size; the length of every axis with its frame, and where it begins."""
        filters = Filters.named(self.wavelet)
        levels, frame = [], []
        for length in size:
            if length == 1:
                levels.append(0)
                frame.append((1, 0))
                continue
            whole = length + 2 * MARGIN
            most = min(self.levels, most_levels(filters, whole, whole))
            if self.transform != "undecimated":
                whole = -(-whole // 2**most) * 2**most
            levels.append(most)
            frame.append((whole, (whole - length) // 2))
        depth, rows, columns = levels
        return VolumeTransform(filters, (depth, rows, columns), self.transform != "undecimated"), frame

    def _spun(
        self, transform: VolumeTransform, shrink: Callable[..., torch.Tensor], *volumes: torch.Tensor
    ) -> torch.Tensor:
        """The mean over the shifts of the volumes, where the transform is spun."""
        if self.transform != "cycle_spun":
            return shrink(transform, *volumes)
        shifts = spread_shifts(self.shifts, [2**level for level in transform.levels])
        total = torch.zeros_like(volumes[0])
        dims = (-3, -2, -1)
        for shift in shifts:
            back = tuple(-one for one in shift)
            moved = [torch.roll(volume, back, dims) for volume in volumes]
            total += torch.roll(shrink(transform, *moved), shift, dims)
        return total / len(shifts)

    def _thresholded(
        self, transform: VolumeTransform, volume: torch.Tensor, sigma: float, factor: float
    ) -> torch.Tensor:
        radius = RADIUS[self.transform]

        def rule(band: torch.Tensor, level: int, gain: float) -> torch.Tensor:
            threshold = noisy_threshold(band, sigma * gain, self.choice, radius, axes=3)
            return shrunk(band, factor * threshold, self.penalty)

        return transform.shrink(volume, rule)

    def _wiener_filtered(
        self, transform: VolumeTransform, volume: torch.Tensor, guide: torch.Tensor, sigma: float
    ) -> torch.Tensor:
        """Both go through the transform together, so that no band has to be kept."""
        radius = PILOT_RADIUS[self.transform]

        def rule(both: torch.Tensor, level: int, gain: float) -> torch.Tensor:
            both[:1] = wiener(both[:1], both[1:], sigma * gain, radius, axes=3)
            return both

        return transform.shrink(torch.cat([volume, guide]), rule)[:1]


def _extended(x: torch.Tensor, frame: list[tuple[int, int]]) -> torch.Tensor:
    """`x` continued over the frame by reflection about its ends."""
    for axis, (whole, before) in zip((-3, -2, -1), frame, strict=True):
        size = x.shape[axis]
        position = (torch.arange(whole, device=x.device) - before) % (2 * size)
        x = x.index_select(axis, torch.minimum(position, 2 * size - 1 - position))
    return x


def _cropped(x: torch.Tensor, frame: list[tuple[int, int]], size: torch.Size) -> torch.Tensor:
    for axis, (_, before), length in zip((-3, -2, -1), frame, size, strict=True):
        x = x.narrow(axis, before, length)
    return x


def spread_shifts(count: int, periods: list[int]) -> list[tuple[int, ...]]:
    """`count` different shifts, spread evenly: multiples of an irrational vector, modulo the periods."""
    available = list(itertools.product(*map(range, periods)))
    if count >= len(available):
        return available
    # The powers of the inverse of the plastic number, which x³ = x + 1 defines.
    steps = [1.0, 0.7548776662466927, 0.5698402909980532]
    shifts: list[tuple[int, ...]] = []
    for index in range(64 * count):
        parts = (index / count, index * steps[1] % 1, index * steps[2] % 1)
        shift = tuple(int(part % 1 * period) for part, period in zip(parts, periods, strict=True))
        if shift not in shifts:
            shifts.append(shift)
        if len(shifts) == count:
            return shifts
    return [*shifts, *(one for one in available if one not in shifts)][:count]
