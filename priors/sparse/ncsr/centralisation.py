"""Codes of patches, what their similar patches predict for them, and the shrinkage of the difference."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch.nn import functional

from zeroshot.counting import occurrences
from zeroshot.patches import Matches, corners_shape, match_blocks, patch_sums, pixel_rows
from zeroshot.priors.sparse.ncsr.dictionaries import Dictionaries, high_pass
from zeroshot.solvers.thresholds import soft

#: What a pixel of distance in place adds to the difference of two patches, in units of the image's standard
#: deviation: next to nothing, but it decides between patches that are equal but for rounding. Where it is more, as
#: 4e-3, those beside a patch on a smooth slope go before others that are more like it.
PLACE = 1e-3
#: Elements of the largest intermediate array of the variances: 4 MiB of float32, few enough for the cache.
CHUNK = 2**20


@dataclass(frozen=True)
class Similar:
    """For every reference patch the patches most like it, and their weights.

    Attributes
    ----------
    corners : torch.Tensor
        (P, M) flat corners, the reference itself first.
    weights : torch.Tensor
        (P, M), summing to 1 for each reference.
    """

    corners: torch.Tensor
    weights: torch.Tensor


def find_similar(
    image: torch.Tensor, size: int, count: int, stride: int, radius: int, bandwidth: float
) -> Similar:
    """Patches like each reference, weighted by exp(−d / bandwidth) for a mean squared difference d.

    The reference itself counts as much as the patch nearest to it. Of patches that are equally like it those
    beside it are taken: in a flat area others may soon differ, as those at its edge do once it is sharpened,
    and would spread what they become.

    Parameters
    ----------
    image : torch.Tensor
        (1, H, W), what is compared.
    size, count, stride, radius : int
        Side of a patch, patches per reference, distance between references, reach of the search window.
    bandwidth : float
        In squared intensities.
    """
    rows, columns = corners_shape(image.shape[-2], image.shape[-1], size)
    down = torch.arange(rows, device=image.device).repeat_interleave(columns)
    along = torch.arange(columns, device=image.device).repeat(rows)
    place = torch.stack([down, along], dim=1).to(image) * (PLACE * image.std(correction=0))
    features = torch.cat([pixel_rows(image, size), place], dim=1)
    matches: Matches = match_blocks(features, columns, count, stride, radius)
    distances = matches.distances.clone()
    if count > 1:
        distances[:, 0] = distances[:, 1]
        # A window with the reference alone has no other patch to lean on.
        distances[:, 0] = torch.where(distances[:, 0].isinf(), 0.0, distances[:, 0])
    weights = torch.softmax(-distances / bandwidth, dim=1)
    return Similar(matches.corners, weights)


class Centralisation:
    """The patches of one image: which basis codes them, and which patches predict their codes.

    Every patch x is coded over the basis B of its cluster, channel by channel, α = B x. Its similar patches
    predict β = B m, m being their weighted mean. Shrinking α − β by τ gives the new patch
    m + Bᵀ S_τ(B (x − m)).

    Parameters
    ----------
    image : torch.Tensor
        (C, H, W), from which the clusters of the patches are told by the first channel.
    dictionaries : Dictionaries
        The bases.
    similar : Similar
        The similar patches, for the references of ``corner_grid(H, W, size, stride)``.
    size, stride : int
        Side of a patch, and distance between the references.
    high_pass_sigma : float
        As the dictionaries were learned with.
    """

    def __init__(
        self,
        image: torch.Tensor,
        dictionaries: Dictionaries,
        similar: Similar,
        size: int,
        stride: int,
        high_pass_sigma: float,
    ) -> None:
        height, width = image.shape[-2:]
        self.size, self._stride, self._shape = size, stride, (height, width)
        self._similar = similar
        features = pixel_rows(high_pass(image[:1], high_pass_sigma, size), size, stride)
        cluster = dictionaries.assign(features)
        self._bases = dictionaries.bases
        self._order = cluster.argsort(stable=True)
        self._counts = occurrences(cluster, len(self._bases)).tolist()
        self._coverage = self._spread(features.new_ones(len(features), size * size))

    def means(self, rows: torch.Tensor) -> torch.Tensor:
        """m: the weighted mean of the similar patches of each reference, (P, D), for all patches `rows`."""
        return functional.embedding_bag(
            self._similar.corners, rows, mode="sum", per_sample_weights=self._similar.weights
        )

    def variances(self, image: torch.Tensor) -> torch.Tensor:
        """Mean of (B (xⱼ − m))² over the similar patches xⱼ, per coefficient, (P, D), in cluster order."""
        rows = pixel_rows(image, self.size)
        means = self.means(rows).index_select(0, self._order)
        similar = self._similar.corners.index_select(0, self._order)
        count, dimension = similar.shape[1], rows.shape[1]
        spread = torch.empty_like(means)
        limit = max(1, CHUNK // (count * dimension))
        for begin, end, basis in self._slices(limit):
            # Whole rows, which indexing with a tensor copies number by number on the CPU.
            deviation = rows.index_select(0, similar[begin:end].flatten()).unflatten(0, (-1, count))
            deviation.sub_(means[begin:end, None])
            codes = _apply(basis, deviation.flatten(0, 1))
            torch.mean(codes.square_().unflatten(0, (-1, count)), 1, out=spread[begin:end])
        return spread

    def shrink(
        self, image: torch.Tensor, threshold: float | torch.Tensor, means: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The average of the patches m + Bᵀ S_τ(B (x − m)), (C, H, W).

        Parameters
        ----------
        image : torch.Tensor
            (C, H, W).
        threshold : float or torch.Tensor
            τ: one for all, or one per coefficient (P, D), in the order of :meth:`variances`.
        means : torch.Tensor, optional
            m as :meth:`means` returns it; taken of `image` where not given.
        """
        means = self.means(pixel_rows(image, self.size)) if means is None else means
        differences = pixel_rows(image, self.size, self._stride) - means
        differences = differences.index_select(0, self._order)
        for begin, end, basis in self._slices():
            codes = _apply(basis, differences[begin:end])
            tau = threshold[begin:end] if isinstance(threshold, torch.Tensor) else threshold
            differences[begin:end] = _apply(basis.mT, soft(codes, tau))
        means = means.index_add(0, self._order, differences)
        return self._spread(means) / self._coverage

    def _slices(self, limit: int | None = None) -> list[tuple[int, int, torch.Tensor]]:
        """Begin, end and basis of runs of references with one basis, none longer than `limit`."""
        slices, begin = [], 0
        for count, basis in zip(self._counts, self._bases, strict=True):
            step = count if limit is None else limit
            slices += [
                (start, min(start + step, begin + count), basis)
                for start in range(begin, begin + count, max(1, step))
            ]
            begin += count
        return slices

    def _spread(self, patches: torch.Tensor) -> torch.Tensor:
        """The sum of the references' patches (P, D) in their places."""
        return patch_sums(patches, *self._shape, self.size, self._stride)


def _apply(matrices: torch.Tensor, rows: torch.Tensor) -> torch.Tensor:
    """The product of one matrix a channel (C, D, D) with the channels of each row (n, C · D)."""
    channels = rows.unflatten(1, (len(matrices), -1)).transpose(0, 1)
    return (channels @ matrices.mT).transpose(0, 1).flatten(1)
