"""The linear low-pass: what can be had without looking at where in the image something is."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import torch

from zeroshot.checks import require_choice
from zeroshot.colour import from_opponent, to_opponent
from zeroshot.precision import widened
from zeroshot.priors.denoising import DenoisingPrior

Response = Literal["wiener", "gaussian"]

#: Rings of frequencies over which the spectrum is averaged.
RINGS = 64
#: Cut-off frequencies that are tried, in cycles per pixel.
CUT_OFFS = (0.01, 1000.0, 200)


@dataclass(frozen=True)
class FourierLowPass(DenoisingPrior):
    """x = C⁻¹ G(f) C y with the cosine transform C and a gain G that depends on the frequency f alone.

    The cosine transform is the Fourier transform of the image continued by its mirror image, so that opposite
    edges do not ring into each other. The spectrum S of the clean image is the mean of |C y|² over a ring of
    frequencies, less σ². With it

    - response "wiener": G = S / (S + σ²), with S fitted by a function that falls with f;
    - response "gaussian": G = exp(−f² / 2 f_c²), f_c being the cut-off with the least expected error
      Σ (1 − G)² S + G² σ².

    The channels are turned into their mean and two differences first, each with a spectrum of its own.

    Parameters
    ----------
    response : {"wiener", "gaussian"}
        Which gain.

    References
    ----------
    N. Wiener: Extrapolation, Interpolation, and Smoothing of Stationary Time Series, MIT Press 1949. J. Makhoul:
    A fast cosine transform in one and two dimensions, IEEE TASSP 28 (1980).
    """

    name: ClassVar[str] = "fourier"
    summary: ClassVar[str] = "linear low-pass whose cut-off comes from the image's own spectrum"
    bytes_per_value: ClassVar[int] = 110  # see benchmarks/large_images.py

    response: Response = "wiener"

    def __post_init__(self) -> None:
        require_choice(self, "response", get_args(Response))

    def passes(self, sigma: float) -> int:
        """One."""
        return 1

    def refine(self, noisy: torch.Tensor, estimate: torch.Tensor, sigma: float, index: int) -> torch.Tensor:
        """The filtered images; every channel and image has a spectrum of its own."""
        coefficients = cosine_transform(to_opponent(noisy))
        frequency = _frequencies(noisy.shape[-2], noisy.shape[-1], noisy.device)
        gains = [self._gain(plane, frequency, sigma) for plane in coefficients.flatten(0, 1)]
        filtered = coefficients * torch.stack(gains).view_as(coefficients)
        return from_opponent(inverse_cosine_transform(filtered))

    def _gain(self, plane: torch.Tensor, frequency: torch.Tensor, sigma: float) -> torch.Tensor:
        """G on the grid of frequencies, (H, W), 1 at frequency 0."""
        ring = (frequency * (RINGS / math.sqrt(0.5))).ceil().long().clamp(max=RINGS).flatten()
        count = widened(torch.bincount(ring, minlength=RINGS + 1))
        power = torch.bincount(ring, widened(plane).square().flatten(), minlength=RINGS + 1)
        spectrum = (falling_means(power[1:], count[1:]) - sigma**2).clamp_(min=0)
        if self.response == "gaussian":
            cut_off = _best_cut_off(spectrum, count[1:], sigma)
            return torch.exp(frequency.square() / (-2 * cut_off**2))
        gain = spectrum / (spectrum + sigma**2)
        return torch.cat([gain.new_ones(1), gain]).to(plane)[ring].view_as(plane)


def falling_means(sums: torch.Tensor, counts: torch.Tensor) -> torch.Tensor:
    """Means sums / counts made to fall: the least squares fit, max over b ≥ i of min over a ≤ i of the mean of a … b.

    References
    ----------
    R. E. Barlow, D. J. Bartholomew, J. M. Bremner, H. D. Brunk: Statistical Inference under Order Restrictions,
    Wiley 1972.
    """
    upto = torch.nn.functional.pad(torch.stack([sums, counts]).cumsum(dim=1), (1, 0))
    total, number = upto[:, None, 1:] - upto[:, :-1, None]
    # Runs without a coefficient decide neither the smallest nor the largest.
    means = torch.where(number > 0, total / number.clamp(min=1), math.inf)
    least = means.cummin(dim=0).values
    least = least.masked_fill(least.isinf(), 0.0)
    return least.triu().amax(dim=1)


def _best_cut_off(spectrum: torch.Tensor, count: torch.Tensor, sigma: float) -> float:
    """The cut-off of the Gaussian gain with the least expected error, in cycles per pixel."""
    first, last, steps = CUT_OFFS
    candidates = torch.logspace(math.log10(first), math.log10(last), steps, dtype=torch.float64)
    candidates = candidates.to(spectrum)
    middle = (torch.arange(RINGS, device=spectrum.device) + 0.5) * (math.sqrt(0.5) / RINGS)
    gain = torch.exp(middle.square() / (-2 * candidates[:, None].square()))
    error = ((1 - gain).square() * spectrum + gain.square() * sigma**2) * count
    return float(candidates[error.sum(dim=1).argmin()])


def _frequencies(height: int, width: int, device: torch.device) -> torch.Tensor:
    """|f| of the coefficients of the cosine transform in cycles per pixel, (H, W), up to √½."""
    down = torch.arange(height, device=device) / (2 * height)
    along = torch.arange(width, device=device) / (2 * width)
    return torch.hypot(down[:, None], along)


def cosine_transform(images: torch.Tensor) -> torch.Tensor:
    """The orthonormal cosine transform (DCT-II) along the last two axes."""
    for _ in range(2):
        images = _transform_rows(images).transpose(-1, -2)
    return images


def inverse_cosine_transform(coefficients: torch.Tensor) -> torch.Tensor:
    """The inverse of :func:`cosine_transform`, the DCT-III."""
    for _ in range(2):
        coefficients = _restore_rows(coefficients).transpose(-1, -2)
    return coefficients


def _turns(size: int, like: torch.Tensor) -> torch.Tensor:
    """exp(−iπk / 2n) with the scale of the orthonormal transform."""
    angle = torch.arange(size, dtype=torch.float64) * (-math.pi / (2 * size))
    scale = torch.full_like(angle, math.sqrt(2 / size))
    scale[0] = math.sqrt(1 / size)
    kind = torch.complex64 if like.dtype == torch.float32 else torch.complex128
    return torch.polar(scale, angle).to(like.device, kind)


def _transform_rows(rows: torch.Tensor) -> torch.Tensor:
    """Even places forwards and odd ones backwards: the Fourier transform of that, turned, has the DCT as real part."""
    order = torch.cat([rows[..., ::2], rows[..., 1::2].flip(-1)], dim=-1)
    return (torch.fft.fft(order) * _turns(rows.shape[-1], rows)).real


def _restore_rows(coefficients: torch.Tensor) -> torch.Tensor:
    size = coefficients.shape[-1]
    turns = _turns(size, coefficients)
    mirrored = torch.zeros_like(coefficients)
    mirrored[..., 1:] = coefficients[..., 1:].flip(-1)
    # The spectrum of a real sequence, from its DCT: V[k] = exp(iπk/2n) (X[k] − i X[n − k]).
    weights = turns.conj() / turns.abs().square()
    spectrum = torch.complex(coefficients, -mirrored) * weights
    order = torch.fft.ifft(spectrum).real
    rows = torch.empty_like(coefficients)
    even = (size + 1) // 2
    rows[..., ::2] = order[..., :even]
    rows[..., 1::2] = order[..., even:].flip(-1)
    return rows
