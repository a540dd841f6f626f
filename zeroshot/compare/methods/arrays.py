"""Between the arrays that methods take and give, and the tensors that networks and operators work on."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import torch

from zeroshot.colour import LUMA_16_235_BLACK, LUMA_16_235_WEIGHTS
from zeroshot.metrics import luma_16_235

#: Cb and Cr of ITU-R BT.601 for R, G, B in [0, 1], as MATLAB's rgb2ycbcr computes them: rows times RGB, / 255.
_CHROMA = ((-37.797, -74.203, 112.0), (112.0, -93.786, -18.214))
_CENTRE = 128 / 255
_TO_YCBCR = np.vstack([LUMA_16_235_WEIGHTS, np.array(_CHROMA) / 255])


def to_tensor(image: np.ndarray) -> torch.Tensor:
    """The image (1, C, H, W), float32, of an array H × W or H × W × C."""
    if image.ndim not in (2, 3):
        raise ValueError(f"an image must be H × W or H × W × C, got shape {image.shape}")
    values = image[..., None] if image.ndim == 2 else image
    return (
        torch.from_numpy(np.ascontiguousarray(values, dtype=np.float32)).permute(2, 0, 1)[None].contiguous()
    )


def to_array(image: torch.Tensor) -> np.ndarray:
    """The array, float32, H × W for one channel and H × W × C for more, of an image (1, C, H, W).

    It never shares memory with `image`.
    """
    values = image.detach()[0].to("cpu", torch.float32, copy=True)
    return values[0].numpy() if values.shape[0] == 1 else values.permute(1, 2, 0).contiguous().numpy()


def to_luma_and_chroma(image: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Y (N, 1, H, W) in [16/255, 235/255] and Cb, Cr (N, 2, H, W) around 128/255, of R, G, B in [0, 1].

    ``Y, Cb, Cr`` of ITU-R BT.601 in the 16–235 range, as MATLAB's rgb2ycbcr computes them.
    """
    weights = torch.tensor(_CHROMA, dtype=image.dtype, device=image.device) / 255
    return luma_16_235(image), torch.einsum("kc,nchw->nkhw", weights, image) + _CENTRE


def from_luma_and_chroma(y: torch.Tensor, chroma: torch.Tensor) -> torch.Tensor:
    """R, G, B (N, 3, H, W): the inverse of :func:`to_luma_and_chroma`."""
    inverse = torch.from_numpy(np.linalg.inv(_TO_YCBCR)).to(y)
    centred = torch.cat((y - LUMA_16_235_BLACK, chroma - _CENTRE), dim=1)
    return torch.einsum("kc,nchw->nkhw", inverse, centred)


def described_shape(shape: Sequence[int]) -> str:
    """A shape for a message: "1 × 3 × 64 × 64"."""
    return " × ".join(str(size) for size in shape) or "a single number"
