"""How much work is put into a volume: cubes, groups and windows of either pass, by profile and depth."""

from __future__ import annotations

from dataclasses import dataclass, replace

from zeroshot.patches.cubes import Triple
from zeroshot.priors.self_similarity.bm3d.profiles import Profile, stages


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
    difference: float
    beta: float = 2.0

    def fitted(self, volume: Triple) -> VolumeStage:
        """The same with cubes that fit into the volume and leave no gap."""
        cube = _least(self.cube, volume)
        return replace(self, cube=cube, stride=_least(self.stride, cube))


def volume_stages(profile: Profile, sigma: float, depth: int) -> tuple[VolumeStage, VolumeStage]:
    """The stages of hard thresholding and of Wiener filtering.

    Parameters
    ----------
    profile : {"fast", "normal", "high"}
    sigma : float
        Noise level, on the scale from 0 to 1.
    depth : int
        Planes of the volume.
    """
    if depth < len(_THIN):
        cube, radius = _THIN[depth]
        # Of a single plane it is what is done with an image.
        flat = stages(profile, sigma)
        first, second = (
            VolumeStage(cube, (1, one.stride, one.stride), one.group, radius, one.difference, one.beta)
            for one in flat
        )
        return first, second
    return _PROFILES[profile]


def _least(one: Triple, other: Triple) -> Triple:
    planes, rows, columns = (min(pair) for pair in zip(one, other, strict=True))
    return planes, rows, columns


#: Sides of cubes and radii of the search of volumes of so few planes.
_THIN: tuple[tuple[Triple, Triple], ...] = (
    ((1, 8, 8), (0, 19, 19)),
    ((1, 8, 8), (0, 19, 19)),
    ((2, 6, 6), (1, 11, 11)),
    ((3, 5, 5), (2, 8, 8)),
)

_PROFILES: dict[Profile, tuple[VolumeStage, VolumeStage]] = {
    "fast": (
        VolumeStage((4, 4, 4), (3, 3, 3), 16, (4, 4, 4), 3000),
        VolumeStage((4, 4, 4), (3, 3, 3), 16, (4, 4, 4), 3000),
    ),
    "normal": (
        VolumeStage((4, 4, 4), (3, 3, 3), 16, (5, 5, 5), 3000),
        VolumeStage((4, 4, 4), (3, 3, 3), 32, (5, 5, 5), 3000),
    ),
    "high": (
        VolumeStage((4, 4, 4), (2, 2, 2), 16, (5, 5, 5), 3000),
        VolumeStage((4, 4, 4), (2, 2, 2), 32, (5, 5, 5), 3000),
    ),
}
