"""From a picture that was a JPEG to a problem: its coefficients, their boxes, and how far off they are."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zeroshot.compression.coefficients import JpegCoefficients, read_coefficients
from zeroshot.compression.header import SUBSAMPLINGS
from zeroshot.compression.pixels import coefficients_of_pixels
from zeroshot.compression.rounding import rounding_error
from zeroshot.compression.tables import tables_of_quality
from zeroshot.compression.traces import traces_of
from zeroshot.images import Picture
from zeroshot.images.kinds import read_bytes
from zeroshot.operators import Identity, JpegCompression, JpegTransform, Operator
from zeroshot.problem import Problem
from zeroshot.quantisation import UNIFORM, JpegBoxes, Quantised
from zeroshot.spelling import Argument, OptionError
from zeroshot.tasks.ranging import level_of
from zeroshot.tasks.task import Options

#: Steps are told by 16 bits.
_LARGEST_STEP = 65535
_TELL_QUALITY = "; where its quality is known, give ", Argument("quality", ...)


def posed_jpeg(
    task: str, picture: Picture, compression: JpegCompression, inner: Operator, options: Options
) -> Problem:
    """The problem of finding x where the coefficients of A x lie in the boxes of a JPEG.

    Parameters
    ----------
    task : str
        What the problem is called.
    picture : Picture
        The decoded picture; of a JPEG file the coefficients are read from the file itself.
    compression : JpegCompression
        Its quality and subsampling, or "auto".
    inner : Operator
        A, what was done to the picture before.
    options : dict
        With "sigma", the noise that was there before the compression, and maybe "jpeg_tables".

    Raises
    ------
    ValueError
        In one line, where the image tells no tables and none are given, or they do not fit it.
    """
    colours = picture.colours
    if colours.shape[0] != 1:
        raise ValueError(f"a JPEG is one picture, got a batch of {colours.shape[0]}")
    coefficients = _coefficients(picture, compression, options.get("jpeg_tables"))
    transform = JpegTransform(
        coefficients.height,
        coefficients.width,
        coefficients.sampling,
        coefficients.offset,
        colour=coefficients.is_ycbcr and len(coefficients.tables) == 3,
    )
    weights = [(down * right) ** 0.5 / 255 for down, right in coefficients.sampling]
    whole = transform.arranged(_dequantised(coefficients, weights, transform.colour))
    steps = [
        torch.from_numpy(np.ascontiguousarray(table)) * w
        for table, w in zip(coefficients.tables, weights, strict=True)
    ]
    step = transform.packed(steps, outside=1.0)
    level = 0.0 if options["sigma"] is None else level_of(options["sigma"], picture)
    error = rounding_error(coefficients.quantised[0], coefficients.tables[0]) / 255
    widened = (step.square() + UNIFORM * level**2).sqrt()
    plain = isinstance(inner, Identity)
    boxes = JpegBoxes(transform, whole, step, coefficients.is_whole) if plain and level == 0 else None
    return Problem(
        _less_beside(whole, transform),
        transform if plain else transform @ inner,
        Quantised(widened),
        float(np.hypot(error, level)),
        task,
        measured=transform.measured(),
        constraint=boxes,
    )


def _less_beside(whole: torch.Tensor, transform: JpegTransform) -> torch.Tensor:
    """The coefficients less those of what the decoder has beside the picture, which the operator takes for 0."""
    canvas = transform.planes(whole)
    inside = transform.embedded(torch.ones(1, canvas.shape[1], *transform.size))
    return whole if bool(inside.all()) else whole - transform.coefficients(canvas * (1 - inside))


def _dequantised(
    coefficients: JpegCoefficients, weights: Sequence[float], is_ycbcr: bool
) -> list[torch.Tensor]:
    """The coefficients of each component on the scale of the measurement, with black at 0."""
    found = []
    for index, (values, table, weight) in enumerate(
        zip(coefficients.quantised, coefficients.tables, weights, strict=True)
    ):
        levels = values.astype(np.float64) * table
        if index == 0 or not is_ycbcr:
            levels[..., 0, 0] += 8 * 128  # the level shift; chroma is centred on 0
        found.append(torch.from_numpy(levels * weight).float())
    return found


# --- where the coefficients come from ----------------------------------------------------------------------


def _coefficients(picture: Picture, compression: JpegCompression, tables: Any) -> JpegCoefficients:
    height, width = picture.colours.shape[-2:]
    source = picture.source
    if source is not None and compression.quality == "auto" and tables is None and _is_jpeg(source):
        if compression.subsampling != "auto":
            raise OptionError(Argument("subsampling", ...), " is told by the JPEG file itself; leave it out")
        found = read_coefficients(source)
        if (found.height, found.width, len(found.tables)) != (height, width, picture.colours.shape[1]):
            raise ValueError(f"{source}: the size in its header is not that of its picture")
        return found
    pixels = (255 * picture.colours[0].permute(1, 2, 0)).numpy().astype(np.float64)
    pixels = pixels[..., 0] if pixels.shape[2] == 1 else pixels
    if tables is None and compression.quality == "auto":
        return _traced(pixels, compression)
    steps = list(tables_of_quality(compression.quality)) if tables is None else checked_tables(tables)
    if pixels.ndim == 2:
        return coefficients_of_pixels(pixels, steps[:1], ((1, 1),))
    return coefficients_of_pixels(pixels, _of_three(steps), _sampling(compression, (2, 2)))


def _traced(pixels: np.ndarray, compression: JpegCompression) -> JpegCoefficients:
    traces = traces_of(pixels)
    if traces is None:
        raise OptionError(
            "there are no traces of JPEG in this image: it never was one, or was resized or changed since",
            *_TELL_QUALITY,
        )
    sampling = traces.sampling
    if len(sampling) == 3 and compression.subsampling != "auto":
        sampling = _sampling(compression, sampling[1])
    unit = (8 * max(down for down, _ in sampling), 8 * max(right for _, right in sampling))
    offset = (traces.offset[0] % unit[0], traces.offset[1] % unit[1])
    return coefficients_of_pixels(pixels, traces.tables, sampling, offset)


def _is_jpeg(source: Path) -> bool:
    return source.is_file() and read_bytes(source)[0] == "JPEG"


def _sampling(compression: JpegCompression, usual: tuple[int, int]) -> tuple[tuple[int, int], ...]:
    factors = usual if compression.subsampling == "auto" else SUBSAMPLINGS[compression.subsampling]
    return ((1, 1), factors, factors)


def _of_three(tables: Sequence[np.ndarray]) -> list[np.ndarray]:
    """A table for each of three components, the last being repeated."""
    return [tables[min(index, len(tables) - 1)] for index in range(3)]


def checked_tables(given: Any) -> list[np.ndarray]:
    """One to three tables of 8 × 8 whole steps, from an array, a sequence of arrays, or the name of an .npy file.

    Raises
    ------
    OptionError
        Where it is something else.
    """
    wanted = " must be one to three tables of 8 × 8 whole steps from 1 to 65535"
    if isinstance(given, str | Path):
        try:
            given = np.load(given, allow_pickle=False)
        except (OSError, ValueError, EOFError) as error:
            raise OptionError(
                Argument("jpeg_tables"), f": cannot read {str(given)!r} as .npy: {error}"
            ) from None
    try:
        array = np.asarray(given, dtype=np.float64)
    except (TypeError, ValueError):
        raise OptionError(Argument("jpeg_tables"), wanted) from None
    array = array[None] if array.ndim == 2 else array
    if array.ndim != 3 or array.shape[1:] != (8, 8) or not 1 <= len(array) <= 3:
        raise OptionError(Argument("jpeg_tables"), wanted, f", got the shape {tuple(np.shape(given))}")
    if not ((array == array.round()) & (array >= 1) & (array <= _LARGEST_STEP)).all():
        raise OptionError(
            Argument("jpeg_tables"), wanted, f", got values from {array.min():g} to {array.max():g}"
        )
    return list(array.astype(np.int64))
