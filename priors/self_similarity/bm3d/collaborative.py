"""Collaborative filtering of planes that share their groups.

Every patch of the image is transformed once. Groups are then rows of that table, their shrunk coefficients
are summed by patch in another one, and every patch is transformed back once: the transforms and the window are
linear, and so need not be done again for each group that a patch is in.

Memory: an image is worked on in strips of at most about 2¹⁹ patches. A table of one plane takes 256 bytes
(8 × 8 coefficients) a patch, 128 MiB a strip; at a time there are a table of noisy patches, one of the pilot,
one of sums and a temporary one, or those of the matching. Beyond the strips it is 8 bytes per pixel and plane.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import torch

from zeroshot.constants import constant
from zeroshot.patches import (
    Matches,
    PatchAverage,
    corners_shape,
    factors_of,
    grid_steps,
    match_blocks,
    patch_coefficients,
    pixel_rows,
)
from zeroshot.priors.self_similarity.bm3d.correlation import GroupVariances
from zeroshot.priors.self_similarity.bm3d.profiles import Stage
from zeroshot.priors.self_similarity.bm3d.shrinkage import CorrelatedShrinkage, Shrinkage
from zeroshot.priors.self_similarity.bm3d.transforms import haar_transform, kaiser_window, of_patches

#: Patches that are cut out at a time.
STRIP = 2**19
#: Patches of groups that are shrunk at a time: on a CPU as many as stay in its cache.
CHUNK = {"cpu": 2**13}
LARGE_CHUNK = 2**19


@dataclass(frozen=True)
class Grouping:
    """Which patches form a group.

    Attributes
    ----------
    guide : torch.Tensor
        The plane (1, H, W) whose patches are compared.
    limit : float
        The largest mean squared difference of patches in a group.
    features : callable or None
        What is compared of patches given as rows; None compares their pixels.
    excess : torch.Tensor or None
        What is taken off the distances for the noise in them, see :func:`~zeroshot.patches.match_blocks`.
    """

    guide: torch.Tensor
    limit: float
    features: Callable[[torch.Tensor], torch.Tensor] | None = None
    excess: torch.Tensor | None = None


class GroupMemory:
    """Groups of an image that are found anew only now and then, for images that change little from call to call.

    Attributes
    ----------
    afresh : bool
        Whether the call at hand finds its groups itself, for those after it to take.
    pass_ : int
        The pass at hand, each of which has groups of its own.
    """

    def __init__(self) -> None:
        self.afresh, self.pass_ = True, 0
        #: Pass and number of the image's plane → the plane that its groups were found in.
        self._guides: dict[str, torch.Tensor] = {}
        self._found: dict[str, dict[tuple[int, Stage], Matches]] = {}

    def matches(self, place: int, grouping: Grouping, strip: _Strip, stage: Stage, columns: int) -> Matches:
        """Those of a strip of the plane number `place`, of this call or an earlier one."""
        key, first = f"{self.pass_}:{place}", int(strip.references[0])
        known = self._guides.get(key)
        if first == 0 and (self.afresh or known is None or known.shape != grouping.guide.shape):
            known = self._guides[key] = grouping.guide.clone()
            self._found[key] = {}
        assert known is not None
        found = self._found.setdefault(key, {})
        # Of a stage with larger groups they are others: what is found must follow from the plane alone.
        if (first, stage) not in found:
            found[first, stage] = _matches(
                replace(grouping, guide=known.to(grouping.guide)), strip, stage, columns
            )
        return found[first, stage]

    def state_dict(self) -> dict[str, Any]:
        """The planes, from which the groups follow."""
        return {"guides": {key: plane.clone() for key, plane in self._guides.items()}}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        self._guides = {key: plane.clone() for key, plane in state["guides"].items()}
        self._found = {}


def filter_planes(
    noisy: torch.Tensor,
    pilot: torch.Tensor | None,
    stage: Stage,
    grouping: Grouping,
    transform: Callable[[int], torch.Tensor],
    shrinkage: Shrinkage | CorrelatedShrinkage,
    variances: Sequence[GroupVariances] | None = None,
    memory: tuple[GroupMemory, int] | None = None,
) -> torch.Tensor:
    """Weighted average of the shrunk groups of patches around every reference patch.

    Parameters
    ----------
    noisy : torch.Tensor
        (C, H, W), planes of one noise level.
    pilot : torch.Tensor or None
        Planes for the shrinkage to be guided by, (C, H, W).
    stage : Stage
        Sizes of patches, groups and windows.
    grouping : Grouping
        Which patches form a group, common to all planes.
    transform : callable
        The matrix of a line of a patch, (patch, patch), by its length.
    shrinkage : Shrinkage or CorrelatedShrinkage
        Of the coefficients of a group.
    variances : sequence of GroupVariances, optional
        Of the noise in each plane, for a shrinkage of correlated noise.
    memory : GroupMemory and int, optional
        Where groups are remembered, and what the planes are called there.

    Returns
    -------
    torch.Tensor
        (C, H, W).
    """
    channels, height, width = noisy.shape
    size = stage.patch
    rows, columns = corners_shape(height, width, size)
    forward = constant(noisy, _analysis, transform, size)
    backward = constant(noisy, _synthesis, transform, size)
    window = constant(noisy, kaiser_window, size, stage.beta)
    factors = factors_of(kaiser_window, size, stage.beta)
    sums, weights = torch.zeros_like(noisy), torch.zeros_like(noisy)
    for strip in _strips(rows, columns, stage):
        across = slice(strip.first, strip.last + size - 1)
        if memory is None:
            matches = _matches(grouping, strip, stage, columns)
        else:
            matches = memory[0].matches(memory[1], grouping, strip, stage, columns)
        groups = list(groups_of_one_size(matches, grouping.limit))
        for channel in range(channels):
            average = PatchAverage(
                1,
                across.stop - across.start,
                width,
                size,
                noisy.device,
                window=window,
                factors=factors,
                synthesis=backward,
                dtype=noisy.dtype,
            )
            table = patch_coefficients(noisy[channel, across], forward)
            guide = None if pilot is None else patch_coefficients(pilot[channel, across], forward)
            for corners in groups:
                noise = None if variances is None else variances[channel].of_groups(corners, columns)
                _shrink_groups(table, guide, corners, shrinkage, average, noise)
            total, weight = average.totals()
            sums[channel, across] += total[0]
            weights[channel, across] += weight[0]
    return sums.div_(weights)


def _analysis(transform: Callable[[int], torch.Tensor], size: int) -> torch.Tensor:
    """From the pixels of a patch to its coefficients."""
    return of_patches(transform(size))


def _synthesis(transform: Callable[[int], torch.Tensor], size: int) -> torch.Tensor:
    """From coefficients, a patch in each row, to pixels."""
    return of_patches(torch.linalg.inv(transform(size))).T


@dataclass(frozen=True)
class _Strip:
    """Rows of reference patches, and the rows of patches that their search windows reach."""

    references: torch.Tensor
    first: int
    last: int


def _strips(rows: int, columns: int, stage: Stage) -> Iterator[_Strip]:
    """Strips of `rows` × `columns` patches, whose windows are those of the whole image."""
    reach = min(2 * stage.radius + 1, rows)
    share = max(4, (STRIP // columns - 2 * stage.radius) // stage.stride)
    for references in grid_steps(rows, stage.stride).split(share):
        first = min(max(int(references[0]) - stage.radius, 0), rows - reach)
        last = max(min(int(references[-1]) + stage.radius + 1, rows), reach)
        yield _Strip(references, first, last)


def _matches(grouping: Grouping, strip: _Strip, stage: Stage, columns: int) -> Matches:
    rows = pixel_rows(grouping.guide[:, strip.first : strip.last + stage.patch - 1], stage.patch)
    if grouping.features is not None:
        rows = grouping.features(rows)
    return match_blocks(
        rows,
        columns,
        stage.group,
        stride=stage.stride,
        radius=stage.radius,
        reference_rows=strip.references - strip.first,
        correction=grouping.excess,
    )


def groups_of_one_size(matches: Matches, limit: float | torch.Tensor) -> Iterator[torch.Tensor]:
    """Corners of groups of one size, (size, groups): the largest power of two of patches or cubes that match.

    `limit` is the largest distance, of all references or (references, 1).
    """
    found, device = (matches.distances <= limit).sum(dim=1), matches.corners.device
    chunk = CHUNK.get(device.type, LARGE_CHUNK)
    powers = matches.corners.shape[1].bit_length()
    reached = found >= 2 ** torch.arange(powers, device=device)[:, None]
    # Sorted by size, so that all that is read of them is how many there are of each.
    order = reached.sum(dim=0, dtype=torch.uint8).argsort(descending=True, stable=True)
    ends = [*reached.sum(dim=1).tolist(), 0]
    for power in reversed(range(powers)):
        size = 2**power
        for part in order[ends[power + 1] : ends[power]].split(max(1, chunk // size)):
            if len(part):
                yield matches.corners[part, :size].T.contiguous()


def _shrink_groups(
    table: torch.Tensor,
    guide: torch.Tensor | None,
    corners: torch.Tensor,
    shrinkage: Shrinkage | CorrelatedShrinkage,
    average: PatchAverage,
    noise: torch.Tensor | None = None,
) -> None:
    """Shrink the groups at `corners` (size, groups) and add them to `average`."""
    size = len(corners)
    haar = constant(table, haar_transform, size)
    index = corners.flatten()

    def transformed(rows: torch.Tensor) -> torch.Tensor:
        return (haar @ rows.index_select(0, index).view(size, -1)).view(*corners.shape, -1)

    pilot = None if guide is None else transformed(guide)
    groups = transformed(table)
    if isinstance(shrinkage, CorrelatedShrinkage):
        if noise is None:
            raise ValueError("the shrinkage of correlated noise needs its variances")
        shrunk, weights = shrinkage(groups, pilot, noise)
    else:
        shrunk, weights = shrinkage(groups, pilot)
    average.add((haar.T @ shrunk.view(size, -1)).view(*corners.shape, -1), corners, weights)
