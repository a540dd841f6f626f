"""An orthonormal opponent space for RGB images: brightness first, then two differences of colour."""

from __future__ import annotations

import torch

#: The orthonormal DCT of three points, which is close to the principal axes of photographs' colours: the
#: brightness, red − blue, red − 2 green + blue. Orthonormal, so that white noise stays white.
AXES = (
    (3**-0.5, 3**-0.5, 3**-0.5),
    (2**-0.5, 0.0, -(2**-0.5)),
    (6**-0.5, -2 * 6**-0.5, 6**-0.5),
)


def to_opponent(image: torch.Tensor) -> torch.Tensor:
    """(…, 3, H, W) RGB → the opponent space, a rotation; images of other numbers of channels stay."""
    return _rotated(image, image.new_tensor(AXES))


def from_opponent(image: torch.Tensor) -> torch.Tensor:
    """The inverse, and adjoint, of :func:`to_opponent`."""
    return _rotated(image, image.new_tensor(AXES).T)


def _rotated(image: torch.Tensor, axes: torch.Tensor) -> torch.Tensor:
    if image.shape[-3] != 3:
        return image
    return torch.einsum("dc,...chw->...dhw", axes, image)
