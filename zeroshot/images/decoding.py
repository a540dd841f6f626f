"""What every decoder here has to check and to catch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from contextvars import ContextVar

from PIL import Image

from zeroshot.images.errors import ImageError
from zeroshot.images.native_messages import unheard

MAX_PIXELS = 178_956_970  # where Pillow refuses by default as well
_side_limit: ContextVar[tuple[int, str] | None] = ContextVar("side_limit", default=None)


@contextlib.contextmanager
def largest_side(pixels: int, what: str) -> Iterator[None]:
    """Refuse, within this context, pictures with a longer side than `pixels`, as too large for `what`."""
    token = _side_limit.set((pixels, what))
    try:
        yield
    finally:
        _side_limit.reset(token)


@contextlib.contextmanager
def library_errors(subject: object, complaint: str) -> Iterator[None]:
    """Let the decoders' and encoders' warnings pass silently and re-raise their errors in one line."""
    try:
        with unheard():
            yield
    except (ImageError, MemoryError):
        raise
    except Image.DecompressionBombError:
        raise ImageError(f"{subject}: {_too_many()}") from None
    except Exception as error:  # the decoders raise everything from SyntaxError to struct.error
        told = error.args[0] if error.args else error
        text = told.decode("utf-8", "replace") if isinstance(told, bytes) else str(error)  # so LibRaw tells
        reason = (text.strip().splitlines() or [type(error).__name__])[0]
        if reason.startswith("cannot identify image file"):  # Pillow's words name an object in memory
            reason = "its header is not understood"
        elif reason.startswith("Generic Error"):  # libjxl's, with advice for those who build it
            reason = "what it holds is not understood"
        raise ImageError(f"{subject}: {complaint}: {reason}") from None


def _too_many(what: str = "") -> str:
    return f"holds too many pixels{what}; the limit is {MAX_PIXELS}: cut it into parts"


def check_size(width: int, height: int) -> None:
    """Refuse a decompression bomb by the size its header claims."""
    limit = _side_limit.get()
    if limit is not None and max(width, height) > limit[0]:
        raise ImageError(
            f"is too large for {limit[1]} ({width} × {height}); the limit is {limit[0]} × {limit[0]}"
        )
    if width * height > MAX_PIXELS:
        raise ImageError(_too_many(f" ({width} × {height})"))
    if width < 1 or height < 1:
        raise ImageError(f"holds no pixels ({width} × {height})")


def check_single(frames: int, what: str) -> None:
    """Refuse a file with more than one picture."""
    if frames > 1:
        raise ImageError(f"holds {frames} {what}; save the one to restore as a file of its own")
