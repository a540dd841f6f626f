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

from zeroshot.noise import NoiseModel
from zeroshot.noise.spectrum import at_frequencies
from zeroshot.patches.cosine import cosine_matrix

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

    @classmethod
    def of(cls, noise: NoiseModel, transform: torch.Tensor, reach: int, like: torch.Tensor) -> GroupVariances:
        """Those of the noise of one plane; numbers of the type and on the device of `like`."""
        covariances = patch_covariances(noise, transform, reach)
        return cls(covariances.to(like).contiguous(), reach)

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
            across = functional.embedding_bag(bags, self.covariances, mode="sum").view(
                -1, groups, sums.shape[-1]
            )
            within = sums[::2] + sums[1::2]
            length *= 2
            found.append((within - 2 * across) / length)
            sums = within + 2 * across
        return torch.cat([sums / size, *reversed(found)]) if found else sums


def patch_covariances(noise: NoiseModel, transform: torch.Tensor, reach: int) -> torch.Tensor:
    """The covariances of coefficients of patches that are displaced, ((2 · reach + 1)², p²).

    With S the power spectrum of the noise and Tₖ the frequency response of the k-th basis function, those of the
    k-th coefficient are the inverse Fourier transform of S |Tₖ|². Offsets of whole rows and columns are added.

    Parameters
    ----------
    noise : NoiseModel
        Stationary, of one plane.
    transform : torch.Tensor
        Of a line of a patch, (p, p).
    reach : int
        The largest displacement.
    """
    lines = transform.cpu().double()
    period = max(PERIOD, 2 * reach + 2)
    shifts = torch.arange(-reach, reach + 1) % period
    gains = torch.fft.fft(lines, n=period).abs().square()
    if noise.spectra is None:
        power = torch.ones(period, period, dtype=torch.float64)
    else:
        frequencies = 2 * torch.fft.fftfreq(period)
        power = at_frequencies(noise.spectra, frequencies, frequencies)[0]
    # The response is separable: coefficient (k, l) answers with |Tₖ|² down and |Tₗ|² along.
    along = torch.fft.ifft(power * gains[:, None, :], dim=2).real[..., shifts]
    both = torch.fft.ifft(along * gains[:, None, :, None], dim=2).real[:, :, shifts]
    both = both * noise.variances[0][0]
    if noise.rows or noise.columns:
        # A whole row or column is one number in itself, and independent of all others.
        within = lines.sum(dim=1).square()
        between = torch.fft.ifft(gains, dim=1).real[:, shifts]
        both += noise.rows**2 * between[:, None, :, None] * within[:, None, None]
        both += noise.columns**2 * within[:, None, None, None] * between[:, None, :]
    return both.permute(2, 3, 0, 1).reshape(len(shifts) ** 2, -1)


def excess_distances(noise: NoiseModel, patch: int, reach: int) -> torch.Tensor:
    """The mean squared difference that the noise makes between patches, (2 · reach + 1, 2 · reach + 1).

    Patches that share noise differ by less of it: without allowing for that, neighbours would be taken for the most
    similar.

    Parameters
    ----------
    noise : NoiseModel
        Stationary, of one plane.
    patch : int
        Side of a patch.
    reach : int
        The largest displacement.
    """
    means = patch_covariances(noise, cosine_matrix(patch), reach).mean(dim=1).view(2 * reach + 1, -1)
    return 2 * (means[reach, reach] - means)
