"""Results that are too large to be held: tiles are written to the output file as they are done."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from tqdm import tqdm

from zeroshot import images
from zeroshot.deadline import deadline_of_call, kept
from zeroshot.images.kinds import SUFFIXES
from zeroshot.images.row_writing import BY_ROWS, save_rows
from zeroshot.images.value_range import say_range
from zeroshot.images.writing import depth_to_write
from zeroshot.memory import made_in_parts
from zeroshot.operators import Identity
from zeroshot.request import Posed, Request
from zeroshot.solve import resolve_device
from zeroshot.tasks import make_problem, task_named
from zeroshot.tasks.ranging import on_working_range
from zeroshot.terminal import is_terminal
from zeroshot.tiling.bands import bands, without_whole
from zeroshot.tiling.planning import LARGEST, Tiling
from zeroshot.tiling.tiles import Tiles
from zeroshot.watch import Watch

#: Copies of an image that a run in tiles, its result and its file take together.
_COPIES = 12


@dataclass(frozen=True)
class Streamed:
    """What was written.

    Attributes
    ----------
    shape : tuple of int
        (H, W) or (H, W, 3) of the file.
    tiles : int
        How many tiles it is made of.
    seconds : float
        How long it took.
    """

    shape: tuple[int, ...]
    tiles: int
    seconds: float


def is_to_be_streamed(source: Path, output: Path, scale: int) -> bool:
    """Whether the result, `scale` times as large as the picture in `source`, is too large to be held.

    That is so beyond 45 megapixels in colour. Only PNG and TIFF can be written by rows, and pictures with transparency
    are not.
    """
    if SUFFIXES.get(output.suffix.lower()) not in BY_ROWS:
        return False
    try:
        with Image.open(source) as header:  # nothing is decoded
            (width, height), mode = header.size, header.mode
            is_opaque = "A" not in mode and mode != "P" and "transparency" not in header.info
    except (OSError, ValueError, Image.DecompressionBombError):
        return False  # the reader tells what is wrong with it
    channels = 1 if mode in ("1", "L") or mode[0] in "IF" else 3
    return is_opaque and _COPIES * 4 * channels * width * height * scale**2 > LARGEST


def restore_to_file(
    image: str | Path,
    task: str,
    path: str | Path,
    prior: str | None = None,
    *,
    settings: dict[str, Any] | None = None,
    seconds: float | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    value_range: tuple[float, float] | None = None,
    tile: int | str | None = "auto",
    overlap: int | str = "auto",
    overwrite: bool = False,
    progress: bool | None = None,
    **options: Any,
) -> Streamed:
    """Restore a picture in tiles, and write them to a PNG or TIFF file from top to bottom.

    A row of tiles is held, and no more of the result. The file appears under its name when it is complete; a run that
    is interrupted leaves nothing, and cannot be resumed. Where the time is up, tiles that are left are those of the
    first estimate.

    Parameters
    ----------
    image : path
        The damaged picture, without transparency.
    task, prior, settings, seconds, seed, device, value_range, tile, overlap, progress, **options
        As for :func:`zeroshot.solve`; there are always tiles.
    path : path
        With the suffix .png, .tif or .tiff.
    overwrite : bool
        Whether an existing file may be replaced.

    Raises
    ------
    ValueError, TypeError, OSError
        In one line, before any work, where something does not fit; OSError as well where the file cannot be written.
    """
    began = time.monotonic()
    task = task_named(task).name
    images.check_output(path, overwrite=overwrite, source=Path(image))
    tiling = Tiling(tile, overlap, streamed=True)
    request = Request(task, prior, settings, None, seconds, seed, resolve_device(device), Watch(), tiling)
    with kept(deadline_of_call(seconds, began)):
        loaded = images.load(image, value_range=value_range)
        if loaded.alpha is not None:
            raise ValueError(f"{image}: a picture with transparency cannot be written tile by tile")
        picture = on_working_range(loaded, task_named(task), options)
        say_range(picture)
        with made_in_parts():
            problem, inner, told = make_problem(task, picture, options)
        if (
            problem.constraint is not None
            or problem.frame is not None
            or isinstance(problem.operator, Identity)
        ):
            raise ValueError(f"task {task!r} cannot be written tile by tile")
        posed = request.posed(picture, without_whole(problem), inner, told)
        return _written(posed, Path(path), overwrite, progress, began)


def _written(posed: Posed, path: Path, overwrite: bool, progress: bool | None, began: float) -> Streamed:
    tiles, problem = posed.prior, posed.problem
    assert isinstance(tiles, Tiles)
    _, channels, height, width = problem.reference_shape
    shape = (height, width) if channels == 1 else (height, width, channels)
    given = posed.picture.colours.shape[-2:]
    metadata = posed.picture.form.metadata.enlarged(width / given[1], height / given[0])
    form = replace(posed.picture.form, metadata=metadata)
    dtype, values = depth_to_write(form, SUFFIXES[path.suffix.lower()])
    count = 0
    hidden = progress is False or (progress is None and not is_terminal(sys.stderr))

    with tqdm(desc=posed.request.task, unit="tile", disable=hidden, leave=False) as bar:

        def done(number: int, of: int) -> None:
            nonlocal count
            count = of
            bar.total = of
            bar.update(number - bar.n)

        def rows() -> Iterator[np.ndarray]:
            generator = torch.Generator().manual_seed(posed.request.seed)
            for band in bands(tiles, problem, generator, posed.request.device, done):
                part = replace(posed.picture, colours=band, alpha=None, samples=None, form=form)
                yield part.pixels(dtype, values)

        provenance = posed.provenance() | {"streamed": True, "seconds_allowed": posed.request.seconds}
        save_rows(rows(), shape, form, path, overwrite=overwrite, provenance=provenance)
    return Streamed(shape, count, time.monotonic() - began)
