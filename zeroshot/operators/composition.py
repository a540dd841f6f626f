"""Operators made of operators: one after the other, and side by side."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence

import torch
from torch import nn

from zeroshot.operators.linear import largest_singular_value
from zeroshot.operators.operator import Operator, Shape, require_image

#: Height and width of the measurement on which the norm of a composition is computed.
_SIZE_FOR_NORM = 96
#: Pixels up to which that is also done at a size that cannot be chosen.
_LARGEST_FOR_NORM = 512 * 512


class Composition(Operator):
    """A x = outer(inner(x)), written ``outer @ inner``; nested compositions become one chain.

    Parameters
    ----------
    outer, inner : Operator
        `inner` acts on the image, `outer` on what comes out.
    """

    def __init__(self, outer: Operator, inner: Operator) -> None:
        super().__init__()
        chain: list[Operator] = []
        for part in (outer, inner):
            if not isinstance(part, Operator):
                raise TypeError(
                    f"an operator can be composed with an operator only, got {type(part).__name__}; "
                    "see zeroshot.operators.as_operator"
                )
            chain.extend(part.operators if isinstance(part, Composition) else [part])
        #: Outermost first, as written.
        self.operators: Sequence[Operator] = nn.ModuleList(chain)  # type: ignore[assignment]
        self.linear = all(part.linear for part in chain)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        shape = tuple(x.shape)
        for position, part in reversed(list(enumerate(self.operators))):
            try:
                x = part(x)
            except ValueError as error:
                raise self._misfit(position, shape, tuple(x.shape), error) from error
        return x

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        if not self.linear:
            raise NotImplementedError(f"{self.describe()} is not linear and has no adjoint")
        for part in self.operators:
            y = part.adjoint(y)
        return y

    def input_shape(self, measurement_shape: Sequence[int]) -> Shape:
        shape = tuple(measurement_shape)
        for position, part in enumerate(self.operators):
            try:
                shape = part.input_shape(shape)
            except ValueError as error:
                if position == 0:
                    raise
                raise ValueError(
                    f"{self.operators[position - 1].describe()} needs an input of shape {shape} for a "
                    f"measurement {tuple(measurement_shape)}, which {part.describe()} cannot give: {error}"
                ) from error
        return shape

    def output_shape(self, image_shape: Sequence[int]) -> Shape:
        shape = tuple(image_shape)
        for position, part in reversed(list(enumerate(self.operators))):
            try:
                shape = part.output_shape(shape)
            except ValueError as error:
                raise self._misfit(position, tuple(image_shape), shape, error) from error
        return shape

    def _misfit(self, position: int, image: Shape, reached: Shape, error: ValueError) -> ValueError:
        if position == len(self.operators) - 1:
            return error
        before = " @ ".join(part.describe() for part in self.operators[position + 1 :])
        return ValueError(
            f"{before} turns {image} into {reached}, to which {self.operators[position].describe()} "
            f"cannot be applied: {error}"
        )

    def for_image(self, index: int, count: int) -> Operator:
        parts = [part.for_image(index, count) for part in self.operators]
        return functools.reduce(Composition, parts)

    def norm(self, measurement_shape: Sequence[int] | None = None) -> float:
        """‖A‖₂ from above.

        It is measured on a small image, and one percent is added where the image at hand is larger or not
        known. A chain that prescribes a large size, because of a mask in it, gets the product of the
        operators' norms, which is never exceeded otherwise either.
        """
        if not self.linear:
            raise NotImplementedError(f"{self.describe()} is not linear and has no norm")
        shape = (1, *tuple(measurement_shape or self._fitting_shape())[1:])
        bound = self._product_bound(shape)
        image = self.input_shape(shape)
        margin = 1.0 if measurement_shape is not None else 1.01
        small = (*shape[:2], *(min(length, _SIZE_FOR_NORM) for length in shape[2:]))
        if small != shape:
            try:
                image, margin = self.input_shape(small), 1.01
            except ValueError:
                if math.prod(shape[2:]) > _LARGEST_FOR_NORM:
                    return bound
        return min(margin * largest_singular_value(self, image, self.device), bound)

    def _fitting_shape(self) -> Shape:
        for channels in (3, 1):
            shape = (1, channels, 64, 64)
            try:
                self.input_shape(shape)
            except ValueError:
                continue
            return shape
        raise ValueError(
            f"the norm of {self.describe()} depends on the size; give measurement_shape=(N, C, H, W)"
        )

    def _product_bound(self, shape: Shape) -> float:
        bound = 1.0
        for part in self.operators:
            bound *= part.norm(shape)
            shape = part.input_shape(shape)
        return bound

    def initial(self, y: torch.Tensor) -> torch.Tensor:
        for part in self.operators:
            y = part.initial(y)
        return y

    def describe(self) -> str:
        return " @ ".join(part.describe() for part in self.operators)


class Stack(Operator):
    """A x = (A₁ x, A₂ x, …): several measurements of one image, concatenated along the channels.

    Colour hints for colourisation are ``Stack([Grayscale(), Mask(hints)])``.

    Parameters
    ----------
    operators : sequence of Operator
        Their outputs must have the same height and width.
    initial : callable, optional
        Measurement → first estimate of the image. Default: the first operator's, from its part of the
        measurement.
    """

    def __init__(
        self,
        operators: Sequence[Operator],
        initial: Callable[[torch.Tensor], torch.Tensor] | None = None,
    ) -> None:
        super().__init__()
        if not operators or not all(isinstance(part, Operator) for part in operators):
            raise TypeError("a stack is made of at least one Operator; see zeroshot.operators.as_operator")
        self.operators: Sequence[Operator] = nn.ModuleList(operators)  # type: ignore[assignment]
        self.linear = all(part.linear for part in operators)
        self._initial = initial

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        parts = [part(x) for part in self.operators]
        self._check([tuple(part.shape) for part in parts])
        return torch.cat(parts, dim=1)

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        if not self.linear:
            raise NotImplementedError(f"{self.describe()} is not linear and has no adjoint")
        total: torch.Tensor | None = None
        for part, measurement in zip(self.operators, self.split(y), strict=True):
            image = part.adjoint(measurement)
            total = image if total is None else total + image
        assert total is not None
        return total

    def split(self, y: torch.Tensor) -> list[torch.Tensor]:
        """The measurement of each operator."""
        image = self.input_shape(tuple(y.shape))
        return list(y.split([part.output_shape(image)[1] for part in self.operators], dim=1))

    def input_shape(self, measurement_shape: Sequence[int]) -> Shape:
        require_image(measurement_shape, self)
        count, channels, height, width = measurement_shape
        problem: ValueError | None = None
        # How the channels divide is not known beforehand: the image is the one whose measurements fit.
        for first in range(1, channels + 1):
            try:
                image = self.operators[0].input_shape((count, first, height, width))
                if self.output_shape(image) == tuple(measurement_shape):
                    return image
            except ValueError as error:
                problem = problem or error
        reason = f": {problem}" if problem else ""
        raise ValueError(
            f"no image has a measurement {tuple(measurement_shape)} by {self.describe()}{reason}"
        )

    def output_shape(self, image_shape: Sequence[int]) -> Shape:
        shapes = [part.output_shape(image_shape) for part in self.operators]
        self._check(shapes)
        return (shapes[0][0], sum(shape[1] for shape in shapes), *shapes[0][2:])

    def _check(self, shapes: Sequence[Shape]) -> None:
        for part, shape in zip(self.operators[1:], shapes[1:], strict=True):
            if shape[2:] != shapes[0][2:]:
                raise ValueError(
                    f"stacked measurements must have the same height and width: "
                    f"{self.operators[0].describe()} gives {shapes[0]} and {part.describe()} gives {shape}"
                )

    def for_image(self, index: int, count: int) -> Operator:
        return Stack([part.for_image(index, count) for part in self.operators], self._initial)

    def norm(self, measurement_shape: Sequence[int] | None = None) -> float:
        """``(Σ ‖Aᵢ‖²)^½``, the bound that is reached where the operators share their strongest image."""
        if not self.linear:
            raise NotImplementedError(f"{self.describe()} is not linear and has no norm")
        shapes: list[Shape | None] = [None] * len(self.operators)
        if measurement_shape is not None:
            image = self.input_shape(measurement_shape)
            shapes = [part.output_shape(image) for part in self.operators]
        return math.hypot(*(part.norm(shape) for part, shape in zip(self.operators, shapes, strict=True)))

    def initial(self, y: torch.Tensor) -> torch.Tensor:
        if self._initial is not None:
            return self._initial(y)
        return self.operators[0].initial(self.split(y)[0])

    def describe(self) -> str:
        return f"stack({', '.join(part.describe() for part in self.operators)})"
