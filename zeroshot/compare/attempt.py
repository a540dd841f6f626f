"""One run of one method on one image: timed, recorded and turned into plain values, in any process."""

from __future__ import annotations

import random
import sys
import time
import traceback
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import torch

from zeroshot.compare.method import Case, Method
from zeroshot.compare.methods.arrays import to_array
from zeroshot.compare.records import CurvePoint, Status
from zeroshot.images.picture import Picture
from zeroshot.memory import tells_of_memory
from zeroshot.metrics import psnr
from zeroshot.provenance import described

_LONGEST_REASON = 300
# Points of a curve lie at least this far apart, as a share of the time so far: more can be drawn by no plot.
_CURVE_SPACING = 0.01


@dataclass(frozen=True, eq=False)
class Job:
    """A damaged image and what is to be undone.

    Attributes
    ----------
    measurement : Picture
        The damaged image, exact.
    task, options, seconds, seed
        As in :class:`~zeroshot.compare.method.Case`.
    truth : torch.Tensor or None
        (1, C, H, W), for the curve of quality over time only; the method does not see it.
    """

    measurement: Picture
    task: str
    options: dict[str, Any]
    seconds: float | None = None
    seed: int = 0
    truth: torch.Tensor | None = None


@dataclass(frozen=True, eq=False)
class AttemptResult:
    """The result of a job: a status with its reason, and the image (H × W or H × W × C, float32) if there is one."""

    status: Status
    reason: str = ""
    image: np.ndarray | None = None
    seconds: float | None = None
    memory_mib: float | None = None
    notes: dict[str, Any] = field(default_factory=dict)
    curve: tuple[CurvePoint, ...] = ()
    traceback: str = ""


def attempt(method: Method, job: Job) -> AttemptResult:
    """Let a method restore an image; an exception becomes a result with its reason.

    Parameters
    ----------
    method : Method
        The method, loaded.
    job : Job
        The damaged image.

    Returns
    -------
    AttemptResult
        Its seconds are the wall-clock time of ``restore`` alone, without the time spent on intermediate images.
    """
    watch = _Stopwatch(job.truth)
    try:
        case = _case(job, watch)
        reason = method.supports(case)
        if reason:
            return AttemptResult("unsupported", one_line(reason))
        image, seconds = watch.timed(method, to_array(case.problem.y), job, case)
        image = _checked(image, case.problem.framed_shape)
    # A method that calls sys.exit() ends its own run, not the comparison.
    except (Exception, SystemExit) as error:
        status: Status = "memory" if is_out_of_memory(error) else "failed"
        return AttemptResult(
            status,
            reason_of(error),
            memory_mib=peak_memory_mib(),
            notes=watch.notes,
            curve=tuple(watch.curve),
            traceback=traceback.format_exc(),
        )
    watch.finish(image, seconds)
    return AttemptResult("done", "", image, seconds, peak_memory_mib(), watch.notes, tuple(watch.curve))


def prepare(method: Method) -> None:
    """Let a method load its weights, where it says how, so that no restoration's time contains it."""
    load = getattr(method, "prepare", None)
    if callable(load):
        load()


def _case(job: Job, watch: _Stopwatch) -> Case:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # about the task, which is the same for every method
        return Case.of(
            job.measurement,
            job.task,
            job.options,
            seconds=job.seconds,
            seed=job.seed,
            show=watch.show,
            note=watch.note,
        )


class _Stopwatch:
    """The clock of a run, which stops while an intermediate image is measured."""

    def __init__(self, truth: torch.Tensor | None) -> None:
        self.curve: list[CurvePoint] = []
        self.notes: dict[str, Any] = {}
        self._truth = None if truth is None else to_array(truth)
        self._started: float | None = None
        self._away = 0.0

    def timed(self, method: Method, image: np.ndarray, job: Job, case: Case) -> tuple[Any, float]:
        seed_everything(job.seed)
        self._started = time.perf_counter()
        restored = method.restore(image, case)
        return restored, self._elapsed()

    def show(self, image: np.ndarray) -> None:
        if self._started is None or self._truth is None:
            return
        elapsed = self._elapsed()
        if self.curve and elapsed < self.curve[-1].seconds * (1 + _CURVE_SPACING):
            return
        self.curve.append(CurvePoint(elapsed, self._quality(image)))
        self._away += self._elapsed() - elapsed

    def note(self, key: str, value: Any) -> None:
        self.notes[str(key)] = described(value)

    def finish(self, image: np.ndarray, seconds: float) -> None:
        """End the curve at the result; a method that showed nothing has no curve."""
        if self.curve:
            self.curve.append(CurvePoint(seconds, self._quality(image)))

    def _elapsed(self) -> float:
        assert self._started is not None
        return time.perf_counter() - self._started - self._away

    def _quality(self, image: np.ndarray) -> float:
        assert self._truth is not None
        shown = np.clip(np.asarray(image, dtype=np.float32), 0, 1)
        return psnr(shown.reshape(self._truth.shape) if shown.ndim == 3 else shown, self._truth)


def seed_everything(seed: int) -> None:
    """Put the global random generators where a fresh process with this seed has them.

    What a method draws must not depend on which images came before, or a continued comparison would differ.
    """
    random.seed(seed)
    np.random.seed(seed % 2**32)  # noqa: NPY002 (a method may use the old interface)
    torch.manual_seed(seed)


def _checked(image: Any, reference_shape: tuple[int, ...]) -> np.ndarray:
    """The restored image, float32, H × W or H × W × C, if it is one."""
    if isinstance(image, torch.Tensor):
        image = image.detach().cpu().numpy()
    if not isinstance(image, np.ndarray):
        raise TypeError(f"restore() must return an array, got {type(image).__name__}")
    if not np.issubdtype(image.dtype, np.floating):
        raise TypeError(f"restore() must return floats in [0, 1], got {image.dtype}")
    _, channels, height, width = reference_shape
    wanted = (height, width) if channels == 1 else (height, width, channels)
    if image.shape == (height, width, 1) and channels == 1:
        image = image[..., 0]
    if image.shape != wanted:
        shapes = [" × ".join(map(str, shape)) for shape in (wanted, image.shape)]
        raise ValueError(f"restore() must return an image of {shapes[0]}, got {shapes[1]}")
    if not np.isfinite(image).all():
        raise ValueError("restore() returned values that are not finite")
    return np.ascontiguousarray(image, dtype=np.float32)


# --- what went wrong ---------------------------------------------------------------------------------------


def one_line(text: object) -> str:
    """A text on one line, cut where it is very long."""
    line = " ".join(str(text).split())
    return line if len(line) <= _LONGEST_REASON else line[: _LONGEST_REASON - 1] + "…"


def reason_of(error: BaseException) -> str:
    """An error in one line."""
    return one_line(f"{type(error).__name__}: {error}" if str(error).strip() else type(error).__name__)


def is_out_of_memory(error: BaseException) -> bool:
    """Whether an error says that memory ran out, in the words of any of the engines."""
    return isinstance(error, MemoryError) or tells_of_memory(f"{type(error).__name__}: {error}")


def peak_memory_mib() -> float | None:
    """Peak resident memory of this process so far, in MiB; None where the system does not say."""
    try:
        # Not getrusage: that counts the parent's memory at the moment of starting this process.
        for line in Path("/proc/self/status").read_text().splitlines():
            if line.startswith("VmHWM:"):
                return int(line.split()[1]) / 1024
    except OSError:
        pass
    try:
        import resource
    except ImportError:
        return None
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak / 2**20 if sys.platform == "darwin" else peak / 2**10
