"""Known and missing pixels: inpainting; and the fast, smooth filling of holes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch.nn import functional

from zeroshot.operators.mask_values import known_of
from zeroshot.operators.operator import Operator, Shape, require_image
from zeroshot.operators.window import Locality, Window


class Mask(Operator):
    """A x = m ⊙ x: pixels are known (m = 1) or missing (m = 0, measured as 0).

    Parameters
    ----------
    mask : array or tensor, (H, W), (C, H, W) or (N, C, H, W)
        1 where pixels are known; broadcast over batch and channels, of the image's height and width. Accepted
        are booleans, 0 and one other value, and the shades of an 8- or 16-bit image, see
        :mod:`zeroshot.operators.mask_values`.

    Attributes
    ----------
    mask : torch.Tensor
        The same as float32, (1 or N, 1 or C, H, W), holding 0 and 1.

    Raises
    ------
    ValueError
        If the mask knows no pixel, or holds NaN, labels or anything else that does not say what is known.
    """

    mask: torch.Tensor

    def __init__(self, mask: Any) -> None:
        super().__init__()
        self.register_buffer("mask", _binary(mask), persistent=False)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self._check(x.shape)
        return x * self.mask

    def adjoint(self, y: torch.Tensor) -> torch.Tensor:
        self._check(y.shape)
        return y * self.mask

    def input_shape(self, measurement_shape: Sequence[int]) -> Shape:
        self._check(measurement_shape)
        return tuple(measurement_shape)

    def output_shape(self, image_shape: Sequence[int]) -> Shape:
        self._check(image_shape)
        return tuple(image_shape)

    def norm(self, measurement_shape: Sequence[int] | None = None) -> float:
        return 1.0

    def initial(self, y: torch.Tensor) -> torch.Tensor:
        """The known pixels, with the holes filled smoothly, see :func:`fill_holes`."""
        self._check(y.shape)
        return fill_holes(y, self.mask)

    def for_image(self, index: int, count: int) -> Operator:
        return Mask(self.mask[index : index + 1]) if self.mask.shape[0] == count > 1 else self

    def locality(self) -> Locality:
        return Locality()

    def crop(self, window: Window) -> tuple[Operator, Window]:
        # A part may know no pixel at all, which the constructor would refuse.
        part = Mask(torch.ones(1, 1)).to(self.device)
        part.mask = window.of(self.mask).clone()
        return part, window

    def describe(self) -> str:
        height, width = self.mask.shape[-2:]
        return f"mask({height} × {width}, {float(self.mask.mean()):.1%} known)"

    def _check(self, shape: Sequence[int]) -> None:
        require_image(shape, self)
        if tuple(shape[-2:]) != tuple(self.mask.shape[-2:]):
            raise ValueError(
                f"the mask is {self.mask.shape[-2]} × {self.mask.shape[-1]} pixels (height × width) and the "
                f"image {shape[-2]} × {shape[-1]}; they must have the same size"
            )
        for axis, what in ((0, "images"), (1, "channels")):
            if self.mask.shape[axis] not in (1, shape[axis]):
                raise ValueError(
                    f"the mask is for {self.mask.shape[axis]} {what} and there are {shape[axis]}; "
                    f"give one mask for all or one for each"
                )


def _binary(mask: Any) -> torch.Tensor:
    """The mask as float32 (N, C, H, W) of zeros and ones."""
    array = mask.detach().cpu().numpy() if isinstance(mask, torch.Tensor) else np.asarray(mask)
    if not 2 <= array.ndim <= 4 or (array.ndim == 3 and array.shape[-1] in (3, 4) and array.shape[0] > 4):
        raise ValueError(f"a mask has the shape (H, W), (C, H, W) or (N, C, H, W), got {array.shape}")
    known = known_of(array).known
    if not known.any():
        raise ValueError("the mask knows no pixel; it must be 1 (true, white) at the pixels that are known")
    result = torch.from_numpy(known.astype(np.float32))
    return result[(None,) * (4 - result.ndim)]


#: The side of a square without any known pixel, from which on a hole is wide.
_WIDE = 9


def has_wide_hole(known: torch.Tensor | None) -> bool:
    """Whether there is a square of 9 × 9 pixels in which none is known.

    Parameters
    ----------
    known : torch.Tensor or None
        Above 0 at known pixels, (N, C, H, W); None: all are known.
    """
    if known is None or min(known.shape[-2:]) < _WIDE:
        return False
    return bool((functional.max_pool2d((known > 0).float(), _WIDE, stride=1) == 0).any())


def distance_from_known(known: torch.Tensor) -> torch.Tensor:
    """The distance of every pixel from the nearest one that is known in all channels, in pixels, (N, 1, H, W).

    Parameters
    ----------
    known : torch.Tensor
        1 at known values, 0 elsewhere, (N, C, H, W).
    """
    # Half a second that only holes need.
    from scipy.ndimage import distance_transform_edt

    missing = (known.amin(dim=1, keepdim=True) < 0.5).cpu().numpy()
    return torch.stack([torch.from_numpy(distance_transform_edt(one)) for one in missing]).to(known)


def fill_holes(y: torch.Tensor, mask: torch.Tensor, sweeps: int = 4) -> torch.Tensor:
    """Fill missing pixels smoothly from the known ones, which are kept exactly.

    A pyramid of weighted means is built until no pixel is empty; on the way back each level's holes are
    filled with the bilinear enlargement of the coarser one and smoothed by a few relaxation sweeps of
    Laplace's equation (each missing pixel becomes the mean of its four neighbours). The cost is linear in
    the number of pixels, whatever the size of the holes.

    Parameters
    ----------
    y : torch.Tensor
        Image (N, C, H, W). What stands in the holes is ignored.
    mask : torch.Tensor
        1 at known pixels, 0 elsewhere, broadcastable to `y`. A channel without any known pixel becomes 0.
    sweeps : int
        Relaxation sweeps per level.

    References
    ----------
    S. J. Gortler, R. Grzeszczuk, R. Szeliski, M. F. Cohen: The Lumigraph, SIGGRAPH 1996, for push–pull.
    """
    known = mask > 0
    # A colour image with one mask for all channels carries the weights once.
    weight = known.to(y.dtype)
    return _fill(torch.where(known, y, torch.zeros((), dtype=y.dtype, device=y.device)), weight, sweeps)


def _fill(values: torch.Tensor, weight: torch.Tensor, sweeps: int) -> torch.Tensor:
    """`values` where `weight` is 1, blended with a filling from the coarser level where it is less."""
    height, width = values.shape[-2:]
    if bool((weight == 1).all()) or height == width == 1:
        return values
    pad = (0, width % 2, 0, height % 2)
    coarse_weight = functional.avg_pool2d(functional.pad(weight.expand(-1, -1, height, width), pad), 2)
    coarse_values = functional.avg_pool2d(functional.pad(values * weight, pad), 2)
    coarse_values = coarse_values / coarse_weight.clamp(min=1e-12)
    # A coarse pixel counts as known once a quarter of it is.
    coarse = _fill(coarse_values, (4 * coarse_weight).clamp(max=1), sweeps)
    enlarged = functional.interpolate(coarse, scale_factor=2, mode="bilinear", align_corners=False)
    return _relax(values, weight, enlarged[..., :height, :width], sweeps)


def _relax(values: torch.Tensor, weight: torch.Tensor, filling: torch.Tensor, sweeps: int) -> torch.Tensor:
    """Blend in the filling, then smooth it; what is known stays."""
    held = weight * values
    free = 1 - weight
    image = torch.addcmul(held, free, filling)
    free = free * 0.25
    for _ in range(sweeps):
        frame = functional.pad(image, (1, 1, 1, 1), mode="replicate")
        total = frame[..., :-2, 1:-1] + frame[..., 2:, 1:-1]
        total += frame[..., 1:-1, :-2]
        total += frame[..., 1:-1, 2:]
        image = total.mul_(free).add_(held)
    return image
