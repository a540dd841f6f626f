"""What the workbench holds: pictures that were brought, and runs on them."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from zeroshot.app.engine import CHECKPOINT
from zeroshot.app.orders import Order
from zeroshot.tasks import task_named

#: A curve is shown with about as many points as a screen has columns for it.
_MOST_POINTS = 240

WAITING, RUNNING, STOPPING, STOPPED, DONE, FAILED = (
    "waiting",
    "running",
    "stopping",
    "stopped",
    "done",
    "failed",
)


@dataclass
class PictureEntry:
    """A picture that was brought."""

    id: str
    name: str
    folder: Path
    size: tuple[int, int] = (0, 0)
    alpha: bool = False
    looked: bool = False
    found: list[dict[str, str]] = field(default_factory=list)
    remedies: list[dict[str, Any]] = field(default_factory=list)
    layers: dict[str, int] = field(default_factory=dict)
    files: dict[str, str] = field(default_factory=dict)

    @property
    def source(self) -> Path:
        """The file as it was brought."""
        return self.folder / "given" / self.name

    def described(self) -> dict[str, Any]:
        """What the page is told of it."""
        return {
            "id": self.id,
            "name": self.name,
            "width": self.size[0],
            "height": self.size[1],
            "alpha": self.alpha,
            "looked": self.looked,
            "found": self.found,
            "remedies": self.remedies,
            "layers": self.layers,
            "files": self.files,
        }


@dataclass
class RunEntry:
    """A run on a picture: waiting, running, or ended in one way or another."""

    id: str
    picture: PictureEntry
    order: Order
    form: dict[str, Any]
    folder: Path
    state: str = WAITING
    resume: bool = False
    course: dict[str, Any] = field(default_factory=dict)
    curve: list[tuple[int, float]] = field(default_factory=list)
    preview: int = 0
    notes: list[str] = field(default_factory=list)
    result: dict[str, Any] | None = None
    error: str = ""
    error_field: str | None = None

    @property
    def output(self) -> str:
        """The name of the result."""
        return self.order.output(self.picture.name)

    @property
    def can_continue(self) -> bool:
        """Whether it was ended early and can go on."""
        return self.state in (STOPPED, FAILED) and (self.folder / CHECKPOINT).exists()

    def described(self) -> dict[str, Any]:
        """What the page is told of it."""
        return {
            "id": self.id,
            "picture": self.picture.id,
            "task": self.order.task,
            "prior": (self.result or {}).get("prior")
            or self.order.prior
            or task_named(self.order.task).prior,
            "form": self.form,
            "state": self.state,
            "course": self.course,
            "curve": self.curve,
            "preview": self.preview,
            "notes": self.notes,
            "result": self.result,
            "output": self.output,
            "error": self.error,
            "field": self.error_field,
            "continues": self.can_continue,
            "command": self.order.as_command(self.picture.name),
            "python": self.order.as_python(self.picture.name),
        }

    def add_points(self, points: list[tuple[int, float]]) -> None:
        """Put what was measured behind the curve; a run that went back goes on from there."""
        finite = [(iteration, loss) for iteration, loss in points if math.isfinite(loss)]
        if finite:
            self.curve = [point for point in self.curve if point[0] < finite[0][0]] + finite
        while len(self.curve) > 2 * _MOST_POINTS:
            self.curve = [*self.curve[:-1:2], self.curve[-1]]
