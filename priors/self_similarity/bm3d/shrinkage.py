"""How the coefficients of a group are shrunk, and what the group's estimate then weighs.

A group's weight is 1 over the noise that its shrinkage lets through, in units of σ², which is the same for all
groups of an image.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

import torch
from torch.nn import functional


class Shrinkage(ABC):
    """Maps the coefficients of groups (patches of a group, groups, coefficients of a patch) to shrunk ones.

    The first coefficient of the first patch is the mean of the group, which stays as it is: an image that is
    brighter by a constant is to come back brighter by the same.
    """

    @abstractmethod
    def __call__(self, groups: torch.Tensor, pilot: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """The shrunk coefficients, and the weights of the groups, (groups,); the inputs may be overwritten."""


class CorrelatedShrinkage(ABC):
    """The same where the noise is not equally strong in all coefficients of a group."""

    @abstractmethod
    def __call__(
        self, groups: torch.Tensor, pilot: torch.Tensor | None, variances: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """As of :class:`Shrinkage`, given the variances of the noise in the coefficients, of their shape."""


@dataclass(frozen=True)
class HardThreshold(Shrinkage):
    """v where |v| > `threshold`, else 0; weight 1/N of the N coefficients kept.

    Attributes
    ----------
    threshold : float
        λσ.
    """

    threshold: float

    def __call__(self, groups: torch.Tensor, pilot: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """The coefficients above the threshold, and 1/N."""
        kept = functional.hardshrink(groups, self.threshold)
        kept[0, :, 0] = groups[0, :, 0]
        # Counted in numbers of the same type, which are added up five times as fast as truth values.
        counted = torch.ne(kept, 0, out=torch.empty_like(kept))
        return kept, 1 / counted.sum(dim=(0, 2)).clamp(min=1)


@dataclass(frozen=True)
class Wiener(Shrinkage):
    """W v with W = q²/(q² + `variance`), q the coefficients of the pilot; weight 1/‖W‖².

    Attributes
    ----------
    variance : float
        Of the noise that is to be removed.
    """

    variance: float

    def __call__(self, groups: torch.Tensor, pilot: torch.Tensor | None) -> tuple[torch.Tensor, torch.Tensor]:
        """The attenuated coefficients, and 1/‖W‖²."""
        if pilot is None:
            raise ValueError("the Wiener filter needs a pilot")
        power = pilot.square_()
        # The sum is a new tensor, so that the quotient may take the place of the power. A tiny variance may be 0 in
        # single precision, and so is the power of what is flat.
        factor = power.div_(power + (self.variance + torch.finfo(power.dtype).tiny))
        factor[0, :, 0] = 1
        shrunk = groups.mul_(factor)
        return shrunk, 1 / factor.square_().sum(dim=(0, 2))


@dataclass(frozen=True)
class HardThresholdOfCorrelated(CorrelatedShrinkage):
    """v where |v| > λ √V, else 0, V the variance of the noise in v; weight 1/ΣV of the coefficients kept.

    Attributes
    ----------
    threshold : float
        λ.
    """

    threshold: float

    def __call__(
        self, groups: torch.Tensor, pilot: torch.Tensor | None, variances: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The coefficients above their thresholds, and the weights."""
        kept = groups.square() > self.threshold**2 * variances
        kept[0, :, 0] = True
        return groups * kept, _inverse((variances * kept).sum(dim=(0, 2)))


@dataclass(frozen=True)
class WienerOfCorrelated(CorrelatedShrinkage):
    """W v with W = q²/(q² + μ²V), q the coefficients of the pilot; weight 1/ΣW²V.

    Attributes
    ----------
    attenuation : float
        μ².
    """

    attenuation: float

    def __call__(
        self, groups: torch.Tensor, pilot: torch.Tensor | None, variances: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The attenuated coefficients, and the weights."""
        if pilot is None:
            raise ValueError("the Wiener filter needs a pilot")
        power = pilot.square_()
        factor = power.div_(power + (self.attenuation * variances + torch.finfo(power.dtype).tiny))
        factor[0, :, 0] = 1
        shrunk = groups.mul_(factor)
        return shrunk, _inverse(factor.square_().mul_(variances).sum(dim=(0, 2)))


def _inverse(noise: torch.Tensor) -> torch.Tensor:
    return 1 / noise.clamp(min=torch.finfo(noise.dtype).tiny)
