"""Stacks restored plane by plane: the range of the values and the noise are found once for each channel.

A channel of a stack was recorded in one way, so that black, white and the noise are the same in all its planes. They
are found over the stack, told, and undone: counts come back as counts, floats beyond [0, 1] and below 0 as they were. A
plane is restored as a picture is, and given away before the next one is read.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
from tqdm import tqdm

from zeroshot import images
from zeroshot.deadline import GRACE, Deadline, seconds_left
from zeroshot.estimate import History
from zeroshot.images.files import check_not_input
from zeroshot.images.stack import ArrayStack, Index, Stack
from zeroshot.images.stack_writing import save_planes
from zeroshot.inspection import describe
from zeroshot.joint_channels import JointChannels, say_apart
from zeroshot.joint_planes import JointPlanes, in_turn
from zeroshot.notes import note
from zeroshot.plane_options import PlaneOptions, is_empty
from zeroshot.request import LATE, NOT_ITS_TURN, Request
from zeroshot.restoration import Restoration
from zeroshot.survey import MOST_TOLD, Survey, picture_of
from zeroshot.tasks import make_problem
from zeroshot.words import counted


@dataclass(frozen=True, eq=False, repr=False)
class StackRestoration(Restoration):
    """A restored stack; `picture` and `before` are its middle plane.

    Attributes
    ----------
    stack : numpy.ndarray
        All planes, of the type and with the axes of the input; of a picture in colours that was none before, with the
        axis S at the end.
    axes : str
        Those of `stack`.
    source : Stack
        What was restored, whose metadata go into the files that are written.
    """

    stack: np.ndarray = field(default_factory=lambda: np.zeros((0, 0)))
    axes: str = "YX"
    source: Stack | None = None

    @property
    def image(self) -> Any:
        """The restored stack."""
        return self.stack

    @property
    def noise_in_words(self) -> str:
        """The noise of the channels, in the values of the stack."""
        return noise_of_channels(self.provenance)

    def save(self, path: str | Path, *, overwrite: bool = False) -> None:
        """Write all planes with the provenance, as the suffix says: .tif or .tiff.

        An existing file is kept unless `overwrite` is True; the file that the input was read from always is.
        """
        assert self.source is not None
        for other in self.source.others:
            check_not_input(path, other)
        held = ArrayStack(self.stack, self.axes)
        save_planes(
            (held.plane(index) for index in held.indices()),
            held.axes,
            held.shape,
            held.dtype,
            path,
            metadata=self.source.metadata,
            enlarged=enlargement(self.source, held.shape, held.axes),
            overwrite=overwrite,
            source=self.source.source,
            provenance=self.provenance,
        )

    def __repr__(self) -> str:
        shape = " × ".join(map(str, self.stack.shape))
        return f"<StackRestoration of {shape} ({self.axes}): {self._course()}, stopped by: {self.stopped_by}>"


def noise_of_channels(provenance: dict[str, Any]) -> str:
    """What the provenance of a stack says of the noise, in the values of the stack; "" where it says nothing."""
    levels = [f"{one['sigma']:.3g}" for one in provenance["stack"]["channels"] if "sigma" in one]
    if not levels:
        return ""
    told = ", ".join(levels[:MOST_TOLD]) + (" …" if len(levels) > MOST_TOLD else "")
    return f"sigma {told}" + (f" in channels 0 to {len(levels) - 1}" if len(levels) > 1 else "")


@dataclass(frozen=True)
class Outcome:
    """How a plane came about whose picture is not at hand, with the attributes of a :class:`Restoration`."""

    iterations: int
    seconds: float
    stopped_by: str
    sigma: float | None
    provenance: dict[str, Any]

    @property
    def interrupted(self) -> bool:
        """Never: such a plane is done."""
        return False


@dataclass(frozen=True)
class Plane:
    """A restored plane: its place, its values as the stack has them, and how it came about."""

    index: Index
    pixels: np.ndarray
    restoration: Restoration | Outcome


def enlargement(stack: Stack, shape: tuple[int, ...], axes: str) -> tuple[float, float]:
    """How many times as many columns and rows a result with these axes has."""
    height, width = stack.plane_shape[:2]
    return shape[axes.index("X")] / width, shape[axes.index("Y")] / height


# --- plane by plane -----------------------------------------------------------------------------------------


def restored_planes(
    stack: Stack,
    request: Request,
    options: dict[str, Any],
    survey: Survey,
    *,
    hidden: bool,
    skipped: int = 0,
    last: Plane | None = None,
    joint: JointChannels | None = None,
) -> Iterator[Plane]:
    """Each plane :func:`in_turn`; those that are left after Ctrl-C, or without time, as they were.

    So are those without a single value, and those that a mask of their own hides; a note names them.

    Parameters
    ----------
    stack : Stack
    request : Request
    options : dict
        Of the task; an array with the shape of the stack gives each plane its own part.
    survey : Survey
    hidden : bool
        Whether no progress is shown.
    skipped : int
        So many of the first planes are left out.
    last : Plane, optional
        The last of these.
    joint : JointChannels, optional
        Which channels are denoised together.
    """
    own = PlaneOptions(stack, options)
    together = None
    if joint is not None and joint.found is not None:
        together = JointPlanes(stack, request, own, survey, joint.found)
    empty: list[Index] = []
    waiting: list[Plane] = []
    left = stack.count - skipped
    stopped = ""
    with tqdm(
        total=stack.count, initial=skipped, desc=request.task, unit="plane", disable=hidden, leave=False
    ) as bar:
        for index in itertools.islice(in_turn(stack, joint), skipped, None):
            channel = survey.channels[stack.channel_of(index)]
            plane = stack.plane(index)
            told = own.of(index, channel)
            if is_empty(plane, told.get("mask")):
                empty.append(index)
                waiting.append(Plane(index, plane, _PASSED))
                if last is not None:  # which tells what results are like
                    yield from (_like(one, last) for one in waiting)
                    waiting.clear()
                left -= 1
                bar.update()
                continue
            restoration = None if together is None else together.held(index)
            remaining = seconds_left()
            if together is not None and restoration is None and not stopped and remaining > 0:
                restoration = together.restored(index, left)
            if restoration is None:
                picture = picture_of(plane, channel)
                posed = request.posed(picture, *make_problem(request.task, picture, told))
                remaining = seconds_left()
                if stopped:
                    restoration = posed.untouched(stopped)
                elif remaining <= 0:
                    restoration = posed.untouched(LATE)
                else:
                    share = None if remaining == math.inf else Deadline(remaining / left, grace=GRACE)
                    restoration = posed.restored(share)
            if restoration.interrupted:
                stopped = NOT_ITS_TURN
            last = Plane(index, as_stored(restoration.image, plane), restoration)
            yield from (_like(one, last) for one in waiting)
            waiting.clear()
            yield last
            left -= 1
            bar.update()
    if waiting:
        raise images.ImageError("no plane has a value that is a number and known")
    if together is not None:
        say_apart(together.apart)
    if empty:
        named = ", ".join(map(str, empty[:MOST_TOLD])) + (" …" if len(empty) > MOST_TOLD else "")
        note(f"{counted(len(empty), 'plane')} without any known value stay as they are: {named}")


#: How a plane came about that has nothing to restore; the rest of the provenance is that of another one.
_PASSED = Outcome(0, 0.0, "no known value", None, {})


def _like(empty: Plane, restored: Plane) -> Plane:
    """An empty plane of the size of a restored one, and with its provenance."""
    pixels, shape = empty.pixels, restored.pixels.shape
    for axis in (0, 1):
        place = (np.arange(shape[axis]) + 0.5) * pixels.shape[axis] / shape[axis]
        pixels = pixels.take(place.astype(int), axis=axis)
    if pixels.ndim != len(shape):  # colours where there were none
        pixels = np.repeat(pixels[..., None], shape[2], axis=2)
    provenance = restored.restoration.provenance
    return Plane(empty.index, pixels, replace(_PASSED, provenance=provenance))


def as_stored(values: np.ndarray, plane: np.ndarray) -> np.ndarray:
    """Restored values in the type of the stack, with the alpha channel that the plane had."""
    dtype = plane.dtype
    if dtype.kind == "b":
        stored: np.ndarray = values >= 0.5
    elif dtype.kind == "f":
        stored = values.astype(dtype, copy=False)
    else:
        limits = np.iinfo(dtype)
        stored = np.clip(np.rint(values), limits.min, limits.max).astype(dtype)
    if plane.ndim == 3 and plane.shape[2] == 4:
        if stored.shape[:2] != plane.shape[:2]:
            raise images.ImageError("a stack with alpha keeps its size; leave its alpha out")
        stored = np.concatenate([stored, plane[..., 3:]], axis=2)
    return stored


# --- the whole ----------------------------------------------------------------------------------------------


@dataclass
class Course:
    """How the planes of a stack came about, one after another."""

    survey: Survey
    stack: Stack
    joint: JointChannels | None = None
    iterations: int = 0
    seconds: float = 0.0
    interrupted: bool = False
    first: Restoration | Outcome | None = None
    shown: Restoration | None = None
    sigmas: dict[int, float | None] = field(default_factory=dict)
    reasons: list[str] = field(default_factory=list)

    def add(self, plane: Plane) -> None:
        """Take account of a plane."""
        restoration = plane.restoration
        self.first = self.first or restoration
        is_middle = plane.index == tuple(length // 2 for length in self.stack.lengths)
        if isinstance(restoration, Restoration) and (is_middle or self.shown is None):
            self.shown = restoration
        channel = self.stack.channel_of(plane.index)
        if self.sigmas.get(channel) is None:
            self.sigmas[channel] = restoration.sigma
        self.iterations += restoration.iterations
        self.seconds += restoration.seconds
        self.interrupted = self.interrupted or restoration.interrupted
        if restoration.stopped_by not in self.reasons and restoration.stopped_by != _PASSED.stopped_by:
            self.reasons.append(restoration.stopped_by)

    @property
    def stopped_by(self) -> str:
        """Why the runs ended; of several reasons the first few."""
        if len(self.reasons) == 1:
            return self.reasons[0]
        told = "; ".join(self.reasons[:3]) + (" …" if len(self.reasons) > 3 else "")
        return ("interrupted: " if self.interrupted else "several reasons: ") + told

    def provenance(self) -> dict[str, Any]:
        """That of the first plane, with what is that of the stack in its place."""
        assert self.first is not None
        beside = {"input_sha256", "noise", "sigma", "value_range", "value_range_origin", "findings"}
        beside.add("iterations_of_axes")  # of one place
        common = {name: value for name, value in self.first.provenance.items() if name not in beside}
        if self.survey.channels[0].noise is not None:  # of each channel below
            common["options"] = {name: value for name, value in common["options"].items() if name != "noise"}
        return {
            **common,
            **self.planned(),
            "stopped_by": self.stopped_by,
            "iterations": self.iterations,
        }

    def planned(self) -> dict[str, Any]:
        """What was known before the first plane."""
        channels = []
        for channel in self.survey.channels:
            told: dict[str, Any] = {"value_range": list(channel.value_range), "origin": channel.origin}
            if channel.noise is not None:
                told["noise"] = describe(channel.noise)
                told["sigma"] = channel.noise.sigma * channel.width
            channels.append(told)
        described: dict[str, Any] = {
            "axes": self.stack.axes,
            "shape": list(self.stack.shape),
            "channels": channels,
        }
        if self.stack.scene is not None:
            described["scene"] = self.stack.scene
        if self.joint is not None:
            described["joint"] = self.joint.described()
        return {"stack": described, "input_sha256": self.survey.sha256}


def restored_stack(
    stack: Stack, survey: Survey, planes: Iterable[Plane], joint: JointChannels | None = None
) -> StackRestoration:
    """A stack restored as an array with the axes of the input.

    Parameters
    ----------
    stack : Stack
    survey : Survey
    planes : iterable of Plane
        All of them, in any order.
    joint : JointChannels, optional
        Which channels were denoised together.
    """
    course, found = Course(survey, stack, joint), {}
    for plane in planes:
        course.add(plane)
        found[plane.index] = plane.pixels
    restored = [found[index] for index in stack.indices()]
    axes = stack.counted + ("YXS" if restored[0].ndim == 3 else "YX")
    whole = np.stack(restored).reshape(*stack.lengths, *restored[0].shape)
    if isinstance(stack, ArrayStack):
        whole, axes = stack.as_given(whole, axes)
    shown = course.shown
    assert shown is not None
    sigmas = [one.noise.sigma * one.width for one in survey.channels if one.noise is not None]
    return StackRestoration(
        shown.picture,
        course.stopped_by,
        course.iterations,
        course.seconds,
        History(),
        float(np.mean(sigmas)) if sigmas else shown.sigma,
        course.provenance(),
        before=shown.before,
        stack=whole,
        axes=axes,
        source=stack,
    )
