"""What a comparison records: one cell per image and method, and the table they form."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property
from typing import Any, Literal

#: done: there is an image. unsupported: the method cannot do this task. failed: it raised an error.
#: crashed: its process died. memory: it ran out of memory. timeout: it was ended for taking far too long.
Status = Literal["done", "unsupported", "failed", "crashed", "memory", "timeout"]


@dataclass(frozen=True)
class CurvePoint:
    """Quality at a moment of a run."""

    seconds: float
    psnr: float


@dataclass(frozen=True)
class Cell:
    """One method on one image.

    Attributes
    ----------
    image, method : str
        The names of row and column.
    status : str
        Whether there is a result, and if not, why not; `reason` says it in one line.
    seconds : float or None
        Wall-clock time of the restoration, without loading weights, starting the process or measuring.
    memory_mib : float or None
        Peak resident memory of the method's process so far, in MiB.
    metrics : dict
        Name of the metric → value. Without a truth only those that need none.
    notes : dict
        What the method noted: iterations, why it stopped, …
    curve : tuple of CurvePoint
        PSNR over time, where the method showed intermediate images and there is a truth.
    file : str or None
        The restored image's file, relative to the folder of the comparison.
    """

    image: str
    method: str
    status: Status
    reason: str = ""
    seconds: float | None = None
    memory_mib: float | None = None
    metrics: dict[str, float] = field(default_factory=dict)
    notes: dict[str, Any] = field(default_factory=dict)
    curve: tuple[CurvePoint, ...] = ()
    file: str | None = None

    def to_json(self) -> dict[str, Any]:
        """The cell as plain values."""
        return asdict(self)

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Cell:
        """The cell that :meth:`to_json` wrote."""
        curve = tuple(CurvePoint(**point) for point in values.get("curve", ()))
        return cls(**{**values, "curve": curve})


@dataclass(frozen=True)
class Table:
    """A finished or half-finished comparison, as the report shows it.

    Attributes
    ----------
    title : str
        One line: task and options.
    task, options : str and dict
        The task, and its options in printable form.
    images, methods, metrics : tuple of str
        Rows, columns and measures, in the order in which they are shown. The first metric is the main one.
    cells : tuple of Cell
        At most one per image and method; a missing one has not been run.
    truths, damaged : dict
        Image name → file relative to the folder of the comparison. `truths` is empty without a ground truth.
    seconds, seed : float or None, and int
        The budget and the seed.
    provenance : dict
        Versions of the packages, the machine's processor and thread count, the command.
    """

    title: str
    task: str
    options: dict[str, Any]
    images: tuple[str, ...]
    methods: tuple[str, ...]
    metrics: tuple[str, ...]
    cells: tuple[Cell, ...]
    truths: dict[str, str]
    damaged: dict[str, str]
    seconds: float | None
    seed: int
    provenance: dict[str, Any]

    def cell(self, image: str, method: str) -> Cell | None:
        """The cell of this row and column, or None where it has not been run."""
        return self._places.get((image, method))

    @cached_property
    def _places(self) -> dict[tuple[str, str], Cell]:
        # Reports look up every cell several times; a linear search would take minutes for thousands of cells.
        return {(cell.image, cell.method): cell for cell in self.cells}

    def mean(self, method: str, metric: str) -> float | None:
        """The mean of a metric over all images; None where an image lacks it, so that means stay comparable."""
        values = []
        for image in self.images:
            cell = self.cell(image, method)
            if cell is None or metric not in cell.metrics:
                return None
            values.append(cell.metrics[metric])
        return sum(values) / len(values) if values else None


def option_text(options: Mapping[str, Any]) -> str:
    """The options of a task in words, ``scale 4, sigma 25/255``: noise in 8-bit grey levels, files by name only."""
    words = []
    for name, value in options.items():
        levels = name == "sigma" and isinstance(value, int | float)
        said = f"{value * 255:g}/255" if levels else re.sub(r" sha256 [0-9a-f]+", "", str(value))
        words.append(f"{name} {said}")
    return ", ".join(words)
