"""The variance of noise against the intensity, and the transform that makes it constant.

A curve is piecewise linear between its knots and constant outside. Photon noise with readout noise is the line
``v(x) = readout² + gain · x``, with knots at 0 and 1; photographs after a gamma curve have humps.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import torch

from zeroshot.noise import stabilisation

#: Intervals of the tables of a transform, from black to white.
TABLE = 2048
#: The least variance of a transform, as a share of the largest: a curve that touches 0 would stretch without limit.
LEAST_SHARE = 1e-3
#: Nodes of the quadrature of a mean over normal noise.
NODES = 15


@dataclass(frozen=True)
class Curve:
    """Knots of a variance, as NoiseModel has them.

    Attributes
    ----------
    intensities : tuple of float
        Ascending.
    variances : tuple of float
        At the knots, none negative.
    """

    intensities: tuple[float, ...]
    variances: tuple[float, ...]

    @property
    def is_constant(self) -> bool:
        """Whether the variance does not depend on the intensity."""
        return min(self.variances) == max(self.variances)

    @property
    def photon_law(self) -> tuple[float, float] | None:
        """(gain, readout) where the curve is the line of photon noise from black to white, else None."""
        if self.intensities == (0.0, 1.0) and self.variances[1] > self.variances[0]:
            return self.variances[1] - self.variances[0], math.sqrt(self.variances[0])
        return None

    def at(self, x: torch.Tensor) -> torch.Tensor:
        """v(x)."""
        if len(self.variances) == 1:
            return torch.full_like(x, self.variances[0])
        knots = torch.tensor(self.intensities, dtype=x.dtype, device=x.device)
        values = torch.tensor(self.variances, dtype=x.dtype, device=x.device)
        place = torch.bucketize(x.contiguous(), knots).clamp(1, len(knots) - 1)
        share = ((x - knots[place - 1]) / (knots[place] - knots[place - 1])).clamp(0, 1)
        return torch.lerp(values[place - 1], values[place], share)

    def mean(self) -> float:
        """The mean from black to white."""
        return float(np.interp(np.linspace(0, 1, TABLE + 1), self.intensities, self.variances).mean())


class Stabiliser:
    """f with ``f′(x) = s / √v(x)``, 0 at black and 1 at white: the noise of f(y) has standard deviation s everywhere.

    The line of photon noise has the generalised Anscombe transform with its unbiased inverse in closed form
    (:mod:`zeroshot.noise.stabilisation`). For every other curve both are tables: f is the integral, and the inverse
    maps the mean of f(x + √v(x) n) over normal n to x, so that it is unbiased as well.

    Parameters
    ----------
    curve : Curve

    Attributes
    ----------
    level : float
        s.

    References
    ----------
    M. Mäkitalo, A. Foi: Optimal inversion of the generalized Anscombe transformation for Poisson-Gaussian noise, IEEE
    TIP 22 (2013), for why the inverse is that of the mean.
    """

    level: float

    def __init__(self, curve: Curve) -> None:
        self._law = curve.photon_law
        if self._law is not None:
            _, self.level = stabilisation.forward(torch.zeros(1), *self._law)
            return
        x = np.linspace(0, 1, TABLE + 1)
        variance = np.interp(x, curve.intensities, curve.variances)
        variance = np.maximum(variance, LEAST_SHARE * variance.max())
        slope = 1 / np.sqrt(variance)
        steps = (slope[1:] + slope[:-1]) / (2 * TABLE)
        total = float(steps.sum())
        self.level = 1 / total
        self._forward = np.concatenate([[0.0], np.cumsum(steps)]) / total
        self._forward[-1] = 1.0
        self._slopes = slope[0] / total, slope[-1] / total
        nodes, weights = np.polynomial.hermite_e.hermegauss(NODES)
        noisy = x[:, None] + np.sqrt(variance)[:, None] * nodes
        means = self._of(noisy) @ (weights / weights.sum())
        self._means = np.maximum.accumulate(means)

    def _of(self, x: np.ndarray) -> np.ndarray:
        inside = np.interp(x, np.linspace(0, 1, TABLE + 1), self._forward)
        return inside + np.minimum(x, 0) * self._slopes[0] + np.maximum(x - 1, 0) * self._slopes[1]

    def forward(self, y: torch.Tensor) -> torch.Tensor:
        """f(y)."""
        if self._law is not None:
            return stabilisation.forward(y, *self._law)[0]
        inside = _looked_up(y, torch.from_numpy(self._forward))
        below, above = y.clamp(max=0) * self._slopes[0], (y - 1).clamp(min=0) * self._slopes[1]
        return inside + below + above

    def inverse(self, t: torch.Tensor) -> torch.Tensor:
        """The intensity whose transform has `t` as its mean."""
        if self._law is not None:
            return stabilisation.inverse(t, *self._law)
        low, high = float(self._means[0]), float(self._means[-1])
        places = np.linspace(low, high, 2 * TABLE + 1)
        table = np.interp(places, self._means, np.linspace(0, 1, TABLE + 1))
        inside = _looked_up((t - low) / (high - low), torch.from_numpy(table))
        return inside + (t - low).clamp(max=0) / self._slopes[0] + (t - high).clamp(min=0) / self._slopes[1]


def _looked_up(x: torch.Tensor, table: torch.Tensor) -> torch.Tensor:
    """A table of equal steps over [0, 1], linear between them and constant outside."""
    table, last = table.to(x), len(table) - 1
    place = x.clamp(0, 1) * last
    left = place.floor().clamp(max=last - 1)
    index = left.long()
    return torch.lerp(table[index], table[index + 1], place - left)
