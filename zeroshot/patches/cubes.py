"""Cutting cubes out of a volume and averaging cubes back into one.

Cubes are what patches are in an image, and need not have equal sides. A cube is named by its first corner, as a flat
index into the (D − d + 1) × (H − h + 1) × (W − w + 1) grid of corners at which a d × h × w cube fits into the volume.
"""

from __future__ import annotations

import math

import torch

#: Planes, rows and columns.
Triple = tuple[int, int, int]


def cube_corners_shape(volume: Triple, size: Triple) -> Triple:
    """The planes, rows and columns of corners at which a cube fits into the volume.

    Raises
    ------
    ValueError
        Where the volume is smaller than a cube.
    """
    if any(side > length for side, length in zip(size, volume, strict=True)):
        shapes = (" × ".join(map(str, sides)) for sides in (volume, size))
        raise ValueError("the volume ({}) is smaller than a cube of {}".format(*shapes))
    planes, rows, columns = (length - side + 1 for side, length in zip(size, volume, strict=True))
    return planes, rows, columns


def voxel_rows(volume: torch.Tensor, size: Triple) -> torch.Tensor:
    """Every cube of a volume (D, H, W) as a row, (corners, d · h · w), in the order of the corners; a copy."""
    windows = volume
    for axis, side in enumerate(size):
        windows = windows.unfold(axis, side, 1)
    return windows.reshape(-1, math.prod(size))


def overlap_add_cubes(
    places: torch.Tensor, volume: Triple, size: Triple, window: torch.Tensor | None = None
) -> torch.Tensor:
    """The sum of overlapping cubes, the adjoint of cutting all of them out.

    Parameters
    ----------
    places : torch.Tensor
        (d · h · w, corners): for each place within a cube, its values by corner.
    volume, size : tuple of int
        Sides of the volume and of a cube.
    window : torch.Tensor, optional
        Weights of the places within a cube, of the shape `size`; 1 by default.

    Returns
    -------
    torch.Tensor
        (D, H, W).
    """
    planes, rows, columns = cube_corners_shape(volume, size)
    values = places.unflatten(1, (planes, rows, columns)).unflatten(0, size)
    total = places.new_zeros(volume)
    for deep in range(size[0]):
        for down in range(size[1]):
            for along in range(size[2]):
                part = total[deep : deep + planes, down : down + rows, along : along + columns]
                if window is None:
                    part.add_(values[deep, down, along])
                else:
                    part.add_(values[deep, down, along], alpha=float(window[deep, down, along]))
    return total


class CubeAverage:
    """Weighted average of overlapping cubes: Σ w Rᵀ(u · cube) / Σ w Rᵀ(u), R cutting the cube out.

    Cubes are added as rows of coefficients. Their sum is kept by corner, and taken to voxels once.

    Parameters
    ----------
    volume : tuple of int
        Sides of the volume.
    window : torch.Tensor
        u, the weights of the voxels within a cube, of the shape of a cube.
    synthesis : torch.Tensor
        (n, n) for cubes of n voxels: takes rows of coefficients to voxels.
    like : torch.Tensor
        A tensor of the type and on the device of the cubes.
    """

    def __init__(
        self, volume: Triple, window: torch.Tensor, synthesis: torch.Tensor, like: torch.Tensor
    ) -> None:
        self._volume, self._window, self._synthesis = volume, window.cpu(), synthesis
        self._size: Triple = (window.shape[0], window.shape[1], window.shape[2])
        corners = math.prod(cube_corners_shape(volume, self._size))
        self._sums = like.new_zeros(corners, len(synthesis))
        self._weights = like.new_zeros(corners)

    def add(self, rows: torch.Tensor, corners: torch.Tensor, weights: torch.Tensor) -> None:
        """Add cubes, rows of coefficients (…, n), at flat `corners` (…), with `weights` that broadcast to (…)."""
        spread = weights.expand(corners.shape).reshape(-1)
        corners = corners.reshape(-1)
        self._sums.index_add_(0, corners, rows.reshape(len(corners), -1) * spread[:, None])
        self._weights.index_add_(0, corners, spread)

    def totals(self) -> tuple[torch.Tensor, torch.Tensor]:
        """The sums Σ w Rᵀ(u · cube) and Σ w Rᵀ(u), both (D, H, W): what adds up over parts of a volume."""
        sums = overlap_add_cubes(self._synthesis.T @ self._sums.T, self._volume, self._size, self._window)
        places = self._weights.expand(math.prod(self._size), -1)
        return sums, overlap_add_cubes(places, self._volume, self._size, self._window)
