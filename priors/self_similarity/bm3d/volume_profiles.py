"""How much work is put into a volume: cubes, groups and windows of either pass, by profile, noise level and depth."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

from zeroshot.patches.cubes import Triple
from zeroshot.priors.self_similarity.bm3d.profiles import Profile, stages

#: Above this noise level (of 255) the cubes of the second pass are larger.
STRONG_NOISE = 35
LARGE_CUBE: Triple = (3, 6, 6)


@dataclass(frozen=True)
class VolumeStage:
    """What one pass works on; sides, strides and radii are those along planes, rows and columns.

    Attributes
    ----------
    cube : tuple of int
        Sides of a cube.
    stride : tuple of int
        Distance between reference cubes.
    group : int
        The most cubes in a group, a power of two.
    radius : tuple of int
        The search window reaches so far to each side.
    difference : float
        Cubes match where their mean squared difference, that of the noise taken off, is at most this; on the scale
        from 0 to 255.
    beta : float
        Shape of the Kaiser window that weights the voxels of a cube.
    """

    cube: Triple
    stride: Triple
    group: int
    radius: Triple
    difference: float = 3000
    beta: float = 2.0

    def fitted(self, volume: Triple) -> VolumeStage:
        """The same with cubes that fit into the volume and leave no gap."""
        cube = _least(self.cube, volume)
        return replace(self, cube=cube, stride=_least(self.stride, cube))


def volume_stages(profile: Profile, sigma: float, depth: int) -> tuple[VolumeStage, VolumeStage]:
    """The stages of hard thresholding and of Wiener filtering.

    Cubes of two planes that are wider than deep are better than the paper's of 4 × 4 × 4, also where planes lie no
    further apart than pixels, and cosines better than its wavelets (see ``benchmarks/volume_filters.py``). A single
    plane is worked on as an image is.

    Parameters
    ----------
    profile : {"fast", "normal", "high"}
    sigma : float
        Noise level, on the scale from 0 to 1.
    depth : int
        Planes of the volume.
    """
    if depth == 1:
        hard, wiener = (
            VolumeStage(
                (1, one.patch, one.patch),
                (1, one.stride, one.stride),
                one.group,
                (0, one.radius, one.radius),
                one.difference,
                one.beta,
            )
            for one in stages(profile, sigma)
        )
        return hard, wiener
    hard, wiener = _PROFILES[profile]
    if 255 * sigma > STRONG_NOISE:
        wiener = replace(wiener, cube=LARGE_CUBE)
    return _widened(hard, depth), _widened(wiener, depth)


def _widened(stage: VolumeStage, depth: int) -> VolumeStage:
    """The same with a window that is the wider the fewer planes there are: of about as many cubes."""
    window = 2 * stage.radius[0] + 1
    planes = max(1, min(window, depth - stage.cube[0] + 1))
    across = math.isqrt(window**3 // planes) // 2
    return replace(stage, radius=(stage.radius[0], across, across))


def _least(one: Triple, other: Triple) -> Triple:
    planes, rows, columns = (min(pair) for pair in zip(one, other, strict=True))
    return planes, rows, columns


_PROFILES: dict[Profile, tuple[VolumeStage, VolumeStage]] = {
    "fast": (
        VolumeStage((2, 6, 6), (2, 4, 4), 16, (4, 4, 4)),
        VolumeStage((2, 5, 5), (2, 4, 4), 16, (4, 4, 4)),
    ),
    "normal": (
        VolumeStage((2, 6, 6), (2, 3, 3), 16, (5, 5, 5)),
        VolumeStage((2, 5, 5), (2, 3, 3), 32, (5, 5, 5)),
    ),
    "high": (
        VolumeStage((2, 6, 6), (1, 3, 3), 16, (5, 5, 5)),
        VolumeStage((2, 5, 5), (1, 3, 3), 32, (5, 5, 5)),
    ),
}
