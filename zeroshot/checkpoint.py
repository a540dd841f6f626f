"""Checkpoints: a run saved while it goes on, so that it can be continued after a kill at any moment."""

from __future__ import annotations

import contextlib
import json
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import torch

from zeroshot.estimate import Estimate
from zeroshot.files import Tolerance, write_atomically
from zeroshot.loop import INTERRUPTED, Listener, Loop
from zeroshot.memory import tells_of_memory
from zeroshot.spelling import Spelled, Wording
from zeroshot.state_files import StateFileError, is_state_file, read_state, read_words, write_state

#: The layout of a checkpoint; another one is not continued.
_FORMAT = 4

#: How to be rid of one that is not continued.
REMEDY = Wording("; delete it to start anew", "; --overwrite instead of --resume starts anew")


class CheckpointError(Spelled, ValueError):
    """A checkpoint that cannot be continued."""


class Checkpoint(Listener):
    """A file that a run is saved to every `every` seconds, so that a kill at any moment leaves a whole one behind.

    Parameters
    ----------
    path : str or Path
        The file.
    fingerprint : dict
        What makes this run this run, as JSON can hold it: task, prior, settings, seed, input. A checkpoint with
        another fingerprint is not continued.
    every : float
        Seconds between two saves.

    Raises
    ------
    ValueError, FileNotFoundError
        Where a foreign file is in its place, or there is no such folder.
    """

    def __init__(self, path: str | Path, fingerprint: dict[str, Any], every: float) -> None:
        if not every >= 0:
            raise ValueError(f"the seconds between checkpoints must be at least 0, got {every}")
        self.path = Path(path)
        if not self.path.parent.is_dir():
            raise FileNotFoundError(f"the folder of the checkpoint does not exist: {self.path.parent}")
        if self.path.exists() and not is_state_file(self.path):
            raise CheckpointError(
                f"not a checkpoint of this version of zeroshot, and not to be overwritten: {self.path}",
                REMEDY,
            )
        # As it comes back from a file: a number is a number there, whatever its class was.
        self.fingerprint = json.loads(json.dumps(fingerprint))
        self.every = every
        self._tolerated = Tolerance("the checkpoint")
        self._tried = time.monotonic()

    def stepped(self, loop: Loop, estimate: Estimate) -> None:
        """Save the run where it is due, and where it was interrupted."""
        due = not loop.reason and time.monotonic() - self._tried >= self.every
        if due or loop.reason == INTERRUPTED:
            with self._tolerated():
                self.save({"loop": loop.state_dict()})
            self._tried = time.monotonic()

    def save(self, content: dict[str, Any]) -> None:
        """Write `content`, replacing the last save in one step.

        Raises
        ------
        OSError
            Where the file cannot be written; the last save is still there.
        TypeError
            Where `content` holds what :func:`zeroshot.state_files.write_state` does not write.
        """
        state = {"format": _FORMAT, "fingerprint": self.fingerprint, "content": content}
        write_atomically(self.path, partial(write_state, state=state))

    def load(self) -> dict[str, Any] | None:
        """What was saved, or None where there is nothing yet.

        Raises
        ------
        ValueError
            Where the file is not a checkpoint, is damaged, or is one of another run; the message names the
            difference, and what to do.
        """
        if not self.path.exists():
            return None
        try:
            state = read_state(self.path)
        except StateFileError as error:
            raise self._refused(str(error)) from None
        if not isinstance(state, dict) or state.get("format") != _FORMAT:
            raise self._refused("was written by another version of zeroshot")
        found, content = state.get("fingerprint"), state.get("content")
        if not isinstance(found, dict) or not isinstance(content, dict):
            raise self._refused("lacks a part")
        require_same_run(self.path, found, self.fingerprint)
        return content

    def continue_with(self, loop: Loop, content: dict[str, Any]) -> None:
        """Set `loop` back to where `content` was taken.

        Raises
        ------
        ValueError
            Where `content` is no state of such a run.
        """
        with self.fitting():
            fresh, saved = loop.state_dict(), content["loop"]
            require_alike(saved, fresh)
            loop.load_state_dict(saved)
            require_alike(loop.state_dict(), saved)

    @contextmanager
    def fitting(self, until: Callable[[], bool] = lambda: False) -> Iterator[None]:
        """Whatever a wrong state makes a run raise is a wrong state.

        Parameters
        ----------
        until : callable
            From when on an error is somebody else's.
        """
        try:
            yield
        except Exception as error:
            is_about_memory = isinstance(error, MemoryError) or (
                isinstance(error, RuntimeError) and tells_of_memory(str(error))
            )
            if is_about_memory or until():
                raise
            reason = " ".join(str(error).split()) or type(error).__name__
            raise self._refused(f"does not fit this run ({reason})") from None

    def _refused(self, reason: str) -> CheckpointError:
        return CheckpointError(f"checkpoint {self.path} {reason}", REMEDY)

    def remove(self) -> None:
        """Delete the file: the run has ended."""
        with contextlib.suppress(OSError):
            self.path.unlink(missing_ok=True)


def recorded(path: Path) -> dict[str, Any]:
    """The fingerprint of the run that was saved to a file; empty where there is none, or it cannot be read.

    Nothing else of the file is read, so that damage elsewhere is not noticed.
    """
    if not path.is_file():
        return {}
    try:
        state = read_words(path)
    except (StateFileError, OSError):
        return {}
    found = state.get("fingerprint") if isinstance(state, dict) else None
    return found if isinstance(found, dict) else {}


def require_alike(state: Any, model: Any, place: str = "state") -> None:
    """Refuse a state that is built in another way than `model`, where both have something.

    What one of them does not have yet (None, an empty tensor, dict or list, a longer list) is not compared.

    Raises
    ------
    ValueError
        With the place of the first difference.
    """
    if state is None or model is None:
        return
    numbers = (int, float)
    if isinstance(model, torch.Tensor) or isinstance(state, torch.Tensor):
        if any(isinstance(one, torch.Tensor) and one.numel() == 0 for one in (state, model)):
            return
        shapes = [
            f"{one.dtype} {tuple(one.shape)}" if isinstance(one, torch.Tensor) else type(one).__name__
            for one in (state, model)
        ]
        if shapes[0] != shapes[1]:
            raise ValueError(f"{place} is {shapes[0]}, not {shapes[1]}")
    elif isinstance(model, dict) and isinstance(state, dict):
        if model and state and (missing := [key for key in model if key not in state]):
            raise ValueError(f"{place} has no {missing[0]!r}")
        for key in model.keys() & state.keys():
            require_alike(state[key], model[key], f"{place}[{key!r}]")
    elif isinstance(model, list | tuple) and type(model) is type(state):
        for index, (one, other) in enumerate(zip(state, model, strict=False)):
            require_alike(one, other, f"{place}[{index}]")
    elif type(state) is not type(model) and not (type(state) in numbers and type(model) in numbers):
        raise ValueError(f"{place} is {type(state).__name__}, not {type(model).__name__}")


def require_same_run(path: Path, recorded: dict[str, Any], own: dict[str, Any]) -> None:
    """Refuse the file of another run.

    Raises
    ------
    CheckpointError
        With the first difference between what the file says of its run and this one.
    """
    difference = first_difference(recorded, own)
    if difference is not None:
        name, there, here = difference
        raise CheckpointError(
            f"checkpoint {path} belongs to another run: its {name} is {there}, here it is {here}", REMEDY
        )


def first_difference(found: dict[str, Any], wanted: dict[str, Any]) -> tuple[str, Any, Any] | None:
    """The first entry, by name, in which two nested dicts differ, with both values."""
    for name in sorted({*found, *wanted}, key=str):
        there, here = found.get(name), wanted.get(name)
        if isinstance(there, dict) and isinstance(here, dict):
            inner = first_difference(there, here)
            if inner is not None:
                return (f"{name}.{inner[0]}", *inner[1:])
        elif type(there) is not type(here) or there != here:
            return name, there, here
    return None
