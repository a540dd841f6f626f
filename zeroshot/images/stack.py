"""Stacks: planes of one kind, in a file or an array, that are read one by one.

A :class:`Stack` says what axes it has (:mod:`zeroshot.images.axes`) and gives a plane when it is asked for one: a
file of any size takes the memory of a plane.
"""

from __future__ import annotations

import abc
import contextlib
import itertools
import math
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from zeroshot.images.axes import canonical, checked_axes
from zeroshot.images.decoding import check_size, library_errors
from zeroshot.images.errors import ImageError
from zeroshot.images.kinds import kind_of_source
from zeroshot.images.metadata import Metadata
from zeroshot.notes import note
from zeroshot.spelling import Argument, OptionWarning, Part

#: The types of samples that are restored; they come back as they were.
DTYPES = ("bool", "uint8", "int8", "uint16", "int16", "uint32", "int32", "float16", "float32", "float64")

Index = tuple[int, ...]
_NO_SCENES = (Argument("scene", ...), " goes with a microscope file: CZI, LIF or ND2")


@dataclass(frozen=True)
class StackMetadata:
    """What came with the planes.

    Attributes
    ----------
    ome : str or None
        The OME-XML of a file.
    imagej : mapping or None
        What ImageJ says of its hyperstack.
    description : str or None
        The text of a file of pages that is neither, "" where it has none.
    general : Metadata
        Resolution, ICC profile, EXIF.
    scale : mapping of str to float
        The length of a pixel, a step in depth or a frame, by axis, where a format says so without OME.
    unit : str or None
        Of the lengths in `scale`.
    time_unit : str or None
        Of the frames in it.
    names, colours : tuple of str
        Of the channels; their colours as RRGGBB.
    attributes : mapping
        What else the format keeps, JSON-able.
    """

    ome: str | None = None
    imagej: Mapping[str, Any] | None = None
    description: str | None = None
    general: Metadata = field(default_factory=Metadata)
    scale: Mapping[str, float] = field(default_factory=dict)
    unit: str | None = None
    time_unit: str | None = None
    names: tuple[str, ...] = ()
    colours: tuple[str, ...] = ()
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class StackOutput:
    """A stack that is to be written: where, what its planes are like, and what goes along with them.

    Attributes
    ----------
    path : pathlib.Path
    axes : str
        What counts planes, then Y, X and perhaps S.
    shape : tuple of int
        Of the whole.
    dtype : numpy.dtype
    metadata : StackMetadata
        What the input carried.
    enlarged : tuple of float
        How many times as many columns and rows there are as in the input: pixels are as much smaller.
    overwrite : bool
        Whether a file of that name may be replaced.
    provenance : str or None
        How it was made, as text.
    """

    path: Path
    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype
    metadata: StackMetadata = field(default_factory=StackMetadata)
    enlarged: tuple[float, float] = (1.0, 1.0)
    overwrite: bool = False
    provenance: str | None = None

    @property
    def counted(self) -> str:
        """The axes that count planes."""
        return self.axes.partition("Y")[0]


class Stack(abc.ABC):
    """Planes of one kind.

    Attributes
    ----------
    axes : str
        Those of :attr:`shape`: what counts planes first, then Y, X and perhaps S.
    shape : tuple of int
    dtype : numpy.dtype
    source : pathlib.Path or None
        The file that it is in.
    others : tuple of pathlib.Path
        Further files that have planes of it.
    missing : int
        How many planes the file announces and does not hold; they are 0.
    scene : str or None
        The name of the image that it is, where the file holds several.
    remarks : tuple of str or spelled texts
        What the user should know of how the file was read.
    metadata : StackMetadata
    """

    axes: str
    shape: tuple[int, ...]
    dtype: np.dtype
    source: Path | None = None
    others: tuple[Path, ...] = ()
    missing: int = 0
    scene: str | None = None
    remarks: tuple[Part, ...] = ()
    metadata: StackMetadata

    @abc.abstractmethod
    def plane(self, index: Index) -> np.ndarray:
        """One plane, H×W or H×W×S, in native byte order."""

    @property
    def counted(self) -> str:
        """The axes that count planes."""
        return self.axes.partition("Y")[0]

    @property
    def lengths(self) -> tuple[int, ...]:
        """How long they are."""
        return self.shape[: len(self.counted)]

    @property
    def plane_shape(self) -> tuple[int, ...]:
        """H, W and perhaps S."""
        return self.shape[len(self.counted) :]

    @property
    def count(self) -> int:
        """How many planes there are."""
        return math.prod(self.lengths)

    @property
    def channels(self) -> int:
        """How many channels there are that have a range and a noise of their own."""
        return self.lengths[self.counted.index("C")] if "C" in self.counted else 1

    def channel_of(self, index: Index) -> int:
        """Which of them a plane is of."""
        return index[self.counted.index("C")] if "C" in self.counted else 0

    def indices(self) -> Iterator[Index]:
        """The planes, in the order of the axes."""
        return itertools.product(*map(range, self.lengths))

    def say_remarks(self) -> None:
        """Tell the user how the file was read. While it is read no warning is heard."""
        for remark in self.remarks:
            note(OptionWarning("" if self.source is None else f"{self.source.name}: ", remark))

    def require_usable(self, *, in_parts: bool = False) -> None:
        """Refuse what cannot be restored plane by plane, or part by part where planes are read so.

        Raises
        ------
        ImageError
            In one line.
        """
        if self.dtype.name not in DTYPES:
            raise ImageError(f"holds {self.dtype.name} samples; a stack has those of {', '.join(DTYPES)}")
        height, width = self.plane_shape[:2]
        if not in_parts or not height * width:
            check_size(width, height)


class ArrayStack(Stack):
    """An array, or what is sliced like one, with axes in any order."""

    def __init__(
        self,
        array: Any,
        axes: str,
        source: Path | None = None,
        metadata: StackMetadata | None = None,
    ) -> None:
        given = checked_axes(axes, array.shape)
        self.axes = canonical(given)
        self.given_axes = given
        self.array = array
        self.shape = tuple(int(array.shape[given.index(one)]) for one in self.axes)
        self.dtype = np.dtype(array.dtype)
        self.source = source
        self.metadata = metadata or StackMetadata()

    def plane(self, index: Index) -> np.ndarray:
        return self.part(index)

    def part(self, index: Index, rows: slice = slice(None), columns: slice = slice(None)) -> np.ndarray:
        """Some rows and columns of a plane; no more of the array is read."""
        place = dict(zip(self.counted, index, strict=True))
        cut: dict[str, int | slice] = {**place, "Y": rows, "X": columns}
        with contextlib.nullcontext() if self.source is None else errors_of_file(self.source):
            part = np.asarray(self.array[tuple(cut.get(one, slice(None)) for one in self.given_axes)])
        left = [one for one in self.given_axes if one not in place]
        turned = part.transpose([left.index(one) for one in self.axes if one not in place])
        return np.ascontiguousarray(turned, turned.dtype.newbyteorder("="))

    def as_given(self, restored: np.ndarray, axes: str) -> tuple[np.ndarray, str]:
        """A restored stack with these axes, those of the array first in their order; and what they are then."""
        order = [one for one in self.given_axes if one in axes] + [
            one for one in axes if one not in self.given_axes
        ]
        return np.ascontiguousarray(restored.transpose([axes.index(one) for one in order])), "".join(order)


def stack_of(
    image: Any, axes: str | None = None, *, scene: int | str | None = None, in_parts: bool = False
) -> Stack | None:
    """The stack that an image is, or None where it is one picture.

    Parameters
    ----------
    image : path, numpy.ndarray or torch.Tensor
        A file may be a stack by itself, an array is one where its axes are named.
    axes : str, optional
        A letter for each axis, in place of what a file says of itself.
    scene : int or str, optional
        Which image of a microscope file, by its number, from 1, or its name.
    in_parts : bool
        Whether its planes are read part by part, so that they may have any size.

    Raises
    ------
    ImageError
        In one line, where it is a stack that cannot be read, or the axes do not fit.
    """
    if isinstance(image, str | os.PathLike):
        path = Path(image)
        kind = kind_of_source(path) or ""
        if scene is not None and kind != "MICROSCOPE":
            raise ImageError(f"{path}: ", *_NO_SCENES)
        reader = READERS.get(kind)
        if reader is not None:
            with errors_of_file(path, _AS.get(kind, "a stack")):
                stack = reader(path, axes, scene)
                if stack is not None:
                    stack.require_usable(in_parts=in_parts)
                    return stack
        if axes is not None:
            raise ImageError(f"{path}: is one picture, no stack with axes")
        return None
    if scene is not None:
        raise ImageError(*_NO_SCENES)
    if axes is None:
        return None
    if not hasattr(image, "shape") or not hasattr(image, "dtype"):
        raise ImageError(f"axes go with an array, a tensor or a file, not with {type(image).__name__}")
    stack = ArrayStack(image.detach().cpu().numpy() if hasattr(image, "detach") else np.asarray(image), axes)
    stack.require_usable(in_parts=in_parts)
    return stack


@contextlib.contextmanager
def errors_of_file(path: Path, form: str = "a stack") -> Iterator[None]:
    """Put the name of the file, and as what it cannot be read, before what is wrong with it."""
    try:
        with library_errors(path, f"is damaged or truncated and cannot be read as {form}"):
            yield
    except ImageError as error:
        raise error if str(error).startswith(str(path)) else ImageError(f"{path}: ", error.text) from None


def _tiff(path: Path, axes: str | None, _scene: int | str | None) -> Stack | None:
    from zeroshot.images.tiff_stack import tiff_stack

    return tiff_stack(path, axes)


def _fits(path: Path, axes: str | None, _scene: int | str | None) -> Stack | None:
    from zeroshot.images.fits import fits_stack

    return fits_stack(path, axes)


def _zarr(path: Path, axes: str | None, _scene: int | str | None) -> Stack | None:
    from zeroshot.images.zarr_stack import zarr_stack

    return zarr_stack(path, axes)


def _microscope(path: Path, axes: str | None, scene: int | str | None) -> Stack | None:
    from zeroshot.images.microscopes import microscope_stack

    return microscope_stack(path, axes, scene)


READERS: dict[str, Callable[[Path, str | None, int | str | None], Stack | None]] = {
    "TIFF": _tiff,
    "FITS": _fits,
    "ZARR": _zarr,
    "MICROSCOPE": _microscope,
}
#: How a file is called that cannot be read, where its kind says more than that it is a stack.
_AS = {"FITS": "FITS", "ZARR": "Zarr", "MICROSCOPE": "a microscope file"}
