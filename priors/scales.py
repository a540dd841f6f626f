"""An image over scales: half its size by leaving out the upper half of its cosines, and back.

Noise that is strong at low frequencies outlives a denoiser that works on small patches. Seen at half the size, twice,
…, those frequencies are high ones, and the coarse result takes the place of the low frequencies of the fine one.

References
----------
G. Facciolo, N. Pierazzo, J.-M. Morel: Conservative scale recomposition for multiscale denoising (the devil is in the
high frequency detail), SIAM J. Imaging Sciences 10 (2017).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch

from zeroshot.noise import NoiseModel

#: The least side of a coarse image.
LEAST_SIDE = 96
#: Power of the lowest frequencies, in units of the mean, above which a coarser scale is worth its while.
EXCESS = 25.0
#: The band of the coarse image below the first share is taken over whole, and that above the second not at all.
SHARES = (0.25, 0.5)


def halved(image: torch.Tensor) -> torch.Tensor:
    """The image (…, H, W) at half the size, (…, ⌈H/2⌉, ⌈W/2⌉): the lower half of its cosine transform.

    The values keep their scale: a constant stays what it is, and white noise has half the standard deviation.
    """
    for axis in (-2, -1):
        size = image.shape[axis]
        image = _inverse(_cosines(image, axis, -(-size // 2)), axis, -(-size // 2), size)
    return image


def with_low_band(image: torch.Tensor, coarse: torch.Tensor) -> torch.Tensor:
    """The image (…, H, W) with its low frequencies from `coarse`, of the size of :func:`halved`.

    Near the end of its band `coarse` is less and less taken over, because there it lacks detail that the finer
    scale can tell from noise.
    """
    change = coarse - halved(image)
    for axis in (-2, -1):
        size, half = image.shape[axis], change.shape[axis]
        change = _inverse(_cosines(change, axis, half) * _taper(half, axis).to(change), axis, size, half)
    return image + change


def outlives_patches(noise: NoiseModel, size: Sequence[int]) -> bool:
    """Whether noise is so strong at low frequencies that a denoiser of small patches leaves it behind.

    Parameters
    ----------
    noise : NoiseModel
        Stationary, of one plane.
    size : sequence of int
        Height and width of the image; one with less than twice `LEAST_SIDE` pixels has no coarser scale.
    """
    if noise.spectra is None or min(size) < 2 * LEAST_SIDE:
        return False
    lowest = -(-noise.spectra.shape[-1] // 8)
    return float(noise.spectra[0, :lowest, :lowest].mean()) > EXCESS


def over_scales(
    refine: Callable[[torch.Tensor, torch.Tensor, Sequence[NoiseModel]], torch.Tensor],
    noisy: torch.Tensor,
    estimate: torch.Tensor,
    noise: Sequence[NoiseModel],
) -> torch.Tensor:
    """A pass of a denoiser, with the low frequencies from coarser scales in the planes where their noise is strong.

    Parameters
    ----------
    refine : callable
        ``refine(noisy, estimate, noise)``: the pass at one scale.
    noisy, estimate : torch.Tensor
        (…, C, H, W), planes of independent noise.
    noise : sequence of NoiseModel
        Stationary, one for each plane.
    """
    result = refine(noisy, estimate, noise)
    deeper = [plane for plane, model in enumerate(noise) if outlives_patches(model, noisy.shape[-2:])]
    if deeper:
        models = [model.coarser() for model in noise]
        coarse = over_scales(refine, halved(noisy), halved(estimate), models)
        result[..., deeper, :, :] = with_low_band(result[..., deeper, :, :], coarse[..., deeper, :, :])
    return result


def _cosines(image: torch.Tensor, axis: int, count: int) -> torch.Tensor:
    """The first `count` coefficients along `axis` of the discrete cosine transform, as those of a Fourier one."""
    even = torch.cat([image, image.flip(axis)], axis)
    return torch.fft.rfft(even, dim=axis).narrow(axis, 0, count)


def _inverse(coefficients: torch.Tensor, axis: int, size: int, former: int) -> torch.Tensor:
    """The samples of `size` pixels along `axis`, of coefficients of an image of `former` pixels."""
    count = coefficients.shape[axis]
    # Pixels are centred half a step from the mirrors, and a step is now another one.
    turns = torch.arange(count, dtype=torch.float64) * (math.pi * (1 / size - 1 / former) / 2)
    phases = torch.polar(torch.full_like(turns, size / former), turns).to(coefficients)
    moved = coefficients * phases.view(-1, *[1] * (-1 - axis))
    return torch.fft.irfft(moved, n=2 * size, dim=axis).narrow(axis, 0, size)


def _taper(count: int, axis: int) -> torch.Tensor:
    """1 for the low frequencies, falling to 0 between `SHARES` of the band."""
    low, high = SHARES
    place = (torch.arange(count, dtype=torch.float64) / count - low) / (high - low)
    weights = 0.5 + 0.5 * torch.cos(math.pi * place.clamp(0, 1))
    return weights.view(-1, *[1] * (-1 - axis))
