"""Checkpoints: a run in progress on disk, written so that a kill at any moment leaves a whole one behind."""

from __future__ import annotations

import os
import time
import zipfile
from pathlib import Path
from typing import Any

import torch

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
