"""What a run leaves behind: the estimate of one step, and the history of all of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import torch


@dataclass(frozen=True)
class Estimate:
    """What one step of a run leaves behind.

    Attributes
    ----------
    image : torch.Tensor
        The restored image if the run ended here, (N, C, H, W) in [0, 1], detached. For priors that average
        over iterates this is the average. Valid until the next step: clone it to keep it.
    loss : float
        The objective at this step, in the prior's own units.
    iteration : int
        How many elementary iterations have been made, counted from 1. A step may make several.
    iterate : torch.Tensor or None
        The newest iterate, where it is not `image` itself.
    gap : float or None
        Relative duality gap, for convex schemes that know it.
    residual : float or None
        Root mean square of A(x) − y over the measured values, for runs that have it of an x which is not clipped to
        white, as `image` is; None: it is that of `image`.
    """

    image: torch.Tensor
    loss: float
    iteration: int
    iterate: torch.Tensor | None = None
    gap: float | None = None
    residual: float | None = None

    @property
    def newest(self) -> torch.Tensor:
        """The newest iterate: `iterate` where there is one, else `image`."""
        return self.image if self.iterate is None else self.iterate


class History:
    """The course of a run.

    Indexing gives an array with one value per step: ``history["loss"]``. There are always ``iteration``,
    ``seconds`` and ``loss``; stopping rules and the prior add what they measure (``variance``, ``gap``).

    Attributes
    ----------
    previews : list of int
        The steps, counted from 0, at which a preview was written.
    """

    def __init__(self) -> None:
        self._columns: dict[str, list[float]] = {"iteration": [], "seconds": [], "loss": []}
        self.previews: list[int] = []

    def append(self, estimate: Estimate, seconds: float, measures: dict[str, float]) -> None:
        """Add one step; a measure that is new here is NaN for the steps before."""
        row = {"iteration": estimate.iteration, "seconds": seconds, "loss": estimate.loss, **measures}
        if estimate.gap is not None:
            row["gap"] = estimate.gap
        length = len(self)
        for name in row:
            self._columns.setdefault(name, [float("nan")] * length)
        for name, column in self._columns.items():
            column.append(float(row.get(name, float("nan"))))

    def __repr__(self) -> str:
        if len(self) == 0:
            return "<History of 0 steps>"
        loss = self._columns["loss"]
        columns = ", ".join(self._columns)
        return f"<History of {len(self)} steps: loss from {loss[0]:.4g} to {loss[-1]:.4g}; has {columns}>"

    def __len__(self) -> int:
        return len(self._columns["iteration"])

    def __getitem__(self, name: str) -> np.ndarray:
        if name not in self._columns:
            raise KeyError(f"the history has no column {name!r}; it has {', '.join(self._columns)}")
        return np.asarray(self._columns[name])

    @property
    def columns(self) -> list[str]:
        """The names of the columns."""
        return list(self._columns)

    def to_dict(self) -> dict[str, Any]:
        """The columns and the preview steps as lists, for JSON; what was not measured is None."""
        columns: dict[str, Any] = {
            name: [value if np.isfinite(value) else None for value in column]
            for name, column in self._columns.items()
        }
        columns["iteration"] = [int(value) for value in self._columns["iteration"]]
        columns["previews"] = list(self.previews)
        return columns

    def state_dict(self) -> dict[str, Any]:
        """A snapshot for a checkpoint."""
        columns = {name: list(values) for name, values in self._columns.items()}
        return {"columns": columns, "previews": list(self.previews)}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        """Continue where `state` was taken."""
        self._columns = {name: list(values) for name, values in state["columns"].items()}
        self.previews = list(state["previews"])
