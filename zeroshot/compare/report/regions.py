"""Where to look: the parts of an image in which the methods differ most."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Region:
    """A square of an image, in its pixels."""

    top: int
    left: int
    size: int

    def cut(self, pixels: np.ndarray, shape: tuple[int, int]) -> np.ndarray | None:
        """The same part of a picture of the same scene, whatever its resolution.

        Parameters
        ----------
        pixels : numpy.ndarray
            H × W or H × W × C.
        shape : tuple of int
            Height and width of the image that the region was chosen in.

        Returns
        -------
        numpy.ndarray or None
            None where the picture has another aspect: it is not the same scene, pixel by pixel.
        """
        scale = pixels.shape[0] / shape[0]
        if abs(pixels.shape[1] - shape[1] * scale) > max(1, scale):
            return None
        top, left, size = (round(value * scale) for value in (self.top, self.left, self.size))
        part = pixels[top : top + max(size, 1), left : left + max(size, 1)]
        return part if part.size else None


def most_different(pictures: list[np.ndarray], size: int, number: int, step: int = 1) -> list[Region]:
    """The squares in which pictures of one scene differ most, apart from each other.

    The difference in a pixel is the interquartile range of the pictures' brightness there: one method that failed
    altogether does not decide where the others are shown.

    Parameters
    ----------
    pictures : list of numpy.ndarray
        At least one; H × W or H × W × C, of one height and width.
    size : int
        The side of a square, in pixels; less where the pictures are smaller.
    number : int
        How many squares, at most.
    step : int
        Corners and side are multiples of it, so that a picture of a lower resolution has the same borders.

    Returns
    -------
    list of Region
        The one with the largest difference first; fewer than `number` where no further one has room.
    """
    height, width = pictures[0].shape[:2]
    size = max(step, min(size, height, width) // step * step)
    if size > min(height, width):
        return [Region(0, 0, min(height, width))]
    spread = _spread(pictures)
    totals = np.pad(spread.cumsum(0).cumsum(1), ((1, 0), (1, 0)))
    tops, lefts = np.arange(0, height - size + 1, step), np.arange(0, width - size + 1, step)
    upper, lower = totals[tops], totals[tops + size]
    score = (lower[:, lefts + size] - lower[:, lefts]) - (upper[:, lefts + size] - upper[:, lefts])
    regions: list[Region] = []
    while len(regions) < number and np.isfinite(score).any():
        row, column = np.unravel_index(int(np.argmax(score)), score.shape)
        region = Region(int(tops[row]), int(lefts[column]), size)
        regions.append(region)
        overlaps = (abs(tops - region.top) < size)[:, None] & (abs(lefts - region.left) < size)[None]
        score[overlaps] = -np.inf
    return regions


def _spread(pictures: list[np.ndarray]) -> np.ndarray:
    grey = np.stack([p.mean(2) if p.ndim == 3 else p.astype(float) for p in pictures])
    if len(grey) == 1:
        # Nothing to compare with: look where the picture itself has most to show.
        return sum(np.abs(np.gradient(grey[0], axis=axis)) if grey.shape[axis + 1] > 1 else 0 * grey[0]
                   for axis in (0, 1))  # fmt: skip
    quarters = np.percentile(grey, (25, 75), axis=0)
    return quarters[1] - quarters[0]
