"""What the browser brings: pictures, and what is painted on them, each within its limits and under a safe name."""

from __future__ import annotations

import io
import unicodedata
from collections.abc import AsyncIterator
from pathlib import Path

from PIL import Image

from zeroshot.app.wording import RefusedError
from zeroshot.file_names import is_device
from zeroshot.tasks.options import OptionType

#: What a file may have at most.
MOST_BYTES = 100_000_000
_LONGEST_STEM = 80


def too_large(what: str = "the file") -> RefusedError:
    """The error for what has too many bytes."""
    return RefusedError(
        f"{what} is larger than {MOST_BYTES // 1_000_000} MB, which is what the page takes", status=413
    )


def safe_name(name: str, otherwise: str = "picture.png") -> str:
    """The name of a file that the browser gives, without what could lead out of a folder or hide within a name."""
    last = name.replace("\\", "/").rpartition("/")[2]
    shown = "".join(sign for sign in last if unicodedata.category(sign)[0] != "C" and sign not in '<>:"|?*')
    path = Path(shown.strip(" ."))
    stem = path.stem.strip(" .").lstrip("-")[:_LONGEST_STEM]
    if not stem:
        return otherwise
    return f"{stem}{'_' * is_device(stem)}{path.suffix[:8]}"


async def received(chunks: AsyncIterator[bytes], path: Path) -> int:
    """Write what arrives into a file; how many bytes that were.

    Raises
    ------
    RefusedError
        Where they are too many, or none.
    """
    count = 0
    with path.open("xb") as file:
        async for chunk in chunks:
            count += len(chunk)
            if count > MOST_BYTES:
                raise too_large()
            file.write(chunk)
    if not count:
        raise RefusedError("the file is empty")
    return count


def painted(data: bytes, kind: OptionType, size: tuple[int, int]) -> bytes:
    """What was painted, as the task takes it: at the size of the picture, with hard edges.

    Parameters
    ----------
    data : bytes
        A PNG file: white with black holes, or transparent with colours.
    kind : OptionType
        What the brush means.
    size : tuple of int
        Width and height.

    Raises
    ------
    RefusedError
        Where it is no such file.
    """
    try:
        with Image.open(io.BytesIO(data), formats=["PNG"]) as file:
            image = file.convert("L" if kind.painted == "holes" else "RGBA")
    except (OSError, ValueError, SyntaxError, Image.DecompressionBombError):
        raise RefusedError("what was painted did not arrive as a picture") from None
    if image.size != size:
        # Browsers do not paint on canvases of any size.
        image = image.resize(size, Image.Resampling.NEAREST)
    if kind.painted == "holes":
        image = image.point(lambda value: 255 * (value >= 128))
    else:
        image.putalpha(image.getchannel("A").point(lambda value: 255 * (value >= 128)))
    buffer = io.BytesIO()
    image.save(buffer, format="PNG")
    return buffer.getvalue()
