"""The power spectrum of noise from the variances of the DCT coefficients of blocks at several scales.

A coefficient of a block of the image at half the size, shrunk by averaging 2 × 2 pixels, is a sum over a block twice as
large. So at each scale s the variance of a coefficient k is the mean over the band of ``S(ω) K_sk(ω)`` with a known
kernel K, aliasing included. S is fitted to all of them at once, by the multiplicative updates that maximise the
likelihood of variances (minimise the Itakura–Saito divergence) and keep S positive.

At low frequencies smooth shading passes for noise. The noise of cameras rises towards them slowly, because it was
smoothed over a few pixels: so no frequency is taken for stronger than the finer ones allow.

References
----------
C. Févotte, N. Bertin, J.-L. Durrieu: Nonnegative matrix factorization with the Itakura–Saito divergence, Neural
Computation 21 (2009), for the updates.
"""

from __future__ import annotations

import functools
import math

import torch

from zeroshot.noise.flat_blocks import ORDERS, SIZE
from zeroshot.noise.spectrum import FREQUENCIES, band_weights
from zeroshot.patches.cosine import cosine_matrix

#: By how much the standard deviation of noise may grow from one octave to the next below it, for brightness and for
#: colour, whose noise is smoothed more; and that growth as a power of the one that is seen above, of the orders 3 and 4
#: over 5 to 7.
GROWTH_OF_BRIGHTNESS, GROWTH_OF_COLOUR = (1.4, 1.2, 1.1), (4.5, 2.5, 1.5)
POWER_OF_BRIGHTNESS, POWER_OF_COLOUR = 0.5, 2.0
#: Of the coefficients of the finest scale, those that are taken as measured: gradients are weak there.
_FIRST_ORDER = 3
#: The order from which octaves are counted.
_REFERENCE = 3.5
_UPDATES = 50


@functools.cache
def block_kernel(scale: int) -> torch.Tensor:
    """K of one scale, (64, F²): the variance of its coefficients is K @ S."""
    rows = cosine_matrix(SIZE).repeat_interleave(2**scale, dim=1) / 2**scale
    omega = torch.arange(FREQUENCIES, dtype=torch.float64) * (math.pi / (FREQUENCIES - 1))
    phase = omega[:, None] * torch.arange(rows.shape[1], dtype=torch.float64)
    gain = (rows @ phase.cos().T).square() + (rows @ phase.sin().T).square()
    gain = gain * band_weights(FREQUENCIES)
    return torch.einsum("ai,bj->abij", gain, gain).reshape(SIZE**2, -1)


def spectrum_of(
    variances: list[torch.Tensor], is_colour: bool = False, left_out: torch.Tensor | None = None
) -> torch.Tensor:
    """The power spectrum (F, F), not normalised: its mean over the band is the variance of the noise.

    Parameters
    ----------
    variances : list of torch.Tensor
        For each scale, full size first, those of the coefficients of 8 × 8 blocks, (64,).
    is_colour : bool
        Whether it is that of a plane of colour.
    left_out : torch.Tensor, optional
        (64,), boolean: coefficients that say nothing about the noise, at every scale.
    """
    kept = ORDERS >= 1 if left_out is None else (ORDERS >= 1) & ~left_out
    reference = float(variances[0][(ORDERS >= 3) & (ORDERS <= 4) & kept].mean())
    above = float(variances[0][(ORDERS >= 5) & (ORDERS <= 7) & kept].mean())
    seen = max(math.sqrt(reference / max(above, 1e-14)), 1.0)
    limits, power_of = (
        (GROWTH_OF_COLOUR, POWER_OF_COLOUR) if is_colour else (GROWTH_OF_BRIGHTNESS, POWER_OF_BRIGHTNESS)
    )
    growth = [min(limit, seen ** (power_of / 2**index)) for index, limit in enumerate(limits)]
    kernels, measured = [], []
    for scale, values in enumerate(variances):
        octaves = torch.log2(_REFERENCE * 2**scale / ORDERS.clamp(min=1).double())
        logarithm = sum((octaves - index).clamp(0, 1) * math.log(rate) for index, rate in enumerate(growth))
        most = reference * torch.exp(2 * torch.as_tensor(logarithm)) / 4**scale
        bounded = torch.minimum(values.double(), most)
        if scale == 0:
            bounded = torch.where(ORDERS >= _FIRST_ORDER, values.double(), bounded)
        kernels.append(block_kernel(scale)[kept])
        measured.append(bounded[kept])
    kernel, target = torch.cat(kernels), torch.cat(measured).clamp(min=1e-14)
    power = torch.full((kernel.shape[1],), float(target[: int(kept.sum())].mean()), dtype=torch.float64)
    for _ in range(_UPDATES):
        model = kernel @ power
        power = power * ((kernel.T @ (target / model.square())) / (kernel.T @ (1 / model))).sqrt()
    return power.view(FREQUENCIES, FREQUENCIES)
