"""The noise of a picture whose truth is known: what a perfect estimate from the one picture would find."""

from __future__ import annotations

import itertools

import numpy as np
import torch

from zeroshot.colour import opponent_axes
from zeroshot.compare.methods.arrays import to_array, to_tensor
from zeroshot.noise import NoiseModel
from zeroshot.noise.spectrum import FREQUENCIES, at_frequencies, normalised

#: Knots of the variance against the intensity, each of as many pixels.
KNOTS = 8
#: The least standard deviation at a knot, in grey levels.
LEAST = 0.2


def true_noise(noisy: torch.Tensor, truth: torch.Tensor) -> NoiseModel:
    """The model of ``noisy − truth``, (1, C, H, W): curves of the channels, spectra, axes of colour.

    The spectra are those of the noise in units of its standard deviation at each intensity, by the mean of windowed
    periodograms of 64 × 64 pixels.
    """
    noise = (noisy - truth).double()
    # Two exposures that differ in brightness as a whole are not noise.
    noise = noise - noise.mean(dim=(2, 3), keepdim=True)
    channels = truth.shape[1]
    intensities, variances = _curves(noise[0], truth[0].double())
    model = NoiseModel(intensities, variances)
    unit = noise[0] / model.level(truth.double())[0]
    unit = unit / unit.square().mean().sqrt()
    axes = opponent_axes(channels)
    planes = torch.einsum("kc,chw->khw", axes, unit)
    powers = planes.square().mean(dim=(1, 2))
    spectra = normalised(_periodograms(planes))
    # The spectrum of one picture is an estimate even where its noise is known.
    return NoiseModel(intensities, variances, axes, powers / powers.mean(), spectra, confidence=0.9)


def _curves(
    noise: torch.Tensor, truth: torch.Tensor
) -> tuple[tuple[float, ...], tuple[tuple[float, ...], ...]]:
    """Common knots, and the variance of each channel at them."""
    ordered = truth.flatten().sort().values
    edges = [float(ordered[min(len(ordered) * k // KNOTS, len(ordered) - 1)]) for k in range(KNOTS + 1)]
    knots, columns = [], []
    overall = noise.square().mean(dim=(1, 2))
    for low, high in itertools.pairwise(edges):
        inside = (truth >= low) & (truth <= high)
        knot = float(truth[inside].mean())
        if knots and knot <= knots[-1]:
            continue
        counts = inside.sum(dim=(1, 2))
        found = (noise.square() * inside).sum(dim=(1, 2)) / counts.clamp(min=1)
        columns.append(torch.where(counts > 100, found, overall).clamp(min=(LEAST / 255) ** 2).tolist())
        knots.append(knot)
    return tuple(knots), tuple(zip(*columns, strict=True))


def _periodograms(planes: torch.Tensor) -> torch.Tensor:
    """The power of planes (C, H, W) at the frequencies from 0 to π, (C, F, F)."""
    side = 2 * (FREQUENCIES - 1)
    window = torch.hann_window(side, dtype=torch.float64)
    window = window[:, None] * window
    tiles = planes.unfold(1, side, side // 2).unfold(2, side, side // 2)
    power = torch.fft.fft2(tiles * window).abs().square().mean(dim=(1, 2))
    even = (power + power.flip(1).roll(1, 1)) / 2
    even = (even + even.flip(2).roll(1, 2)) / 2
    return even[:, :FREQUENCIES, :FREQUENCIES] / window.square().sum()


def package_bm3d(noisy: torch.Tensor, noise: NoiseModel) -> torch.Tensor:
    """The package bm3d, told the spectrum of the noise: of each channel the mean over the axes of colour.

    Noise whose variance depends on the intensity is told with its mean.
    """
    import bm3d

    # The package asks NumPy 2 for what it has renamed.
    vars(np).setdefault("trapz", getattr(np, "trapezoid", None))
    height, width = noisy.shape[-2:]
    power = _whole_spectrum(noise, height, width) * noise.sigma**2 * height * width
    if noise.columns:
        power[0] += noise.columns**2 * height**2 * width
    if noise.rows:
        power[:, 0] += noise.rows**2 * height * width**2
    array = to_array(noisy).astype(np.float64)
    run = bm3d.bm3d_rgb if array.ndim == 3 else bm3d.bm3d
    return to_tensor(run(array, power.numpy()))


def _whole_spectrum(noise: NoiseModel, height: int, width: int) -> torch.Tensor:
    """The power at all frequencies of an image, of mean 1."""
    if noise.spectra is None:
        return torch.ones(height, width, dtype=torch.float64)
    frequencies = [2 * torch.fft.fftfreq(size) for size in (height, width)]
    spectra = at_frequencies(noise.spectra, *frequencies)
    weights = torch.ones(len(spectra)) if noise.powers is None else noise.powers
    mean = torch.einsum("c,cij->ij", weights.double(), spectra)
    return mean / mean.mean()
