"""Planes that are done in another order than they are written in wait in a temporary file, not in memory."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import BinaryIO, cast

import numpy as np

from zeroshot.images.stack import Index


def in_order(
    planes: Iterable[tuple[Index, np.ndarray]], indices: Iterable[Index], folder: Path
) -> Iterator[np.ndarray]:
    """The planes in the order of `indices`, each as soon as those before it are there.

    Parameters
    ----------
    planes : iterable of (tuple of int, numpy.ndarray)
        Their indices, and values of one shape and type.
    indices : iterable of tuple of int
        All of them.
    folder : Path
        Where the file lies in which planes wait. It has no name there, where the system lets it have none, and goes
        with this process; none is made where no plane has to wait.

    Raises
    ------
    OSError
        Where the file cannot be written.
    """
    arriving = iter(planes)
    places: dict[Index, int] = {}
    with ExitStack() as held:
        file: BinaryIO | None = None
        end = 0
        for wanted in indices:
            while wanted not in places:
                index, pixels = next(arriving)
                if index == wanted:
                    yield pixels
                    break
                if file is None:
                    file = cast(BinaryIO, held.enter_context(tempfile.TemporaryFile(dir=folder)))
                shape, dtype = pixels.shape, pixels.dtype
                end = end if places else 0  # once all have been taken the file is filled anew
                places[index], end = end, end + 1
                file.seek(places[index] * pixels.nbytes)
                file.write(np.ascontiguousarray(pixels).tobytes())
            else:
                assert file is not None
                size = int(np.prod(shape)) * dtype.itemsize
                file.seek(places.pop(wanted) * size)
                yield np.frombuffer(file.read(size), dtype).reshape(shape)
