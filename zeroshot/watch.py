"""Those who watch a run from outside: the progress bar, the preview, Ctrl-C, and the watch for NaN."""

from __future__ import annotations

import math
import os
import signal
import sys
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from tqdm import tqdm

from zeroshot.estimate import Estimate
from zeroshot.prior import Run


class Progress:
    """A bar on standard error with the loss and, under a budget, the time left.

    Parameters
    ----------
    shown : bool or None
        None shows it where standard error is a terminal.
    seconds : float or None
        The budget; the bar then counts seconds instead of iterations.
    iterations : int or None
        The most iterations that will be made, where that is known.
    """

    def __init__(self, shown: bool | None, seconds: float | None, iterations: int | None, label: str) -> None:
        hidden = not sys.stderr.isatty() if shown is None else not shown
        self.label = label
        self.counts_seconds = seconds is not None
        total = seconds if seconds is not None else iterations
        if self.counts_seconds:
            form = "{desc}: {percentage:3.0f}%|{bar}| {n:.0f}/{total:.0f} s{postfix}"
        else:
            form = "{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} [{elapsed}<{remaining}{postfix}]"
        self.bar = tqdm(
            total=total, desc=label, disable=hidden, bar_format=form if total else None, leave=False
        )

    def update(self, estimate: Estimate, seconds: float, stage: str = "") -> None:
        """Show the state after a step, and beside the label where a run of several parts is."""
        if self.bar.disable:
            return
        if stage:
            self.bar.set_description_str(f"{self.label}, {stage}", refresh=False)
        self.bar.set_postfix_str(f"iteration {estimate.iteration}, loss {estimate.loss:.3g}", refresh=False)
        position = seconds if self.counts_seconds else estimate.iteration
        self.bar.update(max(0, min(position, self.bar.total or position) - self.bar.n))

    def close(self) -> None:
        """Take the bar away."""
        self.bar.close()


class Preview:
    """Hands the estimate to `write` every so many seconds."""

    def __init__(self, write: Callable[[torch.Tensor], None] | None, every: float) -> None:
        if not every > 0:
            raise ValueError(f"the seconds between previews must be positive, got {every}")
        self.write = write
        self.every = every
        self._last = -math.inf

    def update(self, estimate: Estimate) -> bool:
        """Write a preview where one is due; whether it was."""
        if self.write is None or time.monotonic() - self._last < self.every:
            return False
        self.write(estimate.image)
        self._last = time.monotonic()
        return True


class Interruption:
    """Whether Ctrl-C was pressed."""

    requested = False


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


class DivergenceWatch:
    """Keeps the last good state, and goes back to it once, with a smaller step, where the loss is not finite.

    Parameters
    ----------
    run : Run
        The run that is watched.
    snapshot : callable
        Gives the state of everything that has to go back together: the run, the rules, the history.
    restore : callable
        Goes back to such a state.
    first : torch.Tensor
        The image to fall back on before the first good state.
    every : int
        Steps between two kept states.
    """

    def __init__(
        self,
        run: Run,
        snapshot: Callable[[], dict[str, Any]],
        restore: Callable[[dict[str, Any]], None],
        first: torch.Tensor,
        every: int = 50,
    ) -> None:
        self.run = run
        self.every = every
        self.restarts = 0
        self.image = first
        self._snapshot = snapshot
        self._restore = restore
        self._steps = 0
        self._state: dict[str, Any] = snapshot()

    def accepts(self, estimate: Estimate) -> bool:
        """Whether the estimate is finite."""
        return math.isfinite(estimate.loss)

    def keep(self, estimate: Estimate) -> None:
        """Keep the state after this step, every so many steps, unless it is spoilt already."""
        self._steps += 1
        if self._steps % self.every:
            return
        state = self._snapshot()
        # A gradient may overflow in a step whose loss was still finite.
        if all_finite(state):
            self._state = state
            self.image = estimate.image.clone()

    def restart(self) -> bool:
        """Go back to the last good state with a tenth of the step; False where that was done before."""
        if self.restarts:
            return False
        self.restarts += 1
        self._restore(self._state)
        self.run.shrink_step(0.1)
        return True

    def state_dict(self) -> dict[str, Any]:
        """What a checkpoint needs beside the state of the run itself."""
        return {"restarts": self.restarts, "steps": self._steps, "image": self.image, "state": self._state}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        self.restarts = state["restarts"]
        self._steps = state["steps"]
        self.image = state["image"].to(self.image.device)
        self._state = state["state"]


def all_finite(state: Any) -> bool:
    """Whether every floating-point tensor in a nested state is finite."""
    if isinstance(state, torch.Tensor):
        return not state.is_floating_point() or bool(state.isfinite().all())
    if isinstance(state, dict):
        return all(all_finite(value) for key, value in state.items() if key != "history")
    if isinstance(state, list | tuple):
        return all(all_finite(value) for value in state)
    return True


# --- checkpoints ---

_FORMAT = 1


class Checkpoint:
    """A file that a run is saved to every so many seconds.

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

    def due(self) -> bool:
        """Whether the last save is long enough ago."""
        return time.monotonic() - self._saved >= self.every

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
