"""The luma of colour images, and where it can be restored on its own."""

from __future__ import annotations

import math

import torch

from zeroshot.operators.operator import Operator

#: Luma of ITU-R BT.601 from R, G, B.
_LUMA = (0.299, 0.587, 0.114)
#: What the noise of a colour image is multiplied by in its luma.
LUMA_NOISE = math.sqrt(math.fsum(weight**2 for weight in _LUMA))


def luma(image: torch.Tensor) -> torch.Tensor:
    """Brightness (N, 1, H, W) of an image (N, 3, H, W) by BT.601."""
    return torch.einsum("j,njhw->nhw", image.new_tensor(_LUMA), image)[:, None]


@torch.no_grad()
def treats_channels_alike(operator: Operator, shape: tuple[int, ...]) -> bool:
    """Whether A damages every channel of a three-channel image of `shape` in the same way, on its own."""
    if shape[1] != 3:
        return False
    generator = torch.Generator().manual_seed(0)
    image = torch.rand((shape[0], 1, *shape[2:]), generator=generator).to(operator.device)
    weights = image.new_tensor((1.0, -0.5, 0.25)).view(1, 3, 1, 1)
    try:
        single, together = operator(image), operator(image * weights)
    except (ValueError, RuntimeError):
        return False
    if single.shape[1] != 1 or together.shape != (single.shape[0], 3, *single.shape[2:]):
        return False
    return torch.allclose(together, single * weights, atol=1e-5)
