"""What every decoder here has to check and to catch."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

from PIL import Image

from zeroshot.images.metadata import ImageError
from zeroshot.images.native_messages import unheard

MAX_PIXELS = 178_956_970  # where Pillow refuses by default as well


@contextmanager
def library_errors(subject: object, complaint: str) -> Iterator[None]:
    """Let the decoders' and encoders' warnings pass silently and re-raise their errors in one line."""
    loggers = [logging.getLogger(name) for name in ("tifffile", "PIL.TiffImagePlugin")]
    disabled = [logger.disabled for logger in loggers]
    for logger in loggers:
        logger.disabled = True
    try:
        with warnings.catch_warnings(), unheard():
            warnings.simplefilter("ignore")
            yield
    except (ImageError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise ImageError(f"{subject}: {_too_many()}") from None
    except Exception as error:  # the decoders raise everything from SyntaxError to struct.error
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0]
        raise ImageError(f"{subject}: {complaint}: {reason}") from None
    finally:
        for logger, before in zip(loggers, disabled, strict=True):
            logger.disabled = before


def _too_many(what: str = "") -> str:
    return f"holds too many pixels{what}; the limit is {MAX_PIXELS}"


def check_size(width: int, height: int) -> None:
    """Refuse a decompression bomb by the size its header claims."""
    if width * height > MAX_PIXELS:
        raise ImageError(_too_many(f" ({width} × {height})"))
    if width < 1 or height < 1:
        raise ImageError(f"holds no pixels ({width} × {height})")


def check_single(frames: int, what: str) -> None:
    """Refuse a file with more than one picture."""
    if frames > 1:
        raise ImageError(f"holds {frames} {what}; save the one to restore as a file of its own")
