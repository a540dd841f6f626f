"""Non-local means: every pixel becomes the average of the pixels whose neighbourhoods look like its own.

The sum over the search window is a loop over half of its offsets, for the weight of a pair of patches is that
of the pair turned round; each offset costs a few elementwise operations on a strip of the image.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import ClassVar, Literal, get_args

import torch

from zeroshot.checks import is_whole, require_choice, require_positive
from zeroshot.patches.borders import reflected
from zeroshot.patches.running_sums import running_sums
from zeroshot.priors.denoising import DenoisingPrior
from zeroshot.priors.filters.pixel_pairs import Pair, pairs_within, strip_height
from zeroshot.volume_denoiser import VolumeDenoiser

Aggregation = Literal["pixelwise", "patchwise"]

#: (largest σ of 255, side of a patch, side of the window, h/σ), Buades, Coll, Morel 2011.
GREY_SETTINGS = (
    (15, 3, 21, 0.40),
    (30, 5, 21, 0.40),
    (45, 7, 35, 0.35),
    (75, 9, 35, 0.35),
    (math.inf, 11, 35, 0.30),
)
COLOUR_SETTINGS = ((25, 3, 21, 0.55), (55, 5, 35, 0.40), (math.inf, 7, 35, 0.35))
#: Exponents of weights are not taken below this: smaller weights would be subnormal numbers, which are slow.
LEAST_EXPONENT = -80.0
#: The least weight of a patch for itself, far above that of all others at the least exponent together: a patch
#: that is like no other stays as it is.
LEAST_OWN_WEIGHT = 1e-25


@dataclass(frozen=True)
class NonlocalMeans(DenoisingPrior):
    """x(i) = Σⱼ w(i, j) y(j) / Σⱼ w(i, j) with w(i, j) = exp(−max(d²(i, j) − 2σ², 0) / h²), j in a window about i.

    d² is the mean squared difference of the patches about i and j over their pixels and channels, 2σ² what the
    noise alone makes of it. A patch gets for its own weight the largest of its others. Patches at the border
    are completed by reflection; the window ends there.

    Parameters
    ----------
    patch : int or None
        Side of the square that is compared, odd. None: as published for the noise level, 3 to 11.
    window : int or None
        Side of the square that is searched, odd. None: as published, 21 or 35.
    strength : float or None
        h/σ. None: as published, 0.3 to 0.55.
    aggregation : {"patchwise", "pixelwise"}
        Whether whole patches are averaged, so that a pixel is the mean of the estimates of all patches that
        hold it, or the centres only. Patchwise is better, mostly on grey images, and takes about twice the
        time (see ``benchmarks/classic.md``).

    References
    ----------
    A. Buades, B. Coll, J.-M. Morel: A non-local algorithm for image denoising, CVPR 2005; and: Non-Local Means
    Denoising, Image Processing On Line 1 (2011), for the correction by the noise, the patchwise version and
    the settings.
    """

    name: ClassVar[str] = "nlm"
    summary: ClassVar[str] = "non-local means: averages pixels whose surroundings look alike; about a second"
    bytes_per_value: ClassVar[int] = 100  # see benchmarks/large_images.py

    patch: int | None = None
    window: int | None = None
    strength: float | None = None
    aggregation: Aggregation = "patchwise"

    def __post_init__(self) -> None:
        for name in ("patch", "window"):
            value = getattr(self, name)
            if value is None:
                continue
            if not is_whole(value) or value < 1 or value % 2 == 0:
                raise ValueError(f"{name} must be an odd whole number of at least 1, got {value!r}")
        require_positive(self, "strength", none="allowed")
        require_choice(self, "aggregation", get_args(Aggregation))

    def passes(self, sigma: float) -> int:
        """One."""
        return 1

    def volume_denoiser(self, spacing: float = 1.0) -> VolumeDenoiser:
        """Non-local means of cubes; sides and h are its own for volumes where none are given."""
        from zeroshot.priors.self_similarity.volume_denoiser import nonlocal_means

        return nonlocal_means(
            patch=self.patch, window=self.window, strength=self.strength, aggregation=self.aggregation
        )

    def repeated(self) -> NonlocalMeans:
        """The same with the smaller of the published windows, a third of the larger one's time."""
        return replace(self, window=21 if self.window is None else self.window)

    def refine(self, noisy: torch.Tensor, estimate: torch.Tensor, sigma: float, index: int) -> torch.Tensor:
        """The averages, image by image."""
        patch, window, strength = self._settings_at(sigma, noisy.shape[1])
        average = _average_patches if self.aggregation == "patchwise" else _average_pixels
        images = []
        for image in noisy:
            pairs = _Pairs(image, patch, window, sigma, strength * sigma)
            images.append(average(pairs))
        return torch.stack(images)

    def _settings_at(self, sigma: float, channels: int) -> tuple[int, int, float]:
        """Side of a patch, side of the window, h/σ."""
        table = GREY_SETTINGS if channels == 1 else COLOUR_SETTINGS
        published = next(row for row in table if 255 * sigma <= row[0] * (1 + 1e-6))
        patch = published[1] if self.patch is None else self.patch
        window = published[2] if self.window is None else self.window
        return patch, window, published[3] if self.strength is None else self.strength


class _Pairs:
    """All pairs of patches within each other's window, each once, and their weights.

    Parameters
    ----------
    image : torch.Tensor
        (C, H, W).
    patch, window : int
        Sides, odd.
    sigma, bandwidth : float
        Of the noise, and h.
    """

    def __init__(self, image: torch.Tensor, patch: int, window: int, sigma: float, bandwidth: float) -> None:
        self.patch, self.margin, self.radius = patch, patch // 2, window // 2
        self.channels, self.height, self.width = image.shape
        self.padded = reflected(image, self.margin)
        self._scaled = self.padded / (bandwidth * math.sqrt(self.channels * patch**2))
        self._offset = image.new_full((), 2 * sigma**2 / bandwidth**2)
        self.strip = strip_height(self.height, self.width, image.device)
        size = (self.strip + 4 * self.margin) * (self.width + 4 * self.margin)
        self._scratch = list(image.new_empty(6, size))

    def __iter__(self) -> Iterator[Pair]:
        return pairs_within(self.height, self.width, self.radius, self.strip)

    def weights(self, pair: Pair) -> torch.Tensor:
        """The weights of the pairs, of their shape; valid until the next call."""
        here, there = (self._scaled[places] for places in pair.grown(self.margin))
        rows, columns = here.shape[-2:]
        difference, squares = (buffer[: rows * columns].view(rows, columns) for buffer in self._scratch[:2])
        for channel in range(self.channels):
            torch.sub(here[channel], there[channel], out=difference)
            if channel == 0:
                torch.mul(difference, difference, out=squares)
            else:
                squares.addcmul_(difference, difference)
        weights = self._box_sum(squares, self._scratch[4])
        torch.sub(self._offset, weights, out=weights)
        weights.clamp_(LEAST_EXPONENT, 0).exp_()
        return _as_image(weights, *pair.shape, columns)

    def spread(self, weights: torch.Tensor, shares: torch.Tensor | None = None) -> torch.Tensor:
        """For each pixel the sum of the weights of the patches that hold it, times their `shares`.

        Returns
        -------
        torch.Tensor
            (H + 2 · margin, W + 2 · margin) for weights of (H, W); valid until the next call.
        """
        margin = 2 * self.margin
        rows, columns = weights.shape[0] + 2 * margin, weights.shape[1] + 2 * margin
        framed = self._scratch[1][: rows * columns].view(rows, columns)
        for frame in (
            framed[:margin],
            framed[rows - margin :],
            framed[:, :margin],
            framed[:, columns - margin :],
        ):
            frame.zero_()
        inside = framed[margin : rows - margin, margin : columns - margin]
        if shares is None:
            inside.copy_(weights)
        else:
            torch.mul(weights, shares, out=inside)
        sums = self._box_sum(framed, self._scratch[5])
        return _as_image(sums, rows - margin, columns - margin, columns)

    def _box_sum(self, values: torch.Tensor, out: torch.Tensor) -> torch.Tensor:
        """Sums over the patch × patch squares right and down of each pixel, flat, rows as long as before.

        The last columns of a row run on into the next one; they mean nothing.
        """
        spare, more, along = self._scratch[0], self._scratch[2], self._scratch[3]
        sums = running_sums(values.view(-1), self.patch, 1, along, (spare, more))
        return running_sums(sums, self.patch, values.shape[1], out, (spare, more))


def _as_image(values: torch.Tensor, rows: int, columns: int, stride: int) -> torch.Tensor:
    """The flat `values` as an image whose rows start `stride` apart."""
    return values.as_strided((rows, columns), (stride, 1))


def _average_pixels(pairs: _Pairs) -> torch.Tensor:
    """Σⱼ w(i, j) y(j) / Σⱼ w(i, j)."""
    values = pairs.padded[:, pairs.margin :, pairs.margin :][:, : pairs.height, : pairs.width].contiguous()
    total, largest = torch.zeros_like(values[0]), torch.zeros_like(values[0])
    sums = torch.zeros_like(values)
    for pair in pairs:
        weights = pairs.weights(pair)
        for mine, other in ((pair.here, pair.there), (pair.there, pair.here)):
            add_weights(total, largest, mine, weights)
            sums[:, mine[0], mine[1]].addcmul_(weights, values[:, other[0], other[1]])
    own = largest.clamp_(min=LEAST_OWN_WEIGHT)
    return sums.addcmul_(own, values).div_(total.add_(own))


def _average_patches(pairs: _Pairs) -> torch.Tensor:
    """The mean at each pixel over the patches P that hold it of Σ_Q w(P, Q) Q / Σ_Q w(P, Q).

    The sum over the patches that hold a pixel is taken of the weights, for all of them meet the same pixel of
    y at one offset.
    """
    total, largest = (pairs.padded.new_zeros(pairs.height, pairs.width) for _ in range(2))
    for pair in pairs:
        weights = pairs.weights(pair)
        add_weights(total, largest, pair.here, weights)
        add_weights(total, largest, pair.there, weights)
    own = largest.clamp_(min=LEAST_OWN_WEIGHT)
    shares = total.add_(own).reciprocal_()
    sums = torch.zeros_like(pairs.padded)
    for top in range(0, pairs.height, pairs.strip):
        rows = slice(top, min(top + pairs.strip, pairs.height))
        strip = (..., slice(top, rows.stop + 2 * pairs.margin), slice(None))
        sums[strip].addcmul_(pairs.spread(own[rows], shares[rows]), pairs.padded[strip])
    for pair in pairs:
        weights = pairs.weights(pair)
        here, there = pair.grown(pairs.margin)
        sums[here].addcmul_(pairs.spread(weights, shares[pair.here]), pairs.padded[there])
        sums[there].addcmul_(pairs.spread(weights, shares[pair.there]), pairs.padded[here])
    inside = sums[:, pairs.margin :, pairs.margin :][:, : pairs.height, : pairs.width]
    down, along = (patches_over(size, pairs.margin, sums) for size in (pairs.height, pairs.width))
    return inside / (down[:, None] * along)


def add_weights(
    total: torch.Tensor, largest: torch.Tensor, places: tuple[slice, ...], weights: torch.Tensor
) -> None:
    """Add weights at some places to their totals, and keep the largest of each place."""
    total[places].add_(weights)
    view = largest[places]
    torch.maximum(view, weights, out=view)


def patches_over(size: int, margin: int, like: torch.Tensor) -> torch.Tensor:
    """How many patches with their centre on a line of `size` pixels hold each of them, as `like` (size,)."""
    places = torch.arange(size, device=like.device)
    return ((places + margin).clamp(max=size - 1) - (places - margin).clamp(min=0) + 1).to(like)
