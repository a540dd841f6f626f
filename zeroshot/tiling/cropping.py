"""Problems cut to a part of the image: the measurement, the operator, the masks.

An operator of another package joins in by registering how it is cut::

    @footing.register
    def _(operator: MyOperator) -> Footing: ...

    @cropped_operator.register
    def _(operator: MyOperator, window: Window) -> tuple[Operator, Window]: ...
"""

from __future__ import annotations

import functools
import math
from dataclasses import dataclass, replace

import torch

from zeroshot.data_terms import L1, DataTerm, Gaussian, Huber, Poisson
from zeroshot.operators import (
    Blur,
    Composition,
    Downsample,
    Grayscale,
    Identity,
    Mask,
    Mosaic,
    Operator,
    Stack,
)
from zeroshot.problem import Problem


@dataclass(frozen=True)
class Window:
    """A rectangle of pixels."""

    top: int
    left: int
    height: int
    width: int

    def of(self, image: torch.Tensor) -> torch.Tensor:
        """The part of `image` (…, H, W) inside the window, as a view."""
        return image[..., self.top : self.top + self.height, self.left : self.left + self.width]


@dataclass(frozen=True)
class Footing:
    """What an operator asks of the windows it is cut to, in pixels of its image.

    Attributes
    ----------
    align : int
        Windows begin at multiples of it, and end as far from such a multiple as the image does.
    reach : int
        How far from a pixel the measurements lie that depend on it, beyond its own. So far from a cut, the
        cut operator's boundary stands where the neighbour's pixels should be.
    """

    align: int = 1
    reach: int = 0


# --- what is asked of the windows --------------------------------------------------------------------------


@functools.singledispatch
def footing(operator: Operator) -> Footing:
    """The alignment of windows for `operator`, and how far it reaches.

    Raises
    ------
    ValueError
        Where the operator cannot be cut, with the reason in one line.
    """
    raise ValueError(f"{operator.describe()} is not known to act locally; it has no cropped_operator")


@footing.register(Identity)
@footing.register(Grayscale)
@footing.register(Mask)
def _(operator: Operator) -> Footing:
    return Footing()


@footing.register
def _(operator: Mosaic) -> Footing:
    return Footing(align=operator.period)


@footing.register
def _(operator: Downsample) -> Footing:
    correlation = operator.correlation
    return Footing(align=operator.scale, reach=max(*correlation.before, *correlation.after))


@footing.register
def _(operator: Blur) -> Footing:
    if operator.boundary == "circular":
        raise ValueError(
            f"{operator.describe()} joins opposite edges of the image, which no tile has both of"
        )
    return Footing(reach=max(operator.radius))


@footing.register
def _(operator: Composition) -> Footing:
    align, reach, factor = 1, 0, 1
    for part in reversed(list(operator.operators)):
        asked = footing(part)
        align = math.lcm(align, factor * asked.align)
        reach += factor * asked.reach
        factor *= part.scale if isinstance(part, Downsample) else 1
    return Footing(align, reach)


@footing.register
def _(operator: Stack) -> Footing:
    if operator._initial is not None:
        raise ValueError(
            "colours are spread from hints over the whole image, of which a tile sees a part only"
        )
    asked = [footing(part) for part in operator.operators]
    return Footing(math.lcm(*(one.align for one in asked)), max(one.reach for one in asked))


# --- the operators -----------------------------------------------------------------------------------------


@functools.singledispatch
def cropped_operator(operator: Operator, window: Window) -> tuple[Operator, Window]:
    """The operator on a part of its image.

    Parameters
    ----------
    operator : Operator
        A.
    window : Window
        The part, placed as :func:`footing` asks.

    Returns
    -------
    operator : Operator
        The damage of the part.
    window : Window
        Where its measurement lies in the measurement of the whole.

    Raises
    ------
    ValueError
        Where the operator cannot be cut.
    """
    footing(operator)
    raise ValueError(f"{operator.describe()} has no cropped_operator")


@cropped_operator.register(Identity)
@cropped_operator.register(Grayscale)
def _(operator: Operator, window: Window) -> tuple[Operator, Window]:
    return operator, window


@cropped_operator.register
def _(operator: Mask, window: Window) -> tuple[Operator, Window]:
    # A part may know no pixel at all, which the constructor would refuse.
    part = Mask(torch.ones(1, 1)).to(operator.device)
    part.mask = window.of(operator.mask).clone()
    return part, window


@cropped_operator.register
def _(operator: Mosaic, window: Window) -> tuple[Operator, Window]:
    down, right = window.top % len(operator.rows), window.left % len(operator.rows[0])
    if down == right == 0:
        return operator, window
    rows = operator.rows[down:] + operator.rows[:down]
    return Mosaic([row[right:] + row[:right] for row in rows]), window


@cropped_operator.register
def _(operator: Downsample, window: Window) -> tuple[Operator, Window]:
    sides = (window.top, window.left, window.height, window.width)
    if any(side % operator.scale for side in sides):
        raise ValueError(f"{operator.describe()} is cut at multiples of {operator.scale}, got {window}")
    return operator, Window(*(side // operator.scale for side in sides))


@cropped_operator.register
def _(operator: Blur, window: Window) -> tuple[Operator, Window]:
    footing(operator)
    if operator.boundary != "valid":
        return operator, window
    rows, columns = (2 * radius for radius in operator.radius)
    return operator, Window(window.top, window.left, window.height - rows, window.width - columns)


@cropped_operator.register
def _(operator: Composition, window: Window) -> tuple[Operator, Window]:
    parts: list[Operator] = []
    for whole in reversed(list(operator.operators)):
        part, window = cropped_operator(whole, window)
        parts.insert(0, part)
    return functools.reduce(Composition, parts), window


@cropped_operator.register
def _(operator: Stack, window: Window) -> tuple[Operator, Window]:
    footing(operator)
    cut = [cropped_operator(part, window) for part in operator.operators]
    return Stack([part for part, _ in cut]), cut[0][1]


# --- the problem -------------------------------------------------------------------------------------------


def reason_against(problem: Problem) -> str | None:
    """Why `problem` cannot be solved in parts, in one line; None where it can."""
    # A data term that looks at more than one value at a time would need to see the whole.
    if type(problem.data_term).__call__ is not DataTerm.__call__:
        known = ", ".join(kind.__name__ for kind in (Gaussian, Poisson, L1, Huber))
        return f"the data term {type(problem.data_term).__name__} looks at the image as a whole; use {known}"
    try:
        footing(problem.operator)
    except ValueError as error:
        return str(error)
    return None


def cropped_problem(problem: Problem, window: Window) -> Problem:
    """The problem posed for a part of its image.

    Measurements near a cut depend on pixels beyond it, for which the operator's boundary stands in: what is
    restored within :attr:`Footing.reach` of a cut is not to be used.

    Parameters
    ----------
    problem : Problem
        Posed for the whole image.
    window : Window
        The part of the image, placed as :func:`footing` asks.

    Raises
    ------
    ValueError
        Where the operator or the data term cannot be cut, or the window does not fit.
    """
    reason = reason_against(problem)
    if reason is not None:
        raise ValueError(reason)
    operator, measured_window = cropped_operator(problem.operator, window)
    size = problem.y.shape[-2:]

    def part(tensor: torch.Tensor | None) -> torch.Tensor | None:
        if tensor is None:
            return None
        return measured_window.of(tensor.expand(*tensor.shape[:-2], *size)).contiguous()

    return replace(
        problem,
        y=measured_window.of(problem.y).contiguous(),
        operator=operator,
        reference_shape=(*problem.reference_shape[:2], window.height, window.width),
        measured=part(problem.measured),
        held_out=part(problem.held_out),
    )
