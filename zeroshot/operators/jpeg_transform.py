"""What a JPEG encoder quantises: the cosine transform of blocks of luma and of subsampled chroma."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence

import torch
from torch.nn import functional

from zeroshot.colour import LUMA_WEIGHTS
from zeroshot.operators.linear import apply_linear
from zeroshot.operators.operator import Operator, Shape
from zeroshot.operators.window import Locality, Window
from zeroshot.patches.cosine import cosine_matrix
from zeroshot.precision import widened

#: Side of a block.
BLOCK = 8
#: How many pixels a sample of a component covers, (down, right).
Sampling = tuple[tuple[int, int], ...]


@functools.cache
def ycbcr_matrix() -> torch.Tensor:
    """Y, Cb − ½, Cr − ½ of R, G, B in the full range, as JFIF has it: 3 × 3, float64."""
    luma = torch.tensor(LUMA_WEIGHTS["bt601"], dtype=torch.float64)
    blue = (torch.tensor([0.0, 0.0, 1.0]).double() - luma) / (2 * (1 - luma[2]))
    red = (torch.tensor([1.0, 0.0, 0.0]).double() - luma) / (2 * (1 - luma[0]))
    return torch.stack([luma, blue, red])


class JpegTransform(Operator):
    """A x = the orthonormal DCT of the 8 × 8 blocks of Y, and of Cb and Cr averaged over a × b pixels, times √(ab).

    Without the colour transform it is an orthonormal map. The picture lies in whole units (MCU) of 8a × 8b pixels,
    with a and b the largest of the components. Where it ends within a unit, what lies beside it there is 0: what the
    encoder had there instead has to be taken off the measurement.

    The measurement has the height and width of the units, a channel a component. The blocks of a component stand
    where they belong; those of a subsampled one fill the upper left corner of each unit, and the rest of it is 0
    and measures nothing (:meth:`measured`).

    Parameters
    ----------
    height, width : int
        Size of the picture.
    sampling : sequence of (int, int)
        For each component how many pixels a sample covers, down and right: 1, 2 or 4 of them.
    offset : (int, int)
        Row and column of the units where the picture begins. Less than 0 where what lies before is no part of a
        unit that is measured.
    units : (int, int), optional
        How many units there are, down and right; as many as cover the picture by default.
    colour : bool, optional
        Whether R, G, B are transformed to Y, Cb, Cr; by default where there are three components.
    """

    def __init__(
        self,
        height: int,
        width: int,
        sampling: Sequence[tuple[int, int]] = ((1, 1),),
        offset: tuple[int, int] = (0, 0),
        units: tuple[int, int] | None = None,
        colour: bool | None = None,
    ) -> None:
        super().__init__()
        self.size, self.sampling, self.offset = (height, width), tuple(sampling), offset
        if any(factor not in (1, 2, 4) for pair in self.sampling for factor in pair):
            raise ValueError(f"a sample covers 1, 2 or 4 pixels down and right, got {tuple(sampling)}")
        if len(self.sampling) not in (1, 3):
            raise ValueError(f"there are one or three components, got {len(self.sampling)}")
        self.colour = len(self.sampling) == 3 if colour is None else colour
        self.unit = unit_of(self.sampling)
        self.units = units or (
            -(-(offset[0] + height) // self.unit[0]),
            -(-(offset[1] + width) // self.unit[1]),
        )
        matrix = ycbcr_matrix() if self.colour else torch.eye(len(self.sampling))
        self.register_buffer("matrix", matrix.float(), persistent=False)
        self.register_buffer("cosines", cosine_matrix(BLOCK).float(), persistent=False)

    matrix: torch.Tensor
    cosines: torch.Tensor

    @property
    def canvas(self) -> tuple[int, int]:
        """Height and width of all units together."""
        return self.units[0] * self.unit[0], self.units[1] * self.unit[1]

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.output_shape(tuple(x.shape))
        return apply_linear(x, self._measure, self._spread)

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        self.input_shape(tuple(y.shape))
        return apply_linear(y, self._spread, self._measure)

    def _measure(self, x: torch.Tensor) -> torch.Tensor:
        return self.coefficients(self.embedded(torch.einsum("dc,nchw->ndhw", self.matrix.to(x), x)))

    def _spread(self, y: torch.Tensor) -> torch.Tensor:
        return torch.einsum("dc,ndhw->nchw", self.matrix.to(y), self.extracted(self.planes(y)))

    def lifted(self, y: torch.Tensor) -> torch.Tensor:
        """The picture L y with A L y = y where it fills its units; L = Aᵀ but for the colours.

        It has the smallest norm in Y, Cb, Cr of those that there are, not in R, G, B.
        """
        planes = self.extracted(self.planes(y))
        return torch.einsum("dc,nchw->ndhw", torch.linalg.inv(widened(self.matrix)).to(y), planes)

    # --- its parts, for those who know the planes beside the picture ---

    def embedded(self, planes: torch.Tensor, mode: str = "constant") -> torch.Tensor:
        """Planes of the size of the picture in their place among the units, and 0 or the edge ("replicate") beside."""
        (height, width), (top, left) = self.canvas, self.offset
        before, beside = max(top, 0), max(left, 0)
        part = planes[..., max(-top, 0) : height - top, max(-left, 0) : width - left]
        margins = (beside, width - beside - part.shape[-1], before, height - before - part.shape[-2])
        return functional.pad(part, margins, mode=mode)

    def extracted(self, canvas: torch.Tensor) -> torch.Tensor:
        """The adjoint of :meth:`embedded` with 0 beside: what lies at the picture's place."""
        (rows, columns), (top, left) = self.size, self.offset
        part = canvas[..., max(top, 0) : top + rows, max(left, 0) : left + columns]
        above, before = max(-top, 0), max(-left, 0)
        margins = (before, columns - before - part.shape[-1], above, rows - above - part.shape[-2])
        return functional.pad(part, margins)

    def coefficients(self, canvas: torch.Tensor) -> torch.Tensor:
        """The measurement of planes (N, C, H, W) of the size of all units."""
        y = torch.zeros_like(canvas)
        for index, (down, right) in enumerate(self.sampling):
            plane = canvas[:, index]
            if (down, right) != (1, 1):
                plane = functional.avg_pool2d(plane[:, None], (down, right))[:, 0] * math.sqrt(down * right)
            blocks = plane.unflatten(1, (-1, BLOCK)).unflatten(3, (-1, BLOCK))
            blocks = self._transformed(blocks, self.cosines.to(plane))
            self._places(y[:, index], index)[:] = blocks.unflatten(3, (self.units[1], -1)).unflatten(
                1, (self.units[0], -1)
            )
        return y

    def planes(self, y: torch.Tensor) -> torch.Tensor:
        """The adjoint of :meth:`coefficients`; each sample of the chroma in all the pixels that it covers."""
        canvas = torch.empty_like(y)
        for index, (down, right) in enumerate(self.sampling):
            blocks = self._places(y[:, index], index).flatten(4, 5).flatten(1, 2)
            plane = self._transformed(blocks, self.cosines.to(y).T).flatten(3, 4).flatten(1, 2)
            if (down, right) != (1, 1):
                plane = plane / math.sqrt(down * right)
                plane = plane.repeat_interleave(down, dim=1).repeat_interleave(right, dim=2)
            canvas[:, index] = plane
        return canvas

    def _transformed(self, blocks: torch.Tensor, matrix: torch.Tensor) -> torch.Tensor:
        """`matrix` applied along rows and columns of blocks (N, rows, 8, columns, 8)."""
        return torch.einsum("ui,naibj->naubj", matrix, blocks @ matrix.T)

    def _places(self, plane: torch.Tensor, index: int) -> torch.Tensor:
        """Where the blocks of a component stand, as a view (N, units, blocks, 8, units, blocks, 8)."""
        down, right = (whole // factor for whole, factor in zip(self.unit, self.sampling[index], strict=True))
        units = plane.unflatten(2, (self.units[1], -1)).unflatten(1, (self.units[0], -1))
        part = units[:, :, :down, :, :right]
        return part.unflatten(4, (-1, BLOCK)).unflatten(2, (-1, BLOCK))

    def arranged(self, blocks: Sequence[torch.Tensor]) -> torch.Tensor:
        """The measurement (1, C, H, W) that holds these blocks of each component, (rows, columns, 8, 8)."""
        y = torch.zeros(1, len(self.sampling), *self.canvas)
        for index, part in enumerate(blocks):
            rows = (
                part.permute(0, 2, 1, 3).unflatten(2, (self.units[1], -1)).unflatten(0, (self.units[0], -1))
            )
            self._places(y[:, index], index)[:] = rows.to(y)
        return y

    def packed(self, tables: Sequence[torch.Tensor], outside: float) -> torch.Tensor:
        """What holds of each coefficient of a block of each component, (C, height, width) of one unit."""
        found = torch.full((len(self.sampling), *self.unit), outside, dtype=torch.float32)
        for table, plane, (down, right) in zip(tables, found, self.sampling, strict=True):
            rows, columns = self.unit[0] // down, self.unit[1] // right
            plane[:rows, :columns] = table.float().repeat(rows // BLOCK, columns // BLOCK)
        return found

    def measured(self) -> torch.Tensor:
        """1 at coefficients of blocks that hold a pixel of the picture, else 0: (1, C, H, W)."""
        return self._blocks_over(self.embedded(torch.ones(1, len(self.sampling), *self.size)))

    def unbroken(self) -> torch.Tensor:
        """1 at coefficients of blocks that the picture fills, else 0: (1, C, H, W)."""
        beside = 1 - self.embedded(torch.ones(1, len(self.sampling), *self.size))
        return self.measured() * (1 - self._blocks_over(beside))

    def _blocks_over(self, inside: torch.Tensor) -> torch.Tensor:
        """1 at the coefficients of blocks that cover a pixel where `inside`, of the size of all units, is 1."""
        found = torch.zeros_like(inside)
        for index, (down, right) in enumerate(self.sampling):
            held = functional.max_pool2d(inside[:, index : index + 1], (BLOCK * down, BLOCK * right))[:, 0]
            held = held.unflatten(2, (self.units[1], -1)).unflatten(1, (self.units[0], -1))
            self._places(found[:, index], index)[:] = held[:, :, :, None, :, :, None]
        return found

    # --- the contract of an operator ---

    def input_shape(self, measurement_shape: Sequence[int]) -> Shape:
        count, channels, *size = measurement_shape
        if channels != len(self.sampling) or tuple(size) != self.canvas:
            raise ValueError(
                f"{self.describe()} gives measurements of {(len(self.sampling), *self.canvas)}, "
                f"got {tuple(measurement_shape)}"
            )
        return (count, channels, *self.size)

    def output_shape(self, image_shape: Sequence[int]) -> Shape:
        if tuple(image_shape[1:]) != (len(self.sampling), *self.size):
            raise ValueError(
                f"{self.describe()} takes pictures of {(len(self.sampling), *self.size)}, got {tuple(image_shape)}"
            )
        return (*image_shape[:2], *self.canvas)

    def norm(self, measurement_shape: Sequence[int] | None = None) -> float:
        return float(torch.linalg.matrix_norm(widened(self.matrix), 2))

    def initial(self, y: torch.Tensor) -> torch.Tensor:
        """The decoded picture, each sample of the chroma in all the pixels that it covers."""
        self.input_shape(tuple(y.shape))
        return self.lifted(y)

    def locality(self) -> Locality:
        return Locality(reach=max(self.unit))

    def crop(self, window: Window) -> tuple[Operator, Window]:
        cut = [
            _cut(window.top, window.height, self.size[0], self.offset[0], self.unit[0], self.units[0]),
            _cut(window.left, window.width, self.size[1], self.offset[1], self.unit[1], self.units[1]),
        ]
        (first, rows, top), (column, columns, left) = cut
        part = JpegTransform(
            window.height, window.width, self.sampling, (top, left), (rows, columns), self.colour
        ).to(self.device)
        return part, Window(
            first * self.unit[0], column * self.unit[1], rows * self.unit[0], columns * self.unit[1]
        )

    def describe(self) -> str:
        return "jpeg transform"


def unit_of(sampling: Sequence[tuple[int, int]]) -> tuple[int, int]:
    """Height and width of a unit (MCU) in pixels."""
    return BLOCK * max(down for down, _ in sampling), BLOCK * max(right for _, right in sampling)


def _cut(start: int, length: int, whole: int, offset: int, unit: int, units: int) -> tuple[int, int, int]:
    """The first unit of a part along one axis, how many there are, and where in them the part begins.

    At a cut only whole units are measured: what others would need lies beyond it.
    """
    first = 0 if start == 0 else -(-(offset + start) // unit)
    last = units if start + length == whole else (offset + start + length) // unit
    return first, max(last - first, 1), offset + start - first * unit
