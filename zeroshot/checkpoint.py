"""Checkpoints: a run in progress on disk, written so that a kill at any moment leaves a whole one behind."""

from __future__ import annotations

import os
import time
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
        self.every = every
        self._saved = time.monotonic()

    def due(self) -> bool:
        """Whether the last save is long enough ago."""
        return time.monotonic() - self._saved >= self.every

    def save(self, state: dict[str, Any]) -> None:
        """Write `state`, replacing the last save in one step."""
        temporary = self.path.with_name(f".{self.path.name}.{os.getpid()}.tmp")
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
        for name in sorted({*found, *self.fingerprint}):
            there, here = found.get(name), self.fingerprint.get(name)
            if there != here:
                raise ValueError(
                    f"checkpoint {self.path} belongs to another run: its {name} is {there}, here it is {here}"
                )
        return content

    def remove(self) -> None:
        """Delete the file: the run has ended."""
        self.path.unlink(missing_ok=True)
