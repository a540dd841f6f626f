"""Which channels of one place are worth denoising together, and along which axes, from their noisy planes alone.

Channels y_c = x_c + n_c whose noise is independent and of level 1 may be turned by an orthonormal matrix U: the noise
of U y is again independent and of level 1. Where x is correlated, the first of the axes of its covariance hold what the
channels have in common, at a better ratio to the noise than in any of them, and the last ones next to nothing.

Whether that is better is asked of an unbiased estimate of the error (Stein 1981; Donoho and Johnstone 1995). The
coefficients w of 8 × 8 blocks under the cosine transform, with noise of level 1, are shrunk towards 0 by the threshold
t that is the best for their frequency. The expected squared error of that is

    r = min over t of  mean of (1 − 2 [|w| ≤ t] + min(|w|, t)²),

which needs no x. It is taken of the channels as they are, and of the axes; channel c has the error Σ_k U_kc² r_k then.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch

from zeroshot.patches.cosine import cosine_matrix

#: The side of blocks.
BLOCK = 8
#: The thresholds that are tried, in units of the noise.
_THRESHOLDS = tuple(0.5 * step for step in range(1, 11))
#: What a channel may be expected to lose, and what channels must be expected to gain in the mean, in dB.
MOST_LOST, LEAST_GAINED = 0.05, 0.3
#: So many blocks are needed to tell.
LEAST_BLOCKS = 64
#: The noise along an axis is not independent of the others where it is weaker than this share of that of the channels.
_LEAST_LEVEL = 0.85
#: From this frequency on, down and along, there is little but noise.
_FINEST = 5
#: The mean square of nine values of level 1 is less than this one time in five: the quantile of χ² over 9.
_QUIET = 5.380 / 9


@dataclass(frozen=True, eq=False)
class ChannelAxes:
    """Channels that are denoised together, and the axes that they are turned to.

    Attributes
    ----------
    together : tuple of int
        Which channels.
    axes : torch.Tensor
        (K, K) for K channels, an axis in each row, orthonormal, float64; the one with the most detail first.
    gains : tuple of float
        What each of them is expected to gain, in dB.
    """

    together: tuple[int, ...]
    axes: torch.Tensor
    gains: tuple[float, ...]

    @property
    def mean_gain(self) -> float:
        """What they are expected to gain in the mean, in dB."""
        return sum(self.gains) / len(self.gains)


@dataclass(frozen=True, eq=False)
class Judgement:
    """What is to be expected of denoising channels together.

    Attributes
    ----------
    found : ChannelAxes or None
        Those that gain by it; None where that is not to be expected of any.
    whole : ChannelAxes or None
        All of them, whatever that is expected to gain; None where there is too little to tell.
    reason : str
        Why none are found; empty where some are.
    shares_noise : bool
        Whether that is because their noise is not independent, so that what is expected of them is not to be believed.
    """

    found: ChannelAxes | None
    whole: ChannelAxes | None
    reason: str = ""
    shares_noise: bool = False


def detail_of(planes: torch.Tensor) -> torch.Tensor:
    """The coefficients of the blocks of planes.

    Parameters
    ----------
    planes : torch.Tensor
        (C, H, W); rows and columns that fill no block are left out.

    Returns
    -------
    torch.Tensor
        (C, 63, blocks), float64: all but the means.
    """
    count, height, width = planes.shape
    down, along = height // BLOCK, width // BLOCK
    blocks = planes[:, : down * BLOCK, : along * BLOCK].double().reshape(count, down, BLOCK, along, BLOCK)
    matrix = cosine_matrix(BLOCK).double()
    coefficients = torch.einsum("ka,lb,cdaeb->cklde", matrix, matrix, blocks)
    return coefficients.reshape(count, BLOCK**2, down * along)[:, 1:]


def expected_errors(detail: torch.Tensor) -> torch.Tensor:
    """The expected mean squared error of each plane once it is shrunk, in units of the variance of the noise.

    Parameters
    ----------
    detail : torch.Tensor
        (C, 63, blocks), see :func:`detail_of`, with noise of level 1.

    Returns
    -------
    torch.Tensor
        (C,); the means of blocks, which are not shrunk, have the error 1 and are counted.
    """
    sizes = detail.abs()
    best = torch.ones(detail.shape[:2], dtype=detail.dtype)
    for threshold in _THRESHOLDS:
        kept = sizes.clamp(max=threshold).square().mean(dim=-1)
        best = torch.minimum(best, 1 + kept - 2 * (sizes <= threshold).double().mean(dim=-1))
    return (1 + best.clamp(min=0).sum(dim=1)) / BLOCK**2


def principal_axes(detail: torch.Tensor) -> torch.Tensor:
    """The principal axes of planes in rows, (C, C), the one with the most detail first.

    White noise of one level adds the same to all of their variances, and changes no axis.
    """
    values = detail.flatten(1)
    axes = torch.linalg.eigh(values @ values.T / values.shape[1]).eigenvectors.T.flip(0)
    # Which way they point is left open by the decomposition, and not by us.
    signs = axes.gather(1, axes.abs().argmax(dim=1, keepdim=True)).sign()
    return axes * signs


def axes_of(detail: torch.Tensor) -> ChannelAxes | None:
    """The channels that gain by being denoised together, see :func:`judged`; None where none are expected to."""
    return judged(detail).found


def judged(detail: torch.Tensor) -> Judgement:
    """Which channels gain by being denoised together, or why none do.

    All are turned to their principal axes; as long as some are expected to lose by that, those that lose most are left
    out. Those that neither gain nor help are left out as well.

    Parameters
    ----------
    detail : torch.Tensor
        (C, 63, blocks), see :func:`detail_of`, with independent noise of level 1.
    """
    blocks = detail.shape[2]
    if blocks < LEAST_BLOCKS:
        told = f"{blocks} blocks of {BLOCK} × {BLOCK} pixels, and {LEAST_BLOCKS} are needed"
        return Judgement(None, None, f"their planes are too small to tell what they have in common: {told}")
    alone = expected_errors(detail)
    members = list(range(len(detail)))
    whole = tried = _together(detail, alone, members)
    while (worst := min(tried.gains)) < -MOST_LOST:
        # Those that lose much less may do so because of the others.
        members = [one for one, gain in zip(members, tried.gains, strict=True) if gain > worst / 2]
        if len(members) < 2:
            return Judgement(None, whole, "no two of them are expected to gain by being denoised together")
        tried = _together(detail, alone, members)
    found = tried
    needed = [one for one, gain in zip(found.together, found.gains, strict=True) if gain >= LEAST_GAINED / 2]
    if 1 < len(needed) < len(members):
        fewer = _together(detail, alone, needed)
        if min(fewer.gains) >= -MOST_LOST and sum(fewer.gains) >= sum(found.gains) - LEAST_GAINED / 2:
            found = fewer
    if found.mean_gain < LEAST_GAINED:
        told = f"{found.mean_gain:.2f} dB, less than {LEAST_GAINED} dB"
        return Judgement(None, whole, f"what denoising them together is expected to gain is {told}")
    if not has_independent_noise(detail, found):
        return Judgement(None, whole, "their noise is not independent", shares_noise=True)
    return Judgement(found, whole)


def noise_levels(detail: torch.Tensor) -> torch.Tensor:
    """The noise of planes, (C,), by the finest detail of the quiet blocks, of which one in five is quieter.

    What is in the picture makes it larger, but not smaller.
    """
    frequencies = torch.arange(1, BLOCK**2)
    finest = (frequencies // BLOCK >= _FINEST) & (frequencies % BLOCK >= _FINEST)
    energies = detail[:, finest].square().mean(dim=1)
    return (energies.quantile(0.2, dim=1) / _QUIET).sqrt()


def has_independent_noise(detail: torch.Tensor, found: ChannelAxes) -> bool:
    """Whether the noise along all axes is as strong as that of the channels, which it is if theirs is independent.

    Noise that channels share, such as that of the colours of a demosaicked photograph, is strong along some axes and
    weak along others, of which a denoiser told one level for all would know nothing.
    """
    chosen = detail[list(found.together)]
    along = noise_levels(torch.einsum("kc,cbn->kbn", found.axes, chosen))
    return float(along.min()) >= _LEAST_LEVEL * min(1.0, float(noise_levels(chosen).min()))


def _together(detail: torch.Tensor, alone: torch.Tensor, members: list[int]) -> ChannelAxes:
    chosen = detail[members]
    axes = principal_axes(chosen)
    turned = torch.einsum("kc,cbn->kbn", axes, chosen)
    errors = axes.square().T @ expected_errors(turned)
    gains = [10 * math.log10(ratio) for ratio in (alone[members] / errors).tolist()]
    return ChannelAxes(tuple(members), axes, tuple(gains))
