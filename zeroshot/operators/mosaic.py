"""Colour filter arrays: one colour per pixel, as a camera's sensor measures it."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from zeroshot.operators.axis import AxisCorrelation
from zeroshot.operators.filter_layout import BAYER, XTRANS, layout_of
from zeroshot.operators.linear import apply_linear
from zeroshot.operators.operator import Operator, Shape, require_image
from zeroshot.operators.window import Locality, Window

__all__ = ["BAYER", "XTRANS", "Mosaic"]


class Mosaic(Operator):
    """One colour at each pixel: A x = x[c(i, j), i, j], (N, 3, H, W) → (N, 1, H, W), at any height and width.

    Parameters
    ----------
    pattern : str, bytes, array of whole numbers, or sequence of rows
        The repeated layout of filters, beginning at the top left pixel; upper or lower case.
        "RGGB", "BGGR", "GRBG", "GBRG": Bayer, 2 × 2. "quad-rggb", "quad-bggr", "quad-grbg", "quad-gbrg":
        Quad-Bayer, each filter over 2 × 2 pixels. "xtrans": Fujifilm X-Trans, 6 × 6 (the phase differs
        between camera models). Or the rows of any other layout, such as ("GBGGRG", "RGRBGB", …), also as one text
        with ``/`` or ``,`` between them; or numbers as in rawpy's ``raw_pattern``, 0 red, 1 green, 2 blue and
        3 the second green.
    """

    def __init__(self, pattern: Any) -> None:
        super().__init__()
        self.pattern, self.rows = layout_of(pattern)
        self.sites = [
            ("RGB".index(letter), i, j) for i, row in enumerate(self.rows) for j, letter in enumerate(row)
        ]

    @property
    def period(self) -> int:
        """After how many rows and columns the layout repeats."""
        return math.lcm(len(self.rows), len(self.rows[0]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        require_image(x.shape, self, channels=3)
        return apply_linear(x, self._measure, self._spread)

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        require_image(y.shape, self, channels=1)
        return apply_linear(y, self._spread, self._measure)

    def _measure(self, x: torch.Tensor) -> torch.Tensor:
        y = torch.empty_like(x[:, :1])
        height, width = len(self.rows), len(self.rows[0])
        for channel, i, j in self.sites:
            y[:, 0, i::height, j::width] = x[:, channel, i::height, j::width]
        return y

    def _spread(self, y: torch.Tensor) -> torch.Tensor:
        x = y.new_zeros((y.shape[0], 3, *y.shape[2:]))
        height, width = len(self.rows), len(self.rows[0])
        for channel, i, j in self.sites:
            x[:, channel, i::height, j::width] = y[:, 0, i::height, j::width]
        return x

    def input_shape(self, measurement_shape: Sequence[int]) -> Shape:
        count, channels, *size = measurement_shape
        if channels != 1:
            raise ValueError(
                f"{self.describe()} gives one channel, got a measurement {tuple(measurement_shape)}"
            )
        return (count, 3, *size)

    def output_shape(self, image_shape: Sequence[int]) -> Shape:
        require_image(image_shape, self, channels=3)
        return (image_shape[0], 1, *image_shape[2:])

    def norm(self, measurement_shape: Sequence[int] | None = None) -> float:
        return 1.0

    def initial(self, y: torch.Tensor) -> torch.Tensor:
        """Bilinear demosaicing, as a normalised convolution with a tent; measured values are kept exactly."""
        require_image(y.shape, self, channels=1)
        measured = self._spread(torch.ones_like(y[:1]))
        tent = _Tent(self._reach, y.device)
        values, weight = tent(self._spread(y)), tent(measured)
        # An image smaller than the pattern may lack a colour altogether: it gets the mean grey.
        mean = y.mean(dim=(1, 2, 3), keepdim=True)
        estimate = torch.where(weight > 0, values / weight.clamp(min=1e-6), mean)
        return torch.where(measured > 0, y, estimate)

    @property
    def _reach(self) -> int:
        """The radius of the smallest tent under which every pixel finds every colour of the layout."""
        side = 3 * self.period
        measured = self._spread(torch.ones(1, 1, side, side))
        present = [channel for channel in range(3) if measured[:, channel].any()]
        for radius in range(1, self.period):
            if bool((_Tent(radius, measured.device)(measured[:, present]) > 0).all()):
                return radius
        return self.period

    def locality(self) -> Locality:
        return Locality(align=self.period)

    def crop(self, window: Window) -> tuple[Operator, Window]:
        down, right = window.top % len(self.rows), window.left % len(self.rows[0])
        if down == right == 0:
            return self, window
        rows = self.rows[down:] + self.rows[:down]
        return Mosaic([row[right:] + row[:right] for row in rows]), window

    def describe(self) -> str:
        return f"mosaic({self.pattern})"


class _Tent:
    """Convolution with the product of two triangles of half-width `radius` + 1."""

    def __init__(self, radius: int, device: torch.device) -> None:
        slope = 1 + radius - np.abs(np.arange(-radius, radius + 1.0))
        # Reflection about the edge pixel keeps the phase of a Bayer pattern.
        self.along = AxisCorrelation(slope, 1, radius, radius, "reflect").to(device)

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self.along(self.along(x, -2), -1)
