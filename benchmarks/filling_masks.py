"""Holes of several shapes: what inpainting is measured on beside pixels missing at random."""

from __future__ import annotations

import numpy as np
from PIL import Image, ImageDraw, ImageFont


def text_mask(height: int, width: int) -> np.ndarray:
    """1 where an image is not written over: lines of 13 pixels, every 17."""
    page = Image.new("L", (width, height), 255)
    draw, font = ImageDraw.Draw(page), ImageFont.load_default(size=13)
    words = "Sphinx of black quartz, judge my vow. " * (width // 100 + 1)
    for line, top in enumerate(range(2, height, 17)):
        draw.text((2 - 7 * (line % 5), top), words, fill=0, font=font)
    return (np.asarray(page) > 128).astype(np.float32)


def block_mask(height: int, width: int) -> np.ndarray:
    """1 but for rectangles with sides of 6 to 14 pixels, one for every 1600 pixels, with a fixed seed."""
    generator = np.random.default_rng(0)
    mask = np.ones((height, width), np.float32)
    for _ in range(max(1, height * width // 1600)):
        top, left = generator.integers(0, height - 14), generator.integers(0, width - 14)
        down, along = generator.integers(6, 15, 2)
        mask[top : top + down, left : left + along] = 0
    return mask


def hole_mask(height: int, width: int, side: int = 48) -> np.ndarray:
    """1 but for a square with this side, or half the image where that is less, off the centre."""
    side = min(side, height // 2, width // 2)
    mask = np.ones((height, width), np.float32)
    top, left = (height - side) // 3, (width - side) * 2 // 3
    mask[top : top + side, left : left + side] = 0
    return mask


MASKS = {"text": text_mask, "blocks": block_mask, "hole": hole_mask}
