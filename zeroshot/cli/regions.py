"""Restoring a Zarr store whose planes no memory holds: part by part, here, in several processes, or on a cluster."""

from __future__ import annotations

import argparse
import json
import shutil
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from zeroshot.cli.batch import over_images, side_by_side
from zeroshot.cli.finished import require_made_alike
from zeroshot.cli.messages import log_lines, say
from zeroshot.images.kinds import is_zarr
from zeroshot.spelling import CHOOSE_ANOTHER, OutputExistsError
from zeroshot.words import counted


def goes_by_regions(options: argparse.Namespace) -> bool:
    """Whether the input is a Zarr store whose planes are too large, or that several processes are to share.

    One that is restored as a volume is not: it is cut into boxes by one process. Nor is one whose channels are to be
    joint: parts know nothing of those of other channels. And a store has no scenes: --scene is refused elsewhere.
    """
    if len(options.inputs) != 1 or not is_zarr(options.inputs[0]):
        return False
    if options.volume is not None or options.channels == "joint" or options.scene is not None:
        return False
    from zeroshot.regions import LOCAL_TASKS, is_large, windows_of

    if options.scheduler is not None or (options.jobs > 1 and options.command in LOCAL_TASKS):
        return True

    windows = windows_of(options.inputs[0], options.axes)
    return windows is not None and is_large(windows)


def restore_regions(options: argparse.Namespace, source: Path, output: Path, told: dict[str, Any]) -> int:
    """Restore the parts of a store that are not done yet, and give the result its name when all are; the exit code.

    Parameters
    ----------
    options : argparse.Namespace
    source, output : Path
    told : dict
        What the engine is told, of which the options of the task are `options.task_values`.

    Raises
    ------
    ValueError, TypeError, OSError
        In one line, before any work.
    """
    from zeroshot.regions import Regions, partial_of, require_local, waiting, windows_of
    from zeroshot.request import Request
    from zeroshot.solve import resolve_device
    from zeroshot.survey import say_channels, surveyed
    from zeroshot.tiling.planning import Tiling
    from zeroshot.watch import Watch

    began = time.monotonic()
    if options.resume and output.exists() and not options.overwrite and not partial_of(output).exists():
        require_made_alike(options, source, output)
        if not (options.quiet or options.json):
            say(f"{output} is finished already")
        return 0
    values = options.task_values
    require_local(options.command, values)
    _check_written(options, source, output, partial_of(output))
    windows = windows_of(source, options.axes)
    assert windows is not None
    survey = surveyed(windows, options.command, values, options.value_range)
    if not options.quiet:
        say_channels(windows.stack, survey)
    if options.overwrite and not options.resume:
        shutil.rmtree(partial_of(output), ignore_errors=True)
    request = Request(
        options.command, options.prior, told["settings"], None, None, options.seed, resolve_device(options.device),
        Watch(progress=False), Tiling(options.tile, options.overlap, options.samples),
    )  # fmt: skip
    regions = Regions(source, output, options.axes, request, values, survey)
    regions.create(windows)
    jobs = [(Path(f"{source}, {windows.region(index)}"), index) for index in waiting(regions, windows)]
    work = _Restoring(options, regions)
    if jobs:
        with side_by_side(options, work, len(jobs)) as processes, log_lines(not options.quiet):
            code = over_images(jobs, work, processes=processes, advice="; --resume goes on from here")
        if code:
            return code
    regions.finish(overwrite=options.overwrite)
    seconds = time.monotonic() - began
    if options.json:
        say(
            json.dumps(
                {
                    "input": str(source),
                    "output": str(output),
                    "parts": windows.count,
                    "seconds": round(seconds, 3),
                }
            )
        )
    elif not options.quiet:
        shape = " × ".join(map(str, windows.stack.shape))
        parts = counted(windows.count, "part")
        say(f"{output}: {shape} ({windows.stack.axes}) in {parts} in {seconds:.1f} s")
    return 0


def _check_written(options: argparse.Namespace, source: Path, output: Path, partial: Path) -> None:
    for flag in ("preview", "trace", "maps", "latent", "seconds"):
        if getattr(options, flag):
            raise ValueError(f"--{flag} goes with what is held at once, not with the parts of {source}")
    if output.suffix.lower() != ".zarr":
        raise ValueError(
            f"the parts of {source} are put into a Zarr store: give an output .zarr, got {output}"
        )
    if output.exists() and output.samefile(source):
        raise ValueError(f"the output is the input, which is never overwritten: {output}")
    if output.exists() and not options.overwrite:
        raise OutputExistsError(f"{output} exists", CHOOSE_ANOTHER)
    if partial.exists() and not (options.resume or options.overwrite):
        raise FileExistsError(
            f"{partial} holds an unfinished run: add --resume to continue it or --overwrite to start anew"
        )


@dataclass(frozen=True)
class _Restoring:
    """The work of one part after another."""

    options: argparse.Namespace
    regions: Any

    def prepare(self) -> None:
        """Check the prior, its settings and the device, and load the engine."""
        from zeroshot.cli.restore import prepare_solver

        prepare_solver(self.options)

    def again(self) -> _Restoring:
        """A part is written anew."""
        return self

    def __call__(self, index: tuple[int, ...]) -> int:
        self.regions.restore(index)
        return 0
