"""Strided correlation along one axis of an image, and its adjoint: the engine of resampling and blurring.

A correlation with stride s is a banded Toeplitz matrix. Blocks of consecutive outputs need windows of
consecutive inputs and all share one small dense matrix, so that the whole axis becomes one batched matrix
product; that is several times faster than a one-channel convolution and takes no memory beyond one copy.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
import torch
from torch import nn

from zeroshot.operators.boundary import extend, source_index, source_range
from zeroshot.operators.linear import largest_singular_value

#: Sizes, types and devices that are kept at a time; images of a run share one.
_MOST_PLANS = 32


class AxisCorrelation(nn.Module):
    """z[j] = Σᵢ k[i] · x[s·j + i − before], along one axis.

    Parameters
    ----------
    kernel : numpy.ndarray
        k, one-dimensional.
    stride : int
        s.
    before, after : int
        How far the image is extended at its start and its end.
    boundary : str
        How it is extended, see :mod:`zeroshot.operators.boundary`.
    """

    kernel: torch.Tensor

    def __init__(self, kernel: np.ndarray, stride: int, before: int, after: int, boundary: str) -> None:
        super().__init__()
        self.stride, self.before, self.after, self.boundary = stride, before, after, boundary
        self.taps = len(kernel)
        self.reach = -(-self.taps // stride)  # how many outputs one input takes part in
        self.block = max(16, self.reach)
        #: What depends on sizes alone, by what it is, the size, the type and the device: small, and used in every step.
        self._plans: dict[tuple[Any, ...], Any] = {}
        self.register_buffer("kernel", torch.from_numpy(np.array(kernel, np.float32)), persistent=False)

    def _kept(self, make: Callable[[], Any], *key: Any) -> Any:
        """What `make` makes, or what it made before for the same key."""
        plan = self._plans.get(key)
        if plan is None:
            if len(self._plans) >= _MOST_PLANS:
                self._plans.clear()
            plan = self._plans[key] = make()
        return plan

    def _apply(self, fn: Any, recurse: bool = True) -> Any:
        self._plans.clear()
        return super()._apply(fn, recurse)

    def output_size(self, size: int) -> int:
        return (size + self.before + self.after - self.taps) // self.stride + 1

    def _matrix(self, inputs: torch.Tensor, outputs: torch.Tensor, dtype: torch.dtype) -> torch.Tensor:
        """The entries k[q − s·j] at extended positions q (columns) and outputs j (rows)."""
        tap = inputs[None, :] - self.stride * outputs[:, None]
        inside = (tap >= 0) & (tap < self.taps)
        return torch.where(inside, self.kernel[tap.clamp(0, self.taps - 1)], 0).to(dtype)

    def forward(self, x: torch.Tensor, axis: int) -> torch.Tensor:
        """The correlation of `x` (N, C, H, W) along `axis` (−2 or −1)."""
        size, block, stride = x.shape[axis], self.block, self.stride
        outputs = self.output_size(size)
        count = -(-outputs // block)
        length = (block - 1) * stride + self.taps
        step, total = block * stride, (count - 1) * block * stride + length
        if axis == -1:
            # Picking columns one by one is slow; a window that slides over the extended rows is not.
            surplus = max(total - size - self.before, 0)
            rows = extend(x, axis, self.before, surplus, self.boundary)
            windows = rows[..., :total].unfold(axis, length, step)
        else:

            def index() -> torch.Tensor:
                position = torch.arange(count, device=x.device)[:, None] * step
                position = position + torch.arange(length, device=x.device)
                return source_index(position.flatten() - self.before, size, self.boundary)

            windows = x.index_select(axis, self._kept(index, "index", size, x.device))
        matrix = self._kept(
            lambda: self._matrix(
                torch.arange(length, device=x.device), torch.arange(block, device=x.device), x.dtype
            ),
            "forward",
            x.dtype,
            x.device,
        )
        return _blockwise(windows, matrix, axis, count, outputs)

    def adjoint(self, z: torch.Tensor, axis: int, size: int) -> torch.Tensor:
        """The transposed map of `z`, onto an axis of `size` pixels."""
        block, stride, outputs, device = self.block, self.stride, z.shape[axis], z.device
        # The image's own pixels, in blocks of block·stride; output j + lead is the first that block j meets.
        lead = -((self.taps - 1 - self.before) // stride)
        count = -(-size // (block * stride))
        last = (self.before + block * stride - 1) // stride
        length = last - lead + 1
        begin, end = -lead, (count - 1) * block + lead + length - outputs
        pads = (begin, end) if axis == -1 else (0, 0, begin, end)
        padded = torch.nn.functional.pad(z, pads)
        windows = padded.unfold(axis, length, block)
        if axis == -2:
            windows = windows.transpose(-1, -2)
        matrix = self._kept(
            lambda: self._matrix(
                torch.arange(self.before, self.before + block * stride, device=device),
                torch.arange(lead, lead + length, device=device),
                z.dtype,
            ),
            "adjoint",
            z.dtype,
            device,
        )
        x = _blockwise(windows, matrix.T, axis, count, size)
        edges = self._kept(lambda: self._edges(size, z.dtype, device), "edges", size, z.dtype, device)
        for edge in edges:
            part = z.narrow(axis, edge.low, edge.high - edge.low + 1)
            added = torch.tensordot(part, edge.weights, dims=([axis], [0]))
            x.narrow(axis, edge.first, edge.weights.shape[1]).add_(added.movedim(-1, axis))
        return x

    def norm(self, size: int) -> float:
        """‖A‖₂ on an axis of `size` pixels."""
        return largest_singular_value(_OnSize(self, size), (1, 1, 1, size), self.kernel.device)

    def _edges(self, size: int, dtype: torch.dtype, device: torch.device) -> list[_Edge]:
        """What the pixels beyond either end of an axis of `size` pixels receive, and the pixels that they repeat."""
        beyond = (range(-self.before, 0), range(size, size + self.after))
        found = (self._edge(range_, size, dtype, device) for range_ in beyond if len(range_))
        return [edge for edge in found if edge is not None]

    def _edge(self, beyond: range, size: int, dtype: torch.dtype, device: torch.device) -> _Edge | None:
        low = max(0, -(-(beyond[0] + self.before - self.taps + 1) // self.stride))
        high = min(self.output_size(size) - 1, (beyond[-1] + self.before) // self.stride)
        if high < low:
            return None
        position = torch.arange(beyond[0], beyond[-1] + 1, device=device)
        target = source_index(position, size, self.boundary)
        first, last = source_range(beyond[0], beyond[-1] + 1, size, self.boundary)
        repeats = torch.nn.functional.one_hot(target - first, last - first + 1).to(dtype)
        matrix = self._matrix(position + self.before, torch.arange(low, high + 1, device=device), dtype)
        return _Edge(low, high, first, matrix @ repeats)


class _Edge(NamedTuple):
    """Outputs `low` to `high` give (outputs, pixels) `weights` of theirs to the pixels from `first` on."""

    low: int
    high: int
    first: int
    weights: torch.Tensor


def _blockwise(
    windows: torch.Tensor, matrix: torch.Tensor, axis: int, count: int, outputs: int
) -> torch.Tensor:
    """Apply `matrix` to each of the `count` windows along `axis`; keep the first `outputs` results."""
    batch, channels = windows.shape[:2]
    rows, length = matrix.shape
    if axis == -2:
        width = windows.shape[-1]
        stacked = windows.reshape(batch * channels * count, length, width)
        product = torch.bmm(matrix.expand(len(stacked), rows, length), stacked)
        return product.view(batch, channels, count * rows, width)[:, :, :outputs]
    height = windows.shape[2]
    product = windows.reshape(-1, length) @ matrix.T
    return product.view(batch, channels, height, count * rows)[..., :outputs]


class _OnSize:
    """A correlation along rows of one length, with the adjoint that the norm needs."""

    def __init__(self, correlation: AxisCorrelation, size: int) -> None:
        self.correlation, self.size = correlation, size

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self.correlation(x, -1)

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        return self.correlation.adjoint(y, -1, self.size)
