"""Files of microscopes as stacks: LIF of Leica, and by the readers of bioio CZI of Zeiss and ND2 of Nikon."""

from __future__ import annotations

from pathlib import Path

from zeroshot.images.errors import ImageError
from zeroshot.images.extras import imported
from zeroshot.images.kinds import microscope_suffix
from zeroshot.images.leica import lif_stack
from zeroshot.images.scenes import chosen_scene
from zeroshot.images.stack import ArrayStack, Stack, StackMetadata

#: The readers of bioio by the suffix of a file.
READERS = {".czi": "bioio_czi", ".nd2": "bioio_nd2"}


def microscope_stack(path: Path, axes: str | None, scene: int | str | None = None) -> Stack:
    """A scene of a file, whose planes are read when they are asked for.

    Parameters
    ----------
    path : pathlib.Path
    axes : str or None
        Are refused: such a file says itself what its axes are.
    scene : int, str or None
        Which, by its number, from 1, or its name; by default the first.

    Raises
    ------
    ImageError
        In one line, where the reader is missing, or the file has no such scene.
    """
    if axes is not None:
        raise ImageError("says itself what its axes are")
    with path.open("rb") as file:
        suffix = microscope_suffix(file.read(16), path)
    if suffix == ".lif":
        return lif_stack(path, scene)
    what = f"a file of a microscope ({suffix})"
    reader = imported(READERS[str(suffix)], "microscopes", what).Reader
    image = imported("bioio", "microscopes", what).BioImage(path, reader=reader)
    names = [str(one) for one in image.scenes]
    number, remarks = chosen_scene(names, scene, "scene")
    image.set_scene(number)
    sizes = image.physical_pixel_sizes
    scale = {axis: getattr(sizes, axis) for axis in "ZYX" if getattr(sizes, axis)}
    metadata = StackMetadata(
        scale={axis: float(length) for axis, length in scale.items()},
        unit="µm",
        names=tuple(map(str, image.channel_names or ())),
    )
    stack = ArrayStack(image.dask_data, image.dims.order, path.absolute(), metadata)
    stack.scene = names[number] if len(names) > 1 else None
    stack.remarks = remarks
    return stack
