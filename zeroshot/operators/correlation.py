"""Strided two-dimensional correlation with a boundary, in the form that is fastest for the kernel."""

from __future__ import annotations

import math

import numpy as np
import torch
from torch import nn

from zeroshot.operators.axis import AxisCorrelation
from zeroshot.operators.boundary import extend, fold
from zeroshot.operators.linear import apply_linear, largest_singular_value

#: Sizes up to which norms are computed on the image itself; beyond, on a smaller one and in the limit.
_LARGEST_FOR_NORM = 192


class Correlation(nn.Module):
    """z[j] = Σᵢ k[i] · x[s·j + i − before] in both axes, and its adjoint.

    Kernels that are a sum of few separable ones (by singular value decomposition) are applied axis by axis,
    the others by the fast Fourier transform, whichever is faster (see ``benchmarks/classic.md``).

    Parameters
    ----------
    kernel : numpy.ndarray
        k, (h, w).
    stride : int
        s.
    before, after : tuple of int
        How far the image is extended (top, left) and (bottom, right).
    boundary : str
        How it is extended, see :mod:`zeroshot.operators.boundary`.
    """

    kernel: torch.Tensor

    def __init__(
        self, kernel: np.ndarray, stride: int, before: tuple[int, int], after: tuple[int, int], boundary: str
    ) -> None:
        super().__init__()
        self.stride, self.before, self.after, self.boundary = stride, before, after, boundary
        self.register_buffer("kernel", torch.from_numpy(np.array(kernel, np.float32)), persistent=False)
        self.terms = nn.ModuleList()
        columns, rows = _separable_terms(kernel)
        if len(columns) <= (2 if stride == 1 else 5):
            for column, row in zip(columns, rows, strict=True):
                self.terms.append(
                    nn.ModuleList(
                        AxisCorrelation(part, stride, before[axis], after[axis], boundary)
                        for axis, part in enumerate((column, row))
                    )
                )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        size = (x.shape[-2], x.shape[-1])
        return apply_linear(x, self._correlate, lambda z: self._transpose(z, size))

    def adjoint(self, z: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        """The transposed map, onto images of height and width `size`."""
        return apply_linear(z, lambda y: self._transpose(y, size), self._correlate)

    def _correlate(self, x: torch.Tensor) -> torch.Tensor:
        if not self.terms:
            return self._correlate_fourier(x)
        return sum_of([down_right[1](down_right[0](x, -2), -1) for down_right in self._pairs()])

    def _transpose(self, z: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        if not self.terms:
            return self._transpose_fourier(z, size)
        return sum_of(
            [
                down.adjoint(right.adjoint(z, -1, size[1]), -2, size[0]).contiguous()
                for down, right in self._pairs()
            ]
        )

    def _pairs(self) -> list[tuple[AxisCorrelation, AxisCorrelation]]:
        return [(pair[0], pair[1]) for pair in self.terms]  # type: ignore[index, misc]

    def _transfer(self, size: list[int]) -> torch.Tensor:
        return torch.fft.rfft2(self.kernel, s=size)

    def _extended_size(self, size: tuple[int, int]) -> tuple[int, int]:
        return (
            size[0] + self.before[0] + self.after[0],
            size[1] + self.before[1] + self.after[1],
        )

    def _correlate_fourier(self, x: torch.Tensor) -> torch.Tensor:
        height, width = self._extended_size((x.shape[-2], x.shape[-1]))
        fast = _fast_size(height, width)
        for axis in (0, 1):
            x = extend(x, axis - 2, self.before[axis], self.after[axis], self.boundary)
        spectrum = torch.fft.rfft2(x, s=fast) * self._transfer(fast).conj()
        z = torch.fft.irfft2(spectrum, s=fast).to(x.dtype)
        taps = self.kernel.shape
        stop = height - taps[0] + 1, width - taps[1] + 1
        return z[..., : stop[0] : self.stride, : stop[1] : self.stride].contiguous()

    def _transpose_fourier(self, z: torch.Tensor, size: tuple[int, int]) -> torch.Tensor:
        height, width = self._extended_size(size)
        fast = _fast_size(height, width)
        if self.stride > 1:
            sparse = z.new_zeros((*z.shape[:2], z.shape[2] * self.stride, z.shape[3] * self.stride))
            sparse[..., :: self.stride, :: self.stride] = z
            # Only zeros lie beyond the last output, so nothing is lost where the canvas ends there.
            z = sparse[..., :height, :width]
        spectrum = torch.fft.rfft2(z, s=fast) * self._transfer(fast)
        x = torch.fft.irfft2(spectrum, s=fast).to(z.dtype)[..., :height, :width]
        for axis in (0, 1):
            x = fold(x, axis - 2, self.before[axis], self.after[axis], self.boundary)
        return x.contiguous()

    def norm(self, size: tuple[int, int]) -> float:
        """‖A‖₂ on images of height and width `size`, or an upper bound within half a percent of it."""
        if len(self.terms) == 1:
            ((down, right),) = self._pairs()
            return down.norm(size[0]) * right.norm(size[1])
        largest = [max(_LARGEST_FOR_NORM, 3 * max(self.kernel.shape)) // self.stride * self.stride] * 2
        small = (min(size[0], largest[0]), min(size[1], largest[1]))
        value = largest_singular_value(_OnSize(self, small), (1, 1, *small), self.kernel.device)
        return value if small == tuple(size) else max(value, self.norm_of_unbounded())

    def norm_of_unbounded(self) -> float:
        """‖A‖₂ on images without an edge, from above: the supremum of the aliased transfer function.

        ``‖A‖² = sup over ω of s⁻² Σₘ |k̂((ω + 2πm)/s)|²``, where m runs over the s² aliases. The supremum is
        bounded through samples on a grid: a trigonometric polynomial of degree n exceeds its largest of N
        samples by at most 1/cos(πn/N) per axis.
        """
        kernel = self.kernel.cpu().double()
        if self.stride == 1 and bool((kernel >= 0).all()):
            return float(kernel.sum())
        s = self.stride
        counts = [s * math.ceil(min(64 * n, max(2048, 8 * n)) / s) for n in kernel.shape]
        power = torch.fft.fft2(kernel, s=counts).abs().square()
        aliased = power.view(s, counts[0] // s, s, counts[1] // s).sum(dim=(0, 2)) / s**2
        slack = [math.cos(math.pi * (n - 1) / count) for n, count in zip(kernel.shape, counts, strict=True)]
        return math.sqrt(float(aliased.max()) / (slack[0] * slack[1]))


class _OnSize:
    """A correlation on images of one size, with the adjoint that the norm needs."""

    def __init__(self, correlation: Correlation, size: tuple[int, int]) -> None:
        self.correlation, self.size = correlation, size

    def __call__(self, x: torch.Tensor) -> torch.Tensor:
        return self.correlation(x)

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        return self.correlation.adjoint(y, self.size)


def sum_of(terms: list[torch.Tensor]) -> torch.Tensor:
    total = terms[0]
    for term in terms[1:]:
        total = total + term
    return total


def _separable_terms(
    kernel: np.ndarray, tolerance: float = 1e-6
) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Columns and rows with ``kernel = Σ column ⊗ row``, to single precision."""
    left, values, right = np.linalg.svd(np.asarray(kernel, np.float64), full_matrices=False)
    rank = max(1, int((values > tolerance * values[0]).sum()))
    roots = np.sqrt(values[:rank])
    # The signs are chosen so that a kernel without negative weights has factors without.
    signs = np.where(left[:, :rank].sum(axis=0) < 0, -1.0, 1.0)
    return list((left[:, :rank] * roots * signs).T), list(right[:rank] * (roots * signs)[:, None])


def _fast_size(height: int, width: int) -> list[int]:
    # Imported here: it takes longer to load than a small picture to restore, and most operators need none of it.
    from scipy.fft import next_fast_len

    return [next_fast_len(height, real=True), next_fast_len(width, real=True)]
