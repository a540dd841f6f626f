"""Planes of a stack that are done, kept beside the output: a run that was cut goes on from them.

The file begins with a line that names it; then come records, each its length in 8 bytes, least first, and a state with
its checksum (:mod:`zeroshot.state_files`): first what makes the run this run, then the planes as they are done. Records
are only ever added, so that a kill at any moment costs no more than the last one; reading ends at the first that is cut
off or damaged.
"""

from __future__ import annotations

import contextlib
import io
import json
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
import torch

from zeroshot.checkpoint import REMEDY, CheckpointError, require_same_run
from zeroshot.files import Tolerance
from zeroshot.images.stack import Index
from zeroshot.planes import Course, Outcome, Plane
from zeroshot.provenance import described
from zeroshot.registry import __version__
from zeroshot.request import Request
from zeroshot.restoration import Restoration
from zeroshot.state_files import StateFileError, state_in, write_state

_MARK = b"zeroshot planes 1\n"
_LENGTH = struct.Struct("<Q")


def fingerprint(request: Request, options: dict[str, Any], course: Course) -> dict[str, Any]:
    """What makes a run over a stack this run, as JSON can hold it."""
    told = {
        "zeroshot": __version__,
        "torch": str(torch.__version__),
        "task": request.task,
        "prior": described(request.prior),
        "settings": described(request.settings or {}),
        "options": described(options),
        "seed": request.seed,
        "tiling": repr(request.tiling),
        "device": str(request.device),
        "threads": torch.get_num_threads(),
        **course.planned(),
    }
    return json.loads(json.dumps(told))


class FinishedPlanes:
    """The planes that are done of one run; a context manager that closes the file.

    Parameters
    ----------
    path : Path
        The file; it is made with the first plane.
    run : dict
        The :func:`fingerprint`.
    resume : bool
        Whether to take what is there; else it is begun anew.

    Raises
    ------
    CheckpointError
        Where the file is of another run, or none of ours.
    OSError
        Where it cannot be read.
    """

    def __init__(self, path: Path, run: dict[str, Any], *, resume: bool) -> None:
        self.path, self._run = path, run
        self._file: BinaryIO | None = None
        self._end = 0
        self._is_complete = True
        self._tolerated = Tolerance("the checkpoint")
        if resume and path.exists():
            self._open_kept()

    def _open_kept(self) -> None:
        file = self.path.open("r+b")
        try:
            if file.read(len(_MARK)) != _MARK:
                raise CheckpointError(f"checkpoint {self.path} is not one of a stack", REMEDY)
            begun = _next_state(file)
            if begun is None:
                raise CheckpointError(f"checkpoint {self.path} is cut off or damaged", REMEDY)
            require_same_run(self.path, begun, self._run)
        except BaseException:
            file.close()
            raise
        self._file, self._end = file, file.tell()

    def __enter__(self) -> FinishedPlanes:
        return self

    def __exit__(self, *_error: object) -> None:
        if self._file is not None:
            self._file.close()

    def kept(self, indices: Iterator[Index]) -> Iterator[Plane]:
        """The planes that are kept, as many as `indices` at most; what is behind the last whole one is given up."""
        if self._file is None:
            return
        for index in indices:
            self._file.seek(self._end)
            record = _next_state(self._file)
            plane = None if record is None else _plane(record, index)
            if plane is None:
                return
            self._end = self._file.tell()
            yield plane

    def add(self, plane: Plane) -> None:
        """Keep a plane, unless it was cut short or not begun, or one before it could not be kept.

        The file is made in any case: an output that it lies beside is not complete.
        """
        if not self._is_complete:
            return
        self._is_complete = False
        with self._tolerated():
            file = self._file or self._begun()
            ended = plane.restoration
            # What has made no step is left as it was, for want of time: another run has more.
            if ended.interrupted or (isinstance(ended, Restoration) and not ended.iterations):
                return
            file.seek(self._end)
            file.truncate()
            _write_record(file, _state(plane))
            self._end = file.tell()
            self._is_complete = True

    def _begun(self) -> BinaryIO:
        with contextlib.suppress(FileNotFoundError):
            self.path.unlink()  # that of an earlier run, or a link
        self._file = file = self.path.open("x+b")
        file.write(_MARK)
        _write_record(file, self._run)
        self._end = file.tell()
        return file

    def remove(self) -> None:
        """Delete the file: all planes are safe elsewhere."""
        if self._file is not None:
            self._file.close()
            self._file = None
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def recorded_threads(path: Path) -> int | None:
    """With how many threads the run began whose planes are kept; None where nobody knows."""
    with contextlib.suppress(OSError), path.open("rb") as file:
        begun = _next_state(file) if file.read(len(_MARK)) == _MARK else None
        found = begun.get("threads") if isinstance(begun, dict) else None
        return found if isinstance(found, int) and found > 0 else None
    return None


def _write_record(file: BinaryIO, state: dict[str, Any]) -> None:
    buffer = io.BytesIO()
    write_state(buffer, state)
    file.write(_LENGTH.pack(buffer.tell()))
    file.write(buffer.getbuffer())
    file.flush()


def _next_state(file: BinaryIO) -> Any:
    """The state of the next record, or None where there is no whole one."""
    head = file.read(_LENGTH.size)
    if len(head) < _LENGTH.size:
        return None
    (length,) = _LENGTH.unpack(head)
    place = file.tell()
    if length > file.seek(0, io.SEEK_END) - place:
        return None
    file.seek(place)
    try:
        return state_in(io.BytesIO(file.read(length)))
    except StateFileError:
        return None


def _state(plane: Plane) -> dict[str, Any]:
    pixels, ended = np.ascontiguousarray(plane.pixels), plane.restoration
    return {
        "index": list(plane.index),
        "dtype": pixels.dtype.name,
        "shape": list(pixels.shape),
        "bytes": torch.from_numpy(pixels.reshape(-1).view(np.uint8)),
        "iterations": ended.iterations,
        "seconds": ended.seconds,
        "stopped_by": ended.stopped_by,
        "sigma": ended.sigma,
        "provenance": json.dumps(ended.provenance),
    }


def _plane(record: Any, index: Index) -> Plane | None:
    """The plane of a record; None where it is another one."""
    try:
        if tuple(record["index"]) != index:
            return None
        values = record["bytes"].numpy().view(np.dtype(record["dtype"]))
        outcome = Outcome(
            iterations=record["iterations"],
            seconds=record["seconds"],
            stopped_by=record["stopped_by"],
            sigma=record["sigma"],
            provenance=json.loads(record["provenance"]),
        )
        return Plane(index, values.reshape(record["shape"]), outcome)
    except (KeyError, TypeError, ValueError, AttributeError):
        return None
