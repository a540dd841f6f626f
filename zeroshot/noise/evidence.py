"""What tells the noise of an image from its texture: its flattest blocks at several scales.

Noise is found in the flattest blocks at every brightness; hardly any block has less of it than others; and the farther
its coarse part exceeds its fine part, the less likely a texture is.

References
----------
M. Colom, M. Lebrun, A. Buades, J.-M. Morel: Nonparametric multiscale blind estimation of intensity-frequency-dependent
noise, IEEE TIP 24 (2015).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch.nn import functional

from zeroshot.colour import to_opponent
from zeroshot.noise.class_levels import Levels, levels_of
from zeroshot.noise.constant import constant_areas
from zeroshot.noise.estimate import QUANTISATION, holds_a_picture
from zeroshot.noise.flat_blocks import ORDERS, SIZE, Floor, blocks_of, floor_of

#: Scales that are looked at: full, half and quarter size.
SCALES = 3
#: The finest frequencies of blocks.
_FINE = (9, 14)
#: Relative to the brightness: the least noise of a plane of colour that tells of its spectrum, the most of grey noise.
LEAST_COLOUR, MOST_GREY = 0.1, 0.6
#: No noise grows more than that from one octave to the next.
MOST_GROWTH = 3.2
#: Coarse noise that is that many times as strong as its fine part is clear.
CLEAR_EXCESS = 3.2
#: How much the energies of blocks may rise at most, and in white noise.
MOST_RISE, MOST_RISE_OF_WHITE, MOST_SPREAD = 4.0, 1.35, 1.6
#: Noise among much texture.
LIKELY_EXCESS, LIKELY_RISE, LIKELY_SPREAD = 3.4, 3.6, 2.1
#: How unlike the blocks of a compressed picture are where that begins, and where all of it is to be expected.
LEAST_UNLIKE, MOST_UNLIKE = 1.4, 1.8
#: Above the first of these levels the energies of blocks may rise less and less, down to the last at the second: what
#: is left of a texture beside strong noise is little.
STRONG_COARSE, STRONGEST_COARSE, MOST_RISE_OF_STRONG = 9 / 255, 21 / 255, 1.6


@dataclass(frozen=True)
class Evidence:
    """What was measured of an image: a floor at each scale, and the levels of the first."""

    floors: list[Floor]
    levels: Levels
    left_out: torch.Tensor

    @property
    def level(self) -> float:
        """Standard deviation at the middle frequencies of the brightness."""
        return math.sqrt(self.levels.mean)

    def _band(self, plane: int, first: int, last: int) -> float:
        """Standard deviation of a plane at full size, where it is typical of the classes."""
        kept = (first <= ORDERS) & (last >= ORDERS) & ~self.left_out
        return math.sqrt(float(self.floors[0].variances[:, plane, kept].mean(dim=1).quantile(0.3)))

    @property
    def fine(self) -> float:
        """Standard deviation at the finest frequencies of the brightness."""
        return self._band(0, *_FINE)

    def excess(self, white: float) -> float:
        """How many times as strong as the fine noise the coarser is: in all planes of colour that have noise."""
        least = QUANTISATION / 2
        found = [self._band(0, 4, 7) / max(self.fine, white, least)]
        for plane in range(1, self.floors[0].variances.shape[1]):
            coarse = self._band(plane, 2, 4)
            if coarse >= LEAST_COLOUR * self.level:
                found.append(coarse / max(self._band(plane, *_FINE), least))
        return min(found)

    @property
    def is_grey(self) -> bool:
        """Whether the planes of colour have much less noise than the brightness, even at their fine frequencies."""
        planes = range(1, self.floors[0].variances.shape[1])
        return any(self._band(plane, *_FINE) < MOST_GREY * self.fine for plane in planes)

    @property
    def growth(self) -> float:
        """How much stronger, for all frequencies alike, the noise of the half size is than that of the full size."""
        if len(self.floors) < 2:
            return 1.0
        return 2 * math.sqrt(levels_of(self.floors[1], self.left_out).mean / self.levels.mean)

    @property
    def rise(self) -> float:
        """Of the energies of the blocks beyond the flattest, 1 for noise: that of the scale which has less."""
        return min(floor.rise for floor in self.floors[:2])

    @property
    def strength(self) -> float:
        """From 0 to 1, how strong the noise is, if it is noise."""
        share = (self.level - STRONG_COARSE) / (STRONGEST_COARSE - STRONG_COARSE)
        return min(max(share, 0.0), 1.0)

    @property
    def unevenness(self) -> float:
        """From 0 to 1, how much less noise flat blocks of a compressed picture have than others."""
        share = (self.floors[0].rise - LEAST_UNLIKE) / (MOST_UNLIKE - LEAST_UNLIKE)
        return min(max(share, 0.0), 1.0)

    @property
    def spread(self) -> float:
        """The same for the blocks that are typical."""
        return min(floor.spread for floor in self.floors[:2])

    def is_noise(self, excess: float, allowance: float = 0.0) -> bool:
        """Whether no texture explains it as well: the clearer the noise is coarse, the less alike blocks may be."""
        beyond = max(excess - 1, 0.0)
        most = max(MOST_RISE_OF_WHITE, min(1 + 0.5 * beyond + 0.1 * beyond**2, MOST_RISE))
        most += allowance
        most = min(most, MOST_RISE + (MOST_RISE_OF_STRONG - MOST_RISE) * self.strength)
        grows = self.growth > MOST_GROWTH and excess < CLEAR_EXCESS
        return self.rise <= most and self.spread <= MOST_SPREAD and not grows

    def is_likely_noise(self, excess: float) -> bool:
        """Whether it looks like noise among much texture, whose level is then uncertain."""
        return excess >= LIKELY_EXCESS and self.rise <= LIKELY_RISE and self.spread <= LIKELY_SPREAD

    @property
    def striped(self) -> bool:
        return bool(self.left_out.any())


def evidence_of(
    image: torch.Tensor, known: torch.Tensor, left_out: torch.Tensor, scales: int = SCALES
) -> Evidence | None:
    """What an image (N, C, H, W) tells; None where there are too few blocks.

    Parameters
    ----------
    image : torch.Tensor
    known : torch.Tensor
        (N, H, W), boolean.
    left_out : torch.Tensor
        (64,), boolean: the coefficients of blocks in which something else than the noise shows.
    scales : int
        How many are looked at.
    """
    planes = to_opponent(image)
    inside = _measured(image, known)
    low, high = image.amin(dim=(0, 2, 3), keepdim=True), image.amax(dim=(0, 2, 3), keepdim=True)
    clipped = ((image <= low) | (image >= high)).float().mean(dim=1)
    floors = []
    for _ in range(scales):
        blocks = blocks_of(planes, inside, clipped)
        floor = None if blocks is None else floor_of(blocks)
        if floor is None:
            break
        floors.append(floor)
        if min(planes.shape[-2:]) < 2 * SIZE:
            break
        planes = functional.avg_pool2d(planes, 2)
        clipped = functional.avg_pool2d(clipped[:, None], 2)[:, 0]
        inside = functional.avg_pool2d(inside[:, None].float(), 2)[:, 0] == 1
    if not floors:
        return None
    levels = levels_of(floors[0], left_out)
    return Evidence(floors, levels, left_out)


def _measured(image: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """The known pixels but for borders and other fillings of one value, (N, H, W)."""
    kept = []
    for picture, pixels in zip(image, known, strict=True):
        varied = ~constant_areas(picture, pixels).any(dim=0)
        kept.append(pixels & varied if holds_a_picture(varied) else pixels)
    return torch.stack(kept)
