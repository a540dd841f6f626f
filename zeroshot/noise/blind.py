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
from dataclasses import replace
from typing import Any

import torch
from torch.nn import functional

from zeroshot.compression.traces import traces_of
from zeroshot.noise.beside import Beside
from zeroshot.noise.class_levels import (
    FINE,
    LEAST_DEPENDENCE,
    levels_of,
    photon_line,
)
from zeroshot.noise.coloured import coloured_noise_of
from zeroshot.noise.estimate import estimate_sigma, known_pixels
from zeroshot.noise.evidence import MOST_RISE_OF_WHITE, Evidence, evidence_of
from zeroshot.noise.flat_blocks import SIZE
from zeroshot.noise.model import NoiseModel
from zeroshot.noise.outliers import outliers
from zeroshot.noise.stripes import StripeComponent, stripe_component

#: The least standard deviation of rows and columns: courses of bricks and planks have a little.
LEAST_STRIPES = 2 / 255
#: The least share of impulses worth a word.
LEAST_IMPULSES = 0.003
#: Below that many levels of 255 noise is that of rounding and of good photographs.
LEAST_LEVEL = 3 / 255
#: The same of noise that is weaker in colour than in brightness, which film grain is.
LEAST_GREY_LEVEL = 5 / 255
#: How many times as strong as its fine part coarse noise is at least.
LEAST_EXCESS = 1.45
#: Noise among much texture: the share of its level that is taken for noise, and that where it is strong, of which
#: texture makes more.
LIKELY_SHARE, LIKELY_SHARE_OF_STRONG = 0.8, 0.5
#: Texture makes weak noise seem stronger at some intensities. Up to this level noise depends on the intensity only
#: where it is somewhere weaker than that share of the level found for all.
STRONG_LEVEL, MOST_OF_WEAKEST = 10 / 255, 0.85
#: How much more the energies of blocks may rise where the picture was compressed, if it has hardly any white noise: up
#: to that share of the level, which fine texture exceeds.
ALLOWANCE_OF_COMPRESSED, MOST_WHITE = 0.25, 0.25
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
    given = image = _without_hidden(image.detach().float(), pixels)
    outlying = outliers(image) if beside is None else beside.outliers
    image, impulses = _without_impulses(image, pixels, outlying)
    if impulses:
        white = estimate_sigma(image, known)
    stripes = beside.stripes if beside is not None and not impulses else None
    parts: dict[str, Any] = {"impulses": impulses, **_stripes(image, pixels, stripes)}
    evidence = evidence_of(image, pixels, _left_out(parts))
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
        clear = evidence.is_noise(excess)
        if clear or (smoothed and evidence.is_noise(excess, ALLOWANCE_OF_COMPRESSED)):
            # What only the allowance lets pass has texture among its flattest blocks, which makes up for it.
            unevenness = evidence.unevenness if compressed and clear else 0.0
            return replace(coloured_noise_of(image, evidence, unevenness), confidence=confidence, **parts)
        reason = "texture hides the noise"
        if evidence.is_likely_noise(excess):
            share = LIKELY_SHARE if evidence.strength == 0 else LIKELY_SHARE_OF_STRONG
            likely = coloured_noise_of(image, evidence, evidence.unevenness * compressed).scaled(share)
            return replace(likely, confidence=min(confidence, 0.4), reason=reason, **parts)
        return replace(NoiseModel.white(white), confidence=min(confidence, 0.3), reason=reason, **parts)
    found = _white_by_intensity(image, pixels, white, evidence) or NoiseModel.white(white)
    return replace(found, confidence=confidence, **parts)


def _has_traces(image: torch.Tensor) -> bool:
    """Whether the pixels of the first image, grey or in colours, were those of a JPEG."""
    if image.shape[1] not in (1, 3):
        return False
    return traces_of((255 * image[0].detach().float()).movedim(0, -1).squeeze(-1).cpu().numpy()) is not None


def _white_by_intensity(
    image: torch.Tensor, known: torch.Tensor, white: float, evidence: Evidence
) -> NoiseModel | None:
    """White noise with a variance that depends on the intensity, None where it does not."""
    if evidence.rise > MOST_RISE_OF_WHITE or evidence.level < LEAST_LEVEL:
        return None
    channels = image.shape[1]
    each = []
    for channel in range(channels):
        alone = (
            evidence
            if channels == 1
            else evidence_of(image[:, [channel]], known, evidence.left_out, scales=1)
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


def _confidence(evidence: Evidence) -> float:
    """From how alike the energies of the blocks are, and how many classes of brightness are without texture."""
    alike = 1 / max(1.0, evidence.rise) ** 0.5
    return float(min(1.0, alike * (0.5 + 0.5 * evidence.levels.share)))


def _without_hidden(image: torch.Tensor, known: torch.Tensor) -> torch.Tensor:
    """The image with the mean of the known pixels in place of the others, which say nothing."""
    seen = known[:, None].to(image)
    mean = (image * seen).sum(dim=(0, 2, 3), keepdim=True) / seen.sum(dim=(0, 2, 3), keepdim=True).clamp(
        min=1
    )
    return torch.where(known[:, None], image, mean)


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
