"""The generalised Anscombe transform: photon noise made into noise of one level everywhere.

With gain g (the value of one photon) and readout noise r, both on the [0, 1] scale,

    f(y) = s · 2 √(y/g + 3/8 + r²/g²)

has noise of standard deviation s. The factor s = 1 / (f(1)/s − f(0)/s) puts the range from black to white
on a scale of length one, so that denoisers with constants of their own find what they are used to.

References
----------
F. Murtagh, J.-L. Starck, A. Bijaoui: Image restoration with noise suppression using a multiresolution
support, Astronomy and Astrophysics Supplement 112 (1995), for the transform. M. Mäkitalo, A. Foi: Optimal
inversion of the generalized Anscombe transformation for Poisson-Gaussian noise, IEEE TIP 22 (2013), for the
inverse in closed form.
"""

from __future__ import annotations

import math

import torch


def _range(gain: float, readout: float) -> tuple[float, float]:
    """The transform of black, and the length from black to white, in units of the noise."""
    offset = 3 / 8 + (readout / gain) ** 2
    black = 2 * math.sqrt(offset)
    return black, 2 * math.sqrt(1 / gain + offset) - black


def forward(y: torch.Tensor, gain: float, readout: float = 0.0) -> tuple[torch.Tensor, float]:
    """The transform of `y`, 0 at black and 1 at white, and the standard deviation of its noise."""
    black, length = _range(gain, readout)
    photons = y / gain + 3 / 8 + (readout / gain) ** 2
    return (2 * photons.clamp(min=0).sqrt() - black) / length, 1 / length


def inverse(transformed: torch.Tensor, gain: float, readout: float = 0.0) -> torch.Tensor:
    """The unbiased inverse: the intensity whose transform has `transformed` as its mean."""
    black, length = _range(gain, readout)
    # Below the transform of no photons at all, the closed form turns round.
    d = (transformed * length + black).clamp(min=2 * math.sqrt(3 / 8 + (readout / gain) ** 2))
    root = math.sqrt(1.5)
    photons = d.square() / 4 + root / (4 * d) - 11 / (8 * d.square()) + 5 * root / (8 * d.pow(3)) - 1 / 8
    return (photons - (readout / gain) ** 2).clamp(min=0) * gain
