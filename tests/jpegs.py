"""JPEG files made by Pillow from a photograph, for tests."""

from __future__ import annotations

import io
from typing import Any

import numpy as np
from PIL import Image
from skimage import data


def photograph(height: int = 96, width: int = 112, mode: str = "RGB") -> np.ndarray:
    """A part of a photograph with a face, hair and cloth: (H, W) or (H, W, 3) of uint8."""
    pixels = data.astronaut()[20 : 20 + height, 160 : 160 + width]
    return np.array(Image.fromarray(pixels).convert(mode))


def encoded(pixels: np.ndarray | Image.Image, **options: Any) -> bytes:
    """The bytes of a JPEG."""
    buffer = io.BytesIO()
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    image.save(buffer, "JPEG", **options)
    return buffer.getvalue()


def cmyk(height: int = 16, width: int = 16) -> bytes:
    """The bytes of a JPEG with four inks."""
    return encoded(Image.fromarray(photograph(height, width)).convert("CMYK"))


def decoded(jpeg: bytes) -> np.ndarray:
    """Its pixels."""
    return np.array(Image.open(io.BytesIO(jpeg)))


def psnr(first: np.ndarray, second: np.ndarray) -> float:
    """Peak signal-to-noise ratio of pixels from 0 to 255."""
    return float(-10 * np.log10(np.square(first.astype(float) - second.astype(float)).mean() / 255**2))
