"""The power spectrum of a picture as a power law, found in a blurred and noisy measurement of it by likelihood."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from zeroshot.noise import spectrum

#: Side of the parts whose spectra are averaged, and how many at most an axis has.
_SIDE, _PARTS = 256, 6
#: Frequencies lower than so many periods a part are left out: they are those of the window.
_LEAST_PERIODS = 3
#: What a step changes at most of the logarithms of the levels and of the exponent.
_LARGEST_STEP, _SMALL_STEP, _ITERATIONS, _RIDGE = 1.0, 1e-4, 60, 1e-6
#: Between these lie the exponents of pictures; the spectra of natural ones fall about with the square.
_EXPONENTS, _NATURAL = (1.0, 3.0), 2.0
#: The misfit that is begun with, the least and the most of it.
_MISFIT, _LEAST_MISFIT, _LARGEST_MISFIT = 1e-4, 1e-8, 0.1
#: How well the natural exponent is known beforehand, as the inverse variance, in units of frequencies seen.
_TRUST = 10.0


@dataclass(frozen=True, eq=False)
class PowerLaw:
    """S(f) = `level` |f|^−`exponent` for the frequency f in periods a pixel.

    Attributes
    ----------
    level, exponent : torch.Tensor
        Of every plane, (P,), float64.
    noise : torch.Tensor
        The variance of the noise in every plane, (P,), float64.
    misfit : torch.Tensor
        The power of what the kernel gets wrong, as a share of the picture's, (P,), float64.
    """

    level: torch.Tensor
    exponent: torch.Tensor
    noise: torch.Tensor
    misfit: torch.Tensor

    def over_fft(self, height: int, width: int) -> torch.Tensor:
        """S at the frequencies of ``torch.fft.rfft2``, (P, H, W // 2 + 1); infinite at 0."""
        frequency = _frequencies(height, width)
        return self.level[:, None, None] * frequency ** -self.exponent[:, None, None]

    def noise_to_signal(self, height: int, width: int) -> torch.Tensor:
        """(σ² + ε S)/S at the frequencies of :meth:`over_fft`."""
        inverse = self.noise[:, None, None] / self.over_fft(height, width)
        return inverse + self.misfit[:, None, None]


def _frequencies(height: int, width: int) -> torch.Tensor:
    down = torch.fft.fftfreq(height, dtype=torch.float64)[:, None]
    return torch.hypot(down, torch.fft.rfftfreq(width, dtype=torch.float64)[None, :])


def fitted_power_law(
    planes: torch.Tensor,
    response: torch.Tensor,
    noise: torch.Tensor | None,
    exponent: float | None = None,
    level: torch.Tensor | None = None,
) -> PowerLaw:
    """The power law under which planes are likeliest that were blurred, and to which noise was added.

    The power P(f) of a plane at every frequency is taken for exponentially distributed about
    ``m(f) = (|K(f)|² + ε) S(f) + σ² N(f)``, so that ``Σ log m + P/m`` is minimised (Whittle 1953), by Fisher's scoring.
    ε S is what the kernel gets wrong, which is proportional to the picture.

    Parameters
    ----------
    planes : torch.Tensor
        (P, H, W), with nothing missing.
    response : torch.Tensor
        The kernel k, (h, w).
    noise : torch.Tensor or None
        σ² of every plane, (P,); None: it is found with the rest.
    exponent : float, optional
        That of the power law, where it is known.
    level : torch.Tensor, optional
        N, the spectrum of the noise with the mean 1, (F, F), see :mod:`zeroshot.noise.spectrum`; white by default.

    References
    ----------
    P. Whittle: Estimation and information in stationary time series, Arkiv för Matematik 2 (1953). The noise found
    with the rest is in the place of the sampler of F. Orieux, J.-F. Giovannelli, T. Rodet: Bayesian estimation of
    regularization and point spread function parameters for Wiener–Hunt deconvolution, JOSA A 27 (2010).
    """
    power, (height, width), parts = _welch(planes.cpu().double())
    frequency = _frequencies(height, width)
    seen = frequency >= _LEAST_PERIODS / min(height, width)
    if not bool(seen.any()):
        seen = frequency > 0
    gain = torch.fft.rfft2(_wrapped(response.cpu().double(), height, width)).abs().square()[seen]
    shape = 1.0 if level is None else spectrum.over_fft(level[None], height, width)[0][seen].clamp(min=1e-6)
    observed, logarithm = power[:, seen], frequency[seen].log()
    total = observed.mean(dim=1).clamp(min=1e-14)
    start = 0.1 * total if noise is None else noise.cpu().double()
    theta = torch.stack(
        [
            (total / 30).log(),
            torch.full_like(total, _NATURAL if exponent is None else exponent),
            start.clamp(min=1e-14).log(),
            torch.full_like(total, math.log(_MISFIT)),
        ],
        dim=1,
    )
    free = torch.tensor([1.0, float(exponent is None), float(noise is None), 1.0], dtype=torch.float64)
    middle = torch.stack([total.log(), torch.zeros_like(total), total.log(), torch.zeros_like(total)], dim=1)
    lowest = torch.tensor([-15.0, _EXPONENTS[0], -20.0, math.log(_LEAST_MISFIT)], dtype=torch.float64)
    highest = torch.tensor([20.0, _EXPONENTS[1], 0.0, math.log(_LARGEST_MISFIT)], dtype=torch.float64)
    least, most = middle + lowest, middle + highest
    for _ in range(_ITERATIONS):
        law = torch.exp(theta[:, :1] - theta[:, 1:2] * logarithm)
        white = (theta[:, 2:3].exp() * shape).expand_as(law)
        wrong = theta[:, 3:].exp() * law
        signal = gain * law + wrong
        model = signal + white
        slopes = torch.stack([signal, -logarithm * signal, white, wrong], dim=1) / model[:, None]
        down = torch.einsum("pkf,pf->pk", slopes, 1 - observed / model)
        curvature = torch.einsum("pkf,plf->pkl", slopes, slopes)
        down[:, 1] += _TRUST / parts * (theta[:, 1] - _NATURAL)
        curvature[:, 1, 1] += _TRUST / parts
        step = _scoring_step(theta, down, curvature, free, least, most)
        theta = theta - step
        if float(step.abs().max()) < _SMALL_STEP:
            break
    return PowerLaw(theta[:, 0].exp(), theta[:, 1], theta[:, 2].exp(), theta[:, 3].exp())


def _scoring_step(
    theta: torch.Tensor,
    down: torch.Tensor,
    curvature: torch.Tensor,
    free: torch.Tensor,
    least: torch.Tensor,
    most: torch.Tensor,
) -> torch.Tensor:
    """What to subtract of (P, 4) parameters, of which those that would leave their range end at its bound."""
    moving = free.expand_as(theta)
    forced = torch.zeros_like(theta)
    step = forced
    for _ in range(theta.shape[1]):
        system = curvature * moving[:, :, None] * moving[:, None, :] + torch.diag_embed(_RIDGE + 1 - moving)
        right = (down - torch.einsum("pkl,pl->pk", curvature, forced)) * moving
        step = torch.linalg.solve(system, right).clamp(-_LARGEST_STEP, _LARGEST_STEP) * moving + forced
        wanted = theta - step
        leaving = ((wanted < least) | (wanted > most)) & (moving > 0)
        if not bool(leaving.any()):
            break
        forced = torch.where(leaving, theta - torch.maximum(torch.minimum(wanted, most), least), forced)
        moving = moving * ~leaving
    return step


def _welch(planes: torch.Tensor) -> tuple[torch.Tensor, tuple[int, int], int]:
    """The mean power of windowed parts, (P, h, w // 2 + 1), their size, and how many there are."""
    size = [min(_SIDE, side) for side in planes.shape[-2:]]
    window = torch.hann_window(size[0], False, dtype=torch.float64)[:, None] * torch.hann_window(
        size[1], False, dtype=torch.float64
    )
    window = window / window.square().sum().sqrt()
    starts = [
        torch.linspace(0, side - part, min(_PARTS, -(-2 * side // part) - 1)).round().long().tolist()
        for side, part in zip(planes.shape[-2:], size, strict=True)
    ]
    total = torch.zeros(len(planes), size[0], size[1] // 2 + 1, dtype=torch.float64)
    for top in starts[0]:
        for left in starts[1]:
            part = planes[:, top : top + size[0], left : left + size[1]]
            part = part - (part * window).sum(dim=(1, 2), keepdim=True) / window.sum()
            total += torch.fft.rfft2(part * window).abs().square()
    count = len(starts[0]) * len(starts[1])
    return total / count, (size[0], size[1]), count


def _wrapped(kernel: torch.Tensor, height: int, width: int) -> torch.Tensor:
    """The kernel on a periodic grid; its place does not matter to the modulus of its transform."""
    rows, columns = (torch.arange(kernel.shape[0]) % height, torch.arange(kernel.shape[1]) % width)
    grid = torch.zeros(height, width, dtype=kernel.dtype)
    grid.index_put_((rows[:, None], columns[None, :]), kernel, accumulate=True)
    return grid
