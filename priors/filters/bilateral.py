"""The bilateral filter: the mean of the pixels that are near in place and near in value."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import torch

from zeroshot.checks import require_positive
from zeroshot.priors.denoising import DenoisingPrior
from zeroshot.priors.filters.pixel_pairs import Pair, pairs_within, strip_height

#: The reach of the window, in spatial standard deviations.
REACH = 2.5
#: Weights below exp of this would be subnormal numbers, which are slow.
LEAST_EXPONENT = -80.0
#: k = first + slope · σ.
STRENGTHS = {"grey": (1.7, 9.5), "colour": (1.35, 3.8)}


@dataclass(frozen=True)
class Bilateral(DenoisingPrior):
    """x(i) = Σⱼ w(i, j) y(j) / Σⱼ w(i, j), w(i, j) = exp(−|i − j|² / 2s² − ‖y(i) − y(j)‖² / 2(kσ)²).

    ‖y(i) − y(j)‖² is the mean of the squared differences over the channels, so that colours count together.
    The sum is exact, over the square window that reaches 2.5 s to each side and ends at the border.

    Parameters
    ----------
    spatial : float
        s, in pixels.
    strength : float or None
        k. None: 1.7 + 9.5 σ for grey and 1.35 + 3.8 σ for colour images, 2.6 and 1.7 at σ = 25/255 (see
        ``benchmarks/classic.md``).

    References
    ----------
    C. Tomasi, R. Manduchi: Bilateral filtering for gray and color images, ICCV 1998. M. Zhang, B. K. Gunturk:
    Multiresolution bilateral filtering for image denoising, IEEE TIP 17 (2008), who found the best
    range parameter in proportion to σ and s from 1.5 to 2.1.
    """

    name: ClassVar[str] = "bilateral"
    suits_plug_and_play: ClassVar[bool] = False
    summary: ClassVar[str] = (
        "bilateral filter: denoises by averaging neighbours of like value; below a second"
    )
    bytes_per_value: ClassVar[int] = 90  # see benchmarks/large_images.py

    spatial: float = 1.5
    strength: float | None = None

    def __post_init__(self) -> None:
        require_positive(self, "spatial")
        require_positive(self, "strength", none="allowed")

    def passes(self, sigma: float) -> int:
        """One."""
        return 1

    def refine(self, noisy: torch.Tensor, estimate: torch.Tensor, sigma: float, index: int) -> torch.Tensor:
        """The averages, image by image."""
        first, slope = STRENGTHS["grey" if noisy.shape[1] == 1 else "colour"]
        strength = first + slope * sigma if self.strength is None else self.strength
        return torch.stack([self._average(image, strength * sigma) for image in noisy])

    def _average(self, image: torch.Tensor, tolerance: float) -> torch.Tensor:
        channels, height, width = image.shape
        scaled = image / (tolerance * math.sqrt(2 * channels))
        sums, total = image.clone(), torch.ones_like(image[0])
        strip = strip_height(height, width, image.device)
        scratch = image.new_empty(2, strip * width)
        for pair in pairs_within(height, width, math.ceil(REACH * self.spatial), strip):
            weights = self._weights(scaled, pair, scratch)
            for mine, other in ((pair.here, pair.there), (pair.there, pair.here)):
                total[mine].add_(weights)
                sums[:, mine[0], mine[1]].addcmul_(weights, image[:, other[0], other[1]])
        return sums.div_(total)

    def _weights(self, scaled: torch.Tensor, pair: Pair, scratch: torch.Tensor) -> torch.Tensor:
        rows, columns = pair.shape
        difference, squares = (buffer[: rows * columns].view(rows, columns) for buffer in scratch)
        for index, channel in enumerate(scaled):
            torch.sub(channel[pair.here], channel[pair.there], out=difference)
            if index == 0:
                torch.mul(difference, difference, out=squares)
            else:
                squares.addcmul_(difference, difference)
        distance = (pair.offset[0] ** 2 + pair.offset[1] ** 2) / (2 * self.spatial**2)
        return squares.add_(distance).neg_().clamp_(min=LEAST_EXPONENT).exp_()
