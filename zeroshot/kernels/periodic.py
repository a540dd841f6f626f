"""A picture on a larger, periodic canvas of which a part was measured, for steps in the Fourier domain.

Differences are circular there. What was not measured, beyond the border and where the picture is saturated, is filled
in by the steps themselves: with what the present image and the present kernel make of it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import torch


@dataclass(frozen=True, eq=False)
class Canvas:
    """A measurement on a periodic canvas.

    Attributes
    ----------
    image : torch.Tensor
        (H, W); beyond the measurement it goes over from one side to the opposite one.
    measured : torch.Tensor
        (H, W), 1 where there is a measurement and 0 elsewhere.
    """

    image: torch.Tensor
    measured: torch.Tensor

    @classmethod
    def around(cls, blurred: torch.Tensor, measured: torch.Tensor, margin: int) -> Canvas:
        """The canvas of a blurred image (h, w) with `margin` more pixels at every side, and a few for fast sizes."""
        # Loaded where it is needed: it takes a good part of a second.
        from scipy.fft import next_fast_len

        size = [next_fast_len(length + 2 * margin, real=True) for length in blurred.shape]
        image = blurred
        for axis, length in enumerate(size):
            image = _closed(image, axis, length)
        weight = torch.zeros(size)
        weight[: blurred.shape[0], : blurred.shape[1]] = measured
        return cls(image.contiguous(), weight)

    def filled(self, prediction: torch.Tensor) -> torch.Tensor:
        """The measurement, and the prediction (H, W) where there is none."""
        return torch.where(self.measured > 0, self.image, prediction)

    def transfer(self, kernel: torch.Tensor) -> torch.Tensor:
        """The Fourier transform of a kernel (n, n) about its centre, on this canvas."""
        height, width = kernel.shape
        placed = torch.zeros_like(self.image)
        placed[:height, :width] = kernel
        return torch.fft.rfft2(placed.roll((-(height // 2), -(width // 2)), (0, 1)))

    def gradient_power(self) -> torch.Tensor:
        """|F(∂)|² summed over both axes: what circular differences make of the spectrum."""
        rows, columns = (
            2 - 2 * torch.cos(2 * torch.pi * frequency)
            for frequency in (torch.fft.fftfreq(self.image.shape[0]), torch.fft.rfftfreq(self.image.shape[1]))
        )
        return rows[:, None] + columns

    def from_spectrum(self, spectrum: torch.Tensor) -> torch.Tensor:
        """The image of a spectrum."""
        return torch.fft.irfft2(spectrum, s=self.image.shape)


def _closed(image: torch.Tensor, axis: int, length: int) -> torch.Tensor:
    """The image with as many rows more as reach `length`, which lead from its last one to its first one."""
    first, last = image.narrow(axis, 0, 1), image.narrow(axis, image.shape[axis] - 1, 1)
    count = length - image.shape[axis]
    share = torch.from_numpy(np.arange(1, count + 1, dtype=np.float32) / (count + 1))
    share = share.view([-1, 1] if axis == 0 else [1, -1])
    return torch.cat([image, (1 - share) * last + share * first], dim=axis)


def differences(x: torch.Tensor) -> torch.Tensor:
    """Circular forward differences of (H, W) along the columns and the rows, (2, H, W)."""
    return torch.stack([x.roll(-1, 1) - x, x.roll(-1, 0) - x])


def transposed_differences(p: torch.Tensor) -> torch.Tensor:
    """The adjoint of :func:`differences`."""
    return (p[0].roll(1, 1) - p[0]) + (p[1].roll(1, 0) - p[1])
