"""The signals of an alias-free network: sampling rates, cut-offs and the filters between them."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True)
class LayerPlan:
    """Sampling rates, cut-offs and sizes of one layer's signal."""

    rate: int
    cutoff: float
    half_width: float
    size: int
    channels: int


def layer_plans(
    resolution: int,
    channels: int,
    num_layers: int,
    num_critical: int,
    channel_base: float,
    channel_max: int,
    first_cutoff: float = 2.0,
    first_stopband: float = 2**2.1,
    last_stopband_rel: float = 2**0.3,
    margin: int = 10,
) -> list[LayerPlan]:
    """The signals between the layers, num_layers + 1 of them: section 3.2 and appendix F of the paper."""
    last_cutoff = resolution / 2
    last_stopband = last_cutoff * last_stopband_rel
    progress = np.minimum(np.arange(num_layers + 1) / (num_layers - num_critical), 1)
    cutoffs = first_cutoff * (last_cutoff / first_cutoff) ** progress
    stopbands = first_stopband * (last_stopband / first_stopband) ** progress
    rates = np.exp2(np.ceil(np.log2(np.minimum(stopbands * 2, resolution))))
    half_widths = np.maximum(stopbands, rates / 2) - cutoffs
    sizes = rates + margin * 2
    sizes[-2:] = resolution
    widths = np.rint(np.minimum((channel_base / 2) / cutoffs, channel_max))
    widths[-1] = channels
    return [
        LayerPlan(int(rate), float(cutoff), float(half), int(size), int(width))
        for rate, cutoff, half, size, width in zip(rates, cutoffs, half_widths, sizes, widths, strict=True)
    ]


def low_pass_filter(
    taps: int, cutoff: float, width: float, rate: float, is_radial: bool = False
) -> torch.Tensor | None:
    """A Kaiser-windowed low-pass filter, one-dimensional or radially symmetric; None for a single tap.

    Parameters
    ----------
    taps : int
        Length.
    cutoff, width, rate : float
        Cut-off frequency, width of the transition band and sampling rate.
    is_radial : bool
        Whether to return the (taps, taps) filter that is the same in all directions.
    """
    if taps == 1:
        return None
    beta = _kaiser_beta(_kaiser_attenuation(taps, width / (rate / 2)))
    if not is_radial:
        position = np.arange(taps) - (taps - 1) / 2
        response = np.sinc(2 * cutoff / rate * position) * np.kaiser(taps, beta)
        return torch.as_tensor(response / response.sum(), dtype=torch.float32)
    x = (np.arange(taps) - (taps - 1) / 2) / rate
    radius = np.hypot(*np.meshgrid(x, x))
    response = _bessel_j1(2 * cutoff * np.pi * radius) / (np.pi * radius)
    window = np.kaiser(taps, beta)
    response = response * np.outer(window, window)
    return torch.as_tensor(response / response.sum(), dtype=torch.float32)


def _kaiser_attenuation(taps: int, width: float) -> float:
    """The attenuation in dB of a Kaiser window of `taps` taps, for a relative transition width."""
    return 2.285 * (taps - 1) * math.pi * width + 7.95


def _kaiser_beta(attenuation: float) -> float:
    if attenuation > 50:
        return 0.1102 * (attenuation - 8.7)
    if attenuation > 21:
        return 0.5842 * (attenuation - 21) ** 0.4 + 0.07886 * (attenuation - 21)
    return 0.0


def _bessel_j1(x: np.ndarray) -> np.ndarray:
    return torch.special.bessel_j1(torch.from_numpy(x)).numpy()
