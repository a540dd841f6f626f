"""Traces of enlarging and of demosaicking: what was interpolated varies less than what was measured."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import torch

from zeroshot.colour import full_range_luma
from zeroshot.inspection.finding import Finding

#: A wave of the second differences is one where it is that many times the median of the waves around.
_LEAST_PEAK = 9.0
#: Slower waves are those of the picture.
_LOWEST_FREQUENCY = 0.08
#: The waves of compressed blocks, in units of 1/8, are left out within that distance.
_BESIDE_BLOCKS = 0.004
_LEAST_SIDE = 64
#: By that factor measured greens vary more than interpolated ones, in that share of the parts of a picture.
_LEAST_RATIO, _LEAST_AGREEING, _PARTS = 1.1, 0.9, 4
#: Parts that vary less tell nothing; a mean of four neighbours does not vary at all.
_LEAST_VARIATION, _LEAST_MEAN = 0.5 / 255, 0.1 / 255


@dataclass(frozen=True)
class Resampling(Finding):
    """Whether a picture was enlarged.

    Attributes
    ----------
    frequency : float or None
        Of the periodic traces along rows and columns, in cycles a pixel; None: there are none.
    factors : tuple of float
        The enlargements that leave such traces.
    """

    topic: ClassVar[str] = "resampling"
    frequency: float | None
    factors: tuple[float, ...]

    @property
    def sentence(self) -> str:
        if self.frequency is None:
            return ""
        told = " or ".join(f"{factor:.3g}" for factor in self.factors)
        return f"it was enlarged about {told} times"


@dataclass(frozen=True)
class Demosaicking(Finding):
    """Whether the greens of a Bayer pattern show.

    Attributes
    ----------
    ratio : float
        How much more the greens of one colour of the chessboard vary than those of the other.
    first : bool or None
        Whether the pixel at the upper left is a measured one; None: there are no traces.
    """

    topic: ClassVar[str] = "demosaicking"
    ratio: float
    first: bool | None

    @property
    def sentence(self) -> str:
        return "" if self.first is None else "it was demosaicked and not scaled since"


def resampling_of(image: torch.Tensor, columns: torch.Tensor | None = None) -> Resampling:
    """Look for periods in the mean magnitude of the second differences (Gallagher 2005), along rows and columns.

    What is interpolated at a place between two pixels depends on that place, and so does its variance. Both directions
    must show the same period. Enlarging by 2 and 4 leaves no such traces, as all pixels are then as far from measured
    ones, and periods of 8 are those of compressed blocks.

    Parameters
    ----------
    image : torch.Tensor
        (C, H, W), or some of its rows.
    columns : torch.Tensor, optional
        Some of its columns, where it is not all of them that are looked at.
    """
    rows, down = _luma(image), None if columns is None else _luma(columns)
    down = rows if down is None else down
    if min(rows.shape[1], down.shape[0]) < _LEAST_SIDE:
        return Resampling(0.0, None, ())
    spectra = [_peaks(rows), _peaks(down.T)]
    common = _in_common(*spectra)
    if common is None:
        return Resampling(1.0, None, ())
    frequency, strength = common
    factors = [1 / (1 - frequency), 1 / frequency]
    confidence = float(min(1.0, strength / (2 * _LEAST_PEAK)))
    return Resampling(confidence, frequency, tuple(sorted(round(one, 3) for one in factors)))


def _luma(image: torch.Tensor) -> np.ndarray:
    plane = full_range_luma(image[None])[0, 0] if len(image) == 3 else image[0]
    return plane.double().cpu().numpy()


def _peaks(plane: np.ndarray) -> list[tuple[float, float]]:
    """The frequencies along the rows whose waves stand out, with how far."""
    second = np.abs(2 * plane[:, 1:-1] - plane[:, :-2] - plane[:, 2:])
    # Each row counts as much as any other, whatever its texture.
    profile = (second / (second.mean(axis=1, keepdims=True) + 1 / 255)).mean(axis=0)
    # Loaded where it is needed: it takes a good part of a second.
    from scipy.ndimage import median_filter

    profile = profile / np.maximum(median_filter(profile, 9, mode="nearest"), 1e-9)
    # A single edge of the picture must not count for a period.
    profile = np.clip(profile, 0.3, 3) - 1
    profile = (profile - profile.mean()) * np.hanning(len(profile))
    magnitude = np.abs(np.fft.rfft(profile))
    frequency = np.fft.rfftfreq(len(profile))
    around = median_filter(magnitude, 51, mode="nearest")
    ratio = magnitude / np.maximum(around, 1e-12)
    eligible = (frequency > _LOWEST_FREQUENCY) & (magnitude > 0.02 * len(profile) ** 0.5)
    eligible &= np.abs(frequency * 8 - np.rint(frequency * 8)) > 8 * _BESIDE_BLOCKS
    return [(float(frequency[i]), float(ratio[i])) for i in np.flatnonzero(eligible & (ratio > _LEAST_PEAK))]


def _in_common(
    along: list[tuple[float, float]], across: list[tuple[float, float]]
) -> tuple[float, float] | None:
    """The strongest frequency that both directions show, and its strength."""
    pairs = [
        ((one[0] + other[0]) / 2, min(one[1], other[1]))
        for one in along
        for other in across
        if abs(one[0] - other[0]) < 0.006
    ]
    return max(pairs, key=lambda pair: pair[1], default=None)


def demosaicking_of(image: torch.Tensor) -> Demosaicking:
    """Compare the high frequencies of green at the two colours of a chessboard (Gallagher and Chen 2008).

    Half of the greens of a Bayer sensor are measured, like the white fields of a chessboard, and the others are
    interpolated, so that they vary less.

    Parameters
    ----------
    image : torch.Tensor
        (C, H, W).
    """
    if len(image) != 3 or min(image.shape[-2:]) < _LEAST_SIDE:
        return Demosaicking(0.0, 1.0, None)
    green = image[1].double()
    centre = green[1:-1, 1:-1]
    around = green[:-2, 1:-1] + green[2:, 1:-1] + green[1:-1, :-2] + green[1:-1, 2:]
    high = (4 * centre - around).abs()
    row, column = (torch.arange(size) for size in high.shape)
    first = (row[:, None] + column) % 2 == 0
    logarithms = []
    for part, field in zip(_parts(high), _parts(first), strict=True):
        one, other = float(part[field].mean()), float(part[~field].mean())
        if max(one, other) > _LEAST_VARIATION:
            logarithms.append(np.log(max(one, _LEAST_MEAN) / max(other, _LEAST_MEAN)))
    if len(logarithms) < _PARTS:
        return Demosaicking(0.0, 1.0, None)
    ratio = float(np.exp(np.median(logarithms)))
    agreeing = float(np.mean(np.sign(logarithms) == np.sign(np.median(logarithms))))
    if max(ratio, 1 / ratio) < _LEAST_RATIO or agreeing < _LEAST_AGREEING:
        return Demosaicking(1.0, ratio, None)
    return Demosaicking(agreeing, ratio, ratio > 1)


def _parts(plane: torch.Tensor) -> list[torch.Tensor]:
    return [part for rows in plane.chunk(_PARTS) for part in rows.chunk(_PARTS, dim=1)]
