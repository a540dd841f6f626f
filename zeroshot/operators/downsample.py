"""Shrinking by an integer factor: super-resolution."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from zeroshot.checks import is_whole
from zeroshot.operators import kernels
from zeroshot.operators.correlation import Correlation
from zeroshot.operators.operator import Operator, Shape, require_image
from zeroshot.operators.window import Locality, Window
from zeroshot.spelling import OptionError, Wording

KERNELS = ("bicubic", "lanczos2", "lanczos3", "box", "gaussian")


class Downsample(Operator):
    """A x = (k ∗ x)↓s: blurring with k and keeping one pixel in s × s.

    The kernel is centred on each block of s × s pixels (phase 0.5), so that the small image covers the same
    field as the large one. A kernel given as an array whose number of taps has another parity than s cannot
    be centred: it sits half a pixel further up and left. Beyond the edge the outermost pixel is repeated.

    Parameters
    ----------
    scale : int
        s, at least 2. The image's height and width must be multiples of it.
    kernel : str or array (h, w)
        "bicubic": antialiased, as the MATLAB imresize that made the published low-resolution images.
        "lanczos2", "lanczos3": as the Deep Image Prior's downsampler. "box": the mean of each block.
        "gaussian": with standard deviation `sigma`, cut at 4 `sigma`. An array: any weights, of even or odd
        size, with which the image is convolved (a kernel that was estimated for correlation must be turned by
        180°); divided by its sum.
    sigma : float, optional
        Standard deviation of the Gaussian, in pixels of the large image.

    References
    ----------
    D. Ulyanov, A. Vedaldi, V. Lempitsky: Deep Image Prior, CVPR 2018, for the Lanczos kernels.
    """

    def __init__(
        self,
        scale: int,
        kernel: str | np.ndarray | torch.Tensor = "bicubic",
        *,
        sigma: float | None = None,
    ) -> None:
        super().__init__()
        self.scale = _scale(scale)
        self.kernel, self.sigma = kernel if isinstance(kernel, str) else "custom", sigma
        weights = _weights(kernel, self.scale, sigma)
        self.size = weights.shape
        # A kernel smaller than a block is filled up with zeros: the extension is never negative.
        missing = [max(self.scale - taps, 0) for taps in weights.shape]
        weights = np.pad(weights, [(gap // 2, gap - gap // 2) for gap in missing])
        surplus = [taps - self.scale for taps in weights.shape]
        before = ((surplus[0] + 1) // 2, (surplus[1] + 1) // 2)
        after = (surplus[0] - before[0], surplus[1] - before[1])
        self.correlation = Correlation(weights[::-1, ::-1], self.scale, before, after, "replicate")
        # How far right or down of a block's centre the kernel sits.
        self.shift = tuple(-0.5 if (taps - self.scale) % 2 else 0.0 for taps in self.size)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._check(x.shape)
        return self.correlation(x)

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        require_image(y.shape, self)
        return self.correlation.adjoint(y, (y.shape[-2] * self.scale, y.shape[-1] * self.scale))

    def input_shape(self, measurement_shape: Sequence[int]) -> Shape:
        require_image(measurement_shape, self)
        count, channels, height, width = measurement_shape
        return (count, channels, height * self.scale, width * self.scale)

    def output_shape(self, image_shape: Sequence[int]) -> Shape:
        self._check(image_shape)
        count, channels, height, width = image_shape
        return (count, channels, height // self.scale, width // self.scale)

    def norm(self, measurement_shape: Sequence[int] | None = None) -> float:
        height, width = self.input_shape(tuple(measurement_shape or (1, 3, 64, 64)))[-2:]
        return self.correlation.norm((height, width))

    def initial(self, y: torch.Tensor) -> torch.Tensor:
        """Bicubic enlargement onto the grid that the kernel's phase defines."""
        require_image(y.shape, self)
        wide = _enlarge(y, self.scale, self.shift[1])
        return _enlarge(wide.transpose(-1, -2), self.scale, self.shift[0]).transpose(-1, -2).contiguous()

    def locality(self) -> Locality:
        reach = max(*self.correlation.before, *self.correlation.after)
        return Locality(align=self.scale, reach=reach, scale=self.scale)

    def crop(self, window: Window) -> tuple[Operator, Window]:
        sides = (window.top, window.left, window.height, window.width)
        if any(side % self.scale for side in sides):
            raise ValueError(f"{self.describe()} is cut at multiples of {self.scale}, got {window}")
        return self, Window(*(side // self.scale for side in sides))

    def describe(self) -> str:
        if self.kernel == "bicubic":
            return f"downsample({self.scale})"
        if self.kernel == "gaussian":
            return f"downsample({self.scale}, kernel=gaussian, sigma={self.sigma:g})"
        if self.kernel == "custom":
            return f"downsample({self.scale}, kernel={self.size[0]}×{self.size[1]} weights)"
        return f"downsample({self.scale}, kernel={self.kernel})"

    def _check(self, shape: Sequence[int]) -> None:
        require_image(shape, self)
        height, width = shape[-2:]
        if height % self.scale or width % self.scale or not height or not width:
            raise ValueError(
                f"{self.describe()} takes images whose height and width are multiples of {self.scale}, "
                f"got {height} × {width}"
            )


def _scale(scale: int) -> int:
    if not is_whole(scale) or scale < 2:
        raise ValueError(f"scale must be an integer of at least 2, got {scale!r}")
    return int(scale)


def _weights(kernel: str | np.ndarray | torch.Tensor, scale: int, sigma: float | None) -> np.ndarray:
    if sigma is not None and not (isinstance(kernel, str) and kernel == "gaussian"):
        raise ValueError('sigma belongs to kernel="gaussian" only')
    if not isinstance(kernel, str):
        return kernels.as_kernel(kernel)
    if kernel == "bicubic":
        weights = kernels.bicubic(scale)
    elif kernel in ("lanczos2", "lanczos3"):
        weights = kernels.lanczos(scale, lobes=int(kernel[-1]))
    elif kernel == "box":
        kernels.require_size(scale, scale, f"shrinking by {scale}")
        weights = np.full(scale, 1 / scale)
    elif kernel == "gaussian":
        if sigma is None:
            raise ValueError('kernel="gaussian" needs sigma=…, its standard deviation in pixels')
        weights = kernels.gaussian(sigma, scale)
    else:
        own = Wording("an array of weights", "the name of a file")
        raise OptionError(f"unknown kernel {kernel!r}; known are {', '.join(KERNELS)} or ", own)
    return np.outer(weights, weights)


def _enlarge(y: torch.Tensor, scale: int, shift: float) -> torch.Tensor:
    """Cubic interpolation along the rows of `y` at `scale` positions a pixel; the edge is repeated.

    Position i of the result lies at (i + ½ − shift)/scale − ½ on the scale of `y`.
    """
    phase = (np.arange(scale) + 0.5 - shift) / scale - 0.5
    weights = kernels.keys_cubic(phase[None, :] - np.arange(-2, 3)[:, None])
    matrix = torch.from_numpy(weights).to(y)
    padded = torch.cat((y[..., :1], y[..., :1], y, y[..., -1:], y[..., -1:]), dim=-1)
    return (padded.unfold(-1, 5, 1) @ matrix).flatten(-2)
