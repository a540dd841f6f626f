"""Blur by a kernel that changes over the field, as that of a lens from the centre to the corners does."""

from __future__ import annotations

import copy
import itertools
from collections.abc import Iterator
from typing import NamedTuple

import numpy as np
import torch
from torch import nn

from zeroshot.operators import kernels
from zeroshot.operators.blur import Blur
from zeroshot.operators.blurring import Blurring
from zeroshot.operators.boundary import extend, fold
from zeroshot.operators.correlation import Correlation
from zeroshot.operators.linear import apply_linear
from zeroshot.operators.operator import Operator
from zeroshot.operators.window import Locality, Window

#: The most kernels, along rows and columns together.
MOST_KERNELS = 1024


class SpaceVaryingBlur(Blurring):
    """(A x)(p) = Σᵢ wᵢ(p) · (kᵢ ∗ x)(p): every pixel is seen through its own kernel Σᵢ wᵢ(p) kᵢ.

    The kernels kᵢ stand on a grid whose outermost rows and columns are those of the measurement; between them the
    weights wᵢ ≥ 0 are bilinear, and sum to one, so that flat areas stay flat. Every channel has the same kernels.
    A pixel has up to four, so that A takes about four times as long as a :class:`Blur`.

    Parameters
    ----------
    grid : array (rows, columns, h, w)
        The kernels from the top left on, h and w odd; each is divided by its sum.
    boundary : {"reflect", "circular", "replicate", "valid"}
        How the image continues beyond its edge, as for :class:`Blur`.

    Raises
    ------
    ValueError
        Where `grid` has another shape, too many kernels, or one that cannot be a kernel.

    References
    ----------
    J. G. Nagy, D. P. O'Leary: Restoring images degraded by spatially variant blur, SIAM Journal on Scientific
    Computing 19 (1998). L. Denis, E. Thiébaut, F. Soulez, J.-M. Becker, R. Mourya: Fast approximations of
    shift-variant blur, International Journal of Computer Vision 115 (2015).
    """

    def __init__(self, grid: np.ndarray | torch.Tensor, boundary: str = "reflect") -> None:
        given = _as_grid(grid)
        super().__init__((given.shape[2], given.shape[3]), boundary)
        self.rows, self.columns = given.shape[:2]
        self.correlations = nn.ModuleList(
            Correlation(kernel[::-1, ::-1], 1, (0, 0), (0, 0), "replicate")
            for kernel in given.reshape(-1, *self.size)
        )
        #: Height and width of the measurement that the grid spans, and where in it the one at hand begins; None:
        #: they are the same.
        self.part_of: tuple[tuple[int, int], tuple[int, int]] | None = None

    @property
    def grid(self) -> torch.Tensor:
        """The kernels (rows, columns, h, w), each with the sum 1."""
        flat = torch.stack([one.kernel.flip(0, 1) for one in self.correlations])  # type: ignore[operator]
        return flat.unflatten(0, (self.rows, self.columns))

    def with_boundary(self, boundary: str) -> SpaceVaryingBlur:
        """The same blur with another boundary."""
        other = SpaceVaryingBlur(self.grid, boundary).to(self.device)
        other.part_of = self.part_of
        return other

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._check(x.shape)
        return apply_linear(x, self._blurred, self._spread)

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        self.input_shape(tuple(y.shape))
        return apply_linear(y, self._spread, self._blurred)

    def _margin(self) -> tuple[int, int]:
        return (0, 0) if self.boundary == "valid" else self.radius

    def _blurred(self, x: torch.Tensor) -> torch.Tensor:
        for axis, margin in zip((-2, -1), self._margin(), strict=True):
            x = extend(x, axis, margin, margin, self.boundary)
        height, width = (side - 2 * radius for side, radius in zip(x.shape[-2:], self.radius, strict=True))
        y = x.new_zeros((*x.shape[:2], height, width))
        for one in self._nodes(height, width, x):
            part = one.seen(self.radius).of(x)
            one.at.of(y).add_(one.correlation(part) * one.weights)
        return y

    def _spread(self, y: torch.Tensor) -> torch.Tensor:
        height, width = (side + 2 * radius for side, radius in zip(y.shape[-2:], self.radius, strict=True))
        x = y.new_zeros((*y.shape[:2], height, width))
        for one in self._nodes(y.shape[-2], y.shape[-1], y):
            seen = one.seen(self.radius)
            seen.of(x).add_(one.correlation.adjoint(one.at.of(y) * one.weights, (seen.height, seen.width)))
        for axis, margin in zip((-2, -1), self._margin(), strict=True):
            x = fold(x, axis, margin, margin, self.boundary)
        return x.contiguous()

    def _nodes(self, height: int, width: int, like: torch.Tensor) -> Iterator[_Node]:
        """The nodes of the grid that pixels of a measurement of this size see through."""
        whole, offset = self.part_of or ((height, width), (0, 0))
        if height + offset[0] > whole[0] or width + offset[1] > whole[1]:
            raise ValueError(
                f"{self.describe()} spans {whole[0]} × {whole[1]} pixels, got {height} × {width}"
            )
        rows = _hats(self.rows, whole[0], offset[0], height)
        columns = _hats(self.columns, whole[1], offset[1], width)
        for index, (down, right) in enumerate(itertools.product(rows, columns)):
            if len(down.weights) and len(right.weights):
                at = Window(down.first, right.first, len(down.weights), len(right.weights))
                weights = torch.from_numpy(np.outer(down.weights, right.weights)).to(like)
                yield _Node(self.correlations[index], at, weights)  # type: ignore[arg-type]

    def locality(self) -> Locality:
        if self.part_of is None:
            raise ValueError(
                f"{self.describe()} does not know how large the whole is that it could be cut from; use spanning()"
            )
        return super().locality()

    def crop(self, window: Window) -> tuple[Operator, Window]:
        self.locality()
        assert self.part_of is not None
        measured = self._measured(window)
        whole, offset = self.part_of
        return self._placed(whole, (offset[0] + measured.top, offset[1] + measured.left)), measured

    def _placed(self, whole: tuple[int, int], offset: tuple[int, int]) -> SpaceVaryingBlur:
        """The same blur, with the same kernels in memory, of a part of what the grid spans."""
        other = copy.copy(self)
        other._modules = dict(self._modules)
        other.part_of = whole, offset
        return other

    def spanning(self, height: int, width: int) -> SpaceVaryingBlur:
        """The same blur for measurements of this size, of which parts can be cut."""
        return self._placed((height, width), (0, 0))

    def describe(self) -> str:
        size = f"{self.size[0]}×{self.size[1]} kernels"
        return f"blur({size} on a grid of {self.rows} × {self.columns}{self._written_boundary()})"


def blur_by(kernel: np.ndarray | torch.Tensor, boundary: str) -> Blurring:
    """The blur by one kernel (h, w), or by kernels on a grid (rows, columns, h, w)."""
    return SpaceVaryingBlur(kernel, boundary) if kernel.ndim == 4 else Blur(kernel, boundary)


class _Node(NamedTuple):
    """One kernel of the grid, where its weight is not zero, and the weights there."""

    correlation: Correlation
    at: Window
    weights: torch.Tensor

    def seen(self, radius: tuple[int, int]) -> Window:
        """What the kernel sees of the extended image."""
        top, left, height, width = self.at.top, self.at.left, self.at.height, self.at.width
        return Window(top, left, height + 2 * radius[0], width + 2 * radius[1])


class _Hat(NamedTuple):
    """Where along an axis the weight of a node is not zero, and the weights."""

    first: int
    weights: np.ndarray


def _hats(nodes: int, whole: int, offset: int, length: int) -> list[_Hat]:
    """The linear weights of equally spaced nodes, the outermost at both ends of `whole`, on a part of the axis."""
    if nodes == 1:
        return [_Hat(0, np.ones(length))]
    position = (offset + np.arange(length)) * (nodes - 1) / max(whole - 1, 1)
    hats = []
    for node in range(nodes):
        weights = np.maximum(0.0, 1.0 - np.abs(position - node))
        inside = np.flatnonzero(weights)
        first, stop = (int(inside[0]), int(inside[-1]) + 1) if len(inside) else (0, 0)
        hats.append(_Hat(first, weights[first:stop]))
    return hats


def _as_grid(grid: np.ndarray | torch.Tensor) -> np.ndarray:
    """Kernels (rows, columns, h, w), each checked and divided by its sum."""
    array = np.asarray(grid.detach().cpu() if isinstance(grid, torch.Tensor) else grid)
    if array.ndim != 4 or 0 in array.shape:
        raise ValueError(
            f"kernels on a grid are an array (rows, columns, height, width), got shape {array.shape}"
        )
    rows, columns = array.shape[:2]
    if rows * columns > MOST_KERNELS:
        raise ValueError(f"a grid holds at most {MOST_KERNELS} kernels, got {rows} × {columns}")
    return np.array([[kernels.as_kernel(kernel) for kernel in row] for row in array])
