"""The variance of each frequency of the noise, from the flattest blocks of an image.

Noise is everywhere, and texture is not. Of the 8 × 8 blocks of one brightness those are taken whose surroundings have
the least energy, and the mean of the squares of their DCT coefficients is the variance of the noise at each frequency.
Half of the frequencies choose the blocks in which the other half is measured, so that the choice does not make the
noise weaker than it is. The same at half and at a quarter of the size shows the noise that is a few pixels wide.

References
----------
N. N. Ponomarenko, V. V. Lukin, M. S. Zriakhov, A. Kaarna, J. T. Astola: An automatic approach to lossy compression of
AVIRIS images, IGARSS 2007. M. Colom, M. Lebrun, A. Buades, J.-M. Morel: Nonparametric multiscale blind estimation of
intensity-frequency-dependent noise, IEEE TIP 24 (2015).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

import torch
from torch.nn import functional

from zeroshot.patches.cosine import cosine_matrix

#: Side of a block, and of the surroundings by which it is judged.
SIZE, SURROUNDINGS = 8, 24
#: Blocks of one scale, at most.
MAX_BLOCKS = 16_000
#: Larger images are seen through tiles of that side, spread evenly.
TILE = 256
#: Classes of brightness at most, and the fewest blocks of a class.
CLASSES, BLOCKS_PER_CLASS = 8, 400
#: The share of the blocks of a class that is measured, and the fewest.
FLATTEST, LEAST_BLOCKS = 0.08, 40
#: The share of the pixels of a block that may be black or white.
MOST_CLIPPED = 0.05
#: How much flatness in colour counts where the noise of the planes of colour is measured, beside that of brightness:
#: the colours of JPEG files have noise in some blocks and none in others, so that it counts little.
COLOUR_WEIGHT = 0.25
#: Rounds of choosing and measuring.
_ROUNDS = 4
#: A coefficient counts for no more than that many times the variance of its frequency when blocks are judged.
_MOST = 30.0

_order = torch.arange(SIZE)
#: Sum of the orders of the two cosines, (64,): 0 is the mean of a block, 14 the finest checkerboard.
ORDERS = (_order[:, None] + _order).flatten()
#: The two halves of the frequencies, those of slow gradients left out.
_HALVES = tuple((ORDERS >= 2) & (parity == ORDERS % 2) for parity in (0, 1))


@dataclass(frozen=True)
class Blocks:
    """Blocks of an image at one scale.

    Attributes
    ----------
    spectra : torch.Tensor
        (C, L, 64): their DCT coefficients.
    values : torch.Tensor
        (C, L): the mean of each, on the scale of the image.
    places : list of tuple
        For each tile: first index into L, rows, columns and step of its grid.
    usable : torch.Tensor
        (L,), boolean: all pixels known, and hardly any black or white.
    clipped : torch.Tensor
        (L,), boolean: all pixels known, and more than that black or white.
    """

    spectra: torch.Tensor
    values: torch.Tensor
    places: list[tuple[int, int, int, int]]
    usable: torch.Tensor
    clipped: torch.Tensor

    @property
    def count(self) -> int:
        """How many blocks can be used."""
        return int(self.usable.sum())


def blocks_of(images: torch.Tensor, known: torch.Tensor, clipped: torch.Tensor) -> Blocks | None:
    """The blocks of images, overlapping; None where none fits.

    Parameters
    ----------
    images : torch.Tensor
        (N, C, H, W).
    known : torch.Tensor
        (N, H, W), boolean: the pixels that count.
    clipped : torch.Tensor
        (N, H, W): which share of each is black or white, where noise is weaker than it was.
    """
    if min(images.shape[-2:]) < SIZE:
        return None
    tiles = _tiles(*images.shape[-2:])
    pixels = sum(len(images) * (bottom - top) * (right - left) for top, bottom, left, right in tiles)
    step = max(1, math.ceil(math.sqrt(pixels / MAX_BLOCKS)))
    transform = cosine_matrix(SIZE).to(images)
    spectra, whole, shares, places, first = [], [], [], [], 0
    for image, good, cut in zip(images, known, clipped, strict=True):
        for top, bottom, left, right in tiles:

            def windows(values: torch.Tensor) -> torch.Tensor:
                part = values[..., top:bottom, left:right]  # noqa: B023
                return part.unfold(-2, SIZE, step).unfold(-2, SIZE, step)

            patches = windows(image)
            spectra.append((transform @ patches @ transform.T).flatten(3).flatten(1, 2))
            whole.append(windows(good).flatten(2).all(dim=2).flatten())
            shares.append(windows(cut).flatten(2).mean(dim=2).flatten())
            places.append((first, *patches.shape[1:3], step))
            first += patches.shape[1] * patches.shape[2]
    joined, inside, share = torch.cat(spectra, dim=1), torch.cat(whole), torch.cat(shares)
    open_ = share <= MOST_CLIPPED
    return Blocks(joined, joined[:, :, 0] / SIZE, places, inside & open_, inside & ~open_)


def _tiles(height: int, width: int) -> list[tuple[int, int, int, int]]:
    """Top, bottom, left and right of what is looked at: all of an image up to four megapixels' worth of tiles."""
    most = MAX_BLOCKS * 64 // TILE**2
    rows, columns = height / TILE, width / TILE
    if rows * columns <= most:
        return [(0, height, 0, width)]
    shrink = math.sqrt(most / (rows * columns))
    down, along = max(1, round(rows * shrink)), max(1, round(columns * shrink))
    down, along = min(down, height // TILE or 1), min(along, width // TILE or 1)
    tops = [round(i * (height - TILE) / max(down - 1, 1)) for i in range(down)]
    lefts = [round(j * (width - TILE) / max(along - 1, 1)) for j in range(along)]
    return [
        (max(top, 0), min(top + TILE, height), max(left, 0), min(left + TILE, width))
        for top in tops
        for left in lefts
    ]


@dataclass(frozen=True)
class Floor:
    """What the flattest blocks have.

    Attributes
    ----------
    variances : torch.Tensor
        (classes, C, 64): of each frequency in each class of brightness.
    values : torch.Tensor
        (classes, C): the mean value of each plane in the measured blocks.
    open_shares : torch.Tensor
        (classes,): how many of the blocks of that brightness are not black or white.
    rise, spread : float
        How much more energy in the brightness the 30 % quantile of the blocks of a class has than the 2 % quantile,
        the mean over the classes, and than the 10 % quantile, their median; divided by what chance makes of noise, so
        that both are 1 for noise alone.
    """

    variances: torch.Tensor
    values: torch.Tensor
    open_shares: torch.Tensor
    rise: float
    spread: float


def floor_of(blocks: Blocks, levels: torch.Tensor | None = None) -> Floor | None:
    """The variances of the noise, None where there are too few blocks.

    Parameters
    ----------
    blocks : Blocks
        Of planes of which the first is the brightness.
    levels : torch.Tensor, optional
        (L,): standard deviation of the noise of each block relative to others, by which its coefficients are divided.
    """
    if blocks.count < 2 * LEAST_BLOCKS:
        return None
    energies = blocks.spectra.square()
    if levels is not None:
        energies = energies / levels.square()[:, None]
    places = blocks.usable.nonzero()[:, 0]
    classes = max(1, min(CLASSES, len(places) // BLOCKS_PER_CLASS))
    parts = places[blocks.values[0][places].argsort()].chunk(classes)
    variances = _first_guess(energies[:, places])
    measured = energies.new_zeros(len(parts), *variances.shape)
    colours = energies.shape[0] > 1
    for turn in range(_ROUNDS):
        share = FLATTEST / 2 if turn == 0 else FLATTEST
        shares = (energies / variances[:, None]).clamp(max=_MOST)
        halves = [shares[:, :, half].mean(dim=2) for half in _HALVES]
        brightness = (halves[0][0] + halves[1][0]) / 2
        if colours:
            surroundings = _of_surroundings((halves[0][1:] + halves[1][1:]).mean(dim=0) / 2, blocks)
            halves = [half[0] + 2 * half[1:].mean(dim=0) for half in halves]
        else:
            halves = [half[0] for half in halves]
        for index, part in enumerate(parts):
            for parity, half in enumerate(halves):
                kept, other = part[_lowest(half[part], share)], parity != ORDERS % 2
                measured[index, 0, other] = energies[0, kept][:, other].mean(dim=0)
            if colours:
                kept = part[_lowest(brightness[part] + COLOUR_WEIGHT * surroundings[part], share)]
                measured[index, 1:] = energies[1:, kept].mean(dim=1)
        variances = measured.mean(dim=0).clamp(min=1e-12)
    values = torch.stack(
        [blocks.values[:, part[_lowest(brightness[part], share)]].mean(dim=1) for part in parts]
    )
    rises = torch.stack([_rises(brightness[part]) for part in parts])
    rise, spread = float(rises[:, 0].mean()), float(rises[:, 1].median())
    return Floor(measured, values, _open_shares(blocks, parts), rise, spread)


def _open_shares(blocks: Blocks, parts: tuple[torch.Tensor, ...]) -> torch.Tensor:
    brightness = blocks.values[0]
    clipped = brightness[blocks.clipped]
    shares = []
    for part in parts:
        within = (clipped >= brightness[part].amin()) & (clipped <= brightness[part].amax())
        shares.append(len(part) / (len(part) + int(within.sum())))
    return torch.tensor(shares)


def _first_guess(energies: torch.Tensor) -> torch.Tensor:
    """From the 30 % quantile over the blocks, which is 0.148 of the variance of normal values."""
    some = energies[:, :: 1 + energies.shape[1] // 4000]
    return some.quantile(0.3, dim=1) / 0.148 + 1e-9


def _lowest(scores: torch.Tensor, share: float) -> torch.Tensor:
    count = min(max(round(share * len(scores)), LEAST_BLOCKS), len(scores))
    return scores.topk(count, largest=False, sorted=False).indices


def _of_surroundings(scores: torch.Tensor, blocks: Blocks) -> torch.Tensor:
    """The mean of the scores of the usable blocks around each."""
    weights = blocks.usable.to(scores)
    result = torch.empty_like(scores)
    for first, rows, columns, step in blocks.places:
        part = slice(first, first + rows * columns)
        reach = round((SURROUNDINGS / step - 1) / 2)
        both = torch.stack([scores[part] * weights[part], weights[part]]).view(1, 2, rows, columns)
        sums = functional.avg_pool2d(both, 2 * reach + 1, 1, reach, count_include_pad=False)[0].flatten(1)
        result[part] = sums[0] / sums[1].clamp(min=1e-6)
    return result


#: Shares of the blocks of a class whose energies are compared, with the last.
_SHARES = (0.02, 0.1, 0.3)


def _rises(scores: torch.Tensor) -> torch.Tensor:
    """The ratios of quantiles, divided by those of the mean of as many squares (Wilson and Hilferty)."""
    spread = 2 / (9 * int((ORDERS >= 2).sum()))
    chance = [(1 - spread + NormalDist().inv_cdf(share) * math.sqrt(spread)) ** 3 for share in _SHARES]
    quantiles = scores.quantile(torch.tensor(_SHARES).to(scores)) / torch.tensor(chance).to(scores)
    return quantiles[-1] / quantiles[:-1].clamp(min=1e-12)
