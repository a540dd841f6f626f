"""ND2, the files of Nikon's microscopes: a position as a stack, whose planes nd2 reads when they are asked for."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from zeroshot.images.extras import imported
from zeroshot.images.scenes import chosen_scene
from zeroshot.images.stack import ArrayStack, Stack, StackMetadata

_POSITIONS = "P"
_MILLISECONDS = 1e3  # in a second


def nd2_stack(path: Path, scene: int | str | None) -> Stack:
    """A position of a file.

    Parameters
    ----------
    path : pathlib.Path
    scene : int, str or None
        Which, by its number, from 1, or its name; by default the first.

    Raises
    ------
    ImageError
        In one line, where nd2 is missing, or there is no such position.
    """
    nd2 = imported("nd2", "microscopes", "a microscope file (.nd2)")
    with nd2.ND2File(path) as opened:
        array = opened.to_dask()  # which opens the file again when a plane is read
        axes = "".join(opened.sizes)
        names = _names_of_positions(opened)
        number, remarks = chosen_scene(names, scene, "position")
        if _POSITIONS in axes:
            array = array[(slice(None),) * axes.index(_POSITIONS) + (number,)]
            axes = axes.replace(_POSITIONS, "")
        metadata = _metadata(opened)
    stack = ArrayStack(array, axes, path.absolute(), metadata)
    stack.scene = names[number] if len(names) > 1 else None
    stack.remarks = remarks
    return stack


def _names_of_positions(opened: Any) -> list[str]:
    """What the user called the positions; numbers, from 1, where that does not tell them apart."""
    count = opened.sizes.get(_POSITIONS, 1)
    loops = [one for one in opened.experiment if one.type == "XYPosLoop"]
    names = [one.name or "" for one in loops[0].parameters.points] if len(loops) == 1 else []
    is_told = len(names) == count and all(names) and len(set(names)) == count
    return names if is_told else [str(number + 1) for number in range(count)]


def _metadata(opened: Any) -> StackMetadata:
    voxel = opened.voxel_size()
    scale = {axis: float(length) for axis, length in zip("XYZ", voxel, strict=True) if length and length > 0}
    steps = [one.parameters.periodMs for one in opened.experiment if one.type == "TimeLoop"]
    if len(steps) == 1 and steps[0] > 0:
        scale["T"] = steps[0] / _MILLISECONDS
    channels = [one.channel for one in getattr(opened.metadata, "channels", None) or ()]
    names = tuple(one.name or "" for one in channels)
    told = [getattr(one, "color", None) for one in channels]
    colours = tuple("" if one is None else f"{one.r:02X}{one.g:02X}{one.b:02X}" for one in told)
    return StackMetadata(
        scale=scale,
        unit="µm",
        time_unit="s" if "T" in scale else None,
        names=names if all(names) else (),
        colours=colours if all(colours) else (),
    )
