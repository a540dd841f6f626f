"""Blur with a known kernel: deconvolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from zeroshot.operators import kernels
from zeroshot.operators.blurring import Blurring
from zeroshot.operators.correlation import Correlation
from zeroshot.operators.operator import Operator
from zeroshot.operators.window import Window
from zeroshot.precision import widened


class Blur(Blurring):
    """A x = k ∗ x, each channel convolved with the same kernel.

    It is a true convolution, as scipy.signal.convolve2d: a point becomes the kernel, not its mirror image.
    What torch.nn.functional.conv2d computes is the correlation; a kernel made for it must be turned by 180°.

    Parameters
    ----------
    kernel : array (h, w)
        Weights, h and w odd, the centre being the origin. They are divided by their sum, so that the
        brightness stays.
    boundary : str
        How the image continues beyond its edge. "reflect": mirrored about the edge pixel, which is not repeated
        (torch's "reflect", OpenCV's reflect-101); "circular": periodic; "replicate": the edge pixel is
        repeated; "valid": not at all, so that the measurement is smaller than the image by h − 1 and w − 1.
    """

    def __init__(self, kernel: np.ndarray | torch.Tensor, boundary: str = "reflect") -> None:
        weights = kernels.as_kernel(kernel)
        super().__init__((weights.shape[0], weights.shape[1]), boundary)
        self.name = f"{self.size[0]}×{self.size[1]} kernel"
        margin = (0, 0) if boundary == "valid" else self.radius
        mode = "replicate" if boundary == "valid" else boundary
        self.correlation = Correlation(weights[::-1, ::-1], 1, margin, margin, mode)

    @classmethod
    def gaussian(cls, sigma: float, boundary: str = "reflect") -> Blur:
        """A Gaussian blur of standard deviation `sigma` pixels, cut at 4 `sigma`."""
        weights = kernels.gaussian(sigma)
        return cls(np.outer(weights, weights), boundary)._named(f"gaussian={sigma:g}")

    @classmethod
    def motion(cls, length: float, angle: float = 0.0, boundary: str = "reflect") -> Blur:
        """Camera shake along a line of `length` pixels at `angle` degrees, counter-clockwise from right."""
        return cls(kernels.motion(length, angle), boundary)._named(f"motion={length:g}, angle={angle:g}")

    @classmethod
    def disk(cls, radius: float, boundary: str = "reflect") -> Blur:
        """Defocus: the mean over a disk of `radius` pixels."""
        return cls(kernels.disk(radius), boundary)._named(f"disk={radius:g}")

    @property
    def kernel(self) -> torch.Tensor:
        """The weights (h, w) as given, divided by their sum."""
        return self.correlation.kernel.flip(0, 1)

    def with_boundary(self, boundary: str) -> Blur:
        """The same blur with another boundary."""
        return Blur(self.kernel, boundary)._named(self.name).to(self.kernel.device)

    def _named(self, name: str) -> Blur:
        self.name = name
        return self

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._check(x.shape)
        return self.correlation(x)

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        height, width = self.input_shape(tuple(y.shape))[-2:]
        return self.correlation.adjoint(y, (height, width))

    def norm(self, measurement_shape: Sequence[int] | None = None) -> float:
        if measurement_shape is None and self.boundary in ("circular", "valid"):
            return self.correlation.norm_of_unbounded()
        shape = tuple(measurement_shape or (1, 3, *(max(64, 4 * taps) for taps in self.size)))
        height, width = self.input_shape(shape)[-2:]
        if self.boundary == "circular":
            return self._norm_of_circulant(height, width)
        return self.correlation.norm((height, width))

    def _norm_of_circulant(self, height: int, width: int) -> float:
        """The largest modulus of the kernel's Fourier transform on the image's grid."""
        kernel = widened(self.correlation.kernel)
        for axis, length in enumerate((height, width)):
            laps = -(-kernel.shape[axis] // length)  # a kernel larger than the image wraps around it
            fill = [0, 0] * (1 - axis) + [0, laps * length - kernel.shape[axis]]
            wrapped = torch.nn.functional.pad(kernel, fill)
            kernel = wrapped.unflatten(axis, (laps, length)).sum(dim=axis)
        return float(torch.fft.rfft2(kernel).abs().max())

    def crop(self, window: Window) -> tuple[Operator, Window]:
        self.locality()
        return self, self._measured(window)

    def describe(self) -> str:
        return f"blur({self.name}{self._written_boundary()})"
