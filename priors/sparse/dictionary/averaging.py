"""From a dictionary to an image: every patch is coded, and the codes are averaged where patches overlap."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch.nn import functional

from zeroshot.patches import corner_grid, corners_shape, patch_sums
from zeroshot.priors.sparse.dictionary.matching_pursuit import (
    SparseCodes,
    matching_pursuit,
    weighted_matching_pursuit,
    weighted_means,
)

#: Numbers in the patches of one strip of the image: what bounds the memory.
_STRIP_NUMBERS = 1 << 23


@dataclass(frozen=True)
class Coder:
    """How a patch is coded: its means as they are, the rest with as few atoms as its noise allows.

    The squared error allowed over n known pixels of a patch is n C(n)² σ². C(64) is `gain`; for other n, C is
    such that pure noise of level σ exceeds the limit just as rarely.

    Attributes
    ----------
    sigma : float
        The noise level.
    gain : float
        C for 64 pixels.
    sparsity : int
        The most atoms of a patch.
    channels : int
        Channels of the image.
    """

    sigma: float
    gain: float
    sparsity: int
    channels: int

    def limits(self, known: torch.Tensor) -> torch.Tensor:
        """The squared error allowed over `known` numbers each.

        Quantiles of the chi-squared distribution, in the approximation of Wilson and Hilferty (1931).
        """
        deviations = (self.gain ** (2 / 3) - 1 + _spread(64.0)) / _spread(64.0) ** 0.5
        spread = 2 / (9 * known.clamp(min=1))
        quantile = known * (1 - spread + deviations * spread.sqrt()).clamp(min=0) ** 3
        return quantile * self.sigma**2

    def code(
        self, dictionary: torch.Tensor, patches: torch.Tensor, weights: torch.Tensor | None
    ) -> tuple[SparseCodes, torch.Tensor]:
        """The codes of patches (P, n), and the means (P, n) that the codes do not contain.

        With weights (P, n) the means are those that fit best beside the codes; a channel without weight keeps
        the mean that it has.
        """
        base = spread_means(patches, self.channels)
        if weights is None:
            limit = self.limits(patches.new_full((), float(patches.shape[1])))
            return matching_pursuit(dictionary, patches - base, self.sparsity, limit), base
        centred = patches - base
        limits = self.limits((weights > 0).sum(1).to(patches.dtype))
        codes = weighted_matching_pursuit(dictionary, centred, weights, self.sparsity, limits, self.channels)
        means = weighted_means(centred - codes.decode(dictionary), weights, self.channels)
        return codes, base + means.repeat_interleave(patches.shape[1] // self.channels, dim=1)


def _spread(known: float) -> float:
    return 2 / (9 * known)


def spread_means(patches: torch.Tensor, channels: int) -> torch.Tensor:
    """The mean of each channel of each patch, at all its pixels: (P, C · size²)."""
    planes = patches.unflatten(-1, (channels, -1))
    return planes.mean(-1, keepdim=True).expand_as(planes).flatten(-2)


@dataclass(frozen=True)
class Coded:
    """An image made of coded patches.

    Attributes
    ----------
    sums, weights : torch.Tensor
        (C, H, W): the weighted sum of the patches at each pixel, and of their weights.
    atoms : float
        How many atoms a patch has on average.
    """

    sums: torch.Tensor
    weights: torch.Tensor
    atoms: float


def code_image(
    image: torch.Tensor,
    weights: torch.Tensor | None,
    dictionary: torch.Tensor,
    coder: Coder,
    size: int,
    stride: int,
) -> Coded:
    """Code all patches of an image and add them up.

    Where pixels are missing, a patch weighs as much as its pixels do in the mean: what it says of its holes is
    an extrapolation.

    Parameters
    ----------
    image : torch.Tensor
        (C, H, W), its holes filled provisionally.
    weights : torch.Tensor or None
        (C, H, W), 1 at known pixels and less at others; None where all are known.
    dictionary : torch.Tensor
        (K, C · size²).
    coder : Coder
        How patches are coded.
    size, stride : int
        Side of a patch, and the distance between patches.
    """
    sums, totals = torch.zeros_like(image), torch.zeros_like(image)
    entries = patches_coded = 0
    for rows, chosen in _strips(image, size, stride):
        patches = _patches(image[:, rows], chosen, size)
        known = None if weights is None else _patches(weights[:, rows], chosen, size)
        codes, means = coder.code(dictionary, patches, known)
        share = torch.ones_like(patches) if known is None else known.mean(1, keepdim=True).expand_as(patches)
        restored = codes.decode(dictionary).add_(means)
        shape = image[:, rows].shape
        sums[:, rows] += _folded(restored * share, chosen, size, shape)
        totals[:, rows] += _folded(share, chosen, size, shape)
        entries += len(codes.atoms)
        patches_coded += len(patches)
    return Coded(sums, totals, entries / patches_coded)


def _strips(image: torch.Tensor, size: int, stride: int) -> Iterator[tuple[slice, torch.Tensor]]:
    """Rows of pixels, and the corners within them of the patches to be coded there; each patch once."""
    channels, height, width = image.shape
    _, columns = corners_shape(height, width, size)
    corners = corner_grid(height, width, size, stride, image.device)
    # The host knows them too, and need not ask.
    tops = torch.div(corner_grid(height, width, size, stride), columns, rounding_mode="floor")
    share = max(1, _STRIP_NUMBERS // (columns * channels * size * size))
    firsts = range(0, height - size + 1, share)
    # Corners come row by row, so that a strip's are a run of them.
    ends = torch.searchsorted(tops, torch.tensor([*firsts, height])).tolist()
    for first, begin, end in zip(firsts, ends[:-1], ends[1:], strict=True):
        if begin < end:
            last = min(first + share, height - size + 1)
            yield slice(first, last + size - 1), corners[begin:end] - first * columns


def _patches(strip: torch.Tensor, chosen: torch.Tensor, size: int) -> torch.Tensor:
    rows = functional.unfold(strip[None], size)[0].T
    return rows.contiguous() if len(chosen) == len(rows) else rows[chosen]


def _folded(patches: torch.Tensor, chosen: torch.Tensor, size: int, shape: torch.Size) -> torch.Tensor:
    count = (shape[1] - size + 1) * (shape[2] - size + 1)
    if len(chosen) < count:
        patches = patches.new_zeros(count, patches.shape[1]).index_copy_(0, chosen, patches)
    return patch_sums(patches, shape[1], shape[2], size)
