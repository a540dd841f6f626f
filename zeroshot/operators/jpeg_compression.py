"""JPEG compression as a damage: what an encoder and a decoder make of a picture."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from PIL import Image

from zeroshot.compression.header import SUBSAMPLINGS
from zeroshot.compression.tables import tables_of_quality
from zeroshot.operators.operator import Operator, Shape, require_image


class JpegCompression(Operator):
    """A x = the picture that is left of x after JPEG; it rounds, so that it is neither linear nor has a gradient.

    In a problem it stands last: there its place is taken by :class:`JpegTransform` and the boxes of the coefficients,
    for which the tables may be those of the file that is restored, or be found in its pixels.

    Parameters
    ----------
    quality : int or "auto"
        1 to 100, with the tables of the Independent JPEG Group. "auto" is that of the picture to be restored; no damage
        can be made with it.
    subsampling : str
        "4:4:4", "4:2:2" or "4:2:0" of the chroma, and for pictures to be restored also "4:4:0", "4:1:1" and "auto".
    """

    linear = False

    def __init__(self, quality: Any = "auto", subsampling: str = "auto") -> None:
        super().__init__()
        if quality != "auto":
            tables_of_quality(quality)
        if subsampling not in ("auto", *SUBSAMPLINGS):
            known = ", ".join(map(repr, ("auto", *SUBSAMPLINGS)))
            raise ValueError(f"subsampling must be one of {known}, got {subsampling!r}")
        self.quality, self.subsampling = quality if quality == "auto" else int(quality), subsampling

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        require_image(x.shape, self)
        if self.quality == "auto":
            raise ValueError("jpeg needs a quality to compress with, such as jpeg(10)")
        levels = (255 * x.detach().clamp(0, 1)).round().to(torch.uint8).cpu().numpy()
        decoded = np.stack([self._compressed(picture) for picture in levels])
        return torch.from_numpy(decoded).to(x) / 255

    def _compressed(self, picture: np.ndarray) -> np.ndarray:
        """(C, H, W) of uint8 there and back."""
        pixels = picture[0] if picture.shape[0] == 1 else np.ascontiguousarray(picture.transpose(1, 2, 0))
        buffer = io.BytesIO()
        chosen = {} if self.subsampling == "auto" else {"subsampling": self.subsampling}
        Image.fromarray(pixels).save(buffer, "JPEG", quality=self.quality, **chosen)
        decoded = np.asarray(Image.open(buffer))
        return decoded[None] if decoded.ndim == 2 else decoded.transpose(2, 0, 1)

    def input_shape(self, measurement_shape: Sequence[int]) -> Shape:
        require_image(measurement_shape, self)
        return tuple(measurement_shape)

    def output_shape(self, image_shape: Sequence[int]) -> Shape:
        require_image(image_shape, self)
        return tuple(image_shape)

    def describe(self) -> str:
        return "jpeg" if self.quality == "auto" else f"jpeg({self.quality})"
