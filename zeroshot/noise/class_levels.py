"""The variance of noise in classes of brightness, made a curve: the classes that hold texture left out.

References
----------
A. Foi, M. Trimeche, V. Katkovnik, K. Egiazarian: Practical Poissonian–Gaussian noise modeling and fitting for
single-image raw-data, IEEE TIP 17 (2008), for the line of photons.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from zeroshot.noise.flat_blocks import ORDERS, Floor

#: The frequencies that tell of noise: between shading and what compression leaves out.
MIDDLE = (ORDERS >= 3) & (ORDERS <= 9)
#: The finer ones, which tell best of white noise.
FINE = ORDERS >= 7
#: Of these, the ones with less than that share of the strongest are compressed away.
_LEAST_SHARE = 0.05
#: The class that the others are compared with: three in ten are weaker.
TYPICAL = 0.3
#: A class with that many times the standard deviation of the typical one holds texture.
MOST_RATIO = 2.2
#: No class counts for less than that share of the typical variance.
LEAST_VARIANCE = 1 / 16
#: A class of which less than that is neither black nor white shows clipped noise.
LEAST_OPEN = 0.5
#: Below that ratio of the strongest to the weakest standard deviation, noise does not depend on the intensity.
LEAST_DEPENDENCE = 1.3
#: The root mean square of the relative deviations from the line of photons that still is one.
MOST_DEVIATION = 0.2


@dataclass(frozen=True)
class Levels:
    """Variances of the middle frequencies at ascending values of an image.

    Attributes
    ----------
    values, variances : torch.Tensor
        (K,), float64.
    share : float
        How many of the classes of brightness are without texture.
    """

    values: torch.Tensor
    variances: torch.Tensor
    share: float

    @property
    def ratio(self) -> float:
        """Of the largest to the smallest standard deviation."""
        return float((self.variances.amax() / self.variances.amin()).sqrt())

    @property
    def mean(self) -> float:
        """The mean variance."""
        return float(self.variances.mean())

    def at(self, values: torch.Tensor) -> torch.Tensor:
        """The variances at other values, linear between these and constant outside."""
        if len(self.values) == 1:
            return self.variances.expand(values.shape)
        place = torch.bucketize(values.double(), self.values).clamp(1, len(self.values) - 1)
        left, right = self.values[place - 1], self.values[place]
        share = ((values.double() - left) / (right - left)).clamp(0, 1)
        return torch.lerp(self.variances[place - 1], self.variances[place], share)


def levels_of(floor: Floor, left_out: torch.Tensor | None = None, band: torch.Tensor = MIDDLE) -> Levels:
    """The levels of the brightness of a floor, from the mean logarithm over some frequencies of each class.

    Parameters
    ----------
    floor : Floor
    left_out, band : torch.Tensor, optional
        (64,), boolean: coefficients that do not count, and those that do.
    """
    variances = floor.variances[:, 0].double().clamp(min=1e-14)
    middle = band if left_out is None else band & ~left_out
    profile = variances.log().mean(dim=0)
    middle = middle & (profile >= profile[middle].amax() + math.log(_LEAST_SHARE))
    levels = variances[:, middle].log().mean(dim=1).exp()
    # The mean of the logarithm keeps the shape out of the ratio of classes, and the level is that of the mean power.
    levels = levels * float(profile[middle].exp().mean() / profile[middle].mean().exp())
    open_ = floor.open_shares >= LEAST_OPEN
    if not bool(open_.any()):
        open_ = torch.ones_like(open_)
    typical = levels[open_].quantile(TYPICAL)
    kept = open_ & (levels <= MOST_RATIO**2 * typical)
    share = float(kept.sum() / open_.sum())
    values, levels = floor.values[kept, 0].double(), levels[kept].clamp(min=float(LEAST_VARIANCE * typical))
    order = values.argsort()
    values, levels = values[order], levels[order]
    apart = torch.cat([torch.ones(1, dtype=torch.bool), values.diff() > 1e-3])
    return Levels(values[apart], _smoothed(levels[apart]), share)


def _smoothed(levels: torch.Tensor) -> torch.Tensor:
    """Means of the logarithm over three neighbours, the middle one twice."""
    if len(levels) < 3:
        return levels
    logarithms = levels.log()
    padded = torch.cat([logarithms[:1], logarithms, logarithms[-1:]])
    return ((padded[:-2] + 2 * padded[1:-1] + padded[2:]) / 4).exp()


def photon_line(values: torch.Tensor, variances: torch.Tensor) -> tuple[float, float] | None:
    """``a + b x`` through variances, as (a, a + b), where they rise along such a line; None where they do not.

    Least squares of the relative deviations; a is not negative.
    """
    weights = 1 / variances
    design = torch.stack([torch.ones_like(values), values], dim=1) * weights[:, None]
    target = torch.ones_like(values)
    a, b = torch.linalg.lstsq(design, target).solution.tolist()
    if a < 0:
        a, b = 0.0, float((design[:, 1] * target).sum() / design[:, 1].square().sum())
    deviation = float((design @ torch.tensor([a, b], dtype=values.dtype) - target).square().mean().sqrt())
    return (a, a + b) if b > 0 and deviation <= MOST_DEVIATION else None
