"""The noise of an image, found from the image itself: its level at each intensity, its spectrum, what is beside it.

White noise is the most common and the best understood: where nothing speaks against it, the estimate is that of
:func:`~zeroshot.noise.estimate.estimate_sigma`. Noise that was demosaicked, smoothed, enlarged or compressed is weak at
the fine frequencies which that looks at, and stronger at coarser ones; so is texture. They are told apart by three
things. Noise is found in the flattest blocks at every brightness; hardly any block has less of it than others; and the
farther its coarse part exceeds its fine part, the less likely a texture is.

References
----------
A. Foi, M. Trimeche, V. Katkovnik, K. Egiazarian: Practical Poissonian–Gaussian noise modeling and fitting for
single-image raw-data, IEEE TIP 17 (2008). M. Colom, M. Lebrun, A. Buades, J.-M. Morel: Nonparametric multiscale blind
estimation of intensity-frequency-dependent noise, IEEE TIP 24 (2015).
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import torch
from torch.nn import functional

from zeroshot.colour import AXES, to_opponent
from zeroshot.compression.traces import traces_of
from zeroshot.noise.beside import Beside
from zeroshot.noise.block_spectrum import spectrum_of
from zeroshot.noise.class_levels import (
    FINE,
    LEAST_DEPENDENCE,
    MIDDLE,
    MOST_RATIO,
    TYPICAL,
    Levels,
    levels_of,
    photon_line,
)
from zeroshot.noise.constant import constant_areas
from zeroshot.noise.estimate import QUANTISATION, estimate_sigma, holds_a_picture, known_pixels
from zeroshot.noise.flat_blocks import ORDERS, SIZE, Floor, blocks_of, floor_of
from zeroshot.noise.model import NoiseModel
from zeroshot.noise.outliers import outliers
from zeroshot.noise.spectrum import FREQUENCIES, band_mean
from zeroshot.noise.stripes import StripeComponent, stripe_component

#: Scales that are looked at: full, half and quarter size.
SCALES = 3
#: The least standard deviation of rows and columns: courses of bricks and planks have a little.
LEAST_STRIPES = 2 / 255
#: The least share of impulses worth a word.
LEAST_IMPULSES = 0.003
#: Below that many levels of 255 noise is that of rounding and of good photographs.
LEAST_LEVEL = 3 / 255
#: The same of noise that is weaker in colour than in brightness, which film grain is.
LEAST_GREY_LEVEL = 5 / 255
#: The finest frequencies of blocks.
_FINE = (9, 14)
#: Relative to the brightness: the least noise of a plane of colour that tells of its spectrum, the most of grey noise.
LEAST_COLOUR, MOST_GREY = 0.1, 0.6
#: No noise grows more than that from one octave to the next.
MOST_GROWTH = 3.2
#: How many times as strong as its fine part coarse noise is at least, and from which on it is clear.
LEAST_EXCESS, CLEAR_EXCESS = 1.45, 3.2
#: How much the energies of blocks may rise at most, and in white noise.
MOST_RISE, MOST_RISE_OF_WHITE, MOST_SPREAD = 4.0, 1.35, 1.6
#: Noise among much texture, and the share of its level that is then taken for noise.
LIKELY_EXCESS, LIKELY_RISE, LIKELY_SPREAD, LIKELY_SHARE = 3.4, 3.6, 2.1, 0.8
#: The same share where it is strong, of which texture makes more.
LIKELY_SHARE_OF_STRONG = 0.5
#: Texture makes weak noise seem stronger at some intensities. Up to this level noise depends on the intensity only
#: where it is somewhere weaker than that share of the level found for all.
STRONG_LEVEL, MOST_OF_WEAKEST = 10 / 255, 0.85
#: Cameras and compression leave less noise in flat blocks than elsewhere, and less at fine frequencies: what its level
#: is multiplied by there, in the brightness and in colour, and more for each order of the cosines of 8 × 8 blocks above
#: the first. The medians over photographs whose noise is known.
OF_BRIGHTNESS, OF_COLOUR, PER_ORDER, FIRST_CORRECTED = 1.4, 1.6, 0.05, 3
#: How unlike the blocks of a compressed picture are where that begins, and where all of it is to be expected.
LEAST_UNLIKE, MOST_UNLIKE = 1.4, 1.8
#: A class with that many times the standard deviation of the typical one holds texture of that order; one with less
#: than that share of the noise of a plane of colour, which compression took, tells nothing of its spectrum.
MOST_RATIO_OF_ORDER, LEAST_OF_CLASS = 1.3, 0.3
#: How much more the energies of blocks may rise where the picture was compressed, if it has hardly any white noise: up
#: to that share of the level, which fine texture exceeds.
ALLOWANCE_OF_COMPRESSED, MOST_WHITE = 0.25, 0.25
#: Above the first of these levels the energies of blocks may rise less and less, down to the last at the second: what
#: is left of a texture beside strong noise is little.
STRONG_COARSE, STRONGEST_COARSE, MOST_RISE_OF_STRONG = 9 / 255, 16 / 255, 1.5
#: How many times the usual difference to its neighbours an impulse has.
LEAST_HEIGHT = 6.0


@torch.no_grad()
def estimate_noise(
    image: torch.Tensor,
    known: torch.Tensor | None = None,
    *,
    compressed: bool | None = None,
    beside: Beside | None = None,
) -> NoiseModel:
    """The noise of an image.

    Parameters
    ----------
    image : torch.Tensor
        (N, C, H, W), nominally in [0, 1]; the noise of all N is taken for the same. For a mosaic, its
        :func:`~zeroshot.noise.phase_planes`.
    known : torch.Tensor, optional
        1 where pixels are known and 0 at holes, broadcastable to `image`.
    compressed : bool, optional
        Whether the image was compressed with loss, as JPEG does, which cameras do after they have smoothed what is
        flat: flat blocks then have less noise than others. Where it is not said, the pixels of the first image are
        searched for the traces of JPEG.
    beside : Beside, optional
        What was found in this very image already; else it is looked for.

    Returns
    -------
    NoiseModel
        ``NoiseModel.white(estimate_sigma(image, known))`` where the noise is white, and where nothing else is
        certain; then the confidence is low and the reason is told.

    Raises
    ------
    ValueError
        If the image is not four-dimensional or empty, or `known` does not fit it.
    """
    white = estimate_sigma(image, known)
    pixels = known_pixels(image, known)
    given = image
    image = image.detach().float()
    image, impulses = _without_impulses(image, pixels, outliers(image) if beside is None else beside.outliers)
    if impulses:
        white = estimate_sigma(image, known)
    stripes = beside.stripes if beside is not None and not impulses else None
    parts: dict[str, Any] = {"impulses": impulses, **_stripes(image, pixels, stripes)}
    evidence = _evidence(image, pixels, _left_out(parts))
    if evidence is None:
        reason = "too few blocks without holes and clipping to tell more than a level"
        return replace(NoiseModel.white(white), confidence=0.5, reason=reason, **parts)
    if evidence.striped:
        white = min(white, evidence.fine)
    confidence = _confidence(evidence)
    excess = evidence.excess(white)
    coloured = evidence.level >= LEAST_LEVEL and excess >= LEAST_EXCESS
    if coloured or (evidence.level >= LEAST_GREY_LEVEL and evidence.is_grey):
        if compressed is None:
            compressed = _has_traces(given)
        smoothed = compressed and white <= MOST_WHITE * evidence.level
        if evidence.is_noise(excess, ALLOWANCE_OF_COMPRESSED * smoothed):
            # What passes only because it was compressed has texture among its flattest blocks already.
            unevenness = evidence.unevenness if compressed and evidence.is_noise(excess) else 0.0
            return replace(_coloured(image, evidence, unevenness), confidence=confidence, **parts)
        reason = "texture hides the noise"
        if evidence.is_likely_noise(excess):
            share = LIKELY_SHARE if evidence.strength == 0 else LIKELY_SHARE_OF_STRONG
            likely = _coloured(image, evidence, evidence.unevenness * compressed).scaled(share)
            return replace(likely, confidence=min(confidence, 0.4), reason=reason, **parts)
        return replace(NoiseModel.white(white), confidence=min(confidence, 0.3), reason=reason, **parts)
    found = _white_by_intensity(image, pixels, white, evidence) or NoiseModel.white(white)
    return replace(found, confidence=confidence, **parts)


@dataclass(frozen=True)
class _Evidence:
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


def _evidence(
    image: torch.Tensor, known: torch.Tensor, left_out: torch.Tensor, scales: int = SCALES
) -> _Evidence | None:
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
    return _Evidence(floors, levels, left_out)


def _has_traces(image: torch.Tensor) -> bool:
    """Whether the pixels of the first image, grey or in colours, were those of a JPEG."""
    if image.shape[1] not in (1, 3):
        return False
    return traces_of((255 * image[0].detach().float()).movedim(0, -1).squeeze(-1).cpu().numpy()) is not None


def _measured(image: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """The known pixels but for borders and other fillings of one value, (N, H, W)."""
    kept = []
    for picture, pixels in zip(image, known, strict=True):
        varied = ~constant_areas(picture, pixels).any(dim=0)
        kept.append(pixels & varied if holds_a_picture(varied) else pixels)
    return torch.stack(kept)


def _coloured(image: torch.Tensor, evidence: _Evidence, unevenness: float) -> NoiseModel:
    """The model with the spectra of the planes of colour."""
    levels = evidence.levels
    channels = image.shape[1]
    brightness = math.sqrt(channels) if channels == 3 else 1.0
    powers, spectra = [], []
    measured = [_normalised(floor, levels) for floor in evidence.floors]
    for plane in range(channels):
        is_colour = channels == 3 and plane > 0
        power = spectrum_of([values[plane] for values in measured], is_colour, evidence.left_out)
        power = power * _correction(unevenness, is_colour)
        spectra.append(power)
        powers.append(float(band_mean(power[None])[0]))
    mean = math.fsum(powers) / channels
    curve = _curve(levels.values / brightness, levels.variances / levels.mean * mean)
    if channels == 1:
        return NoiseModel(*curve, spectra=torch.stack(spectra))
    axes = torch.tensor(AXES, dtype=torch.float64) if channels == 3 else None
    shares = torch.tensor(powers, dtype=torch.float64) / mean
    return NoiseModel(*curve, axes=axes, powers=shares, spectra=torch.stack(spectra))


def _correction(unevenness: float, is_colour: bool) -> torch.Tensor | float:
    """What the power of a plane is multiplied by, (F, F): that of flat blocks is not that of all."""
    if is_colour:
        return float((1 + (OF_COLOUR - 1) * unevenness) ** 2)
    order = torch.linspace(0, SIZE, FREQUENCIES, dtype=torch.float64)
    above = (order[:, None] + order - FIRST_CORRECTED).clamp(min=0)
    return ((1 + (OF_BRIGHTNESS - 1) * unevenness) * (1 + PER_ORDER * unevenness * above)).square()


def _normalised(floor: Floor, levels: Levels) -> torch.Tensor:
    """The variances of a floor at the mean level, (C, 64): the mean of the classes without texture.

    The middle orders of the brightness tell which classes these are. Shading and coarse texture are at other
    frequencies than fine texture: each order has classes of its own. The noise of colour depends on the brightness in
    its own way, so the spectra of its classes are compared relative to their middle orders.
    """
    relative = levels.at(floor.values[:, 0]) / levels.mean
    variances = (floor.variances.double() / relative[:, None, None]).clamp(min=1e-14)
    middle = variances[:, :, MIDDLE].mean(dim=2)
    without_texture = middle[:, 0] <= MOST_RATIO**2 * middle[:, 0].quantile(TYPICAL)
    planes = [_typical_of_orders(variances[:, 0])]
    for of_plane, level in zip(variances.unbind(dim=1)[1:], middle.unbind(dim=1)[1:], strict=True):
        mean = level[without_texture].mean()
        noisy = level >= LEAST_OF_CLASS**2 * mean
        planes.append(mean * _typical_of_orders(of_plane[noisy] / level[noisy, None]))
    return torch.stack(planes)


def _typical_of_orders(variances: torch.Tensor) -> torch.Tensor:
    """The mean over the classes (K, 64) that have no texture of an order, (64,)."""
    result = torch.empty_like(variances[0])
    for order in ORDERS.unique():
        of_order = variances[:, order == ORDERS]
        power = of_order.mean(dim=1)
        kept = power <= MOST_RATIO_OF_ORDER**2 * power.quantile(TYPICAL)
        result[order == ORDERS] = of_order[kept].mean(dim=0)
    return result


def _curve(
    values: torch.Tensor, variances: torch.Tensor
) -> tuple[tuple[float, ...], tuple[tuple[float, ...], ...]]:
    ratio = float((variances.amax() / variances.amin()).sqrt())
    if ratio < LEAST_DEPENDENCE:
        return (0.0,), ((float(variances.mean()),),)
    return tuple(values.tolist()), (tuple(variances.tolist()),)


def _white_by_intensity(
    image: torch.Tensor, known: torch.Tensor, white: float, evidence: _Evidence
) -> NoiseModel | None:
    """White noise with a variance that depends on the intensity, None where it does not."""
    if evidence.rise > MOST_RISE_OF_WHITE or evidence.level < LEAST_LEVEL:
        return None
    channels = image.shape[1]
    each = []
    for channel in range(channels):
        alone = (
            evidence if channels == 1 else _evidence(image[:, [channel]], known, evidence.left_out, scales=1)
        )
        if alone is None:
            return None
        each.append(levels_of(alone.floors[0], evidence.left_out, FINE))
    if max(levels.ratio for levels in each) < LEAST_DEPENDENCE:
        return None
    weakest = math.sqrt(min(float(levels.variances.amin()) for levels in each))
    if white < STRONG_LEVEL and weakest > MOST_OF_WEAKEST * white:
        return None
    line = photon_line(
        torch.cat([levels.values for levels in each]), torch.cat([levels.variances for levels in each])
    )
    if line is not None:
        return NoiseModel((0.0, 1.0), (line,))
    values = torch.cat([levels.values for levels in each])
    knots = torch.linspace(float(values.amin()), float(values.amax()), 9, dtype=torch.float64)
    return NoiseModel(tuple(knots.tolist()), tuple(tuple(levels.at(knots).tolist()) for levels in each))


def _confidence(evidence: _Evidence) -> float:
    """From how alike the energies of the blocks are, and how many classes of brightness are without texture."""
    alike = 1 / max(1.0, evidence.rise) ** 0.5
    return float(min(1.0, alike * (0.5 + 0.5 * evidence.levels.share)))


def _without_impulses(
    image: torch.Tensor, known: torch.Tensor, found: torch.Tensor
) -> tuple[torch.Tensor, float]:
    """The image with the median of the neighbours in place of pixels that stand out, and the share of these."""
    found = found & known[:, None]
    share = float(found.any(dim=1).sum()) / max(int(known.sum()), 1)
    if share < LEAST_IMPULSES:
        return image, 0.0
    padded = functional.pad(image.masked_fill(found, math.nan), (1, 1, 1, 1), mode="replicate")
    neighbours = torch.stack(
        [
            padded[..., row : row + image.shape[-2], column : column + image.shape[-1]]
            for row in range(3)
            for column in range(3)
        ]
    )
    median = neighbours.nanmedian(dim=0).values
    height = torch.where(median.isnan(), 0.0, (image - median).abs())
    usual = 1.4826 * float(height.flatten()[:: 1 + height.numel() // 100_000].median())
    found &= (height > max(LEAST_HEIGHT * usual, LEAST_LEVEL)).any(dim=1, keepdim=True)
    share = float(found.any(dim=1).sum()) / max(int(known.sum()), 1)
    if share < LEAST_IMPULSES:
        return image, 0.0
    return torch.where(found & ~median.isnan(), median, image), share


def _stripes(
    image: torch.Tensor, known: torch.Tensor, found: list[StripeComponent] | None
) -> dict[str, float]:
    """The standard deviations of rows and columns, in the mean over the images, where all have such stripes."""
    if found is None:
        found = [
            stripe_component(picture, known=pixels) for picture, pixels in zip(image, known, strict=True)
        ]
    levels = {
        "rows": [stripes.level_of_rows for stripes in found],
        "columns": [stripes.level_of_columns for stripes in found],
    }
    return {name: math.fsum(each) / len(each) for name, each in levels.items() if min(each) >= LEAST_STRIPES}


def _left_out(beside: dict[str, float]) -> torch.Tensor:
    """The coefficients of blocks in which stripes show, (64,), boolean."""
    mask = torch.zeros(SIZE, SIZE, dtype=torch.bool)
    if "columns" in beside:
        mask[0] = True
    if "rows" in beside:
        mask[:, 0] = True
    return mask.flatten()
