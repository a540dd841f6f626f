"""Axes of stacks: a letter for each, such as "TZCYX", as OME, ImageJ and tifffile write them.

Y and X are the rows and columns of a plane. S are samples of one colour image, RGB with or without alpha, which belong
together; C are channels, such as the dyes of a microscope, each of which has a range and a noise of its own. All others
(T for time, Z for depth, P for position, …) only count planes.
"""

from __future__ import annotations

import string
from collections.abc import Sequence

from zeroshot.images.errors import ImageError
from zeroshot.spelling import Argument, Wording

#: How many samples of a colour image there may be.
SAMPLES = (3, 4)


def checked_axes(axes: str, shape: Sequence[int]) -> str:
    """The axes in capital letters, which fit an array of this shape.

    Raises
    ------
    ImageError
        In one line, where they do not.
    """
    named = Argument("axes")
    if not isinstance(axes, str) or not axes or set(axes.upper()) - set(string.ascii_uppercase):
        raise ImageError(named, f" must be a letter for each axis, such as 'TZCYX', got {axes!r}")
    letters = axes.upper()
    size = " × ".join(map(str, shape))
    if len(set(letters)) < len(letters):
        raise ImageError(named, f" must not name an axis twice, got {axes!r}")
    if len(letters) != len(shape):
        held = f"{len(letters)} axes, but the image has {len(shape)} ({size})"
        raise ImageError(named, f" {axes!r} names ", held)
    if not {"Y", "X"} <= set(letters):
        raise ImageError(named, f" must name Y and X, the rows and columns of a plane, got {axes!r}")
    lengths = dict(zip(letters, shape, strict=True))
    if 0 in shape:
        raise ImageError(f"the image has no pixels ({size})")
    if "S" in lengths and lengths["S"] not in SAMPLES:
        advice = Wording(
            "; channels that do not belong together are C", "; --axes with C for S takes each alone"
        )
        raise ImageError(named, f" {axes!r}: S are the samples of RGB or RGBA, not {lengths['S']}", advice)
    return letters


def canonical(axes: str) -> str:
    """The same axes with those of a plane last: all others as they come, then Y, X and S."""
    return "".join(one for one in axes if one not in "YXS") + "YX" + ("S" if "S" in axes else "")
