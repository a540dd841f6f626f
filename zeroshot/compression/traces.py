"""The traces that JPEG leaves in decoded pixels: the grid of its blocks and the steps of its tables.

After decoding, the coefficients of the blocks lie near multiples of the quantisation steps, a comb in their histogram,
if the blocks are cut where the encoder cut them. The likelihood of that comb against that of no comb is what grid,
tables and subsampling are chosen by.

References
----------
Z. Fan, R. L. de Queiroz: Identification of bitmap compression history: JPEG detection and quantizer estimation, IEEE
TIP 12 (2003). J. Fridrich, J. Lukáš: Estimation of primary quantization matrix in double compressed JPEG images,
DFRWS 2003.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from zeroshot.compression.pixels import block_transform, planes_of, samples_of
from zeroshot.compression.tables import quality_of, tables_of_quality

#: The standard deviation of what 8-bit rounding does to a coefficient, with some to spare, and the share of
#: coefficients that something else happened to, such as clipping.
_ROUNDING, _STRAYS = 0.35, 0.05
#: Coefficients smaller than this are near a multiple of any step.
_LEAST = 1.5
#: Log-likelihood of the comb over that of none, per coefficient, and coefficients, that a trace needs at least.
_CLEAR, _FEWEST = 0.25, 60
#: The same for the colours, of which one subsampling is the likeliest: gamuts clip them more.
_UNLIKELY, _FEWEST_COLOURS = -1.0, 16
#: Side of the part that is looked at, in pixels, and coefficients of a frequency.
_PART, _MOST = 512, 80
#: Steps that are looked for where the tables are of no quality.
_LARGEST_STEP = 160
#: The share of the likelihood of free tables that those of a quality must reach.
_ENOUGH = 0.9
_SAMPLINGS = ((1, 1), (2, 2), (1, 2), (2, 1))


@dataclass(frozen=True, eq=False)
class JpegTraces:
    """What decoded pixels tell of the JPEG that they came from.

    Attributes
    ----------
    quality : int
        The quality whose table of luminance is that which was found, or is nearest to it.
    tables : tuple of numpy.ndarray
        8 × 8 steps of each component.
    sampling : tuple of (int, int)
        How many pixels a sample of each component covers, down and right.
    offset : (int, int)
        Row and column of the first unit of blocks at which the picture begins: (0, 0) unless it was cropped.
    confidence : float
        The log-likelihood of the comb over that of none, per coefficient that tells; certain above 1, and at least
        0.25.
    """

    quality: int
    tables: tuple[np.ndarray, ...]
    sampling: tuple[tuple[int, int], ...]
    offset: tuple[int, int]
    confidence: float


def traces_of(pixels: np.ndarray) -> JpegTraces | None:
    """The traces of a JPEG in decoded pixels; None where there are none.

    Qualities up to about 95 are found. A picture that was enlarged, shrunk or sharpened afterwards has none left.

    Parameters
    ----------
    pixels : numpy.ndarray
        (H, W) or (H, W, 3) from 0 to 255.
    """
    height, width = pixels.shape[:2]
    if min(height, width) < 24:
        return None
    top, left = (max(0, (length - _PART) // 2) // 16 * 16 for length in (height, width))
    part = pixels[top : top + _PART, left : left + _PART]
    planes = planes_of(part)
    # The decoder has clipped what it had beyond black and white, and with it the whole block.
    extremes = (part <= 0) | (part >= 255)
    clipped = np.asarray(extremes.reshape(*part.shape[:2], -1).any(axis=2))
    found = None
    for grid in _likely_grids(planes[0]):
        comb = _comb(_telling(_cut(planes[0], grid), _cut(clipped, grid)))
        if comb is not None and (found is None or comb[1] > found[1][1]):
            found = grid, comb
    if found is None:
        return None
    grid, (table, _, confidence) = found
    if confidence < _CLEAR:
        return None
    if len(planes) == 1:
        return JpegTraces(quality_of(table), (table,), ((1, 1),), grid, confidence)
    quality = quality_of(table)
    chroma, factors, offset = _chroma(planes[1:], clipped, grid, tables_of_quality(quality)[1])
    return JpegTraces(quality, (table, chroma, chroma), ((1, 1), factors, factors), offset, confidence)


def _cut(plane: np.ndarray, offset: tuple[int, int], unit: tuple[int, int] = (8, 8)) -> np.ndarray:
    """The whole units of a plane that begins at `offset` within one."""
    for axis in (0, 1):
        start = -offset[axis] % unit[axis]
        length = (plane.shape[axis] - start) // unit[axis] * unit[axis]
        plane = np.take(plane, range(start, start + length), axis=axis)
    return plane


def _likely_grids(luma: np.ndarray) -> list[tuple[int, int]]:
    """The offsets at which most coefficients vanish, and that of a whole picture."""
    size = [min(length, 256) for length in luma.shape]
    start = [(length - kept) // 16 * 8 for length, kept in zip(luma.shape, size, strict=True)]
    part = luma[start[0] : start[0] + size[0], start[1] : start[1] + size[1]]
    grids = [(row, column) for row in range(8) for column in range(8)]
    vanishing = [float((np.abs(block_transform(_cut(part, grid))) < 0.5).mean()) for grid in grids]
    best = sorted(grids, key=lambda grid: -vanishing[grids.index(grid)])[:3]
    return list(dict.fromkeys([*best, (0, 0)]))


def _evidence(coefficients: np.ndarray, steps: np.ndarray) -> np.ndarray:
    """The log-likelihood of a comb of each step over that of none, summed over the coefficients: of steps' shape."""
    step = steps[:, None].astype(np.float64)
    error = coefficients - step * np.round(coefficients / step)
    # The two nearest teeth; the others matter for no step of 1 or more.
    tooth = np.exp(-0.5 * np.square(error / _ROUNDING))
    tooth += np.exp(-0.5 * np.square((step - np.abs(error)) / _ROUNDING))
    likelihood = (1 - _STRAYS) * step * tooth / (_ROUNDING * np.sqrt(2 * np.pi)) + _STRAYS
    return np.log(likelihood).sum(axis=1)


def _telling(plane: np.ndarray, clipped: np.ndarray, least: np.ndarray | float = _LEAST) -> list[np.ndarray]:
    """For each frequency, in row order, up to `_MOST` of the coefficients of at least `least`, which tell.

    Blocks with a pixel that is `clipped` are left out; there the pixels may be finer than the samples.
    """
    coefficients = block_transform(plane)
    rows, columns = coefficients.shape[:2]
    broken = clipped.reshape(rows, clipped.shape[0] // rows, columns, clipped.shape[1] // columns).any(
        axis=(1, 3)
    )
    coefficients = coefficients[~broken].reshape(-1, 64).T
    found = [
        row[np.abs(row) >= size] for row, size in zip(coefficients, np.broadcast_to(least, 64), strict=True)
    ]
    return [row[:: -(-len(row) // _MOST) or 1] for row in found]


def _comb(telling: list[np.ndarray]) -> tuple[np.ndarray, float, float] | None:
    """The table of luminance, its evidence, and that per coefficient; None where too few coefficients tell."""
    count = sum(map(len, telling))
    if count < _FEWEST:
        return None
    evidence = np.array([_evidence(row, np.arange(1, _LARGEST_STEP + 1)) for row in telling])
    frequencies = np.arange(64)
    of_quality = []
    for quality in range(1, 101):
        steps = tables_of_quality(quality)[0].ravel()
        reached = np.minimum(steps, _LARGEST_STEP)
        of_quality.append(float(evidence[frequencies, reached - 1].sum()))
    best = int(np.argmax(of_quality))
    table = tables_of_quality(best + 1)[0]
    free = float(evidence.max(axis=1).sum())
    if of_quality[best] >= _ENOUGH * free:
        return table, of_quality[best], of_quality[best] / count
    steps = 1 + evidence.argmax(axis=1)
    clear = evidence.max(axis=1) > 20
    if not clear.any():
        return table, of_quality[best], of_quality[best] / count
    # Frequencies that say nothing are filled with the table of the quality that is nearest to those that do.
    known = [
        np.abs(np.log(steps / tables_of_quality(quality)[0].ravel()))[clear].mean()
        for quality in range(1, 101)
    ]
    nearest = tables_of_quality(1 + int(np.argmin(known)))[0].ravel()
    return np.where(clear, steps, nearest).reshape(8, 8), free, free / count


def _chroma(
    planes: Sequence[np.ndarray], clipped: np.ndarray, grid: tuple[int, int], table: np.ndarray
) -> tuple[np.ndarray, tuple[int, int], tuple[int, int]]:
    """The table of chrominance, its subsampling, and the offset of the units."""
    best = _UNLIKELY, (2, 2), grid  # what encoders do by default
    nonzero = np.maximum(table.ravel() / 2, _LEAST)
    for factors in _SAMPLINGS:
        unit = (8 * factors[0], 8 * factors[1])
        for row in range(grid[0], unit[0], 8):
            for column in range(grid[1], unit[1], 8):
                broken = _cut(clipped, (row, column), unit)
                for samples in _candidates([_cut(plane, (row, column), unit) for plane in planes], factors):
                    telling = [_telling(part, broken, nonzero) for part in samples]
                    count = sum(len(row_) for part in telling for row_ in part)
                    evidence = sum(_evidence_of(part, table) for part in telling) / max(count, 1)
                    if count >= _FEWEST_COLOURS and evidence > best[0]:
                        best = evidence, factors, (row, column)
    return table, best[1], best[2]


def _candidates(planes: list[np.ndarray], factors: tuple[int, int]) -> list[list[np.ndarray]]:
    """The samples of the planes, for each way in which they may have been enlarged; none where there is no unit."""
    if not planes[0].size:
        return []
    if factors == (1, 1):
        return [planes]
    return [list(way) for way in zip(*(samples_of(plane, factors) for plane in planes), strict=True)]


def _evidence_of(telling: list[np.ndarray], table: np.ndarray) -> float:
    """The log-likelihood of the combs of a table."""
    steps = table.reshape(64, 1)
    return sum(float(_evidence(row, step)[0]) for row, step in zip(telling, steps, strict=True))
