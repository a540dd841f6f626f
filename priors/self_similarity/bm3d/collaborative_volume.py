"""Collaborative filtering of volumes, see :mod:`~zeroshot.priors.self_similarity.bm3d.collaborative`.

A volume is worked on in blocks of reference cubes and what their searches reach. A table of the coefficients of all
cubes in it takes at most about 64 MiB; at a time there are a table of noisy cubes, one of the pilot, one of sums and a
temporary one, or those of the matching.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import product

import torch

from zeroshot.constants import constant
from zeroshot.patches.blocks import grid_steps
from zeroshot.patches.cube_matching import match_cubes
from zeroshot.patches.cubes import CubeAverage, Triple, cube_corners_shape, voxel_rows
from zeroshot.priors.self_similarity.bm3d.collaborative import groups_of_one_size
from zeroshot.priors.self_similarity.bm3d.shrinkage import CorrelatedShrinkage
from zeroshot.priors.self_similarity.bm3d.transforms import haar_transform
from zeroshot.priors.self_similarity.bm3d.volume_profiles import VolumeStage

#: Coefficients of all cubes that are cut out at a time.
BLOCK = 2**24


@dataclass(frozen=True)
class CubeTransform:
    """The transform of a cube, whose inverse need not be its transpose.

    Attributes
    ----------
    forward : torch.Tensor
        (n, n), an analysis function in each row.
    backward : torch.Tensor
        (n, n), takes rows of coefficients to voxels.
    window : torch.Tensor
        The weights of the voxels within a cube, of its shape.
    """

    forward: torch.Tensor
    backward: torch.Tensor
    window: torch.Tensor

    @classmethod
    def separable(cls, lines: Sequence[torch.Tensor], beta: float, like: torch.Tensor) -> CubeTransform:
        """The three `lines` along planes, rows and columns, and a Kaiser window of shape `beta`."""
        forward = torch.kron(torch.kron(lines[0], lines[1]), lines[2])
        sides = [
            torch.kaiser_window(len(line), periodic=False, beta=beta, dtype=torch.float64) for line in lines
        ]
        window = sides[0][:, None, None] * sides[1][:, None] * sides[2]
        return cls(forward.to(like), torch.linalg.inv(forward).T.to(like), window)


def filter_channels(
    noisy: torch.Tensor,
    pilot: torch.Tensor | None,
    stage: VolumeStage,
    transform: CubeTransform,
    shrinkage: CorrelatedShrinkage,
    variance: torch.Tensor,
    limit: float,
) -> torch.Tensor:
    """Weighted average of the shrunk groups of cubes around every reference cube.

    Parameters
    ----------
    noisy : torch.Tensor
        (C, D, H, W).
    pilot : torch.Tensor or None
        Of the same shape, for the shrinkage to be guided by. Groups are found in the first channel, of the pilot
        where there is one.
    stage : VolumeStage
        Sizes of cubes, groups and windows.
    transform : CubeTransform
        Of a cube.
    shrinkage : CorrelatedShrinkage
        Of the coefficients of a group.
    variance : torch.Tensor
        Of the noise, (D, H, W), or (1, 1, 1) where it is the same everywhere.
    limit : float
        The largest mean squared difference of cubes in a group, that of the noise taken off.

    Returns
    -------
    torch.Tensor
        (C, D, H, W).
    """
    shape: Triple = (noisy.shape[1], noisy.shape[2], noisy.shape[3])
    guide = noisy[0] if pilot is None else pilot[0]
    sums, weights = torch.zeros_like(noisy), torch.zeros_like(noisy)
    for block in _blocks(cube_corners_shape(shape, stage.cube), stage):
        where = block.voxels(stage.cube)
        noise = variance.flatten()
        if len(noise) > 1:
            noise = voxel_rows(variance[where], stage.cube).mean(dim=1)
        # A pilot has no noise by which its cubes would differ.
        groups = _groups_of_block(guide[where], block, stage, limit, noise if pilot is None else None)
        for channel in range(len(noisy)):
            guided = None if pilot is None else pilot[channel][where]
            total, weight = _filter_block(noisy[channel][where], guided, groups, transform, shrinkage, noise)
            sums[channel][where] += total
            weights[channel][where] += weight
    return sums.div_(weights)


def _groups_of_block(
    guide: torch.Tensor, block: _Block, stage: VolumeStage, limit: float, noise: torch.Tensor | None
) -> list[torch.Tensor]:
    """Corners of the groups of a block, (size, groups) in each; `noise` is the variance, of all or by corner."""
    rows = voxel_rows(guide, stage.cube)
    matches = match_cubes(
        rows, block.corners, stage.group, stage.stride, stage.radius, block.inner_references
    )
    allowed = torch.tensor(limit).to(guide)
    if noise is not None:
        allowed = allowed + 2 * (noise if len(noise) == 1 else noise[matches.corners[:, 0]])[:, None]
    return list(groups_of_one_size(matches, allowed))


def _filter_block(
    noisy: torch.Tensor,
    pilot: torch.Tensor | None,
    groups: list[torch.Tensor],
    transform: CubeTransform,
    shrinkage: CorrelatedShrinkage,
    noise: torch.Tensor,
) -> tuple[torch.Tensor, torch.Tensor]:
    """The sums of the weighted cubes of all groups and those of the weights, (D, H, W)."""
    shape: Triple = (noisy.shape[0], noisy.shape[1], noisy.shape[2])
    size: Triple = (transform.window.shape[0], transform.window.shape[1], transform.window.shape[2])
    table = voxel_rows(noisy, size) @ transform.forward.T
    pilots = None if pilot is None else voxel_rows(pilot, size) @ transform.forward.T
    average = CubeAverage(shape, transform.window, transform.backward, noisy)
    for corners in groups:
        _shrink_groups(table, pilots, corners, shrinkage, average, noise)
    return average.totals()


@dataclass(frozen=True)
class _Block:
    """Reference cubes along each axis, and the corners that their search windows reach."""

    references: tuple[torch.Tensor, torch.Tensor, torch.Tensor]
    first: Triple
    last: Triple

    @property
    def corners(self) -> Triple:
        planes, rows, columns = (end - begin for begin, end in zip(self.first, self.last, strict=True))
        return planes, rows, columns

    @property
    def inner_references(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        planes, rows, columns = (
            places - begin for places, begin in zip(self.references, self.first, strict=True)
        )
        return planes, rows, columns

    def voxels(self, cube: Triple) -> tuple[slice, slice, slice]:
        planes, rows, columns = (
            slice(begin, end + side - 1) for begin, end, side in zip(self.first, self.last, cube, strict=True)
        )
        return planes, rows, columns


def _blocks(corners: Triple, stage: VolumeStage) -> Iterator[_Block]:
    """Blocks of reference cubes whose windows are those of the whole volume."""
    steps = [grid_steps(count, stride) for count, stride in zip(corners, stage.stride, strict=True)]
    shares = [len(one) for one in steps]

    def reach(axis: int) -> int:
        return min(shares[axis] * stage.stride[axis] + 2 * stage.radius[axis], corners[axis])

    while math.prod(map(reach, range(3))) * math.prod(stage.cube) > BLOCK:
        # Halving the axis of most references adds the fewest cubes that are cut out more than once.
        longest = max(range(3), key=lambda axis: shares[axis])
        if shares[longest] <= 4:
            break
        shares[longest] = (shares[longest] + 1) // 2
    parts = [one.split(share) for one, share in zip(steps, shares, strict=True)]
    for places in product(*parts):
        bounds = [_bounds(places[axis], corners[axis], stage.radius[axis]) for axis in range(3)]
        yield _Block(
            (places[0], places[1], places[2]),
            (bounds[0][0], bounds[1][0], bounds[2][0]),
            (bounds[0][1], bounds[1][1], bounds[2][1]),
        )


def _bounds(references: torch.Tensor, count: int, radius: int) -> tuple[int, int]:
    """The corners from first to last that the windows of references along an axis reach."""
    window = min(2 * radius + 1, count)
    first = min(max(int(references[0]) - radius, 0), count - window)
    return first, max(min(int(references[-1]) + radius + 1, count), window)


def _shrink_groups(
    table: torch.Tensor,
    pilots: torch.Tensor | None,
    corners: torch.Tensor,
    shrinkage: CorrelatedShrinkage,
    average: CubeAverage,
    noise: torch.Tensor,
) -> None:
    """Shrink the groups at `corners` (size, groups) and add them to `average`.

    `noise` is the variance by corner, or of all of them.
    """
    size = len(corners)
    haar = constant(table, haar_transform, size)
    index = corners.flatten()

    def transformed(rows: torch.Tensor) -> torch.Tensor:
        return (haar @ rows.index_select(0, index).view(size, -1)).view(*corners.shape, -1)

    pilot = None if pilots is None else transformed(pilots)
    variances = noise[None, None] if len(noise) == 1 else (haar.square() @ noise[corners])[..., None]
    shrunk, weights = shrinkage(transformed(table), pilot, variances)
    average.add((haar.T @ shrunk.view(size, -1)).view(*corners.shape, -1), corners, weights)
