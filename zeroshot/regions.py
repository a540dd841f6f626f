"""Planes that no memory holds, in Zarr stores: parts of them are restored one by one and put into another store.

A part is read with a margin, which is restored along and left out, so that parts fit together; black, white and the
noise are found once for each channel, as for the planes of a stack. Parts know nothing of one another: they may be
restored in any order, by several processes or machines, and those that were done are not done again.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import shutil
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from zeroshot.checks import is_number
from zeroshot.files import NotWrittenError
from zeroshot.images.stack import ArrayStack, Index, Stack, StackOutput, stack_of
from zeroshot.images.zarr_stack import CHUNK, array_of, create_store, put, put_in_place, target_axes
from zeroshot.planes import Course, restored_planes
from zeroshot.registry import __version__
from zeroshot.request import Request
from zeroshot.survey import Survey
from zeroshot.tasks import task_named
from zeroshot.tasks.deblur import blur_weights

#: The height and width of a part, and how much of its neighbours is restored along.
SIDE, MARGIN = 2 * CHUNK, 64
#: Planes of more pixels are restored in parts.
LARGEST_PLANE = 45_000_000
#: The tasks whose pixels depend on their surroundings only.
LOCAL_TASKS = ("denoise", "deblur")
_DONE, _RUN = ".zeroshot-done", "run.json"


@dataclass(frozen=True)
class Region:
    """A part of a plane: which plane, and its rows and columns, from the first up to the one behind the last."""

    index: Index
    top: int
    left: int
    bottom: int
    right: int

    def __str__(self) -> str:
        plane = f"plane {', '.join(map(str, self.index))}, " if self.index else ""
        return f"{plane}rows {self.top} to {self.bottom - 1}, columns {self.left} to {self.right - 1}"


class Windows(Stack):
    """The parts of a stack with their margins, as the planes of another one: all are of one size.

    Its axes are those of the stack, and before the rows one that counts the parts of a plane.

    Parameters
    ----------
    stack : ArrayStack
        Whose array is read by parts.
    """

    def __init__(self, stack: ArrayStack) -> None:
        height, width = stack.plane_shape[:2]
        self.stack = stack
        counter = next(letter for letter in "WQPVUABDE" if letter not in stack.axes)
        self._corners = list(itertools.product(range(0, height, SIDE), range(0, width, SIDE)))
        size = tuple(min(length, SIDE + 2 * MARGIN) for length in (height, width))
        self.axes = f"{stack.counted}{counter}YX{stack.axes[len(stack.counted) + 2 :]}"
        self.shape = (*stack.lengths, len(self._corners), *size, *stack.plane_shape[2:])
        self.dtype, self.source, self.metadata = stack.dtype, stack.source, stack.metadata

    def plane(self, index: Index) -> np.ndarray:
        """One part with its margin."""
        region = self.region(index)
        top, left = self._corner(region)
        height, width = self.plane_shape[:2]
        return self.stack.part(region.index, slice(top, top + height), slice(left, left + width))

    def region(self, index: Index) -> Region:
        """What a part is to fill: no two have a pixel in common."""
        top, left = self._corners[index[-1]]
        height, width = self.stack.plane_shape[:2]
        return Region(index[:-1], top, left, min(top + SIDE, height), min(left + SIDE, width))

    def inner(self, index: Index, restored: np.ndarray) -> np.ndarray:
        """A restored part without its margin."""
        region = self.region(index)
        top, left = self._corner(region)
        return restored[region.top - top : region.bottom - top, region.left - left : region.right - left]

    def _corner(self, region: Region) -> tuple[int, int]:
        """Where the part begins: a margin ahead, or as near to that as the plane allows."""
        height, width = self.stack.plane_shape[:2]
        rows, columns = self.plane_shape[:2]
        return (
            max(0, min(region.top - MARGIN, height - rows)),
            max(0, min(region.left - MARGIN, width - columns)),
        )


def windows_of(source: Path, axes: str | None = None) -> Windows | None:
    """The parts of a Zarr store, or None where the source is no array.

    Raises
    ------
    ImageError
        In one line, where it cannot be read.
    """
    stack = stack_of(source, axes, in_parts=True)
    if not isinstance(stack, ArrayStack):
        return None
    return Windows(stack)


def is_large(windows: Windows) -> bool:
    """Whether a plane is more than is held."""
    height, width = windows.stack.plane_shape[:2]
    return height * width > LARGEST_PLANE


def require_local(task: str, options: dict[str, Any]) -> None:
    """Refuse a task that cannot be done part by part.

    Raises
    ------
    ValueError
        In one line.
    """
    name = task_named(task).name
    if name not in LOCAL_TASKS:
        raise ValueError(
            f"parts of a plane are restored one by one by {' and '.join(LOCAL_TASKS)}, not by {name}"
        )
    level = options.get("sigma")
    if level is not None and not is_number(level):
        raise ValueError("parts of a plane take one sigma for all pixels, not an image of it")
    if name != "deblur":
        return
    for needed in ("kernel", "sigma"):
        if options.get(needed) is None or str(options[needed]).startswith("auto"):
            raise ValueError(
                f"parts of a plane need {needed}=…: what is found in one part is not that of another"
            )
    if options.get("boundary") not in (None, "unknown"):
        raise ValueError("parts of a plane are deblurred with boundary='unknown' only")
    shape = tuple(blur_weights(options["kernel"]).shape)
    if max(shape[:-2], default=1) > 1:
        raise ValueError("parts of a plane need one kernel, not one that changes over the field")
    if max(shape[-2:]) > 2 * MARGIN + 1:
        raise ValueError(
            f"parts of a plane have margins of {MARGIN} pixels: a kernel of {max(shape[-2:])} is too large"
        )


@dataclass(frozen=True)
class Regions:
    """A store in the making: what is read, where to, and how; it can be sent to another process.

    Attributes
    ----------
    source, output : Path
        What is read, and what the store will be called.
    axes : str or None
        In place of those that the source names.
    request : Request
    options : dict
        Of the task.
    survey : Survey
    """

    source: Path
    output: Path
    axes: str | None
    request: Request
    options: dict[str, Any]
    survey: Survey

    @property
    def partial(self) -> Path:
        """What the store is called until it is complete."""
        return partial_of(self.output)

    def create(self, windows: Windows) -> None:
        """Make the store that the parts go into, or take the one that a run of the same kind has left.

        Raises
        ------
        ValueError
            Where the one that is there is of another run.
        """
        record = self.partial / _DONE / _RUN
        told = json.loads(json.dumps(self._fingerprint(), sort_keys=True, default=str))
        if self.partial.exists() and not record.is_file():
            shutil.rmtree(self.partial)  # it was left before it was complete
        if self.partial.exists():
            known = json.loads(record.read_text("utf-8"))
            for name in told:
                if known.get(name) != told[name]:
                    there, here = known.get(name), told[name]
                    raise ValueError(
                        f"{self.partial} is of another run: its {name} is {there}, here it is {here}"
                    )
            return
        stack = windows.stack
        text = json.dumps(self.provenance(windows), default=str)
        output = StackOutput(
            self.output, stack.axes, stack.shape, stack.dtype, stack.metadata, provenance=text
        )
        create_store(self.partial, output)
        record.parent.mkdir()
        record.write_text(json.dumps(told), "utf-8")

    def _fingerprint(self) -> dict[str, Any]:
        request = self.request
        return {
            "task": request.task,
            "prior": request.prior,
            "settings": request.settings,
            "options": {name: in_words(value) for name, value in self.options.items()},
            "seed": request.seed,
            "tiling": str(request.tiling),
            "axes": self.axes,
            "channels": Course(self.survey, ArrayStack(np.zeros((1, 1)), "YX")).planned()["stack"][
                "channels"
            ],
            "version": __version__,
            "input_sha256": self.survey.sha256,
            "side": [SIDE, MARGIN],
        }

    def provenance(self, windows: Windows) -> dict[str, Any]:
        """How the store is made."""
        planned = Course(self.survey, windows.stack).planned()
        return {**self._fingerprint(), **planned, "regions": windows.count}

    def is_done(self, index: Index) -> bool:
        """Whether a part was done by an earlier run."""
        return self._mark(index).exists()

    def restore(self, index: Index) -> None:
        """Restore a part, and put it into the store.

        Raises
        ------
        ImageError, NotWrittenError
            In one line.
        """
        windows = windows_of(self.source, self.axes)
        assert windows is not None
        pixels = windows.plane(index)
        axes = windows.axes[len(windows.counted) :]
        if pixels.dtype.kind == "f" and not np.isfinite(pixels).any():
            restored = pixels
        else:
            channel = self.survey.channels[windows.channel_of(index)]
            alone, survey = ArrayStack(pixels, axes), replace(self.survey, channels=(channel,))
            plane = next(restored_planes(alone, self.request, self.options, survey, hidden=True))
            if plane.restoration.interrupted:
                raise KeyboardInterrupt
            restored = plane.pixels
        region = windows.region(index)
        place: dict[str, int | slice] = dict(zip(windows.stack.counted, region.index, strict=True))
        place |= {"Y": slice(region.top, region.bottom), "X": slice(region.left, region.right)}
        try:
            target = array_of(self.partial, "r+")
            ordered = target_axes(windows.stack.axes, windows.metadata, self.output)
            put(target, ordered, place, windows.inner(index, restored))
            self._mark(index).touch()
        except OSError as error:
            raise NotWrittenError(f"{self.partial}: cannot be written: {error.strerror or error}") from None

    def _mark(self, index: Index) -> Path:
        return self.partial / _DONE / "-".join(map(str, index))

    def finish(self, *, overwrite: bool) -> None:
        """Give the store its name."""
        put_in_place(self.partial, self.output, overwrite)
        shutil.rmtree(self.output / _DONE, ignore_errors=True)


def in_words(value: Any) -> str:
    """An option in words that differ where the values do, as the provenance has it."""
    if isinstance(value, np.ndarray):
        return hashlib.sha256(value.tobytes()).hexdigest()
    if isinstance(value, str | Path) and Path(value).is_file():
        return hashlib.sha256(Path(value).read_bytes()).hexdigest()
    return str(value)


def partial_of(output: Path) -> Path:
    """What a store is called until it is complete."""
    return output.with_name(f".{output.name}.unfinished")


def waiting(regions: Regions, windows: Windows) -> Iterator[Index]:
    """The parts that are not done yet."""
    return (index for index in windows.indices() if not regions.is_done(index))
