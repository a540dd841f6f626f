"""Brightness and colour: the weights of luma, and an orthonormal opponent space for RGB images.

Images are RGB in [0, 1]. A luma in the full range is 0 at black and 1 at white; one "16–235" is 16/255 and 235/255
there, as in video.
"""

from __future__ import annotations

import math

import torch

from zeroshot.constants import constant

#: Luma in the full range, by the standard or the programme that defines it; of R, G and B.
LUMA_WEIGHTS: dict[str, tuple[float, float, float]] = {
    "bt601": (0.299, 0.587, 0.114),  # ITU-R BT.601: JPEG, Pillow's "L", OpenCV
    "bt709": (0.2126, 0.7152, 0.0722),  # ITU-R BT.709: HDTV and sRGB primaries, scikit-image
    # BT.601 as MATLAB's rgb2gray has it: the first row of the inverse of its YIQ matrix.
    "matlab": (0.298936021293775, 0.587043074451121, 0.114020904255103),
}
#: Luma of BT.601 in the 16–235 range, as MATLAB's rgb2ycbcr has it: weights of R, G and B, and the value of black.
LUMA_16_235_WEIGHTS = (65.481 / 255, 128.553 / 255, 24.966 / 255)
LUMA_16_235_BLACK = 16 / 255

#: The axes of the opponent space: the orthonormal DCT of three points, which is close to the principal axes of
#: photographs' colours: the brightness, red − blue, red − 2 green + blue. Orthonormal, so that white noise stays
#: white.
AXES = (
    (3**-0.5, 3**-0.5, 3**-0.5),
    (2**-0.5, 0.0, -(2**-0.5)),
    (6**-0.5, -2 * 6**-0.5, 6**-0.5),
)


def opponent_axes(channels: int) -> torch.Tensor:
    """The axes of :func:`to_opponent` in rows, (channels, channels), float64; the channels where there are not 3."""
    return torch.tensor(AXES, dtype=torch.float64) if channels == 3 else torch.eye(channels).double()


def luma_weights(standard: str) -> torch.Tensor:
    """The row of :data:`LUMA_WEIGHTS` that has this name, (3,), float64."""
    return torch.tensor(LUMA_WEIGHTS[standard], dtype=torch.float64)


def to_opponent(image: torch.Tensor) -> torch.Tensor:
    """(…, 3, H, W) RGB → the opponent space, a rotation; images of other numbers of channels stay."""
    return _rotated(image, constant(image, opponent_axes, 3))


def from_opponent(image: torch.Tensor) -> torch.Tensor:
    """The inverse, and adjoint, of :func:`to_opponent`."""
    return _rotated(image, constant(image, opponent_axes, 3).T)


def _rotated(image: torch.Tensor, axes: torch.Tensor) -> torch.Tensor:
    if image.shape[-3] != 3:
        return image
    return torch.einsum("dc,...chw->...dhw", axes, image)


#: What the standard deviation of white noise in RGB is multiplied by in :func:`full_range_luma`.
FULL_RANGE_LUMA_NOISE = math.sqrt(math.fsum(weight**2 for weight in LUMA_WEIGHTS["bt601"]))


def full_range_luma(image: torch.Tensor) -> torch.Tensor:
    """``Y = 0.299 R + 0.587 G + 0.114 B`` of ITU-R BT.601, (N, 1, H, W) on the scale of the image (N, 3, H, W).

    The tables of super-resolution measure another one, from 16 to 235: :mod:`zeroshot.metrics`.
    """
    weights = constant(image, luma_weights, "bt601")
    return torch.einsum("j,njhw->nhw", weights, image)[:, None]
