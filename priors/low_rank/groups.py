"""Similar patches stacked into matrices whose singular values are shrunk.

A group of n patches of d values is an n × d matrix. Patches that look alike make it nearly of low rank, and
noise does not: shrinking the singular values takes the noise away. The priors built on this differ in the rule
by which they shrink; under each rule the singular values below a threshold t vanish:

======== ============================ ===================================================================
rule     f(s) for s > t               what is minimised, besides ½‖X − Y‖²
======== ============================ ===================================================================
soft     s − t                        t ‖X‖₊, the nuclear norm
weighted ½ (s + √(s² − t²))           Σ wᵢ sᵢ(X) with the weights wᵢ = (t²/4) / sᵢ(X), found by iteration
hard     s                            ½ t² rank X
======== ============================ ===================================================================

References
----------
J.-F. Cai, E. J. Candès, Z. Shen: A singular value thresholding algorithm for matrix completion, SIAM Journal
on Optimization 20 (2010), for the soft rule. S. Gu, Q. Xie, D. Meng, W. Zuo, X. Feng, L. Zhang: Weighted
nuclear norm minimization and its applications to low level vision, IJCV 121 (2017), for the weighted rule.
J. Zhang, D. Zhao, W. Gao: Group-based sparse representation for image restoration, IEEE TIP 23 (2014), for the
hard rule.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch

from zeroshot.patches import PatchAverage, corners_shape, grid_steps, match_blocks, pixel_rows

#: From singular values (B, m) and thresholds (B, 1) or (B, m) to new singular values, (B, m).
Rule: TypeAlias = Callable[[torch.Tensor, torch.Tensor], torch.Tensor]
Shrinkage: TypeAlias = Literal["soft", "weighted", "hard"]
#: What stays as it is: the mean patch of a group, or nothing.
Centre: TypeAlias = Literal["mean", "none"]

#: Elements of the groups worked on at a time: enough to keep matrix products busy, few enough for a cache.
CHUNK = 2**21
#: Elements of all patches that a band reaches; larger images are worked through band by band.
BAND = 2**26
#: Squared thresholds below this share of the largest squared singular value need double precision: rounding in
#: the eigenvalues of a Gram matrix is a few 1e-7 of the largest.
SINGLE_PRECISION = 2e-5


def soft(values: torch.Tensor, threshold: torch.Tensor) -> torch.Tensor:
    """max(s − t, 0)."""
    return (values - threshold).clamp(min=0)


def hard(values: torch.Tensor, threshold: torch.Tensor) -> torch.Tensor:
    """Keep s where s > t, else 0."""
    return torch.where(values > threshold, values, 0.0)


def weighted(values: torch.Tensor, threshold: torch.Tensor) -> torch.Tensor:
    """½ (s + √(s² − t²)) where s > t, else 0: the limit of x ← max(s − C/x, 0) from x = s, with C = t²/4.

    The weight C/x of a singular value falls as it grows, so that their order is kept and each step has this
    solution although the problem is not convex.
    """
    root = (values.square() - threshold.square()).clamp(min=0).sqrt()
    return torch.where(values > threshold, 0.5 * (values + root), 0.0)


RULES: dict[str, Rule] = {"soft": soft, "weighted": weighted, "hard": hard}


def shrink_singular_values(groups: torch.Tensor, rule: Rule, thresholds: torch.Tensor) -> torch.Tensor:
    """U f(S) Vᵀ for each matrix Y = U S Vᵀ of a batch.

    It goes by the eigenvalues of the smaller Gram matrix:

        Yᵀ Y = V S² Vᵀ    and    U f(S) Vᵀ = Y V (f(S)/S) Vᵀ,

    and with Y Yᵀ likewise where Y is wider than it is tall. That takes half the time of a batch of singular
    value decompositions. Squaring halves the digits: where single precision does not tell what lies above the
    threshold from rounding, the Gram matrix is decomposed in double precision.

    Parameters
    ----------
    groups : torch.Tensor
        (B, n, d).
    rule : callable
        f, such as :func:`soft`. It is given the singular values in ascending order.
    thresholds : torch.Tensor
        (B,), or (B, min(n, d)) for one threshold each; at least 0.

    Returns
    -------
    torch.Tensor
        (B, n, d).

    Raises
    ------
    ValueError
        Where the groups are not a batch of matrices.
    """
    if groups.ndim != 3:
        raise ValueError(f"groups must be a batch of matrices (B, n, d), got shape {tuple(groups.shape)}")
    tall = groups.shape[1] >= groups.shape[2]
    gram = groups.mT @ groups if tall else groups @ groups.mT
    if not _suffices(gram, thresholds):
        wide = groups.double()
        gram = wide.mT @ wide if tall else wide @ wide.mT
    squares, vectors = torch.linalg.eigh(gram)
    values = squares.clamp(min=0).sqrt()
    limits = (thresholds if thresholds.ndim == 2 else thresholds[:, None]).to(values)
    gain = torch.where(values > 0, rule(values, limits) / values, 0.0)
    projection = ((vectors * gain[:, None, :]) @ vectors.mT).to(groups)
    return groups @ projection if tall else projection @ groups


def _suffices(gram: torch.Tensor, thresholds: torch.Tensor) -> bool:
    """Whether single precision resolves the eigenvalues of `gram` at the squares of typical thresholds."""
    largest = gram.diagonal(dim1=-2, dim2=-1).sum(dim=-1).max()
    # The mean: a group among others whose threshold is next to 0 keeps its rounding errors, which are small
    # against what the others lose.
    return bool(thresholds.mean().square() >= SINGLE_PRECISION * largest)


@dataclass(frozen=True)
class _Band:
    """Groups whose references lie side by side, and the rows `first` to `last` of the image that they reach."""

    first: int
    last: int
    corners: torch.Tensor


class PatchGroups:
    """Groups of similar patches of an image.

    Images whose patches would take too much memory are worked through in bands of reference patches, with the
    rows that their searches reach; the groups are those of the whole image.

    Parameters
    ----------
    image : torch.Tensor
        (C, H, W), in which similar patches are looked for.
    size : int
        Side of a patch.
    count : int
        Patches in a group; fewer where the search window holds no more.
    stride : int
        Distance between the reference patches.
    radius : int
        Half the side of the search window.

    Attributes
    ----------
    count : int
        Patches in a group.

    Raises
    ------
    ValueError
        Where the image is smaller than a patch.
    """

    def __init__(self, image: torch.Tensor, size: int, count: int, stride: int, radius: int) -> None:
        channels, height, width = image.shape
        rows, columns = corners_shape(height, width, size)
        window = 2 * radius + 1
        self.size, self.count = size, min(count, min(rows, window) * min(columns, window))
        self._bands = []
        for references, first, last in _reaches(rows, width * channels * size**2, stride, radius):
            matches = match_blocks(
                pixel_rows(image[:, first : last + size - 1], size),
                columns,
                self.count,
                stride,
                radius,
                reference_rows=references - first,
            )
            self._bands.append(_Band(first, last + size - 1, matches.corners.to(torch.int32)))

    def shrink(
        self, image: torch.Tensor, rule: Rule, thresholds: torch.Tensor | float, centre: Centre = "mean"
    ) -> torch.Tensor:
        """Shrink the singular values of every group of `image`, and average the patches into an image again.

        Parameters
        ----------
        image : torch.Tensor
            (C, H, W), of the size in which the groups were found.
        rule : callable
            See :func:`shrink_singular_values`.
        thresholds : torch.Tensor or float
            One for all groups, or (H − size + 1, W − size + 1): that of the group whose reference patch has
            its corner there.
        centre : {"mean", "none"}
            "mean": the mean patch of each group stays, and what differs from it is shrunk.

        Returns
        -------
        torch.Tensor
            (C, H, W).
        """
        if not isinstance(thresholds, torch.Tensor):
            thresholds = torch.tensor(thresholds, device=image.device)
        limits = thresholds.expand(corners_shape(image.shape[-2], image.shape[-1], self.size))
        sums, weights = torch.zeros_like(image), torch.zeros_like(image[:1])
        for band in self._bands:
            across = slice(band.first, band.last)
            inside = limits[band.first : band.last - self.size + 1]
            total, weight = self._shrink_band(image[:, across], band.corners, rule, inside, centre)
            sums[:, across] += total
            weights[:, across] += weight
        return torch.where(weights > 0, sums.div_(weights.clamp(min=1e-12)), image)

    def _shrink_band(
        self,
        image: torch.Tensor,
        all_corners: torch.Tensor,
        rule: Rule,
        limits: torch.Tensor,
        centre: Centre,
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """The sums of the patches of the groups of a band, and how many there are at each pixel."""
        patches = pixel_rows(image, self.size)
        channels, height, width = image.shape
        average = PatchAverage(channels, height, width, self.size, image.device)
        limits = limits.flatten()
        for chunk in _chunks(len(all_corners), self.count * patches.shape[1]):
            corners = all_corners[chunk].long()
            groups = patches[corners]
            mean = groups.mean(dim=1, keepdim=True) if centre == "mean" else groups.new_zeros(())
            groups = shrink_singular_values(groups - mean, rule, limits[corners[:, 0]]) + mean
            average.add(groups, corners)
        return average.totals()


def _reaches(rows: int, elements: int, stride: int, radius: int) -> Iterator[tuple[torch.Tensor, int, int]]:
    """Reference rows, and the `rows` of corners first to last that their windows reach, with `elements` a row."""
    references = grid_steps(rows, stride)
    share = len(references)
    if rows * elements > BAND:
        share = max(4, (BAND // elements - 2 * radius) // stride)
    window = min(2 * radius + 1, rows)
    for part in references.split(share):
        first = min(max(int(part[0]) - radius, 0), rows - window)
        last = max(min(int(part[-1]) + radius + 1, rows), window)
        yield part, first, last


def _chunks(count: int, elements: int) -> Iterator[slice]:
    """`count` groups of so many elements in runs of about :data:`CHUNK` elements."""
    share = max(1, CHUNK // elements)
    for begin in range(0, count, share):
        yield slice(begin, begin + share)
