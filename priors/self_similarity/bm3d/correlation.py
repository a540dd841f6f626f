"""Correlated noise in groups: the variance of every coefficient of the three-dimensional transform.

In white noise every coefficient of an orthonormal transform has the variance σ². The noise of a photograph is
correlated between pixels: it is stronger in some coefficients of a patch than in others, and patches of a group
that overlap or lie near each other share some of it, so that their mean keeps more of it, and their differences
less, than of patches with noise of their own.

References
----------
Y. Mäkinen, L. Azzari, A. Foi: Collaborative filtering of correlated noise: exact transform-domain variance for
improved shrinkage and patch matching, IEEE TIP 29 (2020).
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

#: Smallest side of the period on which a spectrum is sampled: well beyond the reach of its correlations.
PERIOD = 128


@dataclass(frozen=True)
class GroupVariances:
    """The variance of stationary noise in the coefficients of groups.

    Attributes
    ----------
    covariances : torch.Tensor
        ((2R + 1)², D): for each displacement (dy, dx) of two patches, −R ≤ dy, dx ≤ R, the covariances of their D
        coefficients, each with its own counterpart.
    reach : int
        R, the largest displacement along an axis within a group.
    """

    covariances: torch.Tensor
    reach: int

    def of_groups(self, corners: torch.Tensor, columns: int) -> torch.Tensor:
        """The variances after the Haar transform across the patches of a group.

        Every pair of patches counts in one node of the tree of Haar's wavelets, the smallest one that holds both:
        with P the sum of the covariances of all pairs within a half and X that across the halves, the difference of
        two halves of L/2 patches has the variance (P₁ + P₂ − 2X)/L, and the whole has P = P₁ + P₂ + 2X.

        Parameters
        ----------
        corners : torch.Tensor
            (size, groups), flat, `columns` of them to a row; size a power of two.
        columns : int
            Corners in a row.

        Returns
        -------
        torch.Tensor
            (size, groups, D), in the order of :func:`~.transforms.haar_transform`.
        """
        size, groups = corners.shape
        side = 2 * self.reach + 1
        # Places whose differences are rows of the table, but for the offset of its centre.
        places = torch.div(corners, columns, rounding_mode="floor") * side + corners % columns
        centre = self.reach * side + self.reach
        sums = self.covariances[centre].expand(size, groups, -1)
        found = []
        length = 1
        while length < size:
            halves = places.view(-1, 2, length, groups)
            pairs = halves[:, 0, :, None] - halves[:, 1, None, :] + centre
            bags = pairs.permute(0, 3, 1, 2).reshape(-1, length * length)
            across = functional.embedding_bag(bags, self.covariances, mode="sum").view(-1, groups, sums.shape[-1])
            within = sums[::2] + sums[1::2]
            length *= 2
            found.append((within - 2 * across) / length)
            sums = within + 2 * across
        return torch.cat([sums / size, *reversed(found)]) if found else sums


def patch_covariances(power: torch.Tensor, transform: torch.Tensor, reach: int) -> torch.Tensor:
    """The covariances of coefficients of patches that are displaced, ((2 · reach + 1)², p²).

    With S the power spectrum of the noise and Tₖ the frequency response of the k-th basis function, those of the
    k-th coefficient are the inverse Fourier transform of S |Tₖ|².

    Parameters
    ----------
    power : torch.Tensor
        (F, F): S at the frequencies π i/(F − 1) down and π j/(F − 1) along, even in both.
    transform : torch.Tensor
        Of a line of a patch, (p, p).
    reach : int
        The largest displacement.
    """
    autocovariance = torch.fft.irfft2(_whole_period(power)[:, : len(power)], s=(2 * (len(power) - 1),) * 2)
    spectrum = torch.fft.fft2(_on_period(autocovariance, max(PERIOD, 2 * reach + 2))).real.clamp(min=0)
    response = torch.fft.fft(transform.double(), n=len(spectrum)).abs().square()
    shifts = torch.arange(-reach, reach + 1) % len(spectrum)
    # The response is separable: coefficient (k, l) answers with |Tₖ|² down and |Tₗ|² along.
    along = torch.fft.ifft(spectrum[None] * response[:, None, :], dim=2)[..., shifts]
    both = torch.fft.ifft(along[None] * response[:, None, :, None], dim=2)[:, :, shifts]
    return both.real.permute(2, 3, 0, 1).reshape(len(shifts) ** 2, -1)


def distance_excess(covariances: torch.Tensor, reach: int) -> torch.Tensor:
    """The mean squared difference of the noise in patches that are displaced, (2 · reach + 1, 2 · reach + 1).

    Parameters
    ----------
    covariances : torch.Tensor
        Those of pixels or of the coefficients of an orthonormal transform, see :func:`patch_covariances`.
    reach : int
        The largest displacement.
    """
    means = covariances.mean(dim=1).view(2 * reach + 1, 2 * reach + 1)
    return 2 * (means[reach, reach] - means)


def _whole_period(power: torch.Tensor) -> torch.Tensor:
    """A spectrum that is even in both frequencies, (2F − 2, 2F − 2), from its frequencies 0 to π."""
    order = torch.cat([torch.arange(len(power)), torch.arange(len(power) - 2, 0, -1)])
    return power.double().cpu()[order][:, order]


def _on_period(autocovariance: torch.Tensor, period: int) -> torch.Tensor:
    """The autocovariance with zeros between its positive and its negative shifts."""
    half = len(autocovariance) // 2
    if period <= 2 * half:
        return autocovariance
    wide = autocovariance.new_zeros(period, period)
    shifts = torch.arange(-half + 1, half)
    wide[shifts[:, None] % period, shifts[None, :] % period] = autocovariance[shifts[:, None], shifts[None, :]]
    return wide
