"""Power spectra of stationary noise, sampled on a grid of frequencies from 0 to π in both directions.

A spectrum is symmetric in the sign of either frequency, so that one quadrant says all. It is normalised: its mean over
the band, by the trapezoidal rule, is 1, and white noise has 1 throughout.
"""

from __future__ import annotations

import math

import torch

#: Frequencies of a spectrum along each direction, π i / 32.
FREQUENCIES = 33


def band_weights(count: int = FREQUENCIES) -> torch.Tensor:
    """The weights of the trapezoidal rule over the band, with the sum 1, (count,), float64."""
    weights = torch.ones(count, dtype=torch.float64)
    weights[0] = weights[-1] = 0.5
    return weights / weights.sum()


def band_mean(spectra: torch.Tensor) -> torch.Tensor:
    """The mean of each spectrum (…, F, F) over the band."""
    weights = band_weights(spectra.shape[-1])
    return torch.einsum("...ij,i,j->...", spectra.double(), weights, weights)


def normalised(power: torch.Tensor) -> torch.Tensor:
    """The spectra (…, F, F) divided by their means; those that are 0 throughout become white."""
    power = power.double()
    mean = band_mean(power)[..., None, None]
    return torch.where(mean > 0, power / mean.clamp(min=1e-30), torch.ones_like(power))


def white() -> torch.Tensor:
    """The spectrum of white noise, (1, F, F)."""
    return torch.ones(1, FREQUENCIES, FREQUENCIES, dtype=torch.float64)


def at_frequencies(spectra: torch.Tensor, down: torch.Tensor, along: torch.Tensor) -> torch.Tensor:
    """The spectra (C, F, F) at the frequencies `down` (I,) × `along` (J,), in units of π, linear between the grid's."""
    last = spectra.shape[-1] - 1

    def between(values: torch.Tensor, frequencies: torch.Tensor, axis: int) -> torch.Tensor:
        place = frequencies.double().abs().clamp(max=1) * last
        left = place.floor().clamp(max=last - 1)
        share = (place - left).view(-1, *[1] * (-1 - axis))
        index = left.long()
        return torch.lerp(values.index_select(axis, index), values.index_select(axis, index + 1), share)

    return between(between(spectra.double(), down, -2), along, -1)


def over_fft(spectra: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The spectra at the frequencies of ``torch.fft.rfft2`` of an image, (C, H, W // 2 + 1)."""
    return at_frequencies(spectra, 2 * torch.fft.fftfreq(height), 2 * torch.fft.rfftfreq(width))


def coefficient_variances(spectra: torch.Tensor, transform: torch.Tensor) -> torch.Tensor:
    """The variance of each coefficient of p × p blocks of noise of variance 1.

    A coefficient (a, b) is the sum of the block weighted by the rows a and b of the transform T, so that its variance
    is the mean over the band of ``S(ω, ν) |T̂_a(ω)|² |T̂_b(ν)|²``, where T̂ is the Fourier transform of a row.

    Parameters
    ----------
    spectra : torch.Tensor
        (C, F, F), normalised.
    transform : torch.Tensor
        Of a line of a block, (p, p).

    Returns
    -------
    torch.Tensor
        (C, p · p), float64, as the blocks are flattened.
    """
    count, size = spectra.shape[-1], len(transform)
    omega = torch.arange(count, dtype=torch.float64) * (math.pi / (count - 1))
    phase = omega[:, None] * torch.arange(size, dtype=torch.float64)
    rows = transform.double()
    gain = (rows @ phase.cos().T).square() + (rows @ phase.sin().T).square()
    weighted = gain * band_weights(count)
    return torch.einsum("ai,cij,bj->cab", weighted, spectra.double(), weighted).flatten(1)


def lower_half(spectra: torch.Tensor) -> torch.Tensor:
    """The spectra of the image at half the size: the lower half of the band, (C, F, F), not normalised."""
    half = torch.linspace(0, 0.5, spectra.shape[-1], dtype=torch.float64)
    return at_frequencies(spectra, half, half)


def smoothed_by(kernel: torch.Tensor, count: int = FREQUENCIES) -> torch.Tensor:
    """The spectrum |ĥ|² of white noise that was filtered with a separable symmetric kernel h (taps,), (1, F, F)."""
    taps = kernel.double()
    omega = torch.arange(count, dtype=torch.float64) * (math.pi / (count - 1))
    places = torch.arange(len(taps), dtype=torch.float64) - (len(taps) - 1) / 2
    response = torch.cos(omega[:, None] * places) @ taps
    return normalised((response[:, None] * response).square()[None])


def correlation_length(spectrum: torch.Tensor) -> float:
    """How far noise of a spectrum (F, F) reaches, in pixels: 1 for white noise.

    It is the root of the area over which one pixel's noise counts, ``√(Σ_Δ r(Δ)²)`` for the correlations r between
    pixels at the displacements Δ, which is the root of the mean square of the spectrum.
    """
    return math.sqrt(max(float(band_mean(spectrum.double().square()[None])[0]), 1.0))


def filtered(values: torch.Tensor, gains: torch.Tensor) -> torch.Tensor:
    """Images (N, C, H, W) whose Fourier transforms are multiplied by `gains` (C, H, W // 2 + 1), circularly."""
    height, width = values.shape[-2:]
    return torch.fft.irfft2(torch.fft.rfft2(values) * gains.to(values), s=(height, width))
