"""Watch a run from outside: progress bar, preview, history, callbacks, Ctrl-C and checkpoints.

Each is a listener of the loop. A full disk does not end a run: what could not be written is reported, and the
run goes on.
"""

from __future__ import annotations

import importlib.util
import math
import os
import signal
import sys
import threading
import time
import warnings
import zipfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from zeroshot import images
from zeroshot.checks import require_positive
from zeroshot.estimate import Estimate, History
from zeroshot.loop import Listener, Loop
from zeroshot.prior import Prior, Run

Callback = Callable[[Estimate, Run], None]

#: The reason of a run that was ended by Ctrl-C.
INTERRUPTED = "interrupted"


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
        if not isinstance(self.callbacks, Sequence) or not all(map(callable, self.callbacks)):
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
        """
        history = History()
        saved, checkpoint = None, None
        if self.checkpoint is not None:
            checkpoint = Checkpoint(self.checkpoint, fingerprint, self.checkpoint_seconds)
            saved = checkpoint.load() if self.resume else None
        with interruption() as interrupted:
            progress = Progress(self.progress, seconds, label)
            listeners: list[Listener] = [Recording(history), progress]
            if self.preview is not None:
                listeners.append(Preview(self.preview, self.preview_seconds, picture, history))
            listeners += [Told(callback) for callback in self.callbacks]
            listeners += [interrupted, *([] if checkpoint is None else [checkpoint])]
            loop = begin(listeners)
            if saved is not None:
                loop.load_state_dict(saved["loop"])
            loop.complete()
        progress.close()
        if checkpoint is not None and loop.reason != INTERRUPTED and not self.keep_checkpoint:
            checkpoint.remove()
        return loop, history


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

    def __init__(self, callback: Callback) -> None:
        self.callback = callback

    def stepped(self, loop: Loop, estimate: Estimate) -> None:
        """Call it."""
        self.callback(estimate, loop.run)


class Progress(Listener):
    """A bar with the loss and, under a budget, the time left: on standard error, or in a notebook's cell.

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
        hidden = not (sys.stderr.isatty() or in_notebook()) if shown is None else not shown
        self.label, self._seconds = label, seconds
        self._begun = False
        self.bar = _bar_class()(total=seconds, desc=label, disable=hidden, bar_format=_FORM, leave=False)

    def stepped(self, loop: Loop, estimate: Estimate) -> None:
        """Show the state after a step, and beside the label where a run of several parts is."""
        if self.bar.disable:
            return
        share = loop.run.share()
        position: float
        total: float | None
        if self._seconds is not None:
            position, total, counted = loop.seconds, self._seconds, "| {n:.0f}/{total:.0f} s{postfix}"
        elif share is not None:
            position, total, counted = share, 1.0, "| [{elapsed}<{remaining}{postfix}]"
        else:
            position, total = estimate.iteration, loop.rule.most_iterations
            counted = "| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"
        if not self._begun:
            self._begun = True
            self.bar.bar_format = None if total is None else _FORM + counted
            if total is not None:
                self.bar.reset(total=total)
        if stage := loop.run.stage():
            self.bar.set_description_str(f"{self.label}, {stage}", refresh=False)
        self.bar.set_postfix_str(f"iteration {estimate.iteration}, loss {estimate.loss:.3g}", refresh=False)
        self.bar.update(max(0, min(position, self.bar.total or position) - self.bar.n))

    def close(self) -> None:
        """Take the bar away."""
        self.bar.close()


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
    """Writes the estimate to an image file every `every` seconds."""

    def __init__(self, path: str | Path, every: float, picture: images.Picture, history: History) -> None:
        self.path, self.every = path, every
        self._picture, self._history = picture, history
        self._last = -math.inf

    def stepped(self, loop: Loop, estimate: Estimate) -> None:
        """Write a preview where one is due, and note it in the history."""
        if time.monotonic() - self._last < self.every:
            return
        with _tolerated("the preview"):
            picture = self._picture.with_colours(estimate.image.float().cpu())
            images.save(picture, self.path, overwrite=True)
            self._last = time.monotonic()
            self._history.previews.append(len(self._history) - 1)


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
    main thread only; in other threads nothing is changed.
    """
    state = Interruption()
    if threading.current_thread() is not threading.main_thread():
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


@contextmanager
def _tolerated(what: str) -> Iterator[None]:
    """Report what could not be written, and go on."""
    try:
        yield
    except (OSError, images.ImageError) as error:
        warnings.warn(f"{what} could not be written: {error}", stacklevel=3)


#: The layout of a checkpoint; another one is not continued.
_FORMAT = 2


class Checkpoint(Listener):
    """A file that a run is saved to every `every` seconds, so that a kill at any moment leaves a whole one behind.

    Parameters
    ----------
    path : str or Path
        The file.
    fingerprint : dict
        What makes this run this run: task, prior, settings, seed, input. A checkpoint with another
        fingerprint is not continued.
    every : float
        Seconds between two saves.
    """

    def __init__(self, path: str | Path, fingerprint: dict[str, Any], every: float) -> None:
        if not every >= 0:
            raise ValueError(f"the seconds between checkpoints must be at least 0, got {every}")
        self.path = Path(path)
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"the folder of the checkpoint does not exist: {self.path.parent}")
        self.fingerprint = fingerprint
        if self.path.exists() and not zipfile.is_zipfile(self.path):
            raise ValueError(f"not a checkpoint of zeroshot, and not to be overwritten: {self.path}")
        self.every = every
        self._saved = time.monotonic()

    def stepped(self, loop: Loop, estimate: Estimate) -> None:
        """Save the run where it is due, and where it was interrupted."""
        due = not loop.reason and time.monotonic() - self._saved >= self.every
        if due or loop.reason == INTERRUPTED:
            with _tolerated("the checkpoint"):
                self.save({"loop": loop.state_dict()})

    def save(self, state: dict[str, Any]) -> None:
        """Write `state`, replacing the last save in one step."""
        # A fixed name: what a kill leaves behind is replaced by the next save.
        temporary = self.path.with_name(f".{self.path.name}.part")
        content = {"format": _FORMAT, "fingerprint": self.fingerprint, **state}
        try:
            with open(temporary, "wb") as file:
                torch.save(content, file)
                file.flush()
                os.fsync(file.fileno())
            os.replace(temporary, self.path)
        finally:
            temporary.unlink(missing_ok=True)
        self._saved = time.monotonic()

    def load(self) -> dict[str, Any] | None:
        """The saved state, or None where there is none yet.

        Raises
        ------
        ValueError
            Where the file is not a checkpoint, or one of another run; the message names the difference.
        """
        if not self.path.exists():
            return None
        try:
            content = torch.load(self.path, map_location="cpu", weights_only=True)
            found = content["fingerprint"]
        except Exception as error:  # the unpickler raises anything at all on bytes that are not its own
            raise ValueError(f"not a checkpoint of zeroshot: {self.path}") from error
        if content.get("format") != _FORMAT:
            raise ValueError(f"checkpoint {self.path} was written by another version of zeroshot")
        difference = _first_difference(found, self.fingerprint)
        if difference is not None:
            name, there, here = difference
            raise ValueError(
                f"checkpoint {self.path} belongs to another run: its {name} is {there}, here it is {here}"
            )
        return content

    def remove(self) -> None:
        """Delete the file: the run has ended."""
        self.path.unlink(missing_ok=True)


def _first_difference(found: dict[str, Any], wanted: dict[str, Any]) -> tuple[str, Any, Any] | None:
    """The first entry, by name, in which two nested dicts differ, with both values."""
    for name in sorted({*found, *wanted}):
        there, here = found.get(name), wanted.get(name)
        if isinstance(there, dict) and isinstance(here, dict):
            inner = _first_difference(there, here)
            if inner is not None:
                return (f"{name}.{inner[0]}", *inner[1:])
        elif there != here:
            return name, there, here
    return None
