"""Files of microscopes as stacks: CZI of Zeiss, LIF of Leica and ND2 of Nikon, each by a reader of its own."""

from __future__ import annotations

from pathlib import Path

from zeroshot.images.errors import ImageError
from zeroshot.images.kinds import microscope_suffix
from zeroshot.images.leica import lif_stack
from zeroshot.images.nikon import nd2_stack
from zeroshot.images.stack import Stack
from zeroshot.images.zeiss import czi_stack

READERS = {".czi": czi_stack, ".lif": lif_stack, ".nd2": nd2_stack}


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
        suffix = microscope_suffix(file.read(16)) or path.suffix.lower()
    return READERS[suffix](path, scene)
