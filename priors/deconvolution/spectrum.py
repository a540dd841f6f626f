"""Power spectra of images that fall as a power of the frequency, fitted to a blurred and noisy measurement.

    S(f) = c (|f|² + f₀²)^(−p/2),    E |(C y)(f)|² = |k̂(f)|² S(f) + v N(f),

with an orthonormal transform C, the Fourier transform k̂ of the kernel, and noise of the spectrum N and the variance v.
c and p, and v where it is not known, are those that make the measurement likeliest (Whittle's likelihood).
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch

from zeroshot.priors.filters.fourier import cosine_transform, inverse_cosine_transform

#: f₀ in cycles per pixel, below which a spectrum is flat: pictures have no power without bound.
CORNER = 0.005
#: The exponents p that are tried: 2 is the mean of photographs, 4 is the Laplacian's.
SLOPES = tuple(1.5 + 0.25 * step for step in range(13))
#: No more coefficients than that are fitted, at equal distances; more say nothing new.
_MOST_COEFFICIENTS = 2**17
_SCORINGS, _HALVINGS, _LONGEST_STEP, _SETTLED = 20, 12, 2.0, 1e-3
#: Variances relative to the power of the measurement that stand for none.
_NONE = 1e-12


class Transform(ABC):
    """An orthonormal transform along the last two axes in which stationary images have independent coefficients."""

    @abstractmethod
    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """The coefficients of (…, H, W)."""

    @abstractmethod
    def inverse(self, coefficients: torch.Tensor) -> torch.Tensor:
        """The images of such coefficients."""

    @abstractmethod
    def frequencies(self, size: int) -> torch.Tensor:
        """The frequencies along an axis of `size` pixels in cycles per pixel, (size,), float64."""

    @abstractmethod
    def gain(self, kernel: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """|k̂|² at the coefficients of an image of that size, (height, width), float64."""

    def filtered(self, images: torch.Tensor, gains: torch.Tensor) -> torch.Tensor:
        """Images whose coefficients are multiplied by `gains`."""
        return self.inverse(self.forward(images) * gains)

    def power(self, height: int, width: int, slope: float) -> torch.Tensor:
        """S(f)/c at the coefficients of an image of that size, (height, width), float64."""
        down, along = self.frequencies(height), self.frequencies(width)
        squared = down[:, None].square() + along.square() + CORNER**2
        return squared ** (-slope / 2)


class Cosine(Transform):
    """That of images which go on as their mirror images: opposite edges know nothing of each other."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return cosine_transform(images)

    def inverse(self, coefficients: torch.Tensor) -> torch.Tensor:
        return inverse_cosine_transform(coefficients)

    def frequencies(self, size: int) -> torch.Tensor:
        return torch.arange(size, dtype=torch.float64) / (2 * size)

    def gain(self, kernel: torch.Tensor, height: int, width: int) -> torch.Tensor:
        """A cosine is a wave and its mirror image, for which a slanted kernel has two gains: their mean."""
        down, along = self.frequencies(height), self.frequencies(width)
        return (_response(kernel, down, along) + _response(kernel, down, -along)) / 2


class Fourier(Transform):
    """That of images which repeat: it makes circular blurs diagonal."""

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return torch.fft.fft2(images, norm="ortho")

    def inverse(self, coefficients: torch.Tensor) -> torch.Tensor:
        return torch.fft.ifft2(coefficients, norm="ortho").real

    def frequencies(self, size: int) -> torch.Tensor:
        return torch.fft.fftfreq(size, dtype=torch.float64)

    def gain(self, kernel: torch.Tensor, height: int, width: int) -> torch.Tensor:
        return _response(kernel, self.frequencies(height), self.frequencies(width))


def _response(kernel: torch.Tensor, down: torch.Tensor, along: torch.Tensor) -> torch.Tensor:
    """|k̂|² of a kernel at the frequencies `down` × `along`."""
    weights = kernel.double().cpu()
    rows, columns = (torch.arange(size, dtype=torch.float64) for size in weights.shape)
    left = torch.polar(torch.ones(1, dtype=torch.float64), -2 * math.pi * down[:, None] * rows)
    right = torch.polar(torch.ones(1, dtype=torch.float64), -2 * math.pi * along[:, None] * columns)
    return (left @ weights.to(left.dtype) @ right.T).abs().square()


@dataclass(frozen=True)
class FittedSpectrum:
    """c, p and v, the level of an image's power, its slope and the variance of the noise."""

    level: float
    slope: float
    noise: float


def fitted_spectrum(
    observed: torch.Tensor,
    gain: torch.Tensor,
    noise: torch.Tensor,
    transform: Transform,
    slope: float | None = None,
    noise_known: bool = True,
) -> FittedSpectrum:
    """The spectrum that makes the coefficients of a measurement likeliest.

    Parameters
    ----------
    observed : torch.Tensor
        |C y|² of one plane without its mean, (H, W); the first coefficient is left out.
    gain : torch.Tensor
        |k̂|², (H, W).
    noise : torch.Tensor
        The variance of the noise at every coefficient, (H, W); where it is not known its shape alone counts.
    transform : Transform
        C.
    slope : float, optional
        p; that of :data:`SLOPES` with the largest likelihood by default.
    noise_known : bool
        Whether v = 1; else it is found as well.
    """
    height, width = observed.shape
    stride = max(1, -(-observed.numel() // _MOST_COEFFICIENTS))

    def chosen(plane: torch.Tensor) -> torch.Tensor:
        return plane.double().cpu().flatten()[1::stride]

    power, noises = chosen(observed), chosen(noise)
    mean = float(power.mean()) if len(power) else 0.0
    floor = max(_NONE * mean, 1e-20)
    if mean <= floor or math.sqrt(height * width) < 4:
        return FittedSpectrum(floor, slope or 2.0, 1.0)
    best: tuple[float, FittedSpectrum] | None = None
    for candidate in SLOPES if slope is None else (slope,):
        shape = chosen(gain * transform.power(height, width, candidate))
        cost, level, variance = _likeliest(power, shape, noises, noise_known, floor)
        if best is None or cost < best[0]:
            best = (cost, FittedSpectrum(level, candidate, variance))
    assert best is not None
    return best[1]


def _likeliest(
    power: torch.Tensor, shape: torch.Tensor, noise: torch.Tensor, noise_known: bool, floor: float
) -> tuple[float, float, float]:
    """Least Σ log m + P/m over m = c B + v N by Fisher's scoring in log c and log v: the cost, c and v."""
    # Half of the power each, at the start.
    start = math.log(max(float(power.mean() / shape.mean()) / 2, floor))
    theta = torch.tensor([start, 0.0], dtype=torch.float64)
    if not noise_known:
        theta[1] = math.log(max(float(power.median() / noise.median()) / 2, floor))
    lowest = math.log(floor)

    def cost(at: torch.Tensor) -> float:
        model = at[0].exp() * shape + at[1].exp() * noise
        return float((model.log() + power / model).sum())

    reached = cost(theta)
    for _ in range(_SCORINGS):
        parts = torch.stack([theta[0].exp() * shape, theta[1].exp() * noise])
        model = parts.sum(dim=0)
        relative = parts / model
        slope = relative @ (1 - power / model)
        information = relative @ relative.T
        if noise_known:
            step = torch.tensor([float(slope[0] / information[0, 0].clamp(min=1e-300)), 0.0])
        else:
            step = torch.linalg.solve(information + 1e-9 * torch.eye(2, dtype=torch.float64), slope)
        step = step.double().clamp(-_LONGEST_STEP, _LONGEST_STEP)
        # Scoring may overshoot where hardly any coefficient shows the image.
        for _ in range(_HALVINGS):
            moved = (theta - step).clamp(min=lowest)
            value = cost(moved)
            if value <= reached or float(step.abs().max()) < _SETTLED:
                break
            step = step / 2
        settled = float((moved - theta).abs().max()) < _SETTLED
        if value <= reached:
            theta, reached = moved, value
        if settled:
            break
    return reached, float(theta[0].exp()), float(theta[1].exp())
