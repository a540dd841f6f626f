"""Watch a run from outside: progress bar, preview, history, callbacks, Ctrl-C and checkpoints.

Each is a listener of the loop. A full disk does not end a run: what could not be written is reported, and the
run goes on.
"""

from __future__ import annotations

import importlib.util
import logging
import math
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from zeroshot import images
from zeroshot.checkpoint import Checkpoint, recorded
from zeroshot.checks import require_positive
from zeroshot.estimate import Estimate, History
from zeroshot.files import Tolerance
from zeroshot.locks import locked
from zeroshot.loop import INTERRUPTED, Listener, Loop
from zeroshot.prior import Prior, Run
from zeroshot.spelling import visible
from zeroshot.terminal import is_terminal

_LOGGER = logging.getLogger(__name__)
#: Of a run that has no bar, a line is logged so often.
SECONDS_BETWEEN_LINES = 30.0

#: A function of the estimate and the run, or a listener, which may also end the run (:meth:`Loop.end`).
Callback = Callable[[Estimate, Run], None] | Listener


@dataclass(frozen=True)
class Watch:
    """Who watches a run, and what is written while it goes on; the arguments of :func:`zeroshot.solve`."""

    callbacks: Sequence[Callback] = ()
    progress: bool | None = None
    preview: str | Path | None = None
    preview_seconds: float = 5.0
    checkpoint: str | Path | None = None
    checkpoint_seconds: float = 60.0
    resume: bool = False
    keep_checkpoint: bool = False

    def __post_init__(self) -> None:
        require_positive(self, "preview_seconds")
        known = isinstance(self.callbacks, Sequence) and all(
            isinstance(one, Listener) or callable(one) for one in self.callbacks
        )
        if not known:
            raise TypeError("callbacks must be a list of functions (estimate, run) → None")
        if self.resume and self.checkpoint is None:
            raise ValueError("resume=True needs checkpoint=…: the file that the run was saved to")

    def run(
        self,
        begin: Callable[[Sequence[Listener]], Loop],
        prior: Prior,
        label: str,
        seconds: float | None,
        picture: images.Picture,
        fingerprint: dict[str, Any],
        first: Callable[[], torch.Tensor],
    ) -> tuple[Loop, History]:
        """Begin a loop with these listeners, continue a saved one where that is asked for, and step it to its end.

        Parameters
        ----------
        begin : callable
            Makes the loop that has the listeners it is given.
        prior, label, seconds
            What the progress bar counts, and what it is called.
        picture : Picture
            The input, for previews of its kind.
        fingerprint : dict
            What a checkpoint must agree with to be continued.
        first : callable
            Makes the image that is shown before the run has begun, which may take a while.
        """
        history = History()
        checkpoint = self._checkpoint(fingerprint)
        with ExitStack() as held:
            # Before any work: a second run with the same files would undo the first.
            for path in {Path(path) for path in (self.checkpoint, self.preview) if path is not None}:
                held.enter_context(locked(path))
            saved = checkpoint.load() if checkpoint is not None and self.resume else None
            interrupted = held.enter_context(interruption())
            progress = Progress(self.progress, seconds, label)
            held.callback(progress.close)
            listeners: list[Listener] = [Recording(history), progress]
            preview = None
            if self.preview is not None:
                preview = Preview(self.preview, self.preview_seconds, picture, history)
                held.callback(preview.close)
                listeners.append(preview)
            listeners += [one if isinstance(one, Listener) else Told(one) for one in self.callbacks]
            listeners += [interrupted, *([] if checkpoint is None else [checkpoint])]
            if preview is not None and saved is None:
                preview.show(first())
            loop = begin(listeners)
            if preview is not None and saved is None and loop.run.beginning() is not None:
                preview.show(loop.problem.framed(loop.image))
            if checkpoint is not None and saved is not None:
                checkpoint.continue_with(loop, saved)
                known = len(history)
                # What an optimiser was given is used no earlier than here; listeners fail on their own account.
                with checkpoint.fitting(until=lambda: len(history) > known):
                    loop.step()
            loop.complete()
            if checkpoint is not None and loop.reason != INTERRUPTED and not self.keep_checkpoint:
                checkpoint.remove()
        return loop, history

    def recorded_threads(self) -> int | None:
        """With how many threads the run began that is to be continued; None where there is none, or nobody knows."""
        if self.checkpoint is None or not self.resume:
            return None
        found = recorded(Path(self.checkpoint)).get("threads")
        return found if isinstance(found, int) and found > 0 else None

    def _checkpoint(self, fingerprint: dict[str, Any]) -> Checkpoint | None:
        if self.checkpoint is None:
            return None
        return Checkpoint(self.checkpoint, fingerprint, self.checkpoint_seconds)


class Recording(Listener):
    """Writes down what was measured at every step."""

    def __init__(self, history: History) -> None:
        self.history = history

    def stepped(self, loop: Loop, estimate: Estimate) -> None:
        """Add the step to the history."""
        self.history.append(estimate, loop.seconds, loop.measures())

    def state_dict(self) -> dict[str, Any]:
        """The history so far."""
        return self.history.state_dict()

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """The history up to where `state` was taken."""
        self.history.load_state_dict(state)


class Told(Listener):
    """A function of the caller's, called after every step."""

    def __init__(self, callback: Callable[[Estimate, Run], None]) -> None:
        self.callback = callback

    def stepped(self, loop: Loop, estimate: Estimate) -> None:
        """Call it, with the part of the image that was asked for."""
        problem = loop.problem
        if problem.frame is not None:
            iterate = None if estimate.iterate is None else problem.framed(estimate.iterate)
            estimate = replace(estimate, image=problem.framed(estimate.image), iterate=iterate)
        self.callback(estimate, loop.run)


def course(loop: Loop, estimate: Estimate, seconds: float | None) -> tuple[float, float | None]:
    """How far a run is, and of how much.

    Of the budget in `seconds`, else of 1.0 where the run knows the share of its parts that is done, else of the most
    iterations that the rule allows; None where nobody knows of how much.
    """
    share = loop.run.share_done()
    if seconds is not None:
        return loop.seconds, seconds
    if share is not None:
        return share, 1.0
    return estimate.iteration, loop.rule.most_iterations


class Progress(Listener):
    """A bar with the loss and, under a budget, the time left: on standard error, or in a notebook's cell.

    Where nobody sees it, as in a file of standard error, the same is logged now and then, a line at a time.

    It counts towards what ends the run: the budget in seconds, the share of the tiles that is done, or the most
    iterations that the rule allows. Where nothing of that is known, it counts iterations.

    Parameters
    ----------
    shown : bool or None
        None shows it where standard error is a terminal, and in a notebook.
    seconds : float or None
        The budget.
    label : str
        What the bar is called.
    """

    def __init__(self, shown: bool | None, seconds: float | None, label: str) -> None:
        seen = in_notebook() or is_terminal(sys.stderr)
        hidden = sys.stderr is None or (not seen if shown is None else not shown)
        self.label, self._seconds = visible(label), seconds
        self._begun = False
        self._is_logged = hidden and shown is None
        self._logged = time.monotonic()
        self.bar = _bar_class()(total=seconds, desc=self.label, disable=hidden, bar_format=_FORM, leave=False)

    def stepped(self, loop: Loop, estimate: Estimate) -> None:
        """Show the state after a step, and beside the label where a run of several parts is."""
        if self._is_logged and time.monotonic() - self._logged >= SECONDS_BETWEEN_LINES:
            self._logged = time.monotonic()
            _LOGGER.info("%s", self._line(loop, estimate))
        if self.bar.disable:
            return
        position, total = course(loop, estimate, self._seconds)
        if self._seconds is not None:
            counted = "| {n:.0f}/{total:.0f} s{postfix}"
        elif total == 1.0:
            counted = "| [{elapsed}<{remaining}{postfix}]"
        else:
            counted = "| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"
        if not self._begun:
            self._begun = True
            self.bar.bar_format = None if total is None else _FORM + counted
            if total is not None:
                self.bar.reset(total=total)
        if stage := loop.run.stage():
            self.bar.set_description_str(f"{self.label}, {visible(stage)}", refresh=False)
        self.bar.set_postfix_str(f"iteration {estimate.iteration}, loss {estimate.loss:.3g}", refresh=False)
        with self._unless_gone():
            self.bar.update(max(0, min(position, self.bar.total or position) - self.bar.n))

    def _line(self, loop: Loop, estimate: Estimate) -> str:
        """The state after a step in words."""
        stage = loop.run.stage()
        label = f"{self.label}, {visible(stage)}" if stage else self.label
        position, total = course(loop, estimate, self._seconds)
        share = position / total if total else None
        percentage = "" if share is None else f"{min(share, 1):.0%}, "
        return (
            f"{label}: {percentage}iteration {estimate.iteration}, loss {estimate.loss:.3g}, "
            f"{loop.seconds:.0f} s"
        )

    def close(self) -> None:
        """Take the bar away."""
        with self._unless_gone():
            self.bar.close()

    @contextmanager
    def _unless_gone(self) -> Iterator[None]:
        """A terminal that was closed ends the bar, not the run."""
        try:
            yield
        except (OSError, ValueError):
            self.bar.disable = True


_FORM = "{desc}: {percentage:3.0f}%|{bar}"


def in_notebook() -> bool:
    """Whether a notebook's kernel runs this process."""
    shell = sys.modules.get("IPython")
    return shell is not None and hasattr(shell.get_ipython(), "kernel")


def _bar_class() -> Any:
    """The bar of a notebook with its widgets, else the one in letters."""
    if in_notebook() and importlib.util.find_spec("ipywidgets") is not None:
        from tqdm.notebook import tqdm as with_widgets

        return with_widgets
    return tqdm


class Preview(Listener):
    """Writes the estimate to an image file every `every` seconds, while the run goes on.

    Neither a slow disk nor the coding of a large picture holds a run up: a thread writes, and what is due while it
    still does is left out. A GPU goes on while the picture is copied from it.
    """

    def __init__(self, path: str | Path, every: float, picture: images.Picture, history: History) -> None:
        self.path, self.every = path, every
        self._picture, self._history = picture, history
        self._last = -math.inf
        self._tolerated = Tolerance("the preview")
        self._writer = ThreadPoolExecutor(max_workers=1, thread_name_prefix="preview")
        self._writing: Future[None] | None = None
        self._step = 0

    def stepped(self, loop: Loop, estimate: Estimate) -> None:
        """Begin to write a preview where one is due; the history notes it when it is written."""
        if self._writing is not None:
            if not self._writing.done():
                return
            self._finish()
        if time.monotonic() - self._last < self.every:
            return
        self._last, self._step = time.monotonic(), len(self._history) - 1
        copy, copied = _copied_to_host(loop.problem.framed(estimate.image))
        self._writing = self._writer.submit(self._write, copy, copied)

    def show(self, colours: torch.Tensor) -> None:
        """Write an image (1, C, H, W), and wait for it."""
        with self._tolerated():
            self._write(colours.cpu(), None)

    def close(self) -> None:
        """Wait for what is still being written."""
        self._finish()
        self._writer.shutdown()

    def _finish(self) -> None:
        """Wait for the writer, and note what became of it."""
        writing, self._writing = self._writing, None
        if writing is None:
            return
        with self._tolerated():
            writing.result()
            self._history.previews.append(self._step)

    def _write(self, colours: torch.Tensor, copied: torch.cuda.Event | None) -> None:
        if copied is not None:
            copied.synchronize()
        images.save(self._picture.with_colours(colours.float()), self.path, overwrite=True)


def _copied_to_host(image: torch.Tensor) -> tuple[torch.Tensor, torch.cuda.Event | None]:
    """A copy that later steps do not change, and the event after which it holds the image, where that is later."""
    if image.device.type != "cuda":
        return image.detach().to("cpu", copy=True), None
    copy = torch.empty(image.shape, dtype=image.dtype, pin_memory=True)
    copy.copy_(image.detach(), non_blocking=True)
    copied = torch.cuda.Event()
    copied.record(torch.cuda.current_stream(image.device))
    return copy, copied


class Interruption(Listener):
    """Ends the run after the step in which Ctrl-C was pressed."""

    requested = False

    def stepped(self, loop: Loop, estimate: Estimate) -> None:
        """End the run where that was asked for, unless it has ended by itself."""
        if self.requested and not loop.reason:
            loop.end(INTERRUPTED)


@contextmanager
def interruption() -> Iterator[Interruption]:
    """Turn the first Ctrl-C into a request that the loop honours between two steps; a second one raises.

    Stopping inside a step would leave the weights half updated and the checkpoint useless. Signals reach the
    main thread only; in other threads nothing is changed, nor where Ctrl-C is ignored, as in jobs of a script that
    go on in the background.
    """
    state = Interruption()
    in_background = signal.getsignal(signal.SIGINT) in (signal.SIG_IGN, None)
    if in_background or threading.current_thread() is not threading.main_thread():
        yield state
        return

    def request(number: int, frame: Any) -> None:
        if state.requested:
            raise KeyboardInterrupt
        state.requested = True

    previous = signal.signal(signal.SIGINT, request)
    try:
        yield state
    finally:
        signal.signal(signal.SIGINT, previous)
