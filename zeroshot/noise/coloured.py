"""The model of correlated noise, from what the flattest blocks of an image have in each class of brightness."""

from __future__ import annotations

import math

import torch

from zeroshot.colour import AXES
from zeroshot.noise.block_spectrum import spectrum_of
from zeroshot.noise.class_levels import LEAST_DEPENDENCE, MIDDLE, MOST_RATIO, TYPICAL, Levels
from zeroshot.noise.evidence import Evidence
from zeroshot.noise.flat_blocks import ORDERS, SIZE, Floor
from zeroshot.noise.model import NoiseModel
from zeroshot.noise.spectrum import FREQUENCIES, band_mean

#: Cameras and compression leave less noise in flat blocks than elsewhere, and less at fine frequencies: what its level
#: is multiplied by there, in the brightness and in colour, and more for each order of the cosines of 8 × 8 blocks above
#: the first. The medians over photographs whose noise is known.
OF_BRIGHTNESS, OF_COLOUR, PER_ORDER, FIRST_CORRECTED = 1.4, 1.6, 0.05, 3
#: A class with that many times the standard deviation of the typical one holds texture of that order; one with less
#: than that share of the noise of a plane of colour, which compression took, tells nothing of its spectrum.
MOST_RATIO_OF_ORDER, LEAST_OF_CLASS = 1.3, 0.3


def coloured_noise_of(image: torch.Tensor, evidence: Evidence, unevenness: float) -> NoiseModel:
    """The model with the spectra of the planes of colour.

    Parameters
    ----------
    image : torch.Tensor
        (N, C, H, W).
    evidence : Evidence
        What was measured of it.
    unevenness : float
        From 0 to 1, how much less noise flat blocks have than others.
    """
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
