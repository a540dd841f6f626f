"""Operators side by side: several measurements of one image."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import torch
from torch import nn

from zeroshot.operators.operator import Operator, Shape, require_image
from zeroshot.operators.window import Locality, Window


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
        self._initial = initial

    @property
    def linear(self) -> bool:  # type: ignore[override]
        """Whether all its operators are; asked when it matters, as some find out on their first image."""
        return all(part.linear for part in self.operators)

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

    def locality(self) -> Locality:
        if self._initial is not None:
            raise ValueError(
                "colours are spread from hints over the whole image, of which a tile sees a part only"
            )
        asked = [part.locality() for part in self.operators]
        return Locality(
            math.lcm(*(one.align for one in asked)), max(one.reach for one in asked), asked[0].scale
        )

    def crop(self, window: Window) -> tuple[Operator, Window]:
        self.locality()
        cropped = [part.crop(window) for part in self.operators]
        return Stack([part for part, _ in cropped]), cropped[0][1]

    def initial(self, y: torch.Tensor) -> torch.Tensor:
        if self._initial is not None:
            return self._initial(y)
        return self.operators[0].initial(self.split(y)[0])

    def describe(self) -> str:
        return f"stack({', '.join(part.describe() for part in self.operators)})"
