"""Groups of similar patches of an image, each a matrix whose singular values are shrunk.

A group of n patches of d values is an n × d matrix. Patches that look alike make it nearly of low rank, and
noise does not: shrinking the singular values takes the noise away. The priors built on this differ in the rule
by which they shrink, see :mod:`zeroshot.solvers.singular_values`.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

import torch

from zeroshot.patches import PatchAverage, corners_shape, grid_steps, match_blocks, pixel_rows
from zeroshot.solvers.singular_values import Rule, shrink_singular_values

#: What stays as it is: the mean patch of a group, or nothing.
Centre: TypeAlias = Literal["mean", "none"]
#: Which groups are shrunk: all, or those of every second reference patch as on a chessboard.
Share: TypeAlias = Literal["all", "half"]

#: Elements of the groups worked on at a time: enough to keep matrix products busy, few enough for a cache. On a GPU
#: the host waits for each such chunk.
CHUNK = {"cpu": 2**21}
LARGE_CHUNK = 2**24
#: Elements of all patches that a band reaches; larger images are worked through band by band.
BAND = 2**26


@dataclass(frozen=True)
class _Band:
    """Groups whose references lie side by side, and the rows `first` to `last` of the image that they reach.

    `half` are the numbers of those that are the half of all.
    """

    first: int
    last: int
    corners: torch.Tensor
    half: torch.Tensor


class PatchGroups:
    """Groups of similar patches of an image.

    Images whose patches would take too much memory are worked through in bands of reference patches, with the
    rows that their searches reach; the groups are those of the whole image.

    Parameters
    ----------
    image : torch.Tensor
        (C, H, W), in which similar patches are sought.
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
            corners = matches.corners.to(torch.int32)
            half = self._half(references, rows, columns, stride).to(corners.device)
            self._bands.append(_Band(first, last + size - 1, corners, half))

    def _half(self, references: torch.Tensor, rows: int, columns: int, stride: int) -> torch.Tensor:
        """The numbers of the references in some rows that are in the half that covers the image too, ascending."""
        along = grid_steps(columns, stride)
        if 2 * stride > self.size:
            return torch.arange(len(references) * len(along))
        # That of the last, which lies nearer, is rounded up: all of the border is among them.
        down = -(-references // stride)
        chess = (down[:, None] + torch.arange(len(along))) % 2 == 0
        chess |= ((references == 0) | (references == rows - 1))[:, None]
        chess |= (along == 0) | (along == columns - 1)
        return chess.flatten().nonzero()[:, 0]

    def shrink(
        self,
        image: torch.Tensor,
        rule: Rule,
        thresholds: torch.Tensor | float,
        centre: Centre = "mean",
        share: Share = "all",
    ) -> torch.Tensor:
        """Shrink the singular values of every group of `image`, and average the patches into an image again.

        Parameters
        ----------
        image : torch.Tensor
            (C, H, W), of the size in which the groups were found.
        rule : callable
            See :func:`~zeroshot.solvers.singular_values.shrink_singular_values`.
        thresholds : torch.Tensor or float
            One for all groups, or (H − size + 1, W − size + 1): that of the group whose reference patch has
            its corner there.
        centre : {"mean", "none"}
            "mean": the mean patch of each group stays, and what differs from it is shrunk.
        share : {"all", "half"}
            "half": only groups of every second reference patch, as on a chessboard, and of those at the border; all,
            where references lie further apart than half a patch.

        Returns
        -------
        torch.Tensor
            (C, H, W).
        """
        if not isinstance(thresholds, torch.Tensor):
            thresholds = torch.full((), thresholds, device=image.device)
        limits = thresholds.expand(corners_shape(image.shape[-2], image.shape[-1], self.size))
        sums, weights = torch.zeros_like(image), torch.zeros_like(image[:1])
        for band in self._bands:
            across = slice(band.first, band.last)
            inside = limits[band.first : band.last - self.size + 1]
            corners = band.corners if share == "all" else band.corners[band.half]
            total, weight = self._shrink_band(image[:, across], corners, rule, inside, centre)
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
        elements = CHUNK.get(image.device.type, LARGE_CHUNK)
        for chunk in _chunks(len(all_corners), elements // (self.count * patches.shape[1])):
            corners = all_corners[chunk].long()
            # Whole rows, which indexing with a tensor copies number by number on the CPU.
            groups = patches.index_select(0, corners.flatten()).unflatten(0, corners.shape)
            levels = limits[corners[:, 0]]
            if centre == "mean":
                mean = groups.mean(dim=1, keepdim=True)
                groups = shrink_singular_values(groups.sub_(mean), rule, levels).add_(mean)
            else:
                groups = shrink_singular_values(groups, rule, levels)
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


def _chunks(count: int, most: int) -> Iterator[slice]:
    """`count` groups in runs of at most so many, and of one at least."""
    share = max(1, most)
    for begin in range(0, count, share):
        yield slice(begin, begin + share)
