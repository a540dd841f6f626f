"""Files of microscopes, CZI of Zeiss, LIF of Leica and ND2 of Nikon: read as stacks by the readers of bioio."""

from __future__ import annotations

from pathlib import Path

from zeroshot.images.errors import ImageError
from zeroshot.images.extras import imported
from zeroshot.images.stack import ArrayStack, Stack, StackMetadata
from zeroshot.notes import note

#: The readers of bioio by the suffix of a file.
READERS = {".czi": "bioio_czi", ".lif": "bioio_lif", ".nd2": "bioio_nd2"}


def microscope_stack(path: Path, axes: str | None) -> Stack:
    """The first scene of a file, whose planes are read when they are asked for.

    Raises
    ------
    ImageError
        Where the reader is missing, or the axes are to be others: such a file says what they are.
    """
    if axes is not None:
        raise ImageError("says itself what its axes are")
    suffix = path.suffix.lower()
    reader = imported(READERS[suffix], "microscopes", f"a file of a microscope ({suffix})").Reader
    image = imported("bioio", "microscopes", f"a file of a microscope ({suffix})").BioImage(
        path, reader=reader
    )
    if len(image.scenes) > 1:
        note(f"{path}: holds {len(image.scenes)} scenes; the first, {image.scenes[0]}, is taken")
    sizes = image.physical_pixel_sizes
    scale = {axis: getattr(sizes, axis) for axis in "ZYX" if getattr(sizes, axis)}
    metadata = StackMetadata(
        scale={axis: float(length) for axis, length in scale.items()},
        unit="µm",
        names=tuple(map(str, image.channel_names or ())),
    )
    return ArrayStack(image.dask_data, image.dims.order, path.absolute(), metadata)
