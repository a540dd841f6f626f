"""The identity: nothing but noise is wrong with the image."""

from __future__ import annotations

from collections.abc import Sequence

import torch

from zeroshot.operators.operator import Operator, Shape
from zeroshot.operators.window import Locality, Window


class Identity(Operator):
    """A x = x: denoising."""

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        return y

    def input_shape(self, measurement_shape: Sequence[int]) -> Shape:
        return tuple(measurement_shape)

    def output_shape(self, image_shape: Sequence[int]) -> Shape:
        return tuple(image_shape)

    def norm(self, measurement_shape: Sequence[int] | None = None) -> float:
        return 1.0

    def locality(self) -> Locality:
        return Locality()

    def crop(self, window: Window) -> tuple[Operator, Window]:
        return self, window

    def initial(self, y: torch.Tensor) -> torch.Tensor:
        return y
