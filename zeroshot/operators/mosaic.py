"""Colour filter arrays: one colour per pixel, as a camera's sensor measures it."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import torch

from zeroshot.operators.axis import AxisCorrelation
from zeroshot.operators.linear import apply_linear
from zeroshot.operators.operator import Operator, Shape, require_image
from zeroshot.operators.window import Locality, Window

BAYER = ("RGGB", "BGGR", "GRBG", "GBRG")
XTRANS = ("GBGGRG", "RGRBGB", "GBGGRG", "GRGGBG", "BGBRGR", "GRGGBG")


class Mosaic(Operator):
    """One colour at each pixel: A x = x[c(i, j), i, j], (N, 3, H, W) → (N, 1, H, W), at any height and width.

    Parameters
    ----------
    pattern : str or sequence of str
        The repeated layout of filters, beginning at the top left pixel; upper or lower case.
        "RGGB", "BGGR", "GRBG", "GBRG": Bayer, 2 × 2. "quad-rggb", "quad-bggr", "quad-grbg", "quad-gbrg":
        Quad-Bayer, each filter over 2 × 2 pixels. "xtrans": Fujifilm X-Trans, 6 × 6 (the phase differs
        between camera models). Or the rows of any other layout, such as ("GBGGRG", "RGRBGB", …).
    """

    def __init__(self, pattern: str | Sequence[str]) -> None:
        super().__init__()
        self.pattern, self.rows = _layout(pattern)
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


def _layout(pattern: str | Sequence[str]) -> tuple[str, tuple[str, ...]]:
    """The name for messages, and the rows of the repeated layout."""
    if isinstance(pattern, str):
        name = pattern.lower()
        if name.upper() in BAYER:
            return name, (name.upper()[:2], name.upper()[2:])
        quad = name.removeprefix("quad-").upper()
        if name.startswith("quad-") and quad in BAYER:
            top, bottom = (letters[0] * 2 + letters[1] * 2 for letters in (quad[:2], quad[2:]))
            return name, (top, top, bottom, bottom)
        if name == "xtrans":
            return name, XTRANS
        known = ", ".join(BAYER + tuple(f"quad-{bayer.lower()}" for bayer in BAYER))
        raise ValueError(f"unknown mosaic pattern {pattern!r}; known are {known}, xtrans")
    if not isinstance(pattern, Sequence):
        raise ValueError(f"a mosaic pattern is a name or rows of letters, got {pattern!r}")
    rows = tuple(str(row).upper() for row in pattern)
    if not rows or not rows[0] or len({len(row) for row in rows}) != 1 or set("".join(rows)) - set("RGB"):
        raise ValueError(f"a mosaic layout is rows of equal length made of R, G and B, got {rows}")
    return "[" + ", ".join(row.lower() for row in rows) + "]", rows
