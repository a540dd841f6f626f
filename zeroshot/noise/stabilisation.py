"""The generalised Anscombe transform: photon noise made into noise of one level everywhere.

With gain g (the value of one photon) and readout noise r, both on the [0, 1] scale,

    f(y) = s · 2 √(y/g + 3/8 + r²/g²) = s · (2/g) √(g y + 3/8 g² + r²)

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


def _offset(gain: float, readout: float) -> float:
    """The offset c of f(y) = s · (2/g) √(g y + c): 3/8 g² + r²."""
    return 3 / 8 * gain**2 + readout**2


def _length(gain: float, readout: float) -> float:
    """The length from black to white in units of the noise, (2/g) (√(g + c) − √c) without the difference."""
    offset = _offset(gain, readout)
    return 2 / (math.sqrt(gain + offset) + math.sqrt(offset))


def forward(y: torch.Tensor, gain: float, readout: float = 0.0) -> tuple[torch.Tensor, float]:
    """The transform of `y`, 0 at black and 1 at white, and the standard deviation of its noise."""
    offset, length = _offset(gain, readout), _length(gain, readout)
    y = y.clamp(min=-offset / gain)
    # (2/g) (√(g y + c) − √c), again without the difference: with strong readout noise it would lose its digits.
    roots = (gain * y + offset).clamp(min=0).sqrt() + math.sqrt(offset)
    return y * (2 / length) / roots, 1 / length


def inverse(transformed: torch.Tensor, gain: float, readout: float = 0.0) -> torch.Tensor:
    """The unbiased inverse: the intensity whose transform has `transformed` as its mean."""
    offset, length = _offset(gain, readout), _length(gain, readout)
    # Below the transform of no photons at all, the closed form turns round.
    above = transformed.clamp(min=0) * length
    d = above + 2 * math.sqrt(offset) / gain
    root = math.sqrt(1.5)
    rest = root / (4 * d) - 11 / (8 * d.square()) + 5 * root / (8 * d.pow(3))
    # d²/4 − 1/8 − r²/g², with what cancels left out.
    photons = above * (math.sqrt(offset) / gain + above / 4) + 1 / 4 + rest
    return (photons * gain).clamp(min=0)
