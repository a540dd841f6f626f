"""Wavelet transforms of images as Parseval frames: orthogonal, averaged over shifts, and undecimated.

Every transform W here satisfies Wᵀ W x = x and ‖W x‖ = ‖x‖ for images of any size that it accepts, with
periodic boundaries. The edges of an image are up to the callers: :class:`Frame`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

#: What is done to the coefficients of one subband: (coefficients, level from 0, orientation from 0) → the same
#: shape. Orientation 0 holds differences down the rows, 1 along the columns, 2 both.
Rule = Callable[[torch.Tensor, int, int], torch.Tensor]


@dataclass(frozen=True)
class Filters:
    """The low-pass and high-pass analysis filters of an orthogonal wavelet, each of L (even) taps."""

    low: tuple[float, ...]
    high: tuple[float, ...]

    @classmethod
    def named(cls, name: str) -> Filters:
        """The filters that PyWavelets knows by this name.

        Raises
        ------
        ValueError
            Where it knows none, or where the wavelet is not orthogonal.
        """
        import pywt

        wanted = "wavelet must be the name of an orthogonal wavelet such as 'haar', 'db4', 'sym4' or 'coif1'"
        if not isinstance(name, str) or name not in pywt.wavelist(kind="discrete"):
            raise ValueError(f"{wanted}, got {name!r}")
        wavelet = pywt.Wavelet(name)
        # The discrete Meyer filters are called orthogonal, but are so to 1e-3 only.
        if not wavelet.orthogonal or name == "dmey":
            raise ValueError(f"{wavelet.name!r} is not orthogonal; {wanted}")
        return cls(tuple(wavelet.dec_lo), tuple(wavelet.dec_hi))

    def __len__(self) -> int:
        return len(self.low)


@dataclass(frozen=True)
class Coefficients:
    """W x.

    Attributes
    ----------
    approximation : torch.Tensor
        The coarsest low-pass band, (N, C, h, w).
    details : list of tuple of torch.Tensor
        Per level, the finest first: the bands with differences down the rows, along the columns, and both.
    """

    approximation: torch.Tensor
    details: list[tuple[torch.Tensor, ...]]


class WaveletTransform(ABC):
    """A pyramid of separable filter banks: each level splits the low-pass band of the one before.

    Parameters
    ----------
    filters : Filters
    levels : int
        At least 1.
    """

    def __init__(self, filters: Filters, levels: int) -> None:
        self.filters, self.levels = filters, levels

    @abstractmethod
    def split(self, x: torch.Tensor, level: int) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        """The low-pass band and the three detail bands of the low-pass band `x` of the level before."""

    @abstractmethod
    def merge(self, low: torch.Tensor, details: Sequence[torch.Tensor], level: int) -> torch.Tensor:
        """The adjoint of :meth:`split`, which is also its inverse."""

    @abstractmethod
    def gain(self, level: int) -> float:
        """Standard deviation of a detail coefficient of white noise of standard deviation 1."""

    def analysis(self, x: torch.Tensor) -> Coefficients:
        """W x."""
        details = []
        for level in range(self.levels):
            x, bands = self.split(x, level)
            details.append(bands)
        return Coefficients(x, details)

    def synthesis(self, coefficients: Coefficients) -> torch.Tensor:
        """Wᵀ c; the inverse where c is a transform."""
        x = coefficients.approximation
        for level in reversed(range(self.levels)):
            x = self.merge(x, coefficients.details[level], level)
        return x

    def shrink(self, x: torch.Tensor, rule: Rule) -> torch.Tensor:
        """Wᵀ T(W x), with T the `rule` on every detail band; a band is dropped as soon as it is used."""
        return self._shrink(x, rule, 0)

    def _shrink(self, x: torch.Tensor, rule: Rule, level: int) -> torch.Tensor:
        if level == self.levels:
            return x
        low, bands = self.split(x, level)
        shrunk = [rule(band, level, orientation) for orientation, band in enumerate(bands)]
        return self.merge(self._shrink(low, rule, level + 1), shrunk, level)

    def visit(self, x: torch.Tensor, rule: Callable[[torch.Tensor, int, int], object]) -> None:
        """Show `rule` every detail band of W x, the finest first, without keeping any."""
        for level in range(self.levels):
            x, bands = self.split(x, level)
            for orientation, band in enumerate(bands):
                rule(band, level, orientation)


class OrthogonalTransform(WaveletTransform):
    """The orthogonal wavelet transform with periodic boundaries.

    Height and width must be multiples of 2^levels. The coefficients are those of
    ``pywt.wavedec2(x, wavelet, mode="periodization", level=levels)``.

    References
    ----------
    S. Mallat: A theory for multiresolution signal decomposition: the wavelet representation, IEEE TPAMI 11
    (1989).
    """

    def split(self, x: torch.Tensor, level: int) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        return _split(x, self.filters, spacing=1, stride=2)

    def merge(self, low: torch.Tensor, details: Sequence[torch.Tensor], level: int) -> torch.Tensor:
        down, along, both = details
        upper = merged_along(low, along, -1, self.filters, spacing=1, stride=2)
        lower = merged_along(down, both, -1, self.filters, spacing=1, stride=2)
        return merged_along(upper, lower, -2, self.filters, spacing=1, stride=2)

    def gain(self, level: int) -> float:
        return 1.0


class UndecimatedTransform(WaveletTransform):
    """The transform that commutes with (periodic) shifts: à trous, filters divided by √2 along each axis.

    It holds the coefficients of the orthogonal transforms of all 2^levels × 2^levels shifts of the image,
    divided by 2^level, and is thereby a Parseval frame. Images may have any size.

    References
    ----------
    G. P. Nason, B. W. Silverman: The stationary wavelet transform and some statistical applications, 1995.
    R. R. Coifman, D. L. Donoho: Translation-invariant de-noising, 1995.
    """

    def split(self, x: torch.Tensor, level: int) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
        return _split(x, self.filters, spacing=2**level, stride=1)

    def merge(self, low: torch.Tensor, details: Sequence[torch.Tensor], level: int) -> torch.Tensor:
        down, along, both = details
        spacing = 2**level
        upper = merged_along(low, along, -1, self.filters, spacing, stride=1)
        lower = merged_along(down, both, -1, self.filters, spacing, stride=1)
        return merged_along(upper, lower, -2, self.filters, spacing, stride=1)

    def gain(self, level: int) -> float:
        return 0.5 ** (level + 1)


class CycleSpunTransform(OrthogonalTransform):
    """The orthogonal transforms of several shifts of the image, together one Parseval frame.

    ``shrink`` averages the shrunk images over the shifts. The coefficients of each shift are left as they
    are, so that thresholds mean what they mean for the orthogonal transform.

    Parameters
    ----------
    filters : Filters
    levels : int
    shifts : int
        How many shifts, spread evenly over the 2^levels × 2^levels that differ.

    References
    ----------
    R. R. Coifman, D. L. Donoho: Translation-invariant de-noising, 1995.
    """

    def __init__(self, filters: Filters, levels: int, shifts: int) -> None:
        super().__init__(filters, levels)
        self.shifts = _spread_shifts(shifts, 2**levels)

    def shrink(self, x: torch.Tensor, rule: Rule) -> torch.Tensor:
        total = torch.zeros_like(x)
        for down, along in self.shifts:
            shifted = torch.roll(x, (-down, -along), dims=(-2, -1))
            total += torch.roll(super().shrink(shifted, rule), (down, along), dims=(-2, -1))
        return total / len(self.shifts)

    def visit(self, x: torch.Tensor, rule: Callable[[torch.Tensor, int, int], object]) -> None:
        for down, along in self.shifts:
            super().visit(torch.roll(x, (-down, -along), dims=(-2, -1)), rule)


def most_levels(filters: Filters, height: int, width: int) -> int:
    """The most levels at which the filters of the coarsest one are no longer than the image; at least 1."""
    levels = 1
    while (len(filters) - 1) * 2**levels < min(height, width):
        levels += 1
    return levels


# --- the edges of an image ---------------------------------------------------------------------------------


@dataclass(frozen=True)
class Frame:
    """Rows and columns put round an image: `top` and `left` first, `height` and `width` in all."""

    top: int
    left: int
    height: int
    width: int

    @classmethod
    def around(cls, height: int, width: int, margin: int, multiple: int, least: int = 1) -> Frame:
        """The smallest with `margin` on every side, sides a multiple of `multiple` and at least `least`."""

        def side(length: int) -> int:
            wanted = max(length + 2 * margin, least)
            return -(-wanted // multiple) * multiple

        tall, wide = side(height), side(width)
        return cls((tall - height) // 2, (wide - width) // 2, tall, wide)

    def extended(self, x: torch.Tensor) -> torch.Tensor:
        """`x` continued over the frame by reflection about its edges."""
        for dim, before, length in ((-2, self.top, self.height), (-1, self.left, self.width)):
            size = x.shape[dim]
            position = (torch.arange(length, device=x.device) - before) % (2 * size)
            x = x.index_select(dim, torch.minimum(position, 2 * size - 1 - position))
        return x

    def crop(self, x: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """What lies within the frame: a view of `height` rows and `width` columns."""
        return x[..., self.top : self.top + height, self.left : self.left + width]

    def padded(self, x: torch.Tensor) -> torch.Tensor:
        """`x` with zeros on the frame: the adjoint of :meth:`crop`."""
        result = x.new_zeros((*x.shape[:-2], self.height, self.width))
        self.crop(result, *x.shape[-2:]).copy_(x)
        return result


# --- filter banks ------------------------------------------------------------------------------------------


def _split(
    x: torch.Tensor, filters: Filters, spacing: int, stride: int
) -> tuple[torch.Tensor, tuple[torch.Tensor, ...]]:
    upper, lower = split_along(x, -2, filters, spacing, stride)
    low, along = split_along(upper, -1, filters, spacing, stride)
    down, both = split_along(lower, -1, filters, spacing, stride)
    return low, (down, along, both)


def split_along(
    x: torch.Tensor, dim: int, filters: Filters, spacing: int, stride: int
) -> tuple[torch.Tensor, torch.Tensor]:
    """Σⱼ f[j] x[m + s (L/2 − j)] for both filters f, at every `stride`-th m, periodically.

    With stride 1 the filters are divided by √2: together the bands then have the energy of x.
    """
    taps, size = len(filters), x.shape[dim]
    before = spacing * (taps // 2 - 1)
    wrapped = _wrapped(x, dim, before, spacing * (taps // 2))
    if stride == 2:
        even, odd = _halves(wrapped, dim)
    bands = []
    for taps_of_band in (filters.low, filters.high):
        band = None
        for j, tap in enumerate(taps_of_band):
            start = before + spacing * (taps // 2 - j)
            if stride == 2:
                view = (odd if start % 2 else even).narrow(dim, start // 2, size // 2)
            else:
                view = wrapped.narrow(dim, start, size)
                tap *= 0.5**0.5
            band = view * tap if band is None else band.add_(view, alpha=tap)
        assert band is not None
        bands.append(band)
    return bands[0], bands[1]


def merged_along(
    low: torch.Tensor, high: torch.Tensor, dim: int, filters: Filters, spacing: int, stride: int
) -> torch.Tensor:
    """The adjoint of `split_along`."""
    taps = len(filters)
    if stride == 2:
        return _merge_halves(low, high, dim, filters)
    size = low.shape[dim]
    before = spacing * (taps // 2)
    result = None
    for band, taps_of_band in ((low, filters.low), (high, filters.high)):
        wrapped = _wrapped(band, dim, before, spacing * (taps // 2 - 1))
        for j, tap in enumerate(taps_of_band):
            view = wrapped.narrow(dim, before - spacing * (taps // 2 - j), size)
            scaled = tap * 0.5**0.5
            result = view * scaled if result is None else result.add_(view, alpha=scaled)
    assert result is not None
    return result


def _merge_halves(low: torch.Tensor, high: torch.Tensor, dim: int, filters: Filters) -> torch.Tensor:
    """x[2k + i] = Σ over j with the parity of L/2 − i of f[j] c[k + (i − L/2 + j)/2], for both bands."""
    taps, size = len(filters), low.shape[dim]
    reach = taps // 4 + 1
    bands = [_wrapped(band, dim, reach, reach) for band in (low, high)]
    halves = []
    for parity in (0, 1):
        half = None
        for wrapped, taps_of_band in zip(bands, (filters.low, filters.high), strict=True):
            for j in range((taps // 2 - parity) % 2, taps, 2):
                view = wrapped.narrow(dim, reach + (parity - taps // 2 + j) // 2, size)
                tap = taps_of_band[j]
                half = view * tap if half is None else half.add_(view, alpha=tap)
        assert half is not None
        halves.append(half)
    axis = dim % low.ndim
    return torch.stack(halves, dim=axis + 1).flatten(axis, axis + 1)


def _halves(x: torch.Tensor, dim: int) -> tuple[torch.Tensor, torch.Tensor]:
    """The even and the odd entries along an axis, as copies that are quick to read."""
    even = torch.arange(0, x.shape[dim], 2, device=x.device)
    odd = torch.arange(1, x.shape[dim], 2, device=x.device)
    return x.index_select(dim, even), x.index_select(dim, odd)


def _wrapped(x: torch.Tensor, dim: int, before: int, after: int) -> torch.Tensor:
    """`x` with its far ends put before and after it, as often as it takes."""
    size = x.shape[dim]
    if max(before, after) <= size:
        parts = [x.narrow(dim, size - before, before), x, x.narrow(dim, 0, after)]
        return torch.cat(parts, dim=dim)
    return x.index_select(dim, torch.arange(-before, size + after, device=x.device) % size)


def _spread_shifts(count: int, period: int) -> list[tuple[int, int]]:
    """`count` different shifts, spread evenly: points of a lattice whose second coordinate is as even."""
    available = period * period
    count = min(count, available)
    # The golden section along one axis while the other advances evenly (a Fibonacci lattice).
    shifts: list[tuple[int, int]] = []
    taken: set[tuple[int, int]] = set()
    for index in range(count):
        down = index * period // count
        along = int((index * 0.6180339887498949 % 1) * period)
        while (down, along) in taken:
            along = (along + 1) % period
            if (down, along) in taken and all((down, other) in taken for other in range(period)):
                down = (down + 1) % period
        taken.add((down, along))
        shifts.append((down, along))
    return shifts
