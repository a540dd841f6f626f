"""What the panel asks of the engine: the values of a layer, with axes and a task; and how far it is.

Values come back in the type and on the scale of the layer. A layer with more axes than those of a picture is a stack,
whose planes are restored one by one with a noise that is found once.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np

from zeroshot.estimate import Estimate
from zeroshot.images.axes import SAMPLES
from zeroshot.loop import INTERRUPTED, Listener, Loop
from zeroshot.restoration import Restoration
from zeroshot.solve import solve
from zeroshot.watch import course

#: Letters for axes that a viewer has no name for, from the one before the rows outwards.
_UNNAMED = "ZTPQRUVW"
#: How often the panel is told, in seconds.
_TOLD_EVERY = 0.1


class Told(NamedTuple):
    """How far a run is: the share that is done, None where nobody knows, and a line for the panel."""

    share: float | None
    text: str


@dataclass(frozen=True)
class Order:
    """What is to be done to the values of a layer.

    Attributes
    ----------
    values : numpy.ndarray
        In the order of `axes`.
    axes : str
        A letter for each axis, as ``solve`` takes them.
    task, prior : str
        As ``solve`` takes them; the prior may be None.
    options : dict
        Of the task.
    seconds : float or None
        The budget.
    value_range : tuple of float or None
        Black and white, where the values are a part of others.
    """

    values: np.ndarray
    axes: str
    task: str
    prior: str | None = None
    options: dict[str, Any] = field(default_factory=dict)
    seconds: float | None = None
    value_range: tuple[float, float] | None = None

    @property
    def planes(self) -> int:
        """How many pictures they are."""
        counted = [
            length for axis, length in zip(self.axes, self.values.shape, strict=True) if axis not in "YXS"
        ]
        return int(np.prod(counted, dtype=np.int64))

    def cropped(self, index: Sequence[int], top: int, left: int, side: int) -> Order:
        """The same for a part of one plane: options that are arrays of the planes' size are cut alike."""
        rows, columns = slice(top, top + side), slice(left, left + side)
        stacked = sum(axis not in "YXS" for axis in self.axes)
        shape = self.values.shape[: stacked + 2]

        def part(values: Any) -> Any:
            if not isinstance(values, np.ndarray) or values.shape[: stacked + 2] != shape:
                return values
            place: tuple[Any, ...] = (*index[:stacked], rows, columns)
            return values[place]

        options = {name: part(value) for name, value in self.options.items()}
        whole = None if self.values.dtype.kind == "b" else self.value_range or value_range(self.values)
        return replace(
            self, values=part(self.values), axes=self.axes[stacked:], options=options, value_range=whole
        )


def axes_of(shape: Sequence[int], is_rgb: bool, labels: Sequence[str] = ()) -> str:
    """The axes of a layer: those that its viewer has names for, such as "t" or "Z", others as they come.

    Parameters
    ----------
    shape : sequence of int
    is_rgb : bool
        Whether the last axis has the samples of colours.
    labels : sequence of str
        Names of the axes of the viewer, the last of which are those of the layer.

    Raises
    ------
    ValueError
        Where it has no plane, or more axes than there are letters.
    """
    plane = "YXS" if is_rgb else "YX"
    if len(shape) < len(plane) or (is_rgb and shape[-1] not in SAMPLES):
        raise ValueError(f"a layer needs rows and columns, got one of shape {tuple(shape)}")
    count = len(shape) - len(plane)
    named = [label.upper() for label in labels[: len(labels) - 2]][-count:] if count else []
    if len(named) == count and len(set(named)) == count and set(named) <= set("TZCP"):
        return "".join(named) + plane
    if count > len(_UNNAMED):
        raise ValueError(f"a layer of {len(shape)} axes has more than can be named")
    return _UNNAMED[:count][::-1] + plane


def value_range(values: np.ndarray) -> tuple[float, float]:
    """Black and white: of the type for 8 bits, (0, 1) for floats between them, else the least and the largest value."""
    if values.dtype.kind == "b":
        return 0.0, 1.0
    if values.dtype == np.uint8:
        return 0.0, 255.0
    shown = values[np.isfinite(values)] if values.dtype.kind == "f" else values
    if not shown.size:
        raise ValueError("the layer has no value that is a number")
    low, high = float(shown.min()), float(shown.max())
    if values.dtype.kind == "f" and low >= 0 and high <= 1:
        return 0.0, 1.0
    return (low, high) if low < high else (low, low + 1.0)


def share_of_range(sigma: float, values: np.ndarray) -> float:
    """A noise level in the values of the layer as a share of the way from black to white.

    Raises
    ------
    ValueError
        Where it is more than that.
    """
    low, high = value_range(values)
    if not 0 <= sigma <= high - low:
        raise ValueError(
            f"the noise must lie between 0 and {high - low:g}, the range of the layer, got {sigma:g}"
        )
    return sigma / (high - low)


def restored(
    order: Order, tell: Callable[[Told], None] = lambda told: None, stopped: threading.Event | None = None
) -> tuple[np.ndarray, Restoration]:
    """Carry out an order; the values, with the axes of the order, and how they came about.

    Parameters
    ----------
    order : Order
    tell : callable
        Is told how far it is, in the thread of the caller.
    stopped : threading.Event, optional
        Ends it when it is set, with the best so far; planes that were not begun stay as they are.

    Raises
    ------
    ValueError, TypeError, OSError
        In one line, as ``solve`` does.
    """
    watching = _Watching(order, tell, stopped or threading.Event())
    is_stack = order.planes > 1 or len(order.axes.replace("S", "")) > 2
    result = solve(
        order.values,
        order.task,
        order.prior,
        seconds=order.seconds,
        value_range=None
        if order.values.dtype.kind == "b"
        else order.value_range or value_range(order.values),
        callbacks=[watching],
        progress=False,
        axes=order.axes if is_stack else None,
        **order.options,
    )
    return np.asarray(result.image), result


class _Watching(Listener):
    """Tells how far a run is, plane after plane, and ends it where that is wanted."""

    def __init__(self, order: Order, tell: Callable[[Told], None], stopped: threading.Event) -> None:
        self._order, self._tell, self._stopped = order, tell, stopped
        self._loop: Loop | None = None
        self._plane, self._told = -1, 0.0

    def stepped(self, loop: Loop, estimate: Estimate) -> None:
        """Do so."""
        if loop is not self._loop:
            self._loop = loop
            self._plane += 1
        if self._stopped.is_set() and not loop.reason:
            loop.end(INTERRUPTED)
        if time.monotonic() - self._told < _TOLD_EVERY:
            return
        self._told = time.monotonic()
        position, total = course(loop, estimate, None if self._order.planes > 1 else self._order.seconds)
        done = min(1.0, position / total) if total else None
        text = f"iteration {estimate.iteration}"
        if self._order.planes > 1:
            text = f"plane {self._plane + 1} of {self._order.planes}, {text}"
            done = (self._plane + (done or 0.0)) / self._order.planes
        self._tell(Told(done, text))
