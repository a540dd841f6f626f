"""What blurs by one kernel and by many share: how the scene goes on beyond the picture, and the sizes."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Sequence
from typing import Any

import torch

from zeroshot.operators.boundary import extend
from zeroshot.operators.operator import Operator, Shape, require_image
from zeroshot.operators.window import Locality, Window
from zeroshot.spelling import Argument, OptionError

BOUNDARIES = ("reflect", "circular", "replicate", "valid")


class Blurring(Operator):
    """A blur by kernels of one size.

    Parameters
    ----------
    size : tuple of int
        Height and width of the kernels, odd.
    boundary : {"reflect", "circular", "replicate", "valid"}
        How the image continues beyond its edge, see :class:`zeroshot.operators.Blur`.
    """

    def __init__(self, size: tuple[int, int], boundary: str) -> None:
        super().__init__()
        if boundary not in BOUNDARIES:
            raise ValueError(f"unknown boundary {boundary!r}; known are {', '.join(BOUNDARIES)}")
        height, width = size
        if height % 2 == 0 or width % 2 == 0:
            raise ValueError(f"a blur kernel has an odd height and width, got {height} × {width}")
        self.boundary, self.size, self.radius = boundary, (height, width), (height // 2, width // 2)

    @abstractmethod
    def with_boundary(self, boundary: str) -> Blurring:
        """The same blur with another boundary."""

    def spanning(self, height: int, width: int) -> Blurring:
        """The blur for measurements of this size, of which parts can be cut; here the blur is the same everywhere."""
        return self

    def input_shape(self, measurement_shape: Sequence[int]) -> Shape:
        return self._resized(measurement_shape, 1)

    def output_shape(self, image_shape: Sequence[int]) -> Shape:
        self._check(image_shape)
        return self._resized(image_shape, -1)

    def _lost(self) -> tuple[int, int]:
        """By how many rows and columns the measurement is smaller than the image."""
        return (2 * self.radius[0], 2 * self.radius[1]) if self.boundary == "valid" else (0, 0)

    def _measured(self, window: Window) -> Window:
        """Where the measurement of a part of the image lies in that of the whole."""
        rows, columns = self._lost()
        return Window(window.top, window.left, window.height - rows, window.width - columns)

    def _written_boundary(self) -> str:
        """The boundary as operators are written, but for the usual one."""
        return "" if self.boundary == "reflect" else f", boundary={self.boundary}"

    def _resized(self, shape: Sequence[int], sign: int) -> Shape:
        require_image(shape, self)
        rows, columns = self._lost()
        return (*shape[:2], shape[2] + sign * rows, shape[3] + sign * columns)

    def initial(self, y: torch.Tensor) -> torch.Tensor:
        """The blurred image itself; for "valid", with its edge repeated up to the size of the image."""
        require_image(y.shape, self)
        if self.boundary != "valid":
            return y
        rows = extend(y, -2, self.radius[0], self.radius[0], "replicate")
        return extend(rows, -1, self.radius[1], self.radius[1], "replicate")

    def locality(self) -> Locality:
        if self.boundary == "circular":
            raise ValueError(
                f"{self.describe()} joins opposite edges of the image, which no tile has both of"
            )
        return Locality(reach=max(self.radius))

    def _check(self, shape: Sequence[Any]) -> None:
        require_image(shape, self)
        height, width = shape[-2:]
        if self.boundary == "reflect" and (self.radius[0] >= height or self.radius[1] >= width):
            raise OptionError(
                f"the kernel of {self.describe()} reaches {self.radius[0]} × {self.radius[1]} pixels and "
                f"cannot be reflected in an image of {height} × {width}; take ",
                Argument("boundary", "replicate"),
                " or a smaller kernel",
            )
        if self.boundary == "valid" and (self.size[0] > height or self.size[1] > width):
            raise ValueError(
                f"the kernel of {self.describe()} ({self.size[0]} × {self.size[1]}) is larger than the image "
                f"({height} × {width})"
            )
