"""Stacks from file to file: each plane is read, restored and written before the next one."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zeroshot import threads
from zeroshot.deadline import deadline_of_call, kept
from zeroshot.depth import Depth, depth_of
from zeroshot.finished_planes import FinishedPlanes, fingerprint, recorded_threads
from zeroshot.images import ImageError
from zeroshot.images.files import check_not_input
from zeroshot.images.stack import Index, Stack, stack_of
from zeroshot.images.stack_writing import check_stack_output, save_planes
from zeroshot.joint_channels import JointChannels, check_channels, joint_channels, say_joint
from zeroshot.joint_planes import in_turn
from zeroshot.locks import locked
from zeroshot.plane_order import in_order
from zeroshot.planes import Course, Plane, enlargement, noise_of_channels
from zeroshot.request import Request
from zeroshot.solve import resolve_device
from zeroshot.survey import Survey, say_channels, surveyed
from zeroshot.tasks import task_named
from zeroshot.terminal import is_terminal
from zeroshot.tiling.planning import Tiling
from zeroshot.volumes import memory_for_chunks, restored
from zeroshot.watch import Watch


@dataclass(frozen=True)
class WrittenStack:
    """What was written.

    Attributes
    ----------
    shape : tuple of int
    axes : str
    iterations : int
        Of all planes together.
    seconds : float
        How long it took.
    prior : str
        What restored the planes.
    sigmas : tuple of float or None
        The level of the noise of each channel, as :attr:`zeroshot.Restoration.sigma` has it.
    noise_in_words : str
        The noise of the channels, where it was estimated.
    channels_in_words : str
        Which channels were denoised together, or that none were; empty for a stack that has none.
    stopped_by : str
        Why the runs ended.
    interrupted : bool
        Whether Ctrl-C ended it, so that the planes that were left are as they were.
    """

    shape: tuple[int, ...]
    axes: str
    iterations: int
    seconds: float
    prior: str
    sigmas: tuple[float | None, ...]
    noise_in_words: str
    channels_in_words: str
    stopped_by: str
    interrupted: bool


def restore_stack(
    image: str | Path,
    task: str,
    path: str | Path,
    prior: str | None = None,
    *,
    axes: str | None = None,
    scene: int | str | None = None,
    settings: dict[str, Any] | None = None,
    seconds: float | None = None,
    seed: int = 0,
    device: str | torch.device = "auto",
    value_range: tuple[float, float] | None = None,
    tile: int | str | None = "auto",
    overlap: int | str = "auto",
    samples: int = 1,
    volume: str | None = None,
    spacing: float | None = None,
    channels: str = "auto",
    overwrite: bool = False,
    progress: bool | None = None,
    checkpoint: str | Path | None = None,
    resume: bool = False,
    **options: Any,
) -> WrittenStack:
    """Restore the planes of a stack one by one, or in chunks of a volume, and write each to a file when it is done.

    The memory of one plane, or of a chunk, is taken, however many there are. The file appears under its name when it
    is complete. After Ctrl-C that is with the planes that were left as they were, beside the checkpoint with those
    that were done.

    Parameters
    ----------
    image : path
        A file that is a stack.
    task, prior, axes, scene, settings, seconds, seed, device, value_range, tile, overlap, samples
        As for :func:`zeroshot.solve`.
    volume, spacing, channels, **options
        As for :func:`zeroshot.solve`.
    progress : bool, optional
        As for :func:`zeroshot.solve`.
    path : path
        With the suffix .tif or .tiff.
    overwrite : bool
        Whether an existing file may be replaced.
    checkpoint : path, optional
        A file that keeps the planes that are done until all are in the output, and that is removed then.
    resume : bool
        Take the planes from `checkpoint` that it has; the file is then that of a run that was never cut.

    Raises
    ------
    ValueError, TypeError, OSError
        In one line, before any work, where something does not fit; OSError as well where the file cannot be written.
    """
    began = time.monotonic()
    task = task_named(task).name
    tiling = Tiling(tile, overlap, samples)
    watch = Watch(progress=False)
    request = Request(task, prior, settings, None, seconds, seed, resolve_device(device), watch, tiling)
    task_named(task).completed(options)
    kept_in = None if checkpoint is None else Path(checkpoint)
    threads_before = recorded_threads(kept_in) if resume and kept_in is not None else None
    with (
        kept(deadline_of_call(seconds, began)),
        threads.chosen(request.device, threads_before, seconds),
        ExitStack() as held,
    ):
        stack = stack_of(image, axes, scene=scene)
        if stack is None:
            raise ImageError(f"{image}: is one picture, no stack")
        check_stack_output(path, overwrite=overwrite, source=stack.source)
        for other in stack.others:
            check_not_input(path, other)
        depth = depth_of(stack, volume, spacing, request, options)
        apart = check_channels(stack, channels, request, options, volumes=depth is not None)
        if kept_in is not None:
            held.enter_context(locked(kept_in))
        hidden = progress is False or (progress is None and not is_terminal(sys.stderr))
        survey = surveyed(stack, task, options, value_range, hidden=hidden)
        joint = joint_channels(stack, channels, apart, request, options, survey, hidden=hidden)
        finished = None
        if kept_in is not None:
            memory = f"{memory_for_chunks(request.device) / 2**30:g} GiB"
            run = fingerprint(request, options, Course(survey, stack, joint))
            run["volume"] = None if depth is None else [depth.axis, depth.spacing, memory]
            finished = held.enter_context(FinishedPlanes(kept_in, run, resume=resume))
        say_channels(stack, survey)
        say_joint(joint)
        course = Course(survey, stack, joint)
        planes = _planes(finished, stack, request, options, survey, depth, joint, hidden=hidden)
        first = next(planes)
        course.add(first)

        def pixels() -> Iterator[tuple[Index, np.ndarray]]:
            yield first.index, first.pixels
            for plane in planes:
                course.add(plane)
                yield plane.index, plane.pixels

        written = stack.counted + ("YXS" if first.pixels.ndim == 3 else "YX")
        shape = (*stack.lengths, *first.pixels.shape)
        # It stands before the planes in the file, so that it cannot tell how they ended.
        known = {
            name: one for name, one in course.provenance().items() if name not in ("iterations", "stopped_by")
        }
        save_planes(
            in_order(pixels(), stack.indices(), Path(path).parent),
            written,
            shape,
            first.pixels.dtype,
            path,
            metadata=stack.metadata,
            enlarged=enlargement(stack, shape, written),
            overwrite=overwrite,
            source=stack.source,
            provenance=known | {"streamed": True, "seconds_allowed": seconds},
        )
        if finished is not None and not course.interrupted:
            finished.remove()
    seconds_taken = time.monotonic() - began
    noise = noise_of_channels(course.planned())
    return WrittenStack(
        shape,
        written,
        course.iterations,
        seconds_taken,
        str(known["prior"]),
        tuple(course.sigmas.get(channel) for channel in range(stack.channels)),
        noise,
        "" if joint is None else joint.in_words,
        course.stopped_by,
        course.interrupted,
    )


def _planes(
    finished: FinishedPlanes | None,
    stack: Stack,
    request: Request,
    options: dict[str, Any],
    survey: Survey,
    depth: Depth | None,
    joint: JointChannels | None,
    *,
    hidden: bool,
) -> Iterator[Plane]:
    """The planes that an earlier run has finished, then the others, each of which is kept when it is done."""
    count, last = 0, None
    if finished is not None:
        for last in finished.kept(in_turn(stack, joint)):
            count += 1
            yield last
    planes = restored(
        stack, request, options, survey, depth, hidden=hidden, skipped=count, last=last, joint=joint
    )
    for plane in planes:
        if finished is not None:
            finished.add(plane)
        yield plane
