"""The line, the disk and the Gaussian under which the spectrum of a picture is the most probable."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import torch

from zeroshot.kernels.edge_widths import gaussian_of
from zeroshot.kernels.power_law import PowerLaw
from zeroshot.kernels.shapes import ALLOWED, Shape, disk_shape, line_shape
from zeroshot.operators import kernels

#: From one width or radius to the next, and from one length to the next, whose zeros are narrow.
_FACTOR, _FACTOR_OF_LENGTHS = 1.22, 1.1
#: The shortest line, and the longest as a share of the shorter side.
_SHORTEST, _LONGEST_SHARE = 2.5, 0.28
#: Lines at so many angles for each pixel of their length, at least and at most.
_ANGLES, _FEWEST_ANGLES, _MOST_ANGLES = 1.6, 6, 24
_SMALLEST_RADIUS, _LARGEST_RADIUS = 1.0, 18.0
_NARROWEST, _WIDEST = 0.5, 6.0
#: Of Gaussians that are not round: the narrower width as a share of the wider one.
_RATIOS, _TURNS = (0.3, 0.6), 8
#: The first steps of the search around the best of each kind, relative and in degrees, and in how many rounds they are
#: taken or halved.
_STEP, _TURN, _ROUNDS = 0.12, 6.0, 6
#: Axes of a Gaussian that differ by less than this factor are taken for equal.
_ROUND = 1.25


@dataclass(frozen=True, eq=False)
class _Family:
    """Kernels of a few parameters: their transfer function at some waves, and where the search begins."""

    kind: str
    transfer: Callable[..., torch.Tensor]
    begin: Sequence[tuple[float, ...]]
    is_angle: tuple[bool, ...]


def probable_shapes(law: PowerLaw, choice: str | None = None) -> list[Shape]:
    """Of every kind the most probable one: see :meth:`PowerLaw.losses`.

    Parameters
    ----------
    law : PowerLaw
        Of the picture.
    choice : {"motion", "lens"} or None
        Which kinds are allowed; None: all.

    Returns
    -------
    list of Shape
        The Gaussian, of the kind "gaussian" where it is round and else "free", the disk and the line.
    """
    allowed = ("gaussian", "defocus", "motion") if choice is None else ALLOWED[choice]
    return [
        _shape(family.kind, _most_probable(law, family))
        for family in _families(law)
        if family.kind in allowed
    ]


def _families(law: PowerLaw) -> Iterator[_Family]:
    side = min(law.shape)
    widths = list(_geometric(_NARROWEST, min(_WIDEST, side / 16)))
    gaussians = [(width, width, 0.0) for width in widths]
    gaussians += [
        (width, ratio * width, turn * 180.0 / _TURNS)
        for width in widths[3::2]
        for ratio in _RATIOS
        for turn in range(_TURNS)
    ]
    yield _Family("gaussian", law.gaussian, gaussians, (False, False, True))
    radii = _geometric(_SMALLEST_RADIUS, min(_LARGEST_RADIUS, side / 8))
    yield _Family("defocus", law.disk, [(radius,) for radius in radii], (False,))
    lines = []
    for length in _geometric(_SHORTEST, _LONGEST_SHARE * side, _FACTOR_OF_LENGTHS):
        count = round(min(max(_ANGLES * length, _FEWEST_ANGLES), _MOST_ANGLES))
        lines += [(length, turn * 180.0 / count) for turn in range(count)]
    yield _Family("motion", law.line, lines, (False, True))


def _geometric(first: float, last: float, factor: float = _FACTOR) -> Iterator[float]:
    while first <= last:
        yield first
        first *= factor


def _most_probable(law: PowerLaw, family: _Family) -> tuple[float, ...]:
    """The best of those that the search begins with, and then of its neighbours, closer and closer."""

    def losses(points: Sequence[tuple[float, ...]], which: torch.Tensor) -> torch.Tensor:
        return law.losses(torch.stack([family.transfer(*point, which) for point in points]), which)

    best = family.begin[int(losses(family.begin, law.few).argmin())]
    steps = [_TURN if angle else _STEP * value for value, angle in zip(best, family.is_angle, strict=True)]
    for _ in range(_ROUNDS):
        points = [best]
        for index, step in enumerate(steps):
            for moved in (best[index] - step, best[index] + step):
                if family.is_angle[index] or moved > 0:
                    points.append((*best[:index], moved, *best[index + 1 :]))
        following = points[int(losses(points, law.all).argmin())]
        if following == best:
            steps = [step / 2 for step in steps]
        best = following
    return best


def _shape(kind: str, parameters: tuple[float, ...]) -> Shape:
    if kind == "motion":
        return line_shape(*parameters)
    if kind == "defocus":
        return disk_shape(*parameters)
    along, across, angle = parameters
    turn = math.radians(angle)
    # Rows are counted downwards and come first.
    axes = np.array([[-math.sin(turn), math.cos(turn)], [math.cos(turn), math.sin(turn)]])
    return gaussian_shape((axes * np.square([along, across])) @ axes.T)


def gaussian_shape(covariance: np.ndarray) -> Shape:
    """The Gaussian of a covariance (2, 2), rows first, round where it is nearly so, and else of the kind "free"."""
    smallest, largest = np.sqrt(np.linalg.eigvalsh(covariance))
    if largest < _ROUND * smallest:
        sigma = round(math.sqrt(float(np.trace(covariance)) / 2), 2)
        weights = kernels.gaussian(sigma)
        return Shape(np.outer(weights, weights), "gaussian", {"gaussian": sigma}, covariance)
    return Shape(gaussian_of(covariance), "free", covariance=covariance)
