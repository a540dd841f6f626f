"""By what a picture differs from the blur that it is said to be, noise and misfit of the kernel, as its spectrum tells.

Where the transfer function of the kernel is small a blurred picture should hold next to nothing. What it does hold
there is noise, rounding, and what the kernel gets wrong of the real blur, which turned with the camera or was written
down in 8 bits. The last of these is proportional to the picture, is not seen where the picture is smooth, and makes
ripples of a restoration that reckons with noise alone.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

#: Side of the parts whose spectra are averaged, in pixels and in sides of the kernel, and how many at most an axis has.
_SIDE, _KERNELS, _PARTS = 256, 4, 4
#: How often the side is halved to find parts without what does not count.
_HALVINGS = 2
#: The smallest picture that has a spectrum to tell from.
_LEAST_SIDE = 32
#: Frequencies lower than so many periods a part are left out: they are those of the window.
_LEAST_PERIODS = 3
#: The least variance: rounding to 8 bits, halved.
_LEAST = (0.2 / 255) ** 2
#: A spectrum whose directions differ much from each other costs this, times the squares of its coefficients.
_RIDGE = 1e-3
_ITERATIONS = 60
#: The largest ε², in times of ‖k‖²: the squared distance of two kernels without overlap, by Parseval's theorem.
_LARGEST_MISFIT = 2.0


@dataclass(frozen=True)
class BlurredNoise:
    """The level of what is not explained by a blur, at the frequencies that the blur leaves about as strong as that.

    Attributes
    ----------
    sigma : float
        Its geometric mean over these frequencies.
    strongest : float
        Its root mean square over them, which those tell that carry most of it.
    misfit : float
        ε, the root mean square error of the kernel's transfer function.
    """

    sigma: float
    strongest: float
    misfit: float


def noise_behind_blur(
    y: torch.Tensor, kernel: torch.Tensor, clipped: torch.Tensor | None = None
) -> BlurredNoise | None:
    """The level of noise and misfit in a picture that was blurred by a kernel, from its spectrum.

    The expected spectrum of the measurement is taken for ``S(ω) (|k̂(ω)|² + ε²) + σ²``, where S, that of the sharp
    picture, is the exponential of a quadratic function of log |ω| whose coefficients vary with the direction of ω as
    its second and fourth harmonics. All coefficients, ε and σ, maximise Whittle's likelihood of the spectra of
    overlapping parts of the picture under a Hann window, whose leakage is accounted for in |k̂|². With
    ``P = S |k̂|²`` and ``N = S ε² + σ²`` the mean of N is taken with the weights ``P N / (P + N)²``: these are the
    frequencies where it matters for a restoration how strong N is taken to be.

    Parameters
    ----------
    y : torch.Tensor
        The blurred picture, (N, C, H, W) in [0, 1].
    kernel : torch.Tensor
        k, (h, w), of sum 1.
    clipped : torch.Tensor, optional
        True where values are no blur, of y's shape; parts that hold such are left out.

    Returns
    -------
    BlurredNoise or None
        None where the picture is too small, holds nothing, or clipped values are everywhere.

    References
    ----------
    P. Whittle: Estimation and information in stationary time series, Arkiv för Matematik 2 (1953).
    """
    y, kernel = y.detach().cpu(), kernel.detach().cpu()
    side = max(_SIDE, _KERNELS * max(kernel.shape))
    size = min(y.shape[-2], side), min(y.shape[-1], side)
    parts = _parts(y, size, clipped)
    for _ in range(_HALVINGS if clipped is not None else 0):
        if not parts and min(size) >= 2 * _LEAST_SIDE:
            size = size[0] // 2, size[1] // 2
            parts = _parts(y, size, clipped)
    if not parts or min(size) < _LEAST_SIDE:
        return None
    window = _hann(size[0])[:, None] * _hann(size[1])
    observed = sum((_spectrum(part, window) for part in parts), torch.zeros(())) / len(parts)
    if float(observed.max()) <= _LEAST:
        return None
    # Two kernels of that energy differ by no more over all frequencies, and what differs more explains nothing.
    largest = _LARGEST_MISFIT * float(kernel.square().sum())
    return _Model(observed, _smoothed_power(kernel, window), size, largest).fitted()


class _Model:
    """The logarithm of Whittle's likelihood, and what its maximum says."""

    def __init__(
        self, observed: torch.Tensor, power: torch.Tensor, size: tuple[int, int], largest: float
    ) -> None:
        down = torch.fft.fftfreq(size[0], dtype=torch.float64)[:, None].expand_as(observed)
        right = torch.fft.rfftfreq(size[1], dtype=torch.float64).expand_as(observed)
        radius = (down.square() + right.square()).sqrt()
        self._largest = math.log(largest)
        used = radius > _LEAST_PERIODS / min(size)
        self._observed, self._power = observed[used], power[used]
        # A frequency of the half plane stands for its mirror image as well.
        self._count = torch.where(right > 0, 2.0, 1.0)[used].to(observed)
        angle, log = torch.atan2(down, right)[used], radius[used].log()
        log = (log - log.mean()) / log.std()
        features = [torch.ones_like(log), log, log.square()]
        for harmonic in (2, 4):
            for wave in (torch.cos(harmonic * angle), torch.sin(harmonic * angle)):
                features += [wave, log * wave]
        self._features = torch.stack(features)

    def _parts(self, unknowns: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """S, ε² and σ²."""
        sharp = (unknowns[:-2] @ self._features).clamp(-40, 20).exp()
        return sharp, unknowns[-2].clamp(-25, self._largest).exp(), unknowns[-1].clamp(-25, 2).exp() + _LEAST

    def _objective(self, unknowns: torch.Tensor) -> torch.Tensor:
        sharp, misfit, noise = self._parts(unknowns)
        expected = sharp * (self._power + misfit) + noise
        cost = (self._count * (expected.log() + self._observed / expected)).sum() / self._count.sum()
        return cost + _RIDGE * unknowns[3:-2].square().sum()

    def fitted(self) -> BlurredNoise | None:
        """The result; None where there is no finite one."""
        unknowns = self._observed.new_zeros(len(self._features) + 2)
        unknowns[0], unknowns[1] = self._observed.median().clamp(min=1e-12).log(), -1.5
        unknowns[-2], unknowns[-1] = math.log(1e-4), math.log((0.5 / 255) ** 2)
        unknowns.requires_grad_(True)
        optimiser = torch.optim.LBFGS([unknowns], max_iter=_ITERATIONS, line_search_fn="strong_wolfe")

        def evaluate() -> torch.Tensor:
            optimiser.zero_grad()
            cost = self._objective(unknowns)
            cost.backward()
            return cost

        with torch.enable_grad():
            optimiser.step(evaluate)
        with torch.no_grad():
            sharp, misfit, noise = self._parts(unknowns)
            rest, passed = sharp * misfit + noise, sharp * self._power
            weight = self._count * passed * rest / (passed + rest).square()
            weight = weight / weight.sum()
            levels = float((weight * rest.log()).sum().exp().sqrt()), float((weight * rest).sum().sqrt())
        if not all(map(math.isfinite, levels)):
            return None
        return BlurredNoise(*levels, misfit=float(misfit.sqrt()))


def _hann(length: int) -> torch.Tensor:
    return torch.hann_window(length + 2, periodic=False, dtype=torch.float64)[1:-1]


def _spectrum(part: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
    """The power spectrum of a part (N, C, h, w) under the window, on the half plane, the mean over N and C."""
    values = part.double()
    mean = (values * window).sum(dim=(-2, -1), keepdim=True) / window.sum()
    return torch.fft.rfft2((values - mean) * window).abs().square().mean(dim=(0, 1)) / window.square().sum()


def _parts(y: torch.Tensor, size: tuple[int, int], clipped: torch.Tensor | None) -> list[torch.Tensor]:
    """Parts of this size without clipped values, overlapping by half, or as many evenly placed as there may be."""

    def starts(length: int, side: int) -> list[int]:
        count = min(_PARTS, max(1, -(-2 * length // side) - 1))
        return sorted({round(index * (length - side) / max(count - 1, 1)) for index in range(count)})

    places = [
        (..., slice(top, top + size[0]), slice(left, left + size[1]))
        for top in starts(y.shape[-2], size[0])
        for left in starts(y.shape[-1], size[1])
    ]
    return [y[place] for place in places if clipped is None or not bool(clipped[place].any())]


def _smoothed_power(kernel: torch.Tensor, window: torch.Tensor) -> torch.Tensor:
    """|k̂|² as the window shows it, on the half plane: the transform of the product of the two autocorrelations."""
    height, width = window.shape
    twice = [2 * height, 2 * width]

    def autocorrelation(plane: torch.Tensor) -> torch.Tensor:
        return torch.fft.irfft2(torch.fft.rfft2(plane.double(), s=twice).abs().square(), s=twice)

    product = autocorrelation(kernel) * autocorrelation(window) / window.square().sum()
    shown = torch.fft.rfft2(product).real[::2, ::2]
    return shown[:height, : width // 2 + 1].clamp(min=0)
