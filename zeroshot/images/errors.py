"""The one error of images."""

from __future__ import annotations

from zeroshot.spelling import Spelled


class ImageError(Spelled, ValueError):
    """An image that cannot be read, used or written, in one line that says what would be right."""
